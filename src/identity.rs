//! Who a request comes from. Plain data: how it was established is `authenticate`'s business.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The longest user name that is accepted anywhere, in bytes. Directories in the wild stop at 256.
pub const MAX_USER_NAME_BYTES: usize = 256;

/// A user's unique name: 1 to 256 bytes, no control characters, no white space around it.
///
/// What holds here makes it safe in a header, a log line and a file; it is still escaped in HTML.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserName(Arc<str>);

impl UserName {
    /// Takes a name as it was typed.
    ///
    /// # Errors
    /// Says which rule the name breaks.
    pub fn parse(name: &str) -> Result<Self, InvalidUserName> {
        if name.is_empty() {
            return Err(InvalidUserName::Empty);
        }
        if name.len() > MAX_USER_NAME_BYTES {
            return Err(InvalidUserName::TooLong);
        }
        if name.trim() != name {
            return Err(InvalidUserName::SurroundingSpace);
        }
        if name.chars().any(is_unprintable) {
            return Err(InvalidUserName::ControlCharacter);
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for UserName {
    type Error = InvalidUserName;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::parse(&name)
    }
}

impl From<UserName> for String {
    fn from(name: UserName) -> Self {
        name.0.as_ref().to_owned()
    }
}

/// Control characters, and the invisible ones that make two names look alike or end a line in a viewer.
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Why a string is no user name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUserName {
    /// Nothing was given.
    #[error("a user name cannot be empty")]
    Empty,
    /// More than [`MAX_USER_NAME_BYTES`].
    #[error("a user name cannot be longer than {MAX_USER_NAME_BYTES} bytes")]
    TooLong,
    /// White space before or after it.
    #[error("a user name cannot begin or end with white space")]
    SurroundingSpace,
    /// A control or invisible character.
    #[error("a user name cannot contain control or invisible characters")]
    ControlCharacter,
}

/// All that a directory holds of a person, as a short hash: whatever changes there changes the stamp. A session and
/// a token carry the one of their sign-in, so that either is over once it is not the person's stamp any more.
///
/// It covers the password's hash, which is salted, and so tells nothing about the password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp(Box<str>);

impl Stamp {
    /// The stamp of these facts in this order.
    pub fn of<'a>(facts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hash = Sha256::new();
        for fact in facts {
            // Each with its length, or two lists could run together into one text.
            hash.update((fact.len() as u64).to_be_bytes());
            hash.update(fact);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let (short, _) = digest.split_at(16);
        Self(URL_SAFE_NO_PAD.encode(short).into())
    }
}

/// A signed-in person as rules, headers and logs see them. Shared by all of a session's requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The unique name.
    pub username: UserName,
    /// What to call them.
    pub name: Option<String>,
    /// Their e-mail address.
    pub email: Option<String>,
    /// What they may do, as routes name it.
    pub roles: Vec<String>,
    /// What the directory held of them when it vouched for them. A token that somebody else made with our key may
    /// have none.
    pub stamp: Option<Stamp>,
}

impl Identity {
    /// The roles as one comma-separated list, in the order of the directory.
    pub fn roles_joined(&self) -> String {
        self.roles.join(",")
    }
}

/// Whether text about a person can be a header's value, as its UTF-8 bytes: something, and nothing that ends a line.
pub fn is_header_value(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

/// What proved who a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// The session cookie.
    Session,
    /// A signed token in `Authorization: Bearer` (RFC 6750, section 2.1).
    Bearer,
}

impl Credential {
    /// The word for it in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Bearer => "bearer",
        }
    }
}
