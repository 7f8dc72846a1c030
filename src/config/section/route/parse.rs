//! How a route's values are written.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    num::NonZeroU16,
};

use http::{HeaderName, Method};

use super::{HostPattern, Template, TemplatePart};
use crate::config::{
    nearest::nearest,
    section::{host::exact, trust::ClaimPath},
};

/// A host: `wiki.example.com` or `*.example.com`.
pub(super) fn host(text: &str) -> Result<HostPattern, String> {
    let bad = |why: &str| format!("\"{text}\" is no host of a route: {why}");
    if text == "*" {
        return Err(bad("a route without `host` answers every host"));
    }
    let (wildcard, name) = match text.strip_prefix("*.") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if name.contains('*') {
        return Err(bad(
            "a wildcard is the whole first label, as in \"*.example.com\"",
        ));
    }
    if let Some((name, port)) = name.rsplit_once(':')
        && !port.is_empty()
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && exact(name).is_ok()
    {
        return Err(bad("a route answers a host on every port; leave the port out"));
    }
    let name = exact(name).map_err(bad)?;
    match wildcard {
        true if name.starts_with('[') || name.parse::<Ipv4Addr>().is_ok() => {
            Err(bad("only names have names below them"))
        }
        true => Ok(HostPattern::Wildcard(format!(".{name}"))),
        false => Ok(HostPattern::Exact(name)),
    }
}

/// A host with an optional port, as a `Host` header has it.
pub(super) fn authority(text: &str) -> Result<String, String> {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if is_port(port) && text.parse::<Ipv6Addr>().is_err() => (name, Some(port)),
        _ => (text, None),
    };
    let name = exact(name)?;
    let Some(port) = port else { return Ok(name) };
    let port: NonZeroU16 = port
        .parse()
        .map_err(|_| "a port is a number between 1 and 65535")?;
    Ok(format!("{name}:{port}"))
}

/// A path prefix, as decoded segments.
pub(super) fn path(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let bad = |why: &str| Err(format!("\"{text}\" is no path of a route: {why}"));
    let Some(rest) = text.strip_prefix('/') else {
        return bad("it must begin with \"/\"");
    };
    if let Some(c) = text
        .chars()
        .find(|c| matches!(c, '?' | '#' | '\\' | ';' | '*') || c.is_control())
    {
        return bad(&format!("it cannot contain \"{}\"", c.escape_default()));
    }
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let mut segments = Vec::new();
    let bad_code = |piece: &str| {
        let digits = piece.as_bytes().get(..2);
        digits.is_none_or(|digits| !digits.iter().all(u8::is_ascii_hexdigit))
    };
    if rest.split('%').skip(1).any(bad_code) {
        return bad("\"%\" begins a code of two hexadecimal digits; write \"%25\" for the character itself");
    }
    for segment in rest.split('/') {
        let decoded: Vec<u8> = percent_encoding::percent_decode_str(segment).collect();
        if segment.is_empty() {
            return bad("it has an empty segment (\"//\")");
        }
        if matches!(decoded.as_slice(), b"." | b"..") {
            return bad("it has a dot segment");
        }
        if decoded
            .iter()
            .any(|byte| matches!(byte, b'/' | b'\\' | b';' | 0..=0x1f | 0x7f))
        {
            return bad("it has an encoded slash, backslash, semicolon or control character");
        }
        segments.push(decoded);
    }
    if segments.first().is_some_and(|first| first == b".auth") {
        return bad("addresses under /.auth are the gateway's own");
    }
    Ok(segments)
}

/// A method that a route may answer.
pub(super) fn method(text: &str) -> Result<Method, String> {
    let upper = text.to_ascii_uppercase();
    let method: Method = text
        .parse()
        .map_err(|_| format!("\"{text}\" is no HTTP method"))?;
    if matches!(method, Method::CONNECT | Method::TRACE) {
        return Err(format!("{method} is never forwarded"));
    }
    let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
    if upper != text && known.contains(&upper.as_str()) {
        return Err(format!(
            "methods are case-sensitive: write \"{upper}\" for \"{text}\""
        ));
    }
    Ok(method)
}

/// What an upstream is asked for, to find out whether it is well: a path, and perhaps a query.
pub(super) fn health_path(text: &str) -> Result<String, String> {
    let bad = |why: &str| Err(format!("\"{text}\" is no path to ask for: {why}"));
    if !text.starts_with('/') {
        return bad("it must begin with \"/\"");
    }
    match text.chars().find(|c| !c.is_ascii_graphic() || *c == '#') {
        Some(c) => bad(&format!("it cannot contain \"{}\"", c.escape_default())),
        None => Ok(text.to_owned()),
    }
}

/// The name of a header that a route may set.
pub(super) fn header_name(text: &str) -> Result<HeaderName, String> {
    let name: HeaderName = text
        .parse()
        .map_err(|_| format!("\"{text}\" is no header name"))?;
    let ours = [
        "connection",
        "content-length",
        "cookie",
        "forwarded",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-request-id",
    ];
    let family = ["proxy-", "x-forwarded-", "x-portcullis-"];
    let spelled = name.as_str();
    if ours.contains(&spelled) || family.iter().any(|prefix| spelled.starts_with(prefix)) {
        return Err(format!(
            "`{text}` is set by the gateway itself, or belongs to a single connection"
        ));
    }
    Ok(name)
}

/// A header's value with placeholders; `{{` and `}}` stand for braces.
pub(super) fn template(text: &str) -> Result<Template, String> {
    const PLACEHOLDERS: [(&str, TemplatePart); 5] = [
        ("username", TemplatePart::Username),
        ("email", TemplatePart::Email),
        ("name", TemplatePart::Name),
        ("roles", TemplatePart::Roles),
        ("session", TemplatePart::Session),
    ];
    if text.chars().any(char::is_control) {
        return Err("a header's value cannot contain control characters".to_owned());
    }
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        literal.push_str(before);
        if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            literal.push_str(from.get(..1).unwrap_or_default());
            rest = after;
            continue;
        }
        let inside = from.strip_prefix('{').and_then(|from| from.split_once('}'));
        let Some((name, after)) = inside else {
            return Err("a brace stands alone; write {{ or }} for a brace itself".to_owned());
        };
        if name == "id" {
            return Err(format!("the placeholder {{{name}}} is not built yet"));
        }
        let claim = name.strip_prefix("claim:").filter(|claim| !claim.is_empty());
        let claim = claim.map(|claim| TemplatePart::Claim(ClaimPath(claim.to_owned())));
        let known = PLACEHOLDERS.iter().find(|(known, _)| *known == name);
        let Some(part) = claim.as_ref().or_else(|| known.map(|(_, part)| part)) else {
            let near = nearest(name, PLACEHOLDERS.iter().map(|(known, _)| *known));
            let near = near.map_or_else(String::new, |near| format!("; did you mean {{{near}}}?"));
            return Err(format!("there is no placeholder {{{name}}}{near}"));
        };
        if !literal.is_empty() {
            parts.push(TemplatePart::Literal(std::mem::take(&mut literal)));
        }
        parts.push(part.clone());
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(TemplatePart::Literal(literal));
    }
    if parts.is_empty() {
        return Err("a header's value cannot be empty".to_owned());
    }
    Ok(Template(parts))
}
