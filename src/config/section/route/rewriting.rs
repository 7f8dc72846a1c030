//! What of a request and its answer is changed on their way beside the headers about people: `rewrite`, `host_header`,
//! `response_headers` and `repair_paths`.

use http::{HeaderName, HeaderValue};
use regex::bytes::{Regex, RegexBuilder};

use super::parse;
use crate::config::{
    nearest::nearest,
    reader::{Table, Value},
};

/// The most memory that a compiled `from` may take, in bytes: every route has one, and no path needs more.
const MAX_REGEX: usize = 1024 * 1024;

/// What a route changes.
#[derive(Debug, Clone, Default)]
pub struct Rewriting {
    /// The path, on the way up.
    pub path: Option<PathRewrite>,
    /// The `Host` header, on the way up.
    pub host: HostHeader,
    /// Headers that are set or taken out on the way down.
    pub response_headers: Vec<ResponseHeader>,
    /// Whether the paths in redirects and cookies of an app that thinks it lives at `/` get the route's own path back.
    pub repair_paths: bool,
}

/// What a path is made into where it matches.
#[derive(Debug, Clone)]
pub struct PathRewrite {
    /// What is replaced. Runs in linear time, whatever the path.
    pub from: Regex,
    /// What takes its place.
    pub to: Vec<PathPart>,
}

/// A piece of the `to` of a [`PathRewrite`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathPart {
    /// Text as it stands.
    Literal(String),
    /// What a group of `from` matched; 0 is all of it.
    Group(usize),
}

/// The `Host` header that an app sees.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HostHeader {
    /// The client's.
    #[default]
    Preserve,
    /// The upstream's own address.
    Upstream,
    /// This `host[:port]`.
    Literal(String),
}

/// A header that is set or taken out on the way down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHeader {
    /// Its name.
    pub name: HeaderName,
    /// Its only value; `None` takes it out.
    pub value: Option<HeaderValue>,
}

impl Rewriting {
    /// Takes the keys out of a `[[route]]`. `strips` is the route's `strip_prefix`, and whether there is anything to cut
    /// off.
    pub(super) fn read(table: &mut Table<'_, '_>, strips: Strips) -> Self {
        let rewrite = table.take("rewrite");
        if let (Some(value), true) = (&rewrite, strips.asked) {
            value.reject_with(
                "`rewrite` and `strip_prefix` cannot both change the path",
                "leave one of them out; `rewrite` can take a prefix off as well",
            );
        }
        let repair = table.take("repair_paths");
        let repairs = repair.as_ref().and_then(Value::boolean).unwrap_or(false);
        if let (Some(value), true) = (repair, repairs) {
            if !strips.asked {
                value.reject_with(
                    "`repair_paths` gives back what `strip_prefix` takes off, and this route takes nothing off",
                    "add strip_prefix = true",
                );
            } else if !strips.has_prefix {
                value.reject_with(
                    "this route's `path` is \"/\", so there is nothing to give back",
                    "leave `repair_paths` and `strip_prefix` out",
                );
            }
        }
        Self {
            path: rewrite
                .and_then(|value| value.table("`rewrite`"))
                .and_then(PathRewrite::read),
            host: table
                .take("host_header")
                .and_then(|value| value.parsed(host_header))
                .unwrap_or_default(),
            response_headers: table
                .take("response_headers")
                .and_then(|value| value.table("`response_headers`"))
                .map(response_headers)
                .unwrap_or_default(),
            repair_paths: repairs,
        }
    }
}

/// What a route's `strip_prefix` does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strips {
    /// Whether it is true.
    pub(super) asked: bool,
    /// Whether the route's `path` has segments.
    pub(super) has_prefix: bool,
}

impl PathRewrite {
    fn read(mut table: Table<'_, '_>) -> Option<Self> {
        let (from, to) = (table.take("from"), table.take("to"));
        if from.is_none() || to.is_none() {
            let problem = table
                .report()
                .problem(table.span(), "`rewrite` needs both `from` and `to`");
            let hint = "write rewrite = { from = \"^/old/(.*)$\", to = \"/new/$1\" }";
            table.report().add(problem.hint(hint));
        }
        table.finish(&[]);
        let pattern = from?;
        let from = pattern.parsed(regex)?;
        let begins_anew = pattern.string().is_some_and(|text| text.starts_with('^'));
        let to = to?.parsed(|text| replacement(text, &from, begins_anew))?;
        Some(Self { from, to })
    }
}

