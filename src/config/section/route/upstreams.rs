//! The upstreams of a route: which there are, how requests are shared out among them, and how their health is known.

use std::{num::NonZeroU32, ops::Range, time::Duration};

use super::{UpstreamUrl, parse};
use crate::config::reader::{Table, Value};

/// Where a route leads.
#[derive(Debug, Clone)]
pub struct UpstreamsConfig {
    /// At least one, and none twice.
    pub targets: Vec<TargetConfig>,
    /// Which of them a request goes to.
    pub balance: Balance,
    /// How it is found out which of them work; `None` means by their work alone.
    pub health: Option<HealthConfig>,
    /// How many others a request is tried at after one that it did not reach.
    pub retries: u32,
}

/// One of a route's upstreams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetConfig {
    /// Its address.
    pub url: UpstreamUrl,
    /// Its share, as compared with the others'.
    pub weight: NonZeroU32,
}

/// Which of a route's upstreams a request goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// The one with the fewest requests under way, by its weight.
    LeastRequests,
    /// One after the other, each as often as its weight says.
    RoundRobin,
    /// The one that the browser was sent to before; a new browser goes where the fewest requests are under way.
    Sticky,
}

/// How upstreams are asked whether they are well.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HealthConfig {
    /// What is asked for with GET: a path, and perhaps a query.
    pub path: String,
    /// How often.
    pub interval: Duration,
    /// How long connection and answer may take together.
    pub timeout: Duration,
    /// After this many good answers in a row one that was down is up.
    pub healthy_after: u32,
    /// After this many bad ones in a row one that was up is down.
    pub unhealthy_after: u32,
}

impl From<UpstreamUrl> for UpstreamsConfig {
    /// A single upstream, with every default.
    fn from(url: UpstreamUrl) -> Self {
        Self {
            targets: vec![TargetConfig {
                url,
                weight: NonZeroU32::MIN,
            }],
            balance: Balance::LeastRequests,
            health: None,
            retries: Self::RETRIES,
        }
    }
}

impl UpstreamsConfig {
    /// One upstream that is gone costs nobody an answer. Where two are, more attempts would mostly cost time.
    const RETRIES: u32 = 1;

    /// The largest weight: what is more uneven than this is a mistake.
    const MAX_WEIGHT: u64 = 100;

    /// `upstream`, `balance`, `health` and `retries`, and where each upstream stands; `None` where none can be read.
    pub(super) fn read(table: &mut Table<'_, '_>) -> Option<(Self, Vec<Range<usize>>)> {
        let (targets, spans) = read_targets(table).unzip();
        let balance = table.take("balance").and_then(|value| {
            value.word(&[
                ("least_requests", Balance::LeastRequests),
                ("round_robin", Balance::RoundRobin),
                ("sticky", Balance::Sticky),
            ])
        });
        let health = table
            .take("health")
            .and_then(|value| value.table("`health`"))
            .and_then(HealthConfig::read);
        let retries = table
            .take("retries")
            .and_then(|value| value.integer(0..=10))
            .and_then(|retries| u32::try_from(retries).ok());
        let upstreams = Self {
            targets: targets?,
            balance: balance.unwrap_or(Balance::LeastRequests),
            health,
            retries: retries.unwrap_or(Self::RETRIES),
        };
        Some((upstreams, spans?))
    }
}

/// Advice where an upstream is missing.
const SAY_WHERE: &str = "say where it leads: upstream = \"http://127.0.0.1:3000\"";

