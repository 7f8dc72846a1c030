//! `/.auth/login`: the sign-in page, its form, and the same for programs as JSON.

use std::time::Duration;

use http::{HeaderMap, Request, Response, StatusCode, header};
use secrecy::SecretString;
use serde::Serialize;

use super::{
    Visit,
    form::{Form, FormKind},
    not_kept, return_to, same_origin, set_cookie,
};
use crate::{
    authenticate::Proof,
    clock::Timestamp,
    config::AcceptedCredentials,
    gateway::Gateway,
    http::{
        cookies::{self, Presented},
        incoming::Incoming,
        origin,
    },
    observe::audit::{self, Event},
    pages::{LoginMessage, LoginPage, UNAVAILABLE_RETRY_AFTER},
    refusal::Refusal,
    respond,
    session::{Device, NewSession, form_token::BrowserId, lifetime::Lifetime, sign_in_mark::NotKept},
    users::sign_in::SignInError,
};

/// What a program learns when it has signed in.
#[derive(Serialize)]
struct SignedIn<'a> {
    username: &'a str,
    roles: &'a [String],
    /// When the session ends at the latest, in seconds since 1970.
    expires_at: u64,
    /// After how many seconds without a request it ends.
    idle_timeout: u64,
}

/// The sign-in page.
pub(super) fn page(
    gateway: &Gateway,
    request: &Request<Incoming>,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    let query = |name: &str| {
        let query = request.uri().query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    let return_to = query("return_to").unwrap_or_default();
    let not_kept = query(respond::NOT_KEPT)
        .and_then(|word| not_kept::message(gateway, request.headers(), &word, visit.now));
    let message = match query("signed_out") {
        Some(_) => Some(LoginMessage::SignedOut),
        None => not_kept.map(LoginMessage::NotKept),
    };
    let mut response = show(
        gateway,
        request.headers(),
        visit,
        &Shown {
            username: "",
            return_to: &return_to,
            message,
        },
    )?;
    // Once is enough: opened again, it is an ordinary page.
    if not_kept.is_some() {
        set_cookie(response.headers_mut(), not_kept::clear(gateway))?;
    }
    Ok(response)
}

/// What differs between one showing of the page and the next.
struct Shown<'a> {
    username: &'a str,
    return_to: &'a str,
    message: Option<LoginMessage>,
}

/// Shows the page with a form token for this browser; the browser gets an id first if it has none.
fn show(
    gateway: &Gateway,
    headers: &HeaderMap,
    visit: Visit<'_>,
    shown: &Shown<'_>,
) -> Result<Response<String>, Refusal> {
    const NO_RANDOMNESS: Refusal = Refusal::Internal("no random numbers");
    let known = browser_id(gateway, headers);
    let browser = match &known {
        Some(browser) => browser.clone(),
        None => BrowserId::generate().map_err(|_| NO_RANDOMNESS)?,
    };
    let mut response = LoginPage {
        title: &gateway.login.title,
        username: shown.username,
        return_to: return_to::guarded(shown.return_to),
        csrf: &gateway.form_key.sign(&browser, visit.now),
        offer_remember: gateway.session.remember_timeout.is_some(),
        message: shown.message,
    }
    .into_response();
    if known.is_none() {
        let cookie = gateway.cookies.set(&gateway.form_cookie, browser.as_str(), None);
        set_cookie(response.headers_mut(), cookie)?;
    }
    Ok(response)
}

fn browser_id(gateway: &Gateway, headers: &HeaderMap) -> Option<BrowserId> {
    match cookies::find(headers, &gateway.form_cookie) {
        Presented::One(value) => BrowserId::of_cookie(value),
        Presented::Absent | Presented::Several => None,
    }
}

/// Signs somebody in.
pub(super) async fn sign_in(
    gateway: &Gateway,
    request: Request<Incoming>,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    let over_plain_http = gateway.server.public_url.is_secure()
        && origin::is_over_plain_http(request.headers(), visit.authority);
    if !over_plain_http {
        same_origin::check(request.headers(), visit)?;
    }
    let headers = request.headers().clone();
    let (kind, mut form) = Form::read(gateway, request).await?;
    let password = form.take_secret("password");
    let username = form.get("username").unwrap_or_default();
    let return_to = form.get("return_to").unwrap_or_default();
    let again = |message| {
        show(
            gateway,
            &headers,
            visit,
            &Shown {
                username,
                return_to,
                message: Some(message),
            },
        )
    };

    if over_plain_http {
        match kind {
            FormKind::UrlEncoded => return again(LoginMessage::NotKept(NotKept::PlainHttp)),
            FormKind::Json => same_origin::check(&headers, visit)?,
        }
    }
    if kind == FormKind::UrlEncoded && !is_ours(gateway, &headers, &form, visit.now) {
        return again(match cookies::find(&headers, &gateway.form_cookie) {
            Presented::Absent => LoginMessage::NotKept(NotKept::NoCookie),
            Presented::One(_) | Presented::Several => LoginMessage::FormExpired,
        });
    }
    let (Some(password), false) = (password, username.is_empty()) else {
        return match kind {
            FormKind::UrlEncoded => again(LoginMessage::WrongCredentials),
            FormKind::Json => Err(Refusal::BadForm(
                "the body must have the members username and password",
            )),
        };
    };
    match begin(
        gateway,
        &headers,
        visit,
        username,
        password,
        form.is_ticked("remember"),
    )
    .await
    {
        Ok(new) => {
            let mut response = match kind {
                FormKind::UrlEncoded => respond::see_other(return_to::guarded(return_to)),
                FormKind::Json => signed_in(&new),
            };
            let lifetime = new.session.lifetime();
            let max_age = lifetime.remembered.then_some(lifetime.absolute);
            let cookies = gateway
                .session_cookie
                .set(visit.authority, new.token.expose(), max_age);
            for cookie in cookies {
                set_cookie(response.headers_mut(), cookie)?;
            }
            if kind == FormKind::UrlEncoded {
                let mark = not_kept::set(gateway, new.token.expose(), visit.now);
                set_cookie(response.headers_mut(), mark)?;
            }
            Ok(response)
        }
        Err(failure) => match kind {
            FormKind::UrlEncoded => again(failure.message()),
            FormKind::Json => Ok(failure.problem(visit)),
        },
    }
}

