//! Sessions in a `DashMap`: found and renewed under a read lock, swept a few at a time.
//!
//! No guard of one map is ever held while another is taken, and none is held across an await: none of
//! these functions is async.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use ahash::RandomState;
use dashmap::DashMap;

use super::{Session, id::SessionKey};
use crate::{clock::Timestamp, identity::UserName};

/// Shards of the table. Growing a shard moves its entries under its write lock: with this many, a table of
/// a million sessions never moves more than about 4,000 at a time.
const SHARDS: usize = 256;

/// The table.
#[derive(Debug)]
pub struct MemoryStore {
    sessions: DashMap<SessionKey, Arc<Session>, RandomState>,
    /// A user's sessions, the oldest first.
    by_user: DashMap<UserName, Vec<SessionKey>, RandomState>,
    /// When to look at which session again, by the second. A use does not move an entry; the sweeper does
    /// when it comes by, so renewal stays a single store and no sweep walks the table.
    due: Mutex<BTreeMap<u64, Vec<SessionKey>>>,
    max_per_user: usize,
}

impl MemoryStore {
    /// An empty table in which a user has at most `max_per_user` sessions.
    pub fn new(max_per_user: usize) -> Self {
        Self {
            sessions: DashMap::with_hasher_and_shard_amount(RandomState::new(), SHARDS),
            by_user: DashMap::with_hasher_and_shard_amount(RandomState::new(), SHARDS),
            due: Mutex::default(),
            max_per_user,
        }
    }

    /// Puts a session in, and the user's oldest out where they have too many; those.
    pub fn insert(&self, key: SessionKey, session: Arc<Session>) -> Vec<SessionKey> {
        self.file(key, session.expires_at());
        let user = session.identity().username.clone();
        // In the table first: whoever ends all of a user's sessions by the index never leaves one that is in the table alone.
        self.sessions.insert(key, session);
        let surplus: Vec<SessionKey> = {
            let mut keys = self.by_user.entry(user.clone()).or_default();
            keys.push(key);
            let surplus = keys.len().saturating_sub(self.max_per_user);
            keys.drain(..surplus).collect()
        };
        for key in &surplus {
            self.sessions.remove(key);
        }
        // Whoever ended it before the index knew of it could not take it out there.
        if !self.sessions.contains_key(&key) {
            self.forget(&user, &key);
        }
        surplus
    }

    /// The session of this key, live or not.
    pub fn find(&self, key: &SessionKey) -> Option<Arc<Session>> {
        self.sessions.get(key).map(|session| Arc::clone(&session))
    }

    /// Takes a session out.
    pub fn remove(&self, key: &SessionKey) -> Option<Arc<Session>> {
        let (_, session) = self.sessions.remove(key)?;
        self.forget(&session.identity().username, key);
        Some(session)
    }

    /// Takes a session out of the index.
    fn forget(&self, user: &UserName, key: &SessionKey) {
        if let Some(mut keys) = self.by_user.get_mut(user) {
            keys.retain(|other| other != key);
        }
        self.by_user.remove_if(user, |_, keys| keys.is_empty());
    }

    /// A user's sessions, the oldest first, live or not.
    pub fn of_user(&self, user: &UserName) -> Vec<(SessionKey, Arc<Session>)> {
        let keys = self
            .by_user
            .get(user)
            .map(|keys| keys.clone())
            .unwrap_or_default();
        let found = keys.into_iter().map(|key| Some((key, self.find(&key)?)));
        found.flatten().collect()
    }

    /// Takes all sessions of a user out; those there were.
    pub fn remove_user(&self, user: &UserName) -> Vec<SessionKey> {
        let (_, mut keys) = self
            .by_user
            .remove(user)
            .unwrap_or_else(|| (user.clone(), Vec::new()));
        keys.retain(|key| self.sessions.remove(key).is_some());
        keys
    }

    /// Takes every session out that `ends`; those there were. Walks the table, shard by shard.
    pub fn remove_where(&self, ends: impl Fn(&Session) -> bool) -> Vec<(SessionKey, Arc<Session>)> {
        let mut ended = self.all_that(ends);
        ended.retain(|(key, _)| self.remove(key).is_some());
        ended
    }

    /// Every session of which this is true. Walks the table, shard by shard.
    pub fn all_that(&self, is_so: impl Fn(&Session) -> bool) -> Vec<(SessionKey, Arc<Session>)> {
        let mut found = Vec::new();
        self.each_that(is_so, |key, session| found.push((*key, Arc::clone(session))));
        found
    }

    /// Shows every session of which this is true. Walks the table, shard by shard.
    pub fn each_that(
        &self,
        is_so: impl Fn(&Session) -> bool,
        mut show: impl FnMut(&SessionKey, &Arc<Session>),
    ) {
        for session in self.sessions.iter().filter(|session| is_so(session)) {
            show(session.key(), session.value());
        }
    }

    /// Looks at up to `most` sessions whose time has come; how many it looked at, and those that have ended.
    pub fn sweep(&self, now: Timestamp, most: usize) -> (usize, Vec<SessionKey>) {
        let due = self.take_due(now, most);
        let mut ended = Vec::new();
        for key in &due {
            // Signed out in the meantime, or ended as the user's oldest: nothing is left to do.
            let Some(session) = self.find(key) else { continue };
            let end = session.expires_at();
            if end <= now {
                self.remove(key);
                ended.push(*key);
            } else {
                self.file(*key, end);
            }
        }
        (due.len(), ended)
    }

    /// How many sessions there are, expired ones that were not swept yet among them.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// How many sessions the index knows of.
    #[cfg(test)]
    pub(super) fn indexed(&self) -> usize {
        self.by_user.iter().map(|keys| keys.len()).sum()
    }

    fn file(&self, key: SessionKey, end: Timestamp) {
        // Rounded up: never looked at before its end.
        let second = end.unix_millis().div_ceil(1000);
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.entry(second).or_default().push(key);
    }

    fn take_due(&self, now: Timestamp, most: usize) -> Vec<SessionKey> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        while let Some(mut bucket) = due.first_entry() {
            if *bucket.key() > now.unix_seconds() || taken.len() == most {
                break;
            }
            let keys = bucket.get_mut();
            let rest = keys.len().saturating_sub(most - taken.len());
            taken.extend(keys.drain(rest..));
            if keys.is_empty() {
                bucket.remove();
            }
        }
        taken
    }
}
