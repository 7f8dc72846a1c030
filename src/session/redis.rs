//! Sessions that several gateways share: in a Redis, and remembered here.
//!
//! A session is a hash of what was written at sign-in and of its last use, which goes when it ends. Beside it, a user's
//! sessions are listed, and the people who have any. In a cluster those are in different places: a list may name what is
//! not there any more, but nothing is there that no list names.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use redis::{Script, cmd};

use super::{
    Session,
    id::SessionKey,
    near::Near,
    written::{People, Written},
};
use crate::{
    clock::Timestamp,
    identity::UserName,
    store::{
        Owner, StoreError,
        redis::{Link, Owed, PREFIX, hex, session_ended, session_key},
    },
};

/// How far what is written of a session's last use may lag behind, at most; and so how often it is written, at most.
const LAG: Duration = Duration::from_secs(10);

/// A last use counts if the session is still there and it is the last.
const RENEW: &str = r"
local there = redis.call('HGET', KEYS[1], 'used')
if not there then return 0 end
if tonumber(there) < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'used', ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1";

/// What it was, and that it is over.
const END: &str = r"
local was = redis.call('HMGET', KEYS[1], 'session', 'used')
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return was";

/// Lists a session. The list lasts as long as the last of it.
const LIST: &str = r"
redis.call('ZADD', KEYS[1], 'NX', ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return redis.call('ZRANGE', KEYS[1], 0, -1)";

/// What a Redis has of a session: what was written at sign-in, and the last use.
type Found = (Option<Vec<u8>>, Option<u64>);

/// The sessions of all gateways that share a Redis.
pub struct RedisStore {
    link: Arc<Link>,
    near: Arc<Near>,
    max_per_user: usize,
    renew: Script,
    end: Script,
    list: Script,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.link.fmt(f)
    }
}

fn list_of(user: &UserName) -> String {
    format!("{PREFIX}:sessions-of:{}", hex(&Owner::of(user.as_str()).bytes()))
}

