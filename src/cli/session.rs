//! `portcullis session …`: who is signed in to a running gateway, and the end of that.

use std::{io::Write, path::Path};

use anyhow::{Context, anyhow};
use clap::Subcommand;
use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Failure, admin::Admin, rfc3339};
use crate::{
    admin::sessions::{Ended, LIMIT, Listed, MOST, TOTAL_COUNT},
    clock::Timestamp,
    config,
    identity::{UserName, is_unprintable},
};

/// As much of a `User-Agent` as a line has room for.
const AGENT_CHARS: usize = 60;

/// Lists and ends sessions of a running gateway
#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// Lists who is signed in, the newest first
    List {
        /// Only this user's sessions
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = LIMIT, value_parser = limit)]
        limit: usize,
    },
    /// Ends a session; or all sessions and all tokens of a user
    Revoke {
        /// Its id, as `list` shows it
        #[arg(required_unless_present = "user")]
        id: Option<String>,
        /// Everything that this user has
        #[arg(long, value_name = "NAME", conflicts_with = "id")]
        user: Option<String>,
    },
}

fn limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    limit.ok_or_else(|| format!("it is a number between 1 and {MOST}"))
}

/// Asks the gateway that serves `config`.
pub(super) fn run(command: &SessionCommand, config: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let admin = Admin::of(config::load(config).map_err(Failure::Problems)?.config)?;
    match command {
        SessionCommand::List { user, json, limit } => list(&admin, user.as_deref(), *json, *limit, out),
        SessionCommand::Revoke { user: Some(user), .. } => revoke_all(&admin, user, out),
        SessionCommand::Revoke { id, user: None } => revoke(&admin, id.as_deref().unwrap_or_default(), out),
    }
}

fn list(
    admin: &Admin,
    user: Option<&str>,
    json: bool,
    limit: usize,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut path = format!("/api/sessions?limit={limit}");
    if let Some(user) = user {
        path = format!("{path}&user={}", encoded(&name(user)?));
    }
    let answer = admin.ask(Method::GET, &path)?;
    let listed: Vec<Listed> =
        serde_json::from_slice(&answer.body).context("the gateway's answer is no list")?;
    let total = answer.headers.get(TOTAL_COUNT);
    let total: Option<usize> = total.and_then(|total| total.to_str().ok()?.parse().ok());
    let left_out = total.unwrap_or_default().saturating_sub(listed.len());
    let mut print = || {
        if json {
            return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&listed)?)?);
        }
        table(&listed, user, left_out, out)
    };
    print()
        .context("cannot print the sessions")
        .map_err(Failure::Running)
}

fn table(listed: &[Listed], user: Option<&str>, left_out: usize, out: &mut impl Write) -> anyhow::Result<()> {
    if listed.is_empty() {
        let nobody = match user {
            Some(user) => format!("{user} is not signed in"),
            None => "nobody is signed in".to_owned(),
        };
        return Ok(writeln!(out, "{nobody}")?);
    }
    let heading = ["ID", "USER", "SINCE", "LAST USED", "ENDS", "ADDRESS", "BROWSER"].map(str::to_owned);
    let mut rows = vec![heading];
    for session in listed {
        rows.push(row(session)?);
    }
    let mut widths = [0; 7];
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
    if left_out > 0 {
        writeln!(
            out,
            "and {left_out} more; narrow it with --user, or raise --limit"
        )?;
    }
    Ok(())
}

fn row(session: &Listed) -> anyhow::Result<[String; 7]> {
    let time = |seconds| rfc3339(Timestamp::from_unix_seconds(seconds));
    let mut ends = time(session.expires_at)?;
    if session.remembered {
        ends.push_str(" (kept)");
    }
    let agent = printable(&session.user_agent);
    Ok([
        session.id.clone(),
        session.user.clone(),
        time(session.created_at)?,
        time(session.last_used_at)?,
        ends,
        session.address.clone(),
        if agent.is_empty() { "-".to_owned() } else { agent },
    ])
}

/// What a browser calls itself, cut to what a line has room for: whoever chose it need not be obeyed by a terminal.
fn printable(agent: &str) -> String {
    let seen = |c: char| match is_unprintable(c) {
        true => char::REPLACEMENT_CHARACTER,
        false => c,
    };
    let mut shown: String = agent.chars().take(AGENT_CHARS).map(seen).collect();
    if agent.chars().count() > AGENT_CHARS {
        shown.push('…');
    }
    shown
}

fn revoke(admin: &Admin, id: &str, out: &mut impl Write) -> Result<(), Failure> {
    let answer = admin.ask(Method::DELETE, &format!("/api/sessions/{}", encoded(id)))?;
    if answer.status == StatusCode::NOT_FOUND {
        return Err(Failure::Setup(anyhow!(
            "there is no session {id}; `portcullis session list` shows them"
        )));
    }
    writeln!(out, "ended session {id}").context("cannot print the result")?;
    Ok(())
}

fn revoke_all(admin: &Admin, user: &str, out: &mut impl Write) -> Result<(), Failure> {
    let path = format!("/api/users/{}/sessions", encoded(&name(user)?));
    let answer = admin.ask(Method::DELETE, &path)?;
    let Ended { sessions } =
        serde_json::from_slice(&answer.body).context("the gateway's answer is no number")?;
    let sessions = match sessions {
        1 => "1 session".to_owned(),
        count => format!("{count} sessions"),
    };
    writeln!(out, "ended {sessions} of {user}, and every token they had")
        .context("cannot print the result")?;
    Ok(())
}

/// A name that somebody can have.
fn name(user: &str) -> Result<String, Failure> {
    let name = UserName::parse(user).map_err(|error| Failure::Setup(error.into()))?;
    Ok(name.to_string())
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
