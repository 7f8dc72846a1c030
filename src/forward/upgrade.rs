//! WebSockets and other upgraded connections (RFC 9110, section 7.8): after the upstream's 101, bytes both ways.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Version, header};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional},
    time::{Instant, sleep_until},
};

use super::returning::Returning;
use crate::{
    http::{
        hygiene,
        incoming::{ClientSide, Incoming},
    },
    refusal::Refusal,
    route::Route,
    upstream::{Exchange, Head, Place, Stream},
};

/// A client's wish to speak another protocol on its connection.
#[derive(Debug)]
pub(super) struct Upgrade {
    /// The `Upgrade` header.
    pub(super) protocol: HeaderValue,
}

/// The upgrade that a request asks for and that is passed on. A server may ignore any (RFC 9110, section 7.8),
/// and we do where the new protocol is HTTP again: requests inside it would go past every rule.
pub(super) fn requested(request: &Request<Incoming>) -> Option<Upgrade> {
    let headers = request.headers();
    let asks = request.version() == Version::HTTP_11
        && hygiene::tokens(headers, &header::CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    let protocol = headers.get(header::UPGRADE).filter(|_| asks)?;
    let mut names = hygiene::tokens(headers, &header::UPGRADE).peekable();
    let only_one = headers.get_all(header::UPGRADE).iter().nth(1).is_none();
    (only_one && names.peek().is_some() && !names.any(is_http)).then(|| Upgrade {
        protocol: protocol.clone(),
    })
}

/// `h2c`, its drafts (`h2c-14`), `HTTP/2.0`, or HTTP in `TLS/1.0`.
fn is_http(protocol: &str) -> bool {
    let name = protocol.to_ascii_lowercase();
    ["h2", "h3", "http", "tls"]
        .iter()
        .any(|http| name.starts_with(http))
}

/// The answer 101, and the tunnel in place of its body.
pub(super) fn join(
    client: Option<ClientSide>,
    place: Place,
    exchange: Exchange,
    head: Head,
    route: &Route,
) -> Result<Response<Returning>, Refusal> {
    let (Some(client), Some((upstream, early))) = (client, exchange.into_upgraded()) else {
        return Err(Refusal::UnaskedUpgrade);
    };
    let tunnel = Tunnel {
        client,
        upstream,
        early,
        _place: place,
        idle: route.idle_timeout(),
    };
    let mut response = Response::new(Returning::upgraded(tunnel));
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(protocol) = head.upgrade {
        headers.insert(header::UPGRADE, protocol);
    }
    Ok(response)
}

/// A client and an upstream that speak a protocol of their own from now on.
#[derive(Debug)]
pub struct Tunnel {
    client: ClientSide,
    upstream: Stream,
    /// What the upstream said right behind its 101.
    early: Bytes,
    /// The upstream is as busy with it as with a request.
    _place: Place,
    idle: Option<Duration>,
}

impl Tunnel {
    /// Carries bytes both ways until both sides have finished, one breaks off, or neither has said anything for the
    /// route's idle timeout. Counts the bytes that go down. Begins once the answer 101 has gone out.
    ///
    /// # Errors
    /// The conversation did not come to its end.
    pub async fn run(self, down: &Cell<u64>) -> io::Result<()> {
        let ClientSide::Http1(mut client) = self.client;
        client.begun().await?;
        client.write_all(&self.early).await?;
        down.set(down.get() + self.early.len() as u64);
        let last = Cell::new(Instant::now());
        let mut upstream = Watched {
            inner: self.upstream,
            last: &last,
            down,
        };
        let copied = copy_bidirectional(&mut client, &mut upstream);
        let Some(limit) = self.idle else {
            return copied.await.map(drop);
        };
        let stalled = async {
            // Every byte passes the upstream side, one way or the other, and moves `last` on.
            while last.get().elapsed() < limit {
                sleep_until(last.get() + limit).await;
            }
        };
        tokio::select! {
            result = copied => result.map(drop),
            () = stalled => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// The upstream's stream. Notes when bytes last passed it, and how many came.
struct Watched<'a, S> {
    inner: S,
    last: &'a Cell<Instant>,
    down: &'a Cell<u64>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        let read = buffer.filled().len() - before;
        self.down.set(self.down.get() + read as u64);
        self.last.set(Instant::now());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(context, bytes))?;
        self.last.set(Instant::now());
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
