//! Who a request comes from. Plain data: how it was established is `authenticate`'s business.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

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

/// A signed-in person as rules, headers and logs see them. Shared by all requests of their session or token, so that
/// what each of them needs is made once.
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
    headers: Box<[(&'static str, Box<str>)]>,
    vouched_in: AtomicU64,
}

impl Identity {
    /// The person of these facts.
    pub fn new(
        username: UserName,
        name: Option<String>,
        email: Option<String>,
        roles: Vec<String>,
        stamp: Option<Stamp>,
    ) -> Self {
        let groups = roles.join(",");
        let fields = [
            ("remote-user", username.as_str()),
            ("remote-name", name.as_deref().unwrap_or_default()),
            ("remote-email", email.as_deref().unwrap_or_default()),
            ("remote-groups", &groups),
        ];
        let fit = fields.into_iter().filter(|(_, text)| is_header_value(text));
        Self {
            headers: fit.map(|(name, text)| (name, text.into())).collect(),
            username,
            name,
            email,
            roles,
            stamp,
            vouched_in: AtomicU64::default(),
        }
    }

    /// The headers that tell an app who it is. There is none for what the person has not got.
    pub fn headers(&self) -> &[(&'static str, Box<str>)] {
        &self.headers
    }

    /// Whether the directory has vouched for this person in this generation of itself: nothing has to be looked up
    /// again before the next.
    pub fn was_vouched_for_in(&self, generation: u64) -> bool {
        self.vouched_in.load(Ordering::Relaxed) == generation
    }

    /// Notes that it has.
    pub fn note_vouched_for_in(&self, generation: u64) {
        self.vouched_in.store(generation, Ordering::Relaxed);
    }

    /// The roles as one comma-separated list, in the order of the directory.
    pub fn roles_joined(&self) -> String {
        self.roles.join(",")
    }

    /// What makes somebody who they are; everything else follows from it, or from the moment.
    fn facts(&self) -> (&UserName, Option<&str>, Option<&str>, &[String], Option<&Stamp>) {
        (
            &self.username,
            self.name.as_deref(),
            self.email.as_deref(),
            &self.roles,
            self.stamp.as_ref(),
        )
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.facts() == other.facts()
    }
}

impl Eq for Identity {}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.facts()).finish()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(name: &str, email: &str, roles: &[&str]) -> Identity {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let roles = roles.iter().map(ToString::to_string).collect();
        let username = UserName::parse("al\u{ef}ce").unwrap();
        Identity::new(username, some(name), some(email), roles, None)
    }

    #[test]
    fn an_app_is_told_what_a_person_has_got_and_nothing_that_is_unfit_for_a_header() {
        for (name, email, roles, headers) in [
            ("", "", &[][..], &[("remote-user", "al\u{ef}ce")][..]),
            (
                "Al\u{ef}ce Liddell",
                "alice@example.com",
                &["staff", "dev"],
                &[
                    ("remote-user", "al\u{ef}ce"),
                    ("remote-name", "Al\u{ef}ce Liddell"),
                    ("remote-email", "alice@example.com"),
                    ("remote-groups", "staff,dev"),
                ],
            ),
            (
                "Alice\r\nRemote-User: root",
                "\0",
                &["staff\n"],
                &[("remote-user", "al\u{ef}ce")],
            ),
        ] {
            let identity = identity(name, email, roles);
            let told = identity.headers().iter().map(|(name, value)| (*name, &**value));
            assert_eq!(told.collect::<Vec<_>>(), headers);
        }
    }

    #[test]
    fn two_are_one_person_when_all_their_facts_are_the_same() {
        let alice = identity("Alice", "a@example.com", &["staff"]);
        let again = identity("Alice", "a@example.com", &["staff"]);
        again.note_vouched_for_in(1);
        assert_eq!(alice, again);
        assert_ne!(alice, identity("Alice", "", &["staff"]));
        assert_ne!(alice, identity("Alice", "a@example.com", &["staff", "dev"]));
        assert_ne!(alice, identity("a@example.com", "Alice", &["staff"]));
    }
}
