//! `/.auth/token`: tokens for a user name and a password (RFC 6749, section 4.3), and for a refresh token (section 6).

use http::{HeaderValue, Request, Response, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::{
    Visit,
    form::Form,
    login::Failure,
    revoke::{self, UNREMEMBERED},
    same_origin,
};
use crate::{
    gateway::Gateway,
    http::incoming::Incoming,
    identity::Identity,
    observe::audit::{self, Event},
    refusal::Refusal,
    respond,
    token::{
        issue::{Wanted, issue},
        refresh::{Grant, RefreshError},
    },
};

/// How somebody proved who they are who sent a password (RFC 8176, section 2).
const PASSWORD: [&str; 1] = ["pwd"];

/// RFC 6749, section 5.1.
#[derive(Serialize)]
struct TokenAnswer<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
}

/// RFC 6749, section 5.2.
#[derive(Serialize)]
struct TokenFailure {
    error: &'static str,
    error_description: &'static str,
}

/// Makes a token.
pub(super) async fn token(
    gateway: &Gateway,
    request: Request<Incoming>,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    same_origin::check(request.headers(), visit)?;
    let form = match read(gateway, request).await? {
        Ok(form) => form,
        Err(invalid) => return Ok(invalid),
    };
    if form.given("scope").is_some_and(|scope| !is_scope(scope)) {
        let why = "scope must be words of printable ASCII, each a space from the next";
        return Ok(failure(StatusCode::BAD_REQUEST, "invalid_scope", why));
    }
    match form.given("grant_type") {
        Some("password") => of_password(gateway, form, visit).await,
        Some("refresh_token") => of_refresh_token(gateway, &form, visit).await,
        Some(_) => {
            let why = "the grant type must be password or refresh_token";
            Ok(failure(StatusCode::BAD_REQUEST, "unsupported_grant_type", why))
        }
        None => Ok(invalid_request("grant_type is required")),
    }
}

/// Reads a form of OAuth's, or makes the answer to one that is none.
pub(super) async fn read(
    gateway: &Gateway,
    request: Request<Incoming>,
) -> Result<Result<Form, Response<String>>, Refusal> {
    match Form::read(gateway, request).await {
        Ok((_, form)) => Ok(Ok(form)),
        Err(Refusal::BadForm(why) | Refusal::UnsupportedMediaType(why)) => Ok(Err(invalid_request(why))),
        Err(other) => Err(other),
    }
}

async fn of_password(
    gateway: &Gateway,
    mut form: Form,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    let password = form.take_secret("password");
    let (Some(username), Some(password)) = (form.get("username"), password) else {
        return Ok(invalid_request("username and password are required"));
    };
    let person = match gateway.sign_in.password(username, password).await {
        Ok(person) => person,
        Err(error) => {
            let event = Event::SignInFailed {
                reason: &error.to_string(),
            };
            audit::record(event, username, visit.client, visit.request_id.as_str());
            return Ok(refused(error.into()));
        }
    };
    let scope = form.given("scope");
    match gateway
        .refresh_tokens
        .begin(&person, scope, &PASSWORD, visit.now)
        .await
    {
        Ok(Some((grant, refresh_token))) => {
            let given = Given {
                kind: "password",
                scope,
                grant: Some((&grant, &refresh_token)),
            };
            given.answer(gateway, &person, visit)
        }
        Ok(None) => Given {
            kind: "password",
            scope,
            grant: None,
        }
        .answer(gateway, &person, visit),
        Err(error) => {
            tracing::error!(%error, request_id = visit.request_id.as_str(), "no refresh token could be made");
            Ok(refused(Failure::Unavailable))
        }
    }
}

async fn of_refresh_token(
    gateway: &Gateway,
    form: &Form,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    let Some(token) = form.given("refresh_token") else {
        return Ok(invalid_request("refresh_token is required"));
    };
    let refused_for = |user: &str, reason: &str| {
        let event = Event::RefreshRefused { reason };
        audit::record(event, user, visit.client, visit.request_id.as_str());
        Ok(invalid_refresh_token())
    };
    let found = match gateway.refresh_tokens.find(token, visit.now).await {
        Ok(found) => found,
        Err(RefreshError::Store(error)) => {
            tracing::error!(%error, request_id = visit.request_id.as_str(), "no token can be refreshed");
            return Ok(refused(Failure::Unavailable));
        }
        Err(RefreshError::Reused(reused)) => return reuse(gateway, &reused, visit).await,
        Err(error) => return refused_for("", &error.to_string()),
    };
    let grant = &found.grant;
    // Whoever was disabled, changed or taken out since is out. A directory that cannot be asked says nothing, and
    // nothing is used up.
    let person = match gateway.sign_in.directory().find(&grant.user) {
        Ok(user) => user,
        Err(error) => {
            tracing::error!(%error, request_id = visit.request_id.as_str(), "no token can be refreshed");
            return Ok(refused(Failure::Unavailable));
        }
    };
    let Some(person) = person
        .filter(|user| !user.disabled && grant.stamp.as_ref() == Some(&user.stamp))
        .map(|user| user.identity())
    else {
        revoke::end_grant(gateway, &found, visit).await?;
        let reason = "the user was disabled, changed or removed since";
        return refused_for(grant.user.as_str(), reason);
    };
    // A scope can be narrowed for one token; the grant stays as wide as it was (RFC 6749, section 6).
    let scope = form.given("scope").map(str::to_owned).or(grant.scope.clone());
    if !is_within(scope.as_deref(), grant.scope.as_deref()) {
        let why = "scope asks for more than the refresh token is for";
        return Ok(failure(StatusCode::BAD_REQUEST, "invalid_scope", why));
    }
    match gateway.refresh_tokens.redeem(found).await {
        Ok((grant, refresh_token)) => {
            let given = Given {
                kind: "refresh_token",
                scope: scope.as_deref(),
                grant: Some((&grant, &refresh_token)),
            };
            given.answer(gateway, &person, visit)
        }
        Err(RefreshError::Reused(reused)) => reuse(gateway, &reused, visit).await,
        Err(error) => {
            tracing::error!(%error, request_id = visit.request_id.as_str(), "no token can be refreshed");
            Ok(refused(Failure::Unavailable))
        }
    }
}

