//! The keys that sign our tokens: which of them signs, and how long the others still count.
//!
//! [`key`] is one of them, [`folder`] is how they lie on disk, [`manage`] changes them by hand. Several gateways may share a folder: each looks at it now
//! and then, and takes over what has changed there.

use std::{
    fmt, io,
    path::PathBuf,
    ptr,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use arc_swap::ArcSwap;
use jsonwebtoken::jwk::JwkSet;

use crate::{
    clock::Timestamp,
    config::{KeyPairAlgorithm, SigningConfig, TokenConfig},
};

mod folder;
mod key;
mod manage;

use folder::KeyFile;
pub(super) use key::{Key, signature_only};
pub use manage::{KeyFolder, KeyInfo, KeyState};

/// All keys whose tokens are accepted, one of which signs.
pub struct KeyRing {
    keys: ArcSwap<Keys>,
    folder: Option<Folder>,
}

/// The keys of a moment.
struct Keys {
    held: Vec<Held>,
    signer: Option<Arc<Key>>,
}

/// A key, and until when its tokens count: a key that has been followed by another goes on until the last token that it
/// can have signed has expired.
struct Held {
    key: Arc<Key>,
    until: Option<Timestamp>,
}

/// Where keys come from that may change.
struct Folder {
    path: PathBuf,
    algorithm: KeyPairAlgorithm,
    /// For how long after it has signed last a key's tokens count, in milliseconds.
    outlives: std::time::Duration,
    leeway: std::time::Duration,
    seen: Mutex<Vec<KeyFile>>,
}

/// Why the keys could not be loaded, made or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The folder or a file in it cannot be read or written.
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
    /// Others than the owner may read the key.
    #[error("the key {} can be read by other users; run: chmod 600 {}", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no key of a kind that signs here.
    #[error("{} is not a PKCS#8 PEM file with a private key of RSA (2048 bits or more), ECDSA P-256 or P-384, or Ed25519", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: jsonwebtoken::errors::Error,
    },
    /// No key could be made.
    #[error("cannot make a signing key")]
    Generate(#[source] rcgen::Error),
    /// A key that was just made cannot sign.
    #[error("cannot use the signing key")]
    Unusable(#[source] jsonwebtoken::errors::Error),
    /// No key, or more than one, is called so.
    #[error("{count} keys have an id that begins with \"{id}\"; `portcullis key list` shows them")]
    NotOne {
        /// What was given.
        id: String,
        /// How many there are.
        count: usize,
    },
    /// Nothing would sign.
    #[error("{id} is the only key that can sign; run `portcullis key rotate` first")]
    OnlySigner {
        /// The key.
        id: String,
    },
    /// There is no folder of keys.
    #[error("this gateway signs with a secret of [token], which is changed in gateway.toml")]
    SignsWithSecret,
}

impl KeyRing {
    /// The keys that the configuration names; makes the first one where none can sign.
    ///
    /// # Errors
    /// The folder or a key in it cannot be used; the message names the file and what to do.
    pub fn open(config: &TokenConfig) -> Result<Self, KeyError> {
        let Some(folder) = Folder::of(config) else {
            return Ok(Self::of_secret(&config.signing));
        };
        let mut files = folder::files(&folder.path)?;
        let mut keys = folder.read(&files, &[])?;
        if keys.signer.is_none() {
            folder::generate(&folder.path, folder.algorithm, false)?;
            files = folder::files(&folder.path)?;
            keys = folder.read(&files, &[])?;
        }
        *folder.seen.lock().unwrap_or_else(PoisonError::into_inner) = files;
        Ok(Self {
            keys: ArcSwap::from_pointee(keys),
            folder: Some(folder),
        })
    }

    /// The same, but makes none: for whoever only looks.
    ///
    /// # Errors
    /// As with [`KeyRing::open`].
    pub fn existing(config: &TokenConfig) -> Result<Self, KeyError> {
        let Some(folder) = Folder::of(config) else {
            return Ok(Self::of_secret(&config.signing));
        };
        let keys = folder.read(&folder::files(&folder.path)?, &[])?;
        Ok(Self {
            keys: ArcSwap::from_pointee(keys),
            folder: Some(folder),
        })
    }

    fn of_secret(signing: &SigningConfig) -> Self {
        let key = match signing {
            SigningConfig::Secret { algorithm, secret } => Some(Arc::new(Key::of_secret(*algorithm, secret))),
            SigningConfig::Keys { .. } => None,
        };
        let held = key.iter().map(|key| Held {
            key: Arc::clone(key),
            until: None,
        });
        Self {
            keys: ArcSwap::from_pointee(Keys {
                held: held.collect(),
                signer: key,
            }),
            folder: None,
        }
    }

    /// Whether the keys can be used, without making one where there is none.
    ///
    /// # Errors
    /// The folder or a key in it cannot be used.
    pub fn check(config: &TokenConfig) -> Result<(), KeyError> {
        match Folder::of(config) {
            None => Ok(()),
            Some(folder) => folder.read(&folder::files(&folder.path)?, &[]).map(drop),
        }
    }

    /// Looks at the folder, and takes over what has changed there. The id of the key that signs, where that is another
    /// now. Meant for a thread that serves no requests.
    ///
    /// # Errors
    /// What is there now cannot be used; the keys stay as they were.
    pub fn refresh(&self) -> Result<Option<String>, KeyError> {
        let Some(folder) = &self.folder else {
            return Ok(None);
        };
        let files = folder::files(&folder.path)?;
        let mut seen = folder.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == files {
            return Ok(None);
        }
        let before = self.keys.load_full();
        let keys = folder.read(&files, &before.held)?;
        let signer = |keys: &Keys| keys.signer.as_ref().map(|key| key.id.clone());
        let (old, new) = (signer(&before), signer(&keys));
        self.keys.store(Arc::new(keys));
        *seen = files;
        Ok(new.filter(|new| Some(new) != old.as_ref()))
    }

    /// Notes that the key that signs has signed something that counts until then, which is longer than the configuration
    /// says: it goes on for so long when another follows it.
    ///
    /// # Errors
    /// It cannot be written down.
    pub fn outlive(&self, until: Timestamp) -> Result<(), KeyError> {
        match (&self.folder, self.signer()) {
            (Some(folder), Some(key)) => folder::note_until(&folder.path, &key.id, until),
            // A secret is followed by none.
            _ => Ok(()),
        }
    }

    /// The key that signs.
    pub(super) fn signer(&self) -> Option<Arc<Key>> {
        self.keys.load().signer.clone()
    }

    /// The key of this id, if its tokens count now.
    pub(super) fn find(&self, id: &str, now: Timestamp) -> Option<Arc<Key>> {
        let keys = self.keys.load();
        let mut held = keys.held.iter().filter(|held| held.counts(now));
        held.find(|held| held.key.id == id)
            .map(|held| Arc::clone(&held.key))
    }

    /// Whether this very key is still one of ours, and not merely one of its id, and its tokens count now.
    pub(super) fn holds(&self, key: &Weak<Key>, now: Timestamp) -> bool {
        let keys = self.keys.load();
        let mut held = keys.held.iter().filter(|held| held.counts(now));
        held.any(|held| ptr::eq(Arc::as_ptr(&held.key), key.as_ptr()))
    }

    /// The public keys as a JWK Set (RFC 7517, section 5); a shared secret is not among them.
    pub fn public(&self, now: Timestamp) -> JwkSet {
        let keys = self.keys.load();
        let held = keys.held.iter().filter(|held| held.counts(now));
        JwkSet {
            keys: held.filter_map(|held| held.key.public.clone()).collect(),
        }
    }
}

impl Held {
    fn counts(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Folder {
    /// `None` where a secret signs.
    fn of(config: &TokenConfig) -> Option<Self> {
        match &config.signing {
            SigningConfig::Secret { .. } => None,
            SigningConfig::Keys { algorithm, folder } => Some(Self {
                path: folder.clone(),
                algorithm: *algorithm,
                outlives: config.lifetime + config.leeway,
                leeway: config.leeway,
                seen: Mutex::default(),
            }),
        }
    }

    /// The keys of these files, those among them that are known already as they are: whoever has seen one knows it again.
    fn read(&self, files: &[KeyFile], known: &[Held]) -> Result<Keys, KeyError> {
        let mut held: Vec<Held> = Vec::with_capacity(files.len());
        let mut signer = None;
        let mut read = Vec::with_capacity(files.len());
        for file in files {
            let key = file.read()?;
            let known = known.iter().find(|held| held.key.id == key.id);
            read.push(known.map_or_else(|| Arc::new(key), |held| Arc::clone(&held.key)));
        }
        for (index, (file, key)) in files.iter().zip(&read).enumerate() {
            // The next one that signs put an end to it.
            let later = files.get(index + 1..).unwrap_or_default();
            let ended = later
                .iter()
                .find(|later| !later.is_next())
                .map(|later| later.written);
            let until = match file.is_next() {
                true => None,
                false => ended.map(|ended| {
                    let noted = folder::noted_until(&self.path, &key.id);
                    noted
                        .map(|noted| noted.after(self.leeway))
                        .max(Some(ended.after(self.outlives)))
                        .unwrap_or(ended)
                }),
            };
            if !file.is_next() && key.algorithm_name() == self.algorithm.name() {
                signer = Some((Arc::clone(key), held.len()));
            }
            held.push(Held {
                key: Arc::clone(key),
                until,
            });
        }
        // It may be older than another that signs with something else; it counts all the same.
        if let Some((_, index)) = &signer
            && let Some(held) = held.get_mut(*index)
        {
            held.until = None;
        }
        Ok(Keys {
            held,
            signer: signer.map(|(key, _)| key),
        })
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys.load();
        f.debug_list()
            .entries(keys.held.iter().map(|held| &held.key.id))
            .finish()
    }
}

#[cfg(test)]
mod tests;
