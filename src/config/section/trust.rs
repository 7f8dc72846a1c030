//! `[[token.trust]]`: whose tokens are accepted beside our own.

use std::{net::IpAddr, path::PathBuf};

use http::{Uri, uri::Scheme};
use serde_json::{Map, Value};

use crate::config::reader::{self, Table};

/// One `[[token.trust]]`, checked.
#[derive(Debug, Clone)]
pub struct TrustConfig {
    /// `iss` of its tokens, to the letter.
    pub issuer: String,
    /// One of the names in `aud` of those that are for us.
    pub audience: String,
    /// Where its keys are.
    pub keys: TrustedKeys,
    /// What may have signed.
    pub algorithms: Vec<SignatureAlgorithm>,
    /// Where the user name is.
    pub username_claim: ClaimPath,
    /// Where the roles are.
    pub roles_claim: ClaimPath,
}

/// Where an issuer's keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustedKeys {
    /// A JWK Set (RFC 7517, section 5) in a file.
    File(PathBuf),
    /// The same at an address.
    Url(String),
    /// Where the issuer says itself (OpenID Connect Discovery 1.0, section 4).
    Discovery,
}

/// An algorithm that others may sign with: none that needs a secret, which would have to be theirs and ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "they are the names of RFC 7518, section 3.1, and RFC 8037"
)]
pub enum SignatureAlgorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

/// The way to a claim: `realm_access.roles` is a member of a member. A claim whose own name has a dot in it
/// (`https://example.com/roles`) is found as well, by its whole name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimPath(pub String);

impl ClaimPath {
    /// The claim, if it is there.
    pub fn find<'c>(&self, claims: &'c Map<String, Value>) -> Option<&'c Value> {
        if let Some(claim) = claims.get(&self.0) {
            return Some(claim);
        }
        let (first, rest) = self.0.split_once('.')?;
        rest.split('.')
            .try_fold(claims.get(first)?, |value, name| value.as_object()?.get(name))
    }
}

const ALGORITHMS: [(&str, SignatureAlgorithm); 9] = [
    ("RS256", SignatureAlgorithm::Rs256),
    ("RS384", SignatureAlgorithm::Rs384),
    ("RS512", SignatureAlgorithm::Rs512),
    ("PS256", SignatureAlgorithm::Ps256),
    ("PS384", SignatureAlgorithm::Ps384),
    ("PS512", SignatureAlgorithm::Ps512),
    ("ES256", SignatureAlgorithm::Es256),
    ("ES384", SignatureAlgorithm::Es384),
    ("EdDSA", SignatureAlgorithm::EdDsa),
];

impl TrustConfig {
    /// All of them. `own_issuer` is the name of our own tokens' issuer.
    pub(in crate::config) fn read_all(value: Option<reader::Value<'_, '_>>, own_issuer: &str) -> Vec<Self> {
        let Some(value) = value else {
            return Vec::new();
        };
        if value.is_table() {
            value.reject_with(
                "`trust` must be a list, but this is a table",
                "write [[token.trust]], with double brackets",
            );
            return Vec::new();
        }
        let mut all: Vec<Self> = Vec::new();
        for value in value.list().unwrap_or_default() {
            let Some(table) = value.table("[[token.trust]]") else {
                continue;
            };
            let taken: Vec<String> = all.iter().map(|trust| trust.issuer.clone()).collect();
            all.extend(Self::read(table, own_issuer, &taken));
        }
        all
    }

