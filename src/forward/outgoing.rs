//! The request's head on its way up: what the client sent, less what only we or its connection may say, and ours.
//!
//! One pass over the client's headers decides of each whether it travels on. Nothing of the client's can take out or
//! change what we say, since that is written behind it and nothing is looked up again.

use std::borrow::Cow;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::{Asserting, Forwarding, Trip};
use crate::{
    authenticate::{Caller, Proof},
    authorize::Permit,
    config::{HostHeader, Template, TemplatePart, UpstreamAuth, UpstreamUrl},
    http::{cookies, fields, hygiene},
    identity::{self, Identity},
    refusal::Refusal,
    route::Route,
    upstream::http1::Framing,
};

/// Room for an ordinary head, in bytes: it seldom has to grow.
const USUAL_HEAD: usize = 1024;

/// The head of an HTTP/1.1 request, as the upstream sees it, with the empty line at its end.
pub(super) fn http1_head(trip: &Trip<'_>, upstream: &UpstreamUrl) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_HEAD);
    for part in [trip.head.method.as_str(), " ", trip.target(), " HTTP/1.1\r\n"] {
        bytes.extend_from_slice(part.as_bytes());
    }
    headers(trip, upstream, Protocol::Http1, &mut |name, value| {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    });
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// The head of an HTTP/2 request.
///
/// # Errors
/// The host or the target cannot be said in HTTP/2. They have been looked at, so that this does not happen.
pub(super) fn http2_head(trip: &Trip<'_>, upstream: &UpstreamUrl) -> Result<Request<()>, Refusal> {
    let mut head = Request::new(());
    *head.method_mut() = trip.head.method.clone();
    let mut authority = Vec::new();
    let fields = head.headers_mut();
    headers(trip, upstream, Protocol::Http2, &mut |name, value| {
        if name == "host" {
            authority = value.to_vec();
        } else if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_bytes(value),
        ) {
            fields.append(name, value);
        }
    });
    let scheme = if upstream.is_https() { "https" } else { "http" };
    *head.uri_mut() = Uri::builder()
        .scheme(scheme)
        .authority(authority.as_slice())
        .path_and_query(trip.target())
        .build()
        .map_err(|_| Refusal::Internal("a request cannot be said in HTTP/2"))?;
    Ok(head)
}

/// What differs in a head by the protocol it is said in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    /// Bodies end with their stream, and there are no headers of a connection (RFC 9113, section 8.2.2).
    Http2,
}

/// Hands every header that goes up to `put`.
fn headers(trip: &Trip<'_>, upstream: &UpstreamUrl, protocol: Protocol, put: &mut impl FnMut(&str, &[u8])) {
    let Trip { permit, context, .. } = *trip;
    let sent = &trip.head.headers;
    let route = permit.route();
    let of_upstream = match (context.authority, &route.rewriting.host) {
        (Some(_), HostHeader::Preserve | HostHeader::Literal(_)) => String::new(),
        (None, _) | (_, HostHeader::Upstream) => upstream_authority(upstream),
    };
    let authority = context.authority.unwrap_or(&of_upstream);
    put("host", host(route, authority, &of_upstream).as_bytes());
    passing(sent, permit, context, put);
    match trip.framing {
        Framing::Length(length) => {
            put("content-length", itoa::Buffer::new().format(length).as_bytes());
        }
        Framing::Chunked if protocol == Protocol::Http1 => put("transfer-encoding", b"chunked"),
        Framing::Chunked | Framing::None => {}
    }
    if let Some(upgrade) = trip.upgrade.as_ref().filter(|_| protocol == Protocol::Http1) {
        put("connection", b"upgrade");
        put("upgrade", upgrade.protocol.as_bytes());
        if let Some(key) = &upgrade.key {
            put("sec-websocket-key", key.as_bytes());
        }
    } else if wants_trailers(sent) {
        // RFC 9110, section 10.1.4: a header of one connection, and said to be one.
        if protocol == Protocol::Http1 {
            put("connection", b"te");
        }
        put("te", b"trailers");
    }
    origin(context, authority, put);
    credential(permit, context, upstream, put);
    let templates = &route.headers;
    if let Some(caller) = permit.caller() {
        identity_headers(caller.identity(), &mut |name, value| {
            // A route that sets one of these itself has the last word.
            if !templates.iter().any(|template| template.name == name) {
                put(name, value);
            }
        });
    }
    for template in templates {
        let text = expand(&template.value, permit.caller());
        if let Some(text) = text.filter(|text| identity::is_header_value(text)) {
            put(template.name.as_str(), text.as_bytes());
        }
    }
}

