//! `cookie` and `cookie_domain` of `[session]`: what browsers know a sign-in by, and which hosts they show it to.

use std::net::IpAddr;

use super::{host, server::PublicUrl};
use crate::config::reader::{Table, Value};

/// What `[session]` says of its cookie.
#[derive(Debug)]
pub(super) struct CookieConfig {
    pub(super) name: String,
    pub(super) domains: Vec<String>,
}

/// Longer ones would only make every request longer.
const MAX_NAME: usize = 64;

impl CookieConfig {
    pub(super) fn read(table: &mut Table<'_, '_>, public_url: &PublicUrl) -> Self {
        let value = table.take("cookie");
        let domains = table.take("cookie_domain");
        let is_shared = domains.is_some();
        let domains = domains.map_or_else(Vec::new, |value| read_domains(value, public_url));
        let name = value.as_ref().and_then(|value| {
            let name = value.parsed(|name| cookie_name(name, public_url))?;
            if is_shared && is_host_only(&name) {
                value.reject_with(
                    format!("browsers refuse a cookie called \"{name}\" with the domain that `cookie_domain` gives it"),
                    "leave `cookie` out, or begin it with \"__Secure-\"",
                );
            }
            Some(name)
        });
        let default = match (public_url.is_secure(), is_shared) {
            (true, false) => "__Host-portcullis",
            (true, true) => "__Secure-portcullis",
            (false, _) => "portcullis",
        };
        Self {
            name: name.unwrap_or_else(|| default.to_owned()),
            domains,
        }
    }
}

/// A cookie's name must be a token (RFC 6265, section 4.1.1), and the prefixes promise what only TLS can keep.
fn cookie_name(name: &str, public_url: &PublicUrl) -> Result<String, String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    // Browsers compare the prefixes without regard to case.
    let prefix = name.to_ascii_lowercase();
    let promises_tls = ["__host-", "__secure-", "__http-"]
        .iter()
        .any(|promise| prefix.starts_with(promise));
    if name.is_empty() || !name.bytes().all(token) {
        Err(format!(
            "\"{name}\" is no cookie name; letters, digits, \"-\" and \"_\" make one"
        ))
    } else if promises_tls && !public_url.is_secure() {
        Err(format!(
            "browsers refuse a cookie called \"{name}\" over plain HTTP, which `public_url` says this is"
        ))
    } else if name.len() > MAX_NAME {
        Err(format!(
            "a cookie's name cannot be longer than {MAX_NAME} characters"
        ))
    } else {
        Ok(name.to_owned())
    }
}

/// Whether a name promises that the cookie is one host's (RFC 6265bis, section 4.1.3.2).
fn is_host_only(name: &str) -> bool {
    name.to_ascii_lowercase().starts_with("__host-")
}

fn read_domains(value: Value<'_, '_>, public_url: &PublicUrl) -> Vec<String> {
    let (report, span) = (value.report(), value.span());
    let Some(values) = value.one_or_many() else {
        return Vec::new();
    };
    let mut domains: Vec<String> = Vec::new();
    let mut is_whole = true;
    for value in &values {
        let Some(domain) = value.parsed(domain) else {
            is_whole = false;
            continue;
        };
        match domains.iter().find(|other| is_in(&domain, other) || is_in(other, &domain)) {
            Some(other) if *other == domain => {
                value.reject_with(format!("\"{domain}\" is there already"), "leave one of them out");
            }
            Some(other) => value.reject_with(
                format!("of \"{other}\" and \"{domain}\" one is below the other: browsers would send two cookies there"),
                "leave one of them out; the shorter one has every host below it",
            ),
            None => domains.push(domain),
        }
    }
    if values.is_empty() {
        let problem = report.problem(&span, "`cookie_domain` is empty");
        report.add(
            problem
                .hint("name a domain, or leave `cookie_domain` out: each host then has sign-ins of its own"),
        );
    } else if is_whole && !domains.iter().any(|domain| is_in(public_url.host(), domain)) {
        let message = format!(
            "whoever signs in at {public_url}, which is how `public_url` says browsers reach the gateway, is signed in \
             at that host alone: it is not below `cookie_domain`"
        );
        let hint = "set `public_url` in [server] to a host of the domain";
        report.add(report.problem(&span, message).hint(hint).warning());
    }
    domains
}

/// Whether a host is a domain, or below it.
fn is_in(host: &str, domain: &str) -> bool {
    let above = host.strip_suffix(domain);
    above.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// A domain that browsers take a cookie for. Which ones they do not, because everybody can have a host there, is on the
/// Public Suffix List.
fn domain(text: &str) -> Result<String, String> {
    let bad = |why: &str| format!("\"{text}\" is no domain for a cookie: {why}");
    if let Some(rest) = text.strip_prefix('.').or_else(|| text.strip_prefix("*.")) {
        return Err(bad(&format!(
            "write \"{rest}\", which has every host below it as well"
        )));
    }
    let name = host::exact(text).map_err(bad)?;
    let address = name.trim_start_matches('[').trim_end_matches(']');
    // A name whose last label is a number is an address to browsers, whatever the others are (URL, "ends in a number").
    let ends_in_a_number = name
        .rsplit('.')
        .next()
        .is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    if ends_in_a_number || address.parse::<IpAddr>().is_ok() {
        return Err(bad("it is an address, below which there are no hosts"));
    }
    if !name.contains('.') {
        return Err(bad(
            "browsers take no cookie for a name without a dot; \"app.localhost\" is one to try things out with",
        ));
    }
    match psl::suffix(name.as_bytes()) {
        Some(suffix) if suffix.as_bytes() == name.as_bytes() => Err(bad(
            "everybody can have a host below it, so browsers take no cookie for it",
        )),
        _ => Ok(name),
    }
}
