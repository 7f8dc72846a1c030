//! What each connection is doing, and since when.
//!
//! Deadlines are not timers. Each connection notes on a coarse clock when it began to read a request's
//! head or to be idle, and when its client last took something of an answer; the worker looks at all of them once a tick
//! and tells those that are overdue.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant, UNIX_EPOCH},
};

use futures_util::task::AtomicWaker;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::{clock::Timestamp, config::LimitsConfig};

/// The length of a date as a header says it.
const DATE_LENGTH: usize = 29;

/// One worker's open connections.
pub(super) struct Connections {
    open: RefCell<Vec<Arc<Activity>>>,
    clock: Arc<CoarseClock>,
    closed: Notify,
    /// The time of day as of the last tick, as a header's value (RFC 9110, section 5.6.7).
    date: Cell<[u8; DATE_LENGTH]>,
}

/// Milliseconds since the worker started, as of its last tick: what a connection may read for nothing. And how many
/// of them it has.
struct CoarseClock {
    started: Instant,
    millis: AtomicU64,
    header_timeout: Duration,
    idle_timeout: Duration,
    send_timeout: Duration,
    /// The stop has begun.
    draining: AtomicBool,
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
    /// When the client last took something, or was first given something to take.
    taken: AtomicU64,
    /// The system takes no more for the client.
    blocked: AtomicBool,
    /// Pieces of answers that wait for the client's leave to be sent, as HTTP/2 lets it do.
    waiting: AtomicU32,
    /// Wakes whoever serves the connection.
    server: AtomicWaker,
}

/// Why a connection's time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// No request has come, or not all of its head.
    Silent,
    /// The client takes nothing of its answer.
    Stalled,
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
                send_timeout: limits.send_timeout,
                draining: AtomicBool::new(false),
            }),
            closed: Notify::new(),
            date: Cell::new(*b"Thu, 01 Jan 1970 00:00:00 GMT"),
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
            taken: AtomicU64::new(0),
            blocked: AtomicBool::new(false),
            waiting: AtomicU32::new(0),
            server: AtomicWaker::new(),
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

    /// Sets what answers say of the time of day.
    pub(super) fn set_date(&self, now: Timestamp) {
        let now = UNIX_EPOCH + Duration::from_millis(now.unix_millis());
        if let Ok(date) = httpdate::fmt_http_date(now).as_bytes().try_into() {
            self.date.set(date);
        }
    }

    /// Tells every connection that the stop has begun.
    pub(super) fn drain(&self) {
        self.clock.draining.store(true, Ordering::Relaxed);
        for activity in self.open.borrow().iter() {
            activity.server.wake();
        }
    }

    /// Moves the clock on and tells every connection whose time is up.
    pub(super) fn close_overdue(&self, now: Instant) {
        let since_start = now.saturating_duration_since(self.clock.started);
        let now = u64::try_from(since_start.as_millis()).unwrap_or(u64::MAX);
        self.clock.millis.store(now, Ordering::Relaxed);
        for activity in self.open.borrow().iter() {
            if activity.why_overdue().is_some() {
                activity.server.wake();
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

    /// The time of day, as a header's value.
    pub(super) fn date(&self) -> [u8; DATE_LENGTH] {
        self.connections.date.get()
    }
}

impl Activity {
    pub(super) fn set_multiplexed(&self, multiplexed: bool) {
        self.multiplexed.store(multiplexed, Ordering::Relaxed);
    }

    /// Resolves when the connection has been idle, reading a request's head, or taking nothing for too long.
    pub(super) async fn overdue(&self) -> Overdue {
        poll_fn(|context| self.poll_overdue(context)).await
    }

    /// The same for one task: the last that asked is woken.
    pub(super) fn poll_overdue(&self, context: &mut Context<'_>) -> Poll<Overdue> {
        self.server.register(context.waker());
        self.why_overdue().map_or(Poll::Pending, Poll::Ready)
    }

    /// Whether the stop has begun. Whoever waits for it polls [`Activity::poll_overdue`] and is woken.
    pub(super) fn is_draining(&self) -> bool {
        self.clock.draining.load(Ordering::Relaxed)
    }

    fn why_overdue(&self) -> Option<Overdue> {
        let takes_nothing = self.is_blocked() || self.waiting.load(Ordering::Relaxed) > 0;
        if takes_nothing && self.has_passed(&self.taken, self.clock.send_timeout) {
            return Some(Overdue::Stalled);
        }
        if self.is_busy() {
            return None;
        }
        let limit = match self.reading_head.load(Ordering::Relaxed) && !self.is_multiplexed() {
            true => self.clock.header_timeout,
            false => self.clock.idle_timeout,
        };
        self.has_passed(&self.since, limit).then_some(Overdue::Silent)
    }

    fn has_passed(&self, since: &AtomicU64, limit: Duration) -> bool {
        let now = self.clock.millis.load(Ordering::Relaxed);
        Duration::from_millis(now.saturating_sub(since.load(Ordering::Relaxed))) >= limit
    }

    /// Whether some of an answer is here that the system does not take for the client.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
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
        self.set_to_now(&self.since);
    }

    fn set_to_now(&self, time: &AtomicU64) {
        time.store(self.clock.millis.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Bytes came. Between requests they are the beginning of a head, whose time runs from its first byte: a
    /// client that sends one now and then gains nothing.
    pub(super) fn received(&self) {
        if self.is_busy() {
            return;
        }
        self.heard.store(true, Ordering::Relaxed);
        if !self.reading_head.swap(true, Ordering::Relaxed) {
            self.touch();
        }
    }

    /// The system took bytes for the client. An answer that is over may still be on its way to a slow one, who is not
    /// idle. In HTTP/2 such bytes may be no answer's: a client that pings would never be.
    pub(super) fn took(&self) {
        self.blocked.store(false, Ordering::Relaxed);
        self.set_to_now(&self.taken);
        let between_requests = !self.is_busy() && !self.reading_head.load(Ordering::Relaxed);
        if between_requests && !self.is_multiplexed() {
            self.touch();
        }
    }

    /// The system would not take any.
    pub(super) fn refused(&self) {
        if !self.blocked.swap(true, Ordering::Relaxed) {
            self.set_to_now(&self.taken);
        }
    }

    fn piece_waits(&self) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) == 0 && !self.is_blocked() {
            self.set_to_now(&self.taken);
        }
    }

    fn piece_is_asked_for(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
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

/// Whose turn it is with an answer: after a piece of it the client's, until the next one is asked for.
pub(super) struct Turn {
    request: RequestGuard,
    is_the_client_s: bool,
}

impl Turn {
    /// For an answer that is to be asked for.
    pub(super) fn new(request: RequestGuard) -> Self {
        Self {
            request,
            is_the_client_s: false,
        }
    }

    /// The next piece is asked for: there is room for it.
    pub(super) fn asked(&mut self) {
        if std::mem::take(&mut self.is_the_client_s) {
            self.request.0.activity.piece_is_asked_for();
        }
    }

    /// A piece was handed out.
    pub(super) fn gave(&mut self) {
        self.is_the_client_s = true;
        self.request.0.activity.piece_waits();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.asked();
    }
}

#[cfg(test)]
mod tests;
