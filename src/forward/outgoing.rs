//! The request's head on its way up.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, Uri, header, request, uri::PathAndQuery};
use http_body::Body;

use super::{Forwarding, upgrade::Upgrade};
use crate::{
    authenticate::{Caller, Proof},
    authorize::Permit,
    config::{Template, TemplatePart},
    http::{body::Upload, cookies, hygiene},
    identity::{self, Identity},
    refusal::Refusal,
};

/// Rewrites a client's request head into the one the upstream sees.
///
/// The order matters: what only we may say is taken out first, then what belongs to the client's connection
/// (so that `Connection` can name nothing of ours), then the credential that signed the request in, and only
/// then ours goes in.
///
/// # Errors
/// The target cannot be rewritten.
pub(super) fn rewrite(
    head: &mut request::Parts,
    body: &Upload,
    permit: &Permit,
    context: &Forwarding<'_>,
    upgrade: Option<&Upgrade>,
) -> Result<(), Refusal> {
    let authority = context.authority.map(str::to_owned);
    let wants_trailers =
        hygiene::tokens(&head.headers, &header::TE).any(|token| token.eq_ignore_ascii_case("trailers"));
    context.own_headers.remove_from(&mut head.headers);
    hygiene::remove_hop_by_hop(&mut head.headers);
    cookies::remove(&mut head.headers, context.own_cookies);
    remove_credential(&mut head.headers, permit.caller());

    head.uri = upstream_target(&head.uri, permit.route().strip_segments)?;
    head.version = http::Version::HTTP_11;
    let headers = &mut head.headers;
    // hyper answers an `Expect: 100-continue` itself, when the upstream asks for the body.
    headers.remove(header::EXPECT);
    set_length(headers, body);
    let host = authority.unwrap_or_else(|| upstream_authority(permit));
    set_text(headers, header::HOST, &host);
    if let Some(upgrade) = upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, upgrade.protocol.clone());
    } else if wants_trailers {
        // RFC 9110, section 10.1.4: a header of one connection, and said to be one.
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    set_origin(headers, context, &host);
    if let Some(caller) = permit.caller() {
        set_identity(headers, &caller.identity);
    }
    for template in &permit.route().headers {
        let value = expand(&template.value, permit.caller()).and_then(|text| identity::header_value(&text));
        if let Some(value) = value {
            headers.insert(template.name.clone(), value);
        }
    }
    Ok(())
}

/// Whether a request signs its whole connection in (RFC 4559; NTLM), so that nobody else may use it.
pub(super) fn authenticates_connection(headers: &HeaderMap) -> bool {
    headers.get_all(header::AUTHORIZATION).iter().any(|value| {
        let value = value.as_bytes();
        [&b"ntlm"[..], b"negotiate"].iter().any(|scheme| {
            value
                .get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        })
    })
}

/// The token that signed the request in ends here; any other `Authorization` is the app's own business.
fn remove_credential(headers: &mut HeaderMap, caller: Option<&Caller>) {
    if let Some(Caller {
        proof: Proof::Bearer, ..
    }) = caller
    {
        headers.remove(header::AUTHORIZATION);
    }
}

