//! The database that remembers records over a restart: redb, written by a thread of its own.
//!
//! Whoever changes a record waits until it is on the disk. Changes that come in while the disk is busy are written
//! together, so that a thousand sign-ins a second cost no thousand waits for it.

use std::{
    fmt,
    fs::{self, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use redb::{
    Builder, Database, ReadableDatabase, ReadableTable, TableDefinition, TableError, backends::FileBackend,
};
use tokio::sync::oneshot;

use super::{Key, Record, StoreError, Table};
use crate::clock::Timestamp;

/// What the database may keep of itself in memory. Records are read at the start alone.
const CACHE_BYTES: usize = 8 << 20;

/// How many changes are written together, about.
const TOGETHER: usize = 10_000;

/// How often what could not be written is tried again, where nothing else comes.
const AGAIN: Duration = Duration::from_secs(1);

/// How many changes are kept that could not be written when they were made.
const MOST_OWED: usize = 100_000;

/// One change of a table.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Put(Table, Record),
    /// In the place of what is there, and of nothing.
    Update(Table, Record),
    Remove(Table, Key),
}

/// For how long one is tried for that another process has, which may be about to let go of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often.
const PAUSE: Duration = Duration::from_millis(20);

/// How a database is opened.
type Opening = fn(&Path) -> Result<Database, redb::Error>;

/// The way to the thread that writes.
pub(super) struct Journal {
    path: PathBuf,
    sender: Option<mpsc::Sender<Message>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// What the thread is told.
enum Message {
    Write(Batch),
    Release,
}

/// Changes that belong together.
struct Batch {
    changes: Vec<Change>,
    /// Whether they are owed when they cannot be written.
    insists: bool,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// What becomes of changes.
pub(super) enum Written {
    /// It is being done.
    Underway {
        path: PathBuf,
        done: Option<oneshot::Receiver<Result<(), StoreError>>>,
    },
    /// There is nothing to do.
    Nothing,
}

impl Written {
    /// Of no changes.
    pub(super) fn nothing() -> Self {
        Self::Nothing
    }

    /// Waits until they are on the disk.
    ///
    /// # Errors
    /// They could not be written.
    pub(super) async fn done(self) -> Result<(), StoreError> {
        let (path, done) = match self {
            Self::Nothing => return Ok(()),
            Self::Underway { path, done } => (path, done),
        };
        let ended = StoreError::Ended { path };
        match done {
            None => Err(ended),
            Some(done) => done.await.unwrap_or(Err(ended)),
        }
    }
}

impl Journal {
    /// Opens a database and reads all of it. One that does not exist is made with the first change.
    ///
    /// # Errors
    /// It is there, and cannot be used.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<(Table, Record)>), StoreError> {
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::start(path, None),
            Err(error) => Err(StoreError::new(path, error.into())),
            Ok(_) => Self::start(path, Some(open)),
        }
    }

    /// The same, but makes one that does not exist.
    ///
    /// # Errors
    /// It cannot be used or made.
    pub(super) fn open_or_make(path: &Path) -> Result<(Self, Vec<(Table, Record)>), StoreError> {
        Self::start(path, Some(open_or_make))
    }

    fn start(path: &Path, open: Option<Opening>) -> Result<(Self, Vec<(Table, Record)>), StoreError> {
        let wrong = |error| StoreError::new(path, error);
        let database = open
            .map(|open| patiently(path, open))
            .transpose()
            .map_err(wrong)?;
        let records = match &database {
            None => Vec::new(),
            Some(database) => read(database).map_err(wrong)?,
        };
        let (sender, batches) = mpsc::channel();
        let mut writer = Writer {
            path: path.to_owned(),
            database,
            owed: Vec::new(),
            released: false,
        };
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run(&batches))
            .map_err(|error| wrong(error.into()))?;
        let journal = Self {
            path: path.to_owned(),
            sender: Some(sender),
            thread: Some(thread),
        };
        Ok((journal, records))
    }

    /// Writes changes, all of them or none.
    pub(super) fn write(&self, changes: Vec<Change>) -> Written {
        self.send(changes, false)
    }

    /// Writes changes that count already: what cannot be written now is tried again, until it can.
    pub(super) fn insist(&self, changes: Vec<Change>) -> Written {
        self.send(changes, true)
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Lets go of the file.
    pub(super) fn release(&self) {
        // A thread that is gone has let go of it.
        let _ = self.sender.as_ref().map(|sender| sender.send(Message::Release));
    }

    fn send(&self, changes: Vec<Change>, insists: bool) -> Written {
        let (done, receiver) = oneshot::channel();
        let batch = Batch {
            changes,
            insists,
            done,
        };
        let sent = self
            .sender
            .as_ref()
            .map(|sender| sender.send(Message::Write(batch)));
        Written::Underway {
            path: self.path.clone(),
            done: matches!(sent, Some(Ok(()))).then_some(receiver),
        }
    }
}

/// What was sent is written before the file is closed.
impl Drop for Journal {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // Its panic has been reported where it happened, and nobody waits for it any more.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Journal").field(&self.path).finish()
    }
}

/// What the thread has.
struct Writer {
    path: PathBuf,
    database: Option<Database>,
    owed: Vec<Change>,
    released: bool,
}

