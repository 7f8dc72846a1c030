//! A request and its answer on a connection, both ways at once.

use std::{
    io,
    pin::pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode};
use tokio::io::AsyncReadExt;

use super::{
    Broken, Connection, FIRST_READ, LARGEST_READ, Stream,
    request::{Framing, Sending},
    response::Received,
};
use crate::{
    http::{
        body::Upload,
        http1::decode::{Decoded, Decoder},
    },
    upstream::{Head, Piece},
};

/// Bytes up to the end of an answer's head, with the interim answers (1xx) before it, of which there may be any number.
const MAX_HEAD_BYTES: usize = 1024 * 1024;

/// A request that is to be sent.
#[derive(Debug)]
pub struct Outgoing {
    /// The request line and the headers, with the empty line behind them.
    pub head: Vec<u8>,
    /// How the head says that the body ends.
    pub framing: Framing,
    /// The body; `None` where there is none.
    pub upload: Option<Upload>,
    /// The method: it decides what may be repeated, and whether the answer has a body.
    pub method: Method,
    /// Whether the head asks for a 100 before the body (RFC 9110, section 10.1.1).
    pub expects_continue: bool,
}

/// A request on its way, and its answer on its way back.
#[derive(Debug)]
pub struct Exchange {
    connection: Connection,
    sending: Sending,
    method: Method,
    /// Bytes of heads that were read.
    head_bytes: usize,
    next_read: usize,
    body: Decoder,
    keeps_alive: bool,
}

impl Exchange {
    /// Begins to send a request.
    pub fn begin(connection: Connection, request: Outgoing) -> Self {
        let Outgoing {
            head,
            framing,
            upload,
            method,
            expects_continue,
        } = request;
        let sending = Sending::new(head, framing, upload, expects_continue);
        Self::on(connection, sending, method)
    }

    fn on(connection: Connection, sending: Sending, method: Method) -> Self {
        Self {
            connection,
            sending,
            method,
            head_bytes: 0,
            next_read: FIRST_READ,
            body: Decoder::none(),
            keeps_alive: false,
        }
    }

    /// Whether the request can be sent again after this exchange has failed: no byte of an answer came, and nothing can
    /// happen twice.
    pub fn can_be_repeated(&mut self) -> bool {
        self.head_bytes == 0
            && self.connection.buffer.is_empty()
            && self.sending.rewind(self.method.is_idempotent())
    }

    /// Gives a request that is to be repeated another head: the next upstream's.
    pub fn set_head(&mut self, head: Vec<u8>) {
        self.sending.set_head(head);
    }

    /// The same request on another connection; see [`Exchange::can_be_repeated`].
    pub fn repeat(self, connection: Connection) -> Self {
        Self::on(connection, self.sending, self.method)
    }

    /// Bytes of the request that were sent: whether something moves.
    pub fn sent(&self) -> u64 {
        self.sending.written
    }

    /// Whether the next bytes are the client's to send.
    pub fn waits_for_client(&self) -> bool {
        self.sending.waits_for_client()
    }

    /// Whether the body waits for a 100.
    pub fn awaits_continue(&self) -> bool {
        self.sending.awaits_continue
    }

    /// Sends the body without the 100 that it waited for: old apps never send one.
    pub fn stop_awaiting_continue(&mut self) {
        self.sending.awaits_continue = false;
    }

    /// Sends the request and reads until the head of its answer is there. The rest of the body goes up while the
    /// answer comes down.
    ///
    /// # Errors
    /// There is no answer, or the client's body fails.
    pub fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Result<Head, Broken>> {
        loop {
            if let Poll::Ready(result) = self.sending.poll_send(&mut self.connection.stream, context) {
                result?;
            }
            let before = self.connection.buffer.len();
            if let Some(Received {
                head,
                body,
                keeps_alive,
            }) = Received::take(&mut self.connection.buffer, &self.method)?
            {
                self.head_bytes += before - self.connection.buffer.len();
                match head.status {
                    StatusCode::SWITCHING_PROTOCOLS if self.sending.is_whole() => {}
                    StatusCode::SWITCHING_PROTOCOLS => return Poll::Ready(Err(Broken::EarlyUpgrade)),
                    status if status.is_informational() => {
                        self.sending.awaits_continue &= status != StatusCode::CONTINUE;
                        continue;
                    }
                    _ => {}
                }
                self.body = body;
                self.keeps_alive = keeps_alive;
                // Who has answered without asking for the body does not want it.
                if self.sending.awaits_continue {
                    self.sending.give_up();
                }
                return Poll::Ready(Ok(head));
            }
            if self.head_bytes + self.connection.buffer.len() > MAX_HEAD_BYTES {
                return Poll::Ready(Err(Broken::TooLarge));
            }
            if ready!(self.poll_fill(context))? == 0 {
                return Poll::Ready(Err(Broken::Closed));
            }
        }
    }

    /// The next piece of the answer's body; `None` at its end.
    pub fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Piece, Broken>>> {
        loop {
            // An upload that fails now is no reason to break an answer off: the upstream will see that it is not whole.
            if let Poll::Ready(Err(_)) = self.sending.poll_send(&mut self.connection.stream, context) {
                self.sending.give_up();
            }
            match self.body.decode(&mut self.connection.buffer) {
                Ok(Decoded::Data(data)) => return Poll::Ready(Some(Ok(Piece::Data(data)))),
                Ok(Decoded::Trailers(trailers)) => return Poll::Ready(Some(Ok(Piece::Trailers(trailers)))),
                Ok(Decoded::End) => return Poll::Ready(None),
                Ok(Decoded::NeedsMore) => {}
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
            match ready!(self.poll_fill(context)) {
                Ok(0) if self.body.ends_with_connection() => {
                    self.body = Decoder::none();
                    return Poll::Ready(None);
                }
                Ok(0) => return Poll::Ready(Some(Err(Broken::Closed))),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
        }
    }

    /// Sends what is left of a request whose answer was early. Ready when nothing more will be sent.
    pub fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if ready!(self.sending.poll_send(&mut self.connection.stream, context)).is_err() {
            self.sending.give_up();
        }
        Poll::Ready(())
    }

    /// Whether the answer is over.
    pub fn is_answered(&self) -> bool {
        self.body.is_over()
    }

    /// How much of the answer's body is to come, where that is known.
    pub fn left(&self) -> Option<u64> {
        self.body.left()
    }

    /// Whether something of the request is still to be sent.
    pub fn is_sending(&self) -> bool {
        !self.sending.is_over()
    }

    /// The connection, for the next request; `None` where it cannot take one.
    pub fn into_connection(self) -> Option<Connection> {
        let mut connection = self.connection;
        if !self.keeps_alive
            || !self.sending.is_whole()
            || !self.body.is_over()
            || !connection.buffer.is_empty()
        {
            return None;
        }
        connection.is_fresh = false;
        // A large body's buffer is not kept for the small answers that follow.
        if connection.buffer.capacity() > 2 * FIRST_READ {
            connection.buffer = BytesMut::new();
        }
        Some(connection)
    }

    /// The stream after a 101, and what was read of the new protocol already.
    pub fn into_upgraded(self) -> (Stream, Bytes) {
        (self.connection.stream, self.connection.buffer.freeze())
    }

    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Connection { stream, buffer, .. } = &mut self.connection;
        buffer.reserve(self.next_read);
        let read = ready!(pin!(stream.read_buf(buffer)).poll(context))?;
        if read >= self.next_read {
            self.next_read = (self.next_read * 2).min(LARGEST_READ);
        }
        Poll::Ready(Ok(read))
    }
}
