//! Reading the head of an answer.

use std::mem::MaybeUninit;

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use hyper::ext::ReasonPhrase;

use super::Broken;
use crate::{
    http::{http1::decode::Decoder, hygiene},
    upstream::Head,
};

/// The most header lines of an answer.
const MAX_HEADERS: usize = 128;

/// The head of an answer, and what it says of its connection.
#[derive(Debug)]
pub(super) struct Received {
    /// Without hop-by-hop headers.
    pub(super) head: Head,
    /// How its body ends.
    pub(super) body: Decoder,
    /// Whether the connection can take another request after it.
    pub(super) keeps_alive: bool,
}

/// What the parser makes of the bytes so far.
struct Parsed {
    length: usize,
    status: StatusCode,
    reason: Option<ReasonPhrase>,
    /// Where names and values stand.
    fields: Vec<(HeaderName, std::ops::Range<usize>)>,
    is_http_1_1: bool,
}

impl Received {
    /// Takes a head out of `buffer`, or leaves it alone where it is not whole yet. `method` is the request's: it
    /// decides whether there is a body.
    ///
    /// # Errors
    /// It is no HTTP/1.1, or its framing has more than one reading.
    pub(super) fn take(buffer: &mut BytesMut, method: &Method) -> Result<Option<Self>, Broken> {
        if buffer.is_empty() {
            return Ok(None);
        }
        let Some(parsed) = parse(buffer)? else {
            return Ok(None);
        };
        let bytes = buffer.split_to(parsed.length).freeze();
        let mut received = Self {
            head: Head {
                status: parsed.status,
                reason: parsed.reason,
                headers: HeaderMap::with_capacity(parsed.fields.len()),
                upgrade: None,
            },
            body: Decoder::none(),
            keeps_alive: parsed.is_http_1_1,
        };
        let mut framing = Framing::default();
        let mut named = Vec::new();
        for (name, range) in parsed.fields {
            // httparse has held the value to the same bytes; were it otherwise, the answer would be no HTTP.
            let value = HeaderValue::from_maybe_shared(bytes.slice(range))
                .map_err(|_| Broken::Malformed(httparse::Error::HeaderValue))?;
            match name.as_str() {
                "connection" => received.connection(&value, &mut named),
                "transfer-encoding" => framing.coding(&value),
                "upgrade" => received.head.upgrade = Some(value),
                "content-length" => {
                    framing.length(&value)?;
                    received.head.headers.insert(name, value);
                }
                _ if hygiene::is_hop_by_hop(&name) => {}
                _ => drop(received.head.headers.append(name, value)),
            }
        }
        for name in named {
            received.head.headers.remove(name);
        }
        received.decide_body(method, framing)?;
        Ok(Some(received))
    }

    /// What `Connection` says: how long it lasts, and which other headers are the connection's own.
    fn connection(&mut self, value: &HeaderValue, named: &mut Vec<HeaderName>) {
        for token in value
            .as_bytes()
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii)
        {
            if token.eq_ignore_ascii_case(b"close") {
                self.keeps_alive = false;
            } else if token.eq_ignore_ascii_case(b"keep-alive") {
                self.keeps_alive = true;
            } else if let Ok(name) = HeaderName::from_bytes(token) {
                named.push(name);
            }
        }
    }

    /// RFC 9112, section 6.3.
    fn decide_body(&mut self, method: &Method, framing: Framing) -> Result<(), Broken> {
        let status = self.head.status;
        let has_none = status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || *method == Method::HEAD;
        self.body = match framing {
            // Broken apps send the body that they announce all the same, and late: it would be the next person's answer.
            _ if has_none => {
                self.keeps_alive &= !framing.announces_body();
                Decoder::none()
            }
            Framing { ambiguous: true, .. } => return Err(Broken::Framing),
            Framing {
                chunked: true,
                length,
                ..
            } => {
                // The length is a lie, and the sender may have been made to tell it.
                if length.is_some() {
                    self.head.headers.remove(header::CONTENT_LENGTH);
                    self.keeps_alive = false;
                }
                Decoder::chunked()
            }
            Framing {
                length: Some(length), ..
            } => Decoder::length(length),
            _ => {
                self.keeps_alive = false;
                Decoder::until_close()
            }
        };
        Ok(())
    }
}

/// What the headers say of the body's end.
#[derive(Clone, Copy, Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
    ambiguous: bool,
}

impl Framing {
    fn announces_body(&self) -> bool {
        self.chunked || self.length.is_some_and(|length| length > 0)
    }

    /// Anything but one `chunked` would leave with us as something else than it came.
    fn coding(&mut self, value: &HeaderValue) {
        self.ambiguous |= self.chunked || !value.as_bytes().eq_ignore_ascii_case(b"chunked");
        self.chunked = true;
    }

    fn length(&mut self, value: &HeaderValue) -> Result<(), Broken> {
        let digits = value.as_bytes();
        let length = match !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
            true => value.to_str().ok().and_then(|digits| digits.parse().ok()),
            false => None,
        };
        let length: u64 = length.ok_or(Broken::Framing)?;
        self.ambiguous |= self.length.is_some_and(|other| other != length);
        self.length = Some(length);
        Ok(())
    }
}

fn parse(buffer: &BytesMut) -> Result<Option<Parsed>, Broken> {
    // Left as it is until the parser has written to it: most answers have a tenth of so many.
    let mut fields = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let parsed = parser.parse_response_with_uninit_headers(&mut response, buffer, &mut fields)?;
    let length = match parsed {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Ok(None),
    };
    let malformed = |_| Broken::Malformed(httparse::Error::Status);
    let start = buffer.as_ptr() as usize;
    let mut named = Vec::with_capacity(response.headers.len());
    for field in response.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes())
            .map_err(|_| Broken::Malformed(httparse::Error::HeaderName))?;
        let at = field.value.as_ptr() as usize - start;
        named.push((name, at..at + field.value.len()));
    }
    let status = StatusCode::from_u16(response.code.unwrap_or_default()).map_err(malformed)?;
    Ok(Some(Parsed {
        length,
        reason: unusual(status, response.reason.unwrap_or_default()),
        status,
        fields: named,
        is_http_1_1: response.version == Some(1),
    }))
}

/// A reason phrase that the status alone does not tell.
fn unusual(status: StatusCode, reason: &str) -> Option<ReasonPhrase> {
    let is_usual = reason.is_empty() || status.canonical_reason() == Some(reason);
    (!is_usual)
        .then(|| ReasonPhrase::try_from(reason.as_bytes()).ok())
        .flatten()
}

#[cfg(test)]
mod tests;