/// The client's headers that travel on.
fn passing(sent: &HeaderMap, permit: &Permit, context: &Forwarding<'_>, put: &mut impl FnMut(&str, &[u8])) {
    let login = &permit.route().login;
    let is_by_token = permit
        .caller()
        .is_some_and(|caller| matches!(caller.proof, Proof::Bearer(_)));
    // The token that signed the request in ends here; any other `Authorization` is the app's own business, unless we have
    // one for it.
    let has_ours = matches!(
        login.auth,
        Some(UpstreamAuth::Basic { .. } | UpstreamAuth::Bearer(_))
    );
    let ends_here = has_ours || (is_by_token && !login.forwards_credentials);
    let named = hygiene::named_by_connection(sent);
    for (name, value) in sent {
        let stays_here = matches!(name.as_str(), "host" | "cookie" | "content-length")
            || (ends_here && *name == header::AUTHORIZATION)
            || hygiene::is_hop_by_hop(name)
            || context.own_headers.contains(name.as_str())
            || named.contains(name);
        if !stays_here {
            put(name.as_str(), value.as_bytes());
        }
    }
    // The first is the session's.
    let own = match (login.forwards_credentials, context.own_cookies) {
        (true, [_, others @ ..]) => others,
        (_, all) => all,
    };
    if !named.contains(&header::COOKIE)
        && let Some(cookies) = cookies::without(sent, own)
    {
        put("cookie", &cookies);
    }
}

/// What the app is shown for its own login. Where it cannot be made the app gets nothing, and lets nobody in.
fn credential(
    permit: &Permit,
    context: &Forwarding<'_>,
    upstream: &UpstreamUrl,
    put: &mut impl FnMut(&str, &[u8]),
) {
    match &permit.route().login.auth {
        None => {}
        Some(UpstreamAuth::Assertion) => {
            let Some(caller) = permit.caller() else { return };
            let Asserting {
                made,
                keys,
                config,
                now,
            } = context.asserting;
            match made.of(keys, config, caller.identity(), &upstream.to_string(), now) {
                Ok(token) => put("x-portcullis-assertion", token.as_bytes()),
                Err(error) => tracing::error!(%error, "an app cannot be told who is calling"),
            }
        }
        Some(UpstreamAuth::Basic { username, password }) => {
            // RFC 7617, section 2: a name with a colon would end early.
            let username = expand(username, permit.caller()).filter(|name| !name.contains(':'));
            let Some(username) = username.filter(|name| identity::is_header_value(name)) else {
                return;
            };
            let pair = BASE64_STANDARD.encode(format!("{username}:{}", password.expose_secret()));
            put("authorization", format!("Basic {pair}").as_bytes());
        }
        Some(UpstreamAuth::Bearer(token)) => {
            put(
                "authorization",
                format!("Bearer {}", token.expose_secret()).as_bytes(),
            );
        }
    }
}

