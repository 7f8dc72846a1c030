//! The records of a store in a Redis.
//!
//! What was taken back is held by every gateway in memory as well, as it is looked at with each token: it is loaded when
//! a gateway connects, and told to all when it is written. Refresh tokens are read where they are.

use std::{collections::HashMap, fmt, sync::Arc};

use redis::{RedisError, Script, ScriptInvocation};

use super::{
    super::{Key, Owner, Record, StoreError, Table},
    PREFIX,
    connection::Connection,
    event::{self, Event},
    link::{Link, Owed},
};
use crate::clock::Timestamp;

/// Sign-out dates are kept for good: the later of two is the one that counts.
const SIGN_OUT: &str = r"
local there = redis.call('HGET', KEYS[1], ARGV[1])
if not there or there < ARGV[2] then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1";

/// What a token's revocation is told with lasts no longer than the token would have.
const REVOKE: &str = r"
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[5])
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1";

/// An owner's refresh tokens end together with the last of them.
const PUT: &str = r"
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return 1";

const REPLACE: &str = r"
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1";

const END_SESSION: &str = r"
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1";

/// Records in a Redis.
pub(in crate::store) struct Shared {
    link: Arc<Link>,
    put: Script,
    replace: Script,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.link.fmt(f)
    }
}

fn refresh_tokens(owner: Owner) -> String {
    format!("{PREFIX}:refresh:{}", hex(&owner.bytes()))
}

fn owners() -> String {
    format!("{PREFIX}:refresh-owners")
}

fn table(table: Table) -> String {
    format!("{PREFIX}:{}", table.name())
}

/// Where a session is.
pub fn session_key(key: &[u8; 32]) -> String {
    format!("{PREFIX}:session:{}", hex(key))
}

/// For names of keys.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Shared {
    pub(in crate::store) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            put: Script::new(PUT),
            replace: Script::new(REPLACE),
        }
    }

    pub(in crate::store) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    pub(in crate::store) async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let mut get = redis::cmd("HGET");
        get.arg(refresh_tokens(key.owner)).arg(&key.id);
        let value: Option<Vec<u8>> = self.link.run(&get).await?;
        Ok(value.and_then(|value| record(*key, &value)))
    }

    pub(in crate::store) async fn of_owner(&self, owner: Owner) -> Result<Vec<Record>, StoreError> {
        let mut all = redis::cmd("HGETALL");
        all.arg(refresh_tokens(owner));
        let all: HashMap<Vec<u8>, Vec<u8>> = self.link.run(&all).await?;
        let read = |(id, value): (Vec<u8>, Vec<u8>)| {
            let id = id.try_into().ok()?;
            record(Key { owner, id }, &value)
        };
        Ok(all.into_iter().filter_map(read).collect())
    }

    pub(in crate::store) async fn all(&self) -> Result<Vec<Record>, StoreError> {
        let mut all = redis::cmd("ZRANGE");
        all.arg(owners()).arg(0).arg(-1);
        let owners: Vec<Vec<u8>> = self.link.run(&all).await?;
        let mut records = Vec::new();
        for owner in owners.into_iter().filter_map(|owner| owner.try_into().ok()) {
            records.extend(self.of_owner(Owner::from_bytes(owner)).await?);
        }
        Ok(records)
    }

    pub(in crate::store) async fn put(&self, record: &Record, now: Timestamp) -> Result<(), StoreError> {
        let mut note = redis::pipe();
        let (owner, owners) = (record.key.owner, owners());
        note.cmd("ZREMRANGEBYSCORE")
            .arg(&owners)
            .arg("-inf")
            .arg(now.unix_millis())
            .ignore();
        note.cmd("ZADD")
            .arg(&owners)
            .arg("GT")
            .arg(record.expires.unix_millis())
            .arg(&owner.bytes())
            .ignore();
        self.link.all::<()>(&note).await?;
        let lasts = record.expires.since(now).as_millis();
        let mut put = self.put.prepare_invoke();
        put.key(refresh_tokens(owner)).arg(&record.key.id[..]);
        put.arg(written(record))
            .arg(u64::try_from(lasts).unwrap_or(u64::MAX));
        self.link.script(&put).await
    }

    pub(in crate::store) async fn replace(&self, was: &Record, record: &Record) -> Result<bool, StoreError> {
        let mut replace = self.replace.prepare_invoke();
        replace.key(refresh_tokens(was.key.owner)).arg(&was.key.id[..]);
        replace.arg(written(was)).arg(written(record));
        self.link.script(&replace).await
    }

    pub(in crate::store) async fn remove(&self, key: &Key) -> Result<bool, StoreError> {
        let mut remove = redis::cmd("HDEL");
        remove.arg(refresh_tokens(key.owner)).arg(&key.id);
        self.link.run(&remove).await
    }

    /// Tells all gateways what was taken back. Where that does not work now, it is done as soon as it does.
    pub(in crate::store) async fn take_back(
        &self,
        records: Vec<(Table, Record)>,
        ends: &[(Table, Key)],
    ) -> Result<(), StoreError> {
        let mut result = Ok(());
        for (table, record) in records {
            let owed = Owed::TakenBack(table, record);
            let told = match payment(&self.link.channel(), &owed) {
                Some((script, payment)) => self.link.script(&payment.of(&script)).await,
                None => Ok(()),
            };
            if let Err(error) = told {
                self.link.owe(owed);
                result = Err(error);
            }
        }
        for (_, key) in ends {
            if let Err(error) = self.remove(key).await {
                result = Err(error);
            }
        }
        result
    }
}

