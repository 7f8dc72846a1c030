//! One connection: TLS, the protocol it speaks, and its end, in time or overdue.

use std::{
    convert::Infallible,
    io,
    net::IpAddr,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body::{Body, Frame, SizeHint};
use hyper::{
    body::Incoming,
    rt::Executor,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::RecvFlags;
use rustix::net::sockopt;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    activity::{Activity, Guard, RequestGuard, Watched},
    shutdown::Shutdown,
    tls,
};
use crate::{
    handle::{Answer, Peer, Worker, handle},
    upstream::Bound,
};

/// Streams of one HTTP/2 connection at once: what nginx and the browsers settled on.
const MAX_STREAMS: u32 = 128;

/// Streams that we reset because of what the peer did, before the connection is closed (CVE-2025-8671).
const MAX_LOCAL_RESETS: usize = 128;

/// Streams that the peer reset before we looked at them (CVE-2023-44487).
const MAX_PENDING_RESETS: usize = 64;

/// The most that is buffered of each stream's answer. One connection has many, and a client that opens its windows and
/// then reads nothing fills all of them.
const STREAM_BUFFER: usize = 64 * 1024;

/// The most that is buffered of a connection's bytes at once; grown only as far as a body's speed asks for it.
const BUFFER: usize = 400 * 1024;

/// After this much silence the system asks whether the client is still there, and then this often, this many times.
const PROBE_AFTER: Duration = Duration::from_mins(1);
const PROBE_EVERY: Duration = Duration::from_secs(15);
const PROBES: u32 = 4;

/// How long the last words to a client may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// The beginning of every HTTP/2 connection (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Answered when a request's head does not arrive in time. hyper is not asked: it is still reading.
const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Answered to plain HTTP where TLS is spoken, so that whoever forgot the "s" learns of it.
const SPEAKS_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 57\r\n\r\n\
    This port speaks HTTPS: begin the address with https://.\n";

/// Serves a connection until it ends.
pub(super) async fn serve(
    worker: Rc<Worker>,
    stream: TcpStream,
    client: IpAddr,
    tls: Option<tls::Acceptor>,
    guard: Rc<Guard>,
    shutdown: Shutdown,
) {
    let limit = worker.gateway.server.limits.header_timeout;
    let activity = Arc::clone(guard.activity());
    // Answers are written whole; waiting for more to send would only delay them.
    if let Err(error) = stream.set_nodelay(true).and_then(|()| probe(&stream)) {
        tracing::debug!(%error, "a connection was gone before it began");
        return;
    }
    let result = match tls {
        None => {
            let multiplexed = tokio::select! {
                biased;
                multiplexed = timeout(limit, begins_with_http2_preface(&stream)) => multiplexed,
                // On a busy machine the runtime may not have heard yet of what the kernel has.
                () = shutdown.started_and_no_news() => Ok(has_sent_http2_preface(&stream)),
            };
            let Ok(Ok(multiplexed)) = multiplexed else { return };
            let served = Served {
                worker,
                client,
                guard,
                shutdown,
                activity,
                bound: Rc::default(),
            };
            served.speak(stream, multiplexed).await
        }
        Some(tls::Acceptor(acceptor)) => match timeout(limit, handshake(&acceptor, stream)).await {
            Ok(Ok(None)) => {
                tracing::debug!(%client, "plain HTTP where TLS is spoken");
                return;
            }
            Ok(Ok(Some(stream))) => {
                let multiplexed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                // The handshake is over; a request's head has its own time.
                activity.touch();
                let served = Served {
                    worker,
                    client,
                    guard,
                    shutdown,
                    activity,
                    bound: Rc::default(),
                };
                served.speak(stream, multiplexed).await
            }
            Ok(Err(error)) => {
                tracing::debug!(%client, %error, "a TLS handshake failed");
                return;
            }
            Err(_) => {
                tracing::debug!(%client, "a TLS handshake took too long");
                return;
            }
        },
    };
    if let Err(error) = result {
        tracing::debug!(%client, %error, "a connection ended early");
    }
}

/// Has the system find out when a client is gone without a word: a WebSocket on which nobody speaks, or an answer that
/// is waited for, has no limit of ours and would keep its place for ever.
fn probe(stream: &TcpStream) -> io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, PROBE_AFTER)?;
    sockopt::set_tcp_keepintvl(stream, PROBE_EVERY)?;
    Ok(sockopt::set_tcp_keepcnt(stream, PROBES)?)
}

/// Whether a cleartext client speaks HTTP/2 by prior knowledge (RFC 9113, section 3.3). Looks without taking.
async fn begins_with_http2_preface(stream: &TcpStream) -> io::Result<bool> {
    let mut start = [0; HTTP2_PREFACE.len()];
    let seen = stream.peek(&mut start).await?;
    // Nobody sends the preface in pieces; a piece that could also begin a PROPFIND is HTTP/1.
    Ok(start.get(..seen) == Some(HTTP2_PREFACE))
}

/// Agrees on TLS with a client; `None` with one that speaks plain HTTP, who is told so.
async fn handshake(
    acceptor: &TlsAcceptor,
    mut stream: TcpStream,
) -> io::Result<Option<TlsStream<TcpStream>>> {
    let mut start = [0; 5];
    let seen = stream.peek(&mut start).await?;
    let start = start.get(..seen).unwrap_or_default();
    // What browsers and programs begin with; no handshake begins with a letter.
    if ![&b"GET /"[..], b"HEAD ", b"POST "].contains(&start) {
        return acceptor.accept(stream).await.map(Some);
    }
    // A client that does not take the last words in time does not get them.
    let _ = timeout(FAREWELL, async {
        stream.write_all(SPEAKS_TLS).await?;
        stream.shutdown().await?;
        linger(stream).await
    })
    .await;
    Ok(None)
}

