//! bcrypt: checking hashes that were made elsewhere.

use super::UnusableHash;

/// The bcrypt cost that is still computed in about a second.
const MAX_BCRYPT_COST: u32 = 15;

/// What bcrypt looks at of a password; it ignores the rest.
const BCRYPT_MAX_PASSWORD: usize = 72;

/// A bcrypt hash of the right form.
#[derive(Clone, PartialEq, Eq)]
pub struct BcryptHash(Box<str>);

impl BcryptHash {
    /// Memory that checking one takes, in bytes.
    pub(super) const MEMORY: u64 = 8 * 1024;

    /// bcrypt's form is checked here to the letter: the library has panicked on less.
    pub(super) fn parse(text: &str) -> Result<Self, UnusableHash> {
        let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
        let (Some(cost), Some(b"$"), Some(rest)) = (
            text.get(4..6),
            text.as_bytes().get(6..7),
            text.as_bytes().get(7..60),
        ) else {
            return Err(UnusableHash::Malformed);
        };
        let digits = cost.bytes().all(|byte| byte.is_ascii_digit());
        let cost: u32 = cost.parse().map_err(|_| UnusableHash::Malformed)?;
        if text.len() != 60 || !digits || !rest.iter().copied().all(alphabet) || cost < 4 {
            return Err(UnusableHash::Malformed);
        }
        if cost > MAX_BCRYPT_COST {
            return Err(UnusableHash::TooExpensive);
        }
        Ok(Self(text.into()))
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        // bcrypt would ignore what follows byte 72, and others stop at a NUL: two different passwords would be one.
        // It is computed all the same, so that time tells nothing.
        let whole = password.len() <= BCRYPT_MAX_PASSWORD && !password.contains(&0);
        let matches = ::bcrypt::verify(password, &self.0).unwrap_or(false);
        matches && whole
    }
}
