//! The one procedure by which a password becomes an identity, for pages and programs alike.

use std::{io, sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};

use super::{
    DirectoryError, PasswordHash, User, UserDirectory, UserFileError,
    hashing::{Hashing, HashingError},
    password::MakeHashError,
};
use crate::{
    config::UsersConfig,
    identity::{Identity, UserName},
};

/// The longest password that is looked at, in bytes. Longer than any passphrase, shorter than an attack.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// Signs people in against the user directory.
#[derive(Debug)]
pub struct SignIn {
    directory: Arc<UserDirectory>,
    hashing: Hashing,
    /// What a name is checked against where the directory has no hash to lend: at the price of a new user's.
    decoy: PasswordHash,
}

/// Why nobody can be signed in at all.
#[derive(Debug, thiserror::Error)]
pub enum SignInSetupError {
    /// The user file.
    #[error("the user file cannot be used")]
    Users(#[from] UserFileError),
    /// The decoy hash.
    #[error(transparent)]
    Decoy(#[from] MakeHashError),
    /// The hashing threads.
    #[error("cannot start a hashing thread")]
    Thread(#[source] io::Error),
}

/// Why somebody is not signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The pair is not right. The client is told this and nothing more.
    #[error("{0}")]
    BadCredentials(BadCredentials),
    /// The password is longer than [`MAX_PASSWORD_BYTES`].
    #[error("the password is longer than {MAX_PASSWORD_BYTES} bytes")]
    PasswordTooLong,
    /// Too many others are signing in.
    #[error("too many sign-ins are waiting")]
    Busy {
        /// When to come back.
        retry_after: Duration,
    },
    /// The directory cannot be asked.
    #[error("the user directory cannot be used: {0}")]
    Unavailable(#[from] DirectoryError),
    /// A stored hash cannot be checked.
    #[error("{0}")]
    HashingFailed(HashingError),
}

/// What exactly is not right: for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCredentials {
    /// The name cannot be anybody's.
    #[error("not a user name")]
    InvalidName,
    /// Nobody has this name.
    #[error("unknown user")]
    UnknownUser,
    /// The user has no password.
    #[error("the user has no password")]
    NoPassword,
    /// It is another one.
    #[error("wrong password")]
    WrongPassword,
    /// It is the right one, but the user is disabled.
    #[error("the user is disabled")]
    Disabled,
}

impl SignIn {
    /// Opens the directory and starts the hashing threads.
    ///
    /// # Errors
    /// The user file cannot be used, or a thread cannot be started.
    pub fn open(config: &UsersConfig) -> Result<Self, SignInSetupError> {
        let hashing = Hashing::start(config).map_err(SignInSetupError::Thread)?;
        Ok(Self {
            directory: Arc::new(UserDirectory::open(&config.file, hashing.share())?),
            hashing,
            decoy: PasswordHash::unmatchable(config.argon2)?,
        })
    }

    /// Checks a name and a password.
    ///
    /// Every wrong pair costs exactly one hash, computed by the same threads in the same way, so that neither the
    /// answer nor its time tells an unknown name from a wrong password. Whoever has no hash of their own, for want
    /// of a user or of a password, is lent one of the directory's: see [`UserDirectory::lent_hash`].
    ///
    /// # Errors
    /// Whatever went wrong, nobody is signed in.
    pub async fn password(&self, name: &str, password: SecretString) -> Result<Arc<Identity>, SignInError> {
        if password.expose_secret().len() > MAX_PASSWORD_BYTES {
            return Err(SignInError::PasswordTooLong);
        }
        let user = match UserName::parse(name) {
            Ok(username) => self.directory.find(&username)?.ok_or(BadCredentials::UnknownUser),
            Err(_) => Err(BadCredentials::InvalidName),
        };
        let own_hash = user.as_ref().ok().and_then(|user| user.password.clone());
        let has_own = own_hash.is_some();
        let hash = own_hash
            .or_else(|| self.directory.lent_hash(name))
            .unwrap_or_else(|| self.decoy.clone());
        let matches = self
            .hashing
            .verify(password, hash)
            .await
            .map_err(|error| match error {
                HashingError::Busy { retry_after } => SignInError::Busy { retry_after },
                HashingError::TooLarge | HashingError::Failed => SignInError::HashingFailed(error),
            })?;
        verdict(user, has_own, matches).map_err(SignInError::BadCredentials)
    }

    /// The people who can sign in.
    pub fn directory(&self) -> &Arc<UserDirectory> {
        &self.directory
    }

    /// How many hashes were computed so far.
    pub fn hashes_computed(&self) -> u64 {
        self.hashing.computed()
    }
}

/// What a look-up and a hash come to.
fn verdict(
    user: Result<Arc<User>, BadCredentials>,
    has_own_hash: bool,
    matches: bool,
) -> Result<Arc<Identity>, BadCredentials> {
    let user = user?;
    if !has_own_hash {
        // What was checked was a lent hash; whether it fits means nothing.
        return Err(BadCredentials::NoPassword);
    }
    if !matches {
        return Err(BadCredentials::WrongPassword);
    }
    if user.disabled {
        return Err(BadCredentials::Disabled);
    }
    Ok(user.identity())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Argon2Cost, users::password};

    const COST: Argon2Cost = Argon2Cost {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };

    fn sign_in() -> (tempfile::TempDir, SignIn) {
        let folder = tempfile::tempdir().unwrap();
        let hash = password::hash(b"secret", COST).unwrap();
        let users = format!(
            "[[user]]\nname = \"alice\"\npassword = \"{hash}\"\nroles = [\"staff\"]\n\
             [[user]]\nname = \"carol\"\npassword = \"{hash}\"\ndisabled = true\n\
             [[user]]\nname = \"dave\"\n"
        );
        let file = folder.path().join("users.toml");
        std::fs::write(&file, users).unwrap();
        let config = UsersConfig {
            file,
            argon2: COST,
            hash_memory: 64 * 1024 * 1024,
        };
        let sign_in = SignIn::open(&config).unwrap();
        (folder, sign_in)
    }

    fn ask(sign_in: &SignIn, name: &str, password: &str) -> Result<Arc<Identity>, SignInError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(sign_in.password(name, password.to_owned().into()))
    }

