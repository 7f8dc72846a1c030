//! Changing the user file: one writer at a time, whole or not at all, comments and order kept.

use std::{
    fs::{self, File, Metadata, Permissions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use toml_edit::{ArrayOfTables, DocumentMut, Item, RawString, Table, value};

use super::file::{UserFile, UserFileError};
use crate::identity::UserName;

/// A user file that is being changed. Other writers wait until it is dropped.
#[derive(Debug)]
pub struct UserFileEdit {
    path: PathBuf,
    document: DocumentMut,
    _lock: File,
}

/// Why a user file is left as it was.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
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
    /// The file has mistakes in it, or would have.
    #[error("{0}")]
    Broken(#[from] UserFileError),
    /// The file is no TOML that can be edited.
    #[error("{} cannot be edited", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where it breaks off.
        #[source]
        source: toml_edit::TomlError,
    },
    /// The users are written in a way that is not changed.
    #[error("{} can only be edited where each user begins with a line [[user]]", path.display())]
    Inline {
        /// The file.
        path: PathBuf,
    },
    /// Nobody has this name.
    #[error("there is no user called \"{0}\"")]
    UnknownUser(UserName),
    /// Somebody has this name already.
    #[error("there is a user called \"{0}\" already")]
    UserExists(UserName),
}

/// A user to be added.
#[derive(Debug)]
pub struct NewUser {
    /// The unique name.
    pub username: UserName,
    /// What to call them.
    pub display_name: Option<String>,
    /// Their e-mail address.
    pub email: Option<String>,
    /// Their roles.
    pub roles: Vec<String>,
    /// Their password's hash.
    pub password_hash: String,
}

impl UserFileEdit {
    /// Opens a user file, waiting for another writer to finish. One that does not exist begins empty.
    ///
    /// # Errors
    /// It cannot be read, or is broken: then it is not touched.
    pub fn open(path: &Path) -> Result<Self, EditError> {
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| EditError::Io { action, path, source }
        };
        // Where the file is a link, what it leads to is changed, and the link stays.
        let target = match fs::canonicalize(path) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => path.to_owned(),
            Err(error) => return Err(failed("find", path)(error)),
        };
        let lock_path = beside(&target, ".lock");
        let lock = open_lock(&lock_path).map_err(failed("open the lock", &lock_path))?;
        lock.lock().map_err(failed("lock", &lock_path))?;
        let text = match fs::read_to_string(&target) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed("read", path)(error)),
        };
        UserFile::parse(text.clone(), path, u64::MAX)?;
        let document: DocumentMut = text.parse().map_err(|source| EditError::Syntax {
            path: path.to_owned(),
            source,
        })?;
        if document
            .get("user")
            .is_some_and(|users| !users.is_array_of_tables())
        {
            return Err(EditError::Inline {
                path: path.to_owned(),
            });
        }
        Ok(Self {
            path: target,
            document,
            _lock: lock,
        })
    }

    /// Whether somebody has this name.
    pub fn contains(&self, name: &UserName) -> bool {
        self.users()
            .is_some_and(|users| users.iter().any(|user| is_called(user, name)))
    }

    /// Adds a user at the end.
    ///
    /// # Errors
    /// Somebody has the name already.
    pub fn add(&mut self, new: NewUser) -> Result<(), EditError> {
        if self.contains(&new.username) {
            return Err(EditError::UserExists(new.username));
        }
        let mut user = Table::new();
        user.insert("name", value(new.username.as_str()));
        user.insert("password", value(new.password_hash));
        for (key, text) in [("display_name", new.display_name), ("email", new.email)] {
            if let Some(text) = text {
                user.insert(key, value(text));
            }
        }
        if !new.roles.is_empty() {
            user.insert(
                "roles",
                value(new.roles.into_iter().collect::<toml_edit::Array>()),
            );
        }
        // Comments at the end of the file stay above whoever comes after them.
        let mut above = self.document.trailing().as_str().unwrap_or_default().to_owned();
        self.document.set_trailing("");
        if !above.is_empty() && !above.ends_with('\n') {
            above.push('\n');
        }
        if !above.is_empty() || !self.document.is_empty() {
            above.push('\n');
        }
        user.decor_mut().set_prefix(above);
        let users = self
            .document
            .entry("user")
            .or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
        if let Some(users) = users.as_array_of_tables_mut() {
            users.push(user);
        }
        Ok(())
    }

    /// Sets a user's password hash.
    ///
    /// # Errors
    /// Nobody has the name.
    pub fn set_password(&mut self, name: &UserName, hash: &str) -> Result<(), EditError> {
        self.set(name, "password", hash.into())
    }

    /// Keeps a user out, or lets them in again.
    ///
    /// # Errors
    /// Nobody has the name.
    pub fn set_disabled(&mut self, name: &UserName, disabled: bool) -> Result<(), EditError> {
        if disabled {
            return self.set(name, "disabled", true.into());
        }
        self.user_mut(name)?.remove("disabled");
        Ok(())
    }

    /// Takes a user out.
    ///
    /// # Errors
    /// Nobody has the name.
    pub fn remove(&mut self, name: &UserName) -> Result<(), EditError> {
        self.user_mut(name)?;
        let users = self
            .document
            .get_mut("user")
            .and_then(Item::as_array_of_tables_mut);
        let Some(users) = users else { return Ok(()) };
        let Some(index) = users.iter().position(|user| is_called(user, name)) else {
            return Ok(());
        };
        let kept = users.get(index).map_or("", comments_apart).to_owned();
        users.remove(index);
        match users.get_mut(index) {
            Some(next) => {
                let own = next
                    .decor()
                    .prefix()
                    .and_then(RawString::as_str)
                    .unwrap_or_default();
                let both = kept + own.strip_prefix('\n').unwrap_or(own);
                next.decor_mut().set_prefix(both);
            }
            None => {
                let after = self.document.trailing().as_str().unwrap_or_default().to_owned();
                self.document.set_trailing(kept + after.as_str());
            }
        }
        Ok(())
    }

    /// Writes the file: to a temporary one in the same folder, through to the disk, then in the place of the old.
    ///
    /// # Errors
    /// The result would be broken, or cannot be written; the file is as it was.
    pub fn save(self) -> Result<(), EditError> {
        let text = self.document.to_string();
        UserFile::parse(text.clone(), &self.path, u64::MAX)?;
        let failed = |source| EditError::Io {
            action: "write",
            path: self.path.clone(),
            source,
        };
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let old = fs::metadata(&self.path).ok();
        let mode = old.as_ref().map_or(0o600, |old| old.permissions().mode() & 0o777);
        let mut file = tempfile::Builder::new()
            .prefix(".users")
            .tempfile_in(folder)
            .map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        if let Some(old) = &old {
            keep_owner(file.as_file(), old).map_err(failed)?;
        }
        file.as_file()
            .set_permissions(Permissions::from_mode(mode))
            .map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&self.path).map_err(|error| failed(error.error))?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed)
    }

    fn users(&self) -> Option<&ArrayOfTables> {
        self.document.get("user").and_then(Item::as_array_of_tables)
    }

    fn user_mut(&mut self, name: &UserName) -> Result<&mut Table, EditError> {
        self.document
            .get_mut("user")
            .and_then(Item::as_array_of_tables_mut)
            .and_then(|users| users.iter_mut().find(|user| is_called(user, name)))
            .ok_or_else(|| EditError::UnknownUser(name.clone()))
    }

    /// Replaces a value and keeps the comment behind it.
    fn set(&mut self, name: &UserName, key: &str, new: toml_edit::Value) -> Result<(), EditError> {
        let user = self.user_mut(name)?;
        match user.get_mut(key).and_then(Item::as_value_mut) {
            Some(old) => {
                let decor = old.decor().clone();
                *old = new;
                *old.decor_mut() = decor;
            }
            None => {
                user.insert(key, Item::Value(new));
            }
        }
        Ok(())
    }
}

