//! `portcullis key …`: the keys that sign tokens.

use std::{io::Write, path::Path};

use clap::Subcommand;
use serde::Serialize;

use super::{Failure, rfc3339};
use crate::{
    clock::Clock,
    config,
    token::keys::{KeyFolder, KeyInfo, KeyState},
};

/// Lists and changes the keys that sign tokens
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Lists all keys that are good for something
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Makes a key that is published at once and signs after `rotate`, so that others know it by then
    Generate,
    /// Lets the published key sign, or a new one; tokens of the one before it stay good until they expire
    Rotate,
    /// Takes a key out of use at once, and with it every token that it has signed
    Retire {
        /// Its id, or the beginning of it
        #[arg(allow_hyphen_values = true)]
        id: String,
    },
}

/// Runs the command on the key folder of `config`. Gateways that use the folder follow within seconds.
pub(super) fn run(command: &KeyCommand, config: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let config = config::load(config).map_err(Failure::Problems)?.config;
    execute(command, &config.token, out).map_err(Failure::Setup)
}

fn execute(command: &KeyCommand, config: &config::TokenConfig, out: &mut impl Write) -> anyhow::Result<()> {
    let folder = KeyFolder::of(config)?;
    match command {
        KeyCommand::List { json } => list(&folder.list(Clock::System.now())?, *json, out)?,
        KeyCommand::Generate => {
            let file = folder.generate()?;
            writeln!(
                out,
                "made {}; it signs after `portcullis key rotate`",
                file.display()
            )?;
        }
        KeyCommand::Rotate => {
            let file = folder.rotate()?;
            writeln!(out, "{} signs from now on", file.display())?;
        }
        KeyCommand::Retire { id } => {
            let file = folder.retire(id)?;
            writeln!(out, "retired; the key is kept as {}", file.display())?;
        }
    }
    Ok(())
}

/// A key as `list --json` shows it.
#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    algorithm: &'a str,
    state: &'static str,
    verifies_until: Option<String>,
    file: &'a Path,
}

fn list(keys: &[KeyInfo], json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    if json {
        let keys = keys
            .iter()
            .map(|key| {
                Ok(Listed {
                    id: &key.id,
                    algorithm: &key.algorithm,
                    state: match key.state {
                        KeyState::Signs => "signs",
                        KeyState::Next => "next",
                        KeyState::VerifiesUntil(_) => "verifies",
                    },
                    verifies_until: match key.state {
                        KeyState::VerifiesUntil(until) => Some(rfc3339(until)?),
                        KeyState::Signs | KeyState::Next => None,
                    },
                    file: &key.file,
                })
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&keys)?)?);
    }
    if keys.is_empty() {
        return Ok(writeln!(out, "there is no key yet; the first start makes one")?);
    }
    for key in keys {
        let state = match key.state {
            KeyState::Signs => "signs".to_owned(),
            KeyState::Next => "published, signs after `portcullis key rotate`".to_owned(),
            KeyState::VerifiesUntil(until) => format!("verifies until {}", rfc3339(until)?),
        };
        writeln!(out, "{}  {:5}  {state}", key.id, key.algorithm)?;
    }
    Ok(())
}