/// One of the two who have this refresh token has stolen it. All that came from it ends.
async fn reuse(
    gateway: &Gateway,
    reused: &crate::token::refresh::Redeemable,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    let grant = &reused.grant;
    let event = Event::RefreshReused { grant: &grant.id };
    audit::record(
        event,
        grant.user.as_str(),
        visit.client,
        visit.request_id.as_str(),
    );
    revoke::end_grant(gateway, reused, visit).await?;
    Ok(invalid_refresh_token())
}

/// What somebody is given.
struct Given<'a> {
    kind: &'static str,
    scope: Option<&'a str>,
    grant: Option<(&'a Grant, &'a SecretString)>,
}

impl Given<'_> {
    fn answer(
        &self,
        gateway: &Gateway,
        person: &Identity,
        visit: Visit<'_>,
    ) -> Result<Response<String>, Refusal> {
        let authenticator = &gateway.authenticator;
        let grant = self.grant.map(|(grant, _)| grant);
        let just_now = PASSWORD.map(str::to_owned);
        let proven = grant.map_or((&just_now[..], visit.now.unix_seconds()), |grant| {
            (&grant.amr, grant.auth_time)
        });
        let wanted = Wanted {
            scope: self.scope,
            audience: None,
            lifetime: authenticator.token.lifetime,
            proven: Some(proven),
            grant,
            issued: authenticator.revocations.date(&person.username, visit.now),
        };
        let request_id = visit.request_id.as_str();
        let issued = issue(
            &authenticator.keys,
            &authenticator.token,
            person,
            &wanted,
            visit.now,
        )
        .inspect_err(|error| tracing::error!(%error, request_id, "no token could be made"))
        .map_err(|_| Refusal::Internal("no token could be made"))?;
        let event = Event::TokenIssued {
            id: &issued.id,
            grant: self.kind,
        };
        audit::record(event, person.username.as_str(), visit.client, request_id);
        let answer = TokenAnswer {
            access_token: issued.token.expose_secret(),
            token_type: "Bearer",
            expires_in: issued.expires_in,
            refresh_token: self.grant.map(|(_, token)| token.expose_secret()),
            scope: self.scope,
        };
        Ok(not_kept(respond::json(StatusCode::OK, &answer)))
    }
}

/// RFC 6749, section 3.3.
pub(super) fn is_scope(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
    };
    text.split(' ').all(is_word)
}

/// Whether a scope is no wider than another. Without one it is as wide as can be.
fn is_within(scope: Option<&str>, other: Option<&str>) -> bool {
    match (scope, other) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(scope), Some(other)) => scope
            .split(' ')
            .all(|word| other.split(' ').any(|one| one == word)),
    }
}

fn invalid_refresh_token() -> Response<String> {
    let why = "the refresh token is not valid";
    failure(StatusCode::BAD_REQUEST, "invalid_grant", why)
}

fn refused(why: Failure) -> Response<String> {
    let mut response = match why {
        Failure::WrongCredentials => failure(
            StatusCode::BAD_REQUEST,
            "invalid_grant",
            "user name or password is not right",
        ),
        // The RFC has no code for a server that is busy at this endpoint; this one is from section 4.1.2.1.
        Failure::Busy(_) | Failure::Unavailable => failure(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            "signing in does not work just now; try again later",
        ),
    };
    why.add_retry_after(response.headers_mut());
    response
}

/// What is said where something counts, but would not after a restart.
pub(super) fn unremembered() -> Response<String> {
    let mut response = failure(
        StatusCode::SERVICE_UNAVAILABLE,
        "temporarily_unavailable",
        UNREMEMBERED,
    );
    Failure::Unavailable.add_retry_after(response.headers_mut());
    response
}

/// A request that is not of the form that it has to be.
pub(super) fn invalid_request(why: &'static str) -> Response<String> {
    failure(StatusCode::BAD_REQUEST, "invalid_request", why)
}

fn failure(status: StatusCode, error: &'static str, error_description: &'static str) -> Response<String> {
    not_kept(respond::json(
        status,
        &TokenFailure {
            error,
            error_description,
        },
    ))
}

/// RFC 6749, section 5.1 asks for `Pragma` beside the `Cache-Control` that all our answers have.
pub(super) fn not_kept(mut response: Response<String>) -> Response<String> {
    response
        .headers_mut()
        .insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
