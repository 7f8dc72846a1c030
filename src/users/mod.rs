//! People: who they are, and whether a password is theirs.
//!
//! [`mod@file`] reads the user file, [`edit`] and [`import`] change it, [`password`] knows hash formats,
//! [`hashing`] computes them on threads of its own, [`sign_in`] is the one procedure that all of it is
//! for. Nothing here knows HTTP.

use std::sync::{Arc, OnceLock};

use crate::identity::{Identity, Stamp, UserName};

pub mod edit;
pub mod file;
pub mod hashing;
pub mod import;
pub mod password;
pub mod sign_in;

pub use file::{DirectoryError, UserDirectory, UserFile, UserFileError};
pub use password::PasswordHash;

/// A user as the directory knows them.
#[derive(Debug)]
pub struct User {
    /// The unique name.
    pub username: UserName,
    /// What to call them.
    pub name: Option<String>,
    /// Their e-mail address.
    pub email: Option<String>,
    /// What they may do, as routes name it.
    pub roles: Vec<String>,
    /// Whether they are kept out for the time being.
    pub disabled: bool,
    /// Without one they cannot sign in with a password.
    pub password: Option<PasswordHash>,
    /// All of the above but `disabled`, in short.
    pub stamp: Stamp,
    identity: OnceLock<Arc<Identity>>,
}

impl User {
    /// The person as rules, headers and logs see them: one for all sessions, made when they first sign in.
    pub fn identity(&self) -> Arc<Identity> {
        let made = self.identity.get_or_init(|| {
            Arc::new(Identity::new(
                self.username.clone(),
                self.name.clone(),
                self.email.clone(),
                self.roles.clone(),
                Some(self.stamp.clone()),
            ))
        });
        Arc::clone(made)
    }
}
