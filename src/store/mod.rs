//! What has to be remembered beyond a request, and beyond a restart: small records, each with its owner and its end.
//!
//! [`records`] holds them in memory, where they are read; [`journal`] writes every change to an embedded database before
//! it is answered. Nobody waits for a disk to read. What a record says is the business of whoever put it there.

use std::{
    fmt,
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use sha2::{Digest, Sha256};

use crate::clock::Timestamp;

mod journal;
mod records;

pub use journal::StoreError;
use journal::{Change, Journal, Written};
use records::Records;

/// What records are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Refresh tokens: a record for each sign-in that has one.
    RefreshTokens,
    /// Access tokens, and sign-ins with all their access tokens, that were taken back before their time.
    RevokedTokens,
    /// People who have signed out everywhere, and when.
    SignedOut,
    /// Sessions. They are read by whoever takes them, and only written here.
    Sessions,
}

impl Table {
    /// All of them.
    const ALL: [Self; 4] = [
        Self::RefreshTokens,
        Self::RevokedTokens,
        Self::SignedOut,
        Self::Sessions,
    ];

    /// Its name in the database.
    fn name(self) -> &'static str {
        match self {
            Self::RefreshTokens => "refresh_tokens",
            Self::RevokedTokens => "revoked_tokens",
            Self::SignedOut => "signed_out",
            Self::Sessions => "sessions",
        }
    }

    /// Whether a record here makes a credential worthless that was good until then.
    fn takes_back(self) -> bool {
        match self {
            Self::RefreshTokens | Self::Sessions => false,
            Self::RevokedTokens | Self::SignedOut => true,
        }
    }
}

/// A record's place: whose it is, and which of theirs. Both as hashes: whoever reads the file learns no name from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    owner: Owner,
    id: [u8; 16],
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

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
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

/// All records.
#[derive(Debug)]
pub struct Store {
    tables: [Mutex<Records>; Table::ALL.len()],
    journal: Journal,
    taken_back: AtomicU64,
}

