//! When requests are sent: as soon as the one before was answered, or on time, whatever becomes of those before.

use std::{
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{
    Mutex,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use super::Round;

/// When the connections of one thread send.
pub enum Pace {
    /// A closed loop: whoever has an answer sends the next request.
    Closed,
    /// An open loop: requests as they become due. Their time is when they were meant to be sent: while nobody is free
    /// to send one, it waits, and its wait is part of its latency. That is what a person would see who comes at that
    /// moment.
    Open(Mutex<UnboundedReceiver<Instant>>),
}

/// Makes the requests of one thread due, on a thread of its own: tokio's timers are exact to the millisecond only,
/// which is longer than most answers take.
pub struct Pacer {
    due: UnboundedSender<Instant>,
    interval: Duration,
}

impl Pace {
    /// Of one thread, and what keeps it.
    pub fn new(round: &Round<'_>) -> (Self, Option<Pacer>) {
        let load = round.load;
        let Some(rate) = load.rate else {
            return (Self::Closed, None);
        };
        let (due, requests) = unbounded_channel();
        let interval = Duration::from_secs(1).mul_f64(load.threads as f64 / f64::from(rate));
        (Self::Open(Mutex::new(requests)), Some(Pacer { due, interval }))
    }

    /// Waits until a request is to be sent, and tells when it was to be. `None`: no more.
    pub async fn next(&self, round: &Round<'_>) -> Option<Instant> {
        match self {
            Self::Closed => round.admits().then(Instant::now),
            // Those who are free stand in line.
            Self::Open(requests) => {
                let intended = requests.lock().await.recv().await;
                intended.filter(|_| !round.is_past_end())
            }
        }
    }

    /// How many requests were due and were never sent.
    pub async fn unsent(self) -> u64 {
        let mut number = 0;
        if let Self::Open(requests) = self {
            let mut requests = requests.into_inner();
            while requests.recv().await.is_some() {
                number += 1;
            }
        }
        number
    }
}

impl Pacer {
    /// Until the round is over.
    pub fn run(self, round: &Round<'_>) {
        let mut next = Instant::now();
        loop {
            let wait = next.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                // It may wake up early, and then waits again.
                thread::park_timeout(wait);
                continue;
            }
            // Where we were late, several are due at once: each with its own time.
            if !round.admits() || self.due.send(next).is_err() {
                return;
            }
            next += self.interval;
        }
    }
}
