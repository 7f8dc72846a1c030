//! Signed tokens: JWTs of RFC 7519 in the access-token profile of RFC 9068.
//!
//! [`keys`] keeps what signs, [`issue`] makes tokens, [`refresh`] the ones that bring the next, [`verify`] looks at what
//! is shown, by [`trust`] at those of other issuers, [`cache`] spares the second check of a signature, and [`revoked`] knows
//! what was taken back. [`personal`] are the ones for scripts, which are not signed. Times are arguments.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::identity::{Identity, Stamp, UserName};

pub mod assertion;
pub mod cache;
pub mod issue;
pub mod keys;
pub mod personal;
pub mod refresh;
pub mod revoked;
pub mod trust;
pub mod verify;

pub use assertion::Assertions;
pub use cache::TokenCache;
pub use keys::{KeyError, KeyRing};
pub use personal::PersonalTokens;
pub use refresh::RefreshTokens;
pub use revoked::{OwnToken, Revocations};
pub use trust::Trusts;
pub use verify::{SignedToken, TokenError};

/// The `typ` of our tokens (RFC 9068, section 2.1), so that no other JWT passes for one.
pub const TOKEN_TYPE: &str = "at+jwt";

/// What a token of ours says. A claim of another JSON type than here makes the token invalid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who signed it.
    pub iss: String,
    /// Whom it is about: the user name.
    pub sub: UserName,
    /// Whom it is for.
    pub aud: Audience,
    /// When it was signed, in seconds since 1970.
    pub iat: u64,
    /// From when on it is not valid any more.
    pub exp: u64,
    /// Before when it is not valid yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// Its own name, different for each token.
    pub jti: String,
    /// The user name.
    pub username: UserName,
    /// What to call the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The user's e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The user's roles.
    pub roles: Vec<String>,
    /// What it is for, separated by spaces (RFC 8693, section 4.2); without it, whatever the user may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// How the person proved who they are (RFC 8176).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// When they did, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<u64>,
    /// The sign-in that it came from, where that goes on and can be ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// What the directory held of the user. Ours have it; one that another holder of the key made need not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
}

/// What whoever shows a good token may be taken for.
#[derive(Debug)]
pub struct Bearer {
    /// Whom it names.
    pub identity: Arc<Identity>,
    /// What it is for; `None` where it is for whatever the person may do.
    pub scopes: Option<Vec<String>>,
    /// All that it claims, where another issuer made it: rules may ask for what only that one knows.
    pub claims: Map<String, Value>,
    /// From when on it is not valid any more, in seconds since 1970.
    pub expires: u64,
    /// Set where it is our own, so that our directory knows the person, and we can take it back.
    pub own: Option<OwnToken>,
}

/// `aud`: one name or several (RFC 7519, section 4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// `"portcullis"`.
    One(String),
    /// `["portcullis", "other"]`.
    Several(Vec<String>),
}

impl Audience {
    /// Whether `name` is among them. An empty list contains nobody.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Several(names) => names.iter().any(|one| one == name),
        }
    }
}
