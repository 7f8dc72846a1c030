//! Password hashes: which formats there are, what each costs, and how one is made.
//!
//! Whatever a hash asks for is bounded before anything is computed: a line in a file must not be able
//! to take the machine's memory, or an hour of its time.

use std::fmt;

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{self, Output, Salt},
};
use subtle::ConstantTimeEq;

use crate::config::Argon2Cost;

/// The longest hash that is looked at, in bytes; Argon2's are about 100.
const MAX_HASH_BYTES: usize = 512;

/// Memory that a stored Argon2 hash may ask for, in KiB: 1 GiB.
const MAX_MEMORY_KIB: u32 = 1 << 20;

/// Passes and lanes that a stored Argon2 hash may ask for.
const MAX_PASSES: u32 = 64;

/// The bcrypt cost that is still computed in about a second.
const MAX_BCRYPT_COST: u32 = 15;

/// What bcrypt looks at of a password; it ignores the rest.
const BCRYPT_MAX_PASSWORD: usize = 72;

/// A stored hash that can be checked. Its `Debug` shows the format alone.
#[derive(Clone, PartialEq, Eq)]
pub enum PasswordHash {
    /// Argon2 in the PHC format (RFC 9106).
    Argon2(Argon2Hash),
    /// bcrypt, as `$2a$`, `$2b$`, `$2x$` or `$2y$`.
    Bcrypt(Box<str>),
}