/// Whether a form was shown by us to this browser.
fn is_ours(gateway: &Gateway, headers: &HeaderMap, form: &Form, now: Timestamp) -> bool {
    let (Some(browser), Some(token)) = (browser_id(gateway, headers), form.get("csrf")) else {
        return false;
    };
    gateway.form_key.verify(&browser, token, now)
}

/// Checks the password and begins a session under a new id. The one that the browser had before ends, whoever's
/// it was, so that an id planted or left behind is worth nothing.
async fn begin(
    gateway: &Gateway,
    headers: &HeaderMap,
    visit: Visit<'_>,
    username: &str,
    password: SecretString,
    remember: bool,
) -> Result<NewSession, Failure> {
    let request_id = visit.request_id.as_str();
    let identity = gateway
        .sign_in
        .password(username, password)
        .await
        .map_err(|error| {
            let event = Event::SignInFailed {
                reason: &error.to_string(),
            };
            audit::record(event, username, visit.client, request_id);
            Failure::from(error)
        })?;
    let sessions = &gateway.authenticator.sessions;
    let before = gateway
        .authenticator
        .authenticate(AcceptedCredentials::default(), headers, visit.now, visit.tokens)
        .await
        .map_err(|error| unwritten(&error, visit))?;
    if let Some(caller) = &before.caller
        && let Proof::Session { key, .. } = &caller.proof
    {
        sessions
            .remove(key)
            .await
            .map_err(|error| unwritten(&error, visit))?;
    }
    let user_agent = headers
        .get(header::USER_AGENT)
        .map(|value| String::from_utf8_lossy(value.as_bytes()));
    let device = Device::new(user_agent.as_deref().unwrap_or_default(), visit.client);
    let lifetime = Lifetime::of(&gateway.session, remember);
    let new = sessions
        .create(identity, device, lifetime, visit.now)
        .await
        .map_err(|error| unwritten(&error, visit))?;
    let event = Event::SignedIn {
        session: new.session.handle().as_str(),
    };
    audit::record(event, username, visit.client, request_id);
    Ok(new)
}

fn unwritten(error: &impl std::error::Error, visit: Visit<'_>) -> Failure {
    let source = error.source().map(ToString::to_string);
    tracing::error!(
        source,
        request_id = visit.request_id.as_str(),
        "nobody can be signed in: {error}"
    );
    Failure::Unavailable
}

fn signed_in(new: &NewSession) -> Response<String> {
    let session = &new.session;
    let lifetime = session.lifetime();
    let document = SignedIn {
        username: session.identity().username.as_str(),
        roles: &session.identity().roles,
        expires_at: session.created().after(lifetime.absolute).unix_seconds(),
        idle_timeout: lifetime.idle.as_secs(),
    };
    respond::json(StatusCode::OK, &document)
}

/// Why somebody was not signed in, as far as they may know.
#[derive(Debug, Clone, Copy)]
pub(super) enum Failure {
    /// Unknown, wrong, disabled: all the same from outside.
    WrongCredentials,
    /// Too many others are signing in.
    Busy(Duration),
    /// The directory, or the gateway itself, fails.
    Unavailable,
}

impl From<SignInError> for Failure {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::BadCredentials(_) | SignInError::PasswordTooLong => Self::WrongCredentials,
            SignInError::Busy { retry_after } => Self::Busy(retry_after),
            SignInError::Unavailable(_) | SignInError::HashingFailed(_) => Self::Unavailable,
        }
    }
}

impl Failure {
    fn message(self) -> LoginMessage {
        match self {
            Self::WrongCredentials => LoginMessage::WrongCredentials,
            Self::Busy(after) => LoginMessage::Busy {
                retry_after_seconds: after.as_secs().max(1),
            },
            Self::Unavailable => LoginMessage::Unavailable,
        }
    }

    fn problem(self, visit: Visit<'_>) -> Response<String> {
        let (status, detail) = match self {
            Self::WrongCredentials => (StatusCode::UNAUTHORIZED, "User name or password is not right."),
            Self::Busy(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many people are signing in just now.",
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Signing in does not work just now.",
            ),
        };
        let mut response = respond::problem(status, detail, visit.request_id, None);
        self.add_retry_after(response.headers_mut());
        response
    }

    /// When to come back, where waiting helps.
    pub(super) fn add_retry_after(self, headers: &mut HeaderMap) {
        let seconds = match self {
            Self::WrongCredentials => return,
            Self::Busy(after) => after.as_secs().max(1),
            Self::Unavailable => UNAVAILABLE_RETRY_AFTER,
        };
        headers.insert(header::RETRY_AFTER, http::HeaderValue::from(seconds));
    }
}
