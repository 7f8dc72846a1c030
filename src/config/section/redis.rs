//! `[session] store = "redis://…"`: a Redis in which several gateways keep what they know together.

use std::{fmt, path::PathBuf, time::Duration};

use redis::IntoConnectionInfo;
use secrecy::{ExposeSecret, SecretString};

use crate::config::reader::{Table, Value};

/// A Redis, or a cluster of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// Where it is. Several are nodes of one cluster.
    pub addresses: Vec<RedisAddress>,
    /// Who vouches for its certificate, in place of those whom the system trusts.
    pub ca: Option<PathBuf>,
    /// How many sessions each gateway remembers, so that it need not ask for them again.
    pub near_cache: usize,
    /// For how long remembered sessions go on while it cannot be reached.
    pub outage_grace: Duration,
}

/// The URL of a Redis. It may hold a password, and is never printed.
#[derive(Clone)]
pub struct RedisAddress {
    url: SecretString,
    shown: String,
}

impl RedisAddress {
    /// A URL of the schemes `redis`, `rediss` and `redis+unix`.
    ///
    /// # Errors
    /// What to write in its place.
    pub fn parse(url: SecretString) -> Result<Self, &'static str> {
        const EXAMPLE: &str = "that is no address of a Redis; write \"redis://HOST:PORT\", or \"rediss://HOST:PORT\" for TLS; a name and password stand before the host";
        let text = url.expose_secret();
        let (scheme, _) = text.split_once("://").ok_or(EXAMPLE)?;
        if !matches!(scheme, "redis" | "rediss" | "redis+unix") {
            return Err(EXAMPLE);
        }
        // What the library says of a wrong one may quote it.
        let info = text.into_connection_info().map_err(|_| EXAMPLE)?;
        let shown = match scheme {
            "redis+unix" => format!("unix:{}", info.addr()),
            _ => format!("{scheme}://{}", info.addr()),
        };
        Ok(Self { url, shown })
    }

    /// All of it, for whoever connects.
    pub fn url(&self) -> &str {
        self.url.expose_secret()
    }

    /// Scheme, host and port, for messages.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl PartialEq for RedisAddress {
    fn eq(&self, other: &Self) -> bool {
        self.url() == other.url()
    }
}

impl Eq for RedisAddress {}

/// The keys that only a Redis has.
pub(super) struct RedisKeys<'r, 'i> {
    ca: Option<Value<'r, 'i>>,
    near_cache: Option<Value<'r, 'i>>,
    outage_grace: Option<Value<'r, 'i>>,
}

impl<'r, 'i> RedisKeys<'r, 'i> {
    pub(super) fn take(table: &mut Table<'r, 'i>) -> Self {
        Self {
            ca: table.take("redis_ca"),
            near_cache: table.take("near_cache"),
            outage_grace: table.take("outage_grace"),
        }
    }

    /// For a store that is none.
    pub(super) fn reject(&self) {
        for value in [&self.ca, &self.near_cache, &self.outage_grace]
            .into_iter()
            .flatten()
        {
            value.reject_with(
                format!(
                    "`{}` is for a store that is a Redis, which this is not",
                    value.key()
                ),
                "take it out, or write store = \"redis://…\"",
            );
        }
    }

    /// With the addresses that `store` has.
    pub(super) fn config(&self, addresses: Vec<RedisAddress>) -> RedisConfig {
        /// A few tens of megabytes.
        const NEAR_CACHE: usize = 100_000;
        let near_cache = self
            .near_cache
            .as_ref()
            .and_then(|value| value.integer(1..=10_000_000));
        RedisConfig {
            addresses,
            ca: self.ca.as_ref().and_then(Value::path),
            near_cache: near_cache
                .and_then(|number| usize::try_from(number).ok())
                .unwrap_or(NEAR_CACHE),
            outage_grace: self
                .outage_grace
                .as_ref()
                .and_then(Value::duration)
                .unwrap_or_default(),
        }
    }
}

/// Whether the value of `store` names a Redis.
pub(super) fn is_redis(store: &Value<'_, '_>) -> bool {
    !store.is_string()
        || store.string().is_some_and(|text| {
            text.starts_with("redis:") || text.starts_with("rediss:") || text.starts_with("redis+unix:")
        })
}

/// The addresses in the value of `store`; `None` where one of them is wrong, which has been said then.
pub(super) fn addresses(store: Value<'_, '_>) -> Option<Vec<RedisAddress>> {
    let mut addresses = Vec::new();
    let values = match store.is_list() {
        true => store.list()?,
        false => vec![store],
    };
    for value in values {
        let span = value.span();
        let report = value.report();
        match RedisAddress::parse(value.secret()?) {
            Ok(address) => addresses.push(address),
            Err(wrong) => {
                report.add(report.problem(&span, wrong));
                return None;
            }
        }
    }
    (!addresses.is_empty()).then_some(addresses)
}
