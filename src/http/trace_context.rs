//! W3C Trace Context (<https://www.w3.org/TR/trace-context/>): the one header by which traces of several programs are
//! put together.
//!
//! Anybody may begin a trace, so whoever calls is believed in that; what is malformed, or there twice, begins a new one.

use std::{cell::Cell, fmt};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{fields, hex};

/// The header, in the spelling of HTTP/2.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What tracing systems add to it. It says nothing without the other.
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Version, trace, span and flags, of a trace that nobody has asked to be recorded.
const EMPTY: [u8; LENGTH] = *b"00-00000000000000000000000000000000-0000000000000000-00";

const LENGTH: usize = 55;

/// The flags that are defined: "sampled", and "random" of the second edition. Others must not be passed on.
const KNOWN_FLAGS: u8 = 0b11;

/// Our part of a trace, as the upstream is told of it: the trace it belongs to, and a span of our own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceContext([u8; LENGTH]);

impl TraceContext {
    /// The trace that a request belongs to, with a new span in it; a new trace where it belongs to none, and then
    /// without the `tracestate` that would not be this trace's.
    pub fn of(headers: &mut HeaderMap, ids: &TraceIds) -> Self {
        let given: Vec<_> = fields::all(headers, &TRACEPARENT).collect();
        let given = match given.as_slice() {
            [only] => Self::parse(only.as_bytes()),
            _ => None,
        };
        let Some(mut context) = given else {
            if fields::has(headers, &TRACESTATE) {
                headers.remove(TRACESTATE);
            }
            return ids.new_trace();
        };
        context.0[36..52].copy_from_slice(&hex::digits(ids.next_id()));
        context
    }

    /// A `traceparent` header, which names its sender's span.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (known, more) = text.split_first_chunk::<LENGTH>()?;
        let version = &known[..2];
        // A later version may have more to say, behind another dash (section 3.2.2.3 of its rules of parsing).
        let fits = match version {
            b"00" => more.is_empty(),
            _ => more.is_empty() || more.starts_with(b"-"),
        };
        let is_hex = |digits: &[u8]| {
            digits
                .iter()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_id = |digits: &[u8]| is_hex(digits) && digits.iter().any(|&digit| digit != b'0');
        let dashes = known[2] == b'-' && known[35] == b'-' && known[52] == b'-';
        if !fits || !dashes || !is_hex(version) || version == b"ff" {
            return None;
        }
        if !is_id(&known[3..35]) || !is_id(&known[36..52]) || !is_hex(&known[53..]) {
            return None;
        }
        let mut context = Self(*known);
        context.0[..2].copy_from_slice(b"00");
        context.0[53] = b'0';
        context.0[54] = b'0' + (value(known[54]) & KNOWN_FLAGS);
        Some(context)
    }

    /// The header's value.
    pub fn as_str(&self) -> &str {
        // ASCII by construction; the empty string is never reached.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The same, to be put in.
    pub fn header_value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// The trace's id, by which every program's log knows it.
    pub fn trace_id(&self) -> &str {
        self.as_str().get(3..35).unwrap_or_default()
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes one worker's trace and span ids: numbers that look random, as samplers expect, and cost a few nanoseconds.
/// They need to be unique, not unguessable.
#[derive(Debug)]
pub struct TraceIds {
    /// Its digits.
    worker: [u8; 16],
    state: Cell<u64>,
}

impl TraceIds {
    /// For a worker.
    ///
    /// # Errors
    /// The operating system's random source failed.
    pub fn new() -> Result<Self, getrandom::Error> {
        Ok(Self {
            // Never zero, and so no trace's id is, which the standard forbids.
            worker: hex::digits(getrandom::u64()? | 1),
            state: Cell::new(getrandom::u64()?),
        })
    }

    fn new_trace(&self) -> TraceContext {
        let mut context = EMPTY;
        context[3..19].copy_from_slice(&self.worker);
        context[19..35].copy_from_slice(&hex::digits(self.next_id()));
        context[36..52].copy_from_slice(&hex::digits(self.next_id()));
        TraceContext(context)
    }

    /// The next number of SplitMix64, which comes again after 2^64 others; never zero.
    fn next_id(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).max(1)
    }
}

/// What a lower-case hexadecimal digit stands for.
fn value(digit: u8) -> u8 {
    match digit {
        b'a'.. => digit - b'a' + 10,
        _ => digit - b'0',
    }
}

#[cfg(test)]
mod tests;
