//! What must not travel on: hop-by-hop headers, and everything that only the gateway may say.

use http::{HeaderMap, HeaderName, header};

use super::fields;

/// Headers that only the gateway sets, in the folded spelling of [`fold`].
///
/// Beside the ones we set these are the names by which apps ask "who is it", "where from" and "which
/// address was asked for": from a client they are lies whichever of them an app believes. `Proxy` is
/// httpoxy (CVE-2016-5385).
const OWN_NAMES: &[&str] = &[
    "cf-connecting-ip",
    "client-ip",
    "fastly-client-ip",
    "forwarded",
    "front-end-https",
    "proxy",
    "traceparent",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-host",
    "x-original-host",
    "x-original-uri",
    "x-original-url",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
    "x-url-scheme",
];

/// Families of such names.
const OWN_PREFIXES: &[&str] = &["remote-", "x-forwarded-", "x-portcullis-"];

/// Headers by which apps let a form say PUT or DELETE.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method", "x-http-method-override", "x-method-override"];

/// The names that are taken out of every request before ours are put in.
///
/// Names that a route sets count on all routes: an app behind two routes, one of them public, would
/// otherwise believe on the public one what it rightly believes on the other.
#[derive(Debug, Clone)]
pub struct OwnHeaders {
    /// The folded names by their first letter: most headers of a request are told apart by it.
    names: [Vec<Box<[u8]>>; 256],
}

impl OwnHeaders {
    /// The built-in names and those that routes set.
    pub fn new<'a>(set_by_routes: impl IntoIterator<Item = &'a HeaderName>) -> Self {
        let mut names = [const { Vec::new() }; 256];
        let of_routes = set_by_routes.into_iter().map(HeaderName::as_str);
        for name in OWN_NAMES.iter().copied().chain(of_routes) {
            let name: Box<[u8]> = name.bytes().map(fold).collect();
            let first = name.first().copied().unwrap_or_default();
            if let Some(names) = names.get_mut(usize::from(first))
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        Self { names }
    }

    /// Whether a header of this name, in any spelling, is ours alone to set.
    pub fn contains(&self, name: &str) -> bool {
        let name = name.as_bytes();
        let first = name.first().copied().map_or(0, fold);
        let of_this_letter = self.names.get(usize::from(first));
        of_this_letter.is_some_and(|names| names.iter().any(|own| folds_to(name, own)))
            || matches!(first, b'r' | b'x') && has_own_prefix(name)
    }

    /// Takes every spelling of our names out of a message's trailers.
    pub fn remove_from(&self, headers: &mut HeaderMap) {
        let ours: Vec<HeaderName> = headers
            .keys()
            .filter(|name| self.contains(name.as_str()))
            .cloned()
            .collect();
        for name in ours {
            headers.remove(name);
        }
    }
}

fn has_own_prefix(name: &[u8]) -> bool {
    OWN_PREFIXES.iter().any(|prefix| {
        name.get(..prefix.len())
            .is_some_and(|start| folds_to(start, prefix.as_bytes()))
    })
}

/// Whether a name is a folded one in some spelling.
fn folds_to(name: &[u8], folded: &[u8]) -> bool {
    name.len() == folded.len() && name.iter().zip(folded).all(|(byte, own)| fold(*byte) == *own)
}

/// One letter of a name as CGI, WSGI and PHP see it: they turn `X_Forwarded.User` and `X-Forwarded-User` into
/// one variable, so here both are one name as well.
fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() {
        byte.to_ascii_lowercase()
    } else {
        b'-'
    }
}

/// Whether a header belongs to a connection rather than to its message (RFC 9110, section 7.6.1). One of them would let a
/// client speak HTTP/2 past us (RFC 7540, section 3.2.1).
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// The headers that `Connection` names for this connection alone, but for those that are of one anyway.
///
/// They are taken out before ours are put in, so that a client cannot name those for removal
/// (CVE-2024-45410 and its many relatives).
pub fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    tokens(headers, &header::CONNECTION)
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        .filter(|name| !is_hop_by_hop(name))
        .collect()
}

/// The methods that headers name in place of the request's own, in every spelling of those headers.
pub fn method_overrides(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let overrides = |name: &HeaderName| {
        METHOD_OVERRIDES
            .iter()
            .any(|own| own.bytes().eq(name.as_str().bytes().map(fold)))
    };
    headers
        .iter()
        .filter(move |(name, _)| overrides(name))
        .map(|(_, value)| value.as_bytes())
}

/// Takes hop-by-hop headers out of a message's trailers.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let mut gone = named_by_connection(headers);
    gone.extend(headers.keys().filter(|name| is_hop_by_hop(name)).cloned());
    for name in gone {
        headers.remove(name);
    }
}

/// The elements of a comma-separated header (RFC 9110, section 5.6.1), all its lines together.
pub fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    fields::all(headers, name)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_names_are_recognised_in_every_spelling() {
        let webauth = HeaderName::from_static("x-webauth-user");
        let own = OwnHeaders::new([&webauth]);
        for name in [
            "Remote-User",
            "remote_user",
            "REMOTE-USER",
            "Remote.User",
            "remote-anything",
            "X-Forwarded-For",
            "x_forwarded_for",
            "X-Forwarded_User",
            "x-forwarded-prefix",
            "Forwarded",
            "X-Real-IP",
            "x_real_ip",
            "True-Client-IP",
            "CF-Connecting-IP",
            "X-Original-URL",
            "X-Rewrite-Url",
            "X-Request-Id",
            "Proxy",
            "X-Portcullis-Assertion",
            "X-WEBAUTH-USER",
            "x_webauth_user",
            "X~Forwarded~User",
        ] {
            assert!(own.contains(name), "{name}");
        }
        let long = format!("x-forwarded-{}", "a".repeat(100));
        assert!(own.contains(&long));
        for name in [
            "Accept",
            "X-Requested-With",
            "Cookie",
            "Authorization",
            "X-Webauth-Users",
            "Remotely",
            "X",
            "",
        ] {
            assert!(!own.contains(name), "{name}");
        }
    }

    #[test]
    fn hop_by_hop_headers_are_taken_out_with_those_that_connection_names() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Private"),
            ("connection", "TE"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAA"),
            ("proxy-authorization", "Basic x"),
            ("x-private", "1"),
            ("x-public", "2"),
        ] {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        remove_hop_by_hop(&mut headers);
        let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["x-public"]);
    }
}
