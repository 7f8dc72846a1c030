//! Sessions that outlive the process: the table in memory, with every sign-in and sign-out in a database before it is
//! answered.
//!
//! When a session was used last is written a few seconds later, many at a time: after a crash a session has lost that
//! much of its idle limit, and nothing else.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{
    Session,
    id::SessionKey,
    memory::MemoryStore,
    written::{People, Written},
};
use crate::{
    clock::Timestamp,
    identity::UserName,
    store::{Key, Record, Store, StoreError, Table},
};

/// How far what is written of a session's last use may lag behind, at least.
const LAG: Duration = Duration::from_secs(3);

/// How many uses are written in one go.
const TOGETHER: usize = 5_000;

/// The table, and where it is written.
#[derive(Debug)]
pub struct FileStore {
    pub(super) memory: MemoryStore,
    store: Arc<Store>,
}

fn place(key: &SessionKey) -> Key {
    Key::from_bytes(key.bytes())
}

fn record(key: &SessionKey, session: &Session, last_use: Timestamp) -> Record {
    Record {
        key: place(key),
        value: Written::of(session, last_use).bytes(),
        expires: session.lifetime().expires_at(session.created(), last_use),
    }
}

impl FileStore {
    /// The sessions that the store has, in a table of which a user has at most `max_per_user`. What has ended meanwhile
    /// goes with the next sweep.
    ///
    /// # Errors
    /// A session there cannot be read: something else has written to the file.
    pub fn open(store: Arc<Store>, max_per_user: usize) -> Result<Self, StoreError> {
        let memory = MemoryStore::new(max_per_user);
        let mut people = People::default();
        let mut sessions = Vec::new();
        for record in store.take(Table::Sessions) {
            let written: Option<Written> = serde_json::from_slice(&record.value).ok();
            let written = written.ok_or_else(|| store.damaged("a session in it cannot be read"))?;
            let key = SessionKey::from_bytes(record.key.bytes());
            sessions.push((key, written.session(&mut people)));
        }
        // The oldest of a user goes first where there are too many.
        sessions.sort_by_key(|(_, session)| session.created());
        for (key, session) in sessions {
            memory.insert(key, Arc::new(session));
        }
        Ok(Self { memory, store })
    }

    /// Puts a session in, once it is written.
    ///
    /// # Errors
    /// It could not be written, and is not there.
    pub(super) async fn insert(&self, key: SessionKey, session: Arc<Session>) -> Result<(), StoreError> {
        let record = record(&key, &session, session.last_use());
        let surplus = self.memory.insert(key, session);
        let written = self.store.write(Table::Sessions, record).await;
        if written.is_err() {
            self.memory.remove(&key);
        }
        if !surplus.is_empty() {
            self.erase(&surplus).await?;
        }
        written
    }

    /// Takes a session out, at once.
    ///
    /// # Errors
    /// It is out, but could not be erased yet: a restart before then would bring it back.
    pub(super) async fn remove(&self, key: &SessionKey) -> Result<Option<Arc<Session>>, StoreError> {
        let removed = self.memory.remove(key);
        if removed.is_some() {
            self.erase(&[*key]).await?;
        }
        Ok(removed)
    }

    /// Takes all sessions of a user out, at once; how many there were.
    ///
    /// # Errors
    /// As with [`FileStore::remove`].
    pub(super) async fn remove_user(&self, user: &UserName) -> Result<usize, StoreError> {
        let removed = self.memory.remove_user(user);
        if !removed.is_empty() {
            self.erase(&removed).await?;
        }
        Ok(removed.len())
    }

    /// Takes every session out that `ends`, at once; those there were.
    ///
    /// # Errors
    /// As with [`FileStore::remove`].
    pub(super) async fn remove_where(
        &self,
        ends: impl Fn(&Session) -> bool,
    ) -> Result<Vec<Arc<Session>>, StoreError> {
        let removed = self.memory.remove_where(ends);
        let (keys, sessions): (Vec<_>, Vec<_>) = removed.into_iter().unzip();
        if !keys.is_empty() {
            self.erase(&keys).await?;
        }
        Ok(sessions)
    }

    /// As [`MemoryStore::sweep`]. Nobody waits for the disk: what is lost is swept again after the next start.
    pub(super) fn sweep(&self, now: Timestamp, most: usize) -> usize {
        let (looked_at, ended) = self.memory.sweep(now, most);
        if !ended.is_empty() {
            self.store
                .erase_in_passing(Table::Sessions, ended.iter().map(place).collect());
        }
        looked_at
    }

    /// Writes down when sessions were used last, those that were used since; walks the table.
    ///
    /// # Errors
    /// They could not be written; they are with the next call.
    pub(super) async fn write_uses(&self) -> Result<(), StoreError> {
        let lag = u64::try_from(LAG.as_millis()).unwrap_or(u64::MAX);
        let lags = |session: &Session| {
            let written = session.written_use.load(Ordering::Relaxed);
            session.last_use().unix_millis().saturating_sub(written) >= lag
        };
        for some in self.memory.all_that(lags).chunks(TOGETHER) {
            let uses: Vec<Timestamp> = some.iter().map(|(_, session)| session.last_use()).collect();
            let records = some
                .iter()
                .zip(&uses)
                .map(|((key, session), last_use)| record(key, session, *last_use));
            self.store.update(Table::Sessions, records.collect()).await?;
            for ((_, session), last_use) in some.iter().zip(uses) {
                session
                    .written_use
                    .store(last_use.unix_millis(), Ordering::Relaxed);
            }
        }
        Ok(())
    }

    async fn erase(&self, keys: &[SessionKey]) -> Result<(), StoreError> {
        let keys = keys.iter().map(place).collect();
        self.store.erase(Table::Sessions, keys).await
    }
}

#[cfg(test)]
mod tests;
