//! The user file: `users.toml`, a `[[user]]` for each person.

use std::{
    collections::HashMap,
    fmt, fs, io,
    num::NonZeroU64,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use ahash::RandomState;
use arc_swap::ArcSwap;
use toml::de::DeTable;

use super::{
    User,
    password::{PasswordHash, UnusableHash},
};
use crate::{
    config::{
        Problem, Severity,
        reader::{Report, Table, Value},
        source::Source,
        units,
    },
    identity::{Identity, Stamp, UserName, is_unprintable},
};

/// Everybody in a user file.
#[derive(Debug, Default)]
pub struct UserFile {
    users: Vec<Arc<User>>,
    by_name: HashMap<UserName, usize, RandomState>,
    hashes: Vec<PasswordHash>,
}

/// Everything that is wrong with a user file. Never shows a hash. Its `Display` is one line for a log; each
/// [`Problem`] shows more.
#[derive(Debug)]
pub struct UserFileError(pub Vec<Problem>);

impl fmt::Display for UserFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            f.write_str(&problem.summary())?;
        }
        Ok(())
    }
}

impl std::error::Error for UserFileError {}

impl UserFile {
    /// Reads a user file. A hash that needs more than `hash_memory` bytes is refused: it could never be checked.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: &Path, hash_memory: u64) -> Result<Self, UserFileError> {
        let text = fs::read_to_string(path).map_err(|error| {
            let problem = Problem::of_file(path, format!("cannot read the user file: {error}"));
            UserFileError(vec![problem.hint(
                "make one with `portcullis user add NAME`, or name another as `file` in [users]",
            )])
        })?;
        Self::parse(text, path, hash_memory)
    }

    /// Reads the text of a user file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: String, path: &Path, hash_memory: u64) -> Result<Self, UserFileError> {
        let source = Source::new(path, text);
        let no_environment = |_: &str| None;
        let report = Report::new(&source, &no_environment);
        let (document, errors) = DeTable::parse_recoverable(&source.text);
        if !errors.is_empty() {
            match looks_like_htpasswd(&source.text) {
                true => report.add(
                    Problem::of_file(path, "this is an .htpasswd file, which cannot be used as it is")
                        .hint("take its users over: portcullis user import --htpasswd FILE"),
                ),
                false => report.add_syntax_errors(&errors, true),
            }
            return Err(UserFileError(report.into_problems()));
        }
        let mut root = Table::new(&report, "the user file", 0..0, document.into_inner());
        let mut file = Self::default();
        for value in root.take("user").and_then(Value::list).unwrap_or_default() {
            let span = value.span();
            let Some(user) = value
                .table("[[user]]")
                .and_then(|table| read_user(table, hash_memory))
            else {
                continue;
            };
            if file.by_name.contains_key(&user.username) {
                report.add(report.problem(
                    &span,
                    format!("there is another user called \"{}\"", user.username),
                ));
                continue;
            }
            file.by_name.insert(user.username.clone(), file.users.len());
            file.hashes.extend(user.password.clone());
            file.users.push(Arc::new(user));
        }
        root.finish(&[]);
        let problems = report.into_problems();
        match problems.iter().any(|problem| problem.severity == Severity::Error) {
            true => Err(UserFileError(problems)),
            false => Ok(file),
        }
    }

    /// The user of exactly this name.
    pub fn find(&self, name: &UserName) -> Option<&Arc<User>> {
        self.by_name.get(name).and_then(|index| self.users.get(*index))
    }

    /// Whether the person is still who they were at their sign-in: there, not disabled, and nothing about them
    /// changed.
    pub fn vouches_for(&self, identity: &Identity) -> bool {
        self.find(&identity.username).is_some_and(|user| {
            let unchanged = identity.stamp.as_ref().is_none_or(|stamp| *stamp == user.stamp);
            !user.disabled && unchanged
        })
    }

    /// Everybody, in the order of the file.
    pub fn users(&self) -> &[Arc<User>] {
        &self.users
    }
}

