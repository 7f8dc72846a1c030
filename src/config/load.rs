//! Putting a configuration together, or saying everything that is wrong with it.

use std::{fs, path::Path};

use toml::de::DeTable;

use super::{
    AdminConfig, Config, LogConfig, LoginConfig, Problem, RouteConfig, ServerConfig, SessionConfig, Severity,
    TokenConfig, UsersConfig,
    reader::{Environment, Report, Table},
    source::Source,
};

/// A configuration, and what somebody should know about it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Legal but risky things.
    pub warnings: Vec<Problem>,
}

/// Reads and checks a file.
///
/// # Errors
/// Every problem of the file, the errors and the warnings, in its order.
pub fn load(file: &Path) -> Result<Loaded, Vec<Problem>> {
    load_in(file, &|name| std::env::var(name).ok())
}

/// The same with other environment variables than the process's own.
///
/// # Errors
/// Every problem of the file, the errors and the warnings, in its order.
pub fn load_in(file: &Path, environment: Environment<'_>) -> Result<Loaded, Vec<Problem>> {
    let text = fs::read(file).map_err(|error| {
        let problem = Problem::of_file(file, format!("cannot read the configuration: {error}"));
        vec![problem.hint("name one with --config FILE, or write one with `portcullis init`")]
    })?;
    let text = String::from_utf8(text).map_err(|error| {
        let good = error.as_bytes().get(..error.utf8_error().valid_up_to());
        let line = good
            .unwrap_or_default()
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        let message = format!("the configuration is not UTF-8 (the first bad byte is on line {line})");
        vec![Problem::of_file(file, message).hint("save it as UTF-8")]
    })?;
    load_str(text, file, environment)
}

/// Checks a text as the contents of `file`, which need not exist; relative paths start at its folder.
///
/// # Errors
/// Every problem of the text, the errors and the warnings, in its order.
pub fn load_str(text: String, file: &Path, environment: Environment<'_>) -> Result<Loaded, Vec<Problem>> {
    let source = Source::new(file, text);
    let report = Report::new(&source, environment);
    let (document, errors) = DeTable::parse_recoverable(&source.text);
    report.add_syntax_errors(&errors, false);
    // What the parser made of broken syntax would only give rise to confusing follow-ups.
    if !errors.is_empty() {
        return Err(report.into_problems());
    }
    let config = read(&report, document.into_inner(), file);
    let problems = report.into_problems();
    match problems.iter().any(|problem| problem.severity == Severity::Error) {
        true => Err(problems),
        false => Ok(Loaded {
            config,
            warnings: problems,
        }),
    }
}

/// The whole document. Where a value is wrong, a default takes its place until everything has been read.
fn read(report: &Report<'_>, document: DeTable<'_>, file: &Path) -> Config {
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut root = Table::new(report, "the configuration", 0..0, document);
    let server = ServerConfig::read(root.table("server", "[server]"), folder);
    let admin = root
        .take("admin")
        .and_then(|value| AdminConfig::read(value.table("[admin]")?, &server));
    // No route may lead to either.
    let mut own_addresses = server.listen.clone();
    own_addresses.extend(admin.as_ref().and_then(AdminConfig::address));
    let config = Config {
        session: SessionConfig::read(root.table("session", "[session]"), &server.public_url, folder),
        token: TokenConfig::read(root.table("token", "[token]"), &server.public_url, folder),
        users: UsersConfig::read(root.table("users", "[users]"), folder),
        login: LoginConfig::read(root.table("login", "[login]")),
        admin,
        log: LogConfig::read(root.table("log", "[log]")),
        routes: RouteConfig::read_all(report, root.take("route"), &own_addresses),
        server,
    };
    root.finish(&["telemetry"]);
    warn_of_plain_http(report, &config.server);
    config
}

/// Without TLS here or in front, others may read along.
fn warn_of_plain_http(report: &Report<'_>, server: &ServerConfig) {
    let url = &server.public_url;
    if server.tls.is_some() || url.is_secure() {
        return;
    }
    let open = server.listen.iter().find(|address| !address.ip().is_loopback());
    let message = match open {
        Some(address) => {
            format!("passwords and cookies travel over plain HTTP to {address}, where others can read them")
        }
        None if !url.is_local() => {
            format!("passwords and cookies travel over plain HTTP to {url}, where others can read them")
        }
        None => "without TLS cookies are not Secure: good enough to try things out on this machine alone"
            .to_owned(),
    };
    let hint = "add [server.tls], or set `public_url` to https:// where TLS ends in front";
    report.add(report.problem_of_file(message).hint(hint).warning());
}

#[cfg(test)]
mod tests;