    #[test]
    fn only_the_right_pair_signs_in_and_every_pair_costs_one_hash() {
        let (_folder, sign_in) = sign_in();
        for (round, (name, password, reason)) in [
            ("alice", "secret", None),
            ("alice", "Secret", Some(BadCredentials::WrongPassword)),
            ("alice", "", Some(BadCredentials::WrongPassword)),
            ("Alice", "secret", Some(BadCredentials::UnknownUser)),
            ("bob", "secret", Some(BadCredentials::UnknownUser)),
            ("", "secret", Some(BadCredentials::InvalidName)),
            ("alice ", "secret", Some(BadCredentials::InvalidName)),
            ("alice\0", "secret", Some(BadCredentials::InvalidName)),
            ("carol", "secret", Some(BadCredentials::Disabled)),
            ("carol", "wrong", Some(BadCredentials::WrongPassword)),
            ("dave", "secret", Some(BadCredentials::NoPassword)),
            ("dave", "", Some(BadCredentials::NoPassword)),
        ]
        .into_iter()
        .enumerate()
        {
            match (ask(&sign_in, name, password), reason) {
                (Ok(identity), None) => assert_eq!(identity.username.as_str(), name),
                (Err(SignInError::BadCredentials(found)), Some(reason)) => {
                    assert_eq!(found, reason, "{name:?}");
                }
                (other, _) => panic!("{name:?} {password:?}: {other:?}"),
            }
            assert_eq!(
                sign_in.hashes_computed(),
                round as u64 + 1,
                "{name:?} {password:?}"
            );
        }
    }

    #[test]
    fn a_password_beyond_the_limit_is_refused_before_it_is_hashed() {
        let (_folder, sign_in) = sign_in();
        let result = ask(&sign_in, "alice", &"x".repeat(MAX_PASSWORD_BYTES + 1));
        assert!(matches!(result, Err(SignInError::PasswordTooLong)));
        assert_eq!(sign_in.hashes_computed(), 0);
    }
}
