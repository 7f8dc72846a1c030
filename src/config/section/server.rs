//! `[server]` and `[server.tls]`: where the gateway listens and how browsers reach it.

use std::{fmt, net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use super::limits::LimitsConfig;

/// `[server]`, checked.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Addresses to listen on; at least one.
    pub listen: Vec<SocketAddr>,
    /// How browsers reach the gateway.
    pub public_url: PublicUrl,
    /// Worker threads, each with its own listener, connections and upstream pool.
    pub workers: NonZeroUsize,
    /// How long running requests may take to finish once the gateway was told to stop.
    pub shutdown_grace: Duration,
    /// `[server.tls]`; without it the gateway speaks plain HTTP.
    pub tls: Option<TlsConfig>,
    /// `[server.limits]`.
    pub limits: LimitsConfig,
}

/// `[server.tls]`, checked as far as the file itself tells; the certificate is read by `server::tls`.
#[derive(Debug, Clone)]
pub struct TlsConfig {
    /// A PEM file: the certificate first, then its intermediates.
    pub cert: PathBuf,
    /// A PEM file: the certificate's private key.
    pub key: PathBuf,
    /// The oldest protocol version that is spoken.
    pub min_version: TlsVersion,
}

/// A version of TLS that the gateway speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    V1_2,
    /// TLS 1.3 (RFC 8446).
    V1_3,
}

/// How browsers reach the gateway: scheme and authority, nothing after them.
///
/// Cookies are `Secure` exactly when its scheme is `https`; the token issuer defaults to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    secure: bool,
    authority: String,
}

impl PublicUrl {
    /// From a scheme and a lower-case `host[:port]`.
    pub fn new(secure: bool, authority: String) -> Self {
        Self { secure, authority }
    }

    /// Whether browsers speak TLS to us, or to whatever stands in front of us.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// `host[:port]`, in lower case.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.authority)
    }
}
