//! `/.auth/token`: a token for a user name and a password (RFC 6749, section 4.3).

use http::{HeaderValue, Request, Response, StatusCode, header};
use secrecy::ExposeSecret;
use serde::Serialize;

use super::{Visit, form::Form, login::Failure, same_origin};
use crate::{
    gateway::Gateway,
    http::incoming::Incoming,
    observe::audit::{self, Event},
    refusal::Refusal,
    respond, token,
};

/// RFC 6749, section 5.1.
#[derive(Serialize)]
struct TokenAnswer<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
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
    let (_, mut form) = match Form::read(gateway, request).await {
        Ok(form) => form,
        Err(Refusal::BadForm(why) | Refusal::UnsupportedMediaType(why)) => {
            return Ok(failure(StatusCode::BAD_REQUEST, "invalid_request", why));
        }
        Err(other) => return Err(other),
    };
    let password = form.take_secret("password");
    let (username, password) = match (form.get("grant_type"), form.get("username"), password) {
        (Some("password"), Some(username), Some(password)) => (username, password),
        (Some("password"), _, _) => {
            return Ok(failure(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "username and password are required",
            ));
        }
        (Some(_), _, _) => {
            let why = "the grant type must be password";
            return Ok(failure(StatusCode::BAD_REQUEST, "unsupported_grant_type", why));
        }
        (None, _, _) => {
            return Ok(failure(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "grant_type is required",
            ));
        }
    };
    let scope = form.get("scope");
    if scope.is_some_and(|scope| !is_scope(scope)) {
        let why = "scope must be words of printable ASCII, each a space from the next";
        return Ok(failure(StatusCode::BAD_REQUEST, "invalid_scope", why));
    }
    let request_id = visit.request_id.as_str();
    let identity = match gateway.sign_in.password(username, password).await {
        Ok(identity) => identity,
        Err(error) => {
            let event = Event::SignInFailed {
                reason: &error.to_string(),
            };
            audit::record(event, username, visit.client, request_id);
            return Ok(refused(error.into()));
        }
    };
    let authenticator = &gateway.authenticator;
    let issued = token::issue::issue(
        &authenticator.keys,
        &authenticator.token,
        &identity,
        scope,
        visit.now,
    )
    .inspect_err(|error| tracing::error!(%error, request_id, "no token could be made"))
    .map_err(|_| Refusal::Internal("no token could be made"))?;
    audit::record(
        Event::TokenIssued { id: &issued.id },
        username,
        visit.client,
        request_id,
    );
    let answer = TokenAnswer {
        access_token: issued.token.expose_secret(),
        token_type: "Bearer",
        expires_in: issued.expires_in,
        scope,
    };
    Ok(not_kept(respond::json(StatusCode::OK, &answer)))
}

/// RFC 6749, section 3.3.
fn is_scope(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
    };
    text.split(' ').all(is_word)
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
fn not_kept(mut response: Response<String>) -> Response<String> {
    response
        .headers_mut()
        .insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
