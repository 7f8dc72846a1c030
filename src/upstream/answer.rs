//! An answer, whichever protocol it came by.

use std::io;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use hyper::ext::ReasonPhrase;

use crate::http::{body::UploadError, http1::decode::Malformed};

/// What stands behind a body.
pub type Trailers = HeaderMap;

/// The head of an answer, without what belongs to the connection.
#[derive(Debug)]
pub struct Head {
    /// The status.
    pub status: StatusCode,
    /// What stands behind the status, where it is not the usual.
    pub reason: Option<ReasonPhrase>,
    /// The headers, without hop-by-hop ones.
    pub headers: HeaderMap,
    /// The `Upgrade` header, which means something beside a 101 alone.
    pub upgrade: Option<HeaderValue>,
}

/// A piece of an answer's body.
#[derive(Debug)]
pub enum Piece {
    /// Bytes.
    Data(Bytes),
    /// What stands behind them.
    Trailers(Trailers),
}

/// Why there is no answer, or no more of one.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The upstream closed the connection.
    #[error("the upstream closed the connection")]
    Closed,
    /// The connection failed.
    #[error("the connection to the upstream failed")]
    Io(#[from] io::Error),
    /// The head is no HTTP/1.1.
    #[error("the upstream's answer is not HTTP")]
    Malformed(#[from] httparse::Error),
    /// Heads, or what stands for them, go on without an end.
    #[error("the head of the upstream's answer is too large")]
    TooLarge,
    /// The body's end can be read in two ways, or its framing breaks off (RFC 9112, section 6.3).
    #[error("the framing of the upstream's answer has more than one reading")]
    Framing,
    /// The upstream changed the protocol while the request was still on its way.
    #[error("the upstream changed the protocol before it had the request")]
    EarlyUpgrade,
    /// An HTTP/2 stream or its connection was ended.
    #[error("HTTP/2: {0}")]
    Http2(#[from] h2::Error),
    /// It was the request that broke off.
    #[error(transparent)]
    Upload(#[from] UploadError),
}

impl From<Malformed> for Broken {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Chunks => Self::Framing,
            Malformed::TooLarge => Self::TooLarge,
        }
    }
}
