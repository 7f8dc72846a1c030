//! A request's body on its way up: streamed, counted against its limit, its trailers cleaned.

use std::{
    any::Any,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};

use super::{
    hygiene::OwnHeaders,
    incoming::{Incoming, IncomingError},
};

/// The body of a request that is being forwarded. Never more of it is held than one frame.
#[derive(Debug)]
pub struct Upload {
    incoming: Incoming,
    left: u64,
    is_waiting: bool,
    /// What was taken out already and is to be taken out again.
    again: Bytes,
    own_headers: Arc<OwnHeaders>,
    _held: Option<Rc<dyn Any>>,
}

/// Why an upload was cut off.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// It is longer than the route takes.
    #[error("the request's body is larger than the limit")]
    TooLarge,
    /// The client stopped sending, or sent a malformed chunk.
    #[error("the client's body broke off")]
    Client(#[source] IncomingError),
}

impl Upload {
    /// The body `incoming`, of which at most `limit` bytes are let through.
    ///
    /// # Errors
    /// The body already says that it is longer.
    pub fn new(incoming: Incoming, limit: u64, own_headers: Arc<OwnHeaders>) -> Result<Self, UploadError> {
        if incoming.size_hint().lower() > limit {
            return Err(UploadError::TooLarge);
        }
        Ok(Self {
            incoming,
            left: limit,
            is_waiting: false,
            again: Bytes::new(),
            own_headers,
            _held: None,
        })
    }

    /// The same, which lets go of something when it has ended.
    #[must_use]
    pub fn holding(self, held: Option<Rc<dyn Any>>) -> Self {
        Self { _held: held, ..self }
    }

    /// Puts back all that was taken out: it went to an upstream that never looked at it.
    pub fn put_back(&mut self, data: Bytes) {
        self.again = data;
    }

    /// Whether its next bytes are the client's to send.
    pub fn is_waiting(&self) -> bool {
        self.is_waiting
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        if !self.again.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.again)))));
        }
        let polled = Pin::new(&mut self.incoming).poll_frame(context);
        self.is_waiting = polled.is_pending();
        let Some(frame) = ready!(polled) else {
            return Poll::Ready(None);
        };
        let frame = match frame.map_err(UploadError::Client)?.into_data() {
            Ok(data) => {
                let left = self.left.checked_sub(data.len() as u64);
                self.left = left.ok_or(UploadError::TooLarge)?;
                Frame::data(data)
            }
            Err(frame) => match frame.into_trailers() {
                Ok(mut trailers) => {
                    clean_trailers(&mut trailers, &self.own_headers);
                    Frame::trailers(trailers)
                }
                Err(frame) => frame,
            },
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.again.is_empty() && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// Trailers are merged into the headers by some servers, so nothing may come in here that may not come in
/// there: our own names, and what RFC 9110, section 6.5.1 keeps out of trailers.
fn clean_trailers(trailers: &mut HeaderMap, own_headers: &OwnHeaders) {
    own_headers.remove_from(trailers);
    super::hygiene::remove_hop_by_hop(trailers);
    for name in [
        header::AUTHORIZATION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::COOKIE,
        header::HOST,
        header::TRAILER,
    ] {
        trailers.remove(name);
    }
}
