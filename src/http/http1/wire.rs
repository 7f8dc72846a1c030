//! A client's connection: what was read of it, and whose turn it is to read on.
//!
//! The server reads heads and writes answers. Between the two a request's body belongs to whoever has the request, and is
//! read by them when they ask for it: nobody reads ahead, so that a body that is not wanted stays with the client.

use std::{
    cell::RefCell,
    fmt,
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::decode::{Decoded, Decoder, Malformed};

/// What is read at once of a head. It is read into the stack, so that a connection on which nothing happens holds nothing.
const HEAD_READ: usize = 8 * 1024;

/// Where a body's reads begin, and how far they grow.
const FIRST_READ: usize = 8 * 1024;
const LARGEST_READ: usize = 128 * 1024;

/// What a client is told that waits to be asked for its body (RFC 9110, section 15.2.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A stream both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin + ?Sized> Duplex for S {}

/// A connection, shared by the server and the body of the request that is on it.
pub struct Wire<S: ?Sized> {
    /// What has come and belongs to nobody yet.
    pub buffer: BytesMut,
    body: Decoder,
    reading: Reading,
    next_read: usize,
    /// What is left to be said before the body is read.
    interim: &'static [u8],
    /// The server, where it waits for the body's end, or whoever waits for the new protocol.
    waiting: Option<Waker>,
    /// Whoever reads the body, where nothing of it has come.
    reader: Option<Waker>,
    stream: S,
}

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// The server, since there is no body or it is over.
    Head,
    /// Whoever has the request.
    Body,
    /// Nobody: the body was given up amid it.
    Abandoned,
    /// Whoever speaks the new protocol.
    Upgraded,
}

/// Why a body is not whole.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The client closed the connection.
    #[error("the client closed the connection amid its body")]
    Closed,
    /// The connection failed.
    #[error("the client's connection failed amid its body")]
    Io(#[from] io::Error),
    /// Its framing has no end that everybody would see.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl<S> Wire<S> {
    /// On a stream of which nothing has been read.
    pub fn new(stream: S) -> Self {
        Self {
            buffer: BytesMut::new(),
            body: Decoder::none(),
            reading: Reading::Head,
            next_read: FIRST_READ,
            interim: b"",
            waiting: None,
            reader: None,
            stream,
        }
    }
}

impl<S: Duplex + ?Sized> Wire<S> {
    /// A request's head was taken out of [`Wire::buffer`], and its body ends so.
    pub fn begin(&mut self, body: Decoder, expects_continue: bool) {
        self.body = body;
        self.next_read = FIRST_READ;
        self.interim = if expects_continue { CONTINUE } else { b"" };
        self.reading = match body.is_over() {
            true => Reading::Head,
            false => Reading::Body,
        };
    }

    /// The stream, to be written to.
    pub fn stream(&mut self) -> Pin<&mut S> {
        Pin::new(&mut self.stream)
    }

