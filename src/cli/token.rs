//! `portcullis token …`: makes tokens, lists and ends those for scripts, and says what one is.

use std::{
    fmt,
    io::{self, Read, Write},
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::Subcommand;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;

use super::{Failure, rfc3339};
use crate::{
    clock::{Clock, Timestamp},
    config::{self, Config},
    gateway::PERSONAL_TOKENS,
    identity::{Identity, UserName},
    token::{
        KeyRing, PersonalTokens, SignedToken, Trusts,
        issue::{Wanted, issue},
        personal::{self, NewToken, PersonalToken},
        refresh,
    },
    users::UserFile,
};

/// The longest token that is read, in bytes.
const MAX_TOKEN: u64 = 64 * 1024;

/// How long a personal token lives, unless somebody says otherwise.
const PERSONAL_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);

/// Makes tokens, lists and ends those for scripts, and says what one is
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Makes a token for a user and prints it
    ///
    /// Without --name it is a signed token as programs get one for a password. With a name it is a personal one, for
    /// scripts: it is listed, remembers when it was used, and can be ended.
    Issue {
        /// Whose
        user: String,
        /// Makes a personal token and calls it this
        #[arg(long, value_name = "TEXT", conflicts_with = "audience")]
        name: Option<String>,
        /// What it is for; may be given several times. Without, it is for whatever the user may do
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// How long it counts, such as 1h or 90d
        #[arg(long, value_name = "DURATION", value_parser = lifetime)]
        lifetime: Option<Duration>,
        /// Whom a signed token is for, in place of `audience` in `[token]`
        #[arg(long)]
        audience: Option<String>,
    },
    /// Reads a token from standard input and says what it is and whether it counts
    Inspect,
    /// Lists the personal tokens
    List {
        /// Only this user's
        user: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Ends a personal token
    Revoke {
        /// Its id, as `list` shows it
        id: String,
    },
}

fn lifetime(text: &str) -> Result<Duration, String> {
    config::units::duration(text)
}

/// Runs the command with the keys, users and state folder of `config`. A gateway that uses them follows within seconds.
pub(super) fn run(command: &TokenCommand, config: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let config = config::load(config).map_err(Failure::Problems)?.config;
    let now = Clock::System.now();
    match command {
        TokenCommand::Issue {
            user,
            name,
            scopes,
            lifetime,
            audience,
        } => {
            let scopes = (!scopes.is_empty()).then_some(scopes.as_slice());
            let token = match name {
                Some(name) => issue_personal(&config, user, name, scopes, *lifetime, now),
                None => issue_signed(&config, user, scopes, *lifetime, audience.as_deref(), now),
            };
            let token = token.map_err(Failure::Setup)?;
            writeln!(out, "{}", token.expose_secret()).context("cannot print the token")?;
            Ok(())
        }
        TokenCommand::Inspect => {
            let counts = inspect(&config, &from_stdin()?, now, out)?;
            if counts { Ok(()) } else { Err(Failure::Said(1)) }
        }
        TokenCommand::List { user, json } => {
            list(&config, user.as_deref(), *json, now, out).map_err(Failure::Setup)
        }
        TokenCommand::Revoke { id } => {
            let tokens = personal_tokens(&config).map_err(Failure::Setup)?;
            let all = tokens.all(now);
            let token = all.iter().find(|token| token.id == *id);
            let token = token
                .with_context(|| {
                    format!("there is no personal token {id}; `portcullis token list` shows them")
                })
                .map_err(Failure::Setup)?;
            let revoked = tokens.revoke(&token.user, id, now);
            revoked.map_err(|error| Failure::Running(error.into()))?;
            writeln!(out, "ended \"{}\" of {}", token.name, token.user).context("cannot print the result")?;
            Ok(())
        }
    }
}

fn personal_tokens(config: &Config) -> anyhow::Result<PersonalTokens> {
    Ok(PersonalTokens::open(config.server.state.join(PERSONAL_TOKENS))?)
}

/// A user who may have a token now.
fn person(config: &Config, name: &str) -> anyhow::Result<std::sync::Arc<Identity>> {
    let users = UserFile::load(&config.users.file, config.users.hash_memory)?;
    let name = UserName::parse(name)?;
    let user = users
        .find(&name)
        .with_context(|| format!("there is no user called \"{name}\""))?;
    ensure!(!user.disabled, "{name} is disabled");
    Ok(user.identity())
}

fn issue_personal(
    config: &Config,
    user: &str,
    name: &str,
    scopes: Option<&[String]>,
    lifetime: Option<Duration>,
    now: Timestamp,
) -> anyhow::Result<SecretString> {
    let new = NewToken {
        name,
        scopes: scopes.map(<[String]>::to_vec),
        lifetime: lifetime.unwrap_or(PERSONAL_LIFETIME),
    };
    check_scopes(scopes)?;
    let (_, text) = personal_tokens(config)?.issue(&*person(config, user)?, new, now)?;
    Ok(text)
}

