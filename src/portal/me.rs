//! `/.auth/me`: who am I, by cookie or token.

use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Serialize;

use super::Visit;
use crate::{
    authenticate::Proof, clock::Timestamp, config::AcceptedCredentials, gateway::Gateway,
    http::incoming::Incoming, refusal::Refusal, respond,
};

/// The answer. Times are in seconds.
#[derive(Serialize)]
struct Me<'a> {
    username: &'a str,
    name: Option<&'a str>,
    email: Option<&'a str>,
    roles: &'a [String],
    credential: &'static str,
    session: Option<SessionOfMe<'a>>,
}

#[derive(Serialize)]
struct SessionOfMe<'a> {
    id: &'a str,
    created_at: u64,
    expires_at: u64,
}

/// Says who the request comes from, and in its headers when the session ends. GET renews the session: somebody is there.
/// HEAD does not: it is for pages that look by themselves.
pub(super) async fn me(
    gateway: &Gateway,
    request: &Request<Incoming>,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    let authentication = gateway
        .authenticator
        .authenticate(
            AcceptedCredentials::default(),
            request.headers(),
            visit.now,
            visit.tokens,
        )
        .await?;
    let Some(caller) = authentication.caller else {
        return Err(Refusal::NotSignedIn {
            bad_token: authentication.bad_token,
        });
    };
    if request.method() == Method::GET {
        caller.renew(visit.now);
    }
    let session = match &caller.proof {
        Proof::Session { session, .. } => Some(SessionOfMe {
            id: session.handle().as_str(),
            created_at: session.created().unix_seconds(),
            expires_at: session.expires_at().unix_seconds(),
        }),
        Proof::Bearer(_) => None,
    };
    let identity = caller.identity();
    let me = Me {
        username: identity.username.as_str(),
        name: identity.name.as_deref(),
        email: identity.email.as_deref(),
        roles: &identity.roles,
        credential: caller.credential().label(),
        session,
    };
    let mut response = respond::json(StatusCode::OK, &me);
    let headers = response.headers_mut();
    respond::tell_session_end(headers, caller.session_expires_at());
    // By the clock that ends the session: a page's own may be wrong.
    tell_time(headers, visit.now);
    Ok(response)
}

fn tell_time(headers: &mut HeaderMap, now: Timestamp) {
    let now = UNIX_EPOCH + Duration::from_millis(now.unix_millis());
    if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(now)) {
        headers.insert(header::DATE, date);
    }
}
