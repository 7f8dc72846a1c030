//! What brings a browser back to the upstream it was sent to: a cookie with a *mark*, which only we can make and which
//! says nothing about the upstream.
//!
//! A browser may use several routes of one host with upstreams of their own, so that the cookie holds a mark for each.
//! The key is random: a restart of the gateway sends browsers to an upstream anew.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::session::NoRandomness;

/// Half of HMAC-SHA256 (RFC 2104, section 5), in this many characters of base64url.
const MARK_CHARS: usize = 22;

/// Marks that a cookie holds at most: routes of one host that share no upstreams.
const MOST_MARKS: usize = 8;

/// Makes the marks of one gateway.
pub struct MarkKey([u8; 64]);

/// What a browser's cookie calls an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark(String);

impl MarkKey {
    /// A fresh key.
    ///
    /// # Errors
    /// The system's random source failed.
    pub fn generate() -> Result<Self, NoRandomness> {
        // As long as the hash's block: HMAC takes it as it is (RFC 2104, section 3).
        let mut key = [0; 64];
        getrandom::fill(&mut key)?;
        Ok(Self(key))
    }

    /// The mark of the upstream of this name.
    pub fn mark(&self, name: &str) -> Mark {
        let mut mac = Hmac::<Sha256>::new(&self.0.into());
        mac.update(name.as_bytes());
        let mut mark = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        mark.truncate(MARK_CHARS);
        Mark(mark)
    }
}

impl std::fmt::Debug for MarkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MarkKey(…)")
    }
}

impl Mark {
    /// Whether a cookie holds it.
    pub fn is_in(&self, cookie: &[u8]) -> bool {
        marks(cookie).any(|mark| mark == self.0.as_bytes())
    }

    /// A cookie that holds this one, and of an earlier one what belongs to other routes: neither `siblings`, this
    /// route's other upstreams, nor what is no mark.
    pub fn into_cookie(self, earlier: &[u8], siblings: &[&Self]) -> String {
        let is_sibling = |mark: &&[u8]| siblings.iter().any(|sibling| sibling.0.as_bytes() == *mark);
        let mut cookie = self.0;
        for other in marks(earlier)
            .filter(|mark| !is_sibling(mark))
            .take(MOST_MARKS - 1)
        {
            cookie.push('.');
            cookie.extend(other.iter().copied().map(char::from));
        }
        cookie
    }
}

/// Whatever has the form of a mark.
fn marks(cookie: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_mark = |mark: &&[u8]| {
        let ours = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        mark.len() == MARK_CHARS && mark.iter().all(ours)
    };
    cookie
        .split(|byte| *byte == b'.')
        .take(MOST_MARKS)
        .filter(is_mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_known_by_its_name_and_its_key() {
        let (key, other) = (MarkKey::generate().unwrap(), MarkKey::generate().unwrap());
        let mark = key.mark("http://a:80");
        assert_eq!(mark, key.mark("http://a:80"));
        assert_ne!(mark, key.mark("http://b:80"));
        assert_ne!(mark, other.mark("http://a:80"));
        assert!(!mark.0.contains("http"));
        let (mark_of_b, foreign) = (key.mark("http://b:80"), "A".repeat(MARK_CHARS));
        for (cookie, is_in) in [
            (mark.0.clone(), true),
            (format!("{foreign}.{}", mark.0), true),
            (format!("{}.", mark.0), true),
            (mark_of_b.0, false),
            (foreign.clone(), false),
            (String::new(), false),
            (format!("{}A", mark.0), false),
            (mark.0[1..].to_owned(), false),
            (mark.0.to_ascii_uppercase(), false),
            (format!("{}{}", format!("{foreign}.").repeat(8), mark.0), false),
        ] {
            assert_eq!(mark.is_in(cookie.as_bytes()), is_in, "{cookie}");
        }
        assert!(!mark.is_in(b"\xff\xfe"));
    }

    #[test]
    fn a_cookie_keeps_the_marks_of_other_routes_and_nothing_else() {
        let key = MarkKey::generate().unwrap();
        let [a, b] = ["http://a:80", "http://b:80"].map(|name| key.mark(name));
        let other = |n: u32| key.mark(&format!("http://other-{n}:80")).0;
        let (x, y) = (other(1), other(2));
        for (earlier, kept) in [
            (String::new(), a.0.clone()),
            (a.0.clone(), a.0.clone()),
            (b.0.clone(), a.0.clone()),
            (format!("{x}.{}.{y}", b.0), format!("{}.{x}.{y}", a.0)),
            ("; Path=/.<b>.\"".to_owned(), a.0.clone()),
            (format!("{x}.\u{e9}.{y}"), format!("{}.{x}.{y}", a.0)),
        ] {
            let cookie = a.clone().into_cookie(earlier.as_bytes(), &[&a, &b]);
            assert_eq!(cookie, kept, "{earlier}");
        }
        let full: Vec<String> = (0..20).map(other).collect();
        let cookie = a.clone().into_cookie(full.join(".").as_bytes(), &[&a, &b]);
        assert_eq!(cookie, format!("{}.{}", a.0, full[..7].join(".")));
    }
}
