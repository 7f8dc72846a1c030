//! Connections that many requests share.

use std::{
    cell::{Cell, RefCell},
    pin::pin,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use h2::{
    Ping,
    client::{Builder, SendRequest},
};
use tokio::{sync::oneshot, time::timeout};

use crate::upstream::Stream;

/// Our own limit on a connection's streams; the upstream's may be lower.
const MAX_STREAMS: usize = 100;

/// What an upstream may send of one answer before the client has taken it.
const STREAM_WINDOW: u32 = 128 * 1024;

/// The same of all answers of a connection. As much as all of its streams together: a client that takes nothing would
/// otherwise hold up everybody else's answers.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * 100;

/// What small frames may cost beyond what they carry. A client that takes nothing of an answer in pieces of thirty bytes
/// makes a megabyte of it; when all is spent the connection ends, and with it everybody else's answers.
const FRAME_BUDGET: usize = 64 * 1024 * 1024;

/// The most that is buffered of each request's body.
const SEND_BUFFER: usize = 64 * 1024;

/// The largest head of an answer. The same as over HTTP/1.1.
const MAX_HEAD_BYTES: u32 = 1024 * 1024;

/// How long a connection that nobody uses any more may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(5);

/// The connections to one upstream that take requests.
#[derive(Debug, Default)]
pub struct Connections(RefCell<Vec<Connection>>);

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Bytes>,
    state: Rc<State>,
}

/// What a connection's holders know of it.
#[derive(Debug)]
struct State {
    /// Requests that are on it.
    active: Cell<usize>,
    /// When there last was none more.
    idle_since: Cell<Instant>,
    /// It has carried a request.
    is_used: Cell<bool>,
    /// It takes no more.
    is_over: Cell<bool>,
    /// Dropped with the last holder.
    _held: oneshot::Sender<()>,
}

/// Room for one request on a connection, which is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    pub(super) sender: SendRequest<Bytes>,
    state: Rc<State>,
    /// No request had been on the connection before.
    pub(super) is_fresh: bool,
}

impl Connections {
    /// A place on a connection that has one.
    pub fn place(&self) -> Option<Place> {
        let mut connections = self.0.borrow_mut();
        connections.retain_mut(Connection::is_open);
        connections.iter().find_map(Connection::place)
    }

    /// Whether a connection has nothing to do, and may have been closed unheard.
    pub fn has_idle(&self) -> bool {
        let connections = self.0.borrow();
        connections
            .iter()
            .any(|connection| connection.state.active.get() == 0)
    }

    /// Has others find room on a connection.
    pub fn add(&self, connection: Connection) {
        self.0.borrow_mut().push(connection);
    }

    /// Closes connections on which nothing has been for `limit`.
    pub fn close_idle(&self, now: Instant, limit: Duration) {
        self.0.borrow_mut().retain_mut(|connection| {
            let state = &connection.state;
            let is_old = now.saturating_duration_since(state.idle_since.get()) >= limit;
            !(state.active.get() == 0 && is_old) && connection.is_open()
        });
    }
}

impl Connection {
    /// Begins HTTP/2 on a stream, and waits until the upstream has answered in it: whoever does not speak it never hears
    /// of a request, and its SETTINGS, which come first (RFC 9113, section 3.4), say how many there may be.
    ///
    /// # Errors
    /// The upstream does not speak HTTP/2, or the connection fails.
    pub async fn open(stream: Stream) -> Result<Self, h2::Error> {
        let (sender, mut connection) = Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .data_frame_budget(FRAME_BUDGET)
            .max_send_buffer_size(SEND_BUFFER)
            .max_header_list_size(MAX_HEAD_BYTES)
            .handshake(stream)
            .await?;
        let pings = connection.ping_pong();
        let (held, abandoned) = oneshot::channel();
        let state = Rc::new(State {
            active: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            is_used: Cell::new(false),
            is_over: Cell::new(false),
            _held: held,
        });
        tokio::task::spawn_local(run(connection, Rc::downgrade(&state), abandoned));
        if let Some(mut pings) = pings {
            pings.ping(Ping::opaque()).await?;
        }
        Ok(Self { sender, state })
    }

    /// A place for one more request, if there is one.
    pub fn place(&self) -> Option<Place> {
        let active = self.state.active.get();
        if active >= MAX_STREAMS.min(self.sender.current_max_send_streams()) {
            return None;
        }
        self.state.active.set(active + 1);
        Some(Place {
            sender: self.sender.clone(),
            is_fresh: !self.state.is_used.replace(true),
            state: Rc::clone(&self.state),
        })
    }

    /// Whether it takes requests: neither has it ended, nor has the upstream said that it will (GOAWAY).
    fn is_open(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        !self.state.is_over.get() && !matches!(self.sender.poll_ready(&mut context), Poll::Ready(Err(_)))
    }
}

/// Carries a connection's frames until it ends. Once nobody holds it any more it has little time left to do so.
async fn run(
    connection: h2::client::Connection<Stream, Bytes>,
    state: Weak<State>,
    abandoned: oneshot::Receiver<()>,
) {
    let mut connection = pin!(connection);
    tokio::select! {
        result = &mut connection => {
            if let Err(error) = result {
                tracing::debug!(%error, "an HTTP/2 connection to an upstream ended");
            }
        }
        _ = abandoned => drop(timeout(FAREWELL, connection).await),
    }
    if let Some(state) = state.upgrade() {
        state.is_over.set(true);
    }
}

impl Place {
    /// Has the connection take no more requests. Those that are on it go on.
    pub(super) fn give_connection_up(&self) {
        self.state.is_over.set(true);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.state.active.set(self.state.active.get() - 1);
        self.state.idle_since.set(Instant::now());
    }
}
