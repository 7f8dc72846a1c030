//! `/.auth/me`: who am I, by cookie or token.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use serde::Serialize;

use super::Visit;
use crate::{
    authenticate::Proof, clock::Timestamp, config::AcceptedCredentials, gateway::Gateway,
    http::incoming::Incoming, refusal::Refusal, respond, session::Session,
};

/// How long the session lasts if nothing renews it.
const EXPIRES_IN: HeaderName = HeaderName::from_static("x-session-expires-in");

/// How long it lasts whatever renews it.
const ENDS_IN: HeaderName = HeaderName::from_static("x-session-ends-in");

/// How long it lasts from each use, as long as it may last at all.
const IDLE_TIMEOUT: HeaderName = HeaderName::from_static("x-session-idle-timeout");

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
    if let Proof::Session { session, .. } = &caller.proof {
        tell_time_left(headers, session, visit.now);
    }
    Ok(response)
}

/// In seconds from now: a page's own clock may be wrong, and a proxy's `Date` is the proxy's.
fn tell_time_left(headers: &mut HeaderMap, session: &Session, now: Timestamp) {
    let lifetime = session.lifetime();
    let ends = session.created().after(lifetime.absolute);
    for (name, length) in [
        (EXPIRES_IN, session.expires_at().since(now)),
        (ENDS_IN, ends.since(now)),
        (IDLE_TIMEOUT, lifetime.idle.min(lifetime.absolute)),
    ] {
        headers.insert(name, HeaderValue::from(whole_seconds(length)));
    }
}

/// Rounded up: whoever comes back after so many seconds finds that it is over.
fn whole_seconds(length: Duration) -> u64 {
    length.as_secs() + u64::from(length.subsec_nanos() > 0)
}
