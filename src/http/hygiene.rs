//! What must not travel on: hop-by-hop headers, and everything that only the gateway may say.

use ahash::AHashSet;
use http::{HeaderMap, HeaderName, header};

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

/// Headers of one connection rather than of the message (RFC 9110, section 7.6.1), and those that would
/// let a client speak HTTP/2 past us (`HTTP2-Settings`, RFC 7540, section 3.2.1).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// The names that are taken out of every request before ours are put in.
///
/// Names that a route sets count on all routes: an app behind two routes, one of them public, would
/// otherwise believe on the public one what it rightly believes on the other.
#[derive(Debug, Clone, Default)]
pub struct OwnHeaders {
    of_routes: AHashSet<Box<[u8]>>,
}

impl OwnHeaders {
    /// The built-in names and those that routes set.
    pub fn new<'a>(set_by_routes: impl IntoIterator<Item = &'a HeaderName>) -> Self {
        let folded = |name: &HeaderName| name.as_str().bytes().map(fold).collect();
        Self {
            of_routes: set_by_routes.into_iter().map(folded).collect(),
        }
    }

    /// Whether a header of this name, in any spelling, is ours alone to set.
    pub fn contains(&self, name: &str) -> bool {
        let mut buffer = [0_u8; 64];
        let folded = match buffer.get_mut(..name.len()) {
            Some(buffer) => {
                for (to, from) in buffer.iter_mut().zip(name.bytes()) {
                    *to = fold(from);
                }
                &*buffer
            }
            // No name of ours is that long, only a prefix may be; routes' names are compared below in full.
            None => {
                let folded: Vec<u8> = name.bytes().map(fold).collect();
                return has_own_prefix(&folded) || self.of_routes.contains(folded.as_slice());
            }
        };
        has_own_prefix(folded)
            || OWN_NAMES.iter().any(|own| own.as_bytes() == folded)
            || self.of_routes.contains(folded)
    }

    /// Takes every spelling of our names out of a request, or out of its trailers.
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

fn has_own_prefix(folded: &[u8]) -> bool {
    OWN_PREFIXES
        .iter()
        .any(|prefix| folded.starts_with(prefix.as_bytes()))
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

/// Takes hop-by-hop headers out of a message: the well-known ones and those that `Connection` names.
///
/// Must run before our own headers are put in, so that a client cannot name those for removal
/// (CVE-2024-45410 and its many relatives).
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = tokens(headers, &header::CONNECTION)
            .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
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

/// The elements of a comma-separated header (RFC 9110, section 5.6.1), all its lines together.
pub fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
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
