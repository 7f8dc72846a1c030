//! What a configuration says, and what is said of a wrong one: file, line, column, the line itself and advice.

use std::{fs, time::Duration};

use super::*;

mod admin;
mod edge;
mod keys;
mod route;
mod secrets;
mod server;
mod session;
mod text;
mod token;
mod users;

/// Where the configurations of these tests would be.
const FILE: &str = "/etc/portcullis/gateway.toml";

/// The least there has to be; put behind every text that has no route of its own.
const ROUTE: &str = "\n[[route]]\nupstream = \"http://127.0.0.1:3000\"\n";

fn environment(name: &str) -> Option<String> {
    match name {
        "PORTCULLIS_SECRET" => Some("0123456789abcdef0123456789abcdef".to_owned()),
        "SHORT" => Some("hunter2".to_owned()),
        _ => None,
    }
}

fn load_text(text: &str) -> Result<Loaded, Vec<Problem>> {
    load_str(text.to_owned(), Path::new(FILE), &environment)
}

fn with_route(text: &str) -> String {
    match text.contains("route") {
        true => text.to_owned(),
        false => format!("{text}{ROUTE}"),
    }
}

/// The configuration of a text that has nothing wrong with it.
#[track_caller]
fn config(text: &str) -> Config {
    match load_text(&with_route(text)) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{text}\n{problems:#?}"),
    }
}

/// All problems of a text of this severity, as they are shown.
fn shown(text: &str, severity: Severity) -> Vec<String> {
    let problems = match load_text(text) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    };
    let shown = problems.iter().filter(|problem| problem.severity == severity);
    shown.map(ToString::to_string).collect()
}

/// A wrong text, with what is meant between « and »; what is wrong; and the advice, empty where there is none.
type Wrong<'a> = (&'a str, &'a str, &'a str);

/// Holds that exactly this is said of each text, and nothing else, however its lines end.
#[track_caller]
fn refused(rows: &[Wrong<'_>]) {
    all_said(Severity::Error, rows);
}

/// The same for what is legal but risky.
#[track_caller]
fn warned(rows: &[Wrong<'_>]) {
    all_said(Severity::Warning, rows);
}

#[track_caller]
fn all_said(severity: Severity, rows: &[Wrong<'_>]) {
    let mut differences = String::new();
    for (marked, message, hint) in rows {
        let text = with_route(&marked.replace(['«', '»'], ""));
        let expected = expected(severity, marked, message, hint);
        for text in [
            text.clone(),
            text.replace('\n', "\r\n"),
            format!("\u{feff}{text}"),
        ] {
            let said = shown(&text, severity).join("\n");
            if said != expected {
                differences += &format!("of {text:?}\n--- is said\n{said}\n--- instead of\n{expected}\n\n");
                break;
            }
        }
    }
    assert!(differences.is_empty(), "\n{differences}");
}

/// A problem as it is shown.
fn expected(severity: Severity, marked: &str, message: &str, hint: &str) -> String {
    let word = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let hint = match hint {
        "" => String::new(),
        hint => format!(" = hint: {hint}"),
    };
    let Some(start) = marked.find('«') else {
        let hint = if hint.is_empty() {
            hint
        } else {
            format!("\n {hint}")
        };
        return format!("{word}: {FILE}: {message}{hint}");
    };
    let before = &marked[..start];
    let line = before.matches('\n').count() + 1;
    let column = before
        .lines()
        .last()
        .filter(|_| !before.ends_with('\n'))
        .map_or(0, |line| line.chars().count())
        + 1;
    let meant = marked[start + '«'.len_utf8()..].split('»').next().unwrap();
    let shown_line = marked.lines().nth(line - 1).unwrap().replace(['«', '»'], "");
    // Of a long line the beginning is shown.
    let shown_line: String = shown_line.chars().take(100).collect();
    let behind = shown_line.chars().count().saturating_sub(column - 1);
    let meant = meant.lines().next().unwrap_or("").chars().count();
    let carets = "^".repeat(meant.min(behind).max(1));
    let margin = " ".repeat(line.to_string().len());
    let indent = " ".repeat(column - 1);
    let hint = if hint.is_empty() {
        hint
    } else {
        format!("\n {margin}{hint}")
    };
    format!(
        "{word}: {FILE}:{line}:{column}: {message}\n {line} | {shown_line}\n {margin} | {indent}{carets}{hint}"
    )
}
