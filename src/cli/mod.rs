//! The command line: what was typed, which command it is, and the exit code.
//!
//! 0: fine. 1: it failed while running. 2: the configuration or the arguments are wrong.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

mod admin;
mod check;
mod demo;
mod hash;
mod init;
mod key;
mod sample_app;
mod serve;
mod session;
mod token;
mod user;

use crate::{clock::Timestamp, config::Problem, users::UserFileError};

/// A login in front of unmodified web apps.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    /// The configuration
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        default_value = "gateway.toml"
    )]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the gateway (the default)
    Serve,
    /// Runs the gateway and a sample app behind it, with a user to sign in as
    Demo,
    /// Checks the configuration, the certificate, the keys and the user file without serving
    Check,
    /// Writes a commented gateway.toml, users.toml and a certificate for your own app
    Init {
        /// Where to
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Edits the user file
    #[command(subcommand)]
    User(user::UserCommand),
    /// Lists and changes the keys that sign tokens
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Makes tokens, lists and ends those for scripts, and says what one is
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Lists and ends sessions of a running gateway
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// Turns a password into its argon2id string
    Hash(hash::HashArgs),
    /// Runs the sample app alone
    SampleApp(sample_app::SampleAppArgs),
    /// Prints completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Why a command failed, by whose fault.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Problems of the configuration, each with its place.
    Problems(Vec<Problem>),
    /// Something else that has to be put right before it can run.
    Setup(anyhow::Error),
    /// It failed while running.
    Running(anyhow::Error),
    /// Everything was said already.
    Said(u8),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Running(error)
    }
}

/// Runs the command that was typed.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output, the rest to standard error; clap knows which.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match cli.command.as_ref().unwrap_or(&Command::Serve) {
        Command::Serve => {
            drop(out);
            serve::run(&cli.config)
        }
        Command::Demo => {
            drop(out);
            demo::run(&cli.config)
        }
        Command::Check => check::run(&cli.config, &mut out),
        Command::Init { dir } => init::run(dir, &mut out),
        Command::User(command) => user::run(command, &cli.config, &mut out),
        Command::Key(command) => key::run(command, &cli.config, &mut out),
        Command::Token(command) => token::run(command, &cli.config, &mut out),
        Command::Session(command) => session::run(command, &cli.config, &mut out),
        Command::Hash(args) => hash::run(args, &cli.config, &mut out),
        Command::SampleApp(args) => {
            drop(out);
            sample_app::run(args).map_err(Failure::Running)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "portcullis", &mut script);
            // `generate` itself panics where it cannot write.
            out.write_all(&script)
                .context("cannot write the completions")
                .map_err(Failure::Running)
        }
    }
}

/// Writes a file that is not there yet, with its folders.
fn write_new(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)?;
        file.write_all(text.as_bytes())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// A moment, as people and programs both read it (RFC 3339).
fn rfc3339(time: Timestamp) -> anyhow::Result<String> {
    let seconds = i64::try_from(time.unix_seconds()).unwrap_or(i64::MAX);
    let time = OffsetDateTime::from_unix_timestamp(seconds).context("there is an impossible time")?;
    Ok(time.format(&Rfc3339)?)
}

/// Prints a failure to standard error, one chain of causes. A reader that closed its pipe has seen enough.
fn report(failure: &Failure) -> ExitCode {
    let mut err = io::stderr().lock();
    // There is nowhere else to say that standard error is gone.
    let _ = match failure {
        Failure::Said(_) => Ok(()),
        Failure::Problems(problems) => problems.iter().try_for_each(|problem| writeln!(err, "{problem}")),
        Failure::Setup(error) | Failure::Running(error) if is_broken_pipe(error) => return ExitCode::SUCCESS,
        Failure::Setup(error) | Failure::Running(error) => match problems_of(error) {
            Some(problems) => problems.iter().try_for_each(|problem| writeln!(err, "{problem}")),
            None => writeln!(err, "error: {error:#}"),
        },
    };
    ExitCode::from(match failure {
        Failure::Problems(_) | Failure::Setup(_) => 2,
        Failure::Running(_) => 1,
        Failure::Said(code) => *code,
    })
}

/// The problems of the user file that an error comes from: each has its place and its advice.
fn problems_of(error: &anyhow::Error) -> Option<&[Problem]> {
    let cause = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<UserFileError>());
    cause.map(|error| error.0.as_slice())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_serves() {
        let cli = Cli::try_parse_from(["portcullis", "-c", "x.toml"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.config, PathBuf::from("x.toml"));
    }
}
