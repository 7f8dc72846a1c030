//! Refresh tokens (RFC 6749, section 6): opaque, kept as hashes, each good for one use.
//!
//! A sign-in begins a grant, which has one refresh token at a time. Using it brings the next one. One that comes a
//! second time was stolen, or is shown by whoever it was stolen from; which of the two has the newer one cannot be told,
//! so the grant ends for both (RFC 9700, section 4.14.2). It ends by itself when its lifetime after the sign-in is over,
//! however often it was used.

use std::{borrow::Cow, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    clock::Timestamp,
    identity::{Identity, Stamp, UserName},
    store::{Owner, Record, Store, StoreError, Table},
};

/// What they begin with, so that whoever finds one in a file knows what it is.
pub const PREFIX: &str = "pcr_";

/// Owner, grant and secret, in bytes.
const BYTES: usize = 16 + 16 + 32;

/// A sign-in that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its public name: the `sid` of its access tokens. It says nothing about the refresh token.
    pub id: String,
    /// Whose it is.
    pub user: UserName,
    /// What the directory held of them.
    pub stamp: Option<Stamp>,
    /// What its tokens are for (RFC 6749, section 3.3); without it, whatever the person may do.
    pub scope: Option<String>,
    /// How the person proved who they are (RFC 8176).
    pub amr: Vec<String>,
    /// When, in seconds since 1970.
    pub auth_time: u64,
}

/// A grant with its place in the store.
#[derive(Debug)]
pub struct Redeemable {
    /// What its refresh token stands for.
    pub grant: Grant,
    record: Record,
    name: [u8; 16],
}

/// A grant as it is stored.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    grant: Cow<'a, Grant>,
    /// Its secret name, by which its refresh tokens lead to it.
    name: [u8; 16],
    /// The SHA-256 of the secret in the refresh token that can be used.
    secret: Cow<'a, str>,
}

/// A grant as it was read.
struct Stored {
    redeemable: Redeemable,
    secret: String,
}

impl Stored {
    /// What cannot be read is no grant.
    fn read(record: Record) -> Option<Self> {
        let written: Written<'_> = serde_json::from_slice(&record.value).ok()?;
        Some(Self {
            secret: written.secret.into_owned(),
            redeemable: Redeemable {
                grant: written.grant.into_owned(),
                name: written.name,
                record,
            },
        })
    }
}

