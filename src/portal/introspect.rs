//! `/.auth/introspect`: whether a token counts, and what it stands for (RFC 7662), for programs that cannot check one
//! themselves, or want to know of one that was taken back.

use http::{Request, Response, StatusCode};
use serde::Serialize;
use serde_json::Value;

use super::{Visit, oauth};
use crate::{
    config::AcceptedCredentials,
    gateway::Gateway,
    http::incoming::Incoming,
    identity::Credential,
    refusal::{Refusal, Unmet},
    respond,
    token::{
        Bearer, TokenError,
        refresh::{PREFIX as REFRESH_TOKEN, RefreshError},
    },
};

/// The role, or the scope, of whoever may ask.
const INTROSPECT: &str = "introspect";

/// RFC 7662, section 2.2. Times are in seconds since 1970.
#[derive(Default, Serialize)]
struct Introspection<'a> {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<&'a [String]>,
}

/// Says what a token stands for. Of one that does not count nothing is said but that (section 2.2).
pub(super) async fn introspect(
    gateway: &Gateway,
    request: Request<Incoming>,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    may_ask(gateway, &request, visit).await?;
    let form = match oauth::read(gateway, request).await? {
        Ok(form) => form,
        Err(invalid) => return Ok(invalid),
    };
    let Some(token) = form.get("token").filter(|token| !token.is_empty()) else {
        return Ok(oauth::invalid_request("token is required"));
    };
    let authenticator = &gateway.authenticator;
    let response = match token.starts_with(REFRESH_TOKEN) {
        true => refresh_token(gateway, token, visit).await?,
        false => match authenticator
            .bearer_for_anybody(token, visit.now, visit.tokens)
            .await
        {
            Ok(bearer) => access_token(gateway, &bearer),
            Err(TokenError::Unchecked(error)) => return Err(error.into()),
            Err(_) => answer(&Introspection::default()),
        },
    };
    Ok(response)
}

/// Whether whoever asks may. Programs ask, with a token; a session is nothing that a page could use here.
async fn may_ask(gateway: &Gateway, request: &Request<Incoming>, visit: Visit<'_>) -> Result<(), Refusal> {
    let bearer_alone = AcceptedCredentials {
        session: false,
        bearer: true,
    };
    let authentication = gateway
        .authenticator
        .authenticate(bearer_alone, request.headers(), visit.now, visit.tokens)
        .await?;
    let Some(caller) = authentication.caller else {
        return Err(Refusal::NotSignedIn {
            bad_token: authentication.bad_token,
        });
    };
    // A scope narrows a token to what it names, whatever the roles of its person.
    let names_it = |names: &[String]| names.iter().any(|name| name == INTROSPECT);
    match caller
        .scopes()
        .map_or_else(|| names_it(&caller.identity().roles), names_it)
    {
        true => Ok(()),
        false => Err(Refusal::NotAllowed {
            why: Unmet::Scopes,
            credential: Credential::Bearer,
            username: caller.identity().username.to_string(),
        }),
    }
}

fn access_token(gateway: &Gateway, bearer: &Bearer) -> Response<String> {
    let config = &gateway.authenticator.token;
    let claimed = |name: &str| bearer.claims.get(name);
    let (own, person) = (bearer.own.as_ref(), &bearer.identity);
    let text = |name| claimed(name).and_then(|value| value.as_str());
    let time = |name| claimed(name).and_then(Value::as_u64);
    let username = person.username.as_str();
    answer(&Introspection {
        active: true,
        scope: bearer.scopes.as_ref().map(|scopes| scopes.join(" ")),
        username: Some(username),
        token_type: Some("Bearer"),
        exp: own.map(|own| own.expires).or_else(|| time("exp")),
        iat: own.map(|own| own.issued).or_else(|| time("iat")),
        sub: own.map(|_| username).or_else(|| text("sub")),
        aud: match own.and_then(|own| own.audience.as_ref()) {
            Some(audience) => serde_json::to_value(audience).ok(),
            None if own.is_some() => Some(config.audience.as_str().into()),
            None => claimed("aud").cloned(),
        },
        iss: own.map(|_| config.issuer.as_str()).or_else(|| text("iss")),
        jti: own.map(|own| &*own.id).or_else(|| text("jti")),
        name: person.name.as_deref(),
        email: person.email.as_deref(),
        roles: Some(&person.roles),
    })
}

/// One that was used already does not count; that it was shown here ends nothing, for whoever asks need not be whoever
/// has it.
async fn refresh_token(
    gateway: &Gateway,
    token: &str,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    let found = match gateway.refresh_tokens.find(token, visit.now).await {
        Ok(found) => found,
        Err(RefreshError::Store(error)) => return Err(error.into()),
        Err(_) => return Ok(answer(&Introspection::default())),
    };
    let grant = &found.grant;
    let directory = gateway.sign_in.directory().current();
    let counts = directory
        .find(&grant.user)
        .is_some_and(|user| !user.disabled && grant.stamp.as_ref() == Some(&user.stamp));
    if !counts {
        return Ok(answer(&Introspection::default()));
    }
    Ok(answer(&Introspection {
        active: true,
        scope: grant.scope.clone(),
        username: Some(grant.user.as_str()),
        exp: Some(crate::token::RefreshTokens::expires(&found).unix_seconds()),
        iat: Some(grant.auth_time),
        sub: Some(grant.user.as_str()),
        iss: Some(&gateway.authenticator.token.issuer),
        ..Introspection::default()
    }))
}

fn answer(introspection: &Introspection<'_>) -> Response<String> {
    oauth::not_kept(respond::json(StatusCode::OK, introspection))
}
