//! Sending a request and waiting for the head of its answer.

use std::{
    future::poll_fn,
    rc::Rc,
    task::{Poll, ready},
    time::Duration,
};

use super::Trip;
use crate::{
    http::body::{Upload, UploadError},
    refusal::{Refusal, UpstreamStage},
    route::Route,
    upstream::{Broken, Connection, Exchange, Head, Needs, Pool, connect::ConnectError, http1::Framing},
};

/// How long a body waits for the 100 that it asked for, as RFC 9110, section 10.1.1 lets it: old apps send none.
const PATIENCE_FOR_CONTINUE: Duration = Duration::from_secs(1);

/// An exchange whose answer has begun.
pub(super) struct Answered {
    pub(super) exchange: Exchange,
    pub(super) head: Head,
    /// It was on the client's own connection to the app.
    pub(super) was_bound: bool,
}

/// Sends a request over a kept connection, or over a new one where none is free.
///
/// An upstream may close a kept connection at the very moment it is used. What was not sent, or never reached the app, is
/// sent again; what may have reached it is repeated only if it is idempotent and has no body (RFC 9110, section 9.2.2), and
/// only once: a POST is never delivered twice.
///
/// # Errors
/// The upstream cannot be reached, fails or is too slow; the body is too large or broke off.
pub(super) async fn exchange(pool: &Rc<Pool>, trip: &Trip<'_>, upload: Upload) -> Result<Answered, Refusal> {
    let route = trip.permit.route();
    let has_no_body = matches!(trip.framing, Framing::None | Framing::Length(0));
    let needs = Needs {
        surely_open: !(trip.head.method.is_idempotent() && has_no_body),
        http1: trip.upgrade.is_some() || trip.signs_connection_in,
        alone: trip.signs_connection_in,
    };
    let bound = trip.take_bound();
    let was_bound = bound.is_some();
    let kept = match bound {
        Some(connection) => Some(Connection::Http1(connection)),
        None => pool.take(&route.upstream, needs).await,
    };
    let connection = match kept {
        Some(connection) => connection,
        None => connect(pool, route, needs).await?,
    };
    let first = trip.begin(connection, Some(upload))?;
    let (exchange, head) = match attempt(pool, route, first).await {
        Ok(answered) => answered,
        Err((failed, refusal)) => again(pool, trip, needs, failed, refusal).await?,
    };
    Ok(Answered {
        exchange,
        head,
        was_bound,
    })
}

/// The second attempt, where there may be one.
async fn again(
    pool: &Rc<Pool>,
    trip: &Trip<'_>,
    mut needs: Needs,
    mut failed: Exchange,
    refusal: Refusal,
) -> Result<(Exchange, Head), Refusal> {
    if !matches!(refusal, Refusal::UpstreamFailed(_)) || !failed.can_be_repeated() {
        return Err(refusal);
    }
    let route = trip.permit.route();
    needs.http1 |= failed.repeats_over_http1();
    let repeated = match (failed, connect(pool, route, needs).await?) {
        // What is left of the body may be in pieces already.
        (Exchange::Http1(failed), Connection::Http1(connection)) => {
            Exchange::Http1(Box::new(failed.repeat(connection)))
        }
        (Exchange::Http1(_), Connection::Http2(_)) => return Err(refusal),
        (Exchange::Http2(failed), connection) => trip.begin(connection, failed.into_upload())?,
    };
    attempt(pool, route, repeated)
        .await
        .map_err(|(_, refusal)| refusal)
}

async fn connect(pool: &Pool, route: &Route, needs: Needs) -> Result<Connection, Refusal> {
    pool.connect(&route.upstream, needs, route.timeout.connect)
        .await
        .map_err(|error| match error {
            ConnectError::Refused(error) => Refusal::UpstreamUnreachable(error),
            ConnectError::Http2(error) => Refusal::UpstreamFailed(Broken::Http2(error)),
            ConnectError::TimedOut => Refusal::UpstreamTimeout(UpstreamStage::Connect),
        })
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
