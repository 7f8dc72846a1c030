//! Sending a request and waiting for the head of its answer.

use std::{
    future::poll_fn,
    rc::Rc,
    task::{Poll, ready},
    time::{Duration, Instant},
};

use super::{Trip, outgoing};
use crate::{
    http::body::{Upload, UploadError},
    refusal::{Refusal, UpstreamStage},
    route::Route,
    upstream::{Broken, Connection, Exchange, Head, Needs, Place, Pool, Target, connect::ConnectError},
};

/// How long a body waits for the 100 that it asked for, as RFC 9110, section 10.1.1 lets it: old apps send none.
const PATIENCE_FOR_CONTINUE: Duration = Duration::from_secs(1);

/// An exchange whose answer has begun.
pub(super) struct Answered {
    pub(super) place: Place,
    pub(super) exchange: Exchange,
    pub(super) head: Head,
    /// It was on the client's own connection to the app.
    pub(super) was_bound: bool,
}

/// A request that no upstream has, or can have begun to act on.
enum Unsent {
    New(Upload),
    Again(Exchange),
}

/// A request that failed at an upstream, and what is left of it for another one, if it may be sent again.
struct Failed {
    refusal: Refusal,
    request: Option<Unsent>,
}

/// Sends a request to an upstream, and to others where it did not arrive, up to the route's `retries`. `known` is the one
/// that it should go to if that works, and `asked` is told which it went to.
///
/// What was not sent, or never reached the app, is sent again; what may have reached it is repeated only if it is
/// idempotent and has no body (RFC 9110, section 9.2.2): a POST is never delivered twice.
///
/// # Errors
/// No upstream can be reached, or the one that was fails or is too slow; the body is too large or broke off.
pub(super) async fn exchange(
    pool: &Rc<Pool>,
    trip: &Trip<'_>,
    upload: Upload,
    known: Option<usize>,
    asked: &mut Option<usize>,
) -> Result<Answered, Refusal> {
    let upstreams = &trip.permit.route().upstreams;
    let mut request = Unsent::New(upload);
    let mut tried = Vec::new();
    let mut last = None;
    loop {
        let Some(place) = upstreams.choose(known, &tried) else {
            return Err(last.unwrap_or_else(|| Refusal::UpstreamsDown {
                retry_after: upstreams.retry_after(),
            }));
        };
        *asked = Some(place.index());
        let bound = trip.take_bound(&place.target().upstream);
        let was_bound = bound.is_some();
        let bound = bound.map(Connection::Http1);
        let failed = match visit(pool, trip, place.target(), request, bound).await {
            Ok((exchange, head)) => {
                return Ok(Answered {
                    place,
                    exchange,
                    head,
                    was_bound,
                });
            }
            Err(failed) => failed,
        };
        let is_last = tried.len() >= upstreams.retries as usize;
        request = match failed.request {
            Some(request) if !is_last => request,
            _ => return Err(failed.refusal),
        };
        last = Some(failed.refusal);
        tried.push(place.index());
    }
}

/// Sends a request over the client's `bound` connection or another that is kept, or over a new one where none is free.
///
/// An upstream may close a kept connection at the very moment it is used. Then a new one shows whether it is there.
async fn visit(
    pool: &Rc<Pool>,
    trip: &Trip<'_>,
    target: &Target,
    request: Unsent,
    bound: Option<Connection>,
) -> Result<(Exchange, Head), Failed> {
    let kept = match bound {
        Some(connection) => Some(connection),
        None => pool.take(&target.upstream, request.needs(trip)).await,
    };
    let is_kept = kept.is_some();
    let connection = match kept {
        Some(connection) => connection,
        None => match connect(pool, trip, target, request.needs(trip)).await {
            Ok(connection) => connection,
            Err(refusal) => {
                let request = Some(request);
                return Err(Failed { refusal, request });
            }
        },
    };
    let failed = match send(pool, trip, target, request, connection).await {
        Ok(answered) => return Ok(answered),
        Err(failed) => failed,
    };
    let request = match failed.request {
        Some(request) if is_kept || request.was_shared() => request,
        request => return Err(Failed { request, ..failed }),
    };
    match connect(pool, trip, target, request.needs(trip)).await {
        Ok(connection) => send(pool, trip, target, request, connection).await,
        Err(refusal) => Err(Failed {
            refusal,
            request: Some(request),
        }),
    }
}

async fn connect(pool: &Pool, trip: &Trip<'_>, target: &Target, needs: Needs) -> Result<Connection, Refusal> {
    let limit = trip.permit.route().timeout.connect;
    match pool.connect(&target.upstream, needs, limit).await {
        Ok(connection) => {
            target.standing.connected();
            Ok(connection)
        }
        Err(error) => {
            note_failure(target);
            Err(match error {
                ConnectError::Refused(error) => Refusal::UpstreamUnreachable(error),
                ConnectError::Http2(error) => Refusal::UpstreamFailed(Broken::Http2(error)),
                ConnectError::TimedOut => Refusal::UpstreamTimeout(UpstreamStage::Connect),
            })
        }
    }
}