    fn read(mut table: Table<'_, '_>, own_issuer: &str, taken: &[String]) -> Option<Self> {
        let report = table.report();
        let span = table.span().clone();
        let missing = |what: &str, hint: &str| {
            let problem = report.problem(&span, format!("this [[token.trust]] has no `{what}`"));
            report.add(problem.hint(hint));
        };
        let issuer = table.take("issuer");
        if issuer.is_none() {
            missing("issuer", "it is the `iss` of the tokens, to the letter");
        }
        let issuer = issuer.and_then(|value| {
            value.parsed(|text| match text {
                "" => Err("`issuer` cannot be empty".to_owned()),
                own if own == own_issuer => {
                    Err(format!("\"{own}\" is the issuer of this gateway's own tokens"))
                }
                known if taken.iter().any(|taken| taken == known) => {
                    Err(format!("another [[token.trust]] is for \"{known}\" already"))
                }
                text => Ok(text.to_owned()),
            })
        });
        let audience = table.take("audience");
        if audience.is_none() {
            missing("audience", "without it, tokens for anybody would be good here");
        }
        let audience = audience.and_then(|value| {
            value.parsed(|text| match text.is_empty() {
                true => Err("`audience` cannot be empty".to_owned()),
                false => Ok(text.to_owned()),
            })
        });
        let jwks = table.take("jwks");
        let discovery = table.take("discovery");
        let discovers = discovery.as_ref().and_then(reader::Value::boolean) == Some(true);
        let keys = match (jwks, discovers) {
            (Some(value), true) => {
                value.reject("`jwks` and `discovery` cannot both say where the keys are");
                None
            }
            (Some(value), false) => keys(&value),
            (None, true) => issuer.as_ref().and_then(|issuer| match address(issuer) {
                Ok(()) => Some(TrustedKeys::Discovery),
                Err(why) => {
                    if let Some(value) = &discovery {
                        value.reject(format!("`discovery` asks the issuer, and {why}"));
                    }
                    None
                }
            }),
            (None, false) => {
                missing("jwks", "jwks = \"https://…\" or a file, or discovery = true");
                None
            }
        };
        let algorithms = table.take("algorithms").and_then(reader::Value::one_or_many);
        let algorithms = algorithms.map(|values| {
            if values.is_empty() {
                report.add(report.problem(&span, "`algorithms` names none, so that no token could be good"));
            }
            values
                .iter()
                .filter_map(|value| value.word(&ALGORITHMS))
                .collect()
        });
        let mut claim = |key: &'static str, default: &str| {
            let path = table.take(key).and_then(|value| {
                value.parsed(|text| match text.is_empty() {
                    true => Err(format!("`{key}` cannot be empty")),
                    false => Ok(text.to_owned()),
                })
            });
            ClaimPath(path.unwrap_or_else(|| default.to_owned()))
        };
        let username_claim = claim("username_claim", "sub");
        let roles_claim = claim("roles_claim", "roles");
        table.finish(&[]);
        Some(Self {
            issuer: issuer?,
            audience: audience?,
            keys: keys?,
            algorithms: algorithms
                .unwrap_or_else(|| ALGORITHMS.iter().map(|(_, algorithm)| *algorithm).collect()),
            username_claim,
            roles_claim,
        })
    }
}

/// A file, or an address that nobody on the way can change the answer of.
fn keys(value: &reader::Value<'_, '_>) -> Option<TrustedKeys> {
    let text = value.string()?;
    if !text.contains("://") {
        return value.path().map(TrustedKeys::File);
    }
    match address(&text) {
        Ok(()) => Some(TrustedKeys::Url(text)),
        Err(why) => {
            value.reject(format!("`{}` cannot be asked for keys: {why}", value.key()));
            None
        }
    }
}

/// Whether keys can be asked for at an address.
///
/// # Errors
/// Why not.
pub fn address(text: &str) -> Result<(), &'static str> {
    let uri: Uri = text.parse().map_err(|_| "it is no URL")?;
    let host = uri.host().ok_or("it is no URL with a host")?;
    let is_own_machine = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.is_loopback());
    if uri.scheme() == Some(&Scheme::HTTPS) {
        return Ok(());
    }
    match uri.scheme() == Some(&Scheme::HTTP) && is_own_machine {
        true => Ok(()),
        false => Err("whoever is on the way could put keys of their own in; use https://"),
    }
}
