//! Making access tokens.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Header;

use super::{Audience, Claims, KeyRing, TOKEN_TYPE, refresh::Grant};
use crate::{clock::Timestamp, config::TokenConfig, identity::Identity};

/// A token that was just made.
#[derive(Debug)]
pub struct IssuedToken {
    /// The compact form of RFC 7515, section 7.1. A credential: never logged.
    pub token: secrecy::SecretString,
    /// Its `jti`, for the audit log.
    pub id: String,
    /// Seconds from now until it expires.
    pub expires_in: u64,
}

/// What a new token says beside whom it is about.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What it is for (RFC 6749, section 3.3); without it, whatever the person may do.
    pub scope: Option<&'a str>,
    /// Whom it is for, where that is not us.
    pub audience: Option<&'a str>,
    /// How long it counts.
    pub lifetime: Duration,
    /// How the person proved who they are (RFC 8176), and when in seconds since 1970; nothing where they did not.
    pub proven: Option<(&'a [String], u64)>,
    /// The sign-in that it comes from, where that goes on.
    pub grant: Option<&'a Grant>,
    /// What it is dated, in seconds since 1970: see [`super::Revocations::date`].
    pub issued: u64,
}

impl Wanted<'_> {
    /// A token of now for us, as the configuration has them.
    pub fn plain(config: &TokenConfig, now: Timestamp) -> Self {
        Self {
            scope: None,
            audience: None,
            lifetime: config.lifetime,
            proven: None,
            grant: None,
            issued: now.unix_seconds(),
        }
    }
}

/// Why no token could be made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// There is no key that signs.
    #[error("there is no signing key")]
    NoKey,
    /// The system's random source failed.
    #[error("the system's random number source failed")]
    NoRandomness(#[from] getrandom::Error),
    /// Signing failed.
    #[error("signing failed")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

/// Makes and signs a token about a person.
///
/// # Errors
/// Nothing unguessable could be made, or signing failed.
pub fn issue(
    keys: &KeyRing,
    config: &TokenConfig,
    person: &Identity,
    wanted: &Wanted<'_>,
    now: Timestamp,
) -> Result<IssuedToken, IssueError> {
    let key = keys.signer().ok_or(IssueError::NoKey)?;
    let mut id = [0; 16];
    getrandom::fill(&mut id)?;
    let id = URL_SAFE_NO_PAD.encode(id);
    let expires = now.after(wanted.lifetime).unix_seconds();
    let claims = Claims {
        iss: config.issuer.clone(),
        sub: person.username.clone(),
        aud: Audience::One(wanted.audience.unwrap_or(&config.audience).to_owned()),
        iat: wanted.issued,
        exp: expires,
        nbf: None,
        jti: id.clone(),
        username: person.username.clone(),
        name: person.name.clone(),
        email: person.email.clone(),
        roles: person.roles.clone(),
        scope: wanted.scope.map(str::to_owned),
        amr: wanted.proven.map(|(amr, _)| amr.to_vec()).unwrap_or_default(),
        auth_time: wanted.proven.map(|(_, when)| when),
        sid: wanted.grant.map(|grant| grant.id.clone()),
        stamp: person.stamp.clone(),
    };
    let mut header = Header::new(key.algorithm);
    header.typ = Some(TOKEN_TYPE.to_owned());
    header.kid = Some(key.id.clone());
    let token = jsonwebtoken::encode(&header, &claims, &key.signing)?;
    Ok(IssuedToken {
        token: token.into(),
        id,
        expires_in: wanted.lifetime.as_secs(),
    })
}
