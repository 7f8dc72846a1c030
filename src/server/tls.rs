//! TLS towards browsers: the certificate, its key, and which versions are spoken.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    InconsistentKeys, ServerConfig,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};
use tokio_rustls::TlsAcceptor;

use crate::config::{TlsConfig, TlsVersion};

/// Makes TLS connections out of TCP ones.
#[derive(Clone)]
pub struct Acceptor(pub(super) TlsAcceptor);

/// Why TLS cannot be spoken with this certificate and key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read or holds nothing of the kind.
    #[error("cannot read the {what} in {}", path.display())]
    Pem {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: pem::Error,
    },
    /// A file without what it should hold.
    #[error("there is no {what} in {}", path.display())]
    Missing {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
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
    Unfit {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What went wrong.
        #[source]
        source: rustls::Error,
    },
}

impl Acceptor {
    /// Reads the certificate and the key.
    ///
    /// # Errors
    /// A file is missing or no PEM, or the two do not fit.
    pub fn new(config: &TlsConfig) -> Result<Self, TlsError> {
        let certificates = read(&config.cert, "certificate", |path| {
            CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>()
        })?;
        if certificates.is_empty() {
            return Err(TlsError::Missing {
                what: "certificate",
                path: config.cert.clone(),
            });
        }
        let key = read(&config.key, "private key", |path| {
            PrivateKeyDer::from_pem_file(path)
        })?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions: &[&rustls::SupportedProtocolVersion] = match config.min_version {
            TlsVersion::V1_2 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            TlsVersion::V1_3 => &[&rustls::version::TLS13],
        };
        let unfit = |source| {
            let (cert, key) = (config.cert.clone(), config.key.clone());
            match source {
                rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    TlsError::Mismatch { cert, key }
                }
                source => TlsError::Unfit { cert, key, source },
            }
        };
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(unfit)?
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(unfit)?;
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(server))))
    }
}

fn read<T>(
    path: &std::path::Path,
    what: &'static str,
    read: impl FnOnce(&std::path::Path) -> Result<T, pem::Error>,
) -> Result<T, TlsError> {
    let path = path.to_owned();
    read(&path).map_err(|source| match source {
        pem::Error::NoItemsFound => TlsError::Missing { what, path },
        source => TlsError::Pem { what, path, source },
    })
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acceptor(…)")
    }
}
