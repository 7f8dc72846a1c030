//! Sending a request's body as fast as the upstream takes it and the client sends it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::SendStream;
use http_body::{Body, Frame};

use crate::http::body::{Upload, UploadError};

/// A body on its way.
#[derive(Debug)]
pub(super) struct Sending {
    /// `None` once it has ended.
    upload: Option<Upload>,
    /// Bytes that the client has sent and the upstream has no room for yet.
    held: Bytes,
    /// Something was taken from the client that cannot be asked for again.
    is_begun: bool,
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
            upload,
            held: Bytes::new(),
            is_begun: false,
            written: 0,
        }
    }

    /// Whether nothing more will be sent.
    pub(super) fn is_over(&self) -> bool {
        self.upload.is_none() && self.held.is_empty()
    }

    /// Whether nothing of the body has been taken from the client yet, so that all of it can still go elsewhere.
    pub(super) fn is_untouched(&self) -> bool {
        !self.is_begun
    }

    /// Whether the next bytes are the client's to send: the upstream would take them.
    pub(super) fn waits_for_client(&self) -> bool {
        self.held.is_empty() && self.upload.as_ref().is_some_and(Upload::is_waiting)
    }

    /// Gives the rest up: the client fails to send it, or the upstream takes nothing more. A body that is not whole is not
    /// ended; the stream is reset once the answer is over.
    pub(super) fn give_up(&mut self) {
        self.upload = None;
        self.held = Bytes::new();
    }

    /// What is there to be sent, for another stream.
    pub(super) fn into_upload(self) -> Option<Upload> {
        self.upload
    }

    /// Waits for the end of a body that is said to be empty. HTTP/2 can say a length of 0 and go on: that is no request, and
    /// nothing of it leaves.
    ///
    /// # Errors
    /// The client's body breaks off, or is not empty.
    pub(super) fn poll_nothing(&mut self, context: &mut Context<'_>) -> Poll<Result<(), UploadError>> {
        while let Some(upload) = &mut self.upload {
            match ready!(Pin::new(upload).poll_frame(context)).transpose()? {
                Some(frame) if frame.data_ref().is_some_and(|data| !data.is_empty()) => {
                    return Poll::Ready(Err(UploadError::TooLarge));
                }
                Some(_) => {}
                None => self.upload = None,
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
            self.is_begun = true;
            match frame.transpose()? {
                Some(frame) => self.take(stream, frame),
                None => {
                    self.upload = None;
                    // A stream that was reset needs no end.
                    let _ = stream.send_data(Bytes::new(), true);
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn take(&mut self, stream: &mut SendStream<Bytes>, frame: Frame<Bytes>) {
        match frame.into_data() {
            Ok(data) => self.held = data,
            Err(frame) => {
                self.upload = None;
                let trailers = frame.into_trailers().unwrap_or_default();
                let _ = stream.send_trailers(trailers);
            }
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
        if is_last {
            self.upload = None;
        }
        if stream.send_data(piece, is_last).is_err() {
            self.give_up();
        }
        Poll::Ready(())
    }
}
