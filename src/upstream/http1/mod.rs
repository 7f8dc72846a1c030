//! HTTP/1.1 towards an upstream (RFC 9112): a request and its answer at a time, both in the request's own task.
//!
//! A general client drives its connections in tasks of their own and moves every header through a map. Here the head is
//! written as bytes, the answer's is parsed where it was received, and no other task is woken: half of what a request
//! costs. [`request`] writes, [`response`] reads heads; httparse does the parsing.

mod exchange;
mod request;
mod response;

pub use exchange::{Exchange, Outgoing};
pub use request::Framing;

use bytes::BytesMut;

use super::{Broken, Stream};

/// Where a read begins; it grows while bodies fill it. Most heads with a small body fit.
const FIRST_READ: usize = 8 * 1024;

/// The most that is read at once, while a large body passes. A client that stalls leaves us holding about one and a half
/// of it: 170 KiB. Twice as much would cost 400 KiB of each, and save a tenth of a large body's processor time.
const LARGEST_READ: usize = 128 * 1024;

/// An open connection on which no request is.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    /// What was read beyond the last answer: nothing, or the connection is not used again.
    buffer: BytesMut,
    is_fresh: bool,
}

impl Connection {
    /// On a stream that was just opened.
    pub fn new(stream: Stream) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            is_fresh: true,
        }
    }

    /// Whether no request has been on it yet.
    pub fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    /// Whether the upstream has neither closed it nor sent what nobody asked for, as far as the worker has heard.
    /// Costs no system call.
    pub fn is_quiet(&mut self) -> bool {
        self.buffer.is_empty() && self.stream.is_quiet()
    }

    /// The same, asked of the system: before a request that cannot be sent twice.
    pub fn is_surely_quiet(&mut self) -> bool {
        self.buffer.is_empty() && self.stream.is_surely_quiet()
    }
}
