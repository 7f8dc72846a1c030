//! A request's name in logs, in `X-Request-Id` and on error pages.

use std::{cell::Cell, fmt};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{client_addr::Hop, hex};

/// The header that carries it.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Digits of an id that we make.
const LENGTH: u8 = 32;

/// The longest id that is kept of a proxy in front: twice as long as a UUID is.
const MAX_LENGTH: usize = 72;

/// A request's name: 128 bits as 32 hexadecimal digits, unique per request, or what a trusted proxy in front calls it.
/// Not a secret: it only finds a log line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    length: u8,
    text: [u8; MAX_LENGTH],
}

impl RequestId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        // The bytes are ASCII by construction; the empty string is never reached.
        let text = self.text.get(..usize::from(self.length));
        std::str::from_utf8(text.unwrap_or_default()).unwrap_or_default()
    }

    /// The id as a header's value.
    pub fn header_value(&self) -> HeaderValue {
        HeaderValue::from_str(self.as_str()).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// The id that these headers carry: it is there once, and made of letters, digits and what stands in UUIDs, base64
    /// and trace ids.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(X_REQUEST_ID).iter();
        match (values.next(), values.next()) {
            (Some(only), None) => Self::parse(only.as_bytes()),
            _ => None,
        }
    }

    fn parse(id: &[u8]) -> Option<Self> {
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:=+/".contains(byte);
        if id.is_empty() || !id.iter().all(fits) {
            return None;
        }
        let mut text = [0; MAX_LENGTH];
        text.get_mut(..id.len())?.copy_from_slice(id);
        Some(Self {
            length: u8::try_from(id.len()).ok()?,
            text,
        })
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes one worker's ids: a random half that the worker keeps, and a counter.
///
/// A random number per request would cost a system call; ids need to be unique, not unguessable.
#[derive(Debug)]
pub struct RequestIds {
    /// Its digits.
    worker: [u8; 16],
    next: Cell<u64>,
}

impl RequestIds {
    /// For a worker.
    ///
    /// # Errors
    /// The operating system's random source failed.
    pub fn new() -> Result<Self, getrandom::Error> {
        Ok(Self {
            worker: hex::digits(getrandom::u64()?),
            next: Cell::new(getrandom::u64()?),
        })
    }

    /// What a request is called: as a trusted proxy in front calls it, or by the next id.
    pub fn name(&self, hop: &Hop, headers: &HeaderMap) -> RequestId {
        let given = match hop.is_trusted() {
            true => RequestId::of(headers),
            false => None,
        };
        given.unwrap_or_else(|| self.next())
    }

    /// The next id.
    pub fn next(&self) -> RequestId {
        let count = self.next.get();
        self.next.set(count.wrapping_add(1));
        let mut text = [0; MAX_LENGTH];
        let (places, _) = text.as_chunks_mut::<16>();
        for (place, digits) in places.iter_mut().zip([self.worker, hex::digits(count)]) {
            *place = digits;
        }
        RequestId { length: LENGTH, text }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_32_hexadecimal_digits_and_differ() {
        let ids = RequestIds::new().unwrap();
        let seen: HashSet<String> = (0..1000).map(|_| ids.next().to_string()).collect();
        assert_eq!(seen.len(), 1000);
        assert!(
            seen.iter()
                .all(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()))
        );
    }

    #[test]
    fn an_id_of_a_proxy_is_kept_if_it_is_well_formed_and_the_only_one() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(X_REQUEST_ID, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            RequestId::of(&headers)
        };
        let longest = "a".repeat(MAX_LENGTH);
        for id in [
            "1",
            "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "Root=1-67891233-abcdef012345678912345678",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "c2Vuc2libGU+/w==",
            &longest,
        ] {
            let kept = of(&[id]).unwrap();
            assert_eq!(
                (kept.as_str(), kept.header_value().as_bytes()),
                (id, id.as_bytes())
            );
        }
        let too_long = "a".repeat(MAX_LENGTH + 1);
        for ids in [
            &[][..],
            &["", "a"],
            &["a", "a"],
            &[""],
            &["a b"],
            &["a,b"],
            &["a;b"],
            &["<b>"],
            &["\"a\""],
            &["caf\u{e9}"],
            &[&too_long],
        ] {
            assert_eq!(of(ids), None, "{ids:?}");
        }
    }
}
