//! A connection to an upstream that can take one request at a time. It is cut off where an answer never begins, and heard
//! out where the upstream no longer listens.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{
        TrySendError,
        http1::{self, SendRequest},
    },
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::http::body::Upload;

/// Bytes up to the end of an answer's head, with the interim answers (1xx) before it: hyper bounds each head but not
/// their number, and reads on for as long as there are any. Above all that it reads ahead of a body.
const MAX_HEAD_BYTES: usize = 1024 * 1024;

/// A connection that can take one request at a time.
#[derive(Debug)]
pub struct Sender {
    requests: SendRequest<Upload>,
    /// How many bytes may still come; `usize::MAX` where nobody counts.
    allowance: Arc<AtomicUsize>,
    deaf: Arc<AtomicBool>,
}

impl Sender {
    /// Speaks HTTP/1.1 on a stream. A task of its own drives the connection until it ends.
    pub(super) async fn handshake(stream: TcpStream) -> hyper::Result<Self> {
        let allowance = Arc::new(AtomicUsize::new(MAX_HEAD_BYTES));
        let deaf = Arc::new(AtomicBool::new(false));
        let stream = Watched {
            inner: stream,
            allowance: Arc::clone(&allowance),
            deaf: Arc::clone(&deaf),
        };
        let (requests, connection) = http1::Builder::new().handshake(TokioIo::new(stream)).await?;
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "an upstream connection ended");
            }
        });
        Ok(Self {
            requests,
            allowance,
            deaf,
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.requests.is_closed() || self.deaf.load(Ordering::Relaxed)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.requests.is_ready() && !self.deaf.load(Ordering::Relaxed)
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// The connection broke. The error holds the request if nothing of it was sent.
    pub async fn try_send_request(
        &mut self,
        request: Request<Upload>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Upload>>> {
        self.allowance.store(MAX_HEAD_BYTES, Ordering::Relaxed);
        let response = self.requests.try_send_request(request).await?;
        self.allowance.store(usize::MAX, Ordering::Relaxed);
        Ok(response)
    }
}

/// A stream of which no more is read than is allowed, and which is read to its end.
#[derive(Debug)]
struct Watched {
    inner: TcpStream,
    allowance: Arc<AtomicUsize>,
    /// The upstream takes nothing more. It may have said why before it closed ("413", mostly), so that is no error yet:
    /// what is written goes nowhere, and reading finds the answer or the end.
    deaf: Arc<AtomicBool>,
}

impl Watched {
    fn written(&self, result: io::Result<usize>, offered: usize) -> io::Result<usize> {
        use io::ErrorKind::{BrokenPipe, ConnectionReset};
        match result {
            Err(error) if matches!(error.kind(), BrokenPipe | ConnectionReset) => {
                self.deaf.store(true, Ordering::Relaxed);
                Ok(offered)
            }
            result => result,
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        let allowance = self.allowance.load(Ordering::Relaxed);
        if allowance == usize::MAX {
            return Poll::Ready(Ok(()));
        }
        let Some(left) = allowance.checked_sub(buffer.filled().len() - before) else {
            return Poll::Ready(Err(io::Error::other("the answer does not begin")));
        };
        self.allowance.store(left, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.inner).poll_write(context, bytes));
        Poll::Ready(self.written(result, bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.inner).poll_write_vectored(context, slices));
        Poll::Ready(self.written(result, slices.iter().map(|slice| slice.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