fn people() -> String {
    format!("{PREFIX}:people")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl RedisStore {
    /// The sessions behind `link`, of which a user has at most `max_per_user`. `near` must be what the link tells of.
    pub fn new(link: Arc<Link>, near: Arc<Near>, max_per_user: usize) -> Self {
        Self {
            link,
            near,
            max_per_user,
            renew: Script::new(RENEW),
            end: Script::new(END),
            list: Script::new(LIST),
        }
    }

    /// How many are remembered here.
    pub(super) fn len(&self) -> usize {
        self.near.len()
    }

    /// Puts a session in, and takes the user's oldest out where they have too many.
    ///
    /// # Errors
    /// It could not be written, and is not there.
    pub(super) async fn insert(&self, key: SessionKey, session: Arc<Session>) -> Result<(), StoreError> {
        let now = session.created();
        let last = millis(session.lifetime().absolute);
        let user = session.identity().username.clone();
        let mut note = redis::pipe();
        let end = now.after(session.lifetime().absolute);
        note.cmd("ZREMRANGEBYSCORE")
            .arg(people())
            .arg("-inf")
            .arg(now.unix_millis())
            .ignore();
        note.cmd("ZADD")
            .arg(people())
            .arg("GT")
            .arg(end.unix_millis())
            .arg(user.as_str())
            .ignore();
        self.link.all::<()>(&note).await?;
        // Listed before it is there, or a crash between the two would leave what no list names; and afterwards once more,
        // as somebody may have ended all that was listed meanwhile.
        self.list(&user, &key, now, last).await?;
        let before = self.near.before(&key, self.link.generation());
        let place = session_key(&key.bytes());
        let lasts = millis(session.expires_at().since(now));
        let mut write = redis::pipe();
        let written = Written::of(&session, now).bytes();
        write
            .atomic()
            .cmd("HSET")
            .arg(&place)
            .arg("session")
            .arg(written)
            .arg("used")
            .arg(now.unix_millis())
            .ignore();
        write.cmd("PEXPIRE").arg(&place).arg(lasts).ignore();
        self.link.all::<()>(&write).await?;
        let listed = self.list(&user, &key, now, last).await;
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => {
                drop(self.end(&key).await);
                return Err(error);
            }
        };
        self.near.remember(key, session, before);
        self.end_surplus(&user, listed).await
    }

    async fn list(
        &self,
        user: &UserName,
        key: &SessionKey,
        now: Timestamp,
        lasts: u64,
    ) -> Result<Vec<SessionKey>, StoreError> {
        let mut list = self.list.prepare_invoke();
        list.key(list_of(user))
            .arg(now.unix_millis())
            .arg(&key.bytes()[..])
            .arg(lasts);
        let listed: Vec<Vec<u8>> = self.link.script(&list).await?;
        Ok(keys(listed))
    }

    /// Ends the oldest of a user's where there are too many.
    async fn end_surplus(&self, user: &UserName, mut listed: Vec<SessionKey>) -> Result<(), StoreError> {
        if listed.len() <= self.max_per_user {
            return Ok(());
        }
        let mut gone = Vec::new();
        let mut there = Vec::new();
        for key in listed.drain(..) {
            let mut exists = cmd("EXISTS");
            exists.arg(session_key(&key.bytes()));
            match self.link.run::<bool>(&exists).await? {
                true => there.push(key),
                false => gone.push(key),
            }
        }
        let surplus = there.len().saturating_sub(self.max_per_user);
        for key in there.into_iter().take(surplus) {
            self.end(&key).await?;
            gone.push(key);
        }
        self.unlist(user, &gone).await
    }

    async fn unlist(&self, user: &UserName, keys: &[SessionKey]) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut remove = cmd("ZREM");
        remove.arg(list_of(user));
        for key in keys {
            remove.arg(&key.bytes()[..]);
        }
        self.link.run(&remove).await
    }

    /// The session of this key, where it has not ended.
    ///
    /// # Errors
    /// It is not remembered, and cannot be asked for.
    pub(super) async fn find(
        &self,
        key: &SessionKey,
        now: Timestamp,
    ) -> Result<Option<Arc<Session>>, StoreError> {
        if self.link.is_trusted()
            && let Some(session) = self.near.find(key, self.link.generation())
            // Another gateway may have renewed what seems over here.
            && now < session.expires_at()
        {
            return Ok(Some(session));
        }
        let session = self.fetch(key).await?;
        Ok(session.filter(|session| now < session.expires_at()))
    }

    async fn fetch(&self, key: &SessionKey) -> Result<Option<Arc<Session>>, StoreError> {
        let before = self.near.before(key, self.link.generation());
        let mut get = cmd("HMGET");
        get.arg(session_key(&key.bytes())).arg("session").arg("used");
        let found: Found = self.link.run(&get).await?;
        let Some(found) = read(found) else {
            self.near.forget(key);
            return Ok(None);
        };
        // What is remembered may have been used since.
        let session = match self
            .near
            .any(key)
            .filter(|known| known.handle() == found.handle())
        {
            Some(known) => {
                if known.last_use() < found.last_use() {
                    known.renew(found.last_use());
                }
                known
            }
            None => Arc::new(found),
        };
        self.near.remember(*key, Arc::clone(&session), before);
        Ok(Some(session))
    }

    /// Ends a session; the one it was.
    ///
    /// # Errors
    /// It has ended here, and everywhere as soon as the Redis can be reached.
    pub(super) async fn remove(&self, key: &SessionKey) -> Result<Option<Arc<Session>>, StoreError> {
        let ended = self.end(key).await?;
        if let Some(session) = &ended {
            self.unlist(&session.identity().username, &[*key]).await?;
        }
        Ok(ended)
    }

    async fn end(&self, key: &SessionKey) -> Result<Option<Arc<Session>>, StoreError> {
        let known = self.near.any(key);
        self.near.forget(key);
        let mut end = self.end.prepare_invoke();
        end.key(session_key(&key.bytes()))
            .arg(self.link.channel())
            .arg(session_ended(key.bytes()));
        match self.link.script::<Found>(&end).await {
            Ok(found) => {
                // Whoever asked for it while it was still there has remembered it again.
                self.near.forget(key);
                Ok(read(found).map(|found| known.unwrap_or_else(|| Arc::new(found))))
            }
            Err(error) => {
                self.link.owe(Owed::Session(key.bytes()));
                Err(error)
            }
        }
    }

    /// A user's sessions, the oldest first, those that nobody uses any more among them.
    ///
    /// # Errors
    /// They cannot be asked for.
    pub(super) async fn of_user(
        &self,
        user: &UserName,
    ) -> Result<Vec<(SessionKey, Arc<Session>)>, StoreError> {
        let mut found = Vec::new();
        for key in self.listed(user).await? {
            if let Some(session) = self.fetch(&key).await? {
                found.push((key, session));
            }
        }
        Ok(found)
    }

    async fn listed(&self, user: &UserName) -> Result<Vec<SessionKey>, StoreError> {
        let mut listed = cmd("ZRANGE");
        listed.arg(list_of(user)).arg(0).arg(-1);
        Ok(keys(self.link.run(&listed).await?))
    }

    /// Ends all sessions of a user; how many there were.
    ///
    /// # Errors
    /// As with [`RedisStore::remove`].
    pub(super) async fn remove_user(&self, user: &UserName) -> Result<usize, StoreError> {
        let listed = self.listed(user).await?;
        let mut ended = 0;
        for key in &listed {
            ended += usize::from(self.end(key).await?.is_some());
        }
        self.unlist(user, &listed).await?;
        Ok(ended)
    }

    /// Ends every session that `ends`; those there were.
    ///
    /// # Errors
    /// As with [`RedisStore::remove`].
    pub(super) async fn remove_where(
        &self,
        ends: impl Fn(&Session) -> bool,
    ) -> Result<Vec<Arc<Session>>, StoreError> {
        let mut ended = Vec::new();
        for (key, session) in self.all().await? {
            if ends(&session) {
                ended.extend(self.remove(&key).await?);
            }
        }
        Ok(ended)
    }

    /// All sessions of everybody.
    ///
    /// # Errors
    /// They cannot be asked for.
    pub(super) async fn all(&self) -> Result<Vec<(SessionKey, Arc<Session>)>, StoreError> {
        let mut everybody = cmd("ZRANGE");
        everybody.arg(people()).arg(0).arg(-1);
        let everybody: Vec<String> = self.link.run(&everybody).await?;
        let mut all = Vec::new();
        for user in everybody.iter().filter_map(|name| UserName::parse(name).ok()) {
            all.extend(self.of_user(&user).await?);
        }
        Ok(all)
    }

    /// Writes when sessions were used last, those that were used since; walks what is remembered.
    ///
    /// # Errors
    /// Some could not be written; they are with the next call.
    pub(super) async fn write_uses(&self) -> Result<(), StoreError> {
        let lags = |session: &Session| {
            let lag = millis(LAG.min(session.lifetime().idle / 4));
            let written = session.written_use.load(Ordering::Relaxed);
            session.last_use().unix_millis().saturating_sub(written) >= lag
        };
        for (key, session) in self.near.all_that(lags) {
            let used = session.last_use();
            let lasts = millis(session.expires_at().since(used));
            let mut renew = self.renew.prepare_invoke();
            renew
                .key(session_key(&key.bytes()))
                .arg(used.unix_millis())
                .arg(lasts);
            match self.link.script::<bool>(&renew).await? {
                true => session.written_use.store(used.unix_millis(), Ordering::Relaxed),
                // It has ended without anybody's telling: the Redis was emptied, say.
                false => self.near.forget(&key),
            }
        }
        Ok(())
    }
}

fn keys(listed: Vec<Vec<u8>>) -> Vec<SessionKey> {
    let keys = listed.into_iter().filter_map(|key| key.try_into().ok());
    keys.map(SessionKey::from_bytes).collect()
}

/// What cannot be read is no session.
fn read((session, used): Found) -> Option<Session> {
    let written: Written = serde_json::from_slice(&session?).ok()?;
    let session = written.session(&mut People::default());
    if let Some(used) = used {
        session.last_use.store(used, Ordering::Relaxed);
        session.written_use.store(used, Ordering::Relaxed);
    }
    Some(session)
}
