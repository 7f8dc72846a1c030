//! What a client sees of a [`Refusal`]: one table of statuses and words, and the three forms it is sent in.
//!
//! A browser that navigates gets the login page's address or a page; everything else gets
//! `application/problem+json` (RFC 9457) and, for 401, a challenge (RFC 6750, section 3).

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::{
    clock::Timestamp,
    http::request_id::RequestId,
    identity::Credential,
    pages::{self, RefusalPage},
    refusal::Refusal,
};

/// Below it are the gateway's own addresses, on every host.
pub const OWN_PREFIX: &str = "/.auth";

/// Where people sign in.
pub const LOGIN_PATH: &str = "/.auth/login";

/// Names what of the login page's query says why a sign-in did not last.
pub const NOT_KEPT: &str = "not_kept";

/// When the session ends if nothing renews it, in seconds since 1970.
const SESSION_EXPIRES_AT: HeaderName = HeaderName::from_static("x-session-expires-at");

/// Seconds after which asking an upstream again makes sense that has just failed.
const UPSTREAM_RETRY_AFTER: u64 = 5;

/// What of a query component needs no encoding: a path stays readable in the address bar.
const RETURN_TO: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What the answer to a refused request depends on beside the refusal.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Whether a person at a browser waits for a page.
    pub wants_page: bool,
    /// Path and query of the request, for the way back after signing in.
    pub return_to: &'a str,
    /// The request's name.
    pub request_id: RequestId,
}

/// RFC 9457's problem details.
#[derive(Debug, Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    login_url: Option<&'a str>,
}

/// The answer to a refused request.
pub fn refuse(refusal: &Refusal, asked: &Asked<'_>) -> Response<String> {
    if let Refusal::Verdict {
        why,
        return_to,
        redirects,
    } = refusal
    {
        let asked = Asked {
            wants_page: *redirects,
            return_to,
            request_id: asked.request_id,
        };
        return verdict(why, &asked);
    }
    let status = status(refusal);
    let login_url = login_url(asked.return_to, refusal);
    let mut response = if !asked.wants_page {
        let helps = matches!(refusal, Refusal::NotSignedIn { .. } | Refusal::NotKept(_));
        let login_url = helps.then_some(login_url.as_str());
        problem(status, &detail(refusal), asked.request_id, login_url)
    } else if let Refusal::NotSignedIn { .. } | Refusal::NotKept(_) = refusal {
        see_other(&login_url)
    } else {
        page(refusal, status, asked, &login_url)
    };
    let headers = response.headers_mut();
    pages::security_headers(headers);
    add_headers(headers, refusal, status);
    response
}

/// The status of each refusal.
fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::Target(_)
        | Refusal::Framing
        | Refusal::SeveralAuthorizations
        | Refusal::BodyBrokeOff
        | Refusal::BadForm(_) => StatusCode::BAD_REQUEST,
        Refusal::NotSignedIn { .. } | Refusal::NotKept(_) | Refusal::NotAdmin => StatusCode::UNAUTHORIZED,
        Refusal::NotThisMachine => StatusCode::MISDIRECTED_REQUEST,
        Refusal::NotAllowed { .. }
        | Refusal::CrossOrigin
        | Refusal::NotAskedByProxy
        | Refusal::UnclearQuestion(_)
        | Refusal::Verdict { .. } => StatusCode::FORBIDDEN,
        Refusal::NoRoute | Refusal::NoOwnAddress | Refusal::NoAdminAddress => StatusCode::NOT_FOUND,
        Refusal::NeverForwarded(_) | Refusal::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
        Refusal::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
        Refusal::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Refusal::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        Refusal::UpstreamUnreachable(_)
        | Refusal::UpstreamFailed(_)
        | Refusal::UnaskedUpgrade
        | Refusal::NoWebSocket => StatusCode::BAD_GATEWAY,
        Refusal::UpstreamsDown { .. }
        | Refusal::StoreDown(_)
        | Refusal::Unchecked(_)
        | Refusal::Unremembered(_) => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::UpstreamTimeout(_) => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// What another proxy is told of a request that may not pass: 401, where signing in may help, and the way there, or 403,
/// whatever it is. nginx takes any other status for a failure of ours.
fn verdict(why: &Refusal, asked: &Asked<'_>) -> Response<String> {
    let mut response = refuse(why, asked);
    if let Refusal::NotSignedIn { .. } | Refusal::NotKept(_) = why {
        if let Ok(login_url) = HeaderValue::try_from(login_url(asked.return_to, why)) {
            response.headers_mut().insert(header::LOCATION, login_url);
        }
    } else {
        *response.status_mut() = StatusCode::FORBIDDEN;
        // Its connection is the proxy's, on which other people's questions come.
        response.headers_mut().remove(header::CONNECTION);
    }
    response
}

/// One sentence for the client: what is wrong with the request, but nothing about how the gateway is built, and
/// nothing about why a credential was not accepted.
fn detail(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NotSignedIn { bad_token: None } | Refusal::NotKept(_) => "Sign in first.".to_owned(),
        Refusal::NotSignedIn { bad_token: Some(_) } => "The token is not valid.".to_owned(),
        Refusal::NotAllowed { .. } => "You are signed in, but may not open this address.".to_owned(),
        Refusal::UpstreamUnreachable(_)
        | Refusal::UpstreamFailed(_)
        | Refusal::UnaskedUpgrade
        | Refusal::NoWebSocket
        | Refusal::UpstreamsDown { .. } => "The app behind this address does not answer.".to_owned(),
        Refusal::UpstreamTimeout(_) => "The app behind this address took too long.".to_owned(),
        Refusal::Unremembered(_) => "It is done, but could not be written down; try again later.".to_owned(),
        Refusal::Unchecked(_) => {
            "It cannot be found out just now whether you are signed in; try again in a moment.".to_owned()
        }
        Refusal::Internal(_) => "The gateway failed; its log says how.".to_owned(),
        Refusal::CrossOrigin => "This request was sent by a page of another site.".to_owned(),
        own_words => format!("{own_words}."),
    }
}

