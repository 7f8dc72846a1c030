//! The gateway's own HTML pages and the headers that guard them.
//!
//! Whatever comes from a request (a user name, a `return_to`, a request id) reaches the HTML through
//! the templates' escaping and nothing else. The pages run no script, load nothing, may not be framed
//! and post to this host alone: should escaping ever fail, the Content-Security-Policy still holds,
//! because it names the one stylesheet by its hash and forbids all else.

use std::{fmt, sync::LazyLock};

use askama::Template;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use sha2::{Digest, Sha256};

use crate::session::sign_in_mark::NotKept;

pub mod account;

/// The stylesheet that every page carries inline. Its hash stands in the Content-Security-Policy.
pub const STYLE: &str = include_str!("pages/style.css");

/// Seconds after which signing in may work again: time to mend a file.
pub const UNAVAILABLE_RETRY_AFTER: u64 = 5;

/// The sign-in form.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/login.html")]
pub struct LoginPage<'a> {
    /// The heading, and the title in the browser's tab.
    pub title: &'a str,
    /// What to fill in as the user name; empty for none. The focus then goes to the password.
    pub username: &'a str,
    /// Where to go after signing in; shown to nobody, and checked by whoever receives the form.
    pub return_to: &'a str,
    /// The token that proves the form came from here.
    pub csrf: &'a str,
    /// Whether to show "Keep me signed in".
    pub offer_remember: bool,
    /// What happened before, if anything; it also chooses the status.
    pub message: Option<LoginMessage>,
}

impl LoginPage<'_> {
    /// The whole answer: status, headers and HTML.
    pub fn into_response(self) -> Response<String> {
        let status = self.message.map_or(StatusCode::OK, LoginMessage::status);
        let mut response = respond(status, self.render());
        if let Some(seconds) = self.message.and_then(LoginMessage::retry_after) {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// Ties an error to both fields, since it never says which one was wrong.
    fn field_state(&self) -> &'static str {
        match self.message {
            Some(LoginMessage::WrongCredentials) => r#" aria-describedby="message" aria-invalid="true""#,
            Some(LoginMessage::SignedOut) | None => "",
            Some(_) => r#" aria-describedby="message""#,
        }
    }
}

/// What the sign-in form has to say above its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginMessage {
    /// An unknown name, a wrong password, a disabled user: one sentence, so that nobody learns which.
    WrongCredentials,
    /// The form's token was missing, too old or not ours.
    FormExpired,
    /// They have signed in, and are not.
    NotKept(NotKept),
    /// Too many attempts.
    Busy {
        /// When to come back.
        retry_after_seconds: u64,
    },
    /// Sign-in does not work at present.
    Unavailable,
    /// The session was ended as asked.
    SignedOut,
}

impl fmt::Display for NotKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PlainHttp => {
                "Signing in works over HTTPS alone, and this page came without it. Please put an s behind the http \
                 of its address, and try again."
            }
            Self::NoCookie => {
                "Your browser does not send the cookie back that keeps you signed in. Please allow cookies for this \
                 site, and try again."
            }
            Self::TwoCookies => {
                "You have signed in, but your browser has another cookie of the same name for the page you wanted. \
                 Please delete the cookies of this site, and try again."
            }
            Self::NoSession => {
                "You have signed in, but that is not known here. Please try again. If it happens again, tell \
                 whoever runs this site: its gateways may not share their sessions."
            }
            Self::TokensAlone => {
                "You have signed in, but the page you wanted is for programs, which show a token. Signing in again \
                 does not open it."
            }
        })
    }
}

impl LoginMessage {
    /// The status that the page with this message is sent with.
    pub fn status(self) -> StatusCode {
        match self {
            Self::WrongCredentials => StatusCode::UNAUTHORIZED,
            Self::FormExpired | Self::NotKept(_) => StatusCode::FORBIDDEN,
            Self::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::SignedOut => StatusCode::OK,
        }
    }

    /// After how many seconds trying again makes sense, where waiting helps.
    fn retry_after(self) -> Option<u64> {
        match self {
            Self::Busy { retry_after_seconds } => Some(retry_after_seconds),
            Self::Unavailable => Some(UNAVAILABLE_RETRY_AFTER),
            Self::WrongCredentials | Self::FormExpired | Self::NotKept(_) | Self::SignedOut => None,
        }
    }

    fn is_good_news(self) -> bool {
        self == Self::SignedOut
    }
}

impl fmt::Display for LoginMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongCredentials => "User name or password is not right.",
            Self::NotKept(why) => return why.fmt(f),
            Self::FormExpired => "This page was open for too long, or cookies are blocked. Please try again.",
            Self::Busy { retry_after_seconds } => {
                return write!(
                    f,
                    "Too many attempts. Please try again in {}.",
                    Wait(*retry_after_seconds)
                );
            }
            Self::Unavailable => "Signing in does not work right now. Please try again in a moment.",
            Self::SignedOut => "You are signed out.",
        })
    }
}

