//! What has to be remembered beyond a request, and beyond a restart: small records, each with its owner and its end.
//!
//! [`records`] holds them in memory, where they are read; [`journal`] writes every change to an embedded database before
//! it is answered, or [`redis`] to where other gateways see it. Nobody waits for a disk to read. What a record says is the business of whoever put it there.

use std::{
    path::Path,
    sync::{Arc, MutexGuard, atomic::Ordering},
};

use crate::clock::Timestamp;

mod error;
mod journal;
mod key;
mod records;
pub mod redis;
mod tables;

pub use error::StoreError;
use journal::{Change, Journal, Written};
pub use key::{Key, Owner, Record};
use records::Records;
use redis::records::Shared;
pub use tables::Tables;

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

/// All records.
#[derive(Debug)]
pub struct Store {
    tables: Arc<Tables>,
    backing: Backing,
}

/// Where records are written.
#[derive(Debug)]
enum Backing {
    /// To a file of this gateway's.
    Journal(Journal),
    /// To a Redis, which other gateways share. Refresh tokens are read there as well.
    Redis(Shared),
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

    /// Records that are in a Redis. `tables` must be what its link tells of.
    pub fn shared(link: Arc<redis::Link>, tables: Arc<Tables>) -> Self {
        Self {
            tables,
            backing: Backing::Redis(Shared::new(link)),
        }
    }

    /// Waits until what is in memory counts: it may have missed what other gateways have done.
    ///
    /// # Errors
    /// It cannot be found out.
    pub async fn trusted(&self) -> Result<(), StoreError> {
        match &self.backing {
            Backing::Journal(_) => Ok(()),
            Backing::Redis(shared) => match shared.link().is_trusted() {
                true => Ok(()),
                false => shared.link().trusted().await,
            },
        }
    }

    /// Lets go of the file after whatever was written so far: another gateway is about to take this one's place. What is
    /// changed from now on is written where nobody else has it by then.
    pub fn release(&self) {
        if let Backing::Journal(journal) = &self.backing {
            journal.release();
        }
    }

    fn of((journal, found): (Journal, Vec<(Table, Record)>)) -> Result<Self, StoreError> {
        let store = Self {
            tables: Arc::default(),
            backing: Backing::Journal(journal),
        };
        for (table, record) in found {
            store.table(table).put(record);
        }
        Ok(store)
    }

    /// Another number each time that a credential was taken back: whoever was found good under this one still is.
    pub fn generation(&self) -> u64 {
        self.tables.taken_back.load(Ordering::Acquire)
    }

    /// What a record of a table says that is read with each request, if it is there and counts.
    pub fn get(&self, table: Table, key: &Key, now: Timestamp) -> Option<Record> {
        let records = self.table(table);
        records.get(key).filter(|record| now < record.expires).cloned()
    }

    /// What a record says, if it is there and counts.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn read(&self, table: Table, key: &Key, now: Timestamp) -> Result<Option<Record>, StoreError> {
        match &self.backing {
            Backing::Journal(_) => Ok(self.get(table, key, now)),
            Backing::Redis(shared) => Ok(shared.get(key).await?.filter(|record| now < record.expires)),
        }
    }

    /// All records of an owner that count, the one that ends first at the front.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn of_owner(
        &self,
        table: Table,
        owner: Owner,
        now: Timestamp,
    ) -> Result<Vec<Record>, StoreError> {
        let mut found = match &self.backing {
            Backing::Journal(_) => self.table(table).of_owner(owner).cloned().collect(),
            Backing::Redis(shared) => shared.of_owner(owner).await?,
        };
        found.retain(|record| now < record.expires);
        found.sort_by_key(|record| record.expires);
        Ok(found)
    }

    /// All records that count.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn all(&self, table: Table, now: Timestamp) -> Result<Vec<Record>, StoreError> {
        let mut all = match &self.backing {
            Backing::Journal(_) => self.table(table).counting(now),
            Backing::Redis(shared) => shared.all().await?,
        };
        all.retain(|record| now < record.expires);
        Ok(all)
    }

    /// Puts a record in.
    ///
    /// # Errors
    /// It could not be written, and so is not there.
    pub async fn put(&self, table: Table, record: Record, now: Timestamp) -> Result<(), StoreError> {
        let journal = match &self.backing {
            Backing::Journal(journal) => journal,
            Backing::Redis(shared) => return shared.put(&record, now).await,
        };
        let written = {
            let mut records = self.table(table);
            records.put(record.clone());
            journal.write(vec![Change::Put(table, record.clone())])
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
        let journal = match &self.backing {
            Backing::Journal(journal) => journal,
            Backing::Redis(shared) => return shared.replace(was, &record).await,
        };
        let written = {
            let mut records = self.table(table);
            if records.get(&was.key) != Some(was) {
                return Ok(false);
            }
            records.put(record.clone());
            journal.write(vec![Change::Put(table, record.clone())])
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
        match &self.backing {
            Backing::Journal(journal) => journal.insist(changes).done().await,
            Backing::Redis(shared) => {
                let records = changes.into_iter().filter_map(|change| match change {
                    Change::Put(table, record) => Some((table, record)),
                    Change::Update(..) | Change::Remove(..) => None,
                });
                shared.take_back(records.collect(), ends).await
            }
        }
    }

    /// Takes a record out, at once; whether it was there.
    ///
    /// # Errors
    /// As with [`Store::take_back`].
    pub async fn remove(&self, table: Table, key: Key) -> Result<bool, StoreError> {
        let journal = match &self.backing {
            Backing::Journal(journal) => journal,
            Backing::Redis(shared) => return shared.remove(&key).await,
        };
        let written = {
            let mut records = self.table(table);
            if records.remove(&key).is_none() {
                return Ok(false);
            }
            journal.insist(vec![Change::Remove(table, key)])
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
        self.write_all(vec![Change::Put(table, record)], false)
            .done()
            .await
    }

    /// Writes records of a table that somebody else holds anew, but brings none back that was erased before.
    ///
    /// # Errors
    /// They could not be written.
    pub async fn update(&self, table: Table, records: Vec<Record>) -> Result<(), StoreError> {
        let changes = records.into_iter().map(|record| Change::Update(table, record));
        self.write_all(changes.collect(), false).done().await
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
        self.write_all(changes.collect(), true)
    }

    fn write_all(&self, changes: Vec<Change>, insists: bool) -> Written {
        match (&self.backing, insists) {
            (Backing::Journal(journal), true) => journal.insist(changes),
            (Backing::Journal(journal), false) => journal.write(changes),
            // Whoever holds records of their own has them there already.
            (Backing::Redis(_), _) => Written::nothing(),
        }
    }

    /// What is said of a file in which something cannot be read.
    pub fn damaged(&self, what: &str) -> StoreError {
        let path = match &self.backing {
            Backing::Journal(journal) => journal.path(),
            Backing::Redis(_) => Path::new("the Redis"),
        };
        StoreError::new(path, ::redb::Error::Corrupted(what.to_owned()))
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
                drop(self.write_all(gone.collect(), true));
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
        self.tables.table(table)
    }

    fn note(&self, table: Table) {
        self.tables.note(table);
    }
}

#[cfg(test)]
mod tests;
