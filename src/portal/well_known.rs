//! What others need to know to use our tokens: `/.auth/jwks.json` has the keys by which they check them (RFC 7517,
//! section 5), and `/.well-known/openid-configuration` says where everything is (RFC 8414; OpenID Connect Discovery 1.0).

use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::{clock::Timestamp, gateway::Gateway, respond};

/// What is true of us, and nothing else: no identity tokens, no consent, no clients that would have to be registered.
#[derive(Serialize)]
struct Metadata<'a> {
    issuer: &'a str,
    jwks_uri: String,
    token_endpoint: String,
    revocation_endpoint: String,
    introspection_endpoint: String,
    grant_types_supported: &'static [&'static str],
    response_types_supported: [&'static str; 0],
    token_endpoint_auth_methods_supported: [&'static str; 1],
    revocation_endpoint_auth_methods_supported: [&'static str; 1],
}

/// Where everything is. Addresses are those of `public_url`, whatever host was asked.
pub(super) fn metadata(gateway: &Gateway) -> Response<String> {
    let at = |path: &str| format!("{}{path}", gateway.server.public_url);
    public(respond::json(
        StatusCode::OK,
        &Metadata {
            issuer: &gateway.authenticator.token.issuer,
            jwks_uri: at("/.auth/jwks.json"),
            token_endpoint: at("/.auth/token"),
            revocation_endpoint: at("/.auth/revoke"),
            introspection_endpoint: at("/.auth/introspect"),
            grant_types_supported: match gateway.authenticator.token.refresh_lifetime {
                Some(_) => &["password", "refresh_token"],
                None => &["password"],
            },
            response_types_supported: [],
            token_endpoint_auth_methods_supported: ["none"],
            revocation_endpoint_auth_methods_supported: ["none"],
        },
    ))
}

/// The public keys. Unlike everything else here they are the same for everybody, and may be kept for a while.
pub(super) fn jwks(gateway: &Gateway, now: Timestamp) -> Response<String> {
    let mut response = respond::json(StatusCode::OK, &gateway.authenticator.keys.public(now));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/jwk-set+json"),
    );
    public(response)
}

fn public(mut response: Response<String>) -> Response<String> {
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    headers.remove(header::VARY);
    response
}
