//! Giving the route's own path back to the redirects and cookies of an app that thinks it lives at `/`.
//!
//! `strip_prefix` takes `/app` off on the way up, so that the app speaks of `/login` where browsers need `/app/login`.
//! Whatever is repaired begins with the route's path, which no browser takes for a host.

use http::{HeaderMap, HeaderValue, header};

use crate::respond::OWN_PREFIX;

/// The route's path, and by which names the app may speak of itself.
#[derive(Debug)]
pub(super) struct Repair<'a> {
    /// `/app`, never empty.
    pub(super) prefix: &'a str,
    /// Each a `host[:port]`: of this host, and of the upstream.
    pub(super) authorities: [&'a str; 3],
}

impl Repair<'_> {
    /// Repairs an answer.
    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in headers.iter_mut() {
            let Ok(text) = std::str::from_utf8(value.as_bytes()) else {
                continue;
            };
            let repaired = if *name == header::LOCATION || *name == header::CONTENT_LOCATION {
                self.location(text)
            } else if *name == header::SET_COOKIE {
                self.cookie(text)
            } else {
                None
            };
            // Only what stood in the header before and the prefix are in it, so that it is a header's value.
            if let Some(repaired) = repaired.and_then(|text| HeaderValue::from_bytes(text.as_bytes()).ok()) {
                *value = repaired;
            }
        }
    }

    /// A reference to this host or to the app's own address, as a path below the route's. `None` for what leads
    /// elsewhere, is relative, or is one of the gateway's own addresses already.
    fn location(&self, text: &str) -> Option<String> {
        let (names_host, path) = match after_scheme(text) {
            None => (false, text.starts_with('/').then_some(text)?),
            Some((scheme, rest)) => {
                let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
                let (authority, path) = rest.split_at(end);
                self.is_own(scheme, authority).then_some((true, path))?
            }
        };
        let path = path.trim_start_matches(['/', '\\']);
        match format!("/{path}") {
            own if is_below(&own, OWN_PREFIX) => names_host.then_some(own),
            of_app => Some(format!("{}{of_app}", self.prefix)),
        }
    }

    fn is_own(&self, scheme: Option<&str>, authority: &str) -> bool {
        let port = match scheme {
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => ":443",
            _ => ":80",
        };
        let named = without_port(authority, &[port]);
        self.authorities
            .iter()
            .any(|own| without_port(own, &[":443", ":80"]).eq_ignore_ascii_case(named))
    }

    /// A `Set-Cookie` with its paths below the route's. A `__Host-` cookie has no other path than `/`, or it is none.
    fn cookie(&self, text: &str) -> Option<String> {
        let is_for_host = text
            .trim_start()
            .get(.."__Host-".len())
            .is_some_and(|start| start.eq_ignore_ascii_case("__Host-"));
        if is_for_host {
            return None;
        }
        let mut attributes = text.split(';');
        let mut repaired = attributes.next()?.to_owned();
        for attribute in attributes {
            repaired.push(';');
            match attribute.split_once('=') {
                Some((name, path))
                    if name.trim().eq_ignore_ascii_case("path") && path.trim().starts_with('/') =>
                {
                    // "/app" is below "/app", while "/app/" is not.
                    let path = path.trim();
                    let below = if path == "/" { "" } else { path };
                    repaired.extend([name, "=", self.prefix, below]);
                }
                _ => repaired.push_str(attribute),
            }
        }
        Some(repaired)
    }
}

/// The scheme of a reference that names a host, and what stands behind the two slashes; no scheme where it is that of the
/// page. `None` for everything else.
fn after_scheme(text: &str) -> Option<(Option<&str>, &str)> {
    if let Some(rest) = text.strip_prefix("//") {
        return Some((None, rest));
    }
    let (scheme, rest) = text.split_once("://")?;
    let is_http = ["http", "https"]
        .iter()
        .any(|http| scheme.eq_ignore_ascii_case(http));
    is_http.then_some((Some(scheme), rest))
}

fn without_port<'a>(authority: &'a str, own_ports: &[&str]) -> &'a str {
    let stripped = own_ports.iter().find_map(|port| authority.strip_suffix(port));
    stripped.unwrap_or(authority)
}

fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPAIR: Repair<'_> = Repair {
        prefix: "/app",
        authorities: ["gw.example.com:8443", "wiki.internal", "127.0.0.1:3000"],
    };

    #[test]
    fn what_leads_to_this_host_or_to_the_app_leads_below_the_route() {
        for (from, to) in [
            ("/", "/app/"),
            ("/login", "/app/login"),
            ("/login?next=/x#y", "/app/login?next=/x#y"),
            ("/app/x", "/app/app/x"),
            ("/ünïcode", "/app/ünïcode"),
            ("https://gw.example.com:8443", "/app/"),
            ("https://gw.example.com:8443?x", "/app/?x"),
            ("https://gw.example.com:8443/x", "/app/x"),
            ("HTTP://GW.example.com:8443/x", "/app/x"),
            ("//gw.example.com:8443/x", "/app/x"),
            ("http://wiki.internal/x", "/app/x"),
            ("http://wiki.internal:80/x", "/app/x"),
            ("https://wiki.internal:443/x", "/app/x"),
            ("http://127.0.0.1:3000/x", "/app/x"),
            ("http://127.0.0.1:3000/.auth/logout", "/.auth/logout"),
            ("/.authors", "/app/.authors"),
        ] {
            assert_eq!(REPAIR.location(from).as_deref(), Some(to), "{from}");
        }
    }

    #[test]
    fn what_leads_elsewhere_or_needs_no_repair_stays_as_it_is() {
        for reference in [
            "",
            "x/y",
            "../x",
            "?x",
            "#x",
            "/.auth/logout",
            "/.auth",
            "/.auth?x",
            "//evil.com/x",
            "https://evil.com/x",
            "https://gw.example.com:8443.evil.com/x",
            "https://gw.example.com:8443@evil.com/x",
            "https://evil.com/https://gw.example.com:8443/",
            "https://gw.example.com/x",
            "https://wiki.internal:8080/x",
            "http://wiki.internal:443/x",
            "ftp://gw.example.com:8443/x",
            "mailto:a@gw.example.com:8443",
            "javascript:alert(1)",
            "x?y=https://gw.example.com:8443/",
        ] {
            assert_eq!(REPAIR.location(reference), None, "{reference}");
        }
    }

    #[test]
    fn nothing_is_made_into_another_host() {
        for rest in [
            "//evil.com",
            "/\\evil.com",
            "\\\\evil.com",
            "\\/evil.com",
            "///evil.com",
            "/\t/evil.com",
            "/ /evil.com",
            "/%09/evil.com",
            "/./\\evil.com",
            "/.//evil.com",
            "/../evil.com",
            "/./../../\\evil.com",
            "@evil.com",
            "\\@evil.com",
            "/;@evil.com",
            "?//evil.com",
            "#//evil.com",
            "/%2f%2fevil.com",
            "/\u{b}/evil.com",
        ] {
            for before in [
                "",
                "https://gw.example.com:8443",
                "//gw.example.com:8443",
                "http://127.0.0.1:3000",
            ] {
                let reference = format!("{before}{rest}");
                let Some(made) = REPAIR.location(&reference) else {
                    continue;
                };
                assert!(made.starts_with("/app/"), "{reference:?} became {made:?}");
            }
        }
    }

    #[test]
    fn cookies_are_for_paths_below_the_route() {
        for (from, to) in [
            ("a=1; Path=/", Some("a=1; Path=/app")),
            ("a=1; path=/x; Secure", Some("a=1; path=/app/x; Secure")),
            ("a=1;PATH = /x/ ;HttpOnly", Some("a=1;PATH =/app/x/;HttpOnly")),
            ("a=1; Path=/x; Path=/y", Some("a=1; Path=/app/x; Path=/app/y")),
            ("a=/x; Path=/", Some("a=/x; Path=/app")),
            ("Path=/x", Some("Path=/x")),
            ("a=1", Some("a=1")),
            ("a=1; Path=", Some("a=1; Path=")),
            ("a=1; Path=x", Some("a=1; Path=x")),
            ("a=1; Domain=x; SameSite=Lax", Some("a=1; Domain=x; SameSite=Lax")),
            ("__Host-a=1; Path=/; Secure", None),
            ("__host-a=1; Path=/; Secure", None),
            (
                "__Secure-a=1; Path=/; Secure",
                Some("__Secure-a=1; Path=/app; Secure"),
            ),
        ] {
            assert_eq!(REPAIR.cookie(from).as_deref(), to, "{from}");
        }
    }
}
