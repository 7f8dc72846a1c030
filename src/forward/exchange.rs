//! Sending a request and waiting for the head of its answer.

use std::{
    future::poll_fn,
    rc::Rc,
    task::{Poll, ready},
    time::Duration,
};

use crate::{
    http::body::UploadError,
    refusal::{Refusal, UpstreamStage},
    route::Route,
    upstream::{
        Pool,
        connect::ConnectError,
        http1::{Broken, Exchange, Framing, Head, Outgoing},
    },
};

/// How long a body waits for the 100 that it asked for, as RFC 9110, section 10.1.1 lets it: old apps send none.
const PATIENCE_FOR_CONTINUE: Duration = Duration::from_secs(1);

/// Sends a request over a kept connection, or over a new one where none is free.
///
/// An upstream may close a kept connection at the very moment it is used. What was not sent is sent again; what
/// may have been sent is repeated only if it is idempotent and has no body (RFC 9110, section 9.2.2), and only
/// once: a POST is never delivered twice.
///
/// # Errors
/// The upstream cannot be reached, fails or is too slow; the body is too large or broke off.
pub(super) async fn exchange(
    pool: &Rc<Pool>,
    route: &Route,
    request: Outgoing,
) -> Result<(Box<Exchange>, Head), Refusal> {
    let has_no_body = matches!(request.framing, Framing::None | Framing::Length(0));
    let may_be_repeated = request.method.is_idempotent() && has_no_body;
    let Some(connection) = pool.take(&route.upstream, !may_be_repeated) else {
        let connection = connect(pool, route).await?;
        let exchange = Box::new(Exchange::begin(connection, request));
        let answered = attempt(pool, route, exchange).await;
        return answered.map_err(|(_, refusal)| refusal);
    };
    let exchange = Box::new(Exchange::begin(connection, request));
    let (mut failed, refusal) = match attempt(pool, route, exchange).await {
        Ok(answered) => return Ok(answered),
        Err(failed) => failed,
    };
    if !matches!(refusal, Refusal::UpstreamFailed(_)) || !failed.can_be_repeated() {
        return Err(refusal);
    }
    let connection = connect(pool, route).await?;
    attempt(pool, route, Box::new(failed.repeat(connection)))
        .await
        .map_err(|(_, refusal)| refusal)
}

async fn connect(pool: &Pool, route: &Route) -> Result<crate::upstream::http1::Connection, Refusal> {
    pool.connect(&route.upstream, route.timeout.connect)
        .await
        .map_err(|error| match error {
            ConnectError::Refused(error) => Refusal::UpstreamUnreachable(error),
            ConnectError::TimedOut => Refusal::UpstreamTimeout(UpstreamStage::Connect),
        })
}

/// Waits for the head of an answer, within the route's limit.
async fn attempt(
    pool: &Pool,
    route: &Route,
    mut exchange: Box<Exchange>,
) -> Result<(Box<Exchange>, Head), (Box<Exchange>, Refusal)> {
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
