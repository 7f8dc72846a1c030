//! Argon2: reading its strings, checking and making them.

use ::argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{self, Output, Salt},
};
use subtle::ConstantTimeEq;

use super::UnusableHash;
use crate::config::Argon2Cost;

/// Memory that a stored Argon2 hash may ask for, in KiB: 1 GiB.
const MAX_MEMORY_KIB: u32 = 1 << 20;

/// Passes and lanes that a stored Argon2 hash may ask for.
const MAX_PASSES: u32 = 64;

/// An Argon2 hash taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct Argon2Hash {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Box<[u8]>,
    output: Box<[u8]>,
}

impl Argon2Hash {
    pub(super) fn parse(text: &str) -> Result<Self, UnusableHash> {
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

    /// A hash that no password fits, at the price of `cost`.
    pub(super) fn unmatchable(cost: Argon2Cost) -> Result<Self, MakeHashError> {
        let mut salt = [0; 16];
        let mut output = [0; 32];
        getrandom::fill(&mut salt)?;
        getrandom::fill(&mut output)?;
        Ok(Self {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params: params(cost)?,
            salt: salt.into(),
            output: output.into(),
        })
    }

    /// Memory that checking it takes, in bytes.
    pub(super) fn memory(&self) -> u64 {
        self.params.block_count() as u64 * Block::SIZE as u64
    }

    pub(super) fn verify(&self, password: &[u8], memory: &mut Vec<Block>) -> bool {
        let argon2 = Argon2::new(self.algorithm, self.version, self.params.clone());
        let mut computed = vec![0; self.output.len()];
        memory.resize(self.params.block_count(), Block::default());
        let done =
            argon2.hash_password_into_with_memory(password, &self.salt, &mut computed, memory.as_mut_slice());
        done.is_ok() && bool::from(computed.ct_eq(&self.output))
    }
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
    Cost(#[from] ::argon2::Error),
    /// The result cannot be written down.
    #[error("the hash cannot be written in the PHC format")]
    Format(#[from] phc::Error),
    /// Its parameters cannot be written down.
    #[error("the hash's parameters cannot be written in the PHC format")]
    Parameters(#[from] ::argon2::password_hash::Error),
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