/// Why a refresh token is worth nothing.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// It is none of ours, was taken back, or is too old.
    #[error("unknown or expired refresh token")]
    Unknown,
    /// It was used before.
    #[error("the refresh token was used before; its grant has ended")]
    Reused(Box<Redeemable>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system's random source failed.
    #[error("the system's random number source failed")]
    NoRandomness(#[from] getrandom::Error),
}

/// All grants that go on.
#[derive(Debug)]
pub struct RefreshTokens {
    store: Arc<Store>,
    lifetime: Option<Duration>,
    most: usize,
}

impl RefreshTokens {
    /// Those of the store. A new one ends after `lifetime`, none is made without one. A user has at most `most`.
    pub fn new(store: Arc<Store>, lifetime: Option<Duration>, most: usize) -> Self {
        Self {
            store,
            lifetime,
            most,
        }
    }

    /// Begins a grant; its refresh token, the only copy. The user's oldest goes where they have too many. `None` where
    /// none is given out.
    ///
    /// # Errors
    /// Nothing unguessable could be made, or it could not be written; there is none then.
    pub async fn begin(
        &self,
        person: &Identity,
        scope: Option<&str>,
        amr: &[&str],
        now: Timestamp,
    ) -> Result<Option<(Grant, SecretString)>, RefreshError> {
        let Some(lifetime) = self.lifetime else {
            return Ok(None);
        };
        let owner = Owner::of(person.username.as_str());
        let mut name = [0; 16];
        getrandom::fill(&mut name)?;
        let (token, secret) = token(owner, name)?;
        let grant = Grant {
            id: public_name(name),
            user: person.username.clone(),
            stamp: person.stamp.clone(),
            scope: scope.map(str::to_owned),
            amr: amr.iter().map(ToString::to_string).collect(),
            auth_time: now.unix_seconds(),
        };
        let record = Record {
            key: owner.key(name),
            value: written(&grant, name, &secret),
            expires: now.after(lifetime),
        };
        self.store.put(Table::RefreshTokens, record, now).await?;
        let all = self.store.of_owner(Table::RefreshTokens, owner, now).await?;
        let surplus = all.len().saturating_sub(self.most);
        for oldest in all.into_iter().take(surplus) {
            self.store.remove(Table::RefreshTokens, oldest.key).await?;
        }
        Ok(Some((grant, token)))
    }

    /// What a refresh token stands for. It is not used up by that.
    ///
    /// # Errors
    /// It stands for nothing, or not any more.
    pub async fn find(&self, token: &str, now: Timestamp) -> Result<Redeemable, RefreshError> {
        let (owner, name, secret) = parts(token).ok_or(RefreshError::Unknown)?;
        let record = self
            .store
            .read(Table::RefreshTokens, &owner.key(name), now)
            .await?
            .ok_or(RefreshError::Unknown)?;
        let stored = Stored::read(record).ok_or(RefreshError::Unknown)?;
        let is_current: bool = stored.secret.as_bytes().ct_eq(secret.as_bytes()).into();
        let redeemable = stored.redeemable;
        match is_current {
            true => Ok(redeemable),
            false => Err(RefreshError::Reused(Box::new(redeemable))),
        }
    }

    /// All grants of somebody that go on.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn of_user(&self, user: &UserName, now: Timestamp) -> Result<Vec<Redeemable>, StoreError> {
        let owner = Owner::of(user.as_str());
        let all = self.store.of_owner(Table::RefreshTokens, owner, now).await?;
        Ok(redeemable(all))
    }

    /// All grants that go on.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn all(&self, now: Timestamp) -> Result<Vec<Redeemable>, StoreError> {
        Ok(redeemable(self.store.all(Table::RefreshTokens, now).await?))
    }

    /// The grant of this public name, where it goes on.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn find_grant(
        &self,
        user: &UserName,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<Redeemable>, StoreError> {
        let mut all = self.of_user(user, now).await?.into_iter();
        Ok(all.find(|found| found.grant.id == id))
    }

    /// Uses a refresh token up; the one after it. Of several who try at once, one succeeds.
    ///
    /// # Errors
    /// Somebody else was faster, or it could not be written; it is not used up then.
    pub async fn redeem(&self, redeemable: Redeemable) -> Result<(Grant, SecretString), RefreshError> {
        let owner = Owner::of(redeemable.grant.user.as_str());
        let (token, secret) = token(owner, redeemable.name)?;
        let record = Record {
            key: redeemable.record.key,
            value: written(&redeemable.grant, redeemable.name, &secret),
            expires: redeemable.record.expires,
        };
        match self
            .store
            .replace(Table::RefreshTokens, &redeemable.record, record)
            .await?
        {
            true => Ok((redeemable.grant, token)),
            false => Err(RefreshError::Reused(Box::new(redeemable))),
        }
    }

    /// When a grant ends by itself.
    pub fn expires(redeemable: &Redeemable) -> Timestamp {
        redeemable.record.expires
    }

    /// Where a grant is in the store, for whoever ends it.
    pub fn place(redeemable: &Redeemable) -> (Table, crate::store::Key) {
        (Table::RefreshTokens, redeemable.record.key)
    }
}

fn redeemable(records: Vec<Record>) -> Vec<Redeemable> {
    let stored = records.into_iter().filter_map(Stored::read);
    stored.map(|stored| stored.redeemable).collect()
}

/// A fresh token, and the hash of its secret.
fn token(owner: Owner, name: [u8; 16]) -> Result<(SecretString, String), getrandom::Error> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    let bytes = [&owner.bytes()[..], &name, &secret].concat();
    let token = [PREFIX, &URL_SAFE_NO_PAD.encode(bytes)].concat();
    Ok((token.into(), hash(&secret)))
}

/// Owner, grant and hash of the secret in a token; `None` where it is none of ours, whatever it is.
fn parts(token: &str) -> Option<(Owner, [u8; 16], String)> {
    let text = token.strip_prefix(PREFIX)?;
    // Bounded before it is decoded.
    if text.len() != (BYTES * 8).div_ceil(6) {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (owner, rest) = bytes.split_first_chunk()?;
    let (name, secret) = rest.split_first_chunk()?;
    Some((Owner::from_bytes(*owner), *name, hash(secret)))
}

fn hash(secret: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret))
}

/// Whoever has an access token knows this name; were it the one in the refresh token, they could end the grant.
fn public_name(name: [u8; 16]) -> String {
    let digest: [u8; 32] = Sha256::digest(name).into();
    URL_SAFE_NO_PAD.encode(digest.split_at(16).0)
}

fn written(grant: &Grant, name: [u8; 16], secret: &str) -> Vec<u8> {
    let written = Written {
        grant: Cow::Borrowed(grant),
        name,
        secret: secret.into(),
    };
    // Strings and numbers alone: nothing in it can fail. What cannot be read again is no grant.
    serde_json::to_vec(&written).unwrap_or_default()
}

#[cfg(test)]
mod tests;
