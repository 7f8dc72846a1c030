//! Taking users over from an `.htpasswd` file.

use super::{
    edit::{EditError, NewUser, UserFileEdit},
    password::PasswordHash,
};
use crate::identity::UserName;

/// What became of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imported {
    /// The user was added.
    Added(UserName),
    /// There is such a user already, who was left alone.
    Exists(UserName),
    /// The line was not taken over.
    Skipped {
        /// The line, from 1.
        line: usize,
        /// The name on it, if there is one.
        name: Option<UserName>,
        /// Why; never shows the hash.
        reason: String,
    },
}

/// Adds the users of an `.htpasswd` file whose hashes can be checked. Lines that cannot be taken over are told,
/// and keep nobody else from coming along.
///
/// # Errors
/// The user file cannot be changed.
pub fn htpasswd(edit: &mut UserFileEdit, text: &str) -> Result<Vec<Imported>, EditError> {
    let mut outcomes = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let skipped = |name, reason: String| Imported::Skipped {
            line: line_number,
            name,
            reason,
        };
        let Some((name, hash)) = line.split_once(':') else {
            outcomes.push(skipped(None, "it is not of the form name:hash".to_owned()));
            continue;
        };
        let username = match UserName::parse(name) {
            Ok(username) => username,
            Err(error) => {
                outcomes.push(skipped(None, error.to_string()));
                continue;
            }
        };
        if edit.contains(&username) {
            outcomes.push(Imported::Exists(username));
            continue;
        }
        if let Err(error) = PasswordHash::parse(hash) {
            outcomes.push(skipped(Some(username), error.to_string()));
            continue;
        }
        edit.add(NewUser {
            username: username.clone(),
            display_name: None,
            email: None,
            roles: Vec::new(),
            password_hash: hash.to_owned(),
        })?;
        outcomes.push(Imported::Added(username));
    }
    Ok(outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_checked_is_taken_over_and_the_rest_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.toml");
        std::fs::write(&path, "[[user]]\nname = \"alice\"\n").unwrap();
        let mut edit = UserFileEdit::open(&path).unwrap();
        let bcrypt = "$2y$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i";
        let text =
            format!("# ours\n\nalice:{bcrypt}\nbob:{bcrypt}\ncarol:$apr1$x$y\ndave\nbob:{bcrypt}\n:x\n");
        let name = |name| UserName::parse(name).unwrap();
        let outcomes = htpasswd(&mut edit, &text).unwrap();
        assert_eq!(outcomes[0], Imported::Exists(name("alice")));
        assert_eq!(outcomes[1], Imported::Added(name("bob")));
        let Imported::Skipped {
            line: 5,
            name: Some(carol),
            reason,
        } = &outcomes[2]
        else {
            panic!("{outcomes:?}")
        };
        assert_eq!(
            (carol.as_str(), reason.as_str()),
            ("carol", "the hash format `$apr1$` is not supported")
        );
        assert!(matches!(
            &outcomes[3],
            Imported::Skipped {
                line: 6,
                name: None,
                ..
            }
        ));
        assert_eq!(outcomes[4], Imported::Exists(name("bob")));
        assert!(matches!(
            &outcomes[5],
            Imported::Skipped {
                line: 8,
                name: None,
                ..
            }
        ));
        edit.save().unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains(bcrypt));
    }
}