fn add_headers(headers: &mut HeaderMap, refusal: &Refusal, status: StatusCode) {
    match refusal {
        Refusal::NotSignedIn { .. } | Refusal::NotKept(_) if !headers.contains_key(header::LOCATION) => {
            let challenge = match refusal {
                // RFC 6750, section 3.1. The precise reason is in the log alone.
                Refusal::NotSignedIn { bad_token: Some(_) } => {
                    r#"Bearer realm="portcullis", error="invalid_token", error_description="the token is not valid""#
                }
                _ => r#"Bearer realm="portcullis""#,
            };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        Refusal::NotAdmin => {
            let challenge = HeaderValue::from_static(r#"Bearer realm="portcullis admin""#);
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        Refusal::NotAllowed {
            credential: Credential::Bearer,
            ..
        } => {
            let challenge = r#"Bearer realm="portcullis", error="insufficient_scope""#;
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        Refusal::MethodNotAllowed { allow } => {
            if let Ok(allow) = HeaderValue::from_str(allow) {
                headers.insert(header::ALLOW, allow);
            }
        }
        // Where one sender reads the request in two ways, nothing more is read from it. The same holds for a
        // body that was not read to its end.
        Refusal::Target(_)
        | Refusal::Framing
        | Refusal::SeveralAuthorizations
        | Refusal::NeverForwarded(_)
        | Refusal::BodyBrokeOff
        | Refusal::BodyTimeout
        | Refusal::BodyTooLarge => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Refusal::UpstreamsDown { retry_after } => {
            // In whole seconds, and never at once.
            let seconds = retry_after.as_millis().div_ceil(1000).max(1);
            let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        Refusal::StoreDown(_) | Refusal::Unchecked(_) | Refusal::Unremembered(_) => {
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from(pages::UNAVAILABLE_RETRY_AFTER),
            );
        }
        _ => {}
    }
    if status == StatusCode::BAD_GATEWAY {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(UPSTREAM_RETRY_AFTER));
    }
}

/// Problem details: what is wrong, in a sentence, and where to sign in if that would help.
pub fn problem(
    status: StatusCode,
    detail: &str,
    request_id: RequestId,
    login_url: Option<&str>,
) -> Response<String> {
    let body = Problem {
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or("Refused"),
        status: status.as_u16(),
        detail,
        request_id: request_id.as_str(),
        login_url,
    };
    let mut response = json(status, &body);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    response
}

fn page(refusal: &Refusal, status: StatusCode, asked: &Asked<'_>, login_url: &str) -> Response<String> {
    // Somebody else may be let in, and then wants the page that was asked for.
    let (username, action) = match refusal {
        Refusal::NotAllowed { username, .. } => (
            Some(username.as_str()),
            Some(("Sign in as somebody else", login_url)),
        ),
        _ => (None, None),
    };
    let mut page = RefusalPage {
        username,
        action,
        ..RefusalPage::new(status, asked.request_id.as_str())
    };
    // Whoever is refused may well open this page, and only did not mean to.
    if matches!(refusal, Refusal::CrossOrigin) {
        page.heading = "Another site asked for this";
        page.explanation = "A page of another site made your browser send it, so it went no further. \
            If you meant to do this, do it in the app itself.";
    }
    page.into_response()
}

/// A JSON document.
pub fn json(status: StatusCode, document: &impl Serialize) -> Response<String> {
    // Our own types have string keys and no failing serializers; were it otherwise, "null" says nothing wrong.
    let body = serde_json::to_string(document).unwrap_or_else(|_| "null".to_owned());
    let mut response = Response::new(body);
    *response.status_mut() = status;
    pages::security_headers(response.headers_mut());
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// 204: nothing but headers.
pub fn no_content() -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    pages::security_headers(response.headers_mut());
    response
}

/// 303 (RFC 9110, section 15.4.4): whatever was sent, go there with GET.
pub fn see_other(location: &str) -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    pages::security_headers(response.headers_mut());
    // `location` is made of parts that were checked or encoded; a browser without one stays where it is.
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Says when the session ends, and nothing where there is none, whoever else has said anything.
pub fn tell_session_end(headers: &mut HeaderMap, end: Option<Timestamp>) {
    match end {
        Some(end) => drop(headers.insert(SESSION_EXPIRES_AT, HeaderValue::from(end.unix_seconds()))),
        None => drop(headers.remove(SESSION_EXPIRES_AT)),
    }
}

/// The longest way back that is kept, in bytes.
pub const MAX_RETURN_TO: usize = 4096;

/// The login page's address, with the way back, and with why whoever has signed in must come again. A way back that is too
/// long to be kept is left out: encoded, it could be three times as long again, twice in one answer.
fn login_url(return_to: &str, refusal: &Refusal) -> String {
    let return_to = (return_to.len() <= MAX_RETURN_TO).then(|| {
        let encoded = utf8_percent_encode(return_to, RETURN_TO);
        format!("return_to={encoded}")
    });
    let why = match refusal {
        Refusal::NotKept(why) => Some(format!("{NOT_KEPT}={}", why.word())),
        _ => None,
    };
    let query: Vec<String> = return_to.into_iter().chain(why).collect();
    match query.is_empty() {
        true => LOGIN_PATH.to_owned(),
        false => format!("{LOGIN_PATH}?{}", query.join("&")),
    }
}
