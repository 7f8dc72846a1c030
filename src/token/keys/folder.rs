//! Keys as they lie on disk: a file each, which may be shared by several gateways.
//!
//! What a key is for is told by its file, so that nothing else has to be kept in step: `KID.ALG.pem` signs or has signed,
//! `KID.ALG.next.pem` is published and will sign, `KID.ALG.pem.retired` is good for nothing any more. The file that was
//! written last is the one that signs; when it was written is when the one before it stopped.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    KeyError,
    key::{self, Key},
};
use crate::{clock::Timestamp, config::KeyPairAlgorithm};

/// A key file's name ends so.
const KEY: &str = ".pem";
const NEXT: &str = ".next.pem";
const RETIRED: &str = ".retired";

/// The name of what notes how long a key goes on ends so.
const UNTIL: &str = ".until";

/// A key file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyFile {
    pub(super) path: PathBuf,
    pub(super) written: Timestamp,
    bytes: u64,
}

impl KeyFile {
    /// Whether its key is only published as yet.
    pub(super) fn is_next(&self) -> bool {
        self.name().ends_with(NEXT)
    }

    fn name(&self) -> &str {
        let name = self.path.file_name().and_then(|name| name.to_str());
        name.unwrap_or_default()
    }

    /// Reads its key.
    ///
    /// # Errors
    /// It cannot be read, others can read it, or it is no key.
    pub(super) fn read(&self) -> Result<Key, KeyError> {
        let path = &self.path;
        let failed = failed("read the key", path);
        let mode = fs::metadata(path).map_err(&failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { path: path.clone() });
        }
        let pem = fs::read(path).map_err(failed)?;
        let rsa = match self.name().contains(".PS256.") {
            true => KeyPairAlgorithm::Ps256,
            false => KeyPairAlgorithm::Rs256,
        };
        Key::of_pem(&pem, rsa).map_err(|source| KeyError::Malformed {
            path: path.clone(),
            source,
        })
    }

    /// Lets it sign from now on.
    ///
    /// # Errors
    /// It cannot be renamed or written to.
    pub(super) fn promote(&self) -> Result<PathBuf, KeyError> {
        let failed = failed("rename the key", &self.path);
        let name = self.name().strip_suffix(NEXT).unwrap_or_default();
        let path = self.path.with_file_name(format!("{name}{KEY}"));
        // Its time first: under its new name it is the newest at once.
        let file = fs::OpenOptions::new()
            .append(true)
            .open(&self.path)
            .map_err(&failed)?;
        file.set_modified(system_time()).map_err(&failed)?;
        fs::rename(&self.path, &path).map_err(failed)?;
        Ok(path)
    }

    /// Takes it out of use for good. The file stays, for whoever wants to know what it was.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub(super) fn retire(&self) -> Result<PathBuf, KeyError> {
        let path = self.path.with_file_name(format!("{}{RETIRED}", self.name()));
        fs::rename(&self.path, &path).map_err(failed("rename the key", &self.path))?;
        Ok(path)
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a file's time is the file system's, whatever time a gateway has"
)]
fn system_time() -> SystemTime {
    SystemTime::now()
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> KeyError {
    let path = path.to_owned();
    move |source| KeyError::Io {
        action,
        path: path.clone(),
        source,
    }
}

/// The key files of a folder, the newest last. A folder that does not exist has none.
///
/// # Errors
/// It cannot be read.
pub(super) fn files(folder: &Path) -> Result<Vec<KeyFile>, KeyError> {
    let failed = failed("read the keys in", folder);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(&failed)?.path();
        if path.extension().is_none_or(|extension| extension != "pem") {
            continue;
        }
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            // Renamed by somebody between two looks.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        };
        let written = timestamp(metadata.modified().map_err(&failed)?);
        files.push(KeyFile {
            path,
            written,
            bytes: metadata.len(),
        });
    }
    files.sort_by(|a, b| (a.written, &a.path).cmp(&(b.written, &b.path)));
    Ok(files)
}

/// Notes until when something counts that a key has signed, where that is longer than others do: as the time of a file
/// of the key's name.
///
/// # Errors
/// It cannot be written.
pub(super) fn note_until(folder: &Path, id: &str, until: Timestamp) -> Result<(), KeyError> {
    if noted_until(folder, id).is_some_and(|noted| until <= noted) {
        return Ok(());
    }
    let path = folder.join([id, UNTIL].concat());
    let note = || {
        let file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)?;
        file.set_modified(UNIX_EPOCH + Duration::from_millis(until.unix_millis()))?;
        file.sync_all()
    };
    note().map_err(failed("note how long a key goes on in", &path))
}

/// Until when something counts that a key has signed, where that was noted.
pub(super) fn noted_until(folder: &Path, id: &str) -> Option<Timestamp> {
    let modified = fs::metadata(folder.join([id, UNTIL].concat()))
        .and_then(|metadata| metadata.modified())
        .ok()?;
    Some(timestamp(modified))
}

/// A file's time. One before 1970 counts as 1970.
fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Makes a key and writes it, readable by its owner alone; its file.
///
/// # Errors
/// No key could be made, or not written.
pub(super) fn generate(
    folder: &Path,
    algorithm: KeyPairAlgorithm,
    is_next: bool,
) -> Result<PathBuf, KeyError> {
    let pem = key::generate(algorithm).map_err(KeyError::Generate)?;
    let key = Key::of_pem(pem.as_bytes(), algorithm).map_err(KeyError::Unusable)?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed("make the folder", folder))?;
    let end = if is_next { NEXT } else { KEY };
    let path = folder.join(format!("{}.{}{end}", key.id, key.algorithm_name()));
    let failed = failed("write the key", &path);
    // Whole or not at all: another gateway may be looking.
    let draft = folder.join(format!(".{}.draft", key.id));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .map_err(&failed)?;
    io::Write::write_all(&mut file, pem.as_bytes()).map_err(&failed)?;
    file.sync_all().map_err(&failed)?;
    fs::rename(&draft, &path).map_err(failed)?;
    Ok(path)
}