/// The comments above a user that an empty line sets apart: they are about more than this one.
fn comments_apart(user: &Table) -> &str {
    let above = user
        .decor()
        .prefix()
        .and_then(RawString::as_str)
        .unwrap_or_default();
    let end = above.rfind("\n\n").map_or(0, |at| at + 2);
    above.get(..end).unwrap_or_default()
}

fn is_called(user: &Table, name: &UserName) -> bool {
    user.get("name").and_then(Item::as_str) == Some(name.as_str())
}

/// Opens the lock, which only has to be there: whoever may read it can wait for it, so that root and the gateway's own
/// user take turns too.
fn open_lock(path: &Path) -> io::Result<File> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path),
        opened => opened,
    }
}

/// Gives a new file the owner and the group of the old one. Root edits the file of the gateway's own user, which must
/// still be able to read it afterwards.
fn keep_owner(file: &File, old: &Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    let changed = |new: u32, old: u32| (new != old).then_some(old);
    let (owner, group) = (changed(new.uid(), old.uid()), changed(new.gid(), old.gid()));
    match (owner, group) {
        (None, None) => Ok(()),
        _ => fchown(file, owner, group),
    }
}

/// `users.toml.lock` for `users.toml`: the file itself is replaced, so a lock on it would guard nothing.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests;