/// One Content-Length that says what the body is, or none: whatever the client's framing was, ours has a single
/// reading (RFC 9112, section 6.3).
fn set_length(headers: &mut HeaderMap, body: &Upload) {
    if headers.remove(header::CONTENT_LENGTH).is_some()
        && let Some(length) = body.size_hint().exact()
    {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

fn upstream_authority(permit: &Permit) -> String {
    let url = permit.route().upstream.to_string();
    url.strip_prefix("http://").unwrap_or_default().to_owned()
}

/// Path and query in origin form, without the leading segments that the route cuts off.
fn upstream_target(uri: &Uri, strip_segments: usize) -> Result<Uri, Refusal> {
    let path = without_segments(uri.path(), strip_segments);
    let target = match uri.query() {
        // A path that is sent as it came, with no authority in front of it, is a copy of a reference.
        _ if strip_segments == 0 => uri
            .path_and_query()
            .cloned()
            .ok_or(Refusal::Internal("a target without a path"))?,
        Some(query) => path_and_query(&format!("{path}?{query}"))?,
        None => path_and_query(&path)?,
    };
    Ok(Uri::from(target))
}

fn path_and_query(text: &str) -> Result<PathAndQuery, Refusal> {
    text.parse()
        .map_err(|_| Refusal::Internal("a rewritten target that is no target"))
}

/// A path without its first `count` segments, counted as matching counts them. The rest keeps its spelling but
/// begins with exactly one slash: two would be read as the start of an authority.
fn without_segments(path: &str, count: usize) -> String {
    let mut rest = path;
    let mut left = count;
    while left > 0 {
        let segment_and_more = rest.trim_start_matches('/');
        let end = segment_and_more.find('/').unwrap_or(segment_and_more.len());
        let (segment, more) = segment_and_more.split_at(end);
        if !segment.is_empty() && !segment.starts_with(';') {
            left -= 1;
        }
        rest = more;
        if more.is_empty() {
            break;
        }
    }
    format!("/{}", rest.trim_start_matches('/'))
}

/// Who called, how and by which name.
fn set_origin(headers: &mut HeaderMap, context: &Forwarding<'_>, host: &str) {
    let client = context.client.to_canonical();
    set_text(headers, X_FORWARDED_FOR, &client.to_string());
    set_text(headers, X_FORWARDED_HOST, host);
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(context.scheme));
    headers.insert(X_REQUEST_ID, context.request_id.header_value());
    // RFC 7239, section 6: an IPv6 address stands in brackets, and both need quotes.
    let node = if client.is_ipv6() {
        format!("\"[{client}]\"")
    } else {
        client.to_string()
    };
    set_text(
        headers,
        header::FORWARDED,
        &format!("for={node};host=\"{host}\";proto={}", context.scheme),
    );
}

const X_FORWARDED_FOR: http::HeaderName = http::HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: http::HeaderName = http::HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: http::HeaderName = http::HeaderName::from_static("x-forwarded-proto");
const X_REQUEST_ID: http::HeaderName = http::HeaderName::from_static("x-request-id");

/// Who is signed in. What a person has not got is left out, and was taken out before.
fn set_identity(headers: &mut HeaderMap, identity: &Identity) {
    let fields = [
        ("remote-user", identity::header_value(identity.username.as_str())),
        (
            "remote-name",
            identity.name.as_deref().and_then(identity::header_value),
        ),
        (
            "remote-email",
            identity.email.as_deref().and_then(identity::header_value),
        ),
        ("remote-groups", identity::header_value(&identity.roles_joined())),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            headers.insert(http::HeaderName::from_static(name), value);
        }
    }
}

fn set_text(headers: &mut HeaderMap, name: http::HeaderName, text: &str) {
    if let Some(value) = identity::header_value(text) {
        headers.insert(name, value);
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
    let Caller { identity, proof } = caller;
    match part {
        TemplatePart::Literal(literal) => literal.into(),
        TemplatePart::Username => identity.username.as_str().into(),
        TemplatePart::Email => identity.email.as_deref().unwrap_or_default().into(),
        TemplatePart::Name => identity.name.as_deref().unwrap_or_default().into(),
        TemplatePart::Roles => identity.roles_joined().into(),
        TemplatePart::Session => match proof {
            Proof::Session { session, .. } => session.handle().as_str().into(),
            Proof::Bearer => "".into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stripped_path_keeps_its_spelling_and_one_leading_slash() {
        for (path, count, rest) in [
            ("/app", 1, "/"),
            ("/app/", 1, "/"),
            ("/app/x/y", 1, "/x/y"),
            ("/app/x%20y/", 1, "/x%20y/"),
            ("/app//x", 1, "/x"),
            ("//app///evil.example.com/x", 1, "/evil.example.com/x"),
            ("/%61pp/x", 1, "/x"),
            ("/app;v=1/x;v=2", 1, "/x;v=2"),
            ("/;v=1/app/x", 1, "/x"),
            ("/a/b/c", 2, "/c"),
            ("/a/b", 2, "/"),
        ] {
            assert_eq!(without_segments(path, count), rest, "{path}");
        }
    }
}
