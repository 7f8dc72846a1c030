//! What was taken back before its time: a token, a sign-in with all its tokens, or everything that a person had.
//!
//! A token says that it is good until it expires. Here stands which of them are not, for as long as they would have
//! been, and each of our tokens is looked up at every use, one that comes from a cache as well.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{Audience, RefreshTokens, refresh::Redeemable};
use crate::{
    clock::Timestamp,
    identity::UserName,
    store::{Key, Owner, Record, Store, StoreError, Table},
};

/// What tells one of our tokens from all others, and by what it can be taken back.
#[derive(Debug)]
pub struct OwnToken {
    /// Its `jti`.
    pub id: Box<str>,
    /// Its `sid`: the sign-in that it came from, where that can be ended.
    pub grant: Option<Box<str>>,
    /// Its `iat`, in seconds since 1970.
    pub issued: u64,
    /// Its `exp`, likewise.
    pub expires: u64,
    /// Its `aud`; `None` for a personal token, which is for us.
    pub audience: Option<Audience>,
    passed_in: AtomicU64,
}

impl OwnToken {
    /// The token of these claims.
    pub fn new(id: &str, grant: Option<&str>, issued: u64, expires: u64, audience: Option<Audience>) -> Self {
        Self {
            id: id.into(),
            grant: grant.map(Into::into),
            issued,
            expires,
            audience,
            passed_in: AtomicU64::default(),
        }
    }
}

/// What was taken back.
#[derive(Debug, Clone)]
pub struct Revocations {
    store: Arc<Store>,
}

impl Revocations {
    /// What the store knows of.
    pub fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// Waits until all is known that was taken back, here or at another gateway.
    ///
    /// # Errors
    /// It cannot be found out: no token of ours counts meanwhile.
    pub async fn known(&self) -> Result<(), StoreError> {
        self.store.trusted().await
    }

    /// Whether a person's token was taken back. Costs a look at one number, until somebody takes back anything.
    pub fn cover(&self, token: &OwnToken, user: &UserName, now: Timestamp) -> bool {
        // Before the look: should one be taken back meanwhile, what is noted is the older generation.
        let generation = self.store.generation();
        if token.passed_in.load(Ordering::Relaxed) == generation {
            return false;
        }
        let owner = Owner::of(user.as_str());
        let is_revoked = |key| self.store.get(Table::RevokedTokens, &key, now).is_some();
        let covered = is_revoked(token_key(owner, &token.id))
            || token
                .grant
                .as_deref()
                .is_some_and(|grant| is_revoked(grant_key(owner, grant)))
            || self.cover_since(owner, token.issued, now);
        if !covered {
            token.passed_in.store(generation, Ordering::Relaxed);
        }
        covered
    }

    /// Whether somebody has signed out everywhere since this second, or in it: what is dated so may be older.
    pub fn cover_since(&self, owner: Owner, issued: u64, now: Timestamp) -> bool {
        self.signed_out(owner, now).is_some_and(|second| issued <= second)
    }

    /// What a token of now is dated, in seconds since 1970: later than its owner's last sign-out from everywhere.
    pub fn date(&self, user: &UserName, now: Timestamp) -> u64 {
        let signed_out = self.signed_out(Owner::of(user.as_str()), now);
        let earliest = signed_out.map_or(0, |second| second.saturating_add(1));
        now.unix_seconds().max(earliest)
    }

    /// Takes one token back.
    ///
    /// # Errors
    /// It is refused from now on, but a restart would forget that.
    pub async fn revoke(
        &self,
        token: &OwnToken,
        user: &UserName,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let key = token_key(Owner::of(user.as_str()), &token.id);
        self.take_back(key, until, &[]).await
    }

    /// Takes a sign-in back, with every token that came from it.
    ///
    /// # Errors
    /// As with [`Revocations::revoke`].
    pub async fn revoke_grant(
        &self,
        owner: Owner,
        grant: &str,
        until: Timestamp,
        ends: &[(Table, Key)],
    ) -> Result<(), StoreError> {
        self.take_back(grant_key(owner, grant), until, ends).await
    }

    /// Takes everything back that somebody has, with all the sign-ins of theirs that go on; no token of those outlives
    /// `until`.
    ///
    /// # Errors
    /// As with [`Revocations::revoke`].
    pub async fn revoke_all(
        &self,
        user: &UserName,
        grants: &[Redeemable],
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let owner = Owner::of(user.as_str());
        let ends: Vec<(Table, Key)> = grants.iter().map(RefreshTokens::place).collect();
        let record = Record {
            key: signed_out_key(owner),
            // Tokens of this second may be dated to the next already.
            value: self.date(user, now).to_be_bytes().to_vec(),
            // There is one for a person at most, and nobody knows how long a token lives that somebody else has made
            // with our key.
            expires: Timestamp::from_unix_millis(u64::MAX),
        };
        let mut records = vec![(Table::SignedOut, record)];
        // One that is just being used brings a token that is dated later: it ends with its sign-in.
        records.extend(grants.iter().map(|found| {
            let key = grant_key(owner, &found.grant.id);
            (Table::RevokedTokens, taken_back(key, until))
        }));
        self.store.take_back(records, &ends).await
    }

    async fn take_back(&self, key: Key, until: Timestamp, ends: &[(Table, Key)]) -> Result<(), StoreError> {
        let record = taken_back(key, until);
        self.store
            .take_back(vec![(Table::RevokedTokens, record)], ends)
            .await
    }

    fn signed_out(&self, owner: Owner, now: Timestamp) -> Option<u64> {
        let record = self.store.get(Table::SignedOut, &signed_out_key(owner), now)?;
        // Nobody else writes here; what cannot be read takes everything back.
        Some(record.value.try_into().map_or(u64::MAX, u64::from_be_bytes))
    }
}

fn taken_back(key: Key, until: Timestamp) -> Record {
    Record {
        key,
        value: Vec::new(),
        expires: until,
    }
}

fn token_key(owner: Owner, id: &str) -> Key {
    owner.key(["token ", id].concat())
}

fn grant_key(owner: Owner, grant: &str) -> Key {
    owner.key(["grant ", grant].concat())
}

fn signed_out_key(owner: Owner) -> Key {
    owner.key("")
}

#[cfg(test)]
mod tests;
