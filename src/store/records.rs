//! The records of a table, in memory: by owner, and by when they end.

use std::collections::{BTreeMap, BTreeSet};

use super::{Key, Owner, Record};
use crate::clock::Timestamp;

/// One table.
#[derive(Debug, Default)]
pub(super) struct Records {
    by_key: BTreeMap<Key, Record>,
    by_end: BTreeSet<(Timestamp, Key)>,
}

impl Records {
    /// Puts a record in the place of what was there.
    pub(super) fn put(&mut self, record: Record) {
        self.remove(&record.key);
        self.by_end.insert((record.expires, record.key));
        self.by_key.insert(record.key, record);
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Record> {
        self.by_key.get(key)
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Record> {
        let record = self.by_key.remove(key)?;
        self.by_end.remove(&(record.expires, *key));
        Some(record)
    }

    pub(super) fn of_owner(&self, owner: Owner) -> impl Iterator<Item = &Record> {
        let (first, last) = ([0; 16], [u8::MAX; 16]);
        let records = self
            .by_key
            .range(Key { owner, id: first }..=Key { owner, id: last });
        records.map(|(_, record)| record)
    }

    /// Takes up to `most` out whose time has come; their places.
    pub(super) fn take_expired(&mut self, now: Timestamp, most: usize) -> Vec<Key> {
        let due = self.by_end.iter().take_while(|(end, _)| *end <= now);
        let due: Vec<Key> = due.take(most).map(|(_, key)| *key).collect();
        for key in &due {
            self.remove(key);
        }
        due
    }

    pub(super) fn counting(&self, now: Timestamp) -> Vec<Record> {
        let records = self.by_key.values().filter(|record| now < record.expires);
        records.cloned().collect()
    }

    pub(super) fn take_all(&mut self) -> Vec<Record> {
        self.by_end.clear();
        std::mem::take(&mut self.by_key).into_values().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }
}
