//! One worker's connections to its upstreams. Nothing here is shared between threads, so nothing is locked.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use ahash::AHashMap;

use super::{
    Deadlines, Stream,
    connect::{ConnectError, connect},
    http1::Connection,
};
use crate::config::UpstreamUrl;

/// Idle connections kept per upstream and worker. More than this many at once were a peak, not a habit.
const MAX_IDLE: usize = 256;

/// How long a connection is kept unused. Below the 60 s and more that most servers allow; those that allow
/// less close it themselves, which is noticed before it is used again.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// The idle connections of one worker, and its waits for answers.
#[derive(Debug)]
pub struct Pool {
    idle: RefCell<AHashMap<UpstreamUrl, Vec<Idle>>>,
    deadlines: Rc<Deadlines>,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// Of a worker that calls [`Pool::tick`] this often.
    pub fn new(now: Instant, tick: Duration) -> Self {
        Self {
            idle: RefCell::default(),
            deadlines: Rc::new(Deadlines::new(now, tick)),
        }
    }

    /// Where the worker's requests wait.
    pub fn deadlines(&self) -> &Rc<Deadlines> {
        &self.deadlines
    }

    /// The connection that was used last and that the upstream has not closed since, if there is one.
    ///
    /// The last rather than the oldest: the rest can grow old and be closed. Before a request that cannot be sent
    /// twice the system is asked (`surely`): a connection may have been closed since the worker last heard.
    pub fn take(&self, upstream: &UpstreamUrl, surely: bool) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        let connections = idle.get_mut(upstream)?;
        while let Some(Idle { mut connection, .. }) = connections.pop() {
            let is_quiet = match surely {
                true => connection.is_quiet() && connection.is_surely_quiet(),
                false => connection.is_quiet(),
            };
            if is_quiet {
                return Some(connection);
            }
        }
        None
    }

    /// Opens a new connection.
    ///
    /// # Errors
    /// None could be opened within `limit`.
    pub async fn connect(&self, upstream: &UpstreamUrl, limit: Duration) -> Result<Connection, ConnectError> {
        let stream = connect(upstream, limit).await?;
        Ok(Connection::new(Stream::Tcp(stream)))
    }

    /// Keeps a connection whose answer has been read to its end.
    pub fn put(&self, upstream: &UpstreamUrl, connection: Connection) {
        let mut idle = self.idle.borrow_mut();
        // The name is copied once per upstream, not once per request.
        let connections = match idle.get_mut(upstream) {
            Some(connections) => connections,
            None => idle.entry(upstream.clone()).or_default(),
        };
        if connections.len() < MAX_IDLE {
            connections.push(Idle {
                connection,
                since: Instant::now(),
            });
        }
    }

    /// Once a tick: closes connections that were not used for [`IDLE_LIMIT`] or that the upstream closed, and wakes
    /// whoever has waited for too long.
    pub fn tick(&self, now: Instant) {
        self.deadlines.tick(now);
        self.idle.borrow_mut().retain(|_, connections| {
            connections.retain_mut(|idle| {
                idle.connection.is_quiet() && now.saturating_duration_since(idle.since) < IDLE_LIMIT
            });
            !connections.is_empty()
        });
    }
}
