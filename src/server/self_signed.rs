//! A certificate for this machine alone, for the demo and for newcomers.

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use time::{Duration, OffsetDateTime};

use crate::clock::Clock;

/// Days it is valid: browsers refuse certificates that are valid for longer than 825.
const DAYS: i64 = 825;

/// Why none could be made.
#[derive(Debug, thiserror::Error)]
pub enum SelfSignedError {
    /// Making the key or the signature failed.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// The clock shows a year that no certificate can name.
    #[error("the system's clock is out of range")]
    Clock(#[from] time::error::ComponentRange),
}

/// A certificate for `localhost`, `127.0.0.1` and `::1`, and its private key, both in PEM.
///
/// # Errors
/// The key or the signature could not be made.
pub fn localhost_certificate() -> Result<(String, String), SelfSignedError> {
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut params = CertificateParams::new(names)?;
    params
        .distinguished_name
        .push(DnType::CommonName, "portcullis on localhost");
    let now = i64::try_from(Clock::System.now().unix_seconds()).unwrap_or(i64::MAX);
    let now = OffsetDateTime::from_unix_timestamp(now)?;
    // Yesterday: clocks differ.
    params.not_before = now - Duration::days(1);
    params.not_after = now + Duration::days(DAYS - 1);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}
