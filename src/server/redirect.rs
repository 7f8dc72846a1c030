//! The plain listener that only sends people to where TLS is: to `public_url`, and never to a host that a request names.

use std::time::Instant;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use crate::{
    handle::{Answer, Worker},
    http::{
        client_addr::{Hop, Origin},
        framing,
        incoming::Incoming,
        target::Target,
        trace_context::TraceContext,
    },
    observe::access::{AccessRecord, millis},
};

/// Where authorities that issue certificates look for proofs (RFC 8555, section 8.3). They ask in plain HTTP and follow
/// redirects: whoever answers them must be asked directly.
const ACME_CHALLENGE: [&[u8]; 2] = [b".well-known", b"acme-challenge"];

/// Answers one request, and writes it down.
pub(super) fn answer(worker: &Worker, hop: &Hop, mut request: Request<Incoming>) -> Response<Answer> {
    let gateway = &worker.gateway;
    let started = Instant::now();
    let origin = Origin::of(hop, request.headers(), &gateway.server.trusted_proxies);
    let trace = TraceContext::of(request.headers_mut(), &worker.trace_ids);
    let (status, location) = decide(&request, &gateway.server.public_url.to_string());
    if gateway.access_log.is_on() {
        let host = request.headers().get(header::HOST);
        gateway.access_log.write(&AccessRecord {
            time: gateway.clock.now(),
            request_id: worker.request_ids.name(hop, request.headers()).to_string(),
            trace_id: trace.trace_id().to_owned(),
            client: origin.client,
            method: request.method().to_string(),
            host: host.map_or_else(String::new, |host| {
                String::from_utf8_lossy(host.as_bytes()).into_owned()
            }),
            path: request.uri().path().to_owned(),
            status: status.as_u16(),
            route: None,
            upstream: None,
            user: None,
            credential: "none",
            refusal: None,
            bytes: 0,
            ms: millis(started.elapsed()),
            upstream_ms: None,
        });
    }
    let mut response = Response::new(Answer::own(String::new()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    // A browser that kept it would go there for ever, wherever `public_url` has moved to.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match location {
        Some(location) => {
            headers.insert(header::LOCATION, location);
        }
        // What has a second reading is read no further.
        None if status == StatusCode::BAD_REQUEST => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        None => {}
    }
    response
}

/// The status, and where to go.
fn decide<B>(request: &Request<B>, public_url: &str) -> (StatusCode, Option<HeaderValue>) {
    let target = Target::of(request.uri(), request.version(), request.headers());
    let Some(target) = target
        .ok()
        .filter(|_| framing::has_one_reading(request.headers()))
    else {
        return (StatusCode::BAD_REQUEST, None);
    };
    let mut segments = target.path.segments();
    if ACME_CHALLENGE
        .iter()
        .all(|own| segments.next().is_some_and(|segment| *segment == **own))
    {
        return (StatusCode::NOT_FOUND, None);
    }
    let path_and_query = request
        .uri()
        .path_and_query()
        .map_or("/", |target| target.as_str());
    // The body of a request with another method must go along (RFC 9110, section 15.4.9).
    let status = match *request.method() {
        Method::GET | Method::HEAD => StatusCode::MOVED_PERMANENTLY,
        _ => StatusCode::PERMANENT_REDIRECT,
    };
    match HeaderValue::try_from(format!("{public_url}{path_and_query}")) {
        Ok(location) => (status, Some(location)),
        Err(_) => (StatusCode::BAD_REQUEST, None),
    }
}
