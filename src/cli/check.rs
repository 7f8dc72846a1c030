//! `portcullis check`: finds out without serving.

use std::{fs, io::Write, os::unix::fs::PermissionsExt, path::Path};

use anyhow::Context;

use super::Failure;
use crate::{
    config::{self, Config, Problem, Severity},
    server::tls::Acceptor,
    token::KeyRing,
    users::UserFile,
};

/// Prints every problem of a configuration and of the files it names.
pub(super) fn run(file: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let (problems, routes) = match config::load(file) {
        Err(problems) => (problems, 0),
        Ok(loaded) => {
            let mut problems = loaded.warnings;
            problems.extend(of_files(&loaded.config));
            (problems, loaded.config.routes.len())
        }
    };
    let errors = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .count();
    let warnings = problems.len() - errors;
    let report = || -> anyhow::Result<()> {
        for problem in &problems {
            writeln!(out, "{problem}\n")?;
        }
        let (file, routes) = (file.display(), count(routes, "route"));
        match (errors, warnings) {
            (0, 0) => writeln!(out, "{file} is fine: {routes}")?,
            (0, _) => writeln!(
                out,
                "{file} can be used: {routes}, {}",
                count(warnings, "warning")
            )?,
            _ => writeln!(
                out,
                "{file} cannot be used: {}, {}",
                count(errors, "error"),
                count(warnings, "warning")
            )?,
        }
        Ok(())
    };
    let mut report = report;
    report()
        .context("cannot print the result")
        .map_err(Failure::Running)?;
    if errors > 0 { Err(Failure::Said(2)) } else { Ok(()) }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Problems with the certificate, the keys and the user file.
fn of_files(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(tls) = &config.server.tls {
        if let Err(error) = Acceptor::new(tls) {
            let problem = Problem::of_file(&tls.cert, format!("{:#}", anyhow::Error::from(error)));
            problems.push(problem.hint("`portcullis init` and `portcullis demo` make one for localhost"));
        }
        if readable_by_others(&tls.key) {
            let problem = Problem::of_file(&tls.key, "other users of this machine can read the private key");
            problems.push(problem.hint(format!("chmod 600 {}", tls.key.display())).warning());
        }
    }
    if let Err(error) = KeyRing::check(&config.token.signing) {
        problems.push(Problem::of_file(
            "[token] keys",
            format!("{:#}", anyhow::Error::from(error)),
        ));
    }
    match UserFile::load(&config.users.file, config.users.hash_memory) {
        Err(error) => problems.extend(error.0),
        Ok(users) if users.users().is_empty() => {
            let problem = Problem::of_file(&config.users.file, "there is no user, so nobody can sign in");
            problems.push(problem.hint("add one: portcullis user add NAME").warning());
        }
        Ok(_) => {}
    }
    if readable_by_others(&config.users.file) {
        let problem = Problem::of_file(
            &config.users.file,
            "other users of this machine can read the password hashes",
        );
        problems.push(
            problem
                .hint(format!("chmod 600 {}", config.users.file.display()))
                .warning(),
        );
    }
    problems
}

fn readable_by_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}
