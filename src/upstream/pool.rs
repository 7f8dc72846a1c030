//! One worker's connections to its upstreams. Nothing here is shared between threads, so nothing is locked.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use ahash::AHashMap;

use super::{
    Sender,
    connect::{ConnectError, connect},
};
use crate::config::UpstreamUrl;

/// Idle connections kept per upstream and worker. More than this many at once were a peak, not a habit.
const MAX_IDLE: usize = 256;

/// How long a connection is kept unused. Below the 60 s and more that most servers allow; those that allow
/// less close it themselves, which is noticed before it is used again.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// The idle connections of one worker.
#[derive(Debug, Default)]
pub struct Pool {
    idle: RefCell<AHashMap<UpstreamUrl, Vec<Idle>>>,
}

#[derive(Debug)]
struct Idle {
    sender: Sender,
    since: Instant,
}

impl Pool {
    /// The connection that was used last and can take a request now, if there is one.
    ///
    /// The last rather than the oldest: the rest can grow old and be closed.
    pub fn take(&self, upstream: &UpstreamUrl) -> Option<Sender> {
        let mut idle = self.idle.borrow_mut();
        let connections = idle.get_mut(upstream)?;
        connections.retain(|connection| !connection.sender.is_closed());
        let ready = connections
            .iter()
            .rposition(|connection| connection.sender.is_ready())?;
        Some(connections.remove(ready).sender)
    }

    /// Opens a new connection. It is driven by a task of its own until it ends.
    ///
    /// # Errors
    /// None could be opened within `limit`.
    pub async fn connect(&self, upstream: &UpstreamUrl, limit: Duration) -> Result<Sender, ConnectError> {
        let stream = connect(upstream, limit).await?;
        Sender::handshake(stream).await.map_err(ConnectError::Handshake)
    }

    /// Keeps a connection whose answer has been read to its end.
    pub fn put(&self, upstream: &UpstreamUrl, sender: Sender) {
        if sender.is_closed() {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        // The name is copied once per upstream, not once per request.
        let connections = match idle.get_mut(upstream) {
            Some(connections) => connections,
            None => idle.entry(upstream.clone()).or_default(),
        };
        if connections.len() < MAX_IDLE {
            connections.push(Idle {
                sender,
                since: Instant::now(),
            });
        }
    }

    /// Closes connections that were not used for [`IDLE_LIMIT`], and forgets those that the upstream closed.
    pub fn close_idle(&self, now: Instant) {
        self.idle.borrow_mut().retain(|_, connections| {
            connections.retain(|connection| {
                !connection.sender.is_closed() && now.saturating_duration_since(connection.since) < IDLE_LIMIT
            });
            !connections.is_empty()
        });
    }
}
