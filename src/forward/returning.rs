//! The answer on its way down.

use std::{
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

use super::upgrade::Tunnel;
use crate::{
    config::UpstreamUrl,
    http::{cookies, hygiene},
    upstream::{Pool, Sender},
};

/// Takes out what belongs to the upstream's connection, and a cookie by which an app, or somebody who can make
/// it answer with one, would end or replace the gateway's own session.
pub(super) fn clean(headers: &mut HeaderMap, own_cookies: &[&str]) {
    hygiene::remove_hop_by_hop(headers);
    let sets_ours = |value: &HeaderValue| {
        let name = cookies::set_name(value.as_bytes());
        own_cookies.iter().any(|own| own.as_bytes() == name)
    };
    if headers.get_all(header::SET_COOKIE).iter().any(sets_ours) {
        let others: Vec<HeaderValue> = headers
            .get_all(header::SET_COOKIE)
            .iter()
            .filter(|value| !sets_ours(value))
            .cloned()
            .collect();
        headers.remove(header::SET_COOKIE);
        for value in others {
            headers.append(header::SET_COOKIE, value);
        }
    }
}

/// Whether an answer asks to sign the connection in, and not the request (RFC 4559; NTLM).
pub(super) fn authenticates_connection(response: &Response<Incoming>) -> bool {
    response.status() == StatusCode::UNAUTHORIZED
        && response
            .headers()
            .get_all(header::WWW_AUTHENTICATE)
            .iter()
            .any(|value| {
                let value = value.as_bytes().to_ascii_lowercase();
                value.starts_with(b"ntlm") || value.starts_with(b"negotiate")
            })
}

/// A connection, and the pool it goes back to once its answer has been read to the end.
#[derive(Debug)]
pub(super) struct GiveBack {
    pool: Rc<Pool>,
    upstream: Arc<UpstreamUrl>,
    connection: Sender,
}

impl GiveBack {
    pub(super) fn new(pool: &Rc<Pool>, upstream: &Arc<UpstreamUrl>, connection: Sender) -> Self {
        Self {
            pool: Rc::clone(pool),
            upstream: Arc::clone(upstream),
            connection,
        }
    }
}

/// An answer's body: streamed, never held but for one frame. Dropped early, it closes its connection; read to
/// the end, it gives it back.
#[derive(Debug)]
pub struct Returning {
    /// `None` after an upgrade, which has a tunnel in its place.
    incoming: Option<Incoming>,
    tunnel: Option<Tunnel>,
    give_back: Option<GiveBack>,
    idle: Option<Idle>,
}

#[derive(Debug)]
struct Idle {
    limit: Duration,
    timer: Pin<Box<Sleep>>,
}

/// Why an answer broke off. The client sees its connection end: the status has long gone out.
#[derive(Debug, thiserror::Error)]
pub enum ReturningError {
    /// The upstream broke off.
    #[error("the upstream's answer broke off")]
    Upstream(#[source] hyper::Error),
    /// The upstream was silent for longer than the route's idle timeout.
    #[error("the upstream's answer stalled")]
    Stalled,
}

impl Returning {
    pub(super) fn new(incoming: Incoming, give_back: Option<GiveBack>, idle: Option<Duration>) -> Self {
        let idle = idle.map(|limit| Idle {
            limit,
            timer: Box::pin(sleep(limit)),
        });
        let mut body = Self {
            incoming: Some(incoming),
            tunnel: None,
            give_back,
            idle,
        };
        if body.is_end_stream() {
            body.finish();
        }
        body
    }

    pub(super) fn upgraded(tunnel: Tunnel) -> Self {
        Self {
            incoming: None,
            tunnel: Some(tunnel),
            give_back: None,
            idle: None,
        }
    }

    /// What goes on after an answer 101, and must be run.
    pub fn take_tunnel(&mut self) -> Option<Tunnel> {
        self.tunnel.take()
    }

    fn finish(&mut self) {
        if let Some(GiveBack {
            pool,
            upstream,
            connection,
        }) = self.give_back.take()
        {
            pool.put(&upstream, connection);
        }
    }
}

impl Body for Returning {
    type Data = Bytes;
    type Error = ReturningError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReturningError>>> {
        let body = &mut *self;
        let Some(incoming) = body.incoming.as_mut() else {
            return Poll::Ready(None);
        };
        let frame = match Pin::new(incoming).poll_frame(context) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let Some(idle) = &mut body.idle else {
                    return Poll::Pending;
                };
                ready!(idle.timer.as_mut().poll(context));
                return Poll::Ready(Some(Err(ReturningError::Stalled)));
            }
        };
        if let Some(idle) = &mut body.idle {
            let limit = idle.limit;
            idle.timer.as_mut().reset(Instant::now() + limit);
        }
        match frame {
            None => {
                body.finish();
                Poll::Ready(None)
            }
            Some(Ok(frame)) => {
                if body.is_end_stream() {
                    body.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(ReturningError::Upstream(error)))),
        }
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
