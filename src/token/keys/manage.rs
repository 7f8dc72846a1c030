//! Looking at the keys of a folder, and changing them by hand, while gateways use it.

use std::path::{Path, PathBuf};

use super::{
    Folder, KeyError,
    folder::{self, KeyFile},
};
use crate::{
    clock::Timestamp,
    config::{KeyPairAlgorithm, SigningConfig, TokenConfig},
};

/// One key, for people to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its id: the RFC 7638 thumbprint.
    pub id: String,
    /// What it signs with.
    pub algorithm: String,
    /// What it is good for.
    pub state: KeyState,
    /// Where it lies.
    pub file: PathBuf,
}

/// What a key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It signs.
    Signs,
    /// It is published, and will sign.
    Next,
    /// It has signed, and its tokens count until then.
    VerifiesUntil(Timestamp),
}

/// The keys in a folder, to be looked at and changed by hand.
#[derive(Debug)]
pub struct KeyFolder<'a> {
    config: &'a TokenConfig,
    path: &'a Path,
    algorithm: KeyPairAlgorithm,
}

impl<'a> KeyFolder<'a> {
    /// The folder that a configuration names.
    ///
    /// # Errors
    /// It names a secret instead.
    pub fn of(config: &'a TokenConfig) -> Result<Self, KeyError> {
        match &config.signing {
            SigningConfig::Secret { .. } => Err(KeyError::SignsWithSecret),
            SigningConfig::Keys { algorithm, folder } => Ok(Self {
                config,
                path: folder,
                algorithm: *algorithm,
            }),
        }
    }

    /// All keys that are good for something, the newest last.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn list(&self, now: Timestamp) -> Result<Vec<KeyInfo>, KeyError> {
        let mut infos = Vec::new();
        for (file, info) in self.files()? {
            let is_over = matches!(info.state, KeyState::VerifiesUntil(until) if until <= now);
            if !is_over {
                infos.push(KeyInfo {
                    file: file.path,
                    ..info
                });
            }
        }
        Ok(infos)
    }

    fn files(&self) -> Result<Vec<(KeyFile, KeyInfo)>, KeyError> {
        let Some(folder) = Folder::of(self.config) else {
            return Ok(Vec::new());
        };
        let files = folder::files(self.path)?;
        let keys = folder.read(&files, &[])?;
        let signer = keys.signer.map(|key| key.id.clone());
        let infos = files.into_iter().zip(keys.held).map(|(file, held)| {
            let state = match held.until {
                _ if signer.as_ref() == Some(&held.key.id) => KeyState::Signs,
                Some(until) => KeyState::VerifiesUntil(until),
                None => KeyState::Next,
            };
            let info = KeyInfo {
                id: held.key.id.clone(),
                algorithm: held.key.algorithm_name(),
                state,
                file: file.path.clone(),
            };
            (file, info)
        });
        Ok(infos.collect())
    }

    /// Makes a key that is published at once, and signs after [`KeyFolder::rotate`]; its file.
    ///
    /// # Errors
    /// It cannot be made or written.
    pub fn generate(&self) -> Result<PathBuf, KeyError> {
        folder::generate(self.path, self.algorithm, true)
    }

    /// Lets the published key sign, or a new one where none is published; its file.
    ///
    /// # Errors
    /// It cannot be made or written.
    pub fn rotate(&self) -> Result<PathBuf, KeyError> {
        let next = self
            .files()?
            .into_iter()
            .rev()
            .find(|(_, info)| info.state == KeyState::Next && info.algorithm == self.algorithm.name());
        match next {
            Some((file, _)) => file.promote(),
            None => folder::generate(self.path, self.algorithm, false),
        }
    }

    /// Takes a key out of use at once, with every token that it has signed; its file. `id` may be the beginning of its id.
    ///
    /// # Errors
    /// There is no such key, several, or none to sign without it.
    pub fn retire(&self, id: &str) -> Result<PathBuf, KeyError> {
        let files = self.files()?;
        let mut found = files.iter().filter(|(_, info)| info.id.starts_with(id));
        let (Some((file, info)), None) = (found.next(), found.next()) else {
            return Err(KeyError::NotOne {
                id: id.to_owned(),
                count: files.iter().filter(|(_, info)| info.id.starts_with(id)).count(),
            });
        };
        let could_sign =
            |other: &KeyInfo| other.state != KeyState::Next && other.algorithm == self.algorithm.name();
        let has_other = files
            .iter()
            .any(|(_, other)| other.id != info.id && could_sign(other));
        if info.state == KeyState::Signs && !has_other {
            return Err(KeyError::OnlySigner { id: info.id.clone() });
        }
        file.retire()
    }
}