/// Whether a text that is no TOML begins like `alice:$2y$…`.
fn looks_like_htpasswd(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    lines
        .find(|line| !line.is_empty() && !line.starts_with('#'))
        .and_then(|line| line.split_once(':'))
        .is_some_and(|(_, hash)| !matches!(PasswordHash::parse(hash), Err(UnusableHash::NoHash)))
}

fn read_user(mut table: Table<'_, '_>, hash_memory: u64) -> Option<User> {
    let name = table.take("name");
    if name.is_none() {
        table
            .report()
            .add(table.report().problem(table.span(), "this user has no `name`"));
    }
    let username =
        name.and_then(|value| value.parsed(|text| UserName::parse(text).map_err(|error| error.to_string())));
    let called = username
        .as_ref()
        .map_or_else(|| "NAME".to_owned(), ToString::to_string);
    let password = table
        .take("password")
        .map(|value| read_hash(value, &called, hash_memory));
    let display_name = table
        .take("display_name")
        .and_then(|value| value.parsed(printable));
    let email = table.take("email").and_then(|value| value.parsed(printable));
    let roles = table.take("roles").and_then(Value::list).unwrap_or_default();
    let roles: Vec<String> = roles.iter().filter_map(|value| value.parsed(role)).collect();
    let disabled = table.take("disabled").and_then(|value| value.boolean());
    table.finish(&[]);
    let username = username?;
    let (written, password) = password.flatten().unzip();
    let facts = [
        Some(username.as_str()),
        display_name.as_deref(),
        email.as_deref(),
        written.as_deref(),
    ];
    let facts = facts.map(Option::unwrap_or_default).into_iter();
    Some(User {
        stamp: Stamp::of(facts.chain(roles.iter().map(String::as_str))),
        username,
        name: display_name.filter(|name| !name.is_empty()),
        email: email.filter(|email| !email.is_empty()),
        roles,
        disabled: disabled.unwrap_or(false),
        password,
        identity: OnceLock::new(),
    })
}

/// A hash as it is written, and as it is checked.
fn read_hash(value: Value<'_, '_>, user: &str, hash_memory: u64) -> Option<(String, PasswordHash)> {
    let value = value.holding_a_secret();
    let text = value.string()?;
    match PasswordHash::parse(&text) {
        Ok(hash) if hash.memory() > hash_memory => {
            let most = units::show_size(hash_memory);
            value.reject_with(
                format!(
                    "checking this hash takes {}, but there is room for {most}",
                    units::show_size(hash.memory())
                ),
                "raise `hash_memory` in [users.password], or set a new password",
            );
            None
        }
        Ok(hash) => Some((text, hash)),
        Err(error @ UnusableHash::NoHash) => {
            value.reject(error.to_string());
            None
        }
        Err(error) => {
            value.reject_with(
                error.to_string(),
                format!("set a new password with `portcullis user passwd {user}`"),
            );
            None
        }
    }
}