/// A span of time as one says it, rounded up so that nobody comes back too early.
struct Wait(u64);

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self.0 {
            seconds @ 0..60 => (seconds.max(1), "second"),
            seconds @ 60..3600 => (seconds.div_ceil(60), "minute"),
            seconds => (seconds.div_ceil(3600), "hour"),
        };
        write!(f, "{count} {unit}{}", if count == 1 { "" } else { "s" })
    }
}

/// The question whether to sign out; asked by `GET`, since a link alone must not end a session.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/logout.html")]
pub struct LogoutPage<'a> {
    /// Who is signed in, if anybody.
    pub username: Option<&'a str>,
    /// Where "Stay signed in" leads; anything but a path on this host becomes `/`.
    pub return_to: &'a str,
}

impl LogoutPage<'_> {
    /// The whole answer: status, headers and HTML.
    pub fn into_response(self) -> Response<String> {
        respond(StatusCode::OK, self.render())
    }

    fn back(&self) -> &str {
        local_path(self.return_to)
    }
}

/// Why a browser did not get what it asked for.
///
/// [`RefusalPage::new`] brings words for every status the gateway sends; they can be replaced by
/// naming the fields: `RefusalPage { username, ..RefusalPage::new(status, id) }`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/refusal.html")]
pub struct RefusalPage<'a> {
    /// The status of the answer.
    pub status: StatusCode,
    /// What happened, in a few words.
    pub heading: &'a str,
    /// What it means and what to do, in a sentence or two.
    pub explanation: &'a str,
    /// What to quote when asking for help.
    pub request_id: &'a str,
    /// Who is signed in; the page says so and offers to sign out.
    pub username: Option<&'a str>,
    /// A button: its label and where it leads, a path on this host.
    pub action: Option<(&'a str, &'a str)>,
}

impl<'a> RefusalPage<'a> {
    /// The page for `status`, in the gateway's own words.
    pub fn new(status: StatusCode, request_id: &'a str) -> Self {
        let (heading, explanation) = words(status);
        Self {
            status,
            heading,
            explanation,
            request_id,
            username: None,
            action: None,
        }
    }

    /// The whole answer: status, headers and HTML.
    pub fn into_response(self) -> Response<String> {
        respond(self.status, self.render())
    }

    fn offered(&self) -> Option<(&'a str, &'a str)> {
        self.action.map(|(label, href)| (label, local_path(href)))
    }
}

fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::BAD_REQUEST => (
            "This address cannot be read",
            "It, or something your browser sent with it, can be understood in more than one way, so it went no further.",
        ),
        StatusCode::FORBIDDEN => (
            "You may not open this page",
            "It is there, but not for everybody. If you should have access, ask whoever looks after it.",
        ),
        StatusCode::NOT_FOUND => (
            "There is nothing here",
            "The address may be mistyped, or the page has moved.",
        ),
        StatusCode::METHOD_NOT_ALLOWED => (
            "This cannot be done here",
            "The page exists, but it does not take this kind of request.",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => (
            "That is too large",
            "What you sent is larger than what is accepted here. Try a smaller file.",
        ),
        StatusCode::BAD_GATEWAY => (
            "The app does not answer",
            "The app behind this address could not be reached, or broke off. Please try again in a moment.",
        ),
        StatusCode::SERVICE_UNAVAILABLE => (
            "The app is not available",
            "It is being started, updated or repaired. Please try again in a moment.",
        ),
        StatusCode::GATEWAY_TIMEOUT => (
            "The app took too long",
            "It was reached, but did not answer in time. Please try again in a moment.",
        ),
        _ => (
            status.canonical_reason().unwrap_or("This did not work"),
            "The request could not be answered.",
        ),
    }
}

/// Sets the headers that every page of the gateway's own is sent with.
pub fn security_headers(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not "no-referrer": the form's Origin would become "null", which the cross-site check refuses.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (header::VARY, "Cookie, Authorization, Accept"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY.clone());
}

static CONTENT_SECURITY_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    // It is ASCII, so this does not fail; if it did, an unstyled page would be the safe way to.
    HeaderValue::try_from(policy)
        .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'; form-action 'self'"))
});

fn respond(status: StatusCode, html: askama::Result<String>) -> Response<String> {
    let (status, content_type, body) = match html {
        Ok(html) => (status, "text/html; charset=utf-8", html),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            let body = "The page could not be shown.\n".to_owned();
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "text/plain; charset=utf-8",
                body,
            )
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    security_headers(response.headers_mut());
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// `href` if it is a path on this host, else `/`. Escaping keeps an attribute closed; it does not keep
/// `javascript:` or another site out of a link.
fn local_path(href: &str) -> &str {
    // Browsers drop tabs and line ends before they parse, and read a backslash as a slash.
    let is_local = href.starts_with('/')
        && !href.starts_with("//")
        && !href.contains(|c: char| c == '\\' || c.is_control());
    if is_local { href } else { "/" }
}

#[cfg(test)]
mod tests;
