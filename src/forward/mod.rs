//! One trip to an upstream and back. Takes a [`Permit`], which only `authorize` makes.
//!
//! [`target`] and [`outgoing`] write the request's head, [`exchange`] sends it and waits for the answer,
//! [`repair`] gives paths in it the route's own back, [`returning`] cleans it and gives the connection back, [`upgrade`] joins the two sides of a
//! WebSocket.

use std::{any::Any, borrow::Cow, rc::Rc, sync::Arc};

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header, request};

use crate::{
    address::ClientAddr,
    authenticate::Caller,
    authorize::Permit,
    clock::Timestamp,
    config::{TokenConfig, UpstreamUrl},
    http::{
        body::{Upload, UploadError},
        cookies::{self, CookieStyle, Presented},
        fields,
        hygiene::OwnHeaders,
        incoming::Incoming,
        request_id::RequestId,
        trace_context::TraceContext,
    },
    refusal::Refusal,
    respond,
    token::{Assertions, KeyRing},
    upstream::{
        Bound, Connection, Exchange, Place, Pool, Upstream, UpstreamSet, Whose,
        http1::{self, Framing},
        http2,
    },
};

mod exchange;
mod outgoing;
mod repair;
mod returning;
mod target;
mod upgrade;

use repair::Repair;
pub use returning::{Returning, ReturningError};
pub use upgrade::{Notes, Tunnel};

use exchange::Answered;
use returning::Home;
use target::upstream_target;
use upgrade::Upgrade;

/// What forwarding needs to know beside the request and its permit.
#[derive(Debug, Clone)]
pub struct Forwarding<'a> {
    /// Whom the request comes from.
    pub client: ClientAddr,
    /// `https` or `http`: how the browser reached us, or the proxy in front of us.
    pub scheme: &'static str,
    /// `host[:port]` as the client wrote it.
    pub authority: Option<&'a str>,
    /// What the app is told that the client asked for, where that is not `authority`.
    pub host_told: Option<&'a HeaderValue>,
    /// `X-Forwarded-For`, if anybody has an address.
    pub forwarded_for: Option<HeaderValue>,
    /// The beginning of `Forwarded`, up to the host and scheme of this request.
    pub forwarded: &'a str,
    /// The request's name.
    pub request_id: RequestId,
    /// Our part of the trace that the request belongs to.
    pub trace: TraceContext,
    /// Held until all of the request's body has gone up, or none of it will any more: an answer may be over before.
    pub until_sent: Option<Rc<dyn Any>>,
    /// Makes what an app is told of whoever calls, where it wants a proof.
    pub asserting: Asserting<'a>,
    /// Names that only we may set.
    pub own_headers: &'a Arc<OwnHeaders>,
    /// Our cookies, which no upstream sees or sets.
    pub own_cookies: &'a [&'a str],
    /// The one of them that brings browsers back to the upstream they were sent to.
    pub route_cookie: &'a str,
    /// How our cookies are set.
    pub cookies: &'a CookieStyle,
    /// What belongs to the client's connection; `None` where other people's requests may be on it as well.
    pub bound: Option<&'a Rc<Bound>>,
}

/// What assertions are made with.
#[derive(Debug, Clone, Copy)]
pub struct Asserting<'a> {
    /// Those of this minute.
    pub made: &'a Assertions,
    /// What signs.
    pub keys: &'a KeyRing,
    /// Who we are.
    pub config: &'a TokenConfig,
    /// When the request came.
    pub now: Timestamp,
}

/// A request that goes up. How it is said is only known once it has a connection.
struct Trip<'a> {
    permit: &'a Permit,
    head: request::Parts,
    framing: Framing,
    /// What the route makes of path and query, where it changes them.
    changed_target: Option<String>,
    context: &'a Forwarding<'a>,
    upgrade: Option<Upgrade>,
    /// It signs its whole connection in, and whoever is on it from then on.
    signs_connection_in: bool,
}

