//! `/.auth/sessions`: where somebody is signed in, for programs; and the end of a session, by its public name.

use std::rc::Rc;

use http::{HeaderMap, Response, StatusCode};
use serde::Serialize;

use super::{Visit, same_origin};
use crate::{
    authenticate::{Caller, Proof},
    config::AcceptedCredentials,
    gateway::Gateway,
    identity::Credential,
    observe::audit::{self, Event},
    refusal::{Refusal, Unmet},
    respond,
    session::id::SessionKey,
};

/// Whoever looks at what is theirs.
pub(super) struct Owner {
    pub(super) caller: Rc<Caller>,
}

impl Owner {
    /// By the session cookie alone: what a person does at a page.
    ///
    /// # Errors
    /// Nobody is signed in.
    pub(super) async fn by_session(
        gateway: &Gateway,
        headers: &HeaderMap,
        visit: Visit<'_>,
    ) -> Result<Self, Refusal> {
        let session_alone = AcceptedCredentials {
            session: true,
            bearer: false,
        };
        Self::by(gateway, session_alone, headers, visit).await
    }

    /// By the session cookie, or a token of ours that opens all that its person may. Another issuer's names somebody who
    /// need not be who has the same name here.
    ///
    /// # Errors
    /// Nobody is signed in, or with a token that is for something else.
    async fn by_any(gateway: &Gateway, headers: &HeaderMap, visit: Visit<'_>) -> Result<Self, Refusal> {
        let owner = Self::by(gateway, AcceptedCredentials::default(), headers, visit).await?;
        match &owner.caller.proof {
            Proof::Bearer(bearer) if bearer.own.is_none() || bearer.scopes.is_some() => {
                Err(Refusal::NotAllowed {
                    why: Unmet::Scopes,
                    credential: Credential::Bearer,
                    username: bearer.identity.username.to_string(),
                })
            }
            Proof::Bearer(_) | Proof::Session { .. } => Ok(owner),
        }
    }

    async fn by(
        gateway: &Gateway,
        accepted: AcceptedCredentials,
        headers: &HeaderMap,
        visit: Visit<'_>,
    ) -> Result<Self, Refusal> {
        let authentication = gateway
            .authenticator
            .authenticate(accepted, headers, visit.now, visit.tokens)
            .await?;
        match authentication.caller {
            Some(caller) => Ok(Self { caller }),
            None => Err(Refusal::NotSignedIn {
                bad_token: authentication.bad_token,
            }),
        }
    }

    /// Whether it is the session of this very browser.
    pub(super) fn is_session(&self, key: &SessionKey) -> bool {
        matches!(&self.caller.proof, Proof::Session { key: own, .. } if own == key)
    }
}

/// A session. Times are in seconds since 1970.
#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    user_agent: &'a str,
    address: String,
    created_at: u64,
    last_used_at: u64,
    expires_at: u64,
    remembered: bool,
    current: bool,
}

/// Lists the sessions of whoever asks, the newest first.
pub(super) async fn list(
    gateway: &Gateway,
    headers: &HeaderMap,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    let owner = Owner::by_any(gateway, headers, visit).await?;
    let user = &owner.caller.identity().username;
    let sessions = gateway.authenticator.sessions.of_user(user, visit.now).await?;
    let listed = sessions.iter().rev().map(|(key, session)| Listed {
        id: session.handle().as_str(),
        user_agent: &session.device().user_agent,
        address: session.device().address.to_string(),
        created_at: session.created().unix_seconds(),
        last_used_at: session.last_use().unix_seconds(),
        expires_at: session.expires_at().unix_seconds(),
        remembered: session.lifetime().remembered,
        current: owner.is_session(key),
    });
    Ok(respond::json(StatusCode::OK, &listed.collect::<Vec<_>>()))
}

/// Ends one of the sessions of whoever asks.
pub(super) async fn delete(
    gateway: &Gateway,
    headers: &HeaderMap,
    path: &str,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    same_origin::check(headers, visit)?;
    let owner = Owner::by_any(gateway, headers, visit).await?;
    let id = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    match end(gateway, &owner, id, visit).await? {
        true => Ok(respond::no_content()),
        false => Err(Refusal::NoOwnAddress),
    }
}

/// Ends one of somebody's sessions by its public name; whether there was such a one.
///
/// # Errors
/// It has ended, but a restart would bring it back.
pub(super) async fn end(
    gateway: &Gateway,
    owner: &Owner,
    id: &str,
    visit: Visit<'_>,
) -> Result<bool, Refusal> {
    let user = &owner.caller.identity().username;
    let store = &gateway.authenticator.sessions;
    let sessions = store.of_user(user, visit.now).await?;
    let found = sessions
        .iter()
        .find(|(_, session)| session.handle().as_str() == id);
    let Some((key, session)) = found else {
        return Ok(false);
    };
    let ended = store.remove(key).await.map_err(Refusal::Unremembered)?.is_some();
    let event = Event::SessionEnded {
        session: session.handle().as_str(),
    };
    audit::record(event, user.as_str(), visit.client, visit.request_id.as_str());
    Ok(ended)
}

/// Ends all of somebody's sessions but this browser's.
///
/// # Errors
/// As with [`end`].
pub(super) async fn end_others(gateway: &Gateway, owner: &Owner, visit: Visit<'_>) -> Result<(), Refusal> {
    let user = &owner.caller.identity().username;
    let store = &gateway.authenticator.sessions;
    for (key, session) in store.of_user(user, visit.now).await? {
        if owner.is_session(&key) {
            continue;
        }
        if store.remove(&key).await.map_err(Refusal::Unremembered)?.is_some() {
            let event = Event::SessionEnded {
                session: session.handle().as_str(),
            };
            audit::record(event, user.as_str(), visit.client, visit.request_id.as_str());
        }
    }
    Ok(())
}
