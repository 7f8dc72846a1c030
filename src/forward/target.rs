//! The target that the upstream sees.

use std::borrow::Cow;

use http::Uri;

/// Path and query in origin form (RFC 9112, section 3.2.1), without the leading segments that the route cuts off. What
/// was accepted travels on byte for byte.
pub(super) fn upstream_target(uri: &Uri, strip_segments: usize) -> Cow<'_, str> {
    if strip_segments == 0 {
        return uri.path_and_query().map_or("/", |target| target.as_str()).into();
    }
    let path = without_segments(uri.path(), strip_segments);
    match uri.query() {
        Some(query) => format!("{path}?{query}").into(),
        None => path.into(),
    }
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