fn issue_signed(
    config: &Config,
    user: &str,
    scopes: Option<&[String]>,
    lifetime: Option<Duration>,
    audience: Option<&str>,
    now: Timestamp,
) -> anyhow::Result<SecretString> {
    check_scopes(scopes)?;
    let scope = scopes.map(|scopes| scopes.join(" "));
    let token = &config.token;
    let wanted = Wanted {
        scope: scope.as_deref(),
        audience,
        lifetime: lifetime.unwrap_or(token.lifetime),
        ..Wanted::plain(token, now)
    };
    let keys = KeyRing::open(token)?;
    if wanted.lifetime > token.lifetime {
        keys.outlive(now.after(wanted.lifetime))?;
    }
    Ok(issue(&keys, token, &*person(config, user)?, &wanted, now)?.token)
}

/// Scopes as RFC 6749, section 3.3 has them.
fn check_scopes(scopes: Option<&[String]>) -> anyhow::Result<()> {
    for scope in scopes.unwrap_or_default() {
        let is_word = scope
            .bytes()
            .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        ensure!(
            is_word && !scope.is_empty(),
            "\"{scope}\" is no scope; it is one word of plain letters and signs, without quotes"
        );
    }
    Ok(())
}

fn from_stdin() -> anyhow::Result<SecretString> {
    let mut text = String::new();
    io::stdin()
        .take(MAX_TOKEN)
        .read_to_string(&mut text)
        .context("cannot read the token from standard input")?;
    let token = text.trim();
    let token = token.strip_prefix("Bearer ").unwrap_or(token).trim_start();
    ensure!(!token.is_empty(), "there is no token on standard input");
    Ok(token.to_owned().into())
}

/// Prints what a token is; whether it counts, as far as can be told without asking the gateway.
fn inspect(
    config: &Config,
    token: &SecretString,
    now: Timestamp,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let token = token.expose_secret();
    if token.starts_with(refresh::PREFIX) {
        bail!(
            "this is a refresh token: only the gateway that made it can tell what it is for, at /.auth/introspect"
        );
    }
    if token.starts_with(personal::PREFIX) {
        let tokens = personal_tokens(config)?;
        let Some(token) = tokens.find(token, now) else {
            writeln!(out, "this is no personal token of ours, or not any more")?;
            return Ok(false);
        };
        writeln!(out, "{}", serde_json::to_string_pretty(&Listed::of(&token)?)?)?;
        return Ok(true);
    }
    for part in token.split('.').take(2) {
        let decoded = URL_SAFE_NO_PAD.decode(part).ok();
        let document: Option<Value> = decoded.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        match document {
            Some(document) => writeln!(out, "{}", serde_json::to_string_pretty(&document)?)?,
            None => writeln!(out, "(not readable)")?,
        }
    }
    let keys = KeyRing::existing(&config.token)?;
    let checked = SignedToken::verify(&keys, &Trusts::default(), token, now)
        .and_then(|signed| signed.bearer(&config.token, now).cloned());
    match checked {
        Ok(bearer) => {
            let expires = bearer.own.as_ref().map_or(0, |own| own.expires);
            let until = rfc3339(Timestamp::from_unix_seconds(expires))?;
            writeln!(
                out,
                "signed by one of our keys, and counts until {until} unless it is revoked"
            )?;
            Ok(true)
        }
        Err(error) => {
            writeln!(out, "does not count: {error}")?;
            Ok(false)
        }
    }
}

/// A personal token as `list --json` shows it.
#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    user: &'a str,
    name: &'a str,
    scopes: Option<&'a [String]>,
    created: String,
    expires: String,
    last_used: Option<String>,
}

impl<'a> Listed<'a> {
    fn of(token: &'a PersonalToken) -> anyhow::Result<Self> {
        Ok(Self {
            id: &token.id,
            user: token.user.as_str(),
            name: &token.name,
            scopes: token.scopes.as_deref(),
            created: rfc3339(token.created)?,
            expires: rfc3339(token.expires)?,
            last_used: token.last_use().map(rfc3339).transpose()?,
        })
    }
}

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            user,
            name,
            expires,
            ..
        } = self;
        write!(f, "{id}  {user}  \"{name}\"  ")?;
        match self.scopes {
            None => f.write_str("all scopes")?,
            Some(scopes) => write!(f, "for {}", scopes.join(" "))?,
        }
        write!(f, ", until {expires}, ")?;
        match &self.last_used {
            None => f.write_str("never used"),
            Some(when) => write!(f, "used {when}"),
        }
    }
}

fn list(
    config: &Config,
    user: Option<&str>,
    json: bool,
    now: Timestamp,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let tokens = personal_tokens(config)?.all(now);
    let wanted = |token: &&std::sync::Arc<PersonalToken>| user.is_none_or(|user| token.user.as_str() == user);
    let listed = tokens.iter().filter(wanted).map(|token| Listed::of(token));
    let listed = listed.collect::<anyhow::Result<Vec<_>>>()?;
    if json {
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&listed)?)?);
    }
    if listed.is_empty() {
        return Ok(writeln!(out, "there is no personal token")?);
    }
    for token in listed {
        writeln!(out, "{token}")?;
    }
    Ok(())
}
