//! Browsers that have signed in and are asked to again: instead of going round in circles they are told why.
//!
//! Why it is, is seen where they wanted to go: only there do they send what they send there. That somebody has signed in
//! a moment ago is shown by a mark, which the sign-in gives and which is over in half a minute, so that an address that
//! is opened again later (reloaded, or gone back to) leads to an ordinary login page.

use http::{HeaderMap, HeaderValue, Method};

use crate::{
    address::ClientAddr,
    clock::Timestamp,
    config::AcceptedCredentials,
    gateway::Gateway,
    http::{
        cookies::{self, Presented},
        navigation,
        request_id::RequestId,
    },
    refusal::Refusal,
    session::sign_in_mark::{NotKept, RECENT, SignInMark},
};

/// What somebody wanted who was turned away.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its method.
    pub method: &'a Method,
    /// What was sent with it.
    pub headers: &'a HeaderMap,
    /// What counts there.
    pub credentials: AcceptedCredentials,
    /// Who it was.
    pub client: ClientAddr,
    /// The request's name.
    pub request_id: RequestId,
    /// When it came.
    pub now: Timestamp,
}

/// The same refusal; or [`Refusal::NotKept`], where nobody is signed in who has just signed in, and waits for a page.
pub fn explained(gateway: &Gateway, refusal: Refusal, wanted: Wanted<'_>) -> Refusal {
    if !matches!(refusal, Refusal::NotSignedIn { bad_token: None })
        || !navigation::wants_page(wanted.method, wanted.headers)
    {
        return refusal;
    }
    let Some(why) = reason(gateway, wanted) else {
        return refusal;
    };
    tracing::warn!(
        request_id = wanted.request_id.as_str(),
        client = %wanted.client,
        reason = why.word(),
        "somebody has just signed in and is not signed in"
    );
    Refusal::NotKept(why)
}

fn reason(gateway: &Gateway, wanted: Wanted<'_>) -> Option<NotKept> {
    let mark = mark(gateway, wanted.headers, wanted.now)?;
    if !wanted.credentials.session {
        return Some(NotKept::TokensAlone);
    }
    match cookies::find(wanted.headers, &gateway.session.cookie) {
        Presented::Absent => Some(NotKept::NoCookie),
        Presented::Several => Some(NotKept::TwoCookies),
        Presented::One(value) if !mark.is_of(value) => Some(NotKept::TwoCookies),
        // The session began here a moment ago. What was known and is not any more was ended, as somebody wished.
        Presented::One(_) if mark.is_ours => None,
        Presented::One(_) => Some(NotKept::NoSession),
    }
}

/// What the login page has to say to whoever was sent to it with this word.
pub(super) fn message(gateway: &Gateway, headers: &HeaderMap, word: &str, now: Timestamp) -> Option<NotKept> {
    let why = NotKept::of_word(word)?;
    mark(gateway, headers, now).map(|_| why)
}

fn mark(gateway: &Gateway, headers: &HeaderMap, now: Timestamp) -> Option<SignInMark> {
    match cookies::find(headers, &gateway.signed_in_cookie) {
        Presented::One(value) => SignInMark::read(&gateway.form_key, value, now),
        Presented::Absent | Presented::Several => None,
    }
}

/// The mark of whoever is given this session cookie, as a cookie.
pub(super) fn set(gateway: &Gateway, session_cookie: &str, now: Timestamp) -> Option<HeaderValue> {
    let mark = SignInMark::make(&gateway.form_key, session_cookie, now);
    gateway
        .cookies
        .set(&gateway.signed_in_cookie, &mark, Some(RECENT))
}

/// Takes the mark back.
pub(super) fn clear(gateway: &Gateway) -> Option<HeaderValue> {
    gateway.cookies.clear(&gateway.signed_in_cookie)
}
