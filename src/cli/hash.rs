//! `portcullis hash`: a password → its argon2id string.

use std::{io::Write, path::Path};

use anyhow::Context;
use clap::Args;
use secrecy::ExposeSecret;

use super::{Failure, user};
use crate::users::password;

/// Turns a password into its argon2id string
#[derive(Debug, Args)]
pub(crate) struct HashArgs {
    #[command(flatten)]
    password: user::PasswordSource,
}

/// Prints the hash at the cost of `[users.password]`.
pub(super) fn run(args: &HashArgs, config: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let users = user::users_config(config)?;
    let mut hash = || -> anyhow::Result<()> {
        let hash = password::hash(args.password.read()?.expose_secret().as_bytes(), users.argon2)?;
        writeln!(out, "{hash}").context("cannot write the hash")
    };
    hash().map_err(Failure::Setup)
}
