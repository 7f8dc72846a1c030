//! `/.auth/revoke`: takes a token back before its time (RFC 7009).

use http::{Request, Response, StatusCode, header};

use super::{Visit, account, oauth, same_origin};
use crate::{
    clock::Timestamp,
    gateway::Gateway,
    http::incoming::Incoming,
    observe::audit::{self, Event},
    refusal::Refusal,
    respond,
    store::{Owner, StoreError},
    token::{
        Bearer, TokenError,
        personal::PREFIX as PERSONAL_TOKEN,
        refresh::{PREFIX as REFRESH_TOKEN, Redeemable, RefreshError, RefreshTokens},
    },
};

/// What whoever takes something back is told, when the disk does not take it.
pub(super) const UNREMEMBERED: &str =
    "it is not valid any more, but that could not be written down; try again later";

/// Takes a token back: an access token alone, a refresh token with all that came from its sign-in. Whoever has one may
/// end it; a token that is none is no error, for what was asked for is so (section 2.2).
pub(super) async fn revoke(
    gateway: &Gateway,
    request: Request<Incoming>,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    same_origin::check(request.headers(), visit)?;
    let form = match oauth::read(gateway, request).await? {
        Ok(form) => form,
        Err(invalid) => return Ok(invalid),
    };
    let Some(token) = form.get("token").filter(|token| !token.is_empty()) else {
        return Ok(oauth::invalid_request("token is required"));
    };
    if token.starts_with(PERSONAL_TOKEN) {
        if let Some(found) = gateway.authenticator.personal.find(token, visit.now) {
            account::end_token(gateway, &found.user, &found.id, visit).await?;
        }
        return Ok(done());
    }
    let revoked = match token.starts_with(REFRESH_TOKEN) {
        true => refresh_token(gateway, token, visit).await,
        false => access_token(gateway, token, visit).await,
    };
    if let Err(error) = revoked {
        tracing::error!(%error, request_id = visit.request_id.as_str(), "a restart would forget that a token was revoked");
        return Ok(oauth::unremembered());
    }
    Ok(done())
}

/// 200, and nothing more (section 2.2).
fn done() -> Response<String> {
    let mut response = oauth::not_kept(respond::json(StatusCode::OK, &()));
    response.body_mut().clear();
    response.headers_mut().remove(header::CONTENT_TYPE);
    response
}

async fn refresh_token(gateway: &Gateway, token: &str, visit: Visit<'_>) -> Result<(), StoreError> {
    match gateway.refresh_tokens.find(token, visit.now).await {
        // One that was used up belongs to whoever has it all the same.
        Ok(found) => end(gateway, &found, visit).await,
        Err(RefreshError::Reused(found)) => end(gateway, &found, visit).await,
        Err(RefreshError::Store(error)) => Err(error),
        Err(_) => Ok(()),
    }
}

async fn access_token(gateway: &Gateway, token: &str, visit: Visit<'_>) -> Result<(), StoreError> {
    let authenticator = &gateway.authenticator;
    match authenticator
        .bearer_for_anybody(token, visit.now, visit.tokens)
        .await
    {
        Ok(bearer) => end_one(gateway, &bearer, visit).await,
        Err(TokenError::Unchecked(error)) => Err(error),
        Err(_) => Ok(()),
    }
}

/// Ends one token. Another issuer's can be ended by that one alone.
async fn end_one(gateway: &Gateway, bearer: &Bearer, visit: Visit<'_>) -> Result<(), StoreError> {
    let authenticator = &gateway.authenticator;
    let Some(own) = &bearer.own else {
        return Ok(());
    };
    let user = &bearer.identity.username;
    let event = Event::TokenRevoked { id: &own.id };
    audit::record(event, user.as_str(), visit.client, visit.request_id.as_str());
    let until = Timestamp::from_unix_seconds(own.expires).after(authenticator.token.leeway);
    authenticator.revocations.revoke(own, user, until).await
}

/// Ends the sign-in that a token came from, where that goes on, or else the token.
///
/// # Errors
/// As with [`end_grant`].
pub(super) async fn end_bearer(gateway: &Gateway, bearer: &Bearer, visit: Visit<'_>) -> Result<(), Refusal> {
    let grant = bearer.own.as_ref().and_then(|own| own.grant.as_deref());
    let user = &bearer.identity.username;
    let going_on = match grant {
        Some(grant) => gateway.refresh_tokens.find_grant(user, grant, visit.now).await?,
        None => None,
    };
    let ended = match &going_on {
        Some(found) => end(gateway, found, visit).await,
        None => end_one(gateway, bearer, visit).await,
    };
    ended.map_err(Refusal::Unremembered)
}

/// Ends a grant, and every access token that came from it.
///
/// # Errors
/// [`Refusal::Unremembered`]: it has ended, but a restart would forget that.
pub(super) async fn end_grant(
    gateway: &Gateway,
    found: &Redeemable,
    visit: Visit<'_>,
) -> Result<(), Refusal> {
    end(gateway, found, visit).await.map_err(Refusal::Unremembered)
}

async fn end(gateway: &Gateway, found: &Redeemable, visit: Visit<'_>) -> Result<(), StoreError> {
    let authenticator = &gateway.authenticator;
    let config = &authenticator.token;
    let grant = &found.grant;
    let event = Event::TokenRevoked { id: &grant.id };
    audit::record(
        event,
        grant.user.as_str(),
        visit.client,
        visit.request_id.as_str(),
    );
    // Its last access token was made now at the latest.
    let until = visit.now.after(config.lifetime + config.leeway);
    let owner = Owner::of(grant.user.as_str());
    let ends = [RefreshTokens::place(found)];
    authenticator
        .revocations
        .revoke_grant(owner, &grant.id, until, &ends)
        .await
}
