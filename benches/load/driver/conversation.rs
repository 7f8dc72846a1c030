//! What the connections of one thread say: one request after the other, each with the next credential.

use std::{
    cell::{Cell, RefCell},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use super::{
    Round, Tally,
    connect::Dialer,
    h1, h2,
    outcome::{Answer, Failure},
    pace::Pace,
};
use crate::arguments::Protocol;

/// Before a connection is tried again. Without it, a target that is gone would only measure how fast it refuses.
const PAUSE: Duration = Duration::from_millis(10);

const LATE: &str = "no answer in time";

/// One thread's connections.
struct Thread<'a> {
    round: &'a Round<'a>,
    dialer: Dialer,
    pace: Pace,
    tally: RefCell<Tally>,
    /// Which credential comes next.
    turn: Cell<usize>,
}

/// All of them, until the round is over.
pub async fn all(round: &Round<'_>, index: usize, pace: Pace) -> anyhow::Result<Tally> {
    let load = round.load;
    let thread = Thread {
        round,
        dialer: Dialer::new(round.target, load.protocol)?,
        pace,
        tally: RefCell::new(Tally::new()),
        // Threads begin at different ones.
        turn: Cell::new(index * round.target.credentials.len() / load.threads),
    };
    let share = load.connections / load.threads + usize::from(index < load.connections % load.threads);
    match load.protocol {
        Protocol::H1 => {
            let requests = h1::requests(round.target, &load.upload);
            join_all((0..share).map(|_| thread.one_by_one(&requests))).await;
        }
        Protocol::H2 => {
            let requests = h2::requests(round.target, &load.upload)?;
            join_all((0..share).map(|_| thread.many_at_once(&requests))).await;
        }
    }
    let mut tally = thread.tally.into_inner();
    let unsent = thread.pace.unsent().await;
    tally.failed("never sent, since no connection was free".to_owned(), unsent);
    Ok(tally)
}

impl Thread<'_> {
    /// One connection of HTTP/1.1.
    async fn one_by_one(&self, requests: &[Vec<u8>]) {
        let load = self.round.load;
        let mut kept: Option<h1::Connection> = None;
        while let Some(intended) = self.pace.next(self.round).await {
            let Some(request) = self.next_of(requests) else {
                return;
            };
            let exchange = async {
                let mut connection = match kept.take() {
                    Some(connection) => connection,
                    None => h1::Connection::new(self.dialer.connect().await?),
                };
                let answer = connection.exchange(request, &load.upload).await?;
                kept = Some(connection).filter(|_| answer.connection_lives && !load.handshakes);
                Ok(answer)
            };
            let result = timeout(load.timeout, exchange).await;
            let result = result.unwrap_or_else(|_| Err(late()));
            if !self.record(intended, result) {
                sleep(PAUSE).await;
            }
        }
    }

    /// One connection of HTTP/2, made anew when it ends.
    async fn many_at_once(&self, requests: &[http::Request<()>]) {
        let load = self.round.load;
        // With a connection for each request there is one request at a time.
        let streams = if load.handshakes { 1 } else { load.streams };
        while !self.round.is_over() {
            let begun = Instant::now();
            let connect = async { h2::connect(self.dialer.connect().await?).await };
            let connected = timeout(load.timeout, connect).await;
            let (sender, connection) = match connected.unwrap_or_else(|_| Err(late())) {
                Ok(connected) => connected,
                Err(failure) => {
                    self.record(begun, Err(failure));
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let streams = join_all((0..streams).map(|_| self.stream(requests, sender.clone(), begun)));
            // Each stream notices its end.
            let connection = async {
                let _ = connection.await;
                std::future::pending::<()>().await;
            };
            tokio::select! {
                lived = streams => if lived.contains(&false) {
                    sleep(PAUSE).await;
                },
                () = connection => {}
            }
        }
    }

    /// One request after the other on one of a connection's streams, until one fails with the connection. Whether
    /// the connection lives.
    async fn stream(&self, requests: &[http::Request<()>], sender: h2::Sender, begun: Instant) -> bool {
        let load = self.round.load;
        while let Some(intended) = self.pace.next(self.round).await {
            let Some(request) = self.next_of(requests) else {
                break;
            };
            let exchange = h2::exchange(sender.clone(), request, &load.upload);
            // What comes too late is reset, and the connection's other streams go on.
            let result = timeout(load.timeout, exchange).await;
            let result = result.unwrap_or_else(|_| Err(Failure::of_request(LATE)));
            // A handshake for this request alone is part of how long it took.
            let intended = match load.handshakes && load.rate.is_none() {
                true => begun,
                false => intended,
            };
            if !self.record(intended, result) {
                return false;
            }
            if load.handshakes {
                break;
            }
        }
        true
    }

    /// The request with the next credential.
    fn next_of<'r, T>(&self, requests: &'r [T]) -> Option<&'r T> {
        let turn = self.turn.get();
        self.turn.set((turn + 1) % requests.len().max(1));
        requests.get(turn)
    }

    /// Counts what became of a request; whether its connection lives.
    fn record(&self, intended: Instant, result: Result<Answer, Failure>) -> bool {
        let round = self.round;
        let now = Instant::now();
        let failure = match result {
            Err(failure) => failure,
            Ok(answer) if answer.status != round.load.expect => {
                Failure::of_request(format!("status {}", answer.status))
            }
            Ok(answer) if round.target.answer.is_some_and(|length| length != answer.length) => {
                Failure::of_request("an answer of another length")
            }
            Ok(_) => {
                round.answered.fetch_add(1, Ordering::Relaxed);
                if now >= round.begin {
                    let latency = now.saturating_duration_since(intended);
                    self.tally.borrow_mut().answered(latency);
                }
                return true;
            }
        };
        // Those of the warm-up too: no error is without meaning.
        self.tally.borrow_mut().failed(failure.what, 1);
        failure.connection_lives
    }
}

fn late() -> Failure {
    Failure::fatal(LATE)
}