/// Text that becomes a header's value: nothing in it may end the header.
fn printable(text: &str) -> Result<String, String> {
    match text.chars().any(is_unprintable) || text.trim() != text || text.len() > 1000 {
        true => Err("this cannot have control or invisible characters, or white space around it".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// Roles are sent as one comma-separated header, so a comma in one would be two.
pub(super) fn role(text: &str) -> Result<String, String> {
    match text.is_empty() || text.contains(',') {
        true => Err("a role cannot be empty or contain a comma".to_owned()),
        false => printable(text),
    }
}

/// The user file as it is now: read anew when it has changed.
#[derive(Debug)]
pub struct UserDirectory {
    path: PathBuf,
    hash_memory: u64,
    current: ArcSwap<UserFile>,
    /// Another number after each change, so that whoever was vouched for before it is looked up once more.
    generation: AtomicU64,
    known: Mutex<Known>,
    /// Chooses whose hash a name is lent; its key is this process's own.
    lending: RandomState,
}

/// What was read last.
#[derive(Debug)]
struct Known {
    version: Option<FileVersion>,
    /// What is wrong with it. Kept, so that nobody who tries to sign in has a broken file read again.
    broken: Option<Arc<UserFileError>>,
}

/// What changes when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileVersion {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

/// Why the directory cannot be asked. Nobody is signed in from it until it can.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The file is gone or cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file has mistakes in it.
    #[error("{0}")]
    Broken(Arc<UserFileError>),
}

impl UserDirectory {
    /// Reads the file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn open(path: &Path, hash_memory: u64) -> Result<Self, UserFileError> {
        let version = FileVersion::of(path).ok();
        let file = UserFile::load(path, hash_memory)?;
        Ok(Self {
            path: path.to_owned(),
            hash_memory,
            current: ArcSwap::from_pointee(file),
            // It begins anywhere: what another directory has vouched for is no matter here.
            generation: AtomicU64::new(RandomState::new().hash_one(path)),
            known: Mutex::new(Known {
                version,
                broken: None,
            }),
            lending: RandomState::new(),
        })
    }

    /// The user of exactly this name, in the file as it is now.
    ///
    /// A look at the file and, after a change, a read of it: some microseconds beside a hash's milliseconds, so it
    /// is done where it is needed instead of on another thread.
    ///
    /// # Errors
    /// The file has become unreadable, or broken. What it said before is not used: somebody may just have been
    /// taken out of it.
    pub fn find(&self, name: &UserName) -> Result<Option<Arc<User>>, DirectoryError> {
        self.refresh()?;
        Ok(self.current.load().find(name).cloned())
    }

    /// Everybody as of the last look.
    pub fn current(&self) -> Arc<UserFile> {
        self.current.load_full()
    }

    /// Whether a session or token of this person is still good, as of the last look; see [`UserFile::vouches_for`].
    ///
    /// Asked by every request, so a person remembers the answer until the file changes.
    pub fn vouches_for(&self, identity: &Identity) -> bool {
        // Before the file is looked at: should it change in between, what is noted is the older generation.
        let generation = self.generation.load(Ordering::Acquire);
        if identity.was_vouched_for_in(generation) {
            return true;
        }
        let vouches = self.current.load().vouches_for(identity);
        if vouches {
            identity.note_vouched_for_in(generation);
        }
        vouches
    }

    /// Somebody's hash, for a name that has none of its own to be checked against.
    ///
    /// Hashes of one file may differ in format and cost. A secret function of the name chooses, so that the same name
    /// always costs the same, as a known one does, and unknown names are spread over the costs as known ones are.
    /// Were it always the same hash, every user whose own costs something else would stand out.
    pub fn lent_hash(&self, name: &str) -> Option<PasswordHash> {
        let file = self.current.load();
        let count = NonZeroU64::new(file.hashes.len() as u64)?;
        let index = usize::try_from(self.lending.hash_one(name) % count).ok()?;
        file.hashes.get(index).cloned()
    }

    /// Reads the file if it has changed.
    ///
    /// # Errors
    /// It has become unreadable, or broken; what it said before stays.
    pub fn refresh(&self) -> Result<(), DirectoryError> {
        let unreadable = |source| DirectoryError::Unreadable {
            path: self.path.clone(),
            source,
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let version = FileVersion::of(&self.path).map_err(unreadable)?;
        if known.version != Some(version) {
            // A file that cannot be read may be readable in a moment and be the same.
            let text = fs::read_to_string(&self.path).map_err(unreadable)?;
            known.broken = match UserFile::parse(text, &self.path, self.hash_memory) {
                Ok(file) => {
                    self.current.store(Arc::new(file));
                    // After the file: whoever sees the new generation finds the new file as well.
                    self.generation.fetch_add(1, Ordering::Release);
                    None
                }
                Err(error) => Some(Arc::new(error)),
            };
            known.version = Some(version);
        }
        match &known.broken {
            None => Ok(()),
            Some(error) => Err(DirectoryError::Broken(Arc::clone(error))),
        }
    }
}

impl FileVersion {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests;
