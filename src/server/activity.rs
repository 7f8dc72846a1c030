//! What each connection is doing, and since when.
//!
//! Deadlines are not timers. Each connection notes on a coarse clock when it began to read a request's
//! head or to be idle; the worker looks at all of them once a tick and tells those that are overdue.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{Notify, OwnedSemaphorePermit},
};

use crate::config::LimitsConfig;

/// One worker's open connections.
pub(super) struct Connections {
    open: RefCell<Vec<Arc<Activity>>>,
    clock: Arc<CoarseClock>,
    closed: Notify,
}

/// Milliseconds since the worker started, as of its last tick: what a connection may read for nothing. And how many
/// of them it has.
struct CoarseClock {
    started: Instant,
    millis: AtomicU64,
    header_timeout: Duration,
    idle_timeout: Duration,
}

/// What a connection is doing, and since when.
pub(super) struct Activity {
    clock: Arc<CoarseClock>,
    since: AtomicU64,
    /// Parts of requests that are on their way.
    requests: AtomicU32,
    reading_head: AtomicBool,
    /// Some of that head has come.
    heard: AtomicBool,
    /// HTTP/2 frames come at any time and begin no request's head.
    multiplexed: AtomicBool,
    overdue: Notify,
}

/// Holds a connection's place: while it lives the connection counts as open.
pub(super) struct Guard {
    activity: Arc<Activity>,
    connections: Rc<Connections>,
    _permit: OwnedSemaphorePermit,
}

impl Connections {
    pub(super) fn new(limits: &LimitsConfig) -> Self {
        Self {
            open: RefCell::default(),
            clock: Arc::new(CoarseClock {
                started: Instant::now(),
                millis: AtomicU64::new(0),
                header_timeout: limits.header_timeout,
                idle_timeout: limits.idle_timeout,
            }),
            closed: Notify::new(),
        }
    }

    /// Counts a connection that was just accepted. Its first request's head is due from now on.
    pub(super) fn open(self: &Rc<Self>, permit: OwnedSemaphorePermit) -> Rc<Guard> {
        let activity = Arc::new(Activity {
            clock: Arc::clone(&self.clock),
            since: AtomicU64::new(self.clock.millis.load(Ordering::Relaxed)),
            requests: AtomicU32::new(0),
            reading_head: AtomicBool::new(true),
            heard: AtomicBool::new(false),
            multiplexed: AtomicBool::new(false),
            overdue: Notify::new(),
        });
        self.open.borrow_mut().push(Arc::clone(&activity));
        Rc::new(Guard {
            activity,
            connections: Rc::clone(self),
            _permit: permit,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.open.borrow().len()
    }

    /// Resolves when no connection is open.
    pub(super) async fn all_closed(&self) {
        loop {
            let closed = self.closed.notified();
            if self.len() == 0 {
                return;
            }
            closed.await;
        }
    }

    /// Moves the clock on and tells every connection whose time is up.
    pub(super) fn close_overdue(&self) {
        let now = u64::try_from(self.clock.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.clock.millis.store(now, Ordering::Relaxed);
        for activity in self.open.borrow().iter() {
            if activity.is_overdue() {
                activity.overdue.notify_one();
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut open = self.connections.open.borrow_mut();
        if let Some(index) = open
            .iter()
            .position(|activity| Arc::ptr_eq(activity, &self.activity))
        {
            open.swap_remove(index);
        }
        self.connections.closed.notify_one();
    }
}

impl Guard {
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }
}

impl Activity {
    pub(super) fn set_multiplexed(&self, multiplexed: bool) {
        self.multiplexed.store(multiplexed, Ordering::Relaxed);
    }

    /// Resolves when the connection has been idle, or reading a request's head, for too long.
    pub(super) async fn overdue(&self) {
        loop {
            self.overdue.notified().await;
            // A request may have come since the look that told us.
            if self.is_overdue() {
                return;
            }
        }
    }

    fn is_overdue(&self) -> bool {
        if self.is_busy() {
            return false;
        }
        let limit = match self.reading_head.load(Ordering::Relaxed) && !self.is_multiplexed() {
            true => self.clock.header_timeout,
            false => self.clock.idle_timeout,
        };
        let now = self.clock.millis.load(Ordering::Relaxed);
        Duration::from_millis(now.saturating_sub(self.since.load(Ordering::Relaxed))) >= limit
    }

    /// Whether a request runs.
    pub(super) fn is_busy(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    /// Whether a request's head has begun to come and is not complete.
    pub(super) fn is_mid_head(&self) -> bool {
        self.heard.load(Ordering::Relaxed) && !self.is_multiplexed()
    }

    fn is_multiplexed(&self) -> bool {
        self.multiplexed.load(Ordering::Relaxed)
    }

    pub(super) fn touch(&self) {
        self.since
            .store(self.clock.millis.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Bytes came. Between requests they are the beginning of a head, whose time runs from its first byte: a
    /// client that sends one now and then gains nothing.
    fn received(&self) {
        if self.is_busy() {
            return;
        }
        self.heard.store(true, Ordering::Relaxed);
        if !self.reading_head.swap(true, Ordering::Relaxed) {
            self.touch();
        }
    }

    fn part_began(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    fn part_ended(&self) {
        if self.requests.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.touch();
            self.reading_head.store(false, Ordering::Relaxed);
        }
    }
}

/// Counts a part of a request that is still on its way: each clone is held by another, its body, its answer, or what
/// became of its connection. Keeps the connection's place as well.
pub(super) struct RequestGuard(Rc<Guard>);

impl RequestGuard {
    /// For a request whose head has come.
    pub(super) fn new(connection: &Rc<Guard>) -> Self {
        connection.activity.heard.store(false, Ordering::Relaxed);
        connection.activity.part_began();
        Self(Rc::clone(connection))
    }
}

impl Clone for RequestGuard {
    fn clone(&self) -> Self {
        self.0.activity.part_began();
        Self(Rc::clone(&self.0))
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.activity.part_ended();
    }
}

/// A stream that notes when bytes come.
pub(super) struct Watched<S> {
    inner: S,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    pub(super) fn new(inner: S, activity: &Arc<Activity>) -> Self {
        Self {
            inner,
            activity: Arc::clone(activity),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.activity.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
