//! HTTP/2 towards clients (RFC 9113): what its streams may cost, how its connections end, and WebSockets on its streams.

use std::{convert::Infallible, pin::pin, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body::Body;
use hyper::{ext::Protocol, server::conn::http2, service::service_fn, upgrade};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::sleep,
};

use super::{
    activity::{Activity, Overdue},
    executor::LocalExecutor,
    shutdown::Shutdown,
};
use crate::http::incoming::Incoming;

/// Streams of one connection at once: what nginx and the browsers settled on.
const MAX_STREAMS: u32 = 128;

/// Streams that we reset because of what the peer did, before the connection is closed (CVE-2025-8671).
const MAX_LOCAL_RESETS: usize = 128;

/// Streams that the peer reset before we looked at them (CVE-2023-44487).
const MAX_PENDING_RESETS: usize = 64;

/// The most that is buffered of each stream's answer. One connection has many, and a client that opens its windows and
/// then reads nothing fills all of them.
const STREAM_BUFFER: usize = 64 * 1024;

/// How often a connection that is to end is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What a connection is served with.
pub(super) struct Serving<'a> {
    pub(super) activity: &'a Activity,
    pub(super) shutdown: &'a Shutdown,
    /// The most bytes of a request's headers.
    pub(super) max_header_bytes: usize,
}

/// Serves a connection until it ends.
///
/// # Errors
/// It failed, or the client broke the protocol.
pub(super) async fn serve<S, A, B>(
    stream: S,
    serving: Serving<'_>,
    answer: impl Fn(Request<Incoming>) -> A,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static> + 'static,
{
    let Serving {
        activity, shutdown, ..
    } = serving;
    let connection = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(serving.max_header_bytes).unwrap_or(u32::MAX))
        .max_local_error_reset_streams(MAX_LOCAL_RESETS)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_send_buf_size(STREAM_BUFFER)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(|request| {
                // It is moved several times on its way into its task, and is some kilobytes long: moving a pointer costs a
                // tenth of the whole request less.
                let answered = Box::pin(answer(taken(request)));
                async move { Ok::<_, Infallible>(answered.await) }
            }),
        );
    let mut connection = pin!(connection);
    let mut draining = false;
    loop {
        tokio::select! {
            biased;
            result = connection.as_mut() => return result,
            // GOAWAY, which a client acknowledges and then closes. One that has not done so by the next look, with
            // nothing running, is not waited for.
            why = activity.overdue() => {
                if draining || why == Overdue::Stalled {
                    return Ok(());
                }
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            () = shutdown.started_and_no_news(), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            // A machine that sleeps acknowledges nothing, and must not hold the stop up for the whole grace.
            () = sleep(LOOK), if draining => {
                if !activity.is_busy() {
                    return Ok(());
                }
            }
        }
    }
}

/// A stream's request. A WebSocket's handshake (RFC 8441, section 5) becomes what it is over HTTP/1.1, the GET that asks
/// for an upgrade: whatever holds of the one then holds of the other. No client can send the header itself, which
/// HTTP/2 forbids.
fn taken(mut request: Request<hyper::body::Incoming>) -> Request<Incoming> {
    let opens_websocket = *request.method() == Method::CONNECT
        && request
            .extensions()
            .get::<Protocol>()
            .is_some_and(|protocol| protocol.as_str().eq_ignore_ascii_case("websocket"));
    if !opens_websocket {
        return request.map(Incoming::Http2);
    }
    let upgrade = upgrade::on(&mut request);
    *request.method_mut() = Method::GET;
    let headers = request.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    // It has none: we ask the upstream ourselves.
    headers.remove(header::SEC_WEBSOCKET_KEY);
    request.map(|_| Incoming::WebSocket(upgrade))
}