impl Store {
    /// Reads what there is in the database `file`. One that does not exist is made with the first record.
    ///
    /// # Errors
    /// It is damaged, another process uses it, or it cannot be read. Nothing is begun anew in its place.
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        Self::of(Journal::open(file)?)
    }

    /// The same, but makes a database that does not exist at once: whoever starts a gateway that will need it learns of
    /// what is in the way.
    ///
    /// # Errors
    /// As with [`Store::open`], or it cannot be made.
    pub fn open_or_make(file: &Path) -> Result<Self, StoreError> {
        Self::of(Journal::open_or_make(file)?)
    }

    /// Lets go of the file after whatever was written so far: another gateway is about to take this one's place. What is
    /// changed from now on is written where nobody else has it by then.
    pub fn release(&self) {
        self.journal.release();
    }

    fn of((journal, found): (Journal, Vec<(Table, Record)>)) -> Result<Self, StoreError> {
        let tables: [Mutex<Records>; Table::ALL.len()] = Default::default();
        let store = Self {
            tables,
            journal,
            taken_back: AtomicU64::new(1),
        };
        for (table, record) in found {
            store.table(table).put(record);
        }
        Ok(store)
    }

    /// Another number each time that a credential was taken back: whoever was found good under this one still is.
    pub fn generation(&self) -> u64 {
        self.taken_back.load(Ordering::Acquire)
    }

    /// What a record says, if it is there and counts.
    pub fn get(&self, table: Table, key: &Key, now: Timestamp) -> Option<Record> {
        let records = self.table(table);
        records.get(key).filter(|record| now < record.expires).cloned()
    }

    /// All records of an owner that count, the one that ends first at the front.
    pub fn of_owner(&self, table: Table, owner: Owner, now: Timestamp) -> Vec<Record> {
        let records = self.table(table);
        let mut found: Vec<Record> = records
            .of_owner(owner)
            .filter(|record| now < record.expires)
            .cloned()
            .collect();
        found.sort_by_key(|record| record.expires);
        found
    }

    /// All records that count.
    pub fn all(&self, table: Table, now: Timestamp) -> Vec<Record> {
        self.table(table).counting(now)
    }

    /// Puts a record in.
    ///
    /// # Errors
    /// It could not be written, and so is not there.
    pub async fn put(&self, table: Table, record: Record) -> Result<(), StoreError> {
        let written = {
            let mut records = self.table(table);
            records.put(record.clone());
            self.journal.write(vec![Change::Put(table, record.clone())])
        };
        self.note(table);
        let result = written.done().await;
        if result.is_err() {
            let mut records = self.table(table);
            // Somebody else's record may stand there by now.
            if records.get(&record.key) == Some(&record) {
                records.remove(&record.key);
            }
        }
        result
    }

    /// Puts a record in another's place, if that is still there as it was; whether it was. Of several who try, one
    /// succeeds.
    ///
    /// # Errors
    /// It could not be written, and all is as it was.
    pub async fn replace(&self, table: Table, was: &Record, record: Record) -> Result<bool, StoreError> {
        let written = {
            let mut records = self.table(table);
            if records.get(&was.key) != Some(was) {
                return Ok(false);
            }
            records.put(record.clone());
            self.journal.write(vec![Change::Put(table, record.clone())])
        };
        let result = written.done().await;
        if result.is_err() {
            let mut records = self.table(table);
            if records.get(&record.key) == Some(&record) {
                records.put(was.clone());
            }
        }
        result.map(|()| true)
    }

    /// Puts records in that make credentials worthless, and takes out what `ends` there: at once, whatever comes of
    /// writing it. Where it cannot be written now, it is with whatever can be written next.
    ///
    /// # Errors
    /// It counts, but could not be written yet: a restart before then would forget it.
    pub async fn take_back(
        &self,
        records: Vec<(Table, Record)>,
        ends: &[(Table, Key)],
    ) -> Result<(), StoreError> {
        for (table, key) in ends {
            self.table(*table).remove(key);
        }
        let removed = ends.iter().map(|(table, key)| Change::Remove(*table, *key));
        let mut changes: Vec<Change> = removed.collect();
        for (table, record) in records {
            self.table(table).put(record.clone());
            self.note(table);
            changes.push(Change::Put(table, record));
        }
        self.journal.insist(changes).done().await
    }

    /// Takes a record out, at once; whether it was there.
    ///
    /// # Errors
    /// As with [`Store::take_back`].
    pub async fn remove(&self, table: Table, key: Key) -> Result<bool, StoreError> {
        let written = {
            let mut records = self.table(table);
            if records.remove(&key).is_none() {
                return Ok(false);
            }
            self.journal.insist(vec![Change::Remove(table, key)])
        };
        written.done().await.map(|()| true)
    }

    /// Takes a table's records out of memory, for somebody who holds them in a way of their own. What they change they
    /// write with [`Store::write`], [`Store::update`] and [`Store::erase`].
    pub fn take(&self, table: Table) -> Vec<Record> {
        self.table(table).take_all()
    }

    /// Writes a record of a table that somebody else holds.
    ///
    /// # Errors
    /// It could not be written.
    pub async fn write(&self, table: Table, record: Record) -> Result<(), StoreError> {
        self.journal.write(vec![Change::Put(table, record)]).done().await
    }

    /// Writes records of a table that somebody else holds anew, but brings none back that was erased before.
    ///
    /// # Errors
    /// They could not be written.
    pub async fn update(&self, table: Table, records: Vec<Record>) -> Result<(), StoreError> {
        let changes = records.into_iter().map(|record| Change::Update(table, record));
        self.journal.write(changes.collect()).done().await
    }

    /// Erases records of a table that somebody else holds. Where they cannot be erased now, they are with whatever can be
    /// written next.
    ///
    /// # Errors
    /// They are still there.
    pub async fn erase(&self, table: Table, keys: Vec<Key>) -> Result<(), StoreError> {
        self.insist_on_erasing(table, keys).done().await
    }

    /// The same, where nobody waits for it.
    pub fn erase_in_passing(&self, table: Table, keys: Vec<Key>) {
        drop(self.insist_on_erasing(table, keys));
    }

    fn insist_on_erasing(&self, table: Table, keys: Vec<Key>) -> Written {
        let changes = keys.into_iter().map(|key| Change::Remove(table, key));
        self.journal.insist(changes.collect())
    }

    /// What is said of a file in which something cannot be read.
    pub fn damaged(&self, what: &str) -> StoreError {
        self.journal.damaged(what)
    }

    /// Takes up to `most` records out whose time has come; how many there were.
    pub fn sweep(&self, now: Timestamp, most: usize) -> usize {
        let mut swept = 0;
        for table in Table::ALL {
            let mut records = self.table(table);
            let over = records.take_expired(now, most - swept);
            swept += over.len();
            if !over.is_empty() {
                let gone = over.into_iter().map(|key| Change::Remove(table, key));
                // Nobody waits for it: were it lost, it would be swept again after the next start.
                drop(self.journal.insist(gone.collect()));
            }
        }
        swept
    }

    /// How many records there are, those that were not swept yet among them.
    pub fn len(&self, table: Table) -> usize {
        self.table(table).len()
    }

    /// Whether there is none.
    pub fn is_empty(&self, table: Table) -> bool {
        self.len(table) == 0
    }

    fn table(&self, table: Table) -> MutexGuard<'_, Records> {
        let [refresh_tokens, revoked_tokens, signed_out, sessions] = &self.tables;
        let records = match table {
            Table::RefreshTokens => refresh_tokens,
            Table::RevokedTokens => revoked_tokens,
            Table::SignedOut => signed_out,
            Table::Sessions => sessions,
        };
        records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After the record is there: whoever sees the new generation finds it.
    fn note(&self, table: Table) {
        if table.takes_back() {
            self.taken_back.fetch_add(1, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests;
