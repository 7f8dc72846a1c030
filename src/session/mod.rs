//! Sessions: signed-in browsers, known by a cookie of which only the hash is kept.
//!
//! [`id`] makes the names of a session, [`lifetime`] holds the rules of expiry as pure functions of
//! time, [`memory`] is the table, [`mod@file`] remembers it over a restart, and [`redis`] shares it with other gateways, with
//! [`near`] remembering what it has seen of it. [`SessionStore`] is what everybody else talks to.

use std::{
    cmp::Reverse,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    address::ClientAddr,
    clock::Timestamp,
    identity::{Identity, UserName},
    store::StoreError,
};

pub mod file;
pub mod form_token;
pub mod id;
pub mod lifetime;
pub mod memory;
pub mod near;
pub mod redis;
pub mod sign_in_mark;
mod written;

use file::FileStore;
use id::{SessionHandle, SessionKey, SessionToken};
use lifetime::Lifetime;
use memory::MemoryStore;
use redis::RedisStore;

/// One signed-in browser.
#[derive(Debug)]
pub struct Session {
    handle: SessionHandle,
    identity: Arc<Identity>,
    device: Device,
    created: Timestamp,
    lifetime: Lifetime,
    last_use: AtomicU64,
    /// Which last use is written down, where any is.
    written_use: AtomicU64,
}

/// What is remembered of the browser that signed in, for its owner to recognise it by.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its `User-Agent`, cut to [`Device::MAX_USER_AGENT`] bytes.
    pub user_agent: Box<str>,
    /// Its address at sign-in.
    pub address: ClientAddr,
}

impl Device {
    /// Longer ones are cut: a client chooses its `User-Agent`, and a table of sessions keeps it.
    pub const MAX_USER_AGENT: usize = 256;

    /// Takes what the sign-in's request said.
    pub fn new(user_agent: &str, address: ClientAddr) -> Self {
        let end = user_agent.floor_char_boundary(Self::MAX_USER_AGENT);
        Self {
            user_agent: user_agent.get(..end).unwrap_or_default().into(),
            address,
        }
    }
}

impl Session {
    /// The public name, safe to show and to log.
    pub fn handle(&self) -> &SessionHandle {
        &self.handle
    }

    /// Who is signed in.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// The browser.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// When it began.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// Its limits.
    pub fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// When it was last used by a request that passed.
    pub fn last_use(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.last_use.load(Ordering::Relaxed))
    }

    /// When it ends if nothing uses it until then.
    pub fn expires_at(&self) -> Timestamp {
        self.lifetime.expires_at(self.created, self.last_use())
    }

    /// Renews the idle limit. Takes no lock: two requests at the same instant may store either time.
    pub fn renew(&self, now: Timestamp) {
        // What is there already is not written again: a look costs nothing, but a write takes the line from the others.
        if self.last_use() != now {
            self.last_use.store(now.unix_millis(), Ordering::Relaxed);
        }
    }
}

/// Some of the sessions there are, the newest first.
#[derive(Debug, Default)]
pub struct Newest {
    /// Those.
    pub sessions: Vec<Arc<Session>>,
    /// How many there are in all.
    pub total: usize,
}

impl Newest {
    /// Counts a session, and keeps it for as long as it may be among the `most` newest.
    fn add(&mut self, session: Arc<Session>, most: usize) {
        self.total += 1;
        self.sessions.push(session);
        // Only now and then, so that a table of any size takes little room here and is not sorted over and over.
        if self.sessions.len() >= most.saturating_mul(2).max(1024) {
            self.keep(most);
        }
    }

    fn keep(&mut self, most: usize) {
        self.sessions.sort_by_key(|session| Reverse(session.created()));
        self.sessions.truncate(most);
    }
}

/// A session that was just made, and the only copy of the token that opens it.
#[derive(Debug)]
pub struct NewSession {
    /// For the cookie.
    pub token: SessionToken,
    /// The session.
    pub session: Arc<Session>,
}

