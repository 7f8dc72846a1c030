//! A request's body as it comes, by whichever protocol.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::upgrade::OnUpgrade;

use super::http1::wire::{BodyError, Conversation, Lent};

/// The body of a request, of which nothing is read before it is asked for.
#[derive(Debug)]
pub enum Incoming {
    /// On a connection of its own.
    Http1(Lent),
    /// Beside others.
    Http2(hyper::body::Incoming),
    /// None: a stream of HTTP/2 that a WebSocket is to be spoken on (RFC 8441).
    WebSocket(OnUpgrade),
}

/// Why a request's body is not whole.
#[derive(Debug, thiserror::Error)]
pub enum IncomingError {
    /// Over HTTP/1.1.
    #[error(transparent)]
    Http1(#[from] BodyError),
    /// Over HTTP/2.
    #[error(transparent)]
    Http2(#[from] hyper::Error),
}

/// The client's side of a new protocol, should the answer be 101.
#[derive(Debug)]
pub enum ClientSide {
    /// The connection itself.
    Http1(Conversation),
    /// A stream of HTTP/2, once it is answered.
    Http2(OnUpgrade),
}

impl Incoming {
    /// What a new protocol would be spoken on. A stream of HTTP/2 that nobody has asked for that has none.
    pub fn client_side(&self) -> Option<ClientSide> {
        match self {
            Self::Http1(body) => Some(ClientSide::Http1(body.conversation())),
            Self::Http2(_) => None,
            Self::WebSocket(upgrade) => Some(ClientSide::Http2(upgrade.clone())),
        }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = IncomingError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, IncomingError>>> {
        match self.get_mut() {
            Self::Http1(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            Self::Http2(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            Self::WebSocket(_) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
            Self::WebSocket(_) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
            Self::WebSocket(_) => SizeHint::with_exact(0),
        }
    }
}