async fn send(
    pool: &Pool,
    trip: &Trip<'_>,
    target: &Target,
    request: Unsent,
    connection: Connection,
) -> Result<(Exchange, Head), Failed> {
    let begun = request.on(connection, trip, target).map_err(|refusal| Failed {
        refusal,
        request: None,
    })?;
    attempt(pool, trip.permit.route(), begun)
        .await
        .map_err(|(mut failed, refusal)| {
            // The upstream did not begin to answer, and nothing can happen twice.
            let can_go_elsewhere = matches!(refusal, Refusal::UpstreamFailed(_)) && failed.can_be_repeated();
            Failed {
                request: can_go_elsewhere.then_some(Unsent::Again(failed)),
                refusal,
            }
        })
}

impl Unsent {
    fn needs(&self, trip: &Trip<'_>) -> Needs {
        let asks_for_http1 = match self {
            Self::New(_) => false,
            Self::Again(exchange) => exchange.repeats_over_http1(),
        };
        Needs {
            surely_open: !(trip.head.method.is_idempotent() && trip.is_bodiless()),
            http1: trip.upgrade.is_some() || trip.signs_connection_in || asks_for_http1,
            alone: trip.signs_connection_in,
        }
    }

    /// Whether it was beside others on a connection, or should not have been: the same upstream may take it on another.
    fn was_shared(&self) -> bool {
        matches!(self, Self::Again(Exchange::Http2(_)))
    }

    /// Puts it on a connection to this upstream.
    fn on(self, connection: Connection, trip: &Trip<'_>, target: &Target) -> Result<Exchange, Refusal> {
        let url = target.url();
        match (self, connection) {
            (Self::New(upload), connection) => trip.begin(url, connection, Some(upload)),
            (Self::Again(Exchange::Http1(mut failed)), Connection::Http1(connection)) => {
                failed.set_head(outgoing::http1_head(trip, url));
                Ok(Exchange::Http1(Box::new(failed.repeat(connection))))
            }
            (Self::Again(Exchange::Http1(_)), connection) if trip.is_bodiless() => {
                trip.begin(url, connection, None)
            }
            // What is left of the body may be in pieces already.
            (Self::Again(Exchange::Http1(_)), Connection::Http2(_)) => {
                Err(Refusal::UpstreamFailed(Broken::Closed))
            }
            (Self::Again(Exchange::Http2(failed)), connection) => {
                trip.begin(url, connection, failed.into_upload())
            }
        }
    }
}

/// Notes that an upstream accepts no connection, and says so once when it is therefore left out.
fn note_failure(target: &Target) {
    if let Some(time_out) = target.standing.failed(Instant::now()) {
        tracing::warn!(upstream = %target.upstream, ?time_out, "an upstream accepts no connections and is left out for a while");
    }
}

/// Waits for the head of an answer, within the route's limit.
async fn attempt(
    pool: &Pool,
    route: &Route,
    mut exchange: Exchange,
) -> Result<(Exchange, Head), (Exchange, Refusal)> {
    let deadline = pool.deadlines().wait(route.timeout.response);
    let patience = exchange
        .awaits_continue()
        .then(|| pool.deadlines().wait(PATIENCE_FOR_CONTINUE));
    let mut sent = 0;
    let answered = poll_fn(|context| {
        if let Some(patience) = &patience
            && exchange.awaits_continue()
            && patience.poll_over(context).is_ready()
        {
            exchange.stop_awaiting_continue();
        }
        if let Poll::Ready(result) = exchange.poll_head(context) {
            return Poll::Ready(result.map_err(refusal));
        }
        // The limit is on an upstream that does nothing, not on a long upload: as long as the upstream takes
        // more of the body, it starts anew.
        if exchange.sent() > sent {
            sent = exchange.sent();
            deadline.restart();
        }
        ready!(deadline.poll_over(context));
        Poll::Ready(Err(if exchange.waits_for_client() {
            Refusal::BodyTimeout
        } else {
            exchange.give_connection_up();
            Refusal::UpstreamTimeout(UpstreamStage::Response)
        }))
    })
    .await;
    match answered {
        Ok(head) => Ok((exchange, head)),
        Err(refusal) => Err((exchange, refusal)),
    }
}

/// An exchange that broke: because of what the client sent, or because of the upstream.
fn refusal(broken: Broken) -> Refusal {
    match broken {
        Broken::Upload(UploadError::TooLarge) => Refusal::BodyTooLarge,
        Broken::Upload(UploadError::Client(_)) => Refusal::BodyBrokeOff,
        broken => Refusal::UpstreamFailed(broken),
    }
}
