//! Writing a request: its head as it was made, then its body in our own framing.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::io::AsyncWrite;

use super::Stream;
use crate::http::{
    body::{Upload, UploadError},
    http1::outbox::{self, Outbox},
};

/// How a body's end is told (RFC 9112, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none, and nothing says so.
    None,
    /// `Content-Length`.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

impl Framing {
    /// What a body needs: whatever the client's framing was, ours has a single reading. `says_length` is whether the
    /// client said a length, since a length of 0 means something to some apps.
    pub fn of(body: &Upload, says_length: bool) -> Self {
        match body.size_hint().exact() {
            Some(0) if !says_length => Self::None,
            Some(length) => Self::Length(length),
            None => Self::Chunked,
        }
    }
}

/// A request on its way.
#[derive(Debug)]
pub(super) struct Sending {
    /// Begins with the whole head, in case it has to be sent once more.
    outbox: Outbox,
    /// The head's length in bytes.
    head: usize,
    /// `None` once it has ended.
    upload: Option<Upload>,
    framing: Framing,
    /// The body waits for a 100 (RFC 9110, section 10.1.1).
    pub(super) awaits_continue: bool,
    /// Bytes of the request that the upstream's side took.
    pub(super) written: u64,
    /// Nothing that was written still waits in the stream: TLS takes whole records, whatever room the connection has.
    is_flushed: bool,
    /// The upstream takes nothing more. It may have said why before it closed ("413", mostly), so that is no error
    /// yet: reading finds the answer or the end.
    deaf: bool,
}

impl Sending {
    pub(super) fn new(
        head: Vec<u8>,
        framing: Framing,
        upload: Option<Upload>,
        awaits_continue: bool,
    ) -> Self {
        let upload = upload.filter(|upload| !upload.is_end_stream());
        Self {
            head: head.len(),
            outbox: Outbox::new(head),
            awaits_continue: awaits_continue && upload.is_some(),
            upload,
            framing,
            written: 0,
            is_flushed: true,
            deaf: false,
        }
    }

    /// Puts another head in place of one of which nothing has gone out.
    pub(super) fn set_head(&mut self, head: Vec<u8>) {
        let length = std::mem::replace(&mut self.head, head.len());
        self.outbox.replace_head(length, head);
    }

    /// Whether the upstream has all of it.
    pub(super) fn is_whole(&self) -> bool {
        !self.deaf && self.upload.is_none() && self.outbox.is_empty() && self.is_flushed
    }

    /// Whether nothing more will be written.
    pub(super) fn is_over(&self) -> bool {
        self.deaf || (self.upload.is_none() && self.outbox.is_empty() && self.is_flushed)
    }

    /// Whether the next bytes are the client's to send: the upstream would take them.
    pub(super) fn waits_for_client(&self) -> bool {
        self.upload.as_ref().is_some_and(Upload::is_waiting)
    }

    /// Makes it ready for another connection, where the upstream cannot have begun to act on it: nothing went out, or
    /// it has no body and `is_idempotent` (RFC 9110, section 9.2.2).
    pub(super) fn rewind(&mut self, is_idempotent: bool) -> bool {
        if self.written > 0 {
            if !is_idempotent || !matches!(self.framing, Framing::None | Framing::Length(0)) {
                return false;
            }
            self.outbox.rewind();
            self.written = 0;
            self.is_flushed = true;
        }
        self.deaf = false;
        true
    }

    /// Gives the rest of the body up: the client fails to send it.
    pub(super) fn give_up(&mut self) {
        self.deaf = true;
        self.upload = None;
    }

    /// Writes as much as the upstream takes and the client has sent. Ready when nothing more will be written.
    ///
    /// # Errors
    /// The client's body is too large or breaks off.
    pub(super) fn poll_send(
        &mut self,
        stream: &mut Stream,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), UploadError>> {
        while !self.deaf {
            // The body's first piece mostly comes with the head, and then goes with it in one packet.
            let has_room = self.outbox.has_room();
            if let (Some(upload), true, false) = (&mut self.upload, has_room, self.awaits_continue)
                && let Poll::Ready(frame) = Pin::new(upload).poll_frame(context)
            {
                match frame.transpose()? {
                    Some(frame) => self.take(frame),
                    None => self.end(),
                }
                // An empty piece, as HTTP/2 may end with, is no reason to wait: nobody would wake us.
                if self.outbox.is_empty() && self.upload.is_some() {
                    continue;
                }
            }
            // HTTP/2 can say a length of 0 and go on: that is no request, and nothing of it leaves.
            if self.framing == Framing::Length(0) && self.upload.is_some() {
                return Poll::Pending;
            }
            if self.outbox.is_empty() {
                let is_open = ready!(self.poll_flush(stream, context));
                return match self.upload {
                    Some(_) if is_open => Poll::Pending,
                    _ => Poll::Ready(Ok(())),
                };
            }
            match ready!(self.outbox.poll_write(Pin::new(stream), context)) {
                Ok(written) => {
                    self.written += written as u64;
                    self.is_flushed = false;
                }
                // Of what never went out nothing is given up: it may go elsewhere.
                _ if self.written == 0 => self.deaf = true,
                _ => self.give_up(),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn take(&mut self, frame: Frame<Bytes>) {
        match frame.into_data() {
            // An empty chunk would be the last one.
            Ok(data) if data.is_empty() => {}
            Ok(data) => self.outbox.put(data, self.framing == Framing::Chunked),
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                self.upload = None;
                if self.framing == Framing::Chunked {
                    self.outbox.finish(outbox::fields(&trailers));
                }
            }
        }
    }

    fn end(&mut self) {
        self.upload = None;
        if self.framing == Framing::Chunked {
            self.outbox.finish([]);
        }
    }

    /// Ready with whether the upstream still takes something.
    fn poll_flush(&mut self, stream: &mut Stream, context: &mut Context<'_>) -> Poll<bool> {
        if !self.is_flushed {
            match ready!(Pin::new(stream).poll_flush(context)) {
                Ok(()) => self.is_flushed = true,
                Err(_) => self.give_up(),
            }
        }
        Poll::Ready(!self.deaf)
    }
}
