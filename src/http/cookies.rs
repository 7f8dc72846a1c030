//! Our own cookies: found in a request, taken out of it, set and cleared (RFC 6265).

use std::{borrow::Cow, iter, time::Duration};

use cookie::{Cookie, SameSite, time};
use http::{HeaderMap, HeaderValue, header};

use super::{fields, target::Host};

/// What a request's `Cookie` headers say about one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented<'a> {
    /// The name does not occur.
    Absent,
    /// It occurs once, with this value.
    One(&'a [u8]),
    /// It occurs more than once. Which one is meant is anybody's guess, so none is.
    Several,
}

/// Looks for a cookie by its exact name. Costs one pass over the header and no allocation.
pub fn find<'a>(headers: &'a HeaderMap, name: &str) -> Presented<'a> {
    let mut values = fields::all(headers, &header::COOKIE)
        .flat_map(pairs)
        .filter_map(|pair| value_of(pair, name));
    match (values.next(), values.next()) {
        (None, _) => Presented::Absent,
        (Some(value), None) => Presented::One(value),
        (Some(_), Some(_)) => Presented::Several,
    }
}

/// The cookies of a request but those of these names, as one header's value; `None` where none is left.
///
/// HTTP/2 clients may send one header per cookie; upstreams of HTTP/1.1 must see them joined
/// (RFC 9113, section 8.2.3).
pub fn without<'a>(headers: &'a HeaderMap, names: &[&str]) -> Option<Cow<'a, [u8]>> {
    let ours = |pair: &[u8]| names.iter().any(|name| value_of(pair, name).is_some());
    let mut sent = fields::all(headers, &header::COOKIE);
    let first = sent.next()?;
    if sent.next().is_none() && !pairs(first).any(ours) {
        return Some(Cow::Borrowed(first.as_bytes()));
    }
    let mut rest = Vec::new();
    let all = fields::all(headers, &header::COOKIE).flat_map(pairs);
    for pair in all.filter(|pair| !pair.is_empty() && !ours(pair)) {
        if !rest.is_empty() {
            rest.extend_from_slice(b"; ");
        }
        rest.extend_from_slice(pair);
    }
    (!rest.is_empty()).then_some(Cow::Owned(rest))
}

/// The pairs of one `Cookie` header.
fn pairs(header: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let mut left = Some(header.as_bytes());
    iter::from_fn(move || {
        let text = left?;
        // Most of a cookie is its value, which nobody needs to look at byte by byte.
        let (pair, rest) = match memchr::memchr(b';', text) {
            Some(end) => (text.get(..end)?, text.get(end + 1..)),
            None => (text, None),
        };
        left = rest;
        Some(pair.trim_ascii())
    })
}

/// What a pair gives the cookie of this name, if it is that cookie's.
fn value_of<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let rest = pair.strip_prefix(name.as_bytes())?.trim_ascii_start();
    rest.strip_prefix(b"=").map(<[u8]>::trim_ascii_start)
}

/// The name under which a browser sends the cookie of a `Set-Cookie` value back. One that has no name (`=value`) is
/// sent as its value alone, in which we would find a name all the same (RFC 6265bis, section 5.8.3).
pub fn set_name(value: &[u8]) -> &[u8] {
    let pair = up_to(value, b';').trim_ascii_start();
    let sent = pair.strip_prefix(b"=").unwrap_or(pair);
    up_to(sent, b'=').trim_ascii()
}

fn up_to(text: &[u8], end: u8) -> &[u8] {
    text.split(|&byte| byte == end).next().unwrap_or_default()
}

/// The attributes that all cookies of one gateway share. But for the session's, none has a domain: they are one host's.
#[derive(Debug, Clone)]
pub struct CookieStyle {
    /// Whether browsers reach us over TLS; `__Host-` names require it.
    pub secure: bool,
}

impl CookieStyle {
    /// A `Set-Cookie` value. Without `max_age` the cookie ends with the browser.
    pub fn set(&self, name: &str, value: &str, max_age: Option<Duration>) -> Option<HeaderValue> {
        written(&with_age(self.cookie(name, value), max_age))
    }

    /// A `Set-Cookie` value that ends the cookie: the same attributes, or browsers would keep the original.
    pub fn clear(&self, name: &str) -> Option<HeaderValue> {
        let mut cookie = self.cookie(name, "");
        cookie.make_removal();
        written(&cookie)
    }

