//! Personal tokens: for scripts, made by hand, opaque, each with a name and an end, and ended one by one.
//!
//! A script keeps one for months, which no signed token should live: it counts for as long as its file is in the folder,
//! and what it opens is asked of the directory at every use. [`folder`] is how they lie on disk; several gateways may
//! share it.

use std::{
    collections::HashMap,
    fmt, io,
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ahash::RandomState;
use arc_swap::ArcSwap;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::{Bearer, OwnToken};
use crate::{
    clock::Timestamp,
    identity::{Identity, Stamp, UserName, is_unprintable},
};

mod folder;

use folder::Seen;

/// What they begin with, so that whoever finds one in a file knows what it is.
pub const PREFIX: &str = "pcp_";

/// The longest name one has, in characters.
pub const MAX_NAME: usize = 60;

/// The longest that one lives.
pub const MAX_LIFETIME: Duration = Duration::from_secs(366 * 24 * 3600);

/// How many somebody has at most: more than anybody has scripts.
pub const MOST: usize = 50;

/// One of them. What it is, is settled when it is made.
pub struct PersonalToken {
    /// Its public name, which opens nothing.
    pub id: String,
    /// Whose it is.
    pub user: UserName,
    /// What its owner calls it.
    pub name: String,
    /// What it is for; `None` where it is for whatever the person may do.
    pub scopes: Option<Vec<String>>,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it does not count any more.
    pub expires: Timestamp,
    stamp: Stamp,
    hash: [u8; 32],
    last_use: AtomicU64,
    bearer: OnceLock<Arc<Bearer>>,
}

impl PersonalToken {
    /// When it was shown last, if it was.
    pub fn last_use(&self) -> Option<Timestamp> {
        match self.last_use.load(Ordering::Relaxed) {
            0 => None,
            millis => Some(Timestamp::from_unix_millis(millis)),
        }
    }

    /// Notes that it was shown.
    pub fn note_use(&self, now: Timestamp) {
        // What is there already is not written again: a look costs nothing, a write takes the line from the others.
        let now = now.unix_millis();
        if self.last_use.load(Ordering::Relaxed) < now {
            self.last_use.fetch_max(now, Ordering::Relaxed);
        }
    }

    /// What it stands for, where its owner is still who they were when it was made. `person` says who that is now.
    pub fn bearer(&self, person: impl FnOnce(&UserName) -> Option<Arc<Identity>>) -> Option<&Arc<Bearer>> {
        if let Some(bearer) = self.bearer.get() {
            return Some(bearer);
        }
        let identity = person(&self.user).filter(|person| person.stamp.as_ref() == Some(&self.stamp))?;
        let own = OwnToken::new(
            &self.id,
            None,
            self.created.unix_seconds(),
            self.expires.unix_seconds(),
            None,
        );
        Some(self.bearer.get_or_init(|| {
            Arc::new(Bearer {
                identity,
                scopes: self.scopes.clone(),
                claims: serde_json::Map::new(),
                expires: self.expires.unix_seconds(),
                own: Some(own),
            })
        }))
    }
}

impl fmt::Debug for PersonalToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersonalToken")
            .field("id", &self.id)
            .field("user", &self.user)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What a new one is to be.
#[derive(Debug)]
pub struct NewToken<'a> {
    /// What to call it.
    pub name: &'a str,
    /// What it is for; `None` for whatever the person may do.
    pub scopes: Option<Vec<String>>,
    /// How long it counts.
    pub lifetime: Duration,
}

/// Why there is no such token, or no such folder.
#[derive(Debug, thiserror::Error)]
pub enum PersonalError {
    /// A file cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A file is not what the gateway has written: its token does not count.
    #[error("{} holds no personal token", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The name cannot be shown in a list.
    #[error("a token's name has 1 to {MAX_NAME} printable characters")]
    Name,
    /// It would never count, or for longer than anybody remembers it.
    #[error("a token lives for at least a minute, and 366 days at most")]
    Lifetime,
    /// Somebody who was signed in by another directory than ours has none.
    #[error("{0} is not in the user directory")]
    Unknown(UserName),
    /// There are enough.
    #[error("nobody can have more than {MOST}; end one first")]
    TooMany,
    /// The system's random source failed.
    #[error("the system's random number source failed")]
    NoRandomness(#[from] getrandom::Error),
}

/// All personal tokens.
pub struct PersonalTokens {
    folder: PathBuf,
    current: ArcSwap<Current>,
    seen: Mutex<Seen>,
}

/// Those of a moment.
#[derive(Default)]
struct Current {
    by_hash: HashMap<[u8; 32], Arc<PersonalToken>, RandomState>,
    by_id: HashMap<String, Arc<PersonalToken>, RandomState>,
}

impl PersonalTokens {
    /// Those of a folder, which need not exist.
    ///
    /// # Errors
    /// It, or a file in it, cannot be read.
    pub fn open(folder: PathBuf) -> Result<Self, PersonalError> {
        let tokens = Self {
            folder,
            current: ArcSwap::default(),
            seen: Mutex::default(),
        };
        tokens.refresh()?;
        Ok(tokens)
    }

    /// The one that this text is, if it counts now.
    pub fn find(&self, text: &str, now: Timestamp) -> Option<Arc<PersonalToken>> {
        let hash: [u8; 32] = Sha256::digest(text).into();
        let current = self.current.load();
        let token = current.by_hash.get(&hash).filter(|token| now < token.expires)?;
        Some(Arc::clone(token))
    }

