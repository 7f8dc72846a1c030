//! `/.auth/idle.js`: what an app's page includes to warn before its session ends, and to lead back after it has.

use http::{HeaderValue, Response, header};

use crate::pages;

/// The script. It knows nothing of anybody: it asks `/.auth/me`.
const SCRIPT: &str = include_str!("idle.js");

/// The script's answer: the same for everybody.
pub(super) fn script() -> Response<String> {
    let mut response = Response::new(SCRIPT.to_owned());
    let headers = response.headers_mut();
    pages::security_headers(headers);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/javascript; charset=utf-8"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=3600"),
    );
    headers.remove(header::VARY);
    response
}
