//! `portcullis user …`: edits the user file of the configuration in place.

use std::{
    io::{self, IsTerminal, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::Failure;
use crate::{
    config::{self, UsersConfig},
    identity::UserName,
    users::{
        User, UserFile,
        edit::{NewUser, UserFileEdit},
        import::{self, Imported},
        password,
        sign_in::MAX_PASSWORD_BYTES,
    },
};

/// Edits the user file
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Adds a user
    Add {
        /// The name to sign in with
        name: String,
        /// What to call them
        #[arg(long, value_name = "TEXT")]
        display_name: Option<String>,
        /// Their e-mail address
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        /// A role; may be given several times
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Sets a user's password
    Passwd {
        /// Whose
        name: String,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Keeps a user out until they are enabled again
    Disable {
        /// Whom
        name: String,
    },
    /// Lets a disabled user in again
    Enable {
        /// Whom
        name: String,
    },
    /// Takes a user out of the file
    Remove {
        /// Whom
        name: String,
    },
    /// Lists all users, without their hashes
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Takes users over from another file
    Import {
        /// An .htpasswd file
        #[arg(long, value_name = "FILE")]
        htpasswd: PathBuf,
    },
}

/// Where a password comes from: never from the arguments, which other users of the machine can read.
#[derive(Debug, Clone, Args)]
pub(crate) struct PasswordSource {
    /// Reads the password from standard input, up to the end of its line, instead of asking for it
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordSource {
    /// The password.
    pub(super) fn read(&self) -> anyhow::Result<SecretString> {
        let password = if self.password_stdin || !io::stdin().is_terminal() {
            from_stdin()?
        } else {
            let first = rpassword::prompt_password("Password: ").context("cannot ask for the password")?;
            let second = rpassword::prompt_password("Once more: ").context("cannot ask for the password")?;
            ensure!(first == second, "the two passwords differ");
            first.into()
        };
        let length = password.expose_secret().len();
        ensure!(length > 0, "the password is empty");
        ensure!(
            length <= MAX_PASSWORD_BYTES,
            "the password is longer than {MAX_PASSWORD_BYTES} bytes"
        );
        Ok(password)
    }
}

fn from_stdin() -> anyhow::Result<SecretString> {
    let mut text = String::new();
    // One byte more than a line can have: enough to see that it is too long.
    let most = MAX_PASSWORD_BYTES as u64 + 3;
    io::stdin()
        .take(most)
        .read_to_string(&mut text)
        .context("cannot read the password from standard input")?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    ensure!(!line.contains('\n'), "the password is more than one line");
    Ok(line.to_owned().into())
}

/// Runs the command on the user file of `config`.
pub(super) fn run(command: &UserCommand, config: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let users = users_config(config)?;
    execute(command, &users, out).map_err(Failure::Setup)
}

/// `[users]` of the configuration. Without the file, what a newcomer has: `users.toml` beside it.
pub(super) fn users_config(config: &Path) -> Result<UsersConfig, Failure> {
    // Somebody who adds a user need not know the secret that signs tokens: where its variable is not set, any will do.
    let environment = |name: &str| std::env::var(name).ok().or_else(|| Some("x".repeat(64)));
    if config.exists() {
        return config::load_in(config, &environment)
            .map(|loaded| loaded.config.users)
            .map_err(Failure::Problems);
    }
    let smallest = "[[route]]\nupstream = \"http://127.0.0.1:3000\"\n".to_owned();
    config::load_str(smallest, config, &|_| None)
        .map(|loaded| loaded.config.users)
        .map_err(Failure::Problems)
}

fn execute(command: &UserCommand, users: &UsersConfig, out: &mut impl Write) -> anyhow::Result<()> {
    let file = users.file.as_path();
    let hash = |source: &PasswordSource| -> anyhow::Result<String> {
        Ok(password::hash(
            source.read()?.expose_secret().as_bytes(),
            users.argon2,
        )?)
    };
    match command {
        UserCommand::Add {
            name,
            display_name,
            email,
            roles,
            password,
        } => {
            let username = UserName::parse(name)?;
            // Said before a password is asked for.
            if UserFileEdit::open(file)?.contains(&username) {
                bail!("there is a user called \"{username}\" already");
            }
            let password_hash = hash(password)?;
            let new = NewUser {
                username: username.clone(),
                display_name: display_name.clone(),
                email: email.clone(),
                roles: roles.clone(),
                password_hash,
            };
            let mut edit = UserFileEdit::open(file)?;
            edit.add(new)?;
            edit.save()?;
            writeln!(out, "added {username} to {}", file.display())?;
        }
        UserCommand::Passwd { name, password } => {
            let username = existing(file, name)?;
            let password_hash = hash(password)?;
            change(file, |edit| Ok(edit.set_password(&username, &password_hash)?))?;
            writeln!(out, "changed the password of {username}")?;
        }
        UserCommand::Disable { name } => {
            let username = existing(file, name)?;
            change(file, |edit| Ok(edit.set_disabled(&username, true)?))?;
            writeln!(out, "disabled {username}")?;
        }
        UserCommand::Enable { name } => {
            let username = existing(file, name)?;
            change(file, |edit| Ok(edit.set_disabled(&username, false)?))?;
            writeln!(out, "enabled {username}")?;
        }
        UserCommand::Remove { name } => {
            let username = existing(file, name)?;
            change(file, |edit| Ok(edit.remove(&username)?))?;
            writeln!(out, "removed {username}")?;
        }
        UserCommand::List { json } => list(file, users.hash_memory, *json, out)?,
        UserCommand::Import { htpasswd } => {
            let text = std::fs::read_to_string(htpasswd)
                .with_context(|| format!("cannot read {}", htpasswd.display()))?;
            let mut edit = UserFileEdit::open(file)?;
            let outcomes = import::htpasswd(&mut edit, &text)?;
            edit.save()?;
            tell(&outcomes, htpasswd, out)?;
        }
    }
    Ok(())
}

fn existing(file: &Path, name: &str) -> anyhow::Result<UserName> {
    let username = UserName::parse(name)?;
    ensure!(
        UserFileEdit::open(file)?.contains(&username),
        "there is no user called \"{username}\" in {}",
        file.display()
    );
    Ok(username)
}

fn change(file: &Path, change: impl FnOnce(&mut UserFileEdit) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut edit = UserFileEdit::open(file)?;
    change(&mut edit)?;
    Ok(edit.save()?)
}

/// A user as `list` shows them.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    display_name: Option<&'a str>,
    email: Option<&'a str>,
    roles: &'a [String],
    disabled: bool,
    has_password: bool,
}

impl<'a> Listed<'a> {
    fn of(user: &'a User) -> Self {
        Self {
            name: user.username.as_str(),
            display_name: user.name.as_deref(),
            email: user.email.as_deref(),
            roles: &user.roles,
            disabled: user.disabled,
            has_password: user.password.is_some(),
        }
    }

    fn columns(&self) -> [String; 5] {
        let state = match (self.disabled, self.has_password) {
            (true, _) => "disabled",
            (false, true) => "active",
            (false, false) => "no password",
        };
        [
            self.name.to_owned(),
            self.display_name.unwrap_or("-").to_owned(),
            self.email.unwrap_or("-").to_owned(),
            if self.roles.is_empty() {
                "-".to_owned()
            } else {
                self.roles.join(",")
            },
            state.to_owned(),
        ]
    }
}

fn list(file: &Path, hash_memory: u64, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let file = UserFile::load(file, hash_memory)?;
    let users: Vec<Listed<'_>> = file.users().iter().map(|user| Listed::of(user)).collect();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&users)?)?;
        return Ok(());
    }
    let heading = ["NAME", "DISPLAY NAME", "E-MAIL", "ROLES", "STATE"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(heading)
        .chain(users.iter().map(Listed::columns))
        .collect();
    let mut widths = [0; 5];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in &rows {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

fn tell(outcomes: &[Imported], from: &Path, out: &mut impl Write) -> anyhow::Result<()> {
    let mut added = 0;
    for outcome in outcomes {
        match outcome {
            Imported::Added(_) => added += 1,
            Imported::Exists(name) => writeln!(out, "{name}: is there already, left as it is")?,
            Imported::Skipped { line, name, reason } => {
                let who = name
                    .as_ref()
                    .map_or_else(String::new, |name| format!(" ({name})"));
                writeln!(out, "{}:{line}{who}: not imported: {reason}", from.display())?;
            }
        }
    }
    writeln!(out, "imported {added} of {} users", outcomes.len())?;
    Ok(())
}
