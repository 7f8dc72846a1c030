//! Whether a write to an own address was sent by one of our own pages, or by no page at all.

use http::{HeaderMap, header};

use super::Visit;
use crate::{gateway::Gateway, refusal::Refusal};

/// Refuses a write that a page of another origin sent.
///
/// `Sec-Fetch-Site` is the browser's own word, which pages cannot set; browsers without it send `Origin` with
/// every POST, or at least `Referer`. A request with none of them comes from no page.
///
/// # Errors
/// [`Refusal::CrossOrigin`].
pub(super) fn check(gateway: &Gateway, headers: &HeaderMap, visit: Visit<'_>) -> Result<(), Refusal> {
    let ours = || {
        visit
            .authority
            .map(|host| origin(gateway.server.public_url.scheme(), host))
    };
    let same = if let Some(site) = headers.get("sec-fetch-site") {
        site == "same-origin" || site == "none"
    } else if let Some(sent) = headers.get(header::ORIGIN) {
        sent.to_str()
            .ok()
            .and_then(parse_origin)
            .is_some_and(|sent| Some(sent) == ours())
    } else if let Some(referer) = headers.get(header::REFERER) {
        referer
            .to_str()
            .ok()
            .and_then(parse_origin)
            .is_some_and(|sent| Some(sent) == ours())
    } else {
        true
    };
    if same { Ok(()) } else { Err(Refusal::CrossOrigin) }
}

/// Scheme and authority of a URL (RFC 6454, section 4), or of an `Origin`; `null` has none.
fn parse_origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    (!authority.is_empty() && !authority.contains('@')).then(|| origin(scheme, authority))
}

/// The one spelling of an origin: lower case, without the scheme's own port.
fn origin(scheme: &str, authority: &str) -> String {
    let scheme = scheme.to_ascii_lowercase();
    let authority = authority.to_ascii_lowercase();
    let own_port = if scheme == "https" { ":443" } else { ":80" };
    let authority = authority.strip_suffix(own_port).unwrap_or(&authority);
    format!("{scheme}://{authority}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_compare_by_scheme_host_and_port() {
        let ours = origin("https", "App.example.com:443");
        for (sent, same) in [
            ("https://app.example.com", true),
            ("https://APP.example.com:443", true),
            ("https://app.example.com/path?x", true),
            ("http://app.example.com", false),
            ("https://app.example.com:8443", false),
            ("https://app.example.com.evil.com", false),
            ("https://evil.com/https://app.example.com", false),
            ("https://app.example.com@evil.com", false),
            ("https://evil-app.example.com", false),
            ("null", false),
            ("", false),
            ("https://", false),
        ] {
            assert_eq!(parse_origin(sent) == Some(ours.clone()), same, "{sent}");
        }
    }
}