impl Trip<'_> {
    fn is_bodiless(&self) -> bool {
        matches!(self.framing, Framing::None | Framing::Length(0))
    }

    /// Path and query as the upstream gets them.
    fn target(&self) -> &str {
        let sent = || {
            self.head
                .uri
                .path_and_query()
                .map_or("/", |target| target.as_str())
        };
        self.changed_target.as_deref().unwrap_or_else(sent)
    }

    /// Puts it on a connection.
    fn begin(
        &self,
        upstream: &UpstreamUrl,
        connection: Connection,
        upload: Option<Upload>,
    ) -> Result<Exchange, Refusal> {
        let expects_continue = outgoing::expects_continue(&self.head.headers);
        Ok(match connection {
            Connection::Http1(connection) => {
                let request = http1::Outgoing {
                    head: outgoing::http1_head(self, upstream),
                    framing: self.framing,
                    upload,
                    method: self.head.method.clone(),
                    expects_continue,
                };
                Exchange::Http1(Box::new(http1::Exchange::begin(connection, request)))
            }
            Connection::Http2(place) => {
                let request = http2::Outgoing {
                    head: outgoing::http2_head(self, upstream)?,
                    is_empty: self.framing == Framing::Length(0),
                    upload,
                    expects_continue,
                };
                Exchange::Http2(Box::new(http2::Exchange::begin(place, request)))
            }
        })
    }

    /// Which of the route's upstreams the client has a connection of its own to.
    fn bound_to(&self) -> Option<usize> {
        let upstream = self.context.bound?.leads_to(|| self.whose())?;
        self.permit.route().upstreams.position(&upstream)
    }

    /// The client's own connection to an upstream, if it has one.
    fn take_bound(&self, upstream: &Upstream) -> Option<http1::Connection> {
        self.context.bound?.take(upstream, || self.whose())
    }

    fn whose(&self) -> Whose {
        let caller = self.permit.caller();
        Whose {
            user: caller.map(|caller| caller.identity().username.as_str().into()),
            client: self.context.client,
        }
    }

    /// Where the connection goes when the answer is over; `None` where nobody may use it again.
    fn home(&self, pool: &Rc<Pool>, answered: &Answered) -> Option<Home> {
        let route = self.permit.route();
        let is_signed_in = self.signs_connection_in
            || answered.was_bound
            || returning::authenticates_connection(&answered.head);
        let owner = match is_signed_in {
            false => None,
            true => Some((Rc::clone(self.context.bound?), self.whose())),
        };
        Some(Home {
            pool: Rc::clone(pool),
            limit: route.timeout.response,
            owner,
        })
    }
}

/// How the body's end is told to the upstream.
///
/// # Errors
/// It ends elsewhere than the head says: HTTP/2 can end a request that is not whole.
fn framing(upload: &Upload, headers: &HeaderMap) -> Result<Framing, Refusal> {
    let said = fields::first(headers, &header::CONTENT_LENGTH);
    let framing = Framing::of(upload, said.is_some());
    let holds = match (framing, said.map(HeaderValue::to_str)) {
        (_, None) => true,
        (Framing::Length(length), Some(Ok(said))) => said.parse() == Ok(length),
        _ => false,
    };
    holds.then_some(framing).ok_or(Refusal::BodyBrokeOff)
}

