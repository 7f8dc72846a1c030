//! Writing a request: its head as it was made, then its body in our own framing.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::io::AsyncWrite;

use super::Stream;
use crate::http::body::{Upload, UploadError};

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

/// The end of a body in chunks without trailers.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A request on its way.
#[derive(Debug)]
pub(super) struct Sending {
    /// The whole head, in case it has to be sent once more.
    head: Bytes,
    /// What is to be written next: a head or a chunk's size, data, and a chunk's end.
    pending: [Bytes; 3],
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
    pub(super) fn new(head: Bytes, framing: Framing, upload: Option<Upload>, awaits_continue: bool) -> Self {
        let upload = upload.filter(|upload| !upload.is_end_stream());
        Self {
            pending: [head.clone(), Bytes::new(), Bytes::new()],
            head,
            awaits_continue: awaits_continue && upload.is_some(),
            upload,
            framing,
            written: 0,
            is_flushed: true,
            deaf: false,
        }
    }

    /// Puts another head in place of one of which nothing has gone out.
    pub(super) fn set_head(&mut self, head: Bytes) {
        let [pending, ..] = &mut self.pending;
        // The size of the first chunk may stand behind it.
        let size = pending.get(self.head.len()..).unwrap_or_default();
        *pending = match size.is_empty() {
            true => head.clone(),
            false => [&head[..], size].concat().into(),
        };
        self.head = head;
    }

    /// Whether the upstream has all of it.
    pub(super) fn is_whole(&self) -> bool {
        !self.deaf && self.upload.is_none() && !self.has_pending() && self.is_flushed
    }

    /// Whether nothing more will be written.
    pub(super) fn is_over(&self) -> bool {
        self.deaf || (self.upload.is_none() && !self.has_pending() && self.is_flushed)
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
            self.pending = [self.head.clone(), Bytes::new(), Bytes::new()];
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
            let [_, data, end] = &self.pending;
            let has_room = data.is_empty() && end.is_empty();
            if let (Some(upload), true, false) = (&mut self.upload, has_room, self.awaits_continue)
                && let Poll::Ready(frame) = Pin::new(upload).poll_frame(context)
            {
                match frame.transpose()? {
                    Some(frame) => self.take(frame),
                    None => self.end(),
                }
                // An empty piece, as HTTP/2 may end with, is no reason to wait: nobody would wake us.
                if !self.has_pending() && self.upload.is_some() {
                    continue;
                }
            }
            // HTTP/2 can say a length of 0 and go on: that is no request, and nothing of it leaves.
            if self.framing == Framing::Length(0) && self.upload.is_some() {
                return Poll::Pending;
            }
            if !self.has_pending() {
                let is_open = ready!(self.poll_flush(stream, context));
                return match self.upload {
                    Some(_) if is_open => Poll::Pending,
                    _ => Poll::Ready(Ok(())),
                };
            }
            match ready!(self.poll_write(stream, context)) {
                Ok(written) if written > 0 => self.advance(written),
                // Of what never went out nothing is given up: it may go elsewhere.
                _ if self.written == 0 => self.deaf = true,
                _ => self.give_up(),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn has_pending(&self) -> bool {
        self.pending.iter().any(|bytes| !bytes.is_empty())
    }

    fn take(&mut self, frame: Frame<Bytes>) {
        match frame.into_data() {
            // An empty chunk would be the last one.
            Ok(data) if data.is_empty() => {}
            Ok(data) => {
                if self.framing == Framing::Chunked {
                    self.put_before(format!("{:x}\r\n", data.len()).into());
                    self.pending[2] = Bytes::from_static(b"\r\n");
                }
                self.pending[1] = data;
            }
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                self.upload = None;
                if self.framing == Framing::Chunked {
                    self.pending[2] = last_chunk(&trailers);
                }
            }
        }
    }

    fn end(&mut self) {
        self.upload = None;
        if self.framing == Framing::Chunked {
            self.pending[2] = Bytes::from_static(LAST_CHUNK);
        }
    }

    /// A chunk's size goes behind a head that has not gone out yet.
    fn put_before(&mut self, size: Bytes) {
        let [head, ..] = &mut self.pending;
        *head = match head.is_empty() {
            true => size,
            false => [&head[..], &size].concat().into(),
        };
    }

    fn poll_write(&self, stream: &mut Stream, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let [head, data, end] = &self.pending;
        if data.is_empty() && end.is_empty() {
            return Pin::new(stream).poll_write(context, head);
        }
        let slices = [IoSlice::new(head), IoSlice::new(data), IoSlice::new(end)];
        Pin::new(stream).poll_write_vectored(context, &slices)
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

    fn advance(&mut self, mut written: usize) {
        self.written += written as u64;
        self.is_flushed = false;
        for bytes in &mut self.pending {
            let taken = written.min(bytes.len());
            bytes.advance(taken);
            written -= taken;
        }
    }
}

/// The last chunk and the trailers behind it.
fn last_chunk(trailers: &HeaderMap) -> Bytes {
    let mut bytes = b"0\r\n".to_vec();
    for (name, value) in trailers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.into()
}
