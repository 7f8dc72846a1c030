//! Sends requests and takes the time: one round at one target.
//!
//! Each thread has its share of the connections and a runtime of its own, as each worker of the gateway has, so that
//! sending costs less than what it measures.

mod connect;
mod conversation;
mod h1;
mod h2;
mod outcome;
mod pace;
mod tally;

use std::{
    convert::Infallible,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use bytes::Bytes;
use indicatif::ProgressBar;

use crate::{
    arguments::{Arguments, Protocol},
    cost::{CpuTime, Processes},
    stage::Target,
};

pub use tally::Tally;

use pace::Pace;

/// How often each credential is shown before the first round: often enough that nearly every worker has seen it, whichever
/// of them a request comes to.
const SHOWN_BEFORE: u64 = 8;

/// How requests are sent.
#[derive(Clone)]
pub struct Load {
    protocol: Protocol,
    connections: usize,
    streams: usize,
    handshakes: bool,
    threads: usize,
    rate: Option<u32>,
    upload: Bytes,
    expect: u16,
    timeout: Duration,
    warm_up: Duration,
    duration: Duration,
    requests: Option<u64>,
}

impl Load {
    /// What the arguments ask for.
    pub fn new(arguments: &Arguments) -> Self {
        Self {
            protocol: arguments.protocol,
            connections: arguments.connections.get(),
            streams: arguments.streams.get(),
            handshakes: arguments.handshakes,
            threads: arguments.threads.get().min(arguments.connections.get()),
            rate: arguments.rate,
            upload: vec![b'x'; arguments.upload].into(),
            expect: arguments.expect,
            timeout: arguments.timeout,
            warm_up: arguments.warm_up(),
            duration: arguments.duration,
            requests: arguments.requests,
        }
    }
}

/// What one round has shown.
pub struct Measured {
    /// Latencies and errors.
    pub tally: Tally,
    /// Good answers while CPU time was taken.
    pub answered: u64,
    /// How long that was.
    pub elapsed: Duration,
    /// What the target's processes took meanwhile.
    pub cpu: Option<CpuTime>,
    /// What they held at the end, in bytes.
    pub resident: Option<u64>,
}

/// What the threads of a round share.
pub struct Round<'a> {
    load: &'a Load,
    target: &'a Target,
    start: Instant,
    /// From here on it counts.
    begin: Instant,
    end: Instant,
    /// Requests that may still be sent, where that is limited.
    left: Option<AtomicU64>,
    answered: AtomicU64,
}

/// One look at what has happened so far.
struct Look {
    at: Instant,
    answered: u64,
    cpu: Option<CpuTime>,
}

impl Round<'_> {
    /// Whether one more request may be sent; it counts as sent.
    pub fn admits(&self) -> bool {
        let take = |left: u64| left.checked_sub(1);
        !self.is_past_end()
            && self.left.as_ref().is_none_or(|left| {
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                    .is_ok()
            })
    }

    /// Whether its time is over.
    pub fn is_past_end(&self) -> bool {
        Instant::now() >= self.end
    }

    /// Whether nothing more is to be sent.
    pub fn is_over(&self) -> bool {
        let none_left = self
            .left
            .as_ref()
            .is_some_and(|left| left.load(Ordering::Relaxed) == 0);
        none_left || self.is_past_end()
    }

    fn look(&self) -> Look {
        Look {
            at: Instant::now(),
            answered: self.answered.load(Ordering::Relaxed),
            cpu: self.target.processes.and_then(Processes::cpu_time),
        }
    }
}

/// Shows a target all credentials, where there are several that take turns: what a round measures is a gateway that has been
/// up for a while, not one that meets thousands of people in the same second.
pub fn show_credentials(load: &Load, target: &Target, bar: &ProgressBar) -> anyhow::Result<()> {
    let number = target.credentials.len() as u64;
    if number > 1 && !load.warm_up.is_zero() {
        let load = Load {
            requests: Some(number * SHOWN_BEFORE),
            rate: None,
            duration: Duration::from_secs(60),
            ..load.clone()
        };
        drive(&load, target, bar)?;
    }
    Ok(())
}

/// Drives one round.
pub fn drive(load: &Load, target: &Target, bar: &ProgressBar) -> anyhow::Result<Measured> {
    let start = Instant::now();
    let begin = start + load.warm_up;
    let round = Round {
        load,
        target,
        start,
        begin,
        end: begin + load.duration,
        left: load.requests.map(AtomicU64::new),
        answered: AtomicU64::new(0),
    };
    bar.set_length(millis(load.warm_up + load.duration));
    thread::scope(|scope| {
        let (running, ended) = mpsc::channel::<Infallible>();
        let threads: Vec<_> = (0..load.threads)
            .map(|index| {
                let (running, round) = (running.clone(), &round);
                scope.spawn(move || {
                    let _running = running;
                    send(round, index)
                })
            })
            .collect();
        drop(running);
        wait(&round, begin, &ended, bar);
        let first = round.look();
        wait(&round, round.end, &ended, bar);
        let last = round.look();
        let mut tally = Tally::new();
        for thread in threads {
            let Ok(part) = thread.join() else {
                anyhow::bail!("a thread that sends requests has panicked");
            };
            tally.add(part?);
        }
        Ok(Measured {
            tally,
            answered: last.answered - first.answered,
            elapsed: last.at - first.at,
            cpu: first.cpu.zip(last.cpu).map(|(first, last)| last.since(first)),
            resident: target.processes.and_then(Processes::resident),
        })
    })
}

/// Waits for an instant, or until all threads have ended.
fn wait(round: &Round<'_>, until: Instant, ended: &mpsc::Receiver<Infallible>, bar: &ProgressBar) {
    const TICK: Duration = Duration::from_millis(200);
    let mut before = (Instant::now(), round.answered.load(Ordering::Relaxed));
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        match ended.recv_timeout(left.min(TICK)) {
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
            Ok(never) => match never {},
        }
        let now = (Instant::now(), round.answered.load(Ordering::Relaxed));
        let rate = (now.1 - before.1) as f64 / (now.0 - before.0).as_secs_f64();
        bar.set_prefix(format!("{rate:.0} requests/s"));
        bar.set_position(millis(now.0 - round.start));
        before = now;
    }
}

/// One thread's share of a round.
fn send(round: &Round<'_>, index: usize) -> anyhow::Result<Tally> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a thread that sends requests")?;
    let (pace, pacer) = Pace::new(round);
    thread::scope(|scope| {
        if let Some(pacer) = pacer {
            scope.spawn(|| pacer.run(round));
        }
        runtime.block_on(conversation::all(round, index, pace))
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