/// A script's arguments.
struct Payment {
    key: String,
    arguments: Vec<Vec<u8>>,
}

impl Payment {
    fn of<'s>(&self, script: &'s Script) -> ScriptInvocation<'s> {
        let mut invocation = script.prepare_invoke();
        invocation.key(&self.key);
        for argument in &self.arguments {
            invocation.arg(&argument[..]);
        }
        invocation
    }
}

fn payment(channel: &str, owed: &Owed) -> Option<(Script, Payment)> {
    let channel = channel.as_bytes().to_owned();
    let (script, key, arguments) = match owed {
        Owed::Session(key) => {
            let message = event::session_ended(*key);
            (END_SESSION, session_key(key), vec![channel, message])
        }
        Owed::TakenBack(of, record) => {
            let message = event::taken_back(*of, record)?;
            let key = record.key.bytes().to_vec();
            match of {
                Table::SignedOut => (
                    SIGN_OUT,
                    table(*of),
                    vec![key, record.value.clone(), channel, message],
                ),
                _ => {
                    let expires = record.expires.unix_millis();
                    // What ended a day ago does not count by any clock.
                    let over = expires.saturating_sub(DAY);
                    let arguments = vec![
                        key,
                        expires.to_string().into(),
                        channel,
                        message,
                        over.to_string().into(),
                    ];
                    (REVOKE, table(*of), arguments)
                }
            }
        }
    };
    Some((Script::new(script), Payment { key, arguments }))
}

/// In milliseconds.
const DAY: u64 = 24 * 3600 * 1000;

/// Does what could not be done before.
pub(super) async fn pay(connection: &Connection, channel: &str, owed: &Owed) -> Result<(), RedisError> {
    match payment(channel, owed) {
        Some((script, payment)) => connection.script(&payment.of(&script)).await,
        None => Ok(()),
    }
}

/// Tells a gateway all that was taken back so far, and what forms are signed with.
pub(super) async fn load(connection: &Connection, listener: &dyn Fn(Event)) -> Result<(), RedisError> {
    let signed_out: HashMap<Vec<u8>, Vec<u8>> = {
        let mut all = redis::cmd("HGETALL");
        all.arg(table(Table::SignedOut));
        connection.run(&all).await?
    };
    for (key, value) in signed_out {
        if let Some(key) = Key::of_bytes(&key) {
            let expires = Timestamp::from_unix_millis(u64::MAX);
            listener(Event::TakenBack(Table::SignedOut, Record { key, value, expires }));
        }
    }
    let revoked: Vec<(Vec<u8>, f64)> = {
        let mut all = redis::cmd("ZRANGE");
        all.arg(table(Table::RevokedTokens))
            .arg(0)
            .arg(-1)
            .arg("WITHSCORES");
        connection.run(&all).await?
    };
    for (key, expires) in revoked {
        if let Some(key) = Key::of_bytes(&key) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "what is too large counts longest"
            )]
            let expires = Timestamp::from_unix_millis(expires as u64);
            let value = Vec::new();
            listener(Event::TakenBack(
                Table::RevokedTokens,
                Record { key, value, expires },
            ));
        }
    }
    let form_key = format!("{PREFIX}:form-key");
    let mut own = [0; 64];
    getrandom::fill(&mut own).map_err(std::io::Error::other)?;
    let mut offer = redis::cmd("SET");
    offer.arg(&form_key).arg(&own[..]).arg("NX");
    connection.run::<redis::Value>(&offer).await?;
    let mut get = redis::cmd("GET");
    get.arg(&form_key);
    let key: Vec<u8> = connection.run(&get).await?;
    if let Ok(key) = key.try_into() {
        listener(Event::FormKey(key));
    }
    Ok(())
}

/// A value begins with its end, as in the database.
fn written(record: &Record) -> Vec<u8> {
    [&record.expires.unix_millis().to_be_bytes()[..], &record.value].concat()
}

fn record(key: Key, written: &[u8]) -> Option<Record> {
    let (expires, value) = written.split_first_chunk()?;
    Some(Record {
        key,
        value: value.to_owned(),
        expires: Timestamp::from_unix_millis(u64::from_be_bytes(*expires)),
    })
}
