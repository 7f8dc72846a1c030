//! `[token]`: what the gateway signs and accepts.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;

/// `[token]`, checked.
#[derive(Debug)]
pub struct TokenConfig {
    /// `iss` of our tokens (RFC 7519, section 4.1.1).
    pub issuer: String,
    /// `aud` of our tokens (RFC 7519, section 4.1.3).
    pub audience: String,
    /// From issue to `exp`.
    pub lifetime: Duration,
    /// How far clocks may differ when times are compared.
    pub leeway: Duration,
    /// What signs.
    pub signing: SigningConfig,
}

/// How tokens are signed. The algorithm belongs to the key, never to a token's header (RFC 8725, section 3.1).
#[derive(Debug)]
pub enum SigningConfig {
    /// ES256 with the keys of a folder, one of which is made at the first start.
    Es256 {
        /// The folder.
        keys: PathBuf,
    },
    /// HS256 with a shared secret of at least 32 bytes (RFC 7518, section 3.2).
    Hs256 {
        /// The secret.
        secret: SecretString,
    },
}
