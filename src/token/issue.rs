//! Making access tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Header;

use super::{Audience, Claims, KeyRing, TOKEN_TYPE};
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

/// Makes and signs a token about `identity`, for these scopes alone where there are any (RFC 6749, section 3.3).
///
/// # Errors
/// Nothing unguessable could be made, or signing failed.
pub fn issue(
    keys: &KeyRing,
    config: &TokenConfig,
    identity: &Identity,
    scope: Option<&str>,
    now: Timestamp,
) -> Result<IssuedToken, IssueError> {
    let key = keys.signer().ok_or(IssueError::NoKey)?;
    let mut id = [0; 16];
    getrandom::fill(&mut id)?;
    let id = URL_SAFE_NO_PAD.encode(id);
    let claims = Claims {
        iss: config.issuer.clone(),
        sub: identity.username.clone(),
        aud: Audience::One(config.audience.clone()),
        iat: now.unix_seconds(),
        exp: now.after(config.lifetime).unix_seconds(),
        nbf: None,
        jti: id.clone(),
        username: identity.username.clone(),
        name: identity.name.clone(),
        email: identity.email.clone(),
        roles: identity.roles.clone(),
        scope: scope.map(str::to_owned),
        stamp: identity.stamp.clone(),
    };
    let mut header = Header::new(key.algorithm);
    header.typ = Some(TOKEN_TYPE.to_owned());
    header.kid = Some(key.id.clone());
    let token = jsonwebtoken::encode(&header, &claims, &key.signing)?;
    Ok(IssuedToken {
        token: token.into(),
        id,
        expires_in: config.lifetime.as_secs(),
    })
}
