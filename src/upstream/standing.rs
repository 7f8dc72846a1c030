//! Whether an upstream works, as far as anybody has noticed. Shared by all workers; what a request reads of it are
//! atomics, and what two workers notice at the same moment may be counted once: it shows again soon enough.
//!
//! Two things are known of an upstream. Whether it is *well* is asked by [`super::health`], where the route says how. And
//! every connection shows whether it accepts: one that does not, several times in a row, is left out for a while. Only
//! that counts and not what it answers, or whoever finds a request that an app cannot stand could have it left out.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// Connections that fail in a row, within [`WINDOW`], before an upstream is left out.
const FAILURES: u32 = 3;

/// What failed longer ago has nothing to do with what fails now.
const WINDOW: Duration = Duration::from_secs(5);

/// How long it is left out at first: as long as a small app takes to start anew.
const FIRST_TIME_OUT: Duration = Duration::from_secs(1);

/// It is left out for twice as long each time, but never longer than this.
const LONGEST_TIME_OUT: Duration = Duration::from_secs(30);

/// How long the share of an upstream that comes back grows: its caches are cold, and it may fall again.
const RETURN: Duration = Duration::from_secs(10);

/// The share it comes back with, in per cent.
const FIRST_SHARE: u64 = 10;

/// What is known of one upstream.
#[derive(Debug)]
pub struct Standing {
    /// Times below are in milliseconds since then.
    epoch: Instant,
    is_well: AtomicBool,
    /// When it comes or came back; 0 where it has always been there.
    back_at: AtomicU64,
    failures: AtomicU32,
    first_failure: AtomicU64,
    /// How often it has failed again right after it came back.
    times_out: AtomicU32,
}

/// Whether a request may go to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Yes. The share of requests it is fit for is given in per cent.
    In(u64),
    /// Only where no other can take it: its connections failed. It comes back at this time.
    Out(u64),
    /// No: it said itself that it is not well, or nothing at all.
    Down,
}

