//! TLS towards an upstream. Its certificate is always checked, by name and by who vouches for it: there is no switch that
//! turns this off, so that none can stand the wrong way (CVE-2025-66491).

use std::{
    cell::OnceCell,
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, InconsistentKeys, RootCertStore,
    client::Resumption,
    pki_types::{InvalidDnsNameError, ServerName},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    config::UpstreamTls,
    pem::{self, PemError},
};

/// Sessions of one upstream that a worker can take up again (RFC 8446, section 2.2).
const SESSIONS: usize = 64;

/// What an upstream may choose from (RFC 7301), the first where it has no preference of its own.
const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Why TLS cannot be spoken with an upstream.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamTlsError {
    /// A file that cannot be used.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// Nobody could be believed.
    #[error("this machine trusts no certificate authority that could vouch for an https upstream")]
    NoRoots(#[source] Option<rustls_native_certs::Error>),
    /// A certificate that can vouch for nobody.
    #[error("a certificate in {} cannot be used to check others", ca.display())]
    UnfitAuthority {
        /// Its file.
        ca: PathBuf,
        /// What went wrong.
        #[source]
        source: rustls::Error,
    },
    /// The key is not the certificate's.
    #[error("the key {} does not belong to the certificate {}", key.display(), cert.display())]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The certificate or the key is of a kind that cannot be used.
    #[error("the certificate {} cannot be used with the key {}", cert.display(), key.display())]
    UnfitIdentity {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What went wrong.
        #[source]
        source: rustls::Error,
    },
    /// No certificate could have this name.
    #[error("no certificate can be for the name \"{name}\"")]
    Name {
        /// The URL's host.
        name: String,
        /// What went wrong.
        #[source]
        source: InvalidDnsNameError,
    },
    /// The library cannot do what it always can.
    #[error("TLS cannot be set up")]
    Library(#[source] rustls::Error),
}

/// The authorities that the system trusts, read when somebody first asks.
#[derive(Debug, Default)]
pub(super) struct SystemRoots(OnceCell<Arc<RootCertStore>>);

impl SystemRoots {
    fn get(&self) -> Result<Arc<RootCertStore>, UpstreamTlsError> {
        if let Some(roots) = self.0.get() {
            return Ok(Arc::clone(roots));
        }
        let mut found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // A store of over a hundred may have one that is too old to be read, and nobody here can mend it.
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err(UpstreamTlsError::NoRoots(found.errors.pop()));
        }
        Ok(Arc::clone(self.0.get_or_init(|| Arc::new(roots))))
    }
}

/// How TLS is spoken with one upstream.
pub struct Client {
    config: ClientConfig,
    name: ServerName<'static>,
}

impl Client {
    /// As configured, for an upstream at `host`.
    pub(super) fn new(tls: &UpstreamTls, host: &str, system: &SystemRoots) -> Result<Self, UpstreamTlsError> {
        let roots = match &tls.ca {
            Some(ca) => Arc::new(authorities(ca)?),
            None => system.get()?,
        };
        let name = match &tls.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned()).map_err(|source| UpstreamTlsError::Name {
                name: host.to_owned(),
                source,
            })?,
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(UpstreamTlsError::Library)?
            .with_root_certificates(roots);
        let config = match &tls.identity {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => {
                let (chain, secret) = (pem::certificates(cert)?, pem::private_key(key)?);
                let unfit = |source| {
                    let (cert, key) = (cert.clone(), key.clone());
                    match source {
                        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                            UpstreamTlsError::Mismatch { cert, key }
                        }
                        source => UpstreamTlsError::UnfitIdentity { cert, key, source },
                    }
                };
                builder.with_client_auth_cert(chain, secret).map_err(unfit)?
            }
        };
        Ok(Self { config, name })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn authorities(ca: &Path) -> Result<RootCertStore, UpstreamTlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in pem::certificates(ca)? {
        roots
            .add(certificate)
            .map_err(|source| UpstreamTlsError::UnfitAuthority {
                ca: ca.to_owned(),
                source,
            })?;
    }
    Ok(roots)
}

/// One worker's way of speaking TLS with one upstream, with the sessions that it can take up again.
pub(super) struct Connector {
    any: TlsConnector,
    http1: TlsConnector,
    name: ServerName<'static>,
}

impl Connector {
    pub(super) fn new(client: &Client) -> Self {
        let mut config = client.config.clone();
        // A session that is taken up again is not checked anew, so it must never be another upstream's.
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        let offering = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            TlsConnector::from(Arc::new(config))
        };
        Self {
            any: offering(&[HTTP2, HTTP1]),
            http1: offering(&[HTTP1]),
            name: client.name.clone(),
        }
    }

    /// The handshake. Not a byte of HTTP goes out before the certificate has been checked.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        only_http1: bool,
    ) -> io::Result<TlsStream<TcpStream>> {
        let connector = if only_http1 { &self.http1 } else { &self.any };
        connector.connect(self.name.clone(), stream).await
    }
}

/// Whether the upstream chose HTTP/2.
pub(super) fn chose_http2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP2)
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
