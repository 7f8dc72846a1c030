//! `portcullis check`: finds out without serving.

use std::{fs, io::Write, os::unix::fs::PermissionsExt, path::Path};

use anyhow::Context;

use super::Failure;
use crate::{
    clock::Clock,
    config::{self, Config, Problem, PublicUrl, Severity, TlsConfig},
    pem::PemError,
    route::RouteError,
    server::tls::{self, Acceptor, Doubt, TlsError},
    token::{KeyError, KeyRing},
    upstream::{Upstreams, tls::UpstreamTlsError},
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
    let mut report = || -> anyhow::Result<()> {
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
        problems.extend(Acceptor::new(tls).err().map(of_tls));
        let url = &config.server.public_url;
        let doubts = tls::doubts(tls, url.host(), Clock::System.now());
        problems.extend(doubts.into_iter().map(|doubt| of_doubt(doubt, tls, url)));
        if readable_by_others(&tls.key) {
            problems.push(exposed(&tls.key, "the private key"));
        }
    }
    let mut upstreams = Upstreams::default();
    for route in &config.routes {
        let targets = &route.upstreams.targets;
        let refused = targets
            .iter()
            .filter(|target| target.url.is_https())
            .find_map(|target| upstreams.at(&target.url, &route.upstream_tls).err());
        problems.extend(refused.map(|source| {
            of_route(RouteError {
                route: route.name.clone(),
                source: Box::new(source),
            })
        }));
        if let Some((_, key)) = &route.upstream_tls.identity
            && readable_by_others(key)
        {
            problems.push(exposed(key, "the private key"));
        }
    }
    problems.extend(KeyRing::check(&config.token).err().map(of_keys));
    match UserFile::load(&config.users.file, config.users.hash_memory) {
        Err(error) => problems.extend(error.0),
        Ok(users) if users.users().is_empty() => {
            let problem = Problem::of_file(&config.users.file, "there is no user, so nobody can sign in");
            problems.push(problem.hint("add one: portcullis user add NAME").warning());
        }
        Ok(_) => {}
    }
    if readable_by_others(&config.users.file) {
        problems.push(exposed(&config.users.file, "the password hashes"));
    }
    problems
}

/// Why TLS cannot be spoken, and what to do about it.
pub(super) fn of_tls(error: TlsError) -> Problem {
    let hint = match &error {
        TlsError::Pem(PemError::Unreadable { .. }) => {
            "name files that are there; `portcullis init` makes a pair for localhost"
        }
        TlsError::Pem(PemError::Missing { .. }) => {
            "it is to be a PEM file, with a line that starts with \"-----BEGIN\""
        }
        TlsError::Mismatch { .. } => "name the key that the certificate was made with",
        TlsError::Unfit { .. } => "name another pair; `portcullis init` makes one for localhost",
    };
    Problem::of_file("[server.tls]", format!("{:#}", anyhow::Error::from(error))).hint(hint)
}

/// Why no request can be sent to a route's upstream, and what to do about it.
pub(super) fn of_route(error: RouteError) -> Problem {
    let hint = match &*error.source {
        UpstreamTlsError::Pem(PemError::Unreadable { .. }) => {
            "name a PEM file that is there, and that the gateway can read"
        }
        UpstreamTlsError::Pem(PemError::Missing { .. }) => {
            "it is to be a PEM file, with a line that starts with \"-----BEGIN\""
        }
        UpstreamTlsError::NoRoots(_) => {
            "install the system's own (ca-certificates in Debian), or name a file: upstream_tls = { ca = \"ca.pem\" }"
        }
        UpstreamTlsError::UnfitAuthority { .. } => "name the certificate of whoever signed the upstream's",
        UpstreamTlsError::Mismatch { .. } => "name the key that the certificate was made with",
        UpstreamTlsError::UnfitIdentity { .. } => "name another pair",
        UpstreamTlsError::Name { .. } => {
            "say which name its certificate has: upstream_tls = { server_name = \"app.example.com\" }"
        }
        UpstreamTlsError::Library(_) => "this is a defect of the gateway",
    };
    Problem::of_file("[[route]]", format!("{:#}", anyhow::Error::from(error))).hint(hint)
}

/// What a certificate that can be used will make browsers say.
fn of_doubt(doubt: Doubt, tls: &TlsConfig, url: &PublicUrl) -> Problem {
    let (message, hint) = match doubt {
        Doubt::Expired => ("the certificate has expired".to_owned(), "renew it"),
        Doubt::NotYetValid => (
            "the certificate is not valid yet".to_owned(),
            "is the clock of this machine right?",
        ),
        Doubt::OtherHost => (
            format!(
                "the certificate does not name \"{}\", the host of `public_url`",
                url.host()
            ),
            "name a certificate of that host, or correct `public_url`",
        ),
    };
    Problem::of_file(&tls.cert, message).hint(hint).warning()
}

/// Why tokens cannot be signed, and what to do about it.
pub(super) fn of_keys(error: KeyError) -> Problem {
    let hint = match &error {
        KeyError::Malformed { .. } => {
            Some("move it away: without a key, the next start makes a new one, and tokens of the old one end")
        }
        KeyError::Io { .. } => {
            Some("`keys` names a folder that the gateway can read, and write for its first key")
        }
        KeyError::Exposed { .. }
        | KeyError::Generate(_)
        | KeyError::Unusable(_)
        | KeyError::NotOne { .. }
        | KeyError::OnlySigner { .. }
        | KeyError::SignsWithSecret => None,
    };
    let problem = Problem::of_file("[token]", format!("{:#}", anyhow::Error::from(error)));
    match hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

/// A file with something in it that is nobody else's business.
fn exposed(file: &Path, what: &str) -> Problem {
    let problem = Problem::of_file(file, format!("other users of this machine can read {what}"));
    problem.hint(format!("chmod 600 {}", file.display())).warning()
}

fn readable_by_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}