/// Sends a request that has its permit to its upstream, and returns the answer as soon as its head is there. `asked` is
/// told which of the route's upstreams has it, before it is known what becomes of it there.
///
/// # Errors
/// The body is too large or broke off, or no upstream can be reached, or the one that was fails or is too slow.
pub async fn forward(
    pool: &Rc<Pool>,
    permit: &Permit,
    request: Request<Incoming>,
    context: &Forwarding<'_>,
    asked: &mut Option<usize>,
) -> Result<Response<Returning>, Refusal> {
    let route = permit.route();
    let upgrade = upgrade::requested(&request)?;
    // Taken before the request comes apart; it resolves once we have answered 101.
    let client_side = upgrade.as_ref().and_then(|_| request.body().client_side());
    let (head, body) = request.into_parts();
    let upload =
        Upload::new(body, route.max_body, Arc::clone(context.own_headers)).map_err(|error| match error {
            UploadError::TooLarge => Refusal::BodyTooLarge,
            UploadError::Client(_) => Refusal::BodyBrokeOff,
        })?;
    let upload = upload.holding(context.until_sent.clone());
    let trip = Trip {
        permit,
        framing: framing(&upload, &head.headers)?,
        signs_connection_in: outgoing::authenticates_connection(&head.headers),
        changed_target: match upstream_target(&head.uri, route)? {
            Cow::Borrowed(_) => None,
            Cow::Owned(target) => Some(target),
        },
        head,
        context,
        upgrade,
    };
    let return_visit = ReturnVisit::of(&route.upstreams, &trip.head.headers, context);
    // Whoever is signed in at one of them is a stranger to the others.
    let known = trip
        .bound_to()
        .or_else(|| return_visit.as_ref().and_then(|visit| visit.known));
    let mut answered = exchange::exchange(pool, &trip, upload, known, asked).await?;

    let headers = &mut answered.head.headers;
    returning::clean(headers, context.own_cookies);
    if route.rewriting.repair_paths {
        let upstream = outgoing::upstream_authority(answered.place.target().url());
        let authority = context.authority.unwrap_or(&upstream);
        let repair = Repair {
            prefix: &route.prefix,
            authorities: [authority, outgoing::host(route, authority, &upstream), &upstream],
        };
        repair.apply(headers);
    }
    if route.session_expires_at {
        let end = permit.caller().and_then(Caller::session_expires_at);
        respond::tell_session_end(headers, end);
    }
    returning::set(headers, &route.rewriting.response_headers);
    if let Some(visit) = &return_visit {
        visit.mark(&route.upstreams, &answered.place, headers, context);
    }
    if answered.head.status == StatusCode::SWITCHING_PROTOCOLS {
        return upgrade::join(
            trip.upgrade.as_ref(),
            client_side,
            answered.place,
            answered.exchange,
            answered.head,
            route,
        );
    }
    if trip
        .upgrade
        .as_ref()
        .is_some_and(|upgrade| upgrade.is_missed_by(answered.head.status))
    {
        return Err(Refusal::NoWebSocket);
    }
    let home = trip.home(pool, &answered);
    let Answered {
        place,
        exchange,
        head,
        ..
    } = answered;
    let mut response = Response::new(Returning::new(pool, route, place, exchange, home));
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    if let Some(reason) = head.reason {
        response.extensions_mut().insert(reason);
    }
    Ok(response)
}

/// A request on a route whose browsers come back to the upstream they were sent to.
struct ReturnVisit<'a> {
    cookie: &'a [u8],
    /// Where the browser was, if its cookie says so.
    known: Option<usize>,
}

impl<'a> ReturnVisit<'a> {
    fn of(upstreams: &UpstreamSet, headers: &'a HeaderMap, context: &Forwarding<'_>) -> Option<Self> {
        if !upstreams.is_sticky() {
            return None;
        }
        let cookie = match cookies::find(headers, context.route_cookie) {
            Presented::One(cookie) => cookie,
            Presented::Absent | Presented::Several => b"",
        };
        Some(Self {
            cookie,
            known: upstreams.marked_by(cookie),
        })
    }

    /// Has the browser come back here, unless it would anyway.
    fn mark(
        &self,
        upstreams: &UpstreamSet,
        place: &Place,
        headers: &mut HeaderMap,
        context: &Forwarding<'_>,
    ) {
        if self.known != Some(place.index())
            && let Some(cookie) = upstreams.cookie_for(place, self.cookie)
            && let Some(cookie) = context.cookies.set(context.route_cookie, &cookie, None)
        {
            headers.append(header::SET_COOKIE, cookie);
        }
    }
}
