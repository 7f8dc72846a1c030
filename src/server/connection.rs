//! One connection: whose it is, TLS, the protocol it speaks, and its end, in time or overdue.

use std::{io, rc::Rc, sync::Arc, time::Duration};

use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use rustix::net::RecvFlags;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    activity::{Activity, Guard, Overdue, RequestGuard},
    http1::{self, End},
    http2, proxy_protocol, redirect,
    running::Running,
    shutdown::Shutdown,
    stream::Stream,
    tls,
    watched::{Received, Taken},
};
use crate::{
    address::PeerAddr,
    admin,
    handle::{Peer, Worker, handle},
    http::{client_addr::Hop, incoming::Incoming},
    upstream::Bound,
};

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

/// What connections of a listener are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Everything.
    Gateway,
    /// To look at the gateway, for whoever runs it.
    Admin,
    /// To be sent to `public_url`.
    Redirect,
}

/// A connection that has just come in, beside its stream.
pub(super) struct Arrival {
    pub(super) worker: Rc<Worker>,
    pub(super) purpose: Purpose,
    pub(super) peer: PeerAddr,
    pub(super) tls: Option<tls::Acceptor>,
    pub(super) guard: Rc<Guard>,
    pub(super) shutdown: Shutdown,
}

/// Serves a connection until it ends.
pub(super) async fn serve(mut stream: impl Stream, arrival: Arrival) {
    // What comes before the first request's head must have come by then.
    let limit = Instant::now() + arrival.worker.gateway.server.limits.header_timeout;
    let peer = arrival.peer;
    if let Err(error) = stream.prepare() {
        tracing::debug!(%error, "a connection was gone before it began");
        return;
    }
    let Some(hop) = arrival.hop(&mut stream, limit).await else {
        return;
    };
    let Arrival {
        worker,
        purpose,
        tls,
        guard,
        shutdown,
        ..
    } = arrival;
    let activity = Arc::clone(guard.activity());
    let served = Served {
        worker,
        purpose,
        hop,
        guard,
        shutdown,
        activity,
        bound: Rc::default(),
    };
    match tls {
        None => {
            let multiplexed = tokio::select! {
                biased;
                multiplexed = timeout_at(limit, begins_with_http2_preface(&stream)) => multiplexed,
                // On a busy machine the runtime may not have heard yet of what the kernel has.
                () = served.shutdown.started_and_no_news() => Ok(has_sent_http2_preface(&stream)),
            };
            let Ok(Ok(multiplexed)) = multiplexed else { return };
            let stream = Taken::new(stream, &served.activity);
            served.speak(stream, multiplexed).await;
        }
        Some(tls::Acceptor(acceptor)) => {
            match timeout_at(limit, handshake(&acceptor, stream, &served.activity)).await {
                Ok(Ok(None)) => {
                    tracing::debug!(%peer, "plain HTTP where TLS is spoken");
                }
                Ok(Ok(Some(stream))) => {
                    let multiplexed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    // The handshake is over; a request's head has its own time.
                    served.activity.touch();
                    served.speak(stream, multiplexed).await;
                }
                Ok(Err(error)) => {
                    tracing::debug!(%peer, %error, "a TLS handshake failed");
                }
                Err(_) => {
                    tracing::debug!(%peer, "a TLS handshake took too long");
                }
            }
        }
    }
}

impl Arrival {
    /// Where the connection comes from: its other end, or whom that one names by the PROXY protocol, if it is to speak
    /// that. `None` where it may not, or says nothing that makes sense.
    async fn hop(&self, stream: &mut impl Stream, limit: Instant) -> Option<Hop> {
        // Nobody stands in front of it who is believed.
        if self.purpose == Purpose::Admin {
            return Some(Hop::new(self.peer, false));
        }
        let server = &self.worker.gateway.server;
        let (peer, trusted) = (self.peer, server.trusted_proxies.contain(self.peer));
        if !server.proxy_protocol {
            return Some(Hop::new(peer, trusted));
        }
        if !trusted {
            tracing::debug!(%peer, "a connection from somebody who is no trusted proxy was closed");
            return None;
        }
        let header = tokio::select! {
            biased;
            header = timeout_at(limit, proxy_protocol::take_from(stream)) => header,
            // As below: what the kernel has is taken, and what has not come is not waited for.
            () = self.shutdown.started_and_no_news() => {
                has_sent(stream, &mut [0]).ok()?;
                timeout(FAREWELL, proxy_protocol::take_from(stream)).await
            }
        };
        match header {
            Ok(Ok(Some(source))) => {
                let source = PeerAddr::from(source);
                Some(Hop::new(source, server.trusted_proxies.contain(source)))
            }
            // Whoever it is, the proxy has only passed their bytes on, and does not vouch for what they say.
            Ok(Ok(None)) => Some(Hop::new(peer, false)),
            Ok(Err(error)) => {
                tracing::debug!(%peer, %error, "a trusted proxy did not say whose connection it is");
                None
            }
            Err(_) => {
                tracing::debug!(%peer, "a trusted proxy took too long to say whose connection it is");
                None
            }
        }
    }
}