    fn cookie<'c>(&self, name: &'c str, value: &'c str) -> Cookie<'c> {
        Cookie::build((name, value))
            .path("/")
            .http_only(true)
            .secure(self.secure)
            .same_site(SameSite::Lax)
            .build()
    }
}

/// The session's cookie: one host's, or that of every host below a domain.
#[derive(Debug, Clone)]
pub struct SessionCookie {
    /// What it has in common with the others.
    pub style: CookieStyle,
    /// Its name.
    pub name: String,
    /// The domains that share a sign-in, in lower case; none is below another.
    pub domains: Vec<String>,
}

impl SessionCookie {
    /// The `Set-Cookie` values that give a browser the cookie, for the whole domain of the host that it asked. Without
    /// `max_age` the cookie ends with the browser.
    ///
    /// Where there is a domain, a cookie of the same name that is the host's alone ends first: one from before there was a
    /// domain, or that a page has planted. A browser would send both, and two are nobody's.
    pub fn set(
        &self,
        authority: Option<&str>,
        value: &str,
        max_age: Option<Duration>,
    ) -> impl Iterator<Item = Option<HeaderValue>> {
        let domain = self.domain(authority);
        let mut cookie = with_age(self.style.cookie(&self.name, value), max_age);
        if let Some(domain) = domain {
            cookie.set_domain(domain);
        }
        let host_s_own = domain.map(|_| self.removal(None));
        host_s_own.into_iter().chain([written(&cookie)])
    }

    /// The `Set-Cookie` values that end it: the same attributes, or browsers would keep the original.
    pub fn clear(&self, authority: Option<&str>) -> impl Iterator<Item = Option<HeaderValue>> {
        let domain = self.domain(authority);
        let host_s_own = domain.map(|_| self.removal(None));
        host_s_own.into_iter().chain([self.removal(domain)])
    }

    /// The name of another cookie that goes with this one and is always one host's alone, which its name promises where
    /// this one's may promise that no other host has planted it (RFC 6265bis, section 4.1.3.2).
    pub fn companion(&self, purpose: &str) -> String {
        const SECURE: &str = "__Secure-";
        match self.name.split_at_checked(SECURE.len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(SECURE) => format!("__Host-{rest}-{purpose}"),
            _ => format!("{}-{purpose}", self.name),
        }
    }

