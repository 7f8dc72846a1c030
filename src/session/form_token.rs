//! What proves that a form was ours, before anybody is signed in. Signed, not stored: a visitor without a
//! session costs no memory.
//!
//! The browser holds a random id in a cookie; the form holds the time and a MAC over both. A page of another
//! site can send a form, but knows no MAC for the cookie that the browser will add. All tabs share the
//! cookie, so any of them can be the one that is sent.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::NoRandomness;
use crate::clock::Timestamp;

/// How long a form may lie open. Longer than a lunch, shorter than a stolen laptop's battery.
const VALID_FOR: Duration = Duration::from_secs(4 * 3600);

/// A browser's random id is 16 bytes, in this many characters of base64url.
const BROWSER_ID_CHARS: usize = 22;

/// The key of this process's form tokens, or of all gateways that share a Redis. A restart of the former makes a new one: forms that were open then ask to be sent
/// again.
pub struct FormKey(ArcSwap<[u8; 64]>);

impl FormKey {
    /// A fresh key.
    ///
    /// # Errors
    /// The system's random source failed.
    pub fn generate() -> Result<Self, NoRandomness> {
        // As long as the hash's block: HMAC takes it as it is (RFC 2104, section 3).
        let mut key = [0; 64];
        getrandom::fill(&mut key)?;
        Ok(Self(ArcSwap::from_pointee(key)))
    }

    /// Takes the key of all gateways that share one, so that a form of one can be sent to another.
    pub fn adopt(&self, key: [u8; 64]) {
        self.0.store(Arc::new(key));
    }

    /// The token for a form that is shown to `browser` now.
    pub fn sign(&self, browser: &BrowserId, now: Timestamp) -> String {
        let issued = now.unix_millis().to_be_bytes();
        let mac = self.mac(browser, issued);
        URL_SAFE_NO_PAD.encode([&issued[..], &mac].concat())
    }

    /// Whether a form's token was made for this browser, not too long ago.
    pub fn verify(&self, browser: &BrowserId, token: &str, now: Timestamp) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(token) else {
            return false;
        };
        let Some((issued, mac)) = bytes.split_first_chunk::<8>() else {
            return false;
        };
        let genuine: bool = self.mac(browser, *issued).ct_eq(mac).into();
        let issued = Timestamp::from_unix_millis(u64::from_be_bytes(*issued));
        genuine && issued <= now && now.since(issued) < VALID_FOR
    }

    /// A MAC to be fed.
    pub(super) fn hmac(&self) -> Hmac<Sha256> {
        Hmac::new(&(**self.0.load()).into())
    }

    fn mac(&self, browser: &BrowserId, issued: [u8; 8]) -> Vec<u8> {
        let mut mac = self.hmac();
        mac.update(browser.0.as_bytes());
        mac.update(&issued);
        mac.finalize().into_bytes().to_vec()
    }
}

impl std::fmt::Debug for FormKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FormKey(…)")
    }
}

/// A browser's random id, from its cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowserId(String);

impl BrowserId {
    /// A fresh one.
    ///
    /// # Errors
    /// The system's random source failed.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// From a cookie's value; `None` when it is none of ours.
    pub fn of_cookie(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let ours = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (text.len() == BROWSER_ID_CHARS && text.bytes().all(ours)).then(|| Self(text.to_owned()))
    }

    /// The cookie's value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_token_is_good_for_its_browser_and_its_time_alone() {
        let (key, other_key) = (FormKey::generate().unwrap(), FormKey::generate().unwrap());
        let (browser, other) = (BrowserId::generate().unwrap(), BrowserId::generate().unwrap());
        let start = Timestamp::from_unix_seconds(1_000_000);
        let token = key.sign(&browser, start);
        assert!(key.verify(&browser, &token, start));
        assert!(key.verify(
            &browser,
            &token,
            start.after(VALID_FOR - Duration::from_millis(1))
        ));
        assert!(!key.verify(&browser, &token, start.after(VALID_FOR)));
        assert!(!key.verify(&browser, &token, Timestamp::from_unix_seconds(999_999)));
        assert!(!key.verify(&other, &token, start));
        assert!(!other_key.verify(&browser, &token, start));
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert!(
                !key.verify(&browser, &String::from_utf8(forged).unwrap(), start),
                "{at}"
            );
        }
        for forged in [
            "",
            "AAAA",
            "=",
            "%00",
            &token[..token.len() - 1],
            &format!("{token}A"),
        ] {
            assert!(!key.verify(&browser, forged, start), "{forged}");
        }
    }

    #[test]
    fn a_browser_id_comes_back_from_its_cookie_and_nothing_else_does() {
        let browser = BrowserId::generate().unwrap();
        assert_eq!(BrowserId::of_cookie(browser.as_str().as_bytes()), Some(browser));
        for value in [&b""[..], b"short", b"\xff\xff", &[b'='; 22], &[b'A'; 23]] {
            assert_eq!(BrowserId::of_cookie(value), None);
        }
    }
}
