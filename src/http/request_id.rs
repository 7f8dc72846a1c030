//! A request's name in logs, in `X-Request-Id` and on error pages.

use std::{cell::Cell, fmt};

use http::HeaderValue;

/// 128 bits as 32 hexadecimal digits, unique per request. Not a secret: it only finds a log line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; 32]);

impl RequestId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        // The bytes are hexadecimal digits by construction; the empty string is never reached.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The id as a header's value.
    pub fn header_value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).unwrap_or_else(|_| HeaderValue::from_static(""))
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
    worker: u64,
    next: Cell<u64>,
}

impl RequestIds {
    /// For a worker.
    ///
    /// # Errors
    /// The operating system's random source failed.
    pub fn new() -> Result<Self, getrandom::Error> {
        Ok(Self {
            worker: getrandom::u64()?,
            next: Cell::new(getrandom::u64()?),
        })
    }

    /// The next id.
    pub fn next(&self) -> RequestId {
        let count = self.next.get();
        self.next.set(count.wrapping_add(1));
        let number = (u128::from(self.worker) << 64) | u128::from(count);
        let mut digits = [0; 32];
        for (index, digit) in digits.iter_mut().enumerate() {
            let nibble = (number >> (124 - 4 * index)) & 0xf;
            *digit = char::from_digit(nibble as u32, 16).map_or(b'0', |c| c as u8);
        }
        RequestId(digits)
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
}
