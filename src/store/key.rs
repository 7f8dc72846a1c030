//! A record, and its place.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::clock::Timestamp;

/// A record's place: whose it is, and which of theirs. Both as hashes: whoever reads the file learns no name from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub(super) owner: Owner,
    pub(super) id: [u8; 16],
}

/// Whose a record is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner([u8; 16]);

impl Owner {
    /// The owner of this name.
    pub fn of(name: &str) -> Self {
        Self(half(Sha256::digest(name)))
    }

    /// From bytes that [`Owner::bytes`] gave.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// For a token that leads to its record.
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// Where its record of this name is.
    pub fn key(self, id: impl AsRef<[u8]>) -> Key {
        Key {
            owner: self,
            id: half(Sha256::digest(id)),
        }
    }
}

impl Key {
    /// From bytes that [`Key::bytes`] gave, or from the name of something that has one of its own.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let [owner, id] = [bytes.split_at(16).0, bytes.split_at(16).1].map(|half| {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(half);
            bytes
        });
        Self {
            owner: Owner(owner),
            id,
        }
    }

    /// All of it.
    pub fn bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let (owner, id) = bytes.split_at_mut(16);
        owner.copy_from_slice(&self.owner.0);
        id.copy_from_slice(&self.id);
        bytes
    }

    pub(super) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_bytes)
    }
}

/// The first half: 128 bits that nobody can aim at.
fn half(digest: impl Into<[u8; 32]>) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(digest.into().split_at(16).0);
    half
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Owner(…)")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it is.
    pub key: Key,
    /// What it says.
    pub value: Vec<u8>,
    /// From when on it does not count any more.
    pub expires: Timestamp,
}