/// A regular expression over the bytes of a path, which is ASCII.
fn regex(text: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(text)
        .unicode(false)
        .size_limit(MAX_REGEX)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            "`from` takes too much memory; make its repetitions smaller".to_owned()
        }
        error => {
            // The parser draws the place below the pattern; the last line says what is wrong there.
            let text = error.to_string();
            let why = text
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ");
            format!("`from` is no regular expression: {why}")
        }
    })
}

/// What takes the place of a match: text with `$1`, `${1}` or `${name}` for groups, and `$$` for a dollar sign. It begins
/// the path where the match does.
fn replacement(text: &str, from: &Regex, begins_path: bool) -> Result<Vec<PathPart>, String> {
    let forbidden = |c: char| !c.is_ascii_graphic() || matches!(c, '?' | '#' | '\\');
    if let Some(c) = text.chars().find(|c| forbidden(*c)) {
        return Err(format!(
            "`to` is a path, which cannot contain \"{}\"",
            c.escape_default()
        ));
    }
    if begins_path && !text.starts_with(['/', '$']) {
        return Err("`to` begins the path here, and must begin with \"/\"".to_owned());
    }
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        literal.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            literal.push('$');
            rest = after;
            continue;
        }
        let (name, after) = group_name(after).ok_or(
            "a \"$\" in `to` begins a group, such as $1 or ${name}; write $$ for the character itself",
        )?;
        let group = name.parse().ok().filter(|number| *number < from.captures_len());
        let group = group.or_else(|| from.capture_names().position(|known| known == Some(name)));
        let Some(group) = group else {
            return Err(format!("`from` has no group \"{name}\""));
        };
        if !literal.is_empty() {
            parts.push(PathPart::Literal(std::mem::take(&mut literal)));
        }
        parts.push(PathPart::Group(group));
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(PathPart::Literal(literal));
    }
    Ok(parts)
}

/// The group's name behind a dollar sign, and what follows it. Digits end where the digits end: `$1x` is group 1 and an x.
fn group_name(text: &str) -> Option<(&str, &str)> {
    if let Some(inside) = text.strip_prefix('{') {
        return inside.split_once('}').filter(|(name, _)| !name.is_empty());
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (digits > 0).then(|| text.split_at(digits))
}

fn host_header(text: &str) -> Result<HostHeader, String> {
    const WORDS: [&str; 2] = ["preserve", "upstream"];
    match text {
        "preserve" => return Ok(HostHeader::Preserve),
        "upstream" => return Ok(HostHeader::Upstream),
        _ => {}
    }
    if let Some(near) = nearest(text, WORDS).filter(|_| !text.contains(['.', ':'])) {
        return Err(format!(
            "\"{text}\" looks like \"{near}\"; a host of this name needs its port as well"
        ));
    }
    parse::authority(text).map(HostHeader::Literal).map_err(|why| {
        format!("`host_header` is \"preserve\", \"upstream\" or a host with an optional port, and \"{text}\" is none: {why}")
    })
}

fn response_headers(table: Table<'_, '_>) -> Vec<ResponseHeader> {
    let report = table.report();
    let mut headers: Vec<ResponseHeader> = Vec::new();
    for value in table.into_values() {
        let name = match response_header_name(value.key()) {
            Ok(name) => name,
            Err(message) => {
                report.add(report.problem(&value.key_span(), message));
                continue;
            }
        };
        if headers.iter().any(|header| header.name == name) {
            let message = format!("`{}` is set twice in this route", value.key());
            report.add(report.problem(&value.key_span(), message));
            continue;
        }
        let parse = |text: &str| match text {
            "" => Ok(None),
            _ if name == http::header::SET_COOKIE => Err(format!(
                "`{name}` would take the place of all of the app's cookies; it can only be taken out, with \"\""
            )),
            _ => HeaderValue::from_str(text)
                .map(Some)
                .map_err(|_| "a header's value is printable ASCII here".to_owned()),
        };
        if let Some(value) = value.parsed(parse) {
            headers.push(ResponseHeader { name, value });
        }
    }
    headers
}

/// The name of a header that a route may set on the way down.
fn response_header_name(text: &str) -> Result<HeaderName, String> {
    let name: HeaderName = text
        .parse()
        .map_err(|_| format!("\"{text}\" is no header name"))?;
    let spelled = name.as_str();
    let ours = [
        "connection",
        "content-length",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let family = ["proxy-", "sec-websocket-"];
    match ours.contains(&spelled) || family.iter().any(|prefix| spelled.starts_with(prefix)) {
        true => Err(format!(
            "`{text}` says where an answer ends, or belongs to a single connection"
        )),
        false => Ok(name),
    }
}