fn read_targets(table: &mut Table<'_, '_>) -> Option<(Vec<TargetConfig>, Vec<Range<usize>>)> {
    let Some(value) = table.take("upstream") else {
        let report = table.report();
        let problem = report.problem(table.span(), "this route has no `upstream`");
        report.add(problem.hint(SAY_WHERE));
        return None;
    };
    let values = match value.is_list() {
        false => vec![value],
        true => {
            let (report, span) = (value.report(), value.span());
            let values = value.list()?;
            if values.is_empty() {
                report.add(report.problem(&span, "`upstream` is empty").hint(SAY_WHERE));
            }
            values
        }
    };
    let mut targets: Vec<TargetConfig> = Vec::new();
    let mut spans = Vec::new();
    for value in values {
        let (report, span) = (value.report(), value.span());
        let Some(target) = TargetConfig::read(value) else {
            continue;
        };
        if targets.iter().any(|earlier| earlier.url == target.url) {
            let message = format!("{} is in this list twice", target.url);
            let hint = "to give it a larger share, write { url = \"…\", weight = 2 }";
            report.add(report.problem(&span, message).hint(hint));
        }
        targets.push(target);
        spans.push(span);
    }
    (!targets.is_empty()).then_some((targets, spans))
}

impl TargetConfig {
    /// An address, or a table with one and its weight.
    fn read(value: Value<'_, '_>) -> Option<Self> {
        if value.is_string() {
            return Some(Self {
                url: value.parsed(UpstreamUrl::parse)?,
                weight: NonZeroU32::MIN,
            });
        }
        if !value.is_table() {
            return value.wrong_type(
                "an address such as \"http://127.0.0.1:3000\", a table such as { url = \"http://127.0.0.1:3000\", \
                 weight = 2 }, or a list of them",
            );
        }
        let mut table = value.table("`upstream`")?;
        let url = table.take("url");
        if url.is_none() {
            let problem = table.report().problem(table.span(), "this upstream has no `url`");
            table
                .report()
                .add(problem.hint("write { url = \"http://127.0.0.1:3000\" }"));
        }
        let url = url.and_then(|value| value.parsed(UpstreamUrl::parse));
        let weight = table
            .take("weight")
            .and_then(|value| value.integer(1..=UpstreamsConfig::MAX_WEIGHT))
            .and_then(|weight| NonZeroU32::new(u32::try_from(weight).ok()?));
        table.finish(&[]);
        Some(Self {
            url: url?,
            weight: weight.unwrap_or(NonZeroU32::MIN),
        })
    }
}

impl HealthConfig {
    /// Often enough that nobody waits for long, seldom enough that nobody finds it in a log of busy hours.
    const INTERVAL: Duration = Duration::from_secs(5);
    /// Asking more often than this is a load, not a question.
    const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);
    /// Caddy's: an app that needs longer for its health page is not well.
    const TIMEOUT: Duration = Duration::from_secs(5);
    /// Caddy's `health_passes`: who answers well once, works.
    const HEALTHY_AFTER: u32 = 1;
    /// HAProxy's `fall`: an answer or two that got lost prove nothing.
    const UNHEALTHY_AFTER: u32 = 3;

    fn read(mut table: Table<'_, '_>) -> Option<Self> {
        let path = table.take("path");
        if path.is_none() {
            let problem = table.report().problem(table.span(), "`health` has no `path`");
            let hint = "name one that the app answers without a login: health = { path = \"/healthz\" }";
            table.report().add(problem.hint(hint));
        }
        let path = path.and_then(|value| value.parsed(parse::health_path));
        let interval = table.take("interval").and_then(|value| {
            let interval = value.duration()?;
            if interval < Self::SHORTEST_INTERVAL {
                value.reject("`interval` must be at least 10ms");
            }
            Some(interval)
        });
        let timeout = table.take("timeout").and_then(|value| value.positive_duration());
        let mut count = |key| {
            let value = table.take(key).and_then(|value| value.integer(1..=100));
            value.and_then(|count| u32::try_from(count).ok())
        };
        let (healthy_after, unhealthy_after) = (count("healthy_after"), count("unhealthy_after"));
        table.finish(&[]);
        Some(Self {
            path: path?,
            interval: interval.unwrap_or(Self::INTERVAL),
            timeout: timeout.unwrap_or(Self::TIMEOUT),
            healthy_after: healthy_after.unwrap_or(Self::HEALTHY_AFTER),
            unhealthy_after: unhealthy_after.unwrap_or(Self::UNHEALTHY_AFTER),
        })
    }
}
