//! A request and its answer, whichever protocol they travel by.

use std::task::{Context, Poll};

use bytes::Bytes;

use super::{Broken, Head, Piece, Stream, http1, http2};

/// Where a request can be put.
#[derive(Debug)]
pub enum Connection {
    /// A connection for itself.
    Http1(http1::Connection),
    /// A place beside others.
    Http2(http2::Place),
}

/// A request on its way, and its answer on its way back.
#[derive(Debug)]
pub enum Exchange {
    /// Over a connection for itself.
    Http1(Box<http1::Exchange>),
    /// Over a stream beside others.
    Http2(Box<http2::Exchange>),
}

impl Exchange {
    /// Sends the request and reads until the head of its answer is there. The rest of the body goes up while the
    /// answer comes down.
    ///
    /// # Errors
    /// There is no answer, or the client's body fails.
    pub fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Result<Head, Broken>> {
        match self {
            Self::Http1(exchange) => exchange.poll_head(context),
            Self::Http2(exchange) => exchange.poll_head(context),
        }
    }

    /// The next piece of the answer's body; `None` at its end.
    pub fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Piece, Broken>>> {
        match self {
            Self::Http1(exchange) => exchange.poll_piece(context),
            Self::Http2(exchange) => exchange.poll_piece(context),
        }
    }

    /// Sends what is left of a request whose answer was early. Ready when nothing more will be sent.
    pub fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Http1(exchange) => exchange.poll_rest(context),
            Self::Http2(exchange) => exchange.poll_rest(context),
        }
    }

    /// Bytes of the request that were sent: whether something moves.
    pub fn sent(&self) -> u64 {
        match self {
            Self::Http1(exchange) => exchange.sent(),
            Self::Http2(exchange) => exchange.sent(),
        }
    }

    /// Whether something of the request is still to be sent.
    pub fn is_sending(&self) -> bool {
        match self {
            Self::Http1(exchange) => exchange.is_sending(),
            Self::Http2(exchange) => exchange.is_sending(),
        }
    }

    /// Whether the next bytes are the client's to send.
    pub fn waits_for_client(&self) -> bool {
        match self {
            Self::Http1(exchange) => exchange.waits_for_client(),
            Self::Http2(exchange) => exchange.waits_for_client(),
        }
    }

    /// Whether the body waits for a 100.
    pub fn awaits_continue(&self) -> bool {
        match self {
            Self::Http1(exchange) => exchange.awaits_continue(),
            Self::Http2(exchange) => exchange.awaits_continue(),
        }
    }

    /// Sends the body without the 100 that it waited for: old apps never send one.
    pub fn stop_awaiting_continue(&mut self) {
        match self {
            Self::Http1(exchange) => exchange.stop_awaiting_continue(),
            Self::Http2(exchange) => exchange.stop_awaiting_continue(),
        }
    }

    /// Whether the answer is over.
    pub fn is_answered(&self) -> bool {
        match self {
            Self::Http1(exchange) => exchange.is_answered(),
            Self::Http2(exchange) => exchange.is_answered(),
        }
    }

    /// How much of the answer's body is to come, where that is known.
    pub fn left(&self) -> Option<u64> {
        match self {
            Self::Http1(exchange) => exchange.left(),
            Self::Http2(exchange) => exchange.left(),
        }
    }

    /// Whether the request can be sent again after this exchange has failed: the upstream cannot have begun to act on it,
    /// or nothing can happen twice.
    pub fn can_be_repeated(&mut self) -> bool {
        match self {
            Self::Http1(exchange) => exchange.can_be_repeated(),
            Self::Http2(exchange) => exchange.can_be_repeated(),
        }
    }

    /// Whether it must be HTTP/1.1 the second time: the upstream asks for it, or it was the first time.
    pub fn repeats_over_http1(&self) -> bool {
        match self {
            Self::Http1(_) => true,
            Self::Http2(exchange) => exchange.wants_http1(),
        }
    }

    /// The upstream has been silent for too long: its connection takes no other request.
    pub fn give_connection_up(&mut self) {
        match self {
            // It ends with this exchange.
            Self::Http1(_) => {}
            Self::Http2(exchange) => exchange.give_connection_up(),
        }
    }

    /// The connection, for the next request; `None` where it cannot take one, or is not this request's alone to give.
    pub fn into_connection(self) -> Option<http1::Connection> {
        match self {
            Self::Http1(exchange) => exchange.into_connection(),
            Self::Http2(_) => None,
        }
    }

    /// The stream after a 101, and what was read of the new protocol already. HTTP/2 has no 101.
    pub fn into_upgraded(self) -> Option<(Stream, Bytes)> {
        match self {
            Self::Http1(exchange) => Some(exchange.into_upgraded()),
            Self::Http2(_) => None,
        }
    }
}
