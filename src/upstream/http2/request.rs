//! Sending a request's body as fast as the upstream takes it and the client sends it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use h2::SendStream;
use http_body::{Body, Frame};

use crate::http::body::{Upload, UploadError};

/// The most of a body that is kept until it is answered, in case it has to be sent once more. A call's message mostly is
/// smaller.
const MOST_KEPT: usize = 64 * 1024;

/// A body on its way.
#[derive(Debug)]
pub(super) struct Sending {
    upload: Option<Upload>,
    /// The upload has come to its end, or nothing more of it is wanted.
    is_ended: bool,
    /// Bytes that the client has sent and the upstream has no room for yet.
    held: Bytes,
    /// A copy of what was taken from the client so far; `None` where that is too much to keep. (The bytes themselves may
    /// be slices of larger buffers.)
    kept: Option<BytesMut>,
    /// The body waits for a 100 (RFC 9110, section 10.1.1).
    pub(super) awaits_continue: bool,
    /// Bytes of the body that were sent.
    pub(super) written: u64,
}

impl Sending {
    pub(super) fn new(upload: Option<Upload>, awaits_continue: bool) -> Self {
        let upload = upload.filter(|upload| !upload.is_end_stream());
        Self {
            awaits_continue: awaits_continue && upload.is_some(),
            is_ended: upload.is_none(),
            upload,
            held: Bytes::new(),
            kept: Some(BytesMut::new()),
            written: 0,
        }
    }

    /// Whether nothing more will be sent.
    pub(super) fn is_over(&self) -> bool {
        self.is_ended && self.held.is_empty()
    }

    /// Whether there is no body.
    pub(super) fn is_nothing(&self) -> bool {
        self.upload.is_none()
    }

    /// Whether all of the body can still go elsewhere.
    pub(super) fn can_be_repeated(&self) -> bool {
        self.kept.is_some()
    }

    /// Whether the next bytes are the client's to send: the upstream would take them.
    pub(super) fn waits_for_client(&self) -> bool {
        self.held.is_empty() && !self.is_ended && self.upload.as_ref().is_some_and(Upload::is_waiting)
    }

    /// Gives the rest up: the client fails to send it, or the upstream takes nothing more. A body that is not whole is not
    /// ended; the stream is reset once the answer is over.
    pub(super) fn give_up(&mut self) {
        self.is_ended = true;
        self.held = Bytes::new();
    }

    /// The body, to be sent from its beginning; see [`Sending::can_be_repeated`].
    pub(super) fn into_upload(self) -> Option<Upload> {
        let mut upload = self.upload?;
        upload.put_back(self.kept.unwrap_or_default().freeze());
        Some(upload)
    }

    /// The body has been answered: it is not sent once more.
    pub(super) fn forget(&mut self) {
        self.kept = None;
    }

    /// Waits for the end of a body that is said to be empty. HTTP/2 can say a length of 0 and go on: that is no request, and
    /// nothing of it leaves.
    ///
    /// # Errors
    /// The client's body breaks off, or is not empty.
    pub(super) fn poll_nothing(&mut self, context: &mut Context<'_>) -> Poll<Result<(), UploadError>> {
        while let (Some(upload), false) = (&mut self.upload, self.is_ended) {
            match ready!(Pin::new(upload).poll_frame(context)).transpose()? {
                Some(frame) if frame.data_ref().is_some_and(|data| !data.is_empty()) => {
                    return Poll::Ready(Err(UploadError::TooLarge));
                }
                Some(_) => {}
                None => self.is_ended = true,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends as much as the upstream takes and the client has sent. Ready when nothing more will be sent.
    ///
    /// # Errors
    /// The client's body is too large or breaks off.
    pub(super) fn poll_send(
        &mut self,
        stream: &mut SendStream<Bytes>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), UploadError>> {
        while !self.is_over() {
            if self.awaits_continue {
                return Poll::Pending;
            }
            if !self.held.is_empty() {
                ready!(self.poll_send_held(stream, context));
                continue;
            }
            let Some(upload) = &mut self.upload else { break };
            let Poll::Ready(frame) = Pin::new(upload).poll_frame(context) else {
                // An upstream that wants no more says so by a reset, which is no error where it has answered.
                if stream.poll_reset(context).is_ready() {
                    self.give_up();
                }
                return Poll::Pending;
            };
            match frame.transpose()? {
                Some(frame) => self.take(stream, frame),
                None => {
                    self.is_ended = true;
                    // A stream that was reset needs no end.
                    let _ = stream.send_data(Bytes::new(), true);
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn take(&mut self, stream: &mut SendStream<Bytes>, frame: Frame<Bytes>) {
        match frame.into_data() {
            Ok(data) => {
                self.keep(&data);
                self.held = data;
            }
            Err(frame) => {
                self.is_ended = true;
                self.kept = None;
                let trailers = frame.into_trailers().unwrap_or_default();
                let _ = stream.send_trailers(trailers);
            }
        }
    }

    fn keep(&mut self, data: &[u8]) {
        match &mut self.kept {
            Some(kept) if kept.len() + data.len() <= MOST_KEPT => kept.extend_from_slice(data),
            kept => *kept = None,
        }
    }

    /// Room is asked for only while there is something to put in it: what one stream reserves, others cannot have.
    fn poll_send_held(&mut self, stream: &mut SendStream<Bytes>, context: &mut Context<'_>) -> Poll<()> {
        stream.reserve_capacity(self.held.len());
        let mut room = stream.capacity();
        if room == 0 {
            match ready!(stream.poll_capacity(context)) {
                Some(Ok(more)) => room = more,
                // The stream has ended.
                Some(Err(_)) | None => {
                    self.give_up();
                    return Poll::Ready(());
                }
            }
        }
        let piece = self.held.split_to(room.min(self.held.len()));
        self.written += piece.len() as u64;
        let is_last = self.held.is_empty() && self.upload.as_ref().is_some_and(Upload::is_end_stream);
        self.is_ended |= is_last;
        if stream.send_data(piece, is_last).is_err() {
            self.give_up();
        }
        Poll::Ready(())
    }
}
