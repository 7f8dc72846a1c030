//! A token in `Authorization: Bearer` (RFC 6750, section 2.1).

use std::sync::Arc;

use http::{HeaderMap, header};

use super::{Authenticator, Caller, Proof};
use crate::{
    clock::Timestamp,
    http::fields,
    identity::UserName,
    token::{Bearer, SignedToken, TokenCache, TokenError, personal},
};

/// The caller whom a valid token names; nobody where no bearer token was shown.
///
/// # Errors
/// A bearer token was shown and is not valid. Another scheme is not ours to judge: the app may have a login
/// of its own.
pub(super) async fn caller(
    authenticator: &Authenticator,
    headers: &HeaderMap,
    now: Timestamp,
    tokens: &TokenCache,
) -> Result<Option<Caller>, TokenError> {
    let Some(value) = fields::first(headers, &header::AUTHORIZATION) else {
        return Ok(None);
    };
    let Some(token) = bearer_token(value.as_bytes())? else {
        return Ok(None);
    };
    let bearer = authenticator.bearer(token, now, tokens).await?;
    Ok(Some(Caller {
        proof: Proof::Bearer(bearer),
    }))
}

/// What a token stands for here and now.
///
/// # Errors
/// The first check that failed.
pub(super) async fn bearer(
    authenticator: &Authenticator,
    token: &str,
    now: Timestamp,
    tokens: &TokenCache,
) -> Result<Arc<Bearer>, TokenError> {
    authenticator.revocations.known().await?;
    let bearer = match token.starts_with(personal::PREFIX) {
        true => personal_token(authenticator, token, now)?,
        false => signed_token(authenticator, token, now, tokens).await?,
    };
    still_counts(authenticator, &bearer, now)?;
    Ok(bearer)
}

/// What a token of ours stands for, whoever it is for.
pub(super) fn for_anybody(
    authenticator: &Authenticator,
    token: &str,
    now: Timestamp,
) -> Result<Arc<Bearer>, TokenError> {
    let signed = SignedToken::verify(&authenticator.keys, &authenticator.trusts, token, now)?;
    let bearer = Arc::clone(signed.bearer_for_anybody(&authenticator.token, now)?);
    still_counts(authenticator, &bearer, now)?;
    Ok(bearer)
}

/// Whoever is disabled, changed or taken out is out at once. People whom another issuer vouches for need not be known here.
fn still_counts(authenticator: &Authenticator, bearer: &Bearer, now: Timestamp) -> Result<(), TokenError> {
    if let Some(own) = &bearer.own {
        if !authenticator.users.vouches_for(&bearer.identity) {
            return Err(TokenError::UserChanged);
        }
        if authenticator
            .revocations
            .cover(own, &bearer.identity.username, now)
        {
            return Err(TokenError::Revoked);
        }
    }
    Ok(())
}

fn personal_token(
    authenticator: &Authenticator,
    text: &str,
    now: Timestamp,
) -> Result<Arc<Bearer>, TokenError> {
    let token = authenticator
        .personal
        .find(text, now)
        .ok_or(TokenError::NoPersonalToken)?;
    let person = |name: &UserName| Some(authenticator.users.current().find(name)?.identity());
    let bearer = token.bearer(person).ok_or(TokenError::UserChanged)?;
    token.note_use(now);
    Ok(Arc::clone(bearer))
}

async fn signed_token(
    authenticator: &Authenticator,
    token: &str,
    now: Timestamp,
    tokens: &TokenCache,
) -> Result<Arc<Bearer>, TokenError> {
    let verified = || {
        let Authenticator {
            keys,
            trusts,
            token: config,
            ..
        } = authenticator;
        tokens.verify(keys, trusts, config, token, now)
    };
    match verified() {
        // An issuer that has a new key has not told anybody: whoever brings the first token of it does.
        Err(TokenError::KeyNotShown(trust)) => {
            trust.keys_after().await;
            verified()
        }
        verified => verified,
    }
}

/// The token of a header of the form `Bearer`, spaces, `b64token`; `None` for another scheme.
///
/// Anything else that begins like "bearer" is refused rather than repaired: what one program trims, another
/// reads as part of the token.
fn bearer_token(value: &[u8]) -> Result<Option<&str>, TokenError> {
    let is_bearer = value
        .get(..6)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"));
    let scheme_ends = value
        .get(6)
        .is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b"-_.+!".contains(byte));
    if !is_bearer || !scheme_ends {
        return Ok(None);
    }
    let token = value.get(6..).unwrap_or_default();
    if !token.starts_with(b" ") {
        return Err(TokenError::Grammar);
    }
    let token = std::str::from_utf8(token)
        .map_err(|_| TokenError::Grammar)?
        .trim_start_matches(' ');
    let allowed = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
    };
    // Without an early end, so that the compiler looks at sixteen bytes at a time.
    if token.is_empty() || !token.bytes().fold(true, |all, byte| all & allowed(byte)) {
        return Err(TokenError::Grammar);
    }
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_of_rfc_6750_has_one_reading() {
        for (value, token) in [
            ("Bearer abc", Ok(Some("abc"))),
            ("bearer abc", Ok(Some("abc"))),
            ("BEARER abc", Ok(Some("abc"))),
            ("Bearer  abc", Ok(Some("abc"))),
            ("Basic abc", Ok(None)),
            ("Bearers abc", Ok(None)),
            ("Negotiate abc", Ok(None)),
            ("abc", Ok(None)),
            ("", Ok(None)),
            ("Bearer", Err(())),
            ("Bearer ", Err(())),
            ("Bearer\tabc", Err(())),
            ("Bearer \tabc", Err(())),
            ("Bearer abc ", Err(())),
            ("Bearer abc, Basic x", Err(())),
            ("Bearer abc def", Err(())),
            ("Bearer: abc", Err(())),
            ("Bearer=abc", Err(())),
            ("Bearer \u{e9}", Err(())),
        ] {
            assert_eq!(bearer_token(value.as_bytes()).map_err(drop), token, "{value:?}");
        }
        assert!(matches!(bearer_token(b"Bearer \xff"), Err(TokenError::Grammar)));
    }
}
