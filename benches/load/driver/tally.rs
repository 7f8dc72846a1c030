//! Latencies and errors, counted.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;

/// What one thread has counted, or all of them.
#[derive(Clone)]
pub struct Tally {
    /// Latencies of good answers, in microseconds, to three digits.
    pub latencies: Histogram<u64>,
    /// How often each kind of error occurred.
    pub errors: BTreeMap<String, u64>,
}

impl Tally {
    /// Nothing so far.
    pub fn new() -> Self {
        // An hour and three digits are within what a histogram can be made for.
        const LONGEST: u64 = 3_600_000_000;
        #[expect(clippy::unwrap_used, reason = "the bounds stand above")]
        let latencies = Histogram::new_with_bounds(1, LONGEST, 3).unwrap();
        Self {
            latencies,
            errors: BTreeMap::new(),
        }
    }

    /// A good answer.
    pub fn answered(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latencies.saturating_record(micros.max(1));
    }

    /// Errors of a kind.
    pub fn failed(&mut self, what: String, times: u64) {
        if times > 0 {
            *self.errors.entry(what).or_default() += times;
        }
    }

    /// What somebody else has counted as well.
    pub fn add(&mut self, other: Self) {
        // It never grows too large: both have the same bounds.
        let _ = self.latencies.add(other.latencies);
        for (what, times) in other.errors {
            self.failed(what, times);
        }
    }
}
