//! A request's body on its way up: streamed, counted against its limit, its trailers cleaned.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::hygiene::OwnHeaders;

/// The body of a request that is being forwarded. Never more of it is held than one frame.
#[derive(Debug)]
pub struct Upload {
    /// `None` for a body that is empty by itself: a repeated request's.
    incoming: Option<Incoming>,
    left: u64,
    progress: Rc<UploadProgress>,
    own_headers: Arc<OwnHeaders>,
}

/// How far an upload has come. Whoever sends it keeps a handle, since the body itself moves into the connection.
#[derive(Debug, Default)]
pub struct UploadProgress {
    bytes: Cell<u64>,
    waiting: Cell<bool>,
    state: Cell<UploadState>,
}

impl UploadProgress {
    /// The bytes that were handed on so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Whether the next bytes are the client's to send: the upstream would take them.
    pub fn is_waiting(&self) -> bool {
        self.waiting.get()
    }

    /// How it stands.
    pub fn state(&self) -> UploadState {
        self.state.get()
    }
}

/// How an upload stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UploadState {
    /// On its way, or done.
    #[default]
    Fine,
    /// It grew past its limit and was cut off.
    TooLarge,
    /// The client failed to send the rest.
    ClientFailed,
}

/// Why an upload was cut off.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// It is longer than the route takes.
    #[error("the request's body is larger than the limit")]
    TooLarge,
    /// The client stopped sending, or sent a malformed chunk.
    #[error("the client's body broke off")]
    Client(#[source] hyper::Error),
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
            incoming: Some(incoming),
            left: limit,
            progress: Rc::default(),
            own_headers,
        })
    }

    /// No body, in place of one that was empty.
    pub fn empty_like(other: &Self) -> Self {
        Self {
            incoming: None,
            left: 0,
            progress: Rc::clone(&other.progress),
            own_headers: Arc::clone(&other.own_headers),
        }
    }

    /// A handle that tells how far the upload has come.
    pub fn progress(&self) -> Rc<UploadProgress> {
        Rc::clone(&self.progress)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let Some(incoming) = self.incoming.as_mut() else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(incoming).poll_frame(context);
        self.progress.waiting.set(polled.is_pending());
        let Some(frame) = ready!(polled) else {
            return Poll::Ready(None);
        };
        let frame = frame.map_err(|error| {
            self.progress.state.set(UploadState::ClientFailed);
            UploadError::Client(error)
        })?;
        let frame = match frame.into_data() {
            Ok(data) => {
                let Some(left) = self.left.checked_sub(data.len() as u64) else {
                    self.progress.state.set(UploadState::TooLarge);
                    return Poll::Ready(Some(Err(UploadError::TooLarge)));
                };
                self.left = left;
                self.progress
                    .bytes
                    .set(self.progress.bytes.get() + data.len() as u64);
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
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
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
