//! Personal tokens as they lie on disk: a file each, written once and never changed. Whoever removes one ends its token.
//!
//! When a file was modified is when its token was used last: that can be noted without writing the file anew, and so
//! never brings one back that somebody has just removed.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{PersonalError, PersonalToken};
use crate::{
    clock::Timestamp,
    identity::{Stamp, UserName},
};

/// A file's name ends so.
const END: &str = ".json";

/// The files that were there at the last look. A file is never written to, and so another inode is another file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen(BTreeMap<PathBuf, u64>);

/// What a file says. Times are in milliseconds since 1970.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: String,
    user: UserName,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
    created: u64,
    expires: u64,
    stamp: Stamp,
    /// The SHA-256 of the token's text.
    sha256: String,
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> PersonalError {
    let path = path.to_owned();
    move |source| PersonalError::Io {
        action,
        path: path.clone(),
        source,
    }
}

/// The tokens of a folder and the first file that is broken, where they are others than those that were `seen`. Those
/// that are `known` by their id stay who they are.
///
/// # Errors
/// The folder cannot be read.
#[expect(
    clippy::type_complexity,
    reason = "it is read in one place, beside its documentation"
)]
pub(super) fn look(
    folder: &Path,
    seen: &mut Seen,
    known: impl Fn(&str) -> Option<Arc<PersonalToken>>,
) -> Result<Option<(Vec<Arc<PersonalToken>>, Option<PersonalError>)>, PersonalError> {
    let failed = failed("read the personal tokens in", folder);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => Some(entries),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    let mut files = BTreeMap::new();
    for entry in entries.into_iter().flatten() {
        let entry = entry.map_err(&failed)?;
        let path = entry.path();
        let is_token = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.ends_with(END) && !name.starts_with('.'));
        if !is_token {
            continue;
        }
        match entry.metadata() {
            Ok(metadata) => drop(files.insert(path, metadata.ino())),
            // Removed by somebody between two looks.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    if seen.0 == files {
        return Ok(None);
    }
    let (mut tokens, mut broken) = (Vec::new(), None);
    let mut unread = Vec::new();
    for (path, inode) in &files {
        let id = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        let is_same = seen.0.get(path) == Some(inode);
        match known(id).filter(|_| is_same) {
            Some(token) => tokens.push(token),
            None => match read(path, id) {
                Ok(token) => tokens.extend(token.map(Arc::new)),
                Err(error) => {
                    unread.push(path.clone());
                    broken = broken.or(Some(error));
                }
            },
        }
    }
    // What could not be read is tried again at the next look.
    files.retain(|path, _| !unread.contains(path));
    seen.0 = files;
    Ok(Some((tokens, broken)))
}

fn read(path: &Path, id: &str) -> Result<Option<PersonalToken>, PersonalError> {
    let failed = failed("read the personal token", path);
    let broken = |source| PersonalError::Broken {
        path: path.to_owned(),
        source,
    };
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let written: Written = serde_json::from_slice(&text).map_err(broken)?;
    let custom = |why: &str| broken(serde::de::Error::custom(why));
    // By its name it is ended: another in it would be a token that cannot be.
    if written.id != id {
        return Err(custom("the id in it is not that of its name"));
    }
    let hash = URL_SAFE_NO_PAD.decode(&written.sha256).ok();
    let hash = hash
        .and_then(|hash| hash.try_into().ok())
        .ok_or_else(|| custom("sha256 is no SHA-256"))?;
    let modified = fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .map_err(failed)?;
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    let last_use = u64::try_from(since.as_millis()).unwrap_or_default();
    Ok(Some(PersonalToken {
        id: written.id,
        user: written.user,
        name: written.name,
        scopes: written.scopes,
        created: Timestamp::from_unix_millis(written.created),
        expires: Timestamp::from_unix_millis(written.expires),
        stamp: written.stamp,
        hash,
        last_use: AtomicU64::new(if last_use > written.created { last_use } else { 0 }),
        bearer: OnceLock::new(),
    }))
}

/// Writes a token's file, whole or not at all.
///
/// # Errors
/// It cannot be written; there is none then.
pub(super) fn write(folder: &Path, token: &PersonalToken) -> Result<(), PersonalError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed("make the folder", folder))?;
    let path = folder.join([&token.id, END].concat());
    let written = Written {
        id: token.id.clone(),
        user: token.user.clone(),
        name: token.name.clone(),
        scopes: token.scopes.clone(),
        created: token.created.unix_millis(),
        expires: token.expires.unix_millis(),
        stamp: token.stamp.clone(),
        sha256: URL_SAFE_NO_PAD.encode(token.hash),
    };
    let text = serde_json::to_vec_pretty(&written).map_err(|source| PersonalError::Broken {
        path: path.clone(),
        source,
    })?;
    let draft = folder.join(format!(".{}.draft", token.id));
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(&text)?;
        file.set_modified(system_time(token.created))?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        fs::File::open(folder)?.sync_all()
    };
    write().map_err(|error| {
        // What is left of it would be in the way of nobody, but of no use either.
        let _ = fs::remove_file(&draft);
        failed("write the personal token", &path)(error)
    })
}

/// Removes a token's file. One that is gone already is as it should be.
///
/// # Errors
/// It cannot be removed.
pub(super) fn remove(folder: &Path, id: &str) -> Result<(), PersonalError> {
    let path = folder.join([id, END].concat());
    let remove = || {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        fs::File::open(folder)?.sync_all()
    };
    remove().map_err(failed("remove the personal token", &path))
}

/// Notes on a token's file when it was used last.
///
/// # Errors
/// The file is there, and its time cannot be set.
pub(super) fn note_use(folder: &Path, token: &PersonalToken) -> Result<(), PersonalError> {
    let last_use = token.last_use.load(Ordering::Relaxed);
    let path = folder.join([&token.id, END].concat());
    let failed = failed("note the use of the personal token", &path);
    let time = system_time(Timestamp::from_unix_millis(last_use));
    let file = match OpenOptions::new().append(true).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let noted = file
        .metadata()
        .and_then(|metadata| metadata.modified())
        .map_err(&failed)?;
    // Another gateway may have seen it later.
    match last_use == 0 || noted >= time {
        true => Ok(()),
        false => file.set_modified(time).map_err(failed),
    }
}

fn system_time(time: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(time.unix_millis())
}
