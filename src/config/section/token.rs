//! `[token]`: what the gateway signs and accepts.

use crate::config::{
    reader::{Table, Value},
    section::{server::PublicUrl, trust::TrustConfig},
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};

/// `[token]`, checked.
#[derive(Debug)]
pub struct TokenConfig {
    /// `iss` of our tokens (RFC 7519, section 4.1.1).
    pub issuer: String,
    /// `aud` of our tokens (RFC 7519, section 4.1.3).
    pub audience: String,
    /// From issue to `exp`.
    pub lifetime: Duration,
    /// From a sign-in until its refresh tokens end, however often one was used; `None` where none is given out.
    pub refresh_lifetime: Option<Duration>,
    /// How far clocks may differ when times are compared.
    pub leeway: Duration,
    /// What signs.
    pub signing: SigningConfig,
    /// Whose tokens are accepted beside ours.
    pub trust: Vec<TrustConfig>,
}

/// How tokens are signed. The algorithm belongs to the key, never to a token's header (RFC 8725, section 3.1).
#[derive(Debug)]
pub enum SigningConfig {
    /// With the keys of a folder, one of which is made at the first start.
    Keys {
        /// What new keys are for, and what signs.
        algorithm: KeyPairAlgorithm,
        /// The folder.
        folder: PathBuf,
    },
    /// With a shared secret as long as the hash (RFC 7518, section 3.2).
    Secret {
        /// What signs.
        algorithm: SecretAlgorithm,
        /// The secret.
        secret: SecretString,
    },
}

/// An algorithm with a private and a public key (RFC 7518, section 3.1; RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPairAlgorithm {
    /// RSA with PKCS#1 v1.5.
    Rs256,
    /// RSA with PSS.
    Ps256,
    /// ECDSA on P-256.
    Es256,
    /// ECDSA on P-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

/// An algorithm with a secret that whoever checks tokens has to know as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

impl KeyPairAlgorithm {
    /// As a token's header names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl SecretAlgorithm {
    /// As a token's header names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// The least length of a secret, in bytes: that of the hash (RFC 7518, section 3.2).
    pub fn min_secret(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Hs384 => 48,
            Self::Hs512 => 64,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    KeyPair(KeyPairAlgorithm),
    Secret(SecretAlgorithm),
}

const ALGORITHMS: [(&str, Algorithm); 8] = [
    ("ES256", Algorithm::KeyPair(KeyPairAlgorithm::Es256)),
    ("ES384", Algorithm::KeyPair(KeyPairAlgorithm::Es384)),
    ("EdDSA", Algorithm::KeyPair(KeyPairAlgorithm::EdDsa)),
    ("RS256", Algorithm::KeyPair(KeyPairAlgorithm::Rs256)),
    ("PS256", Algorithm::KeyPair(KeyPairAlgorithm::Ps256)),
    ("HS256", Algorithm::Secret(SecretAlgorithm::Hs256)),
    ("HS384", Algorithm::Secret(SecretAlgorithm::Hs384)),
    ("HS512", Algorithm::Secret(SecretAlgorithm::Hs512)),
];

impl TokenConfig {
    /// Names us to whoever accepts our tokens.
    const AUDIENCE: &str = "portcullis";
    /// Short, since whoever checks our tokens by their signature alone does not learn that one was taken back.
    const LIFETIME: Duration = Duration::from_secs(15 * 60);
    /// What people expect of a program that they signed in once.
    const REFRESH_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
    /// What clocks differ by where nobody looks after them.
    const LEEWAY: Duration = Duration::from_secs(30);
    /// More would make a lifetime of minutes meaningless.
    const MAX_LEEWAY: Duration = Duration::from_secs(5 * 60);
    /// Where keys lie, relative to the configuration.
    const KEYS: &str = "state/keys";

