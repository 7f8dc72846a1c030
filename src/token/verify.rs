//! Taking a token back: bounded before it is parsed, its header believed in nothing but the key's name.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde::Deserialize;

use super::{Claims, KeyRing, TOKEN_TYPE};
use crate::{clock::Timestamp, config::TokenConfig};

/// The longest token that is looked at, in bytes. A header field holds 8 KiB nearly everywhere.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Why a token is not accepted: for the log. The client learns only that it is not valid.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// `Authorization` says Bearer but is not of RFC 6750's form.
    #[error("the Authorization header is not of the form \"Bearer <token>\"")]
    Grammar,
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("the token is longer than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
    /// Not three parts of unpadded base64url.
    #[error("the token is not a JWS in compact form")]
    NotCompact,
    /// The header is no JSON object of the members `alg`, `typ` and `kid` alone. `crit`, `jku`, `jwk`, `x5u`
    /// and `x5c` are refused here.
    #[error("the token's header is not acceptable")]
    Header(#[source] serde_json::Error),
    /// The `typ` is not that of an access token.
    #[error("the token is of another type")]
    Type,
    /// No key of ours has this `kid`.
    #[error("the token names an unknown key")]
    UnknownKey,
    /// The `alg` is not the key's.
    #[error("the token's algorithm is not the key's")]
    Algorithm,
    /// The signature is wrong, or the claims are not of the right JSON types.
    #[error("the token's signature or claims are not valid")]
    Invalid(#[source] jsonwebtoken::errors::Error),
    /// Signed by us for another issuer name.
    #[error("the token is from another issuer")]
    Issuer,
    /// For somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// Not valid any more.
    #[error("the token has expired")]
    Expired,
    /// Not valid yet, or issued in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The user was disabled, changed or taken out since the token was made.
    #[error("the user was disabled, changed or removed since")]
    UserChanged,
    /// `sub` and `username` name two people.
    #[error("the token names two users")]
    Subject,
}

/// The only header members that our tokens have. Any other makes the token somebody else's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenHeader {
    alg: Algorithm,
    typ: String,
    kid: String,
}

/// Checks a token and returns what it says.
///
/// The order is from cheap to dear, and nothing is parsed before its size is known: form, header, key,
/// algorithm, signature, claim types, issuer, audience, times.
///
/// # Errors
/// The first check that failed.
pub fn verify(
    keys: &KeyRing,
    config: &TokenConfig,
    token: &str,
    now: Timestamp,
) -> Result<Claims, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::TooLong);
    }
    let mut parts = token.split('.');
    let (Some(header), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(TokenError::NotCompact);
    };
    let header = URL_SAFE_NO_PAD
        .decode(header)
        .map_err(|_| TokenError::NotCompact)?;
    let header: TokenHeader = serde_json::from_slice(&header).map_err(TokenError::Header)?;
    if header.typ != TOKEN_TYPE {
        return Err(TokenError::Type);
    }
    let key = keys.find(&header.kid).ok_or(TokenError::UnknownKey)?;
    if header.alg != key.algorithm {
        return Err(TokenError::Algorithm);
    }
    let claims = jsonwebtoken::decode::<Claims>(token, &key.verifying, &key.validation)
        .map_err(TokenError::Invalid)?
        .claims;
    check_claims(&claims, config, now)?;
    Ok(claims)
}

/// What the claims of a well-signed token must say (RFC 7519, section 4.1).
fn check_claims(claims: &Claims, config: &TokenConfig, now: Timestamp) -> Result<(), TokenError> {
    if claims.iss != config.issuer {
        return Err(TokenError::Issuer);
    }
    if !claims.aud.contains(&config.audience) {
        return Err(TokenError::Audience);
    }
    if claims.sub != claims.username {
        return Err(TokenError::Subject);
    }
    let (now, leeway) = (now.unix_seconds(), config.leeway.as_secs());
    if claims.exp.saturating_add(leeway) <= now {
        return Err(TokenError::Expired);
    }
    let not_before = claims.nbf.unwrap_or(0).max(claims.iat);
    if not_before > now.saturating_add(leeway) {
        return Err(TokenError::NotYetValid);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
