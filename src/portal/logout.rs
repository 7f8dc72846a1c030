//! `/.auth/logout`: a button for people, and the end of the session.

use http::{Request, Response, StatusCode, header};

use super::{
    Visit,
    form::{Form, FormKind},
    same_origin, set_cookie,
};
use crate::{
    authenticate::Proof,
    config::AcceptedCredentials,
    gateway::Gateway,
    http::{incoming::Incoming, navigation},
    observe::audit::{self, Event},
    pages::LogoutPage,
    refusal::Refusal,
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
        .await
        .caller;
    let username = caller.map(|caller| caller.identity().username.to_string());
    Ok(LogoutPage {
        username: username.as_deref(),
        return_to: "/",
    }
    .into_response())
}

/// Ends the session of the request's cookie, or with `everywhere=1` all of its user's. Without a session there
/// is nothing to end, which is what was asked for.
pub(super) async fn sign_out(
    gateway: &Gateway,
    request: Request<Incoming>,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    same_origin::check(request.headers(), visit)?;
    let wants_page = navigation::wants_page(request.method(), request.headers())
        || navigation::prefers_html(request.headers())
        || FormKind::of(request.headers()) == Some(FormKind::UrlEncoded);
    let caller = gateway
        .authenticator
        .authenticate(
            AcceptedCredentials::default(),
            request.headers(),
            visit.now,
            visit.tokens,
        )
        .await
        .caller;
    // A program may send no body at all.
    let everywhere = match request.headers().contains_key(header::CONTENT_TYPE) {
        true => Form::read(gateway, request).await?.1.is_ticked("everywhere"),
        false => false,
    };
    if let Some(caller) = &caller
        && let Proof::Session { key, session } = &caller.proof
    {
        let identity = session.identity();
        let sessions = &gateway.authenticator.sessions;
        let ended = match everywhere {
            true => sessions.remove_user(&identity.username).await,
            false => usize::from(sessions.remove(key).await.is_some()),
        };
        let event = Event::SignedOut { sessions: ended };
        audit::record(
            event,
            identity.username.as_str(),
            visit.client,
            visit.request_id.as_str(),
        );
    }
    let mut response = if wants_page {
        respond::see_other(&format!("{}?signed_out=1", respond::LOGIN_PATH))
    } else {
        let mut response = respond::json(StatusCode::NO_CONTENT, &());
        response.body_mut().clear();
        response.headers_mut().remove(header::CONTENT_TYPE);
        response
    };
    set_cookie(
        response.headers_mut(),
        gateway.cookies.clear(&gateway.session.cookie),
    )?;
    Ok(response)
}