impl Standing {
    /// Of an upstream of which nothing is known, and that is therefore used.
    pub fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            is_well: AtomicBool::new(true),
            back_at: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            first_failure: AtomicU64::new(0),
            times_out: AtomicU32::new(0),
        }
    }

    /// Whether it is well, as it was asked last.
    pub fn is_well(&self) -> bool {
        self.is_well.load(Relaxed)
    }

    /// Whether a request may go there now.
    pub fn state(&self, now: Instant) -> State {
        if !self.is_well() {
            return State::Down;
        }
        let back_at = self.back_at.load(Relaxed);
        if back_at == 0 {
            return State::In(100);
        }
        match self.millis(now).checked_sub(back_at) {
            None => State::Out(back_at),
            Some(since) => State::In((since * 100 / millis(RETURN)).clamp(FIRST_SHARE, 100)),
        }
    }

    /// It accepted a connection.
    pub fn connected(&self) {
        // Nothing is written where nothing has changed, so that workers do not take the line from each other.
        if self.failures.load(Relaxed) > 0 {
            self.failures.store(0, Relaxed);
        }
    }

    /// It accepted none. Returns for how long it is left out, where it is from now on.
    pub fn failed(&self, now: Instant) -> Option<Duration> {
        let now = self.millis(now);
        let back_at = self.back_at.load(Relaxed);
        if now < back_at {
            return None;
        }
        if self.times_out.load(Relaxed) > 0 && now - back_at < millis(RETURN) {
            return Some(self.leave_out(now));
        }
        self.times_out.store(0, Relaxed);
        let is_first = self.failures.load(Relaxed) == 0
            || now.saturating_sub(self.first_failure.load(Relaxed)) >= millis(WINDOW);
        if is_first {
            self.first_failure.store(now, Relaxed);
            self.failures.store(1, Relaxed);
            return None;
        }
        let failures = self.failures.fetch_add(1, Relaxed) + 1;
        (failures == FAILURES).then(|| self.leave_out(now))
    }

    /// It has said that it is well, or not.
    pub fn told(&self, is_well: bool, now: Instant) {
        let now = self.millis(now);
        let was_well = self.is_well.load(Relaxed);
        // Who says that all is well need not sit out the rest of its time.
        if is_well && (!was_well || now < self.back_at.load(Relaxed)) {
            self.failures.store(0, Relaxed);
            self.times_out.store(0, Relaxed);
            self.back_at.store(now, Relaxed);
        }
        self.is_well.store(is_well, Relaxed);
    }

    fn leave_out(&self, now: u64) -> Duration {
        let before = self.times_out.fetch_add(1, Relaxed);
        let time_out = FIRST_TIME_OUT
            .saturating_mul(1_u32.checked_shl(before).unwrap_or(u32::MAX))
            .min(LONGEST_TIME_OUT);
        self.failures.store(0, Relaxed);
        self.back_at.store(now + millis(time_out), Relaxed);
        time_out
    }

    /// Since the epoch, and never 0.
    fn millis(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.epoch)) + 1
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A standing, and moments by their milliseconds.
    fn standing() -> (Standing, impl Fn(u64) -> Instant) {
        let epoch = Instant::now();
        (Standing::new(epoch), move |at| epoch + Duration::from_millis(at))
    }

    const fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn three_failures_in_a_row_within_five_seconds_leave_an_upstream_out() {
        for (story, out) in [
            (&[0, 1, 2][..], true),
            (&[0, 1], false),
            (&[0, 2_000, 4_999], true),
            (&[0, 2_500, 5_000], false),
            (&[0, 5_000, 5_001, 5_002], true),
        ] {
            let (standing, at) = standing();
            let outs: Vec<_> = story.iter().filter_map(|now| standing.failed(at(*now))).collect();
            assert_eq!(!outs.is_empty(), out, "{story:?}");
            let last = *story.last().unwrap();
            let state = standing.state(at(last));
            assert_eq!(matches!(state, State::Out(_)), out, "{story:?}");
        }
        let (standing, at) = standing();
        standing.failed(at(0));
        standing.failed(at(1));
        standing.connected();
        assert_eq!(standing.failed(at(2)), None, "one that accepts begins anew");
    }

    #[test]
    fn who_fails_right_after_coming_back_is_left_out_for_twice_as_long() {
        let (standing, at) = standing();
        standing.failed(at(0));
        standing.failed(at(0));
        let mut now = 0;
        for out in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(standing.failed(at(now)), seconds(out));
            assert_eq!(standing.failed(at(now)), None, "it is out already");
            now += out * 1000;
            assert!(matches!(standing.state(at(now - 1)), State::Out(_)));
            assert_eq!(standing.state(at(now)), State::In(10));
            standing.connected();
        }
        // One that has stood since is as good as any other.
        now += 10_000;
        assert_eq!(standing.failed(at(now)), None);
        assert_eq!(standing.failed(at(now)), None);
        assert_eq!(standing.failed(at(now)), seconds(1));
    }

    #[test]
    fn the_share_of_one_that_comes_back_grows_for_ten_seconds() {
        let (standing, at) = standing();
        assert_eq!(standing.state(at(0)), State::In(100));
        for _ in 0..3 {
            standing.failed(at(0));
        }
        for (now, state) in [
            (999, State::Out(1_001)),
            (1_000, State::In(10)),
            (2_000, State::In(10)),
            (6_000, State::In(50)),
            (10_900, State::In(99)),
            (11_000, State::In(100)),
            (u64::from(u32::MAX), State::In(100)),
        ] {
            assert_eq!(standing.state(at(now)), state, "{now}");
        }
    }

    #[test]
    fn what_it_says_itself_counts_for_more_than_what_was_seen() {
        let (standing, at) = standing();
        standing.told(true, at(0));
        assert_eq!(standing.state(at(0)), State::In(100), "it was never away");
        standing.told(false, at(1));
        assert_eq!(standing.state(at(u64::from(u32::MAX))), State::Down);
        standing.told(true, at(2));
        assert_eq!(standing.state(at(2)), State::In(10));
        assert_eq!(standing.state(at(20_000)), State::In(100));
        // Well again before its time is over.
        for _ in 0..3 {
            standing.failed(at(30_000));
        }
        assert!(matches!(standing.state(at(30_000)), State::Out(_)));
        standing.told(true, at(30_001));
        assert_eq!(standing.state(at(30_001)), State::In(10));
    }
}
