//! `[users]` and `[users.password]`: where people come from and what hashing them may cost.

use std::path::PathBuf;

/// `[users]`, checked.
#[derive(Debug, Clone)]
pub struct UsersConfig {
    /// The user file.
    pub file: PathBuf,
    /// What a new hash costs.
    pub argon2: Argon2Cost,
    /// All password hashing together never takes more memory than this, in bytes.
    pub hash_memory: u64,
}

/// The cost parameters of Argon2id (RFC 9106, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes, computed one after the other here.
    pub lanes: u32,
}

impl Default for Argon2Cost {
    /// OWASP's first recommendation: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self {
            memory_kib: 19 * 1024,
            passes: 2,
            lanes: 1,
        }
    }
}
