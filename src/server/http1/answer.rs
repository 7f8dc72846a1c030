//! Writing an answer: its head, then its body in the framing that the client can read (RFC 9112, section 6).

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Response, StatusCode, Version, header, response};
use http_body::{Body, Frame};
use hyper::ext::ReasonPhrase;
use tokio::io::AsyncWrite;

use super::head::Head;
use crate::http::{
    fields,
    http1::{
        outbox::{self, Outbox, line},
        wire::{Duplex, Wire},
    },
};

/// What an answer has to fit to.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    is_head: bool,
    version: Version,
    takes_trailers: bool,
    keeps_alive: bool,
}

impl Asked {
    /// By this request.
    pub(super) fn by(head: &Head) -> Self {
        Self {
            is_head: head.method == Method::HEAD,
            version: head.version,
            takes_trailers: head.takes_trailers,
            keeps_alive: head.keeps_alive,
        }
    }
}

/// How a body's end is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// There is none.
    None,
    /// So many bytes more.
    Length(u64),
    Chunked,
    /// It ends with the connection.
    Close,
}

/// Headers that mean something before the body alone (RFC 9110, section 6.5.1).
const NEVER_TRAILERS: [HeaderName; 12] = [
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::HOST,
    header::MAX_FORWARDS,
    header::SET_COOKIE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::TE,
];

/// Room for an ordinary head with a small body behind it, in bytes.
const USUAL_ANSWER: usize = 2 * 1024;

/// An answer on its way out.
pub(super) struct Writing<B> {
    body: Option<B>,
    framing: Framing,
    /// The trailers that were announced and may be sent.
    trailers: Vec<HeaderName>,
    outbox: Outbox,
    keeps_alive: bool,
    is_flushed: bool,
}

