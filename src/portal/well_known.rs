//! `/.auth/jwks.json`: the keys by which others check our tokens (RFC 7517, section 5).

use http::{HeaderValue, Response, StatusCode, header};

use crate::{gateway::Gateway, respond};

/// The public keys. Unlike everything else here they are the same for everybody, and may be kept for a while.
pub(super) fn jwks(gateway: &Gateway) -> Response<String> {
    let mut response = respond::json(StatusCode::OK, &gateway.authenticator.keys.public());
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/jwk-set+json"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    headers.remove(header::VARY);
    response
}
