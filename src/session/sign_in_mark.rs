//! What a browser shows that has signed in a moment ago. Signed, not stored, and good for as long as a redirect takes.
//!
//! Only with it can somebody who is asked to sign in again be told why. What else a browser says, such as where it comes
//! from, it says again when the same page is opened much later.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::Mac;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::form_token::FormKey;
use crate::clock::Timestamp;

/// How long it is good for: the way back from the login page, over a slow line.
pub const RECENT: Duration = Duration::from_secs(30);

/// Enough of a hash to tell one session's cookie from another.
const FINGERPRINT_BYTES: usize = 8;

const MAC_BYTES: usize = 32;

/// Why a browser that has just signed in is not signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotKept {
    /// It came over plain HTTP, where it keeps no cookie that is for TLS alone.
    PlainHttp,
    /// It sends no cookie back.
    NoCookie,
    /// It sends another of the same name where it wanted to go, beside the session's or in its place.
    TwoCookies,
    /// It sends one, of a session that nobody knows here.
    NoSession,
    /// It wanted to go where a session is no credential.
    TokensAlone,
}

impl NotKept {
    const ALL: [Self; 5] = [
        Self::PlainHttp,
        Self::NoCookie,
        Self::TwoCookies,
        Self::NoSession,
        Self::TokensAlone,
    ];

    /// The word for it, in an address and in logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::PlainHttp => "plain_http",
            Self::NoCookie => "no_cookie",
            Self::TwoCookies => "two_cookies",
            Self::NoSession => "no_session",
            Self::TokensAlone => "tokens_alone",
        }
    }

    /// What a word stands for.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.word() == word)
    }
}

/// A mark that a browser has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignInMark {
    /// Whether it was made here, and not by another gateway or before a restart. Of one that was not, nothing but the
    /// browser says that it is recent: it keeps it for no longer.
    pub is_ours: bool,
    session: [u8; FINGERPRINT_BYTES],
}

impl SignInMark {
    /// The mark for a browser that is given this session cookie now.
    pub fn make(key: &FormKey, session_cookie: &str, now: Timestamp) -> String {
        let issued = now.unix_millis().to_be_bytes();
        let session = fingerprint(session_cookie.as_bytes());
        let mac = mac(key, issued, session);
        URL_SAFE_NO_PAD.encode([&issued[..], &session, &mac].concat())
    }

    /// What a cookie's value says; `None` where it is no mark, or one of ours that is over.
    pub fn read(key: &FormKey, value: &[u8], now: Timestamp) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(value).ok()?;
        let (issued, rest) = bytes.split_first_chunk::<8>()?;
        let (session, sent) = rest.split_first_chunk::<FINGERPRINT_BYTES>()?;
        if sent.len() != MAC_BYTES {
            return None;
        }
        let is_ours: bool = mac(key, *issued, *session).ct_eq(sent).into();
        let issued = Timestamp::from_unix_millis(u64::from_be_bytes(*issued));
        let is_recent = issued <= now && now.since(issued) < RECENT;
        (is_recent || !is_ours).then_some(Self {
            is_ours,
            session: *session,
        })
    }

    /// Whether this is the session cookie that it was given with.
    pub fn is_of(&self, session_cookie: &[u8]) -> bool {
        self.session == fingerprint(session_cookie)
    }
}

fn fingerprint(session_cookie: &[u8]) -> [u8; FINGERPRINT_BYTES] {
    let hash: [u8; 32] = Sha256::new()
        .chain_update(b"fingerprint of ")
        .chain_update(session_cookie)
        .finalize()
        .into();
    let mut start = [0; FINGERPRINT_BYTES];
    start.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    start
}

/// Its first bytes are in no browser's id, so that it is no form's token.
fn mac(key: &FormKey, issued: [u8; 8], session: [u8; FINGERPRINT_BYTES]) -> Vec<u8> {
    let mut mac = key.hmac();
    mac.update(b"signed in: ");
    mac.update(&issued);
    mac.update(&session);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::form_token::BrowserId;

    const COOKIE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn a_mark_is_good_for_half_a_minute_and_says_whose_it_is() {
        let (key, other_key) = (FormKey::generate().unwrap(), FormKey::generate().unwrap());
        let start = Timestamp::from_unix_seconds(1_000_000);
        let mark = SignInMark::make(&key, COOKIE, start);
        let read = |key, value: &str, now| SignInMark::read(key, value.as_bytes(), now);
        for (now, good) in [
            (start, true),
            (start.after(RECENT - Duration::from_millis(1)), true),
            (start.after(RECENT), false),
            (Timestamp::from_unix_seconds(999_999), false),
        ] {
            assert_eq!(read(&key, &mark, now).is_some(), good, "{now:?}");
        }
        let ours = read(&key, &mark, start).unwrap();
        assert!(ours.is_ours && ours.is_of(COOKIE.as_bytes()) && !ours.is_of(b"another"));
        let theirs = read(&other_key, &mark, start).unwrap();
        assert!(!theirs.is_ours && theirs.is_of(COOKIE.as_bytes()));
        for at in 0..mark.len() {
            let mut forged = mark.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let read = SignInMark::read(&key, &forged, start);
            assert!(read.is_none_or(|mark| !mark.is_ours), "{at}");
        }
        for value in [
            "",
            "AAAA",
            "=",
            "%00",
            &mark[..mark.len() - 4],
            &format!("{mark}AAAA"),
        ] {
            assert_eq!(read(&key, value, start), None, "{value}");
        }
        let browser = BrowserId::generate().unwrap();
        assert_eq!(
            read(&key, &key.sign(&browser, start), start),
            None,
            "a form's token"
        );
        assert!(!key.verify(&browser, &mark, start), "no form's token");
    }

    #[test]
    fn each_reason_has_a_word_of_its_own() {
        for why in NotKept::ALL {
            assert_eq!(NotKept::of_word(why.word()), Some(why));
        }
        assert_eq!(NotKept::of_word(""), None);
    }
}