impl Writer {
    fn run(&mut self, messages: &mpsc::Receiver<Message>) {
        loop {
            let first = match self.owed.is_empty() {
                true => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => messages.recv_timeout(AGAIN),
            };
            let (mut count, mut together) = (0, Vec::new());
            let mut next = match first {
                Ok(first) => Some(first),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    self.write_and_tell(Vec::new());
                    return;
                }
            };
            while let Some(message) = next {
                match message {
                    Message::Release => self.released = true,
                    Message::Write(batch) => {
                        count += batch.changes.len();
                        together.push(batch);
                    }
                }
                next = if count < TOGETHER {
                    messages.try_recv().ok()
                } else {
                    None
                };
            }
            self.write_and_tell(together);
            if self.released {
                self.database = None;
            }
        }
    }

    /// Writes changes together, and tells everybody who waits how it went.
    fn write_and_tell(&mut self, together: Vec<Batch>) {
        if together.is_empty() && self.owed.is_empty() {
            return;
        }
        let result = self.write(&together);
        match &result {
            Ok(()) => self.owed.clear(),
            Err(error) => {
                let source = std::error::Error::source(error).map(ToString::to_string);
                tracing::error!(source, "{error}: nothing can be remembered");
                let insisted = together.iter().filter(|batch| batch.insists);
                self.owed
                    .extend(insisted.flat_map(|batch| batch.changes.iter().cloned()));
                self.owed.truncate(MOST_OWED);
                // After an error it must be opened anew, and so it is with the next change.
                self.database = None;
            }
        }
        for batch in together {
            // Whoever does not wait for it has no need to know.
            let _ = batch.done.send(result.clone());
        }
    }

    fn write(&mut self, batches: &[Batch]) -> Result<(), StoreError> {
        let wrong = |error| StoreError::new(&self.path, error);
        let database = match self.database.take() {
            Some(database) => database,
            None => open_or_make(&self.path).map_err(wrong)?,
        };
        let changes = batches.iter().flat_map(|batch| &batch.changes);
        write(&database, self.owed.iter().chain(changes)).map_err(wrong)?;
        self.database = Some(database);
        Ok(())
    }
}

/// Opens a database, and where another process has it, tries again for a while.
fn patiently(path: &Path, open: Opening) -> Result<Database, redb::Error> {
    let mut tries = PATIENCE.as_millis() / PAUSE.as_millis();
    loop {
        match open(path) {
            Err(redb::Error::DatabaseAlreadyOpen) if tries > 0 => {
                tries -= 1;
                // Nobody tells when it does.
                thread::park_timeout(PAUSE);
            }
            opened => return opened,
        }
    }
}

fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

fn open(path: &Path) -> Result<Database, redb::Error> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    // The library takes an empty file for one that is to be begun. Ours are never empty.
    if file.metadata()?.len() == 0 {
        return Err(redb::Error::Corrupted("the file is empty".to_owned()));
    }
    Ok(Builder::new()
        .set_cache_size(CACHE_BYTES)
        .create_with_backend(FileBackend::new(file)?)?)
}

fn open_or_make(path: &Path) -> Result<Database, redb::Error> {
    if fs::exists(path)? {
        return open(path);
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Whole or not at all: what a crash leaves of a draft is in nobody's way.
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    let database = Builder::new()
        .set_cache_size(CACHE_BYTES)
        .create_with_backend(FileBackend::new(file)?)?;
    write(&database, [].iter())?;
    fs::rename(&draft, path)?;
    fs::File::open(folder)?.sync_all()?;
    Ok(database)
}

/// Everything in a database. A value begins with its end, in milliseconds since 1970.
fn read(database: &Database) -> Result<Vec<(Table, Record)>, redb::Error> {
    let mut records = Vec::new();
    let transaction = database.begin_read()?;
    for table in Table::ALL {
        let stored = match transaction.open_table(definition(table)) {
            Ok(stored) => stored,
            Err(TableError::TableDoesNotExist(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        for entry in stored.iter()? {
            let (key, value) = entry?;
            let record = Key::of_bytes(key.value()).zip(value.value().split_first_chunk());
            let (key, (expires, value)) = record.ok_or_else(|| {
                redb::Error::Corrupted(format!("a record of {} is too short", table.name()))
            })?;
            let record = Record {
                key,
                value: value.to_owned(),
                expires: Timestamp::from_unix_millis(u64::from_be_bytes(*expires)),
            };
            records.push((table, record));
        }
    }
    Ok(records)
}

fn write<'a>(database: &Database, changes: impl Iterator<Item = &'a Change>) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    for change in changes {
        match change {
            Change::Put(table, record) | Change::Update(table, record) => {
                let mut stored = transaction.open_table(definition(*table))?;
                let key = record.key.bytes();
                if matches!(change, Change::Update(..)) && stored.get(key.as_slice())?.is_none() {
                    continue;
                }
                let expires = record.expires.unix_millis().to_be_bytes();
                let value = [&expires, record.value.as_slice()].concat();
                stored.insert(key.as_slice(), value.as_slice())?;
            }
            Change::Remove(table, key) => {
                transaction
                    .open_table(definition(*table))?
                    .remove(key.bytes().as_slice())?;
            }
        }
    }
    Ok(transaction.commit()?)
}
