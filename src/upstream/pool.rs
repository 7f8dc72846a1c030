//! One worker's connections to its upstreams. Nothing here is shared between threads, so nothing is locked.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use ahash::AHashMap;
use tokio::time::timeout;

use super::{Connection, Deadlines, Upstream, connect::ConnectError, http1, names::Names};
use crate::config::UpstreamUrl;

mod lane;

use lane::Lane;

/// The open connections of one worker, and its waits for answers.
#[derive(Debug)]
pub struct Pool {
    lanes: RefCell<AHashMap<Arc<Upstream>, Rc<Lane>>>,
    names: Rc<Names>,
    deadlines: Rc<Deadlines>,
}

/// What a request asks of its connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Needs {
    /// It cannot be sent twice. A connection may have been closed since the worker last heard of it, so the system is asked.
    pub surely_open: bool,
    /// It changes the protocol, or signs its connection in: HTTP/2 has neither.
    pub http1: bool,
    /// It signs its connection in, so that nobody else may be on it.
    pub alone: bool,
}

impl Pool {
    /// Of a worker that calls [`Pool::tick`] this often.
    pub fn new(now: Instant, tick: Duration) -> Self {
        Self {
            lanes: RefCell::default(),
            names: Rc::default(),
            deadlines: Rc::new(Deadlines::new(now, tick)),
        }
    }

    /// Where the worker's requests wait.
    pub fn deadlines(&self) -> &Rc<Deadlines> {
        &self.deadlines
    }

    /// A connection that is open and has room, if there is one.
    pub async fn take(&self, upstream: &Arc<Upstream>, needs: Needs) -> Option<Connection> {
        let lane = self.lanes.borrow().get(upstream).map(Rc::clone)?;
        lane.take(upstream, needs).await
    }

    /// Opens a new connection, or finds room on one that somebody else has just opened.
    ///
    /// # Errors
    /// None could be opened within `limit`.
    pub async fn connect(
        &self,
        upstream: &Arc<Upstream>,
        needs: Needs,
        limit: Duration,
    ) -> Result<Connection, ConnectError> {
        let lane = self.lane(upstream);
        let connected = timeout(limit, lane.open(upstream, needs, &self.names))
            .await
            .unwrap_or(Err(ConnectError::TimedOut));
        if connected.is_err()
            && let UpstreamUrl::Tcp { host, .. } = upstream.url()
        {
            self.names.doubt(host);
        }
        connected
    }

    /// Keeps a connection whose answer has been read to its end.
    pub fn put(&self, upstream: &Arc<Upstream>, connection: http1::Connection) {
        self.lane(upstream).put(connection, self.deadlines.now());
    }

    /// Once a tick: closes connections that were not used for long or that the upstream closed, and wakes whoever has
    /// waited for too long.
    pub fn tick(&self, now: Instant) {
        self.deadlines.tick(now);
        for lane in self.lanes.borrow().values() {
            lane.tick(now);
        }
    }

    /// The name is copied once per upstream, not once per request.
    fn lane(&self, upstream: &Arc<Upstream>) -> Rc<Lane> {
        let mut lanes = self.lanes.borrow_mut();
        match lanes.get(upstream) {
            Some(lane) => Rc::clone(lane),
            None => Rc::clone(
                lanes
                    .entry(Arc::clone(upstream))
                    .or_insert_with(|| Rc::new(Lane::to(upstream))),
            ),
        }
    }
}