/// Takes in what the client still sends, until it closes. Closing under a body that was not read would make the kernel
/// answer it with a reset, and that may throw away the answer before the client has seen it (RFC 9112, section 9.6).
async fn linger(mut stream: impl AsyncRead + Unpin) -> io::Result<()> {
    let mut waste = vec![0; 8 * 1024];
    while stream.read(&mut waste).await? > 0 {}
    Ok(())
}

/// The same of what has come by now.
///
/// # Errors
/// Nothing has.
fn has_sent_http2_preface(stream: &TcpStream) -> io::Result<bool> {
    let mut start = [0; HTTP2_PREFACE.len()];
    let (_, seen) = rustix::net::recv(stream, &mut start[..], RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
    Ok(start.get(..seen) == Some(HTTP2_PREFACE))
}

/// What serving a connection needs.
struct Served {
    worker: Rc<Worker>,
    client: IpAddr,
    guard: Rc<Guard>,
    shutdown: Shutdown,
    activity: Arc<Activity>,
    bound: Rc<Bound>,
}

impl Served {
    async fn speak<S>(self, stream: S, multiplexed: bool) -> hyper::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.activity.set_multiplexed(multiplexed);
        let io = TokioIo::new(Watched::new(stream, &self.activity));
        if multiplexed {
            self.http2(io).await
        } else {
            self.http1(io).await
        }
    }

    async fn http1<S>(self, io: TokioIo<Watched<S>>) -> hyper::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let served = Rc::new(self);
        let max_header_bytes = served.worker.gateway.server.limits.max_header_bytes;
        let mut connection = http1::Builder::new()
            // Our own look at the connections does this for a fraction of a timer's cost.
            .header_read_timeout(None)
            .max_buf_size(max_header_bytes.max(BUFFER))
            .max_header_size(max_header_bytes)
            .serve_connection(io, service_fn(|request| Rc::clone(&served).answer(request)))
            .with_upgrades();
        let mut draining = false;
        let timed_out = loop {
            tokio::select! {
                // What has come already comes first: neither a limit nor the stop may lose a request.
                biased;
                result = &mut connection => {
                    result?;
                    break false;
                }
                () = served.activity.overdue() => break true,
                () = served.shutdown.started_and_no_news(), if !draining => {
                    draining = true;
                    // A head that is coming in is waited for; `answer` sees that it is the last.
                    if !served.activity.is_mid_head() {
                        Pin::new(&mut connection).graceful_shutdown();
                    }
                }
            }
        };
        if timed_out && !served.activity.is_mid_head() {
            return Ok(());
        }
        // `None` after an upgrade.
        let Some(parts) = connection.into_parts() else {
            return Ok(());
        };
        let mut stream = parts.io.into_inner();
        // A client that does not take the last words in time does not get them.
        let _ = timeout(FAREWELL, async {
            if timed_out {
                // Nothing has been answered since the head began, so this is the connection's next answer.
                stream.write_all(REQUEST_TIMEOUT).await?;
                stream.shutdown().await?;
            }
            linger(stream).await
        })
        .await;
        Ok(())
    }

    async fn http2<S>(self, io: TokioIo<Watched<S>>) -> hyper::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let served = Rc::new(self);
        let for_requests = Rc::clone(&served);
        let header_bytes = served.worker.gateway.server.limits.max_header_bytes;
        let connection = http2::Builder::new(LocalExecutor)
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX))
            .max_local_error_reset_streams(MAX_LOCAL_RESETS)
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .max_send_buf_size(STREAM_BUFFER)
            .serve_connection(
                io,
                service_fn(move |request| Rc::clone(&for_requests).answer(request)),
            );
        let mut connection = pin!(connection);
        let mut draining = false;
        loop {
            tokio::select! {
                biased;
                result = connection.as_mut() => return result,
                // GOAWAY, which a client acknowledges and then closes. One that has not done so by the next look,
                // with nothing running, is not waited for.
                () = served.activity.overdue() => {
                    if draining {
                        return Ok(());
                    }
                    draining = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = served.shutdown.started_and_no_news(), if !draining => {
                    draining = true;
                    connection.as_mut().graceful_shutdown();
                }
                // A machine that sleeps acknowledges nothing, and must not hold the stop up for the whole grace.
                () = sleep(FAREWELL), if draining => {
                    if !served.activity.is_busy() {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn answer(self: Rc<Self>, request: Request<Incoming>) -> Result<Response<Running>, Infallible> {
        let running = RequestGuard::new(&self.guard);
        let version = request.version();
        let peer = Peer {
            client: self.client,
            guard: running.clone(),
            // Requests of HTTP/2 are under way side by side, and each would take another's place.
            bound: (version != Version::HTTP_2).then(|| Rc::clone(&self.bound)),
        };
        let mut response = handle(&self.worker, peer, request).await;
        let goes_on = version == Version::HTTP_2 || response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if !goes_on && self.shutdown.has_started() {
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        // Our own answers are whole by now. A client that does not take one (HTTP/2 lets it keep its window shut) is
        // idle: were its request still running, its connection would be held for as long as it likes.
        let running = (!response.body().is_own()).then_some(running);
        Ok(response.map(|answer| Running {
            answer,
            _guard: running,
        }))
    }
}

/// An answer's body, and the request that runs until it has gone out, where the answer comes from an upstream.
struct Running {
    answer: Answer,
    _guard: Option<RequestGuard>,
}

impl Body for Running {
    type Data = Bytes;
    type Error = <Answer as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.answer).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.answer.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.answer.size_hint()
    }
}

/// Runs HTTP/2's streams on the worker's own thread.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
