//! The answer on its way down.

use std::{
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::{Body, Frame, SizeHint};

use super::{outgoing::is_of_connection, upgrade::Tunnel};
use crate::{
    config::ResponseHeader,
    http::{cookies, fields},
    route::Route,
    upstream::{Bound, Broken, Deadline, Exchange, Head, Piece, Place, Pool, Whose},
};

/// Takes out a cookie by which an app, or somebody who can make it answer with one, would end or replace the gateway's
/// own session. What belongs to the upstream's connection was never taken in.
pub(super) fn clean(headers: &mut HeaderMap, own_cookies: &[&str]) {
    let sets_ours = |value: &HeaderValue| {
        let name = cookies::set_name(value.as_bytes());
        own_cookies.iter().any(|own| own.as_bytes() == name)
    };
    if fields::all(headers, &header::SET_COOKIE).any(sets_ours) {
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

/// Sets and takes out what the route says, which has the last word.
pub(super) fn set(headers: &mut HeaderMap, of_route: &[ResponseHeader]) {
    for ResponseHeader { name, value } in of_route {
        match value {
            Some(value) => drop(headers.insert(name, value.clone())),
            None => drop(headers.remove(name)),
        }
    }
}

/// Whether an answer asks to sign the connection in, and not the request (RFC 4559; NTLM).
pub(super) fn authenticates_connection(head: &Head) -> bool {
    head.status == StatusCode::UNAUTHORIZED
        && head
            .headers
            .get_all(header::WWW_AUTHENTICATE)
            .iter()
            .any(|value| {
                // Several challenges can stand in one header. Where a parameter looks like one, a connection is lost.
                let mut challenges = value.as_bytes().split(|byte| *byte == b',');
                challenges.any(|challenge| is_of_connection(challenge.trim_ascii()))
            })
}

/// An answer's body: streamed, never held but for one frame. Dropped early, it closes its connection; read to
/// the end, it gives it back.
#[derive(Debug)]
pub struct Returning {
    /// `None` once it is over, and after an upgrade, which has a tunnel in its place.
    exchange: Option<Exchange>,
    tunnel: Option<Box<Tunnel>>,
    /// Given up with the last byte.
    place: Option<Place>,
    /// Where the connection goes when all is over; `None` closes it.
    home: Option<Home>,
    idle: Option<Deadline>,
}

/// Where a connection goes that can take another request.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) pool: Rc<Pool>,
    /// How long the rest of a request may stall whose answer was early.
    pub(super) limit: Duration,
    /// Whose alone it is, since somebody may be signed in on it.
    pub(super) owner: Option<(Rc<Bound>, Whose)>,
}

/// Why an answer broke off. The client sees its connection end: the status has long gone out.
#[derive(Debug, thiserror::Error)]
pub enum ReturningError {
    /// The upstream broke off.
    #[error("the upstream's answer broke off")]
    Upstream(#[source] Broken),
    /// The upstream was silent for longer than the route's idle timeout.
    #[error("the upstream's answer stalled")]
    Stalled,
    /// Whoever asked is let in no more.
    #[error("what the answer was asked for with has ended")]
    Ended,
}

impl Returning {
    /// The body of an answer whose head is there, and the home of its connection.
    pub(super) fn new(
        pool: &Rc<Pool>,
        route: &Route,
        place: Place,
        exchange: Exchange,
        home: Option<Home>,
    ) -> Self {
        let mut body = Self {
            exchange: Some(exchange),
            tunnel: None,
            place: Some(place),
            home,
            idle: route.idle_timeout().map(|limit| pool.deadlines().wait(limit)),
        };
        body.finish_if_over();
        body
    }

    pub(super) fn upgraded(tunnel: Tunnel) -> Self {
        Self {
            exchange: None,
            tunnel: Some(Box::new(tunnel)),
            place: None,
            home: None,
            idle: None,
        }
    }

    /// What goes on after an answer 101, and must be run.
    pub fn take_tunnel(&mut self) -> Option<Tunnel> {
        self.tunnel.take().map(|tunnel| *tunnel)
    }

    /// Gives the connection back with the last byte, and not when somebody next asks for another.
    fn finish_if_over(&mut self) {
        if self.exchange.as_ref().is_some_and(Exchange::is_answered)
            && let Some(exchange) = self.exchange.take()
            && let Some(mut place) = self.place.take()
        {
            place.leave();
            if let Some(home) = self.home.take() {
                home.welcome(exchange, place);
            }
        }
    }
}

impl Home {
    fn welcome(self, mut exchange: Exchange, place: Place) {
        if !exchange.is_sending() {
            return self.keep(exchange, &place);
        }
        // The answer was early. The upstream still gets all of the request, as the client goes on sending it.
        tokio::task::spawn_local(async move {
            let deadline = self.pool.deadlines().wait(self.limit);
            let mut sent = 0;
            let sent_all = poll_fn(|context| {
                if exchange.poll_rest(context).is_ready() {
                    return Poll::Ready(true);
                }
                if exchange.sent() > sent {
                    sent = exchange.sent();
                    deadline.restart();
                }
                deadline.poll_over(context).map(|()| false)
            });
            if sent_all.await {
                self.keep(exchange, &place);
            }
        });
    }

    fn keep(self, exchange: Exchange, place: &Place) {
        if let Some(connection) = exchange.into_connection() {
            let upstream = &place.target().upstream;
            match self.owner {
                None => self.pool.put(upstream, connection),
                Some((bound, whose)) => bound.put(Arc::clone(upstream), whose, connection),
            }
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
        let Some(exchange) = body.exchange.as_mut() else {
            return Poll::Ready(None);
        };
        let piece = match exchange.poll_piece(context) {
            Poll::Ready(piece) => piece,
            Poll::Pending => {
                let Some(idle) = &body.idle else {
                    return Poll::Pending;
                };
                ready!(idle.poll_over(context));
                return Poll::Ready(Some(Err(ReturningError::Stalled)));
            }
        };
        if let Some(idle) = &body.idle {
            idle.restart();
        }
        body.finish_if_over();
        Poll::Ready(piece.map(|piece| match piece {
            Ok(Piece::Data(data)) => Ok(Frame::data(data)),
            Ok(Piece::Trailers(trailers)) => Ok(Frame::trailers(trailers)),
            Err(broken) => Err(ReturningError::Upstream(broken)),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.exchange.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.exchange.as_ref().map_or(Some(0), Exchange::left);
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
