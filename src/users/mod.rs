//! People: who they are, and whether a password is theirs.
//!
//! [`mod@file`] reads the user file, [`edit`] and [`import`] change it, [`password`] knows hash formats,
//! [`hashing`] computes them on threads of its own, [`sign_in`] is the one procedure that all of it is
//! for. Nothing here knows HTTP.

use crate::identity::{Identity, UserName};

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
}

impl User {
    /// Whether nothing has changed that a session rests on.
    fn is_the_same_as(&self, other: &Self) -> bool {
        self.identity() == other.identity()
            && self.disabled == other.disabled
            && self.password == other.password
    }

    /// The person as rules, headers and logs see them.
    pub fn identity(&self) -> Identity {
        Identity {
            username: self.username.clone(),
            name: self.name.clone(),
            email: self.email.clone(),
            roles: self.roles.clone(),
        }
    }
}
