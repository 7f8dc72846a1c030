//! `[session]`: where sign-ins are kept and how long they last.

use crate::config::{
    reader::{Table, Value},
    section::{
        cookie::CookieConfig,
        redis::{self, RedisConfig, RedisKeys},
        server::PublicUrl,
    },
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Where sessions live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionStoreConfig {
    /// In the process; they end with it.
    Memory,
    /// In the process, and in this file.
    File(PathBuf),
    /// In a Redis, which several gateways share.
    Redis(RedisConfig),
}

/// `[session]`, checked.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// Where they live.
    pub store: SessionStoreConfig,
    /// The cookie's name; its prefix fits the scheme of `public_url` and the domains (RFC 6265bis, section 4.1.3).
    pub cookie: String,
    /// The domains below which one sign-in is good for every host, none below another; where there is none, each host has
    /// sign-ins of its own.
    pub cookie_domains: Vec<String>,
    /// Sliding: every request that passes renews it.
    pub idle_timeout: Duration,
    /// From sign-in; never renewed.
    pub absolute_timeout: Duration,
    /// Both limits of a "keep me signed in" session; `None` hides the box.
    pub remember_timeout: Option<Duration>,
    /// Sessions one user may have at once; the oldest goes. At least one.
    pub max_per_user: usize,
    /// Whether what ends a session ends the uploads under it as well, amid them.
    pub end_uploads: bool,
}

impl SessionConfig {
    /// Long enough for a coffee, short enough for a screen left open.
    const IDLE_TIMEOUT: Duration = Duration::from_secs(30 * 60);
    /// A working day with its overtime.
    const ABSOLUTE_TIMEOUT: Duration = Duration::from_secs(12 * 3600);
    /// What people expect of "keep me signed in".
    const REMEMBER_TIMEOUT: Duration = Duration::from_secs(30 * 24 * 3600);
    /// More devices than anybody has, fewer than a script that forgets its cookie makes.
    const MAX_PER_USER: usize = 20;

    pub(in crate::config) fn read(mut table: Table<'_, '_>, public_url: &PublicUrl, folder: &Path) -> Self {
        let of_redis = RedisKeys::take(&mut table);
        let store = table.take("store");
        let store = match store {
            Some(store) if redis::is_redis(&store) => {
                redis::addresses(store).map(|addresses| SessionStoreConfig::Redis(of_redis.config(addresses)))
            }
            store => {
                of_redis.reject();
                store.and_then(|store| store.parsed(|text| here(text, folder)))
            }
        };
        let cookie = CookieConfig::read(&mut table, public_url);
        let idle = table.take("idle_timeout");
        let absolute_timeout = table
            .take("absolute_timeout")
            .and_then(|value| value.positive_duration())
            .unwrap_or(Self::ABSOLUTE_TIMEOUT);
        let idle_timeout = idle
            .as_ref()
            .and_then(Value::positive_duration)
            .unwrap_or_else(|| Self::IDLE_TIMEOUT.min(absolute_timeout));
        if let Some(idle) = idle.filter(|_| idle_timeout > absolute_timeout) {
            idle.reject_with(
                "`idle_timeout` is longer than `absolute_timeout`, so it would never end a session",
                "make it the shorter of the two",
            );
        }
        let remember = table.take("remember_timeout").and_then(|value| value.duration());
        let remember = remember.unwrap_or(Self::REMEMBER_TIMEOUT);
        let session = Self {
            store: store.unwrap_or(SessionStoreConfig::Memory),
            cookie: cookie.name,
            cookie_domains: cookie.domains,
            idle_timeout,
            absolute_timeout,
            remember_timeout: (!remember.is_zero()).then_some(remember),
            max_per_user: table
                .take("max_per_user")
                .and_then(|value| value.integer(1..=100_000))
                .and_then(|number| usize::try_from(number).ok())
                .unwrap_or(Self::MAX_PER_USER),
            // Half a file is worth nothing to anybody, and whoever began to send it was let in.
            end_uploads: table
                .take("end_uploads")
                .and_then(|value| value.boolean())
                .unwrap_or(false),
        };
        table.finish(&[]);
        session
    }
}

/// A store that is no Redis.
fn here(text: &str, folder: &Path) -> Result<SessionStoreConfig, String> {
    match text.split_once(':') {
        None if text == "memory" => Ok(SessionStoreConfig::Memory),
        Some(("file", path)) if !path.is_empty() => Ok(SessionStoreConfig::File(folder.join(path))),
        _ => Err(format!(
            "there is no session store \"{text}\"; write \"memory\", \"file:state/sessions.redb\" or \"redis://HOST:PORT\""
        )),
    }
}
