//! TLS towards browsers: the certificate, its key, and which versions are spoken.

use std::{path::PathBuf, sync::Arc, time::Duration};

use rustls::{
    CertificateError, InconsistentKeys, RootCertStore, ServerConfig,
    client::{verify_server_cert_signed_by_trust_anchor, verify_server_name},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    clock::Timestamp,
    config::{TlsConfig, TlsVersion},
    pem::{self, PemError},
};

/// Makes TLS connections out of TCP ones.
#[derive(Clone)]
pub struct Acceptor(pub(super) TlsAcceptor);

/// Why TLS cannot be spoken with this certificate and key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be used.
    #[error(transparent)]
    Pem(#[from] PemError),
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
        let certificates = pem::certificates(&config.cert)?;
        let key = pem::private_key(&config.key)?;
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

/// Why browsers will warn people of a certificate that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It is no longer valid.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It does not name this host.
    OtherHost,
}

/// What browsers will not like about a certificate for this host. Nothing, where it cannot be read: then it cannot be
/// used at all, and [`Acceptor::new`] says why.
pub fn doubts(config: &TlsConfig, host: &str, now: Timestamp) -> Vec<Doubt> {
    let Ok(certificate) = CertificateDer::from_pem_file(&config.cert) else {
        return Vec::new();
    };
    let Ok(certificate) = ParsedCertificate::try_from(&certificate) else {
        return Vec::new();
    };
    // Nobody is trusted here, so that this always fails; but the dates are looked at before the issuer is.
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now.unix_seconds()));
    let verified =
        verify_server_cert_signed_by_trust_anchor(&certificate, &RootCertStore::empty(), &[], now, &[]);
    let dates = match verified {
        Err(rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => Some(Doubt::Expired),
        Err(rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        )) => Some(Doubt::NotYetValid),
        _ => None,
    };
    let other = ServerName::try_from(host).is_ok_and(|name| verify_server_name(&certificate, &name).is_err());
    dates
        .into_iter()
        .chain(other.then_some(Doubt::OtherHost))
        .collect()
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acceptor(…)")
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn what_browsers_would_warn_of_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let cert = folder.path().join("a.crt");
        let config = TlsConfig {
            cert: cert.clone(),
            key: PathBuf::new(),
            min_version: TlsVersion::V1_2,
        };
        let names = ["wiki.example.com", "*.apps.example.com", "127.0.0.1", "::1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2030, 1, 1);
        params.not_after = date_time_ymd(2031, 1, 1);
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        std::fs::write(&cert, made.pem()).unwrap();
        let (before, amid, after) = (1_893_000_000, 1_900_000_000, 1_930_000_000);
        for (host, now, expected) in [
            ("wiki.example.com", amid, &[][..]),
            ("a.apps.example.com", amid, &[]),
            ("127.0.0.1", amid, &[]),
            ("::1", amid, &[]),
            ("wiki.example.com", before, &[Doubt::NotYetValid]),
            ("wiki.example.com", after, &[Doubt::Expired]),
            ("example.com", amid, &[Doubt::OtherHost]),
            ("127.0.0.2", amid, &[Doubt::OtherHost]),
            ("localhost", after, &[Doubt::Expired, Doubt::OtherHost]),
        ] {
            let now = Timestamp::from_unix_seconds(now);
            assert_eq!(doubts(&config, host, now), expected, "{host}");
        }
        std::fs::write(&cert, "").unwrap();
        assert_eq!(doubts(&config, "x", Timestamp::from_unix_seconds(amid)), []);
    }
}