/// Whether the body waits to be asked for (RFC 9110, section 10.1.1).
pub(super) fn expects_continue(headers: &HeaderMap) -> bool {
    fields::first(headers, &header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

fn wants_trailers(headers: &HeaderMap) -> bool {
    hygiene::tokens(headers, &header::TE).any(|token| token.eq_ignore_ascii_case("trailers"))
}

/// Whether a request signs its whole connection in, so that nobody else may use it.
pub(super) fn authenticates_connection(headers: &HeaderMap) -> bool {
    let mut shown = fields::all(headers, &header::AUTHORIZATION);
    shown.any(|value| is_of_connection(value.as_bytes()))
}

/// Whether a credential or a challenge is one of a connection's (NTLM; Negotiate, RFC 4559).
pub(super) fn is_of_connection(text: &[u8]) -> bool {
    [&b"ntlm"[..], b"negotiate"].iter().any(|scheme| {
        text.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })
}

/// The upstream's own `host[:port]`, as a client that asked it directly would write it.
pub(super) fn upstream_authority(upstream: &UpstreamUrl) -> String {
    let authority = upstream.authority();
    let own_port = if upstream.is_https() { ":443" } else { ":80" };
    authority
        .strip_suffix(own_port)
        .map(str::to_owned)
        .unwrap_or(authority)
}

/// The `Host` header of a request that was sent to `authority`.
pub(super) fn host<'a>(route: &'a Route, authority: &'a str, of_upstream: &'a str) -> &'a str {
    match &route.rewriting.host {
        HostHeader::Preserve => authority,
        HostHeader::Upstream => of_upstream,
        HostHeader::Literal(host) => host,
    }
}

/// Who called, how and by which name, and as part of which trace.
fn origin(context: &Forwarding<'_>, host: &str, put: &mut impl FnMut(&str, &[u8])) {
    let told = context.host_told.map_or(host.as_bytes(), HeaderValue::as_bytes);
    if let Some(forwarded_for) = &context.forwarded_for {
        put("x-forwarded-for", forwarded_for.as_bytes());
    }
    put("x-forwarded-host", told);
    put("x-forwarded-proto", context.scheme.as_bytes());
    put("x-request-id", context.request_id.as_str().as_bytes());
    put("traceparent", context.trace.as_str().as_bytes());
    let mut text = Vec::with_capacity(128);
    for part in [
        context.forwarded.as_bytes(),
        b";host=\"",
        told,
        b"\";proto=",
        context.scheme.as_bytes(),
    ] {
        text.extend_from_slice(part);
    }
    put("forwarded", &text);
}

/// Who is signed in. What a person has not got is left out, and was taken out of what the client sent.
fn identity_headers(identity: &Identity, put: &mut impl FnMut(&str, &[u8])) {
    for (name, value) in identity.headers() {
        put(name, value.as_bytes());
    }
}

/// A template with its placeholders filled in. `None` when it speaks of a person and nobody is signed in:
/// half a value ("@example.com") could mean something to an app.
fn expand(template: &Template, caller: Option<&Caller>) -> Option<String> {
    let mut text = String::new();
    for part in &template.0 {
        match (part, caller) {
            (TemplatePart::Literal(literal), _) => text.push_str(literal),
            (_, None) => return None,
            (part, Some(caller)) => text.push_str(&placeholder(part, caller)),
        }
    }
    Some(text)
}

fn placeholder<'a>(part: &'a TemplatePart, caller: &'a Caller) -> Cow<'a, str> {
    let (identity, proof) = (caller.identity(), &caller.proof);
    match part {
        TemplatePart::Literal(literal) => literal.into(),
        TemplatePart::Username => identity.username.as_str().into(),
        TemplatePart::Email => identity.email.as_deref().unwrap_or_default().into(),
        TemplatePart::Name => identity.name.as_deref().unwrap_or_default().into(),
        TemplatePart::Roles => identity.roles_joined().into(),
        TemplatePart::Session => match proof {
            Proof::Session { session, .. } => session.handle().as_str().into(),
            Proof::Bearer(_) => "".into(),
        },
        TemplatePart::Claim(path) => match caller.claim(path) {
            Some(Value::String(text)) => text.as_str().into(),
            Some(claim @ (Value::Number(_) | Value::Bool(_))) => claim.to_string().into(),
            _ => "".into(),
        },
    }
}
