//! The sessions that a gateway remembers of those in its Redis: a bounded number, so that an ordinary request asks nobody.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use ahash::RandomState;
use quick_cache::{Lifecycle, UnitWeighter, sync::Cache};

use super::{Session, id::SessionKey};

/// How many groups of sessions have a count of their own of what was told of them.
const GROUPS: usize = 256;

/// How many sessions are kept that were pushed out before it was written that they were used.
const MOST_PUSHED_OUT: usize = 100_000;

/// A session that is remembered, and over which connection it was found.
#[derive(Debug, Clone)]
struct Remembered {
    session: Arc<Session>,
    generation: u64,
}

/// What a gateway remembers.
#[derive(Debug)]
pub struct Near {
    cache: Cache<SessionKey, Remembered, UnitWeighter, RandomState, PushedOut>,
    /// How often it was told that one of a group has ended.
    told: Box<[AtomicU64]>,
    pushed_out: Sessions,
}

/// Sessions with their keys.
type Sessions = Arc<Mutex<Vec<(SessionKey, Arc<Session>)>>>;

/// Keeps what goes for want of room and was used since that was last written.
#[derive(Debug, Clone)]
struct PushedOut(Sessions);

impl Lifecycle<SessionKey, Remembered> for PushedOut {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), key: SessionKey, remembered: Remembered) {
        let session = remembered.session;
        if session.last_use().unix_millis() > session.written_use.load(Ordering::Relaxed) {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() < MOST_PUSHED_OUT {
                all.push((key, session));
            }
        }
    }
}

/// What was known of a group of sessions before one of it was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    told: u64,
    generation: u64,
}

impl Near {
    /// Room for so many.
    pub fn new(capacity: usize) -> Self {
        let pushed_out = Sessions::default();
        Self {
            cache: Cache::with(
                capacity,
                u64::try_from(capacity).unwrap_or(u64::MAX),
                UnitWeighter,
                RandomState::new(),
                PushedOut(Arc::clone(&pushed_out)),
            ),
            told: (0..GROUPS).map(|_| AtomicU64::default()).collect(),
            pushed_out,
        }
    }

    /// The session of this key, where it was found over the connection of this generation.
    pub(super) fn find(&self, key: &SessionKey, generation: u64) -> Option<Arc<Session>> {
        let remembered = self.cache.get(key)?;
        (remembered.generation == generation).then_some(remembered.session)
    }

    /// The session of this key, however old what is known of it.
    pub(super) fn any(&self, key: &SessionKey) -> Option<Arc<Session>> {
        Some(self.cache.peek(key)?.session)
    }

    /// To be asked for before a session is.
    pub(super) fn before(&self, key: &SessionKey, generation: u64) -> Before {
        Before {
            told: self.told(key).load(Ordering::Acquire),
            generation,
        }
    }

    /// Remembers a session, unless something was told of it after `before`: the answer may be older than that.
    pub(super) fn remember(&self, key: SessionKey, session: Arc<Session>, before: Before) {
        let generation = before.generation;
        self.cache.insert(key, Remembered { session, generation });
        // Only now: whatever is told from here on finds it there, and takes it out.
        if self.told(&key).load(Ordering::Acquire) != before.told {
            self.cache.remove(&key);
        }
    }

    /// Forgets a session that has ended, here or elsewhere.
    pub fn forget(&self, key: &SessionKey) {
        self.told(key).fetch_add(1, Ordering::AcqRel);
        self.cache.remove(key);
    }

    /// Every session of which this is true, and those that had to make room. Walks the table.
    pub(super) fn all_that(&self, is_so: impl Fn(&Session) -> bool) -> Vec<(SessionKey, Arc<Session>)> {
        let mut all = std::mem::take(&mut *self.pushed_out.lock().unwrap_or_else(PoisonError::into_inner));
        let found = self.cache.iter().filter(|(_, found)| is_so(&found.session));
        all.extend(found.map(|(key, found)| (key, found.session)));
        all
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.cache.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn told(&self, key: &SessionKey) -> &AtomicU64 {
        let [first, ..] = key.bytes();
        #[expect(
            clippy::indexing_slicing,
            reason = "there are as many groups as values of a byte"
        )]
        &self.told[usize::from(first)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Timestamp, session::tests::session_of};

    fn key(byte: u8) -> SessionKey {
        SessionKey::from_bytes([byte; 32])
    }

    #[test]
    fn an_answer_that_is_older_than_the_end_of_its_session_is_not_remembered() {
        let near = Near::new(10);
        let session = session_of("alice", Timestamp::from_unix_seconds(1000));
        let before = near.before(&key(1), 1);
        near.forget(&key(1));
        near.remember(key(1), Arc::clone(&session), before);
        assert!(near.find(&key(1), 1).is_none());
        let before = near.before(&key(1), 1);
        near.remember(key(1), session, before);
        assert!(near.find(&key(1), 1).is_some());
        assert!(near.find(&key(1), 2).is_none(), "a new connection asks anew");
        assert!(near.any(&key(1)).is_some());
    }

    #[test]
    fn what_has_to_make_room_is_written_if_it_was_used() {
        let near = Near::new(4);
        for byte in 0..64 {
            let session = session_of("alice", Timestamp::from_unix_seconds(1000));
            session.renew(Timestamp::from_unix_seconds(1001));
            near.remember(key(byte), session, near.before(&key(byte), 1));
        }
        let held = near.len();
        assert!(held <= 8, "{held}");
        assert_eq!(near.all_that(|_| false).len(), 64 - held, "none of them is lost");
        assert!(near.all_that(|_| false).is_empty(), "and each is told once");
    }
}