    /// Whether one of this public name counts now.
    pub fn holds(&self, id: &str, now: Timestamp) -> bool {
        let current = self.current.load();
        current.by_id.get(id).is_some_and(|token| now < token.expires)
    }

    /// Somebody's, the oldest first.
    pub fn of_user(&self, user: &UserName, now: Timestamp) -> Vec<Arc<PersonalToken>> {
        self.all(now)
            .into_iter()
            .filter(|token| token.user == *user)
            .collect()
    }

    /// Everybody's, the oldest first.
    pub fn all(&self, now: Timestamp) -> Vec<Arc<PersonalToken>> {
        let current = self.current.load();
        let counts = current.by_hash.values().filter(|token| now < token.expires);
        let mut tokens: Vec<_> = counts.cloned().collect();
        tokens.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        tokens
    }

    /// Makes one; its text, the only copy. Waits for the disk.
    ///
    /// # Errors
    /// It is not to be had, or cannot be written: there is none then.
    pub fn issue(
        &self,
        person: &Identity,
        new: NewToken<'_>,
        now: Timestamp,
    ) -> Result<(Arc<PersonalToken>, SecretString), PersonalError> {
        let name = new.name.trim();
        if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(is_unprintable) {
            return Err(PersonalError::Name);
        }
        if !(Duration::from_secs(60)..=MAX_LIFETIME).contains(&new.lifetime) {
            return Err(PersonalError::Lifetime);
        }
        let unknown = || PersonalError::Unknown(person.username.clone());
        let stamp = person.stamp.clone().ok_or_else(unknown)?;
        let (mut id, mut secret) = ([0; 12], [0; 32]);
        getrandom::fill(&mut id)?;
        getrandom::fill(&mut secret)?;
        let text = [PREFIX, &URL_SAFE_NO_PAD.encode(secret)].concat();
        let token = PersonalToken {
            // No sign that a shell takes for an option.
            id: id.map(|byte| format!("{byte:02x}")).concat(),
            user: person.username.clone(),
            name: name.to_owned(),
            scopes: new.scopes,
            created: now,
            expires: now.after(new.lifetime),
            stamp,
            hash: Sha256::digest(&text).into(),
            last_use: AtomicU64::default(),
            bearer: OnceLock::new(),
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.look(&mut seen)?;
        if self.of_user(&person.username, now).len() >= MOST {
            return Err(PersonalError::TooMany);
        }
        folder::write(&self.folder, &token)?;
        self.look(&mut seen)?;
        Ok((Arc::new(token), text.into()))
    }

    /// Ends one of somebody's; whether there was such a one. Waits for the disk.
    ///
    /// # Errors
    /// Its file cannot be removed.
    pub fn revoke(&self, user: &UserName, id: &str, now: Timestamp) -> Result<bool, PersonalError> {
        let mut all = self.of_user(user, now).into_iter();
        match all.find(|token| token.id == id) {
            None => Ok(false),
            Some(token) => self.remove([token]).map(|()| true),
        }
    }

    /// Ends all of somebody's. Waits for the disk.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn revoke_all(&self, user: &UserName, now: Timestamp) -> Result<(), PersonalError> {
        self.remove(self.of_user(user, now))
    }

    /// Ends those of whoever this is true of, as they were when they were made. Waits for the disk.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn end_where(
        &self,
        ends: impl Fn(&UserName, &Stamp) -> bool,
        now: Timestamp,
    ) -> Result<(), PersonalError> {
        let all = self.all(now).into_iter();
        self.remove(all.filter(|token| ends(&token.user, &token.stamp)))
    }

    fn remove(&self, tokens: impl IntoIterator<Item = Arc<PersonalToken>>) -> Result<(), PersonalError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut removed = false;
        for token in tokens {
            folder::remove(&self.folder, &token.id)?;
            removed = true;
        }
        match removed {
            true => self.look(&mut seen),
            false => Ok(()),
        }
    }

    /// Looks at the folder, and takes over what has changed there. Meant for a thread that serves no requests.
    ///
    /// # Errors
    /// A file there is broken, and its token does not count; or the folder cannot be read, and none does.
    pub fn refresh(&self) -> Result<(), PersonalError> {
        self.look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn look(&self, seen: &mut Seen) -> Result<(), PersonalError> {
        let before = self.current.load_full();
        let known = |id: &str| before.by_id.get(id).cloned();
        let looked = folder::look(&self.folder, seen, known);
        let (tokens, result) = match looked {
            Ok(None) => return Ok(()),
            Ok(Some((tokens, broken))) => (tokens, broken.map_or(Ok(()), Err)),
            Err(error) => {
                *seen = Seen::default();
                (Vec::new(), Err(error))
            }
        };
        self.current.store(Arc::new(Current {
            by_hash: tokens
                .iter()
                .map(|token| (token.hash, Arc::clone(token)))
                .collect(),
            by_id: tokens
                .into_iter()
                .map(|token| (token.id.clone(), token))
                .collect(),
        }));
        result
    }

    /// Writes down when each was used last, and removes those that are over. Meant for a thread that serves no requests.
    ///
    /// # Errors
    /// A file cannot be changed or removed.
    pub fn tidy(&self, now: Timestamp) -> Result<(), PersonalError> {
        let current = self.current.load_full();
        let (over, live): (Vec<_>, Vec<_>) = current
            .by_hash
            .values()
            .cloned()
            .partition(|token| token.expires <= now);
        self.remove(over)?;
        live.iter()
            .try_for_each(|token| folder::note_use(&self.folder, token))
    }
}

impl fmt::Debug for PersonalTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PersonalTokens").field(&self.folder).finish()
    }
}

#[cfg(test)]
mod tests;
