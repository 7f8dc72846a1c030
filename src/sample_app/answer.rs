//! From a request to its answer: one line per address of the app.

use std::{borrow::Cow, time::Duration};

use askama::Template;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::json;
use tokio::time::sleep;

use super::{
    Stop,
    body::{Body, Download, Events},
    received, upload, websocket,
};

/// The app's own look, on top of [`crate::pages::STYLE`].
pub(super) const STYLE: &str = include_str!("style.css");

/// The pages to go to: their address and their name.
pub(super) const PAGES: [(&str, &str); 4] = [
    ("/", "Request"),
    ("/ws", "WebSocket"),
    ("/events", "Events"),
    ("/upload", "Upload"),
];

const DEFAULT_DOWNLOAD_BYTES: u64 = 100 << 20;
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Answers one request. Whatever is no page of its own is shown as it was received.
pub(super) async fn answer(request: Request<Incoming>, stop: Stop) -> Response<Body> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let writes = matches!(*request.method(), Method::POST | Method::PUT);
    match request.uri().path() {
        "/ws" if reads => page(&WebSocketPage { here: "/ws" }),
        "/ws/echo" => websocket::accept(request, stop),
        "/events" if reads => page(&EventsPage { here: "/events" }),
        "/events/stream" if reads => events(&request),
        "/upload" if reads => page(&UploadPage { here: "/upload" }),
        "/upload" if writes => upload::measure(request.into_body()).await,
        "/download" if reads => download(&request),
        "/slow" => slow(&request).await,
        path => match path.strip_prefix("/status/") {
            Some(code) => status(code),
            None => received::show(request).await,
        },
    }
}

#[derive(Template)]
#[template(path = "sample_app/ws.html")]
struct WebSocketPage {
    here: &'static str,
}

#[derive(Template)]
#[template(path = "sample_app/events.html")]
struct EventsPage {
    here: &'static str,
}

#[derive(Template)]
#[template(path = "sample_app/upload.html")]
struct UploadPage {
    here: &'static str,
}

/// `?count=N` events and then the end, one each `?interval_ms=N`; without them one a second for ever.
fn events(request: &Request<Incoming>) -> Response<Body> {
    let (count, interval) = match (number(request, "count"), number(request, "interval_ms")) {
        (Ok(count), Ok(interval)) => (count, Duration::from_millis(interval.unwrap_or(1000))),
        (Err(name), _) | (_, Err(name)) => return not_a_number(name),
    };
    let mut response = Response::new(Events::new(count, interval).boxed_unsync());
    content_type(&mut response, "text/event-stream");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// `?bytes=N` bytes, the byte at offset `n` being `n % 65536 % 251`.
fn download(request: &Request<Incoming>) -> Response<Body> {
    let bytes = match number(request, "bytes") {
        Ok(bytes) => bytes.unwrap_or(DEFAULT_DOWNLOAD_BYTES),
        Err(name) => return not_a_number(name),
    };
    let mut response = Response::new(Download::new(bytes).boxed_unsync());
    content_type(&mut response, "application/octet-stream");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment; filename=\"sample.bin\""),
    );
    response
}

/// Answers after `?ms=N` milliseconds, ten minutes at most.
async fn slow(request: &Request<Incoming>) -> Response<Body> {
    let wait = match number(request, "ms") {
        Ok(wait) => Duration::from_millis(wait.unwrap_or(1000)).min(LONGEST_WAIT),
        Err(name) => return not_a_number(name),
    };
    sleep(wait).await;
    json(StatusCode::OK, &json!({ "waited_ms": wait.as_millis() as u64 }))
}

fn status(code: &str) -> Response<Body> {
    // Below 200 it would be no final answer.
    match code.parse::<u16>().map(StatusCode::from_u16) {
        Ok(Ok(status @ (StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED))) => bare(status),
        Ok(Ok(status)) if status.as_u16() >= 200 => json(status, &json!({ "status": status.as_u16() })),
        _ => json(
            StatusCode::BAD_REQUEST,
            &json!({ "error": "the status must be a number from 200 to 999" }),
        ),
    }
}

/// An answer of a kind that has no content (RFC 9110, sections 15.3.5 and 15.4.5).
fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}

/// The query's value of `name`, if there is one; its name when it is no number.
fn number<'a>(request: &Request<Incoming>, name: &'a str) -> Result<Option<u64>, &'a str> {
    let query = request.uri().query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value): (_, Cow<'_, str>)| value.parse().map_err(|_| name))
        .transpose()
}

fn not_a_number(name: &str) -> Response<Body> {
    let error = format!("{name} must be a whole number");
    json(StatusCode::BAD_REQUEST, &json!({ "error": error }))
}

/// An HTML page.
pub(super) fn page(page: &impl Template) -> Response<Body> {
    match page.render() {
        Ok(html) => {
            let mut response = Response::new(full(html));
            content_type(&mut response, "text/html; charset=utf-8");
            response
        }
        Err(error) => {
            tracing::error!(%error, "a page of the sample app could not be rendered");
            let error = json!({ "error": "the page could not be shown" });
            json(StatusCode::INTERNAL_SERVER_ERROR, &error)
        }
    }
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(full(format!("{value:#}\n")));
    *response.status_mut() = status;
    content_type(&mut response, "application/json");
    response
}

/// A body that is there at once.
pub(super) fn full(content: impl Into<Bytes>) -> Body {
    Full::new(content.into()).boxed_unsync()
}

/// What it shows belongs to one request: nobody may keep it, and it is what it says it is.
fn content_type(response: &mut Response<Body>, value: &'static str) {
    for (name, value) in [
        (header::CONTENT_TYPE, value),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
}
