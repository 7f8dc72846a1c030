//! Taking a token back: bounded before it is parsed, its header believed in nothing but the key's name.

use std::sync::{Arc, Weak};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde::Deserialize;

use super::{
    Audience, Bearer, Claims, KeyRing, OwnToken, TOKEN_TYPE, Trusts,
    keys::Key,
    trust::{self, Trust, TrustedKey},
};
use crate::{clock::Timestamp, config::TokenConfig, identity::Identity, store::StoreError};

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
    /// It has the form of a personal token, and is none, not any more, or has expired.
    #[error("there is no such personal token")]
    NoPersonalToken,
    /// It cannot be found out whether it was taken back.
    #[error("it cannot be found out whether the token was revoked")]
    Unchecked(#[from] StoreError),
    /// It was taken back before its time.
    #[error("the token was revoked")]
    Revoked,
    /// `sub` and `username` name two people.
    #[error("the token names two users")]
    Subject,
    /// A claim that is needed is not there, or is not of its type.
    #[error("the token's claim of the {0} is missing or not of its type")]
    Claim(&'static str),
    /// Another issuer's token, of a key that the issuer has not shown: it may be a new one.
    #[error("the token names a key that its issuer has not shown")]
    KeyNotShown(Arc<Trust>),
}

/// The only header members that our tokens have. Any other makes the token somebody else's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenHeader {
    alg: Algorithm,
    typ: String,
    kid: String,
}

/// A token whose signature is good. That is settled once and for all; whether it counts, here and now, is another
/// question at every use: see [`SignedToken::bearer`].
#[derive(Debug, Clone)]
pub struct SignedToken {
    pub(super) signer: Signer,
    pub(super) issuer: String,
    pub(super) audience: Audience,
    pub(super) not_before: u64,
    pub(super) expires: u64,
    pub(super) bearer: Arc<Bearer>,
}

/// Who signed a token. Weak: a key that is taken out does not live on in the tokens that it has signed.
#[derive(Debug, Clone)]
pub(super) enum Signer {
    /// One of our keys.
    Ours(Weak<Key>),
    /// Another issuer's.
    Trusted {
        trust: Arc<Trust>,
        key: Weak<TrustedKey>,
    },
}

impl SignedToken {
    /// Checks a token's signature, and that its claims are claims.
    ///
    /// The order is from cheap to dear, and nothing is parsed before its size is known: form, header, key,
    /// algorithm, signature, claim types. Which issuer it says it is from decides by whose keys, and nothing else.
    ///
    /// # Errors
    /// The first check that failed.
    pub fn verify(keys: &KeyRing, trusts: &Trusts, token: &str, now: Timestamp) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::NotCompact);
        };
        let header = URL_SAFE_NO_PAD
            .decode(header)
            .map_err(|_| TokenError::NotCompact)?;
        if !trusts.all().is_empty()
            && let Some(issuer) = trust::said_issuer(payload)
            && let Some(trust) = trusts.find(&issuer)
        {
            return trust::verify(trust, &header, token);
        }
        let header: TokenHeader = serde_json::from_slice(&header).map_err(TokenError::Header)?;
        if header.typ != TOKEN_TYPE {
            return Err(TokenError::Type);
        }
        let key = keys.find(&header.kid, now).ok_or(TokenError::UnknownKey)?;
        if header.alg != key.algorithm {
            return Err(TokenError::Algorithm);
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &key.verifying, &key.validation)
            .map_err(TokenError::Invalid)?
            .claims;
        if claims.sub != claims.username {
            return Err(TokenError::Subject);
        }
        let own = OwnToken::new(
            &claims.jti,
            claims.sid.as_deref(),
            claims.iat,
            claims.exp,
            Some(claims.aud.clone()),
        );
        Ok(Self {
            signer: Signer::Ours(Arc::downgrade(&key)),
            not_before: claims.nbf.unwrap_or(0).max(claims.iat),
            expires: claims.exp,
            bearer: Arc::new(Bearer {
                identity: Arc::new(Identity::new(
                    claims.username,
                    claims.name,
                    claims.email,
                    claims.roles,
                    claims.stamp,
                )),
                scopes: claims
                    .scope
                    .map(|scope| scope.split_ascii_whitespace().map(str::to_owned).collect()),
                claims: serde_json::Map::new(),
                expires: claims.exp,
                own: Some(own),
            }),
            issuer: claims.iss,
            audience: claims.aud,
        })
    }

    /// Whether the key that signed it is still one of ours, or of the issuer that we trust.
    pub(super) fn is_signed_by_one_of(&self, keys: &KeyRing, now: Timestamp) -> bool {
        match &self.signer {
            Signer::Ours(key) => keys.holds(key, now),
            Signer::Trusted { trust, key } => trust.holds(key),
        }
    }

    /// What the token stands for, if it is of the issuer whose key it is, for us and of now (RFC 7519, section 4.1).
    ///
    /// # Errors
    /// The first check that failed.
    pub fn bearer(&self, config: &TokenConfig, now: Timestamp) -> Result<&Arc<Bearer>, TokenError> {
        let (issuer, audience) = match &self.signer {
            Signer::Ours(_) => (&config.issuer, &config.audience),
            Signer::Trusted { trust, .. } => (&trust.config.issuer, &trust.config.audience),
        };
        if self.issuer != *issuer {
            return Err(TokenError::Issuer);
        }
        if !self.audience.contains(audience) {
            return Err(TokenError::Audience);
        }
        self.counts(config, now)
    }

    /// The same, whoever it is for, where it is ours: for whoever asks about it, and not for whoever shows it.
    ///
    /// # Errors
    /// The first check that failed.
    pub fn bearer_for_anybody(
        &self,
        config: &TokenConfig,
        now: Timestamp,
    ) -> Result<&Arc<Bearer>, TokenError> {
        match &self.signer {
            Signer::Ours(_) if self.issuer == config.issuer => self.counts(config, now),
            Signer::Ours(_) | Signer::Trusted { .. } => self.bearer(config, now),
        }
    }

    fn counts(&self, config: &TokenConfig, now: Timestamp) -> Result<&Arc<Bearer>, TokenError> {
        let (now, leeway) = (now.unix_seconds(), config.leeway.as_secs());
        if self.expires.saturating_add(leeway) <= now {
            return Err(TokenError::Expired);
        }
        if self.not_before > now.saturating_add(leeway) {
            return Err(TokenError::NotYetValid);
        }
        Ok(&self.bearer)
    }
}

#[cfg(test)]
mod tests;
