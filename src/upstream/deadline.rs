//! Deadlines without timers: a worker looks at all of its waits once a tick, and wakes those that are over.
//!
//! A timer of its own for each request, armed and dropped again, costs more than everything that is done to its headers.
//! What a look once a tick costs is precision, which nobody needs of a limit of a minute.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use slab::Slab;

/// All of a worker's waits.
#[derive(Debug)]
pub struct Deadlines {
    waits: RefCell<Slab<Wait>>,
    /// As of the last tick.
    now: Cell<Instant>,
    /// The time between two ticks.
    tick: Duration,
}

#[derive(Debug)]
struct Wait {
    due: Instant,
    waker: Option<Waker>,
}

/// One wait, which ends with it.
#[derive(Debug)]
pub struct Deadline {
    all: Rc<Deadlines>,
    key: usize,
    limit: Duration,
}

impl Deadlines {
    /// Of a worker that calls [`Deadlines::tick`] this often.
    pub fn new(now: Instant, tick: Duration) -> Self {
        Self {
            waits: RefCell::default(),
            now: Cell::new(now),
            tick,
        }
    }

    /// Begins to wait: `limit` from now, or up to two ticks later, but never sooner.
    pub fn wait(self: &Rc<Self>, limit: Duration) -> Deadline {
        let wait = Wait {
            due: self.due(limit),
            waker: None,
        };
        Deadline {
            all: Rc::clone(self),
            key: self.waits.borrow_mut().insert(wait),
            limit,
        }
    }

    /// The time, as of the last tick: it costs no call of the system.
    pub fn now(&self) -> Instant {
        self.now.get()
    }

    /// Moves the time on and wakes what is over.
    pub fn tick(&self, now: Instant) {
        self.now.set(now);
        for (_, wait) in self.waits.borrow_mut().iter_mut() {
            if wait.due <= now
                && let Some(waker) = wait.waker.take()
            {
                waker.wake();
            }
        }
    }

    fn due(&self, limit: Duration) -> Instant {
        // The last tick may be a whole tick ago. A limit beyond the clock's end never comes.
        let now = self.now.get();
        now.checked_add(limit + self.tick)
            .unwrap_or(now + Duration::from_secs(1 << 30))
    }
}

impl Deadline {
    /// Begins anew.
    pub fn restart(&self) {
        if let Some(wait) = self.all.waits.borrow_mut().get_mut(self.key) {
            wait.due = self.all.due(self.limit);
        }
    }

    /// Ready once the limit is over.
    pub fn poll_over(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut waits = self.all.waits.borrow_mut();
        let Some(wait) = waits.get_mut(self.key) else {
            return Poll::Ready(());
        };
        if wait.due <= self.all.now.get() {
            return Poll::Ready(());
        }
        match &mut wait.waker {
            Some(waker) => waker.clone_from(context.waker()),
            None => wait.waker = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.all.waits.borrow_mut().try_remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_over_at_its_limit_or_up_to_two_ticks_later_and_never_sooner() {
        let start = Instant::now();
        let tick = Duration::from_millis(10);
        let at = |millis| start + Duration::from_millis(millis);
        let all = Rc::new(Deadlines::new(start, tick));
        let mut context = Context::from_waker(Waker::noop());
        let wait = all.wait(Duration::from_millis(100));
        for (now, over) in [(100, false), (109, false), (110, true), (120, true)] {
            all.tick(at(now));
            assert_eq!(wait.poll_over(&mut context).is_ready(), over, "{now}");
        }
        wait.restart();
        for (now, over) in [(120, false), (229, false), (230, true)] {
            all.tick(at(now));
            assert_eq!(wait.poll_over(&mut context).is_ready(), over, "{now}");
        }
        let forever = all.wait(Duration::MAX / 2);
        all.tick(at(1 << 30));
        assert!(forever.poll_over(&mut context).is_pending());
    }

    #[test]
    fn only_what_is_over_is_woken_and_what_has_ended_is_forgotten() {
        use std::sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        };
        struct Count(AtomicUsize);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let start = Instant::now();
        let all = Rc::new(Deadlines::new(start, Duration::ZERO));
        let counts = [0, 1].map(|_| Arc::new(Count(AtomicUsize::new(0))));
        let woken = || counts.each_ref().map(|count| count.0.load(Ordering::SeqCst));
        let waits = [1, 2].map(|seconds| all.wait(Duration::from_secs(seconds)));
        for (wait, count) in waits.iter().zip(&counts) {
            let waker = Waker::from(Arc::clone(count));
            assert!(wait.poll_over(&mut Context::from_waker(&waker)).is_pending());
        }
        all.tick(start + Duration::from_secs(1));
        assert_eq!(woken(), [1, 0]);
        drop(waits);
        all.tick(start + Duration::from_secs(3));
        assert_eq!(woken(), [1, 0]);
        assert!(all.waits.borrow().is_empty());
    }
}
