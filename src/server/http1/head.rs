//! Reading the head of a request (RFC 9112).

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version};

use crate::http::http1::decode::Decoder;

/// The most header lines of a request.
const MAX_HEADERS: usize = 100;

/// The longest target, in bytes: what [`Uri`] holds.
const MAX_TARGET: usize = u16::MAX as usize - 1;

/// A request's head, and what it says of its connection.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    /// How its body ends.
    pub(super) body: Decoder,
    /// The client waits to be asked for it (RFC 9110, section 10.1.1).
    pub(super) expects_continue: bool,
    /// Whether the client lets the connection take another request.
    pub(super) keeps_alive: bool,
    /// Whether the client takes trailers (RFC 9110, section 10.1.4).
    pub(super) takes_trailers: bool,
}

/// Why a head is refused: with which status, after which the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused(pub(super) StatusCode);

const BAD_REQUEST: Refused = Refused(StatusCode::BAD_REQUEST);
const TOO_LARGE: Refused = Refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);

/// What the parser makes of the bytes so far.
struct Parsed {
    length: usize,
    method: Method,
    target: std::ops::Range<usize>,
    version: Version,
    fields: Vec<(HeaderName, std::ops::Range<usize>)>,
}

impl Head {
    /// Takes a head of at most `limit` bytes out of `buffer`, or leaves it alone where it is not whole yet.
    ///
    /// # Errors
    /// It is no HTTP/1.1, is too large, or leaves more than one reading of where its body ends (RFC 9112, section 6.3).
    pub(super) fn take(buffer: &mut BytesMut, limit: usize) -> Result<Option<Self>, Refused> {
        let Some(parsed) = parse(buffer)? else {
            return match buffer.len() > limit {
                true => Err(TOO_LARGE),
                false => Ok(None),
            };
        };
        if parsed.length > limit {
            return Err(TOO_LARGE);
        }
        let bytes = buffer.split_to(parsed.length).freeze();
        if parsed.target.len() > MAX_TARGET {
            return Err(Refused(StatusCode::URI_TOO_LONG));
        }
        let mut head = Self {
            method: parsed.method,
            uri: Uri::from_maybe_shared(bytes.slice(parsed.target)).map_err(|_| BAD_REQUEST)?,
            version: parsed.version,
            headers: HeaderMap::with_capacity(parsed.fields.len()),
            body: Decoder::none(),
            expects_continue: false,
            keeps_alive: parsed.version == Version::HTTP_11,
            takes_trailers: false,
        };
        head.read(parsed.fields, &bytes)?;
        Ok(Some(head))
    }

    fn read(
        &mut self,
        fields: Vec<(HeaderName, std::ops::Range<usize>)>,
        bytes: &Bytes,
    ) -> Result<(), Refused> {
        let mut framing = Framing::default();
        let mut closes = false;
        for (name, range) in fields {
            let value = HeaderValue::from_maybe_shared(bytes.slice(range)).map_err(|_| BAD_REQUEST)?;
            match name.as_str() {
                "content-length" => framing.length(&value)?,
                "transfer-encoding" => framing.coding(&value),
                "connection" => {
                    closes |= names(&value, "close");
                    self.keeps_alive |= names(&value, "keep-alive");
                }
                "expect" => self.expects_continue = value.as_bytes().eq_ignore_ascii_case(b"100-continue"),
                "te" => self.takes_trailers |= names(&value, "trailers"),
                _ => {}
            }
            self.headers.append(name, value);
        }
        // Whoever asks for the end gets it, whatever else they ask for.
        self.keeps_alive &= !closes;
        self.body = match framing {
            Framing {
                codings: 0, length, ..
            } => Decoder::length(length.unwrap_or(0)),
            // HTTP/1.0 has no codings, and a length beside one is a lie that somebody may have been made to tell.
            Framing {
                codings: 1,
                chunked: true,
                length: None,
            } if self.version == Version::HTTP_11 => Decoder::chunked(),
            Framing { .. } => return Err(BAD_REQUEST),
        };
        Ok(())
    }
}

/// Whether a list names an element, in any case.
fn names(list: &HeaderValue, element: &str) -> bool {
    list.as_bytes()
        .split(|&byte| byte == b',')
        .any(|one| one.trim_ascii().eq_ignore_ascii_case(element.as_bytes()))
}

/// What the headers say of the body's end.
#[derive(Clone, Copy, Default)]
struct Framing {
    length: Option<u64>,
    /// How many `Transfer-Encoding` headers there are.
    codings: usize,
    chunked: bool,
}

impl Framing {
    fn coding(&mut self, value: &HeaderValue) {
        self.codings += 1;
        self.chunked = value.as_bytes().eq_ignore_ascii_case(b"chunked");
    }

    fn length(&mut self, value: &HeaderValue) -> Result<(), Refused> {
        let digits = value.as_bytes();
        let length = match !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
            true => value.to_str().ok().and_then(|digits| digits.parse().ok()),
            false => None,
        };
        let length: u64 = length.ok_or(BAD_REQUEST)?;
        match self.length.replace(length) {
            Some(other) if other != length => Err(BAD_REQUEST),
            _ => Ok(()),
        }
    }
}

fn parse(buffer: &BytesMut) -> Result<Option<Parsed>, Refused> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let length = match parser.parse_request_with_uninit_headers(&mut request, buffer, &mut fields) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(TOO_LARGE),
        Err(_) => return Err(BAD_REQUEST),
    };
    let start = buffer.as_ptr() as usize;
    let range = |text: &[u8]| {
        let at = text.as_ptr() as usize - start;
        at..at + text.len()
    };
    let mut named = Vec::with_capacity(request.headers.len());
    for field in request.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| BAD_REQUEST)?;
        named.push((name, range(field.value)));
    }
    let method = request.method.unwrap_or_default();
    Ok(Some(Parsed {
        length,
        method: Method::from_bytes(method.as_bytes()).map_err(|_| BAD_REQUEST)?,
        target: range(request.path.unwrap_or_default().as_bytes()),
        version: match request.version {
            Some(1) => Version::HTTP_11,
            _ => Version::HTTP_10,
        },
        fields: named,
    }))
}

#[cfg(test)]
mod tests;
