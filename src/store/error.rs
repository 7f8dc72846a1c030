//! Why records can neither be read nor written.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Why what is remembered can neither be read nor written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It can neither be read nor made.
    #[error("cannot use {}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<redb::Error>,
    },
    /// What is in it is no database, or a broken one.
    #[error("{} is damaged; put a copy of it back, or move it away, and with it every sign-in and revocation that it holds", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: Arc<redb::Error>,
    },
    /// Another process has it open.
    #[error("{} is used by another gateway; each needs a `state` of its own in [server]", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The Redis does not answer, or refuses.
    #[error("the Redis at {store} cannot be reached")]
    Unreachable {
        /// Where it is.
        store: String,
        /// Why.
        #[source]
        source: Arc<redis::RedisError>,
    },
    /// The thread that writes is gone.
    #[error("nothing can be written to {} any more", path.display())]
    Ended {
        /// The file.
        path: PathBuf,
    },
}

impl StoreError {
    pub(super) fn new(path: &Path, error: redb::Error) -> Self {
        let (path, source) = (path.to_owned(), Arc::new(error));
        match &*source {
            redb::Error::DatabaseAlreadyOpen => Self::InUse { path },
            redb::Error::Corrupted(_) | redb::Error::UpgradeRequired(_) => Self::Damaged { path, source },
            // What does not begin as a database does.
            redb::Error::Io(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ) =>
            {
                Self::Damaged { path, source }
            }
            _ => Self::Unusable { path, source },
        }
    }
}
