//! An app behind the gateway.

use std::{
    collections::HashSet,
    fmt,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use super::tls::{Client, SystemRoots, UpstreamTlsError};
use crate::config::{UpstreamTls, UpstreamUrl};

/// Where an app is, and how it is known to be the right one. Two that are equal may share connections.
#[derive(Debug)]
pub struct Upstream {
    url: UpstreamUrl,
    tls: UpstreamTls,
    client: Option<Client>,
    /// Made once: every request looks its upstream's connections up.
    hash: u64,
}

impl Upstream {
    /// Its address.
    pub fn url(&self) -> &UpstreamUrl {
        &self.url
    }

    /// How TLS is spoken with it; `None` where none is.
    pub(super) fn client(&self) -> Option<&Client> {
        self.client.as_ref()
    }
}

// What a connection may be used for follows from what was configured, and from nothing that was made of it.
impl PartialEq for Upstream {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url && self.tls == other.tls
    }
}

impl Eq for Upstream {}

impl Hash for Upstream {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

/// Makes the upstreams of a configuration, each once.
#[derive(Debug, Default)]
pub struct Upstreams {
    made: HashSet<Arc<Upstream>>,
    system_roots: SystemRoots,
}

impl Upstreams {
    /// The upstream at this address.
    ///
    /// # Errors
    /// A file of its TLS cannot be used.
    pub fn at(&mut self, url: &UpstreamUrl, tls: &UpstreamTls) -> Result<Arc<Upstream>, UpstreamTlsError> {
        let mut upstream = Upstream {
            url: url.clone(),
            tls: tls.clone(),
            client: None,
            hash: BuildHasherDefault::<DefaultHasher>::default().hash_one((url, tls)),
        };
        if let Some(made) = self.made.get(&upstream) {
            return Ok(Arc::clone(made));
        }
        if let UpstreamUrl::Tcp { host, .. } = url
            && url.is_https()
        {
            upstream.client = Some(Client::new(tls, host, &self.system_roots)?);
        }
        let upstream = Arc::new(upstream);
        self.made.insert(Arc::clone(&upstream));
        Ok(upstream)
    }
}
