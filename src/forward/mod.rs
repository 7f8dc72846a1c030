//! One trip to an upstream and back. Takes a [`Permit`], which only `authorize` makes.
//!
//! [`outgoing`] writes the request's head, [`exchange`] sends it and waits for the answer,
//! [`returning`] cleans the answer and gives the connection back, [`upgrade`] joins the two sides of a
//! WebSocket.

use std::{net::IpAddr, rc::Rc, sync::Arc};

use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use crate::{
    authorize::Permit,
    http::{
        body::{Upload, UploadError},
        hygiene::OwnHeaders,
        request_id::RequestId,
    },
    refusal::Refusal,
    upstream::Pool,
};

mod exchange;
mod outgoing;
mod returning;
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
    let upgrade = upgrade::requested(&request);
    // Taken before the request comes apart; it resolves once we have answered 101.
    let client_side = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
    let (mut head, body) = request.into_parts();
    let body =
        Upload::new(body, permit.route().max_body, Arc::clone(context.own_headers)).map_err(|error| {
            match error {
                UploadError::TooLarge => Refusal::BodyTooLarge,
                UploadError::Client(_) => Refusal::BodyBrokeOff,
            }
        })?;
    outgoing::rewrite(&mut head, &body, permit, context, upgrade.as_ref())?;
    let bound_to_connection = outgoing::authenticates_connection(&head.headers);
    let (mut response, connection) =
        exchange::exchange(pool, permit.route(), Request::from_parts(head, body)).await?;

    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return upgrade::join(client_side, response, permit.route(), context.own_cookies);
    }
    // Each connection has a version of its own (RFC 9112, section 2.3): an old app closes no client's connection.
    *response.version_mut() = Version::HTTP_11;
    let reusable = !bound_to_connection && !returning::authenticates_connection(&response);
    returning::clean(response.headers_mut(), context.own_cookies);
    let giver = reusable.then(|| returning::GiveBack::new(pool, &permit.route().upstream, connection));
    Ok(response.map(|body| Returning::new(body, giver, permit.route().idle_timeout())))
}
