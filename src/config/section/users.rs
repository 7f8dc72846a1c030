//! `[users]` and `[users.password]`: where people come from and what hashing them may cost.

use crate::config::{reader::Table, units::show_size};
use std::path::{Path, PathBuf};

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

impl UsersConfig {
    /// Beside the configuration.
    const FILE: &str = "users.toml";
    /// Room for a dozen hashes at once at the default cost, out of a small machine's gigabyte.
    const HASH_MEMORY: u64 = 256 * 1024 * 1024;
    /// Less memory than this makes a stolen hash cheap to guess at.
    const MIN_ARGON2_MEMORY: u64 = 8 * 1024 * 1024;

    pub(in crate::config) fn read(mut table: Table<'_, '_>, folder: &Path) -> Self {
        let file = table
            .take("file")
            .and_then(|value| value.path())
            .unwrap_or_else(|| folder.join(Self::FILE));
        let mut password = table.table("password", "[users.password]");
        let written = password.take("hash_memory");
        let hash_memory = written
            .as_ref()
            .and_then(|value| value.size(Self::MIN_ARGON2_MEMORY..=1 << 40))
            .unwrap_or(Self::HASH_MEMORY);
        let argon2 = password
            .take("argon2")
            .and_then(|value| value.table("`argon2`"))
            .map_or_else(Argon2Cost::default, |table| Argon2Cost::read(table, hash_memory));
        let one = u64::from(argon2.memory_kib) * 1024;
        if let Some(value) = written.filter(|_| one > hash_memory) {
            value.reject_with(
                format!(
                    "`hash_memory` has no room for one new hash, which takes {}",
                    show_size(one)
                ),
                "raise it, or lower `memory` in `argon2`",
            );
        }
        password.finish(&["allow_weak_hashes"]);
        table.finish(&["sql", "ldap"]);
        Self {
            file,
            argon2,
            hash_memory,
        }
    }
}

impl Argon2Cost {
    fn read(mut table: Table<'_, '_>, hash_memory: u64) -> Self {
        let usual = Self::default();
        let small = |value: Option<u64>| value.and_then(|number| u32::try_from(number).ok());
        let memory = table.take("memory").and_then(|value| {
            let most = hash_memory.min(u64::from(u32::MAX) * 1024);
            let memory = value.size(UsersConfig::MIN_ARGON2_MEMORY..=most)?;
            u32::try_from(memory / 1024).ok()
        });
        let cost = Self {
            memory_kib: memory.unwrap_or(usual.memory_kib),
            passes: small(table.take("passes").and_then(|value| value.integer(1..=16)))
                .unwrap_or(usual.passes),
            lanes: small(table.take("lanes").and_then(|value| value.integer(1..=16))).unwrap_or(usual.lanes),
        };
        table.finish(&[]);
        cost
    }
}
