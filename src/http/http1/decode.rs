//! Where a body ends (RFC 9112, sections 6 and 7.1).

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::http::hygiene;

/// The longest line with a chunk's size and its extensions, in bytes.
const MAX_SIZE_LINE: usize = 4 * 1024;

/// The longest trailers, in bytes, and the most of them.
const MAX_TRAILERS: usize = 64 * 1024;
const MAX_TRAILER_LINES: usize = 64;

/// Takes a body out of a connection's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoder {
    /// So many bytes more.
    Length(u64),
    /// Until the sender closes, as only answers may.
    UntilClose,
    /// In chunks.
    Chunked(Chunk),
}

/// Where in a body of chunks the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk {
    /// Before a chunk's size.
    Size,
    /// In its data, with so many bytes to come.
    Data(u64),
    /// Before the line end behind its data.
    End,
    /// Behind the last chunk.
    Trailers,
    /// Behind everything.
    Over,
}

/// What a decoder made of the bytes so far.
#[derive(Debug)]
pub enum Decoded {
    /// The next piece.
    Data(Bytes),
    /// What stands behind the body, without hop-by-hop headers.
    Trailers(HeaderMap),
    /// The body is over.
    End,
    /// Nothing before more bytes have come.
    NeedsMore,
}

/// Why a body has no end that everybody would see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Its chunks are none.
    #[error("the body's chunks are malformed")]
    Chunks,
    /// What stands behind it goes on without an end.
    #[error("the trailers are too large")]
    TooLarge,
}

impl Decoder {
    /// No body.
    pub fn none() -> Self {
        Self::Length(0)
    }

    /// A body of so many bytes.
    pub fn length(length: u64) -> Self {
        Self::Length(length)
    }

    /// A body in chunks.
    pub fn chunked() -> Self {
        Self::Chunked(Chunk::Size)
    }

    /// A body that ends with its connection.
    pub fn until_close() -> Self {
        Self::UntilClose
    }

    /// Whether nothing more comes.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::Over))
    }

    /// How much is to come, where that is known.
    pub fn left(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            Self::Chunked(Chunk::Over) => Some(0),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }

    /// Whether the sender may close now without having broken off.
    pub fn ends_with_connection(&self) -> bool {
        matches!(self, Self::UntilClose)
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// The chunks are malformed.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Decoded, Malformed> {
        match self {
            Self::Length(0) => Ok(Decoded::End),
            Self::Length(left) => Ok(data(buffer, left)),
            Self::UntilClose if buffer.is_empty() => Ok(Decoded::NeedsMore),
            Self::UntilClose => Ok(Decoded::Data(buffer.split().freeze())),
            Self::Chunked(chunk) => chunk.decode(buffer),
        }
    }
}

/// What there is of `left` bytes.
fn data(buffer: &mut BytesMut, left: &mut u64) -> Decoded {
    if buffer.is_empty() {
        return Decoded::NeedsMore;
    }
    let length = usize::try_from(*left).map_or(buffer.len(), |left| left.min(buffer.len()));
    *left -= length as u64;
    Decoded::Data(buffer.split_to(length).freeze())
}

impl Chunk {
    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Decoded, Malformed> {
        loop {
            match self {
                Self::Size => match httparse::parse_chunk_size(buffer).map_err(|_| Malformed::Chunks)? {
                    // The line ends in CRLF. Whoever takes an LF before that for its end reads other chunks than we do
                    // (CVE-2025-22871, and others).
                    httparse::Status::Complete((length, _))
                        if memchr::memchr(b'\n', buffer.get(..length - 1).unwrap_or_default()).is_some() =>
                    {
                        return Err(Malformed::Chunks);
                    }
                    httparse::Status::Complete((length, size)) => {
                        buffer.advance(length);
                        *self = if size == 0 {
                            Self::Trailers
                        } else {
                            Self::Data(size)
                        };
                    }
                    httparse::Status::Partial if buffer.len() > MAX_SIZE_LINE => {
                        return Err(Malformed::Chunks);
                    }
                    httparse::Status::Partial => return Ok(Decoded::NeedsMore),
                },
                Self::Data(0) => *self = Self::End,
                Self::Data(left) => return Ok(data(buffer, left)),
                Self::End => match buffer.get(..2) {
                    Some(b"\r\n") => {
                        buffer.advance(2);
                        *self = Self::Size;
                    }
                    Some(_) => return Err(Malformed::Chunks),
                    None => return Ok(Decoded::NeedsMore),
                },
                Self::Trailers => {
                    let Some(trailers) = take_trailers(buffer)? else {
                        return Ok(Decoded::NeedsMore);
                    };
                    *self = Self::Over;
                    if !trailers.is_empty() {
                        return Ok(Decoded::Trailers(trailers));
                    }
                }
                Self::Over => return Ok(Decoded::End),
            }
        }
    }
}

fn take_trailers(buffer: &mut BytesMut) -> Result<Option<HeaderMap>, Malformed> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_TRAILER_LINES];
    let (length, trailers) =
        match httparse::parse_headers(buffer, &mut fields).map_err(|_| Malformed::Chunks)? {
            httparse::Status::Complete((length, fields)) => {
                let mut trailers = HeaderMap::with_capacity(fields.len());
                for field in fields {
                    let (Ok(name), Ok(value)) = (
                        HeaderName::from_bytes(field.name.as_bytes()),
                        HeaderValue::from_bytes(field.value),
                    ) else {
                        return Err(Malformed::Chunks);
                    };
                    trailers.append(name, value);
                }
                (length, trailers)
            }
            httparse::Status::Partial if buffer.len() > MAX_TRAILERS => return Err(Malformed::TooLarge),
            httparse::Status::Partial => return Ok(None),
        };
    buffer.advance(length);
    let mut trailers = trailers;
    hygiene::remove_hop_by_hop(&mut trailers);
    Ok(Some(trailers))
}

#[cfg(test)]
mod tests;
