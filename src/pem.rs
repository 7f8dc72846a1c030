//! Certificates and private keys in PEM files (RFC 7468).

use std::path::{Path, PathBuf};

use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// It cannot be read, or what it holds is malformed.
    #[error("cannot read the {what} in {}", path.display())]
    Unreadable {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: pem::Error,
    },
    /// It holds nothing of the kind.
    #[error("there is no {what} in {}", path.display())]
    Missing {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
    },
}

/// All certificates of a file; at least one.
///
/// # Errors
/// The file cannot be read, or has none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    const WHAT: &str = "certificate";
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| unreadable(WHAT, path, source))?;
    match certificates.is_empty() {
        true => Err(unreadable(WHAT, path, pem::Error::NoItemsFound)),
        false => Ok(certificates),
    }
}

/// The private key of a file.
///
/// # Errors
/// The file cannot be read, or has none.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| unreadable("private key", path, source))
}

fn unreadable(what: &'static str, path: &Path, source: pem::Error) -> PemError {
    let path = path.to_owned();
    match source {
        pem::Error::NoItemsFound => PemError::Missing { what, path },
        source => PemError::Unreadable { what, path, source },
    }
}
