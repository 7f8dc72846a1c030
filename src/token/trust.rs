//! Issuers whose tokens are accepted beside our own: their keys, and what their tokens must say.
//!
//! [`fetch`] gets keys ahead of need, [`jwks`] reads them, [`foreign`] takes tokens. Nothing here waits for an issuer but
//! [`Trust::keys_after`]: while one is down, the keys that it had last stay, and an issuer that was never reached has
//! none, so that its tokens are refused and nobody else's are.

use std::{
    ptr,
    sync::{Arc, Weak},
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};

use crate::config::TrustConfig;

pub mod fetch;
mod foreign;
mod jwks;

pub(super) use foreign::{said_issuer, verify};
pub(super) use jwks::TrustedKey;

/// How long a request waits for keys that may have the one it needs.
const PATIENCE: Duration = Duration::from_secs(3);

/// All of them.
#[derive(Debug, Default)]
pub struct Trusts {
    all: Vec<Arc<Trust>>,
}

/// One issuer.
#[derive(Debug)]
pub struct Trust {
    pub(super) config: TrustConfig,
    keys: ArcSwap<Vec<Arc<TrustedKey>>>,
    /// Somebody has a token of a key that is not there.
    wanted: Notify,
    /// How often keys were asked for, whether or not there was an answer.
    asked: watch::Sender<u64>,
}

impl Trusts {
    /// The issuers that a configuration names, none of whose keys is known yet.
    pub fn new(configs: &[TrustConfig]) -> Self {
        let trust = |config: &TrustConfig| {
            Arc::new(Trust {
                config: config.clone(),
                keys: ArcSwap::default(),
                wanted: Notify::new(),
                asked: watch::Sender::new(0),
            })
        };
        Self {
            all: configs.iter().map(trust).collect(),
        }
    }

    /// Each of them.
    pub fn all(&self) -> &[Arc<Trust>] {
        &self.all
    }

    /// The one of this name.
    pub fn find(&self, issuer: &str) -> Option<&Arc<Trust>> {
        self.all.iter().find(|trust| trust.config.issuer == issuer)
    }
}

impl Trust {
    /// The keys as they are now.
    fn keys(&self) -> Arc<Vec<Arc<TrustedKey>>> {
        self.keys.load_full()
    }

    /// Whether this very key is still one of the issuer's.
    pub(super) fn holds(&self, key: &Weak<TrustedKey>) -> bool {
        let keys = self.keys.load();
        keys.iter().any(|ours| ptr::eq(Arc::as_ptr(ours), key.as_ptr()))
    }

    /// Has the issuer's keys fetched, since one is missing, and waits for the answer, but not for long. They may have been
    /// fetched just now: then nobody is asked again so soon, and nobody waits.
    pub async fn keys_after(&self) {
        let mut asked = self.asked.subscribe();
        asked.mark_unchanged();
        self.wanted.notify_one();
        // Whoever sends such tokens all the time waits all the time; the issuer hears of it once in a while.
        let _ = tokio::time::timeout(PATIENCE, asked.changed()).await;
    }
}
