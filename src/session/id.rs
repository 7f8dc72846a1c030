//! The two names of a session: the secret one in its cookie, and the public one in lists and logs.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::NoRandomness;

/// Random bytes in a cookie: 256 bits, beyond any guessing.
const TOKEN_BYTES: usize = 32;

/// What those are as unpadded base64url.
const TOKEN_CHARS: usize = 43;

/// The secret in the session cookie. Held only while it is set; never printed.
pub struct SessionToken(String);

impl SessionToken {
    /// A fresh one.
    ///
    /// # Errors
    /// The system's random source failed.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The cookie's value.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The name of the session in the table.
    pub fn key(&self) -> SessionKey {
        SessionKey::digest(self.0.as_bytes())
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(…)")
    }
}

/// The SHA-256 of a session's cookie: whoever reads the table, or a dump of it, holds no cookie.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// From a cookie's value; `None` when it cannot be one of ours, whatever it is.
    pub fn of_cookie(value: &[u8]) -> Option<Self> {
        let ours = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (value.len() == TOKEN_CHARS && value.iter().all(ours)).then(|| Self::digest(value))
    }

    /// From bytes that [`SessionKey::bytes`] gave.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// For whoever keeps a session elsewhere.
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }

    fn digest(value: &[u8]) -> Self {
        Self(Sha256::digest(value).into())
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(…)")
    }
}

/// A session's public name: says nothing about its cookie, opens nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionHandle(Box<str>);

impl SessionHandle {
    /// A fresh one, of 128 bits. It begins with no hyphen, so that no program takes it for an option.
    ///
    /// # Errors
    /// The system's random source failed.
    pub fn generate() -> Result<Self, NoRandomness> {
        loop {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes)?;
            let text = URL_SAFE_NO_PAD.encode(bytes);
            if !text.starts_with('-') {
                return Ok(Self(text.into()));
            }
        }
    }

    /// One that was written down.
    pub(super) fn of_text(text: String) -> Self {
        Self(text.into())
    }

    /// The handle as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_have_no_structure() {
        let tokens: Vec<String> = (0..100_000)
            .map(|_| SessionToken::generate().unwrap().expose().to_owned())
            .collect();
        let distinct: HashSet<&str> = tokens.iter().map(|t| &t[..22]).collect();
        assert_eq!(distinct.len(), tokens.len(), "the first 128 bits already differ");
        for position in 0..TOKEN_CHARS - 1 {
            let values: HashSet<u8> = tokens.iter().map(|t| t.as_bytes()[position]).collect();
            assert_eq!(values.len(), 64, "every character occurs at position {position}");
        }
    }

    #[test]
    fn no_public_name_looks_like_an_option() {
        for _ in 0..10_000 {
            assert!(!SessionHandle::generate().unwrap().as_str().starts_with('-'));
        }
    }

    #[test]
    fn only_what_could_be_ours_is_looked_up() {
        let token = SessionToken::generate().unwrap();
        assert_eq!(
            SessionKey::of_cookie(token.expose().as_bytes()),
            Some(token.key())
        );
        let long = "A".repeat(8192);
        let mut bad_utf8 = vec![b'A'; 42];
        bad_utf8.push(0xff);
        for value in [
            &b""[..],
            b"%00",
            b"=",
            b"short",
            long.as_bytes(),
            &bad_utf8,
            &[b'+'; 43],
            &[b'A'; 44],
        ] {
            assert_eq!(SessionKey::of_cookie(value), None);
        }
        assert!(!format!("{token:?} {:?}", token.key()).contains(token.expose()));
    }
}