/// The operating system's random source failed, so nothing unguessable can be made.
#[derive(Debug, thiserror::Error)]
#[error("the system's random number source failed")]
pub struct NoRandomness(#[from] getrandom::Error);

/// Where sessions live. A closed set on the hot path: an enum, whose calls cost no allocation.
#[derive(Debug)]
pub enum SessionStore {
    /// In this process; they end with it.
    Memory(MemoryStore),
    /// In this process, and in a file.
    File(FileStore),
    /// In a Redis, which other gateways share.
    Redis(RedisStore),
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The system's random source failed.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// It could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SessionStore {
    /// Makes a session under a fresh id. The user's oldest goes where they have too many.
    ///
    /// # Errors
    /// The system's random source failed, or the session could not be written. There is none then.
    pub async fn create(
        &self,
        identity: Arc<Identity>,
        device: Device,
        lifetime: Lifetime,
        now: Timestamp,
    ) -> Result<NewSession, CreateError> {
        let token = SessionToken::generate()?;
        let session = Arc::new(Session {
            handle: SessionHandle::generate()?,
            identity,
            device,
            created: now,
            lifetime,
            last_use: AtomicU64::new(now.unix_millis()),
            written_use: AtomicU64::new(now.unix_millis()),
        });
        match self {
            Self::Memory(store) => drop(store.insert(token.key(), Arc::clone(&session))),
            Self::File(store) => store.insert(token.key(), Arc::clone(&session)).await?,
            Self::Redis(store) => store.insert(token.key(), Arc::clone(&session)).await?,
        }
        Ok(NewSession { token, session })
    }

    /// The live session of this key. Does not renew it: only a request that passes does.
    ///
    /// # Errors
    /// It cannot be found out whether there is one.
    pub async fn find(&self, key: &SessionKey, now: Timestamp) -> Result<Option<Arc<Session>>, StoreError> {
        let session = match self {
            Self::Memory(store) => store.find(key),
            Self::File(store) => store.memory.find(key),
            Self::Redis(store) => return store.find(key, now).await,
        };
        Ok(session.filter(|session| now < session.expires_at()))
    }

    /// A user's live sessions, the oldest first, each with its key.
    ///
    /// # Errors
    /// They cannot be found out.
    pub async fn of_user(
        &self,
        user: &UserName,
        now: Timestamp,
    ) -> Result<Vec<(SessionKey, Arc<Session>)>, StoreError> {
        let mut sessions = match self {
            Self::Memory(store) => store.of_user(user),
            Self::File(store) => store.memory.of_user(user),
            Self::Redis(store) => store.of_user(user).await?,
        };
        sessions.retain(|(_, session)| now < session.expires_at());
        Ok(sessions)
    }

    /// Ends a session, at once; the one it was, if there was one.
    ///
    /// # Errors
    /// It has ended, but that could not be written yet: a restart before then would bring it back.
    pub async fn remove(&self, key: &SessionKey) -> Result<Option<Arc<Session>>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.remove(key)),
            Self::File(store) => store.remove(key).await,
            Self::Redis(store) => store.remove(key).await,
        }
    }

    /// Ends all sessions of a user, at once; how many there were.
    ///
    /// # Errors
    /// As with [`SessionStore::remove`].
    pub async fn remove_user(&self, user: &UserName) -> Result<usize, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.remove_user(user).len()),
            Self::File(store) => store.remove_user(user).await,
            Self::Redis(store) => store.remove_user(user).await,
        }
    }

    /// Ends every session that `ends`, at once; those there were.
    ///
    /// # Errors
    /// As with [`SessionStore::remove`].
    pub async fn remove_where(
        &self,
        ends: impl Fn(&Session) -> bool,
    ) -> Result<Vec<Arc<Session>>, StoreError> {
        match self {
            Self::Memory(store) => {
                let ended = store.remove_where(ends).into_iter();
                Ok(ended.map(|(_, session)| session).collect())
            }
            Self::File(store) => store.remove_where(ends).await,
            Self::Redis(store) => store.remove_where(ends).await,
        }
    }

    /// The live sessions of `user`, or of everybody: how many there are, and up to `most` of them, the newest first. Walks
    /// the table.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn newest(
        &self,
        user: Option<&UserName>,
        most: usize,
        now: Timestamp,
    ) -> Result<Newest, StoreError> {
        let mut newest = Newest::default();
        match user {
            Some(user) => {
                let sessions = self.of_user(user, now).await?.into_iter().rev();
                sessions.for_each(|(_, session)| newest.add(session, most));
            }
            None => {
                let is_live = |session: &Session| now < session.expires_at();
                let mut add = |session: &Arc<Session>| newest.add(Arc::clone(session), most);
                match self {
                    Self::Memory(store) => store.each_that(is_live, |_, session| add(session)),
                    Self::File(store) => store.memory.each_that(is_live, |_, session| add(session)),
                    Self::Redis(store) => {
                        let all = store.all().await?;
                        all.iter()
                            .filter(|(_, session)| is_live(session))
                            .for_each(|(_, session)| add(session));
                    }
                }
            }
        }
        newest.keep(most);
        Ok(newest)
    }

    /// The live session of this public name, with its key. Walks the table.
    ///
    /// # Errors
    /// As with [`SessionStore::newest`].
    pub async fn find_handle(
        &self,
        handle: &str,
        now: Timestamp,
    ) -> Result<Option<(SessionKey, Arc<Session>)>, StoreError> {
        let is_it = |session: &Session| session.handle().as_str() == handle && now < session.expires_at();
        let found = match self {
            Self::Memory(store) => store.all_that(is_it),
            Self::File(store) => store.memory.all_that(is_it),
            Self::Redis(store) => {
                let mut all = store.all().await?;
                all.retain(|(_, session)| is_it(session));
                all
            }
        };
        Ok(found.into_iter().next())
    }

    /// Takes up to `most` sessions that are due out of the table, or files them anew where a use has moved
    /// their end. Returns how many were looked at: fewer than `most` means nothing more is due.
    pub fn sweep(&self, now: Timestamp, most: usize) -> usize {
        match self {
            Self::Memory(store) => store.sweep(now, most).0,
            Self::File(store) => store.sweep(now, most),
            // It sweeps by itself.
            Self::Redis(_) => 0,
        }
    }

    /// Writes down when sessions were used last, where that is remembered. Walks the table.
    ///
    /// # Errors
    /// They could not be written; they are with the next call.
    pub async fn write_uses(&self) -> Result<(), StoreError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::File(store) => store.write_uses().await,
            Self::Redis(store) => store.write_uses().await,
        }
    }

    /// How many sessions there are, expired ones that were not swept yet among them; of a Redis, how many are remembered
    /// here.
    pub fn len(&self) -> usize {
        match self {
            Self::Memory(store) => store.len(),
            Self::File(store) => store.memory.len(),
            Self::Redis(store) => store.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests;