    pub(in crate::config) fn read(mut table: Table<'_, '_>, public_url: &PublicUrl, folder: &Path) -> Self {
        let not_empty = |value: Value<'_, '_>| {
            value.parsed(|text| match text.is_empty() {
                true => Err(format!("`{}` cannot be empty", value.key())),
                false => Ok(text.to_owned()),
            })
        };
        let algorithm = table.take("algorithm").and_then(|value| value.word(&ALGORITHMS));
        let leeway = table.take("leeway").and_then(|value| {
            let leeway = value.duration()?;
            if leeway > Self::MAX_LEEWAY {
                value.reject("`leeway` cannot be longer than \"5m\"");
            }
            Some(leeway)
        });
        let issuer = table
            .take("issuer")
            .and_then(not_empty)
            .unwrap_or_else(|| public_url.to_string());
        let refresh_lifetime = table.take("refresh_lifetime").and_then(|value| value.duration());
        let refresh_lifetime = refresh_lifetime.unwrap_or(Self::REFRESH_LIFETIME);
        let token = Self {
            refresh_lifetime: (!refresh_lifetime.is_zero()).then_some(refresh_lifetime),
            trust: TrustConfig::read_all(table.take("trust"), &issuer),
            issuer,
            audience: table
                .take("audience")
                .and_then(not_empty)
                .unwrap_or_else(|| Self::AUDIENCE.to_owned()),
            lifetime: table
                .take("lifetime")
                .and_then(|value| value.positive_duration())
                .unwrap_or(Self::LIFETIME),
            leeway: leeway.unwrap_or(Self::LEEWAY),
            signing: signing(
                &mut table,
                algorithm.unwrap_or(Algorithm::KeyPair(KeyPairAlgorithm::Es256)),
                folder,
            ),
        };
        table.finish(&[]);
        token
    }
}

fn signing(table: &mut Table<'_, '_>, algorithm: Algorithm, folder: &Path) -> SigningConfig {
    let keys = table.take("keys");
    let secret = table.take("secret");
    let key_folder = keys
        .as_ref()
        .and_then(Value::path)
        .unwrap_or_else(|| folder.join(TokenConfig::KEYS));
    match (algorithm, secret) {
        (Algorithm::Secret(algorithm), Some(secret)) => {
            let span = secret.span();
            let secret = secret.secret();
            let min = algorithm.min_secret();
            let length = secret.as_ref().map_or(min, |secret| secret.expose_secret().len());
            if length < min {
                let report = table.report();
                let name = algorithm.name();
                let problem = report.problem(
                    &span,
                    format!("the secret must have at least {min} bytes for {name}, but has {length}"),
                );
                report.add(
                    problem
                        .hint(format!("make one: head -c {min} /dev/urandom | base64"))
                        .beside_a_secret(),
                );
            }
            SigningConfig::Secret {
                algorithm,
                secret: secret.unwrap_or_default(),
            }
        }
        (Algorithm::Secret(algorithm), None) => {
            let (name, min) = (algorithm.name(), algorithm.min_secret());
            let report = table.report();
            let problem = report.problem(table.span(), format!("{name} needs a `secret` in [token]"));
            report.add(problem.hint(format!(
                "secret = {{ env = \"PORTCULLIS_SECRET\" }}, of at least {min} bytes"
            )));
            SigningConfig::Secret {
                algorithm,
                secret: SecretString::default(),
            }
        }
        (Algorithm::KeyPair(algorithm), secret) => {
            if let Some(secret) = secret {
                let report = table.report();
                let problem = report.problem(
                    &secret.key_span(),
                    format!(
                        "`secret` is for HS256 and its kin, but this gateway signs with {}",
                        algorithm.name()
                    ),
                );
                report.add(
                    problem
                        .hint("add algorithm = \"HS256\", or leave the secret out")
                        .beside_a_secret(),
                );
            }
            SigningConfig::Keys {
                algorithm,
                folder: key_folder,
            }
        }
    }
}
