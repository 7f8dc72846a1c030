//! The target that the upstream sees.

use std::borrow::Cow;

use http::Uri;

use crate::{
    config::{PathPart, PathRewrite},
    http::target::{NormalPath, TargetError},
    route::Route,
};

/// Path and query in origin form (RFC 9112, section 3.2.1), without the leading segments that the route cuts off, or with
/// what it puts in their place. Of what is not changed every byte travels on.
///
/// # Errors
/// What the path was made into has more than one reading.
pub(super) fn upstream_target<'u>(uri: &'u Uri, route: &Route) -> Result<Cow<'u, str>, TargetError> {
    let changed = match &route.rewriting.path {
        None if route.strip_segments > 0 => Some(without_segments(uri.path(), route.strip_segments)),
        None => None,
        Some(rewrite) => rewritten(uri.path(), rewrite)?,
    };
    let Some(path) = changed else {
        return Ok(uri.path_and_query().map_or("/", |target| target.as_str()).into());
    };
    Ok(match uri.query() {
        Some(query) => format!("{path}?{query}").into(),
        None => path.into(),
    })
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

/// What the first match in a path is made into; `None` where nothing matches. Looks at the one spelling in which the path
/// is written most simply, so that nobody gets around the rewriting with another.
fn rewritten(path: &str, rewrite: &PathRewrite) -> Result<Option<String>, TargetError> {
    let path = simplest_spelling(path);
    let Some(found) = rewrite.from.captures(path.as_bytes()) else {
        return Ok(None);
    };
    let group = |number: usize| found.get(number).map_or(0..0, |group| group.range());
    let text = |range: std::ops::Range<usize>| path.get(range).unwrap_or_default();
    let whole = group(0);
    let mut new = text(0..whole.start).to_owned();
    for part in &rewrite.to {
        match part {
            PathPart::Literal(literal) => new.push_str(literal),
            PathPart::Group(number) => new.push_str(text(group(*number))),
        }
    }
    new.push_str(text(whole.end..path.len()));
    // Two slashes at the start would be read as the start of an authority.
    let new = match new.strip_prefix('/') {
        Some(rest) => format!("/{}", rest.trim_start_matches('/')),
        None => new,
    };
    NormalPath::parse(&new)?;
    Ok(Some(new))
}

/// A path with one slash for several, and without codes for what needs none (RFC 3986, section 6.2.2.2).
fn simplest_spelling(path: &str) -> Cow<'_, str> {
    if !path.contains('%') && !path.contains("//") {
        return path.into();
    }
    let mut simple = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(c) = rest.chars().next() {
        let (here, after) = rest.split_at(c.len_utf8());
        let code = after.get(..2).filter(|_| c == '%');
        let decoded = code
            .and_then(|code| u8::from_str_radix(code, 16).ok())
            .map(char::from);
        match decoded {
            Some(plain) if plain.is_ascii_alphanumeric() || "-._~".contains(plain) => {
                simple.push(plain);
                rest = after.get(2..).unwrap_or_default();
                continue;
            }
            _ if here == "/" && simple.ends_with('/') => {}
            _ => simple.push(c),
        }
        rest = after;
    }
    simple.into()
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

    #[test]
    fn a_path_has_one_simplest_spelling() {
        for (path, simple) in [
            ("/", "/"),
            ("/old/x", "/old/x"),
            ("//old///x//", "/old/x/"),
            ("/%6fl%64/%7Ex", "/old/~x"),
            ("/%4F", "/O"),
            ("/a%20b%c3%A9", "/a%20b%c3%A9"),
            ("/100%25", "/100%25"),
            ("/100%2541", "/100%2541"),
            ("/a;x=%31", "/a;x=1"),
            ("/%", "/%"),
            ("/%4", "/%4"),
        ] {
            assert_eq!(simplest_spelling(path), simple, "{path}");
        }
    }
}