/// Why an answer did not go out whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError<E: std::error::Error + 'static> {
    /// The client's connection failed.
    #[error("the client's connection failed")]
    Io(#[from] io::Error),
    /// The body broke off. So does the answer, and the client sees that it is not whole.
    #[error("the answer broke off")]
    Body(#[source] E),
    /// The body is longer or shorter than its head says.
    #[error("the answer has another length than it says")]
    Length,
}

impl<B: Body<Data = Bytes> + Unpin> Writing<B> {
    /// Begins to answer. `date` is the time of day as a header's value.
    pub(super) fn new(response: Response<B>, asked: &Asked, date: &[u8]) -> Self {
        let (parts, body) = response.into_parts();
        let framing = framing(&parts, &body, asked);
        let closes = fields::first(&parts.headers, &header::CONNECTION)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
        let keeps_alive = asked.keeps_alive && !closes && framing != Framing::Close;
        let trailers = match framing {
            Framing::Chunked if asked.takes_trailers => announced(&parts.headers),
            _ => Vec::new(),
        };
        let head = head(&parts, &body, asked, framing, keeps_alive, date);
        // Nothing is asked of a body that nobody will see.
        let body = (framing != Framing::None && framing != Framing::Length(0)).then_some(body);
        Self {
            body,
            framing,
            trailers,
            outbox: Outbox::new(head),
            keeps_alive,
            is_flushed: false,
        }
    }

    /// Whether the connection can take another request after it.
    pub(super) fn keeps_alive(&self) -> bool {
        self.keeps_alive
    }

    /// Writes as much as there is and the client takes. Ready when all has gone out.
    ///
    /// # Errors
    /// The connection failed, or the body did.
    pub(super) fn poll<S: Duplex>(
        &mut self,
        wire: &RefCell<Wire<S>>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<B::Error>>>
    where
        B::Error: std::error::Error + 'static,
    {
        loop {
            // The body's first piece mostly comes with the head, and then goes with it in one packet.
            if self.outbox.has_room()
                && let Some(body) = &mut self.body
            {
                // It may read the rest of the request's body from the same wire.
                match Pin::new(body).poll_frame(context) {
                    Poll::Ready(Some(Ok(frame))) => self.take(frame)?,
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(WriteError::Body(error))),
                    Poll::Ready(None) => self.end()?,
                    Poll::Pending if self.outbox.is_empty() => {
                        ready!(self.poll_flush(wire.borrow_mut().stream(), context))?;
                        return Poll::Pending;
                    }
                    Poll::Pending => {}
                }
            }
            if !self.outbox.is_empty() {
                self.is_flushed = false;
                ready!(self.outbox.poll_write(wire.borrow_mut().stream(), context))?;
            } else if self.body.is_none() {
                ready!(self.poll_flush(wire.borrow_mut().stream(), context))?;
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn take(&mut self, frame: Frame<Bytes>) -> Result<(), WriteError<B::Error>>
    where
        B::Error: std::error::Error + 'static,
    {
        match frame.into_data() {
            Ok(data) => self.data(data)?,
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    self.trailers(&trailers);
                }
            }
        }
        // A body whose end is known already needs no other look.
        if self.body.as_ref().is_some_and(Body::is_end_stream) {
            self.end()?;
        }
        Ok(())
    }

    fn data(&mut self, data: Bytes) -> Result<(), WriteError<B::Error>>
    where
        B::Error: std::error::Error + 'static,
    {
        if let Framing::Length(left) = &mut self.framing {
            *left = left.checked_sub(data.len() as u64).ok_or(WriteError::Length)?;
        }
        // An empty chunk would be the last one.
        if !data.is_empty() {
            self.outbox.put(data, self.framing == Framing::Chunked);
        }
        Ok(())
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        if self.framing != Framing::Chunked {
            return;
        }
        let allowed =
            outbox::fields(trailers).filter(|(name, _)| self.trailers.iter().any(|own| own == name));
        self.outbox.finish(allowed);
        self.body = None;
    }

    fn end(&mut self) -> Result<(), WriteError<B::Error>>
    where
        B::Error: std::error::Error + 'static,
    {
        match self.framing {
            Framing::Length(1..) => return Err(WriteError::Length),
            Framing::Chunked if self.body.is_some() => self.outbox.finish([]),
            _ => {}
        }
        self.body = None;
        Ok(())
    }

    fn poll_flush<S: AsyncWrite + ?Sized>(
        &mut self,
        stream: Pin<&mut S>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.is_flushed {
            ready!(stream.poll_flush(context))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }
}

/// How an answer's end is told (RFC 9112, section 6.3).
fn framing(parts: &response::Parts, body: &impl Body, asked: &Asked) -> Framing {
    let has_none = asked.is_head
        || parts.status.is_informational()
        || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    match (has_none, body.size_hint().exact()) {
        (true, _) => Framing::None,
        (false, Some(length)) => Framing::Length(length),
        (false, None) if asked.version == Version::HTTP_11 => Framing::Chunked,
        (false, None) => Framing::Close,
    }
}

/// The trailers that an answer's head announces, but for those that mean nothing behind a body.
fn announced(headers: &HeaderMap) -> Vec<HeaderName> {
    crate::http::hygiene::tokens(headers, &header::TRAILER)
        .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
        .filter(|name| !NEVER_TRAILERS.contains(name))
        .collect()
}

/// The head as bytes, with the empty line at its end.
fn head(
    parts: &response::Parts,
    body: &impl Body,
    asked: &Asked,
    framing: Framing,
    keeps_alive: bool,
    date: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_ANSWER);
    status_line(&mut bytes, parts, asked.version);
    let mut says_date = false;
    let mut says_length = false;
    for (name, value) in &parts.headers {
        if *name == header::CONTENT_LENGTH {
            // Ours says what the body has. Where there is none, the app's says what it would have.
            let tells = framing == Framing::None && parts.status != StatusCode::NO_CONTENT;
            if !tells || says_length {
                continue;
            }
            says_length = true;
        } else if *name == header::CONNECTION && !is_upgrade(parts) {
            continue;
        }
        says_date |= *name == header::DATE;
        line(&mut bytes, name.as_str(), value.as_bytes());
    }
    match framing {
        Framing::Length(length) => length_line(&mut bytes, length),
        Framing::Chunked => line(&mut bytes, "transfer-encoding", b"chunked"),
        // What a GET would have got.
        Framing::None if asked.is_head && !says_length => {
            if let Some(length @ 1..) = body.size_hint().exact() {
                length_line(&mut bytes, length);
            }
        }
        Framing::None | Framing::Close => {}
    }
    if !is_upgrade(parts) {
        match (asked.version, keeps_alive) {
            (_, false) => line(&mut bytes, "connection", b"close"),
            (Version::HTTP_10, true) => line(&mut bytes, "connection", b"keep-alive"),
            _ => {}
        }
    }
    if !says_date {
        line(&mut bytes, "date", date);
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

fn is_upgrade(parts: &response::Parts) -> bool {
    parts.status == StatusCode::SWITCHING_PROTOCOLS
}

fn status_line(bytes: &mut Vec<u8>, parts: &response::Parts, version: Version) {
    bytes.extend_from_slice(match version {
        Version::HTTP_10 => b"HTTP/1.0 ",
        _ => b"HTTP/1.1 ",
    });
    bytes.extend_from_slice(parts.status.as_str().as_bytes());
    bytes.extend_from_slice(b" ");
    bytes.extend_from_slice(match parts.extensions.get::<ReasonPhrase>() {
        Some(reason) => reason.as_bytes(),
        None => parts.status.canonical_reason().unwrap_or_default().as_bytes(),
    });
    bytes.extend_from_slice(b"\r\n");
}

fn length_line(bytes: &mut Vec<u8>, length: u64) {
    line(
        bytes,
        "content-length",
        itoa::Buffer::new().format(length).as_bytes(),
    );
}

/// What a client is told whose head is refused: nothing else can be said before the connection is closed.
pub(super) fn refusal(status: StatusCode, date: &[u8]) -> Vec<u8> {
    let mut response = Response::new(http_body_util::Empty::<Bytes>::new());
    *response.status_mut() = status;
    let asked = Asked {
        is_head: false,
        version: Version::HTTP_11,
        takes_trailers: false,
        keeps_alive: false,
    };
    let (parts, body) = response.into_parts();
    head(&parts, &body, &asked, Framing::Length(0), false, date)
}

#[cfg(test)]
mod tests;