    /// The domain that a host is in, if any.
    fn domain(&self, authority: Option<&str>) -> Option<&str> {
        let host = Host::parse(authority?).ok()?;
        let is_in = |domain: &&String| {
            let above = host.as_str().strip_suffix(domain.as_str());
            above.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.domains.iter().find(is_in).map(String::as_str)
    }

    fn removal(&self, domain: Option<&str>) -> Option<HeaderValue> {
        let mut cookie = self.style.cookie(&self.name, "");
        if let Some(domain) = domain {
            cookie.set_domain(domain);
        }
        cookie.make_removal();
        written(&cookie)
    }
}

fn with_age(mut cookie: Cookie<'_>, max_age: Option<Duration>) -> Cookie<'_> {
    cookie.set_max_age(max_age.and_then(|age| time::Duration::try_from(age).ok()));
    cookie
}

fn written(cookie: &Cookie<'_>) -> Option<HeaderValue> {
    HeaderValue::from_str(&cookie.to_string()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "__Host-portcullis";

    fn headers(cookies: &[&[u8]]) -> HeaderMap {
        cookies
            .iter()
            .map(|c| (header::COOKIE, HeaderValue::from_bytes(c).unwrap()))
            .collect()
    }

    #[test]
    fn a_cookie_is_found_once_or_not_at_all() {
        for (sent, found) in [
            (&[][..], Presented::Absent),
            (&[&b""[..]][..], Presented::Absent),
            (&[b"="], Presented::Absent),
            (&[b";;;"], Presented::Absent),
            (&[b"__Host-portcullis"], Presented::Absent),
            (&[b"__host-portcullis=x"], Presented::Absent),
            (&[b"x__Host-portcullis=x"], Presented::Absent),
            (&[b"a=__Host-portcullis=x"], Presented::Absent),
            (&[b"__Host-portcullis=x"], Presented::One(b"x")),
            (&[b"a=1; __Host-portcullis=x; b=2"], Presented::One(b"x")),
            (&[b"a=1;__Host-portcullis=x;b=2"], Presented::One(b"x")),
            (&[b"a=1", b"__Host-portcullis=x"], Presented::One(b"x")),
            (&[b"__Host-portcullis="], Presented::One(b"")),
            (&[b"__Host-portcullis=x=y"], Presented::One(b"x=y")),
            (&[b"__Host-portcullis=\xff\xfe"], Presented::One(b"\xff\xfe")),
            (&[b"__Host-portcullis=x; __Host-portcullis=y"], Presented::Several),
            (
                &[b"__Host-portcullis=x", b"__Host-portcullis=x"],
                Presented::Several,
            ),
        ] {
            assert_eq!(find(&headers(sent), NAME), found, "{sent:?}");
        }
    }

    #[test]
    fn our_cookies_never_travel_on_and_the_others_do() {
        for (sent, left) in [
            (&[&b"a=1; b=2"[..]][..], Some(&b"a=1; b=2"[..])),
            (&[b"a=1;b=2"], Some(b"a=1;b=2")),
            (&[b"__Host-portcullis=x"], None),
            (&[b"a=1; __Host-portcullis=x; b=2"], Some(b"a=1; b=2")),
            (
                &[b"__Host-portcullis=x; __Host-portcullis=y; a=\xff"],
                Some(b"a=\xff"),
            ),
            (&[b"__Host-portcullis =x; a=1"], Some(b"a=1")),
            (&[b"a=1", b"__Host-portcullis=x", b"b=2"], Some(b"a=1; b=2")),
            (&[b"a=1", b"b=2"], Some(b"a=1; b=2")),
        ] {
            let headers = headers(sent);
            assert_eq!(without(&headers, &[NAME]).as_deref(), left, "{sent:?}");
        }
    }

    #[test]
    fn clearing_repeats_the_attributes_of_setting() {
        let (own, shared) = (
            "HttpOnly; SameSite=Lax; Secure; Path=/",
            "HttpOnly; SameSite=Lax; Secure; Path=/; Domain=example.com",
        );
        let minute = Some(Duration::from_secs(60));
        for (domains, host, attributes) in [
            (&[][..], Some("wiki.example.com"), &[own][..]),
            (&["example.com"], Some("wiki.example.com"), &[own, shared]),
            (&["example.com"], Some("example.com"), &[own, shared]),
            (&["example.com"], Some("a.b.EXAMPLE.com.:8443"), &[own, shared]),
            (
                &["example.org", "example.com"],
                Some("x.example.com"),
                &[own, shared],
            ),
            (&["example.com"], Some("notexample.com"), &[own]),
            (&["example.com"], Some("example.com.evil.org"), &[own]),
            (&["example.com"], Some("example.org"), &[own]),
            (&["example.com"], Some("com"), &[own]),
            (&["example.com"], Some("[::1]:8443"), &[own]),
            (&["example.com"], Some("a b"), &[own]),
            (&["example.com"], None, &[own]),
        ] {
            let cookie = session_cookie(NAME, domains);
            let set: Vec<_> = cookie.set(host, "v", minute).map(Option::unwrap).collect();
            let cleared: Vec<_> = cookie.clear(host).map(Option::unwrap).collect();
            let (last, removals) = set.split_last().unwrap();
            assert_eq!(
                last.to_str().unwrap(),
                format!("{NAME}=v; {}; Max-Age=60", attributes.last().unwrap()),
                "{domains:?} {host:?}"
            );
            assert_eq!(removals, &cleared[..attributes.len() - 1]);
            let begins = attributes
                .iter()
                .map(|a| format!("{NAME}=; {a}; Max-Age=0; Expires="));
            for (cleared, begin) in cleared.iter().zip(begins) {
                let cleared = cleared.to_str().unwrap();
                assert!(cleared.starts_with(&begin), "{domains:?} {host:?} {cleared}");
            }
            assert_eq!(cleared.len(), attributes.len());
        }
    }

    #[test]
    fn what_goes_with_the_session_s_cookie_is_one_host_s() {
        for (name, form) in [
            ("__Host-portcullis", "__Host-portcullis-form"),
            ("__Secure-portcullis", "__Host-portcullis-form"),
            ("__secure-x", "__Host-x-form"),
            ("portcullis", "portcullis-form"),
            ("a", "a-form"),
        ] {
            assert_eq!(session_cookie(name, &[]).companion("form"), form);
        }
    }

    fn session_cookie(name: &str, domains: &[&str]) -> SessionCookie {
        SessionCookie {
            style: CookieStyle { secure: true },
            name: name.to_owned(),
            domains: domains.iter().map(|&domain| domain.to_owned()).collect(),
        }
    }
}
