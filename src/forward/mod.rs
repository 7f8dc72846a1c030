//! One trip to an upstream and back. Takes a [`Permit`], which only `authorize` makes.
//!
//! [`outgoing`] writes the request's head, [`exchange`] sends it and waits for the answer,
//! [`returning`] cleans the answer and gives the connection back, [`upgrade`] joins the two sides of a
//! WebSocket.

use std::{net::IpAddr, rc::Rc, sync::Arc};

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use crate::{
    authorize::Permit,
    http::{
        body::{Upload, UploadError},
        hygiene::OwnHeaders,
        request_id::RequestId,
    },
    refusal::Refusal,
    upstream::{
        Pool,
        http1::{Framing, Outgoing},
    },
};

mod exchange;
mod outgoing;
mod returning;
mod target;
mod upgrade;

pub use returning::{Returning, ReturningError};
pub use upgrade::Tunnel;

/// What forwarding needs to know beside the request and its permit.
#[derive(Debug, Clone)]
pub struct Forwarding<'a> {
    /// The client's address.
    pub client: IpAddr,
    /// `https` or `http`: how the browser reached us.
    pub scheme: &'static str,
    /// `host[:port]` as the client wrote it.
    pub authority: Option<&'a str>,
    /// The request's name.
    pub request_id: RequestId,
    /// Names that only we may set.
    pub own_headers: &'a Arc<OwnHeaders>,
    /// Our cookies, which no upstream sees or sets.
    pub own_cookies: &'a [&'a str],
}

/// How the body's end is told to the upstream.
///
/// # Errors
/// It ends elsewhere than the head says: HTTP/2 can end a request that is not whole.
fn framing(upload: &Upload, headers: &HeaderMap) -> Result<Framing, Refusal> {
    let said = headers.get(header::CONTENT_LENGTH);
    let framing = Framing::of(upload, said.is_some());
    let holds = match (framing, said.map(HeaderValue::to_str)) {
        (_, None) => true,
        (Framing::Length(length), Some(Ok(said))) => said.parse() == Ok(length),
        _ => false,
    };
    holds.then_some(framing).ok_or(Refusal::BodyBrokeOff)
}

/// Sends a request that has its permit to its upstream, and returns the answer as soon as its head is there.
///
/// # Errors
/// The body is too large or broke off, or the upstream cannot be reached, fails or is too slow.
pub async fn forward(
    pool: &Rc<Pool>,
    permit: &Permit,
    mut request: Request<Incoming>,
    context: &Forwarding<'_>,
) -> Result<Response<Returning>, Refusal> {
    let route = permit.route();
    let upgrade = upgrade::requested(&request);
    // Taken before the request comes apart; it resolves once we have answered 101.
    let client_side = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
    let (head, body) = request.into_parts();
    let upload =
        Upload::new(body, route.max_body, Arc::clone(context.own_headers)).map_err(|error| match error {
            UploadError::TooLarge => Refusal::BodyTooLarge,
            UploadError::Client(_) => Refusal::BodyBrokeOff,
        })?;
    let framing = framing(&upload, &head.headers)?;
    let bound_to_connection = outgoing::authenticates_connection(&head.headers);
    let request = Outgoing {
        head: outgoing::head(&head, framing, permit, context, upgrade.as_ref()),
        expects_continue: outgoing::expects_continue(&head.headers),
        framing,
        upload,
        method: head.method,
    };
    let (exchange, mut head) = exchange::exchange(pool, route, request).await?;

    returning::clean(&mut head.headers, context.own_cookies);
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return upgrade::join(client_side, exchange, head, route);
    }
    let reusable = !bound_to_connection && !returning::authenticates_connection(&head);
    let body = Returning::new(pool, route, exchange, reusable);
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    if let Some(reason) = head.reason {
        response.extensions_mut().insert(reason);
    }
    Ok(response)
}
