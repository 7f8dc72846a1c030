//! The keys that sign our tokens, and how they lie on disk.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    ptr,
    sync::{Arc, Weak},
};

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Validation,
    jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse, ThumbprintHash},
};
use secrecy::ExposeSecret;

use crate::config::SigningConfig;

/// The `kid` of a shared secret. A thumbprint would be a hash of the secret itself (RFC 7638, section 7).
const SECRET_KEY_ID: &str = "hs256";

/// All keys whose tokens are accepted; the newest signs.
pub struct KeyRing {
    keys: Vec<Arc<Key>>,
}

/// One key. The algorithm belongs to it: a token never chooses (RFC 8725, section 3.1).
pub(super) struct Key {
    pub(super) id: String,
    pub(super) algorithm: Algorithm,
    pub(super) signing: EncodingKey,
    pub(super) verifying: DecodingKey,
    pub(super) validation: Validation,
    public: Option<Jwk>,
}

/// Why the keys could not be loaded or made.
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
    /// The file holds no key of the right kind.
    #[error("{} is not a PKCS#8 PEM file with an ECDSA P-256 private key", path.display())]
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
    /// The secret cannot be used.
    #[error("cannot use the signing secret")]
    Secret(#[source] jsonwebtoken::errors::Error),
}

impl KeyRing {
    /// The keys that the configuration names; makes the first one where the folder has none.
    ///
    /// # Errors
    /// The folder or a key in it cannot be used; the message names the file and what to do.
    pub fn open(config: &SigningConfig) -> Result<Self, KeyError> {
        let keys: Vec<Key> = match config {
            SigningConfig::Hs256 { secret } => {
                let secret = secret.expose_secret().as_bytes();
                vec![Key {
                    id: SECRET_KEY_ID.to_owned(),
                    algorithm: Algorithm::HS256,
                    signing: EncodingKey::from_secret(secret),
                    verifying: DecodingKey::from_secret(secret),
                    validation: signature_only(Algorithm::HS256),
                    public: None,
                }]
            }
            SigningConfig::Es256 { keys: folder } => {
                let mut files = key_files(folder)?;
                if files.is_empty() {
                    files.push(generate(folder)?);
                }
                files
                    .iter()
                    .map(|path| read_key(path))
                    .collect::<Result<_, _>>()?
            }
        };
        Ok(Self {
            keys: keys.into_iter().map(Arc::new).collect(),
        })
    }

    /// Whether the keys can be used, without making one where the folder has none.
    ///
    /// # Errors
    /// The folder or a key in it cannot be used.
    pub fn check(config: &SigningConfig) -> Result<(), KeyError> {
        match config {
            SigningConfig::Hs256 { .. } => Ok(()),
            SigningConfig::Es256 { keys: folder } => key_files(folder)?
                .iter()
                .try_for_each(|path| read_key(path).map(drop)),
        }
    }

    /// The key that signs: the newest.
    pub(super) fn signer(&self) -> Option<&Arc<Key>> {
        self.keys.last()
    }

    /// The key of this id.
    pub(super) fn find(&self, id: &str) -> Option<&Arc<Key>> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// Whether this very key is still one of ours, and not merely one of its id.
    pub(super) fn holds(&self, key: &Weak<Key>) -> bool {
        self.keys
            .iter()
            .any(|ours| ptr::eq(Arc::as_ptr(ours), key.as_ptr()))
    }

    /// The public keys as a JWK Set (RFC 7517, section 5); a shared secret is not among them.
    pub fn public(&self) -> JwkSet {
        JwkSet {
            keys: self.keys.iter().filter_map(|key| key.public.clone()).collect(),
        }
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(|key| &key.id))
            .finish()
    }
}

/// Checks a signature and nothing else: what the claims must say is `verify`'s business, with time as an argument.
fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

/// The key files of a folder, the newest last. A folder that does not exist has none.
fn key_files(folder: &Path) -> Result<Vec<PathBuf>, KeyError> {
    let failed = |source| KeyError::Io {
        action: "read the keys in",
        path: folder.to_owned(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "pem") {
            files.push((
                entry
                    .metadata()
                    .and_then(|metadata| metadata.modified())
                    .map_err(failed)?,
                path,
            ));
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

fn read_key(path: &Path) -> Result<Key, KeyError> {
    let failed = |source| KeyError::Io {
        action: "read the key",
        path: path.to_owned(),
        source,
    };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed {
            path: path.to_owned(),
        });
    }
    let pem = fs::read(path).map_err(failed)?;
    key_of_pem(&pem).map_err(|source| KeyError::Malformed {
        path: path.to_owned(),
        source,
    })
}

fn key_of_pem(pem: &[u8]) -> Result<Key, jsonwebtoken::errors::Error> {
    let signing = EncodingKey::from_ec_pem(pem)?;
    let mut public = Jwk::from_encoding_key(&signing, Algorithm::ES256)?;
    let id = public.thumbprint(ThumbprintHash::SHA256)?;
    public.common.key_id = Some(id.clone());
    public.common.key_algorithm = Some(KeyAlgorithm::ES256);
    public.common.public_key_use = Some(PublicKeyUse::Signature);
    Ok(Key {
        id,
        algorithm: Algorithm::ES256,
        verifying: DecodingKey::from_jwk(&public)?,
        signing,
        validation: signature_only(Algorithm::ES256),
        public: Some(public),
    })
}

/// Makes a key and writes it, readable by its owner alone, under its RFC 7638 thumbprint.
fn generate(folder: &Path) -> Result<PathBuf, KeyError> {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(KeyError::Generate)?;
    let pem = pair.serialize_pem();
    let key = key_of_pem(pem.as_bytes()).map_err(KeyError::Secret)?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| KeyError::Io {
            action: "write the key",
            path,
            source,
        }
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed(folder))?;
    let path = folder.join(format!("{}.pem", key.id));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed(&path))?;
    io::Write::write_all(&mut file, pem.as_bytes()).map_err(failed(&path))?;
    file.sync_all().map_err(failed(&path))?;
    Ok(path)
}