/// Whether a cleartext client speaks HTTP/2 by prior knowledge (RFC 9113, section 3.3). Looks without taking.
async fn begins_with_http2_preface(stream: &impl Stream) -> io::Result<bool> {
    let mut start = [0; HTTP2_PREFACE.len()];
    let seen = stream.peek(&mut start).await?;
    // Nobody sends the preface in pieces; a piece that could also begin a PROPFIND is HTTP/1.
    Ok(start.get(..seen) == Some(HTTP2_PREFACE))
}

/// Agrees on TLS with a client; `None` with one that speaks plain HTTP, who is told so.
async fn handshake<S: Stream>(
    acceptor: &TlsAcceptor,
    mut stream: S,
    activity: &Arc<Activity>,
) -> io::Result<Option<TlsStream<Taken<S>>>> {
    let mut start = [0; 5];
    let seen = stream.peek(&mut start).await?;
    let start = start.get(..seen).unwrap_or_default();
    // What browsers and programs begin with; no handshake begins with a letter.
    if ![&b"GET /"[..], b"HEAD ", b"POST "].contains(&start) {
        return acceptor.accept(Taken::new(stream, activity)).await.map(Some);
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
fn has_sent_http2_preface(stream: &impl Stream) -> io::Result<bool> {
    let mut start = [0; HTTP2_PREFACE.len()];
    let seen = has_sent(stream, &mut start)?;
    Ok(start.get(..seen) == Some(HTTP2_PREFACE))
}

/// Looks at what has come by now without taking it.
fn has_sent(stream: &impl Stream, buffer: &mut [u8]) -> io::Result<usize> {
    let (_, seen) = rustix::net::recv(stream, buffer, RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
    Ok(seen)
}

/// What serving a connection needs.
struct Served {
    worker: Rc<Worker>,
    purpose: Purpose,
    hop: Hop,
    guard: Rc<Guard>,
    shutdown: Shutdown,
    activity: Arc<Activity>,
    bound: Rc<Bound>,
}

impl Served {
    async fn speak<S>(self, stream: S, multiplexed: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.activity.set_multiplexed(multiplexed);
        let peer = self.hop.peer();
        let stream = Received::new(stream, &self.activity);
        if !multiplexed {
            return self.http1(stream).await;
        }
        let served = Rc::new(self);
        let serving = http2::Serving {
            activity: &served.activity,
            shutdown: &served.shutdown,
            max_header_bytes: served.worker.gateway.server.limits.max_header_bytes,
        };
        let ended = http2::serve(stream, serving, |request| Rc::clone(&served).answer(request)).await;
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "a connection ended early");
        }
    }

    async fn http1<S>(self, stream: Received<S>)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let served = Rc::new(self);
        let serving = http1::Serving {
            guard: &served.guard,
            shutdown: &served.shutdown,
            max_header_bytes: served.worker.gateway.server.limits.max_header_bytes,
        };
        let (end, mut stream) =
            http1::serve(stream, serving, |request| Rc::clone(&served).answer(request)).await;
        // Whoever takes nothing of an answer would take our last words for a part of it.
        let can_be_told = served.activity.is_mid_head() && !served.activity.is_blocked();
        let last_words = match end {
            End::Gone | End::Upgraded | End::Overdue(Overdue::Stalled) => return,
            End::Overdue(Overdue::Silent) if !can_be_told => return,
            // Nothing has been answered since the head began, so this is the connection's next answer.
            End::Overdue(Overdue::Silent) => Some(REQUEST_TIMEOUT),
            End::Finished => None,
        };
        // A client that does not take the last words in time does not get them.
        let _ = timeout(FAREWELL, async {
            if let Some(words) = last_words {
                stream.write_all(words).await?;
                stream.shutdown().await?;
            }
            linger(stream).await
        })
        .await;
    }

    async fn answer(self: Rc<Self>, request: Request<Incoming>) -> Response<Running> {
        let running = RequestGuard::new(&self.guard);
        let is_http2 = request.version() == Version::HTTP_2;
        let mut response = match self.purpose {
            Purpose::Redirect => redirect::answer(&self.worker, &self.hop, request),
            Purpose::Admin => admin::answer(&self.worker, &self.hop, request).await,
            Purpose::Gateway => {
                // HTTP/2's requests are under way side by side, and a proxy's are several people's.
                let bound = (!is_http2 && !self.hop.is_trusted()).then(|| Rc::clone(&self.bound));
                let (hop, guard) = (&self.hop, running.clone());
                let peer = Peer { hop, guard, bound };
                handle(&self.worker, peer, request).await
            }
        };
        let goes_on = is_http2 || response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if !goes_on && self.shutdown.has_started() {
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.map(|answer| Running::new(answer, running))
    }
}