/// An Argon2 hash taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct Argon2Hash {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Box<[u8]>,
    output: Box<[u8]>,
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
            return bcrypt_hash(text).map(Self::Bcrypt);
        }
        match UNSUPPORTED.iter().find(|(prefix, _)| text.starts_with(prefix)) {
            Some((_, name)) => Err(UnusableHash::Unsupported(name)),
            None => Err(UnusableHash::NoHash),
        }
    }

    /// A hash that no password fits, at the price of `cost`: what an unknown name is checked against.
    ///
    /// # Errors
    /// The system's random source failed, or the cost is out of Argon2's bounds.
    pub fn unmatchable(cost: Argon2Cost) -> Result<Self, MakeHashError> {
        let mut salt = [0; 16];
        let mut output = [0; 32];
        getrandom::fill(&mut salt)?;
        getrandom::fill(&mut output)?;
        Ok(Self::Argon2(Argon2Hash {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params: params(cost)?,
            salt: salt.into(),
            output: output.into(),
        }))
    }

    /// Memory that checking it takes, in bytes.
    pub fn memory(&self) -> u64 {
        match self {
            Self::Argon2(hash) => hash.params.block_count() as u64 * Block::SIZE as u64,
            Self::Bcrypt(_) => 8 * 1024,
        }
    }

    /// Whether a password is the one that was hashed. Expensive: only [`super::hashing`] calls it.
    ///
    /// `memory` is grown as needed and can be used again.
    pub(super) fn verify(&self, password: &[u8], memory: &mut Vec<Block>) -> bool {
        match self {
            Self::Argon2(hash) => hash.verify(password, memory),
            Self::Bcrypt(hash) => {
                // bcrypt would ignore what follows byte 72, and others stop at a NUL: two different passwords would
                // be one. It is computed all the same, so that time tells nothing.
                let whole = password.len() <= BCRYPT_MAX_PASSWORD && !password.contains(&0);
                let matches = bcrypt::verify(password, hash).unwrap_or(false);
                matches && whole
            }
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

impl Argon2Hash {
    fn parse(text: &str) -> Result<Self, UnusableHash> {
        let malformed = |_| UnusableHash::Malformed;
        let hash = phc::PasswordHash::new(text).map_err(malformed)?;
        let algorithm = Algorithm::try_from(hash.algorithm.as_str()).map_err(|_| UnusableHash::Malformed)?;
        // The first version of Argon2 wrote no version at all.
        let version = hash.version.map_or(Ok(Version::V0x10), Version::try_from);
        let version = version.map_err(|_| UnusableHash::Malformed)?;
        // The bounds come before the library's own reading, which would take any of these.
        let number = |name: &str| hash.params.get_decimal(name);
        let (memory, passes, lanes) = (number("m"), number("t"), number("p"));
        if memory.is_some_and(|m| m > MAX_MEMORY_KIB)
            || passes.is_some_and(|t| t > MAX_PASSES)
            || lanes.is_some_and(|p| p > MAX_PASSES)
        {
            return Err(UnusableHash::TooExpensive);
        }
        let params = Params::try_from(&hash).map_err(|_| UnusableHash::Malformed)?;
        let salt = hash
            .salt
            .as_ref()
            .map(|salt| Box::from(salt.as_ref()))
            .ok_or(UnusableHash::Malformed)?;
        let output: Box<[u8]> = hash
            .hash
            .map(|out| out.as_bytes().into())
            .ok_or(UnusableHash::Malformed)?;
        if output.len() < 16 {
            return Err(UnusableHash::Malformed);
        }
        Ok(Self {
            algorithm,
            version,
            params,
            salt,
            output,
        })
    }

    fn verify(&self, password: &[u8], memory: &mut Vec<Block>) -> bool {
        let argon2 = Argon2::new(self.algorithm, self.version, self.params.clone());
        let mut computed = vec![0; self.output.len()];
        memory.resize(self.params.block_count(), Block::default());
        let done =
            argon2.hash_password_into_with_memory(password, &self.salt, &mut computed, memory.as_mut_slice());
        done.is_ok() && bool::from(computed.ct_eq(&self.output))
    }
}

/// bcrypt's form is checked here to the letter: the library has panicked on less.
fn bcrypt_hash(text: &str) -> Result<Box<str>, UnusableHash> {
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
    Ok(text.into())
}

fn params(cost: Argon2Cost) -> Result<Params, MakeHashError> {
    Ok(Params::new(cost.memory_kib, cost.passes, cost.lanes, None)?)
}

/// Why no hash could be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeHashError {
    /// The system's random source failed.
    #[error("the system's random number source failed")]
    NoRandomness(#[from] getrandom::Error),
    /// The cost is out of Argon2's bounds.
    #[error("the password cannot be hashed at this cost")]
    Cost(#[from] argon2::Error),
    /// The result cannot be written down.
    #[error("the hash cannot be written in the PHC format")]
    Format(#[from] phc::Error),
    /// Its parameters cannot be written down.
    #[error("the hash's parameters cannot be written in the PHC format")]
    Parameters(#[from] argon2::password_hash::Error),
}

/// Hashes a password with a fresh salt: an argon2id string in the PHC format. Takes the time and the memory of
/// `cost`; for the command line, never for a request.
///
/// # Errors
/// No random numbers, or a cost that Argon2 does not know.
pub fn hash(password: &[u8], cost: Argon2Cost) -> Result<String, MakeHashError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt)?;
    let params = params(cost)?;
    let mut output = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone()).hash_password_into(
        password,
        &salt,
        &mut output,
    )?;
    let hash = phc::PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: (&params).try_into()?,
        salt: Some(Salt::new(&salt)?),
        hash: Some(Output::new(&output)?),
    };
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(hash: &str, password: &str) -> bool {
        PasswordHash::parse(hash)
            .unwrap()
            .verify(password.as_bytes(), &mut Vec::new())
    }

    #[test]
    fn hashes_made_elsewhere_are_checked() {
        for (hash, password) in [
            // The reference implementation's own test vectors (phc-winner-argon2, src/test.c).
            (
                "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
                "password",
            ),
            (
                "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
                "password",
            ),
            (
                "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
                "password",
            ),
            (
                "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
                "password",
            ),
            // jBCrypt's.
            (
                "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
                "abc",
            ),
            (
                "$2y$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
                "abc",
            ),
            (
                "$2a$06$.rCVZVOThsIa97pEDOxvGuRRgzG64bvtJ0938xuqzv18d3ZpQhstC",
                "abcdefghijklmnopqrstuvwxyz",
            ),
        ] {
            assert!(matches(hash, password), "{hash}");
            assert!(!matches(hash, "wrong"), "{hash}");
        }
    }

    #[test]
    fn what_is_hashed_here_is_checked_here() {
        let cost = Argon2Cost {
            memory_kib: 64,
            passes: 1,
            lanes: 2,
        };
        let first = hash(b"secret", cost).unwrap();
        assert!(first.starts_with("$argon2id$v=19$m=64,t=1,p=2$"), "{first}");
        assert!(matches(&first, "secret") && !matches(&first, "Secret"));
        assert_ne!(first, hash(b"secret", cost).unwrap(), "the salt differs");
        assert_eq!(PasswordHash::parse(&first).unwrap().memory(), 64 * 1024);
        let nothing = PasswordHash::unmatchable(cost).unwrap();
        assert!(!nothing.verify(b"", &mut Vec::new()));
    }

    #[test]
    fn bcrypt_never_takes_two_passwords_for_one() {
        let hash = bcrypt::hash("x".repeat(72), 4).unwrap();
        assert!(matches(&hash, &"x".repeat(72)));
        assert!(!matches(&hash, &"x".repeat(73)));
        let hash = bcrypt::hash("abc", 4).unwrap();
        assert!(!matches(&hash, "abc\0"));
        assert!(!matches(&hash, "abc\0def"));
    }

    #[test]
    fn what_cannot_be_checked_is_refused_and_never_panics() {
        let long = format!("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ${}", "A".repeat(1 << 20));
        for (text, why) in [
            ("", UnusableHash::NoHash),
            ("hunter2", UnusableHash::NoHash),
            ("$", UnusableHash::NoHash),
            ("$argon2", UnusableHash::Malformed),
            ("$argon2id$", UnusableHash::Malformed),
            ("$argon2id$v=19$m=256,t=2,p=1", UnusableHash::Malformed),
            (
                "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ",
                UnusableHash::Malformed,
            ),
            (
                "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$",
                UnusableHash::Malformed,
            ),
            (
                "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$AAAA",
                UnusableHash::Malformed,
            ),
            (
                "$argon2id$v=18$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
                UnusableHash::Malformed,
            ),
            (
                "$argon2xx$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
                UnusableHash::Malformed,
            ),
            (
                "$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
                UnusableHash::TooExpensive,
            ),
            (
                "$argon2id$v=19$m=256,t=4294967295,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
                UnusableHash::TooExpensive,
            ),
            (
                "$argon2id$v=19$m=0,t=0,p=0$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
                UnusableHash::Malformed,
            ),
            (&long, UnusableHash::Malformed),
            ("$2b$12$", UnusableHash::Malformed),
            (
                "$2b$12$éééééééééééééééééééééééééééééééééééééééééééééééééééé\u{20ac}",
                UnusableHash::Malformed,
            ),
            (
                "$2b$99$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
                UnusableHash::TooExpensive,
            ),
            (
                "$2b$16$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
                UnusableHash::TooExpensive,
            ),
            (
                "$2b$03$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
                UnusableHash::Malformed,
            ),
            (
                "$2b$+6$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
                UnusableHash::Malformed,
            ),
            (
                "$2b$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0!",
                UnusableHash::Malformed,
            ),
            (
                "$apr1$abcdefgh$xxxxxxxxxxxxxxxxxxxxxx",
                UnusableHash::Unsupported("$apr1$"),
            ),
            (
                "{SHA}fDYHuOYbzxlE6ehQOmYPIfS28/E=",
                UnusableHash::Unsupported("{SHA}"),
            ),
        ] {
            assert_eq!(
                PasswordHash::parse(text).map(drop),
                Err(why),
                "{}",
                &text.chars().take(60).collect::<String>()
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(\\$(argon2id|2b|2a)\\$)?[\\$=,a-z0-9A-Z./é]{0,80}") {
            let _ = PasswordHash::parse(&text);
        }
    }
}
