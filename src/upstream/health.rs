//! Asking upstreams whether they are well, on a thread that serves no requests. Whoever answers the question with 2xx or
//! 3xx is well; whoever answers anything else, too late or not at all is not.

use std::{
    future::poll_fn,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Method, Request, StatusCode, Uri, header};
use tokio::time::{MissedTickBehavior, timeout};

use super::{
    Broken, Connection, Exchange, Needs, Pool,
    connect::ConnectError,
    http1::{self, Framing},
    http2,
    set::Target,
};
use crate::config::HealthConfig;

/// Who asks.
const USER_AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"), " (health check)");

/// Why an upstream is not well.
#[derive(Debug, thiserror::Error)]
enum Unwell {
    #[error(transparent)]
    Unreachable(#[from] ConnectError),
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("it cannot be asked over HTTP/2")]
    Unsayable(#[from] http::Error),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("it did not answer in time")]
    TooLate,
}

/// Asks every target, each in its own interval, for ever.
pub async fn watch(targets: &[Arc<Target>]) {
    // Of the pool only the ability to connect is used: each question is asked over a connection of its own, since one
    // that is kept would not show that no other is accepted.
    let pool = Rc::new(Pool::new(Instant::now(), Duration::from_secs(1)));
    for target in targets {
        if let Some(health) = target.health.clone() {
            tokio::task::spawn_local(ask_for_ever(Rc::clone(&pool), Arc::clone(target), health));
        }
    }
    std::future::pending::<()>().await;
}

async fn ask_for_ever(pool: Rc<Pool>, target: Arc<Target>, health: HealthConfig) {
    let mut ticks = tokio::time::interval(health.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut verdict = Verdict::default();
    loop {
        ticks.tick().await;
        let answer = ask(&pool, &target, &health).await;
        let changed = verdict.note(answer.is_ok(), &health);
        if verdict.is_well() {
            target.standing.told(true, Instant::now());
        }
        let upstream = target.url();
        match (changed, answer) {
            (true, Err(why)) => {
                target.standing.told(false, Instant::now());
                let source = std::error::Error::source(&why).map(ToString::to_string);
                tracing::warn!(%upstream, %why, source, "an upstream is down");
            }
            (true, Ok(())) => tracing::info!(%upstream, "an upstream is up again"),
            (false, _) => {}
        }
    }
}

async fn ask(pool: &Rc<Pool>, target: &Target, health: &HealthConfig) -> Result<(), Unwell> {
    let question = async {
        // One of its own, whatever is spoken on it.
        let needs = Needs {
            alone: true,
            ..Needs::default()
        };
        let connection = pool.connect(&target.upstream, needs, health.timeout).await?;
        let mut exchange = begin(connection, target, health)?;
        let head = poll_fn(|context| exchange.poll_head(context)).await?;
        match head.status.is_success() || head.status.is_redirection() {
            true => Ok(()),
            false => Err(Unwell::Status(head.status)),
        }
    };
    let answer = timeout(health.timeout, question).await;
    answer.unwrap_or(Err(Unwell::TooLate))
}

/// Puts the question on a connection.
fn begin(connection: Connection, target: &Target, health: &HealthConfig) -> Result<Exchange, Unwell> {
    let url = target.url();
    Ok(match connection {
        Connection::Http1(connection) => {
            let head = format!(
                "GET {} HTTP/1.1\r\nhost: {}\r\nuser-agent: {USER_AGENT}\r\naccept: */*\r\nconnection: close\r\n\r\n",
                health.path,
                url.authority(),
            );
            let question = http1::Outgoing {
                head: head.into(),
                framing: Framing::None,
                upload: None,
                method: Method::GET,
                expects_continue: false,
            };
            Exchange::Http1(Box::new(http1::Exchange::begin(connection, question)))
        }
        Connection::Http2(place) => {
            let uri = Uri::builder()
                .scheme(if url.is_https() { "https" } else { "http" })
                .authority(url.authority())
                .path_and_query(health.path.as_str());
            let head = Request::get(uri.build()?)
                .header(header::USER_AGENT, USER_AGENT)
                .header(header::ACCEPT, "*/*")
                .body(())?;
            let question = http2::Outgoing {
                head,
                is_empty: false,
                upload: None,
                expects_continue: false,
            };
            Exchange::Http2(Box::new(http2::Exchange::begin(place, question)))
        }
    })
}

/// What several answers in a row add up to.
#[derive(Debug, Default)]
struct Verdict {
    /// `None` until the first answer, which decides alone: nothing speaks against it.
    is_well: Option<bool>,
    /// Answers in a row that speak against it.
    against: u32,
}

impl Verdict {
    fn is_well(&self) -> bool {
        self.is_well == Some(true)
    }

    /// Takes an answer in. Returns whether it changed what was thought; of one that was never asked, good was thought.
    fn note(&mut self, good: bool, health: &HealthConfig) -> bool {
        let Some(is_well) = self.is_well else {
            self.is_well = Some(good);
            return !good;
        };
        if good == is_well {
            self.against = 0;
            return false;
        }
        self.against += 1;
        let needed = match is_well {
            true => health.unhealthy_after,
            false => health.healthy_after,
        };
        if self.against < needed {
            return false;
        }
        self.is_well = Some(good);
        self.against = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_down_or_up_after_as_many_answers_in_a_row_as_its_route_says() {
        // `+` and `-` are answers; `u` and `d` is what is thought after each of them.
        for (healthy_after, unhealthy_after, answers, thought) in [
            (1, 3, "++--+---+", "uuuuuuudu"),
            (1, 1, "+-+-", "udud"),
            (3, 1, "+-++-+++-", "uddddddud"),
            (1, 3, "-", "d"),
            (2, 3, "--++", "dddu"),
        ] {
            let health = HealthConfig {
                path: "/".to_owned(),
                interval: Duration::from_secs(1),
                timeout: Duration::from_secs(1),
                healthy_after,
                unhealthy_after,
            };
            let mut verdict = Verdict::default();
            let mut before = true;
            let letters = answers.chars().map(|answer| {
                let changed = verdict.note(answer == '+', &health);
                let now = verdict.is_well();
                assert_eq!(changed, now != before, "{answers}");
                before = now;
                if now { 'u' } else { 'd' }
            });
            assert_eq!(letters.collect::<String>(), thought, "{answers}");
        }
    }
}
