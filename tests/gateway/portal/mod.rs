//! The gateway's own addresses, under `/.auth/`: what each answers, to whom, and what no answer ever lets in.

mod account;
mod addresses;
mod bodies;
mod challenge;
pub mod cross_site;
mod injection;
mod jwks;
mod login;
mod logout;
mod me;
mod not_kept;
mod personal;
mod return_to;
mod token;

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Response, header::HeaderMap};
use sha2::{Digest, Sha256};

/// The policy of every answer of the gateway's own: no script, nothing loaded, no frame, forms to this host alone.
fn content_security_policy() -> String {
    let style = STANDARD.encode(Sha256::digest(portcullis::pages::STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
}

/// Holds that an answer has the headers that guard the gateway's own pages.
#[track_caller]
fn assert_guarded(headers: &HeaderMap, what: &str) {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("content-security-policy", &content_security_policy()),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("vary", "Cookie, Authorization, Accept"),
    ] {
        let values: Vec<_> = headers.get_all(name).iter().collect();
        assert_eq!(values, [value], "{name} of {what}");
    }
}

/// All `Set-Cookie` headers.
fn set_cookies(response: &Response) -> Vec<String> {
    let values = response.headers().get_all("set-cookie").iter();
    values.map(|value| value.to_str().unwrap().to_owned()).collect()
}

/// A header as text; empty when it is missing.
fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}
