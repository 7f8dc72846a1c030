//! `/.auth/logout`: a button for people, and the end of the session.

use std::sync::Arc;

use http::{Request, Response, StatusCode, header};

use super::{
    Visit,
    form::{Form, FormKind},
    not_kept, revoke, same_origin, set_cookie,
};
use crate::{
    authenticate::{Caller, Proof},
    clock::Timestamp,
    config::AcceptedCredentials,
    gateway::Gateway,
    http::{incoming::Incoming, navigation},
    identity::UserName,
    observe::audit::{self, Event},
    pages::LogoutPage,
    refusal::{Refusal, Unmet},
    respond,
};

/// The button. A link alone never signs anybody out: pages of other sites can make a browser follow it.
pub(super) async fn page(
    gateway: &Gateway,
    request: &Request<Incoming>,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    let caller = gateway
        .authenticator
        .authenticate(
            AcceptedCredentials::default(),
            request.headers(),
            visit.now,
            visit.tokens,
        )
        .await?
        .caller;
    let username = caller.map(|caller| caller.identity().username.to_string());
    Ok(LogoutPage {
        username: username.as_deref(),
        return_to: "/",
    }
    .into_response())
}

/// Ends the session of the request's cookie, or the sign-in that its token came from; with `everywhere=1` all that the
/// user has. Without either there is nothing to end, which is what was asked for.
pub(super) async fn sign_out(
    gateway: &Gateway,
    request: Request<Incoming>,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    same_origin::check(request.headers(), visit)?;
    let wants_page = navigation::wants_page(request.method(), request.headers())
        || navigation::prefers_html(request.headers())
        || FormKind::of(request.headers()) == Some(FormKind::UrlEncoded);
    let headers = request.headers().clone();
    // A program may send no body at all. What it says is read first: however long that takes, nobody is taken for who they
    // were before.
    let everywhere = match headers.contains_key(header::CONTENT_TYPE) {
        true => Form::read(gateway, request).await?.1.is_ticked("everywhere"),
        false => false,
    };
    let visit = Visit {
        now: gateway.clock.now(),
        ..visit
    };
    let caller = gateway
        .authenticator
        .authenticate(AcceptedCredentials::default(), &headers, visit.now, visit.tokens)
        .await?
        .caller;
    // A token of somebody else's can be ended by its issuer alone.
    let caller = caller.filter(|caller| match &caller.proof {
        Proof::Session { .. } => true,
        Proof::Bearer(bearer) => bearer.own.is_some(),
    });
    if let Some(caller) = &caller {
        match everywhere {
            // A token that is for something else ends itself at most.
            true if caller.scopes().is_some() => {
                return Err(Refusal::NotAllowed {
                    why: Unmet::Scopes,
                    credential: caller.credential(),
                    username: caller.identity().username.to_string(),
                });
            }
            true => end_all(gateway, &caller.identity().username, visit).await?,
            false => end(gateway, caller, visit).await?,
        }
    }
    let mut response = if wants_page {
        respond::see_other(&format!("{}?signed_out=1", respond::LOGIN_PATH))
    } else {
        let mut response = respond::json(StatusCode::NO_CONTENT, &());
        response.body_mut().clear();
        response.headers_mut().remove(header::CONTENT_TYPE);
        response
    };
    for cookie in gateway.session_cookie.clear(visit.authority) {
        set_cookie(response.headers_mut(), cookie)?;
    }
    set_cookie(response.headers_mut(), not_kept::clear(gateway))?;
    Ok(response)
}

/// Ends what a person has signed in with.
async fn end(gateway: &Gateway, caller: &Caller, visit: Visit<'_>) -> Result<(), Refusal> {
    let ended = match &caller.proof {
        Proof::Session { key, .. } => {
            let removed = gateway.authenticator.sessions.remove(key).await;
            usize::from(removed.map_err(Refusal::Unremembered)?.is_some())
        }
        Proof::Bearer(bearer) => {
            revoke::end_bearer(gateway, bearer, visit).await?;
            0
        }
    };
    let event = Event::SignedOut { sessions: ended };
    let user = caller.identity().username.as_str();
    audit::record(event, user, visit.client, visit.request_id.as_str());
    Ok(())
}

/// Ends all that a person has, as they have asked.
pub(super) async fn end_all(gateway: &Gateway, user: &UserName, visit: Visit<'_>) -> Result<(), Refusal> {
    end_everything(gateway, user, visit.now, |sessions| {
        let event = Event::SignedOutEverywhere { sessions };
        audit::record(event, user.as_str(), visit.client, visit.request_id.as_str());
    })
    .await
}

/// Ends all that a person has: sessions, and tokens of every kind. `record` writes down that it has ended, and how many
/// sessions there were.
///
/// # Errors
/// It has all ended, but a restart would bring it back.
pub async fn end_everything(
    gateway: &Gateway,
    user: &UserName,
    now: Timestamp,
    record: impl FnOnce(usize),
) -> Result<(), Refusal> {
    let authenticator = &gateway.authenticator;
    let ended = authenticator.sessions.remove_user(user).await;
    record(*ended.as_ref().unwrap_or(&0));
    // It counts at once; that the files go as well is for tidiness.
    // After the sessions: whoever had one makes nothing more that is dated later.
    let grants = gateway.refresh_tokens.of_user(user, now).await;
    let until = now.after(authenticator.token.lifetime + authenticator.token.leeway);
    let remembered = authenticator
        .revocations
        .revoke_all(user, grants.as_deref().unwrap_or_default(), until, now)
        .await;
    let (personal, owner) = (Arc::clone(&authenticator.personal), user.clone());
    let removed = tokio::task::spawn_blocking(move || personal.revoke_all(&owner, now)).await;
    if let Ok(Err(error)) = removed {
        tracing::warn!(%error, "the personal tokens do not count any more, but their files are still there");
    }
    let grants = grants.map(drop);
    remembered
        .and(grants)
        .and(ended.map(drop))
        .map_err(Refusal::Unremembered)
}
