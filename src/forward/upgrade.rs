//! WebSockets and other upgraded connections (RFC 9110, section 7.8): after the upstream's 101, bytes both ways.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::returning::Returning;
use crate::{
    http::{
        hygiene,
        incoming::{ClientSide, Incoming},
    },
    refusal::Refusal,
    route::Route,
    upstream::{Exchange, Head, Place},
};

mod frames;
mod tunnel;

pub use tunnel::{Notes, Tunnel};

/// A client's wish to speak another protocol on its connection.
#[derive(Debug)]
pub(super) struct Upgrade {
    /// The `Upgrade` header.
    pub(super) protocol: HeaderValue,
    /// The question that shows whether an upstream speaks WebSocket (RFC 6455, section 4.1), where it is ours to ask: over
    /// HTTP/2 no client does.
    pub(super) key: Option<String>,
}

/// The upgrade that a request asks for and that is passed on. A server may ignore any (RFC 9110, section 7.8),
/// and we do where the new protocol is HTTP again: requests inside it would go past every rule.
///
/// # Errors
/// The system's random source failed.
pub(super) fn requested(request: &Request<Incoming>) -> Result<Option<Upgrade>, Refusal> {
    let Incoming::WebSocket(_) = request.body() else {
        return Ok(requested_by_headers(request));
    };
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|_| Refusal::Internal("the system's random source failed"))?;
    Ok(Some(Upgrade {
        protocol: HeaderValue::from_static("websocket"),
        key: Some(BASE64_STANDARD.encode(key)),
    }))
}

fn requested_by_headers(request: &Request<Incoming>) -> Option<Upgrade> {
    let headers = request.headers();
    let asks = request.version() == Version::HTTP_11
        && hygiene::tokens(headers, &header::CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    let protocol = headers.get(header::UPGRADE).filter(|_| asks)?;
    let mut names = hygiene::tokens(headers, &header::UPGRADE).peekable();
    let only_one = headers.get_all(header::UPGRADE).iter().nth(1).is_none();
    (only_one && names.peek().is_some() && !names.any(is_http)).then(|| Upgrade {
        protocol: protocol.clone(),
        key: None,
    })
}

/// `h2c`, its drafts (`h2c-14`), `HTTP/2.0`, or HTTP in `TLS/1.0`.
fn is_http(protocol: &str) -> bool {
    let name = protocol.to_ascii_lowercase();
    ["h2", "h3", "http", "tls"]
        .iter()
        .any(|http| name.starts_with(http))
}

fn is_websocket(protocol: &HeaderValue) -> bool {
    protocol
        .as_bytes()
        .trim_ascii()
        .eq_ignore_ascii_case(b"websocket")
}

impl Upgrade {
    /// Whether an answer would be taken for a conversation that has begun, which it is not: over HTTP/2 every success is
    /// one (RFC 8441, section 5).
    pub(super) fn is_missed_by(&self, status: StatusCode) -> bool {
        self.key.is_some() && status.is_success()
    }

    /// Whether the upstream has understood what it agrees to.
    fn is_agreed_to(&self, head: &Head) -> bool {
        let accept = head.headers.get(header::SEC_WEBSOCKET_ACCEPT);
        self.key.as_ref().is_none_or(|key| {
            accept.is_some_and(|accept| accept.as_bytes() == derive_accept_key(key.as_bytes()).as_bytes())
        })
    }
}

/// The answer 101, and the tunnel in place of its body.
pub(super) fn join(
    asked: Option<&Upgrade>,
    client: Option<ClientSide>,
    place: Place,
    exchange: Exchange,
    head: Head,
    route: &Route,
) -> Result<Response<Returning>, Refusal> {
    let (Some(asked), Some(client), Some((upstream, early))) = (asked, client, exchange.into_upgraded())
    else {
        return Err(Refusal::UnaskedUpgrade);
    };
    if !asked.is_agreed_to(&head) {
        return Err(Refusal::NoWebSocket);
    }
    let is_http2 = matches!(client, ClientSide::Http2(_));
    let tunnel = Tunnel {
        client,
        upstream,
        early,
        _place: place,
        idle: route.idle_timeout(),
        is_websocket: is_http2
            || is_websocket(&asked.protocol) && head.upgrade.as_ref().is_some_and(is_websocket),
    };
    let mut response = Response::new(Returning::upgraded(tunnel));
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    let headers = response.headers_mut();
    if is_http2 {
        headers.remove(header::SEC_WEBSOCKET_ACCEPT);
        headers.remove(header::CONTENT_LENGTH);
        *response.status_mut() = StatusCode::OK;
        return Ok(response);
    }
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(protocol) = head.upgrade {
        headers.insert(header::UPGRADE, protocol);
    }
    Ok(response)
}