    /// Reads what has come into the buffer; 0 where the client sends nothing more.
    pub fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut room = [MaybeUninit::uninit(); HEAD_READ];
        let mut read = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut read))?;
        self.buffer.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    }

    /// Looks whether the client is still there, where the next bytes are the server's to read. What it sends ahead is kept,
    /// and not read beyond the first piece.
    pub fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.reading != Reading::Head || !self.buffer.is_empty() {
            return Poll::Pending;
        }
        match self.poll_fill(context) {
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(()),
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
        }
    }

    /// Ready when nobody reads the body any more; whether it is over.
    pub fn poll_returned(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        match self.reading {
            Reading::Head => Poll::Ready(true),
            Reading::Abandoned => {
                Poll::Ready(self.skip() || self.poll_fill(context).is_ready() && self.skip())
            }
            Reading::Upgraded => Poll::Ready(false),
            Reading::Body => {
                self.waiting = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Takes what is here already of a body that nobody wants; whether that was all of it. What is still to come is not
    /// waited for.
    fn skip(&mut self) -> bool {
        // Who waits to be asked may send the body or the next request: nobody knows which.
        if !self.interim.is_empty() {
            return false;
        }
        loop {
            match self.body.decode(&mut self.buffer) {
                Ok(Decoded::Data(_) | Decoded::Trailers(_)) => {}
                Ok(Decoded::End) => {
                    self.reading = Reading::Head;
                    return true;
                }
                Ok(Decoded::NeedsMore) | Err(_) => return false,
            }
        }
    }

    /// The answer 101 has gone out: whoever has the request's body has the stream from here on.
    pub fn upgrade(&mut self) {
        self.hand_over(Reading::Upgraded);
    }

    /// Nothing more will come or go.
    pub fn close(&mut self) {
        if self.reading != Reading::Upgraded {
            self.hand_over(Reading::Abandoned);
        }
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn hand_over(&mut self, to: Reading) {
        self.reading = to;
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }

    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.reading {
            Reading::Body => {}
            Reading::Head | Reading::Upgraded => return Poll::Ready(None),
            // What ends early must never look like what is whole.
            Reading::Abandoned => return Poll::Ready(Some(Err(BodyError::Closed))),
        }
        while !self.interim.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, self.interim));
            let written = written.map_err(BodyError::Io)?;
            self.interim = self.interim.get(written..).unwrap_or_default();
            if self.interim.is_empty() {
                ready!(Pin::new(&mut self.stream).poll_flush(context)).map_err(BodyError::Io)?;
            }
        }
        loop {
            let decoded = self.body.decode(&mut self.buffer);
            if self.body.is_over() {
                self.hand_over(Reading::Head);
            }
            match decoded {
                Ok(Decoded::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Decoded::Trailers(trailers)) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Ok(Decoded::End) => return Poll::Ready(None),
                Ok(Decoded::NeedsMore) => {}
                Err(error) => {
                    self.hand_over(Reading::Abandoned);
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
            let filled = self.poll_fill_body(context);
            if filled.is_pending() {
                self.reader = Some(context.waker().clone());
            }
            match ready!(filled) {
                Ok(1..) => {}
                Ok(0) => {
                    self.hand_over(Reading::Abandoned);
                    return Poll::Ready(Some(Err(BodyError::Closed)));
                }
                Err(error) => {
                    self.hand_over(Reading::Abandoned);
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
        }
    }

    /// Reads a body's bytes where they stay.
    fn poll_fill_body(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.buffer.reserve(self.next_read);
        let before = self.buffer.len();
        let mut reading = std::pin::pin!(tokio::io::AsyncReadExt::read_buf(
            &mut self.stream,
            &mut self.buffer
        ));
        ready!(reading.as_mut().poll(context))?;
        let read = self.buffer.len() - before;
        if read >= self.next_read {
            self.next_read = (self.next_read * 2).min(LARGEST_READ);
        }
        Poll::Ready(Ok(read))
    }
}

/// The part of a connection that is a request's: its body.
pub struct Lent {
    wire: Rc<RefCell<Wire<dyn Duplex>>>,
}

impl Lent {
    /// Of the request that has just begun on this connection.
    pub fn new<S: Duplex + 'static>(wire: &Rc<RefCell<Wire<S>>>) -> Self {
        Self {
            wire: Rc::clone(wire) as Rc<RefCell<Wire<dyn Duplex>>>,
        }
    }

    /// The stream that a new protocol would be spoken on, should the answer be 101.
    pub fn conversation(&self) -> Conversation {
        Conversation {
            wire: Rc::clone(&self.wire),
        }
    }
}

/// What is on the wire is nobody's to print.
impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lent")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Whoever drops it does not hold the wire: it is borrowed for the time of one poll alone.
        if let Ok(mut wire) = self.wire.try_borrow_mut()
            && wire.reading == Reading::Body
        {
            wire.hand_over(Reading::Abandoned);
        }
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.wire.borrow_mut().poll_body(context)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.wire.borrow().reading, Reading::Head | Reading::Upgraded)
    }

    fn size_hint(&self) -> SizeHint {
        let wire = self.wire.borrow();
        let left = match wire.reading {
            Reading::Body => wire.body.left(),
            Reading::Abandoned => None,
            Reading::Head | Reading::Upgraded => Some(0),
        };
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A connection's stream after its last answer: of a new protocol, or to be closed. What was read behind the request's head
/// is the first of it.
pub struct Conversation {
    wire: Rc<RefCell<Wire<dyn Duplex>>>,
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Conversation")
    }
}

impl Conversation {
    /// Of a connection on which HTTP is not spoken any more.
    pub fn on<S: Duplex + 'static>(wire: &Rc<RefCell<Wire<S>>>) -> Self {
        Self {
            wire: Rc::clone(wire) as Rc<RefCell<Wire<dyn Duplex>>>,
        }
    }

    /// Waits until the answer 101 has gone out.
    ///
    /// # Errors
    /// It never will: the connection has ended.
    pub async fn begun(&self) -> io::Result<()> {
        poll_fn(|context| {
            let mut wire = self.wire.borrow_mut();
            match wire.reading {
                Reading::Upgraded => Poll::Ready(Ok(())),
                Reading::Abandoned => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
                Reading::Head | Reading::Body => {
                    wire.waiting = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl AsyncRead for Conversation {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut wire = self.wire.borrow_mut();
        if wire.buffer.is_empty() {
            return wire.stream().poll_read(context, buffer);
        }
        let length = wire.buffer.len().min(buffer.remaining());
        buffer.put_slice(wire.buffer.get(..length).unwrap_or_default());
        wire.buffer.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Conversation {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.wire.borrow_mut().stream().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.borrow_mut().stream().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.borrow_mut().stream().poll_shutdown(context)
    }
}
