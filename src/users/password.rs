//! Password hashes: which formats there are, what each costs, and how one is made.
//!
//! Whatever a hash asks for is bounded before anything is computed: a line in a file must not be able
//! to take the machine's memory, or an hour of its time.

use std::fmt;

use ::argon2::Block;

use crate::config::Argon2Cost;

mod argon2;
mod bcrypt;

pub use self::{
    argon2::{Argon2Hash, MakeHashError, hash},
    bcrypt::BcryptHash,
};

/// The longest hash that is looked at, in bytes; Argon2's are about 100.
const MAX_HASH_BYTES: usize = 512;

/// A stored hash that can be checked. Its `Debug` shows the format alone.
#[derive(Clone, PartialEq, Eq)]
pub enum PasswordHash {
    /// Argon2 in the PHC format (RFC 9106).
    Argon2(Argon2Hash),
    /// bcrypt, as `$2a$`, `$2b$`, `$2x$` or `$2y$`.
    Bcrypt(BcryptHash),
}

/// Why a string is no hash that can be checked. Never repeats the string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableHash {
    /// Cut off, or not of its format's form.
    #[error("the password hash is malformed")]
    Malformed,
    /// A format that this version does not check.
    #[error("the hash format `{0}` is not supported")]
    Unsupported(&'static str),
    /// A password that was never hashed, or hashed by something unknown.
    #[error("this is not a password hash; make one with `portcullis hash`")]
    NoHash,
    /// It would cost more than any password is worth.
    #[error("the password hash asks for more memory or time than is allowed")]
    TooExpensive,
}

/// Formats that people bring along, so that they are told more than "unknown".
const UNSUPPORTED: &[(&str, &str)] = &[
    ("$apr1$", "$apr1$"),
    ("$1$", "$1$ (MD5-crypt)"),
    ("$5$", "$5$ (SHA-256-crypt)"),
    ("$6$", "$6$ (SHA-512-crypt)"),
    ("$y$", "$y$ (yescrypt)"),
    ("$scrypt$", "$scrypt$"),
    ("$7$", "$7$ (scrypt)"),
    ("$pbkdf2", "$pbkdf2"),
    ("$P$", "$P$ (phpass)"),
    ("$H$", "$H$ (phpass)"),
    ("$S$", "$S$ (Drupal 7)"),
    ("$wp$", "$wp$ (WordPress)"),
    ("pbkdf2_", "pbkdf2 (Django)"),
    ("{SHA}", "{SHA}"),
    ("{SSHA}", "{SSHA}"),
];

impl PasswordHash {
    /// Takes a stored hash.
    ///
    /// # Errors
    /// It is malformed, of a format that is not supported, or too expensive to check.
    pub fn parse(text: &str) -> Result<Self, UnusableHash> {
        if text.len() > MAX_HASH_BYTES {
            return Err(UnusableHash::Malformed);
        }
        if text.starts_with("$argon2") {
            return Argon2Hash::parse(text).map(Self::Argon2);
        }
        if ["$2a$", "$2b$", "$2x$", "$2y$"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
        {
            return BcryptHash::parse(text).map(Self::Bcrypt);
        }
        match UNSUPPORTED.iter().find(|(prefix, _)| text.starts_with(prefix)) {
            Some((_, name)) => Err(UnusableHash::Unsupported(name)),
            None => Err(UnusableHash::NoHash),
        }
    }

    /// A hash that no password fits, at the price of `cost`: what a name is checked against where nobody has one.
    ///
    /// # Errors
    /// The system's random source failed, or the cost is out of Argon2's bounds.
    pub fn unmatchable(cost: Argon2Cost) -> Result<Self, MakeHashError> {
        Argon2Hash::unmatchable(cost).map(Self::Argon2)
    }

    /// Memory that checking it takes, in bytes.
    pub fn memory(&self) -> u64 {
        match self {
            Self::Argon2(hash) => hash.memory(),
            Self::Bcrypt(_) => BcryptHash::MEMORY,
        }
    }

    /// Whether a password is the one that was hashed. Expensive: only [`super::hashing`] calls it.
    ///
    /// `memory` is grown as needed and can be used again.
    pub(super) fn verify(&self, password: &[u8], memory: &mut Vec<Block>) -> bool {
        match self {
            Self::Argon2(hash) => hash.verify(password, memory),
            Self::Bcrypt(hash) => hash.verify(password),
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Argon2(_) => "Argon2(…)",
            Self::Bcrypt(_) => "Bcrypt(…)",
        })
    }
}

#[cfg(test)]
mod tests;
