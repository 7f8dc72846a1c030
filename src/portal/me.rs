//! `/.auth/me`: who am I, by cookie or token.

use http::{HeaderMap, Response, StatusCode};
use serde::Serialize;

use super::Visit;
use crate::{authenticate::Proof, config::AcceptedCredentials, gateway::Gateway, refusal::Refusal, respond};

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

/// Says who the request comes from. Being asked renews the session: somebody is there.
pub(super) async fn me(
    gateway: &Gateway,
    headers: &HeaderMap,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    let authentication = gateway
        .authenticator
        .authenticate(AcceptedCredentials::default(), headers, visit.now, visit.tokens)
        .await;
    let Some(caller) = authentication.caller else {
        return Err(Refusal::NotSignedIn {
            bad_token: authentication.bad_token,
        });
    };
    caller.renew(visit.now);
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
    Ok(respond::json(StatusCode::OK, &me))
}
