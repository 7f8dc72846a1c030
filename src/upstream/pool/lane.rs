//! One worker's connections to one upstream.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{sync::Mutex, task::yield_now};

use super::Needs;
use crate::{
    config::{UpstreamScheme, UpstreamUrl},
    upstream::{
        Connection, Stream, Upstream,
        connect::{self, ConnectError},
        http1, http2,
        names::Names,
        tls::{Connector, chose_http2},
    },
};

/// Idle connections kept per upstream and worker. More than this many at once were a peak, not a habit.
const MAX_IDLE: usize = 256;

/// How long a connection is kept unused. Below the 60 s and more that most servers allow; those that allow
/// less close it themselves, which is noticed before it is used again.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// What is open to one upstream.
#[derive(Debug)]
pub(super) struct Lane {
    idle: RefCell<Vec<Idle>>,
    shared: http2::Connections,
    connector: Option<Connector>,
    /// Held by whoever opens a connection that others can share: a hundred requests at once need one, not a hundred.
    opening: Mutex<()>,
    /// Whether the upstream chose HTTP/2 when it last had the choice, so that connections to it are shared.
    chooses_http2: Cell<bool>,
}

#[derive(Debug)]
struct Idle {
    connection: http1::Connection,
    since: Instant,
}

impl Lane {
    pub(super) fn to(upstream: &Upstream) -> Self {
        Self {
            idle: RefCell::default(),
            shared: http2::Connections::default(),
            connector: upstream.client().map(Connector::new),
            opening: Mutex::default(),
            chooses_http2: Cell::new(true),
        }
    }

    /// A connection that is open and has room, if there is one.
    pub(super) async fn take(&self, upstream: &Upstream, needs: Needs) -> Option<Connection> {
        let speaks = Speaks::of(upstream.url(), needs);
        if speaks.http2 && !needs.alone {
            if needs.surely_open && self.shared.has_idle() {
                // The runtime looks at all sockets, and then the connection's own task at its: what has closed is told.
                yield_now().await;
            }
            if let Some(place) = self.shared.place() {
                return Some(Connection::Http2(place));
            }
        }
        let kept = speaks.http1.then(|| self.kept(needs.surely_open));
        kept.flatten().map(Connection::Http1)
    }

    /// The connection that was used last and that the upstream has not closed since.
    ///
    /// The last rather than the oldest: the rest can grow old and be closed.
    fn kept(&self, surely: bool) -> Option<http1::Connection> {
        let mut idle = self.idle.borrow_mut();
        while let Some(Idle { mut connection, .. }) = idle.pop() {
            if connection.is_quiet() && (!surely || connection.is_surely_quiet()) {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection. `now` may be as old as the last tick.
    pub(super) fn put(&self, connection: http1::Connection, now: Instant) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < MAX_IDLE {
            idle.push(Idle {
                connection,
                since: now,
            });
        }
    }

    /// Opens a connection, or takes a place on one that somebody else has opened meanwhile.
    pub(super) async fn open(
        &self,
        upstream: &Upstream,
        needs: Needs,
        names: &Rc<Names>,
    ) -> Result<Connection, ConnectError> {
        let speaks = Speaks::of(upstream.url(), needs);
        let is_shared = speaks.http2 && !needs.alone && self.chooses_http2.get();
        let _turn = match is_shared {
            true => Some(self.opening.lock().await),
            false => None,
        };
        if is_shared && let Some(place) = self.shared.place() {
            return Ok(Connection::Http2(place));
        }
        let (stream, is_http2) = self.stream(upstream.url(), speaks, names).await?;
        if !is_http2 {
            return Ok(Connection::Http1(http1::Connection::new(stream)));
        }
        let connection = http2::Connection::open(stream).await?;
        let place = connection.place().ok_or_else(|| {
            let error = std::io::Error::other("the upstream takes no request on a new connection");
            ConnectError::Refused(error)
        })?;
        if !needs.alone {
            self.shared.add(connection);
        }
        Ok(Connection::Http2(place))
    }

    /// A stream, and whether HTTP/2 is spoken on it.
    async fn stream(
        &self,
        url: &UpstreamUrl,
        speaks: Speaks,
        names: &Rc<Names>,
    ) -> Result<(Stream, bool), ConnectError> {
        let (host, port) = match url {
            UpstreamUrl::Unix(path) => return Ok((Stream::Unix(connect::unix(path).await?), false)),
            UpstreamUrl::Tcp { host, port, .. } => (host, *port),
        };
        let stream = connect::tcp(names, host, port).await?;
        let Some(connector) = &self.connector else {
            return Ok((Stream::Tcp(stream), speaks.http2));
        };
        let stream = connector.connect(stream, !speaks.http2).await?;
        let is_http2 = chose_http2(&stream);
        if speaks.http2 {
            self.chooses_http2.set(is_http2);
        }
        Ok((Stream::Tls(Box::new(stream)), is_http2))
    }

    pub(super) fn tick(&self, now: Instant) {
        self.idle.borrow_mut().retain_mut(|idle| {
            idle.connection.is_quiet() && now.saturating_duration_since(idle.since) < IDLE_LIMIT
        });
        self.shared.close_idle(now, IDLE_LIMIT);
    }
}

/// What a request can be sent by.
#[derive(Debug, Clone, Copy)]
struct Speaks {
    http1: bool,
    http2: bool,
}

impl Speaks {
    fn of(url: &UpstreamUrl, needs: Needs) -> Self {
        let (http1, http2) = match url {
            UpstreamUrl::Unix(_) => (true, false),
            UpstreamUrl::Tcp { scheme, .. } => match scheme {
                UpstreamScheme::Http => (true, false),
                UpstreamScheme::H2c => (false, true),
                UpstreamScheme::Https => (true, !needs.http1),
            },
        };
        Self { http1, http2 }
    }
}
