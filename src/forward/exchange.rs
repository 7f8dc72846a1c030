//! Sending a request and waiting for the head of its answer.

use std::{pin::pin, rc::Rc, time::Duration};

use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, client::conn::TrySendError};
use tokio::time::timeout;

use crate::{
    http::body::{Upload, UploadProgress, UploadState},
    refusal::{Refusal, UpstreamStage},
    route::Route,
    upstream::{Pool, Sender, connect::ConnectError},
};

/// What became of one attempt.
enum Attempt {
    Answered(Response<Incoming>),
    /// The connection had closed before anything was written: the request is whole and may go elsewhere.
    NotSent(Request<Upload>),
    /// The connection broke while the request was on it.
    Broken(hyper::Error),
    TimedOut,
}

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
    mut request: Request<Upload>,
) -> Result<(Response<Incoming>, Sender), Refusal> {
    let progress = request.body().progress();
    let limit = route.timeout.response;
    while let Some(mut connection) = pool.take(&route.upstream) {
        let spare = repeatable(&request);
        match attempt(&mut connection, request, limit, &progress).await {
            Attempt::Answered(response) => return Ok((response, connection)),
            Attempt::NotSent(whole) => request = whole,
            Attempt::Broken(error) => {
                request = spare.ok_or_else(|| broken(error, &progress))?;
                break;
            }
            Attempt::TimedOut => return Err(stalled(&progress)),
        }
    }
    let mut connection = pool
        .connect(&route.upstream, route.timeout.connect)
        .await
        .map_err(unreachable)?;
    match attempt(&mut connection, request, limit, &progress).await {
        Attempt::Answered(response) => Ok((response, connection)),
        Attempt::Broken(error) => Err(broken(error, &progress)),
        Attempt::NotSent(_) => Err(Refusal::UpstreamUnreachable(
            std::io::ErrorKind::ConnectionReset.into(),
        )),
        Attempt::TimedOut => Err(stalled(&progress)),
    }
}

/// A copy of a request that may be sent twice.
fn repeatable(request: &Request<Upload>) -> Option<Request<Upload>> {
    if !request.method().is_idempotent() || !request.body().is_end_stream() {
        return None;
    }
    let mut copy = Request::new(Upload::empty_like(request.body()));
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

async fn attempt(
    connection: &mut Sender,
    request: Request<Upload>,
    limit: Duration,
    progress: &UploadProgress,
) -> Attempt {
    let mut answer = pin!(connection.try_send_request(request));
    loop {
        // The limit is on an upstream that does nothing, not on a long upload: as long as the upstream takes
        // more of the body, it starts anew.
        let before = progress.bytes();
        match timeout(limit, &mut answer).await {
            Ok(Ok(response)) => return Attempt::Answered(response),
            Ok(Err(error)) => return failed(error),
            Err(_) if progress.bytes() > before => {}
            Err(_) => return Attempt::TimedOut,
        }
    }
}

fn failed(mut error: TrySendError<Request<Upload>>) -> Attempt {
    match error.take_message() {
        Some(request) => Attempt::NotSent(request),
        None => Attempt::Broken(error.into_error()),
    }
}

/// A connection that broke: because of what the client sent, or because of the upstream.
fn broken(error: hyper::Error, progress: &UploadProgress) -> Refusal {
    match progress.state() {
        UploadState::TooLarge => Refusal::BodyTooLarge,
        UploadState::ClientFailed => Refusal::BodyBrokeOff,
        UploadState::Fine => Refusal::UpstreamFailed(error),
    }
}

/// Nothing moved for too long: it was the client's turn, or the upstream's.
fn stalled(progress: &UploadProgress) -> Refusal {
    if progress.is_waiting() {
        Refusal::BodyTimeout
    } else {
        Refusal::UpstreamTimeout(UpstreamStage::Response)
    }
}

fn unreachable(error: ConnectError) -> Refusal {
    match error {
        ConnectError::Refused(error) => Refusal::UpstreamUnreachable(error),
        ConnectError::TimedOut => Refusal::UpstreamTimeout(UpstreamStage::Connect),
        ConnectError::Handshake(error) => Refusal::UpstreamFailed(error),
    }
}
