//! Taking a token that another issuer signed: as strict as with our own, but for what others are free to choose.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};

use super::Trust;
use crate::{
    config::ClaimPath,
    identity::{Identity, UserName},
    token::{
        Audience, Bearer,
        verify::{SignedToken, Signer, TokenError},
    },
};

/// The types that access tokens have: the profile's own (RFC 9068, section 2.1), the one that older issuers write, and
/// none. A token for another purpose says so (RFC 8725, section 3.11).
const TYPES: [&str; 3] = ["at+jwt", "application/at+jwt", "jwt"];

/// A header. What would bring a key along is refused (RFC 8725, section 3.10), and so is what must be understood and is
/// not (RFC 7515, section 4.1.11); other members are nobody's concern.
#[derive(Deserialize)]
struct Header {
    alg: Algorithm,
    typ: Option<String>,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
    b64: Option<IgnoredAny>,
    jku: Option<IgnoredAny>,
    jwk: Option<IgnoredAny>,
    x5u: Option<IgnoredAny>,
    x5c: Option<IgnoredAny>,
}

impl Header {
    fn brings_what_it_may_not(&self) -> bool {
        let Self {
            crit,
            b64,
            jku,
            jwk,
            x5u,
            x5c,
            ..
        } = self;
        [crit, b64, jku, jwk, x5u, x5c].into_iter().any(Option::is_some)
    }
}

/// Checks the signature of a token in compact form, and that its claims are claims. `header` is its header, decoded.
///
/// # Errors
/// The first check that failed.
pub(in crate::token) fn verify(
    trust: &Arc<Trust>,
    header: &[u8],
    token: &str,
) -> Result<SignedToken, TokenError> {
    let header: Header = serde_json::from_slice(header).map_err(TokenError::Header)?;
    let is_access_token = |typ: &String| TYPES.iter().any(|known| known.eq_ignore_ascii_case(typ));
    if header.brings_what_it_may_not() || !header.typ.as_ref().is_none_or(is_access_token) {
        return Err(TokenError::Type);
    }
    let keys = trust.keys();
    let mut named = keys.iter().filter(|key| match &header.kid {
        Some(id) => key.id.as_ref() == Some(id),
        // Where there is one key, it need not be named.
        None => keys.len() == 1,
    });
    let (first, second) = (named.next(), named.next());
    let Some(key) = first else {
        return Err(TokenError::KeyNotShown(Arc::clone(trust)));
    };
    // Two of one name are two for two algorithms, or a mistake: the one that fits is the one that is meant.
    let key = match second {
        Some(second) if !key.algorithms.contains(&header.alg) => second,
        _ => key,
    };
    if !key.algorithms.contains(&header.alg) {
        return Err(TokenError::Algorithm);
    }
    let (verifying, validation) = key.verifying(header.alg);
    let claims = jsonwebtoken::decode::<Map<String, Value>>(token, verifying, &validation)
        .map_err(TokenError::Invalid)?
        .claims;
    let claims = Claims(claims);
    let username = claims
        .at(&trust.config.username_claim)
        .and_then(Value::as_str)
        .ok_or(TokenError::Claim("user name"))?;
    let username = UserName::parse(username).map_err(|_| TokenError::Claim("user name"))?;
    let identity = Identity::new(
        username,
        claims.text("name")?,
        claims.text("email")?,
        claims.list(&trust.config.roles_claim)?,
        None,
    );
    let not_before = claims.time("nbf")?.unwrap_or(0);
    let issued = claims.time("iat")?.unwrap_or(0);
    let expires = claims.time("exp")?.ok_or(TokenError::Claim("exp"))?;
    Ok(SignedToken {
        signer: Signer::Trusted {
            trust: Arc::clone(trust),
            key: Arc::downgrade(key),
        },
        issuer: claims.text("iss")?.ok_or(TokenError::Issuer)?,
        audience: claims.audience()?,
        not_before: not_before.max(issued),
        expires,
        bearer: Arc::new(Bearer {
            identity: Arc::new(identity),
            scopes: Some(claims.scopes()?),
            claims: claims.0,
            expires,
            own: None,
        }),
    })
}

/// The issuer that a token says it is from: not yet to be believed, but good enough to know whom to ask.
pub(in crate::token) fn said_issuer(payload: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Said {
        iss: String,
    }
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let said: Said = serde_json::from_slice(&payload).ok()?;
    Some(said.iss)
}

/// What a token claims. A claim of another JSON type than it should have makes the token invalid.
struct Claims(Map<String, Value>);

impl Claims {
    fn at(&self, path: &ClaimPath) -> Option<&Value> {
        path.find(&self.0)
    }

    fn text(&self, name: &'static str) -> Result<Option<String>, TokenError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(TokenError::Claim(name)),
        }
    }

    /// A NumericDate (RFC 7519, section 2), which may have a fraction.
    fn time(&self, name: &'static str) -> Result<Option<u64>, TokenError> {
        let wrong = TokenError::Claim(name);
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => match (number.as_u64(), number.as_f64()) {
                (Some(seconds), _) => Ok(Some(seconds)),
                // Past every integer that a fraction could be told from there is no date.
                (None, Some(seconds)) if (0.0..=9e15).contains(&seconds) =>
                {
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "it is in range"
                    )]
                    Ok(Some(seconds as u64))
                }
                _ => Err(wrong),
            },
            Some(_) => Err(wrong),
        }
    }

    /// A list of texts, or one text in place of a list of one.
    fn list(&self, path: &ClaimPath) -> Result<Vec<String>, TokenError> {
        match self.at(path) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(one)) => Ok(vec![one.clone()]),
            Some(Value::Array(many)) => texts(many).ok_or(TokenError::Claim("roles")),
            Some(_) => Err(TokenError::Claim("roles")),
        }
    }

    fn audience(&self) -> Result<Audience, TokenError> {
        match self.0.get("aud") {
            Some(Value::String(one)) => Ok(Audience::One(one.clone())),
            Some(Value::Array(many)) => Ok(Audience::Several(texts(many).ok_or(TokenError::Claim("aud"))?)),
            _ => Err(TokenError::Claim("aud")),
        }
    }

    /// `scope` (RFC 8693, section 4.2), or `scp`, as some issuers write it, in a text or a list.
    fn scopes(&self) -> Result<Vec<String>, TokenError> {
        match self.0.get("scope").or_else(|| self.0.get("scp")) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(text.split_ascii_whitespace().map(str::to_owned).collect()),
            Some(Value::Array(many)) => texts(many).ok_or(TokenError::Claim("scope")),
            Some(_) => Err(TokenError::Claim("scope")),
        }
    }
}

fn texts(values: &[Value]) -> Option<Vec<String>> {
    values
        .iter()
        .map(|value| value.as_str().map(str::to_owned))
        .collect()
}
