//! `[token]`: what the gateway signs and accepts.

use crate::config::{
    reader::{Table, Value},
    section::server::PublicUrl,
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Es256,
    Hs256,
    Later,
}

impl TokenConfig {
    /// Names us to whoever accepts our tokens.
    const AUDIENCE: &str = "portcullis";
    /// Short, since a token cannot be taken back before it expires.
    const LIFETIME: Duration = Duration::from_secs(15 * 60);
    /// What clocks differ by where nobody looks after them.
    const LEEWAY: Duration = Duration::from_secs(30);
    /// More would make a lifetime of minutes meaningless.
    const MAX_LEEWAY: Duration = Duration::from_secs(5 * 60);
    /// Where keys lie, relative to the configuration.
    const KEYS: &str = "state/keys";
    /// RFC 7518, section 3.2: a key as long as the hash.
    const MIN_SECRET_BYTES: usize = 32;

    pub(in crate::config) fn read(mut table: Table<'_, '_>, public_url: &PublicUrl, folder: &Path) -> Self {
        let not_empty = |value: Value<'_, '_>| {
            value.parsed(|text| match text.is_empty() {
                true => Err(format!("`{}` cannot be empty", value.key())),
                false => Ok(text.to_owned()),
            })
        };
        let algorithms = [
            ("ES256", Algorithm::Es256),
            ("HS256", Algorithm::Hs256),
            ("HS384", Algorithm::Later),
            ("HS512", Algorithm::Later),
            ("RS256", Algorithm::Later),
            ("PS256", Algorithm::Later),
            ("ES384", Algorithm::Later),
            ("EdDSA", Algorithm::Later),
        ];
        let algorithm = table.take("algorithm").and_then(|value| {
            let algorithm = value.word(&algorithms)?;
            if algorithm == Algorithm::Later {
                value.reject_with(
                    "this algorithm is not built yet",
                    "this version signs with \"ES256\" or \"HS256\"",
                );
            }
            Some(algorithm)
        });
        let leeway = table.take("leeway").and_then(|value| {
            let leeway = value.duration()?;
            if leeway > Self::MAX_LEEWAY {
                value.reject("`leeway` cannot be longer than \"5m\"");
            }
            Some(leeway)
        });
        let token = Self {
            issuer: table
                .take("issuer")
                .and_then(not_empty)
                .unwrap_or_else(|| public_url.to_string()),
            audience: table
                .take("audience")
                .and_then(not_empty)
                .unwrap_or_else(|| Self::AUDIENCE.to_owned()),
            lifetime: table
                .take("lifetime")
                .and_then(|value| value.positive_duration())
                .unwrap_or(Self::LIFETIME),
            leeway: leeway.unwrap_or(Self::LEEWAY),
            signing: signing(&mut table, algorithm.unwrap_or(Algorithm::Es256), folder),
        };
        table.finish(&["refresh_lifetime", "trust"]);
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
        (Algorithm::Hs256, Some(secret)) => {
            let span = secret.span();
            let secret = secret.secret();
            let length = secret
                .as_ref()
                .map_or(TokenConfig::MIN_SECRET_BYTES, |s| s.expose_secret().len());
            if length < TokenConfig::MIN_SECRET_BYTES {
                let report = table.report();
                let problem = report.problem(
                    &span,
                    format!("the secret must have at least 32 bytes, but has {length}"),
                );
                report.add(
                    problem
                        .hint("make one: head -c 32 /dev/urandom | base64")
                        .beside_a_secret(),
                );
            }
            SigningConfig::Hs256 {
                secret: secret.unwrap_or_default(),
            }
        }
        (Algorithm::Hs256, None) => {
            let report = table.report();
            let problem = report.problem(table.span(), "HS256 needs a `secret` in [token]");
            report.add(problem.hint("secret = { env = \"PORTCULLIS_SECRET\" }, of at least 32 bytes"));
            SigningConfig::Es256 { keys: key_folder }
        }
        (Algorithm::Es256 | Algorithm::Later, secret) => {
            if let Some(secret) = secret {
                let report = table.report();
                let problem = report.problem(
                    &secret.key_span(),
                    "`secret` is for HS256, but this gateway signs with ES256",
                );
                report.add(
                    problem
                        .hint("add algorithm = \"HS256\", or leave the secret out")
                        .beside_a_secret(),
                );
            }
            SigningConfig::Es256 { keys: key_folder }
        }
    }
}
