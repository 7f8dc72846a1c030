//! `rewrite`, `host_header`, `response_headers`, `repair_paths` and `cross_origin`.

use super::*;
use crate::config::{CrossOrigin, HostHeader, PathPart, ResponseHeader};

fn rewriting(lines: &str) -> crate::config::Rewriting {
    config(&route(lines)).routes.remove(0).rewriting
}

#[test]
fn what_a_route_can_change_is_taken() {
    let nothing = rewriting("");
    assert!(nothing.path.is_none() && nothing.response_headers.is_empty() && !nothing.repair_paths);
    assert_eq!(nothing.host, HostHeader::Preserve);

    let all = rewriting(
        "path = \"/app\"\nstrip_prefix = true\nrepair_paths = true\nhost_header = \"upstream\"\n\
         response_headers = { X-Frame-Options = \"DENY\", Server = \"\", Set-Cookie = \"\" }",
    );
    assert!(all.repair_paths);
    assert_eq!(all.host, HostHeader::Upstream);
    let header = |name: &'static str, value: Option<&'static str>| ResponseHeader {
        name: http::HeaderName::from_static(name),
        value: value.map(http::HeaderValue::from_static),
    };
    assert_eq!(
        all.response_headers,
        [
            header("server", None),
            header("set-cookie", None),
            header("x-frame-options", Some("DENY")),
        ]
    );
    for (text, host) in [
        ("preserve", HostHeader::Preserve),
        ("Wiki.Internal.", HostHeader::Literal("wiki.internal".to_owned())),
        ("wiki:8080", HostHeader::Literal("wiki:8080".to_owned())),
        ("[::1]:80", HostHeader::Literal("[::1]:80".to_owned())),
        ("upstream:80", HostHeader::Literal("upstream:80".to_owned())),
    ] {
        assert_eq!(
            rewriting(&format!("host_header = \"{text}\"")).host,
            host,
            "{text}"
        );
    }
    for (text, meaning) in [("block", CrossOrigin::Block), ("allow", CrossOrigin::Allow)] {
        let config = config(&route(&format!("cross_origin = \"{text}\"")));
        assert_eq!(config.routes[0].cross_origin, meaning);
    }
    assert_eq!(config(&route("")).routes[0].cross_origin, CrossOrigin::Block);
}

#[test]
fn a_replacement_is_text_and_groups() {
    let literal = |text: &str| PathPart::Literal(text.to_owned());
    for (from, to, parts) in [
        (
            "^/old/(.*)$",
            "/new/$1",
            vec![literal("/new/"), PathPart::Group(1)],
        ),
        (
            "^/(a)(b)$",
            "$1$2x",
            vec![PathPart::Group(1), PathPart::Group(2), literal("x")],
        ),
        (
            "^/(a)$",
            "/$1x${1}0",
            vec![
                literal("/"),
                PathPart::Group(1),
                literal("x"),
                PathPart::Group(1),
                literal("0"),
            ],
        ),
        (
            "^/(?<page>.*)$",
            "/w/${page}.html",
            vec![literal("/w/"), PathPart::Group(1), literal(".html")],
        ),
        ("^/x", "$0/y", vec![PathPart::Group(0), literal("/y")]),
        ("^/x", "/a$$b", vec![literal("/a$b")]),
        ("\\\\.php$", "", vec![]),
    ] {
        let rewriting = rewriting(&format!("rewrite = {{ from = \"{from}\", to = \"{to}\" }}"));
        assert_eq!(rewriting.path.unwrap().to, parts, "{from} {to}");
    }
}

#[test]
fn what_makes_no_path_of_a_path_is_refused() {
    let both = "write rewrite = { from = \"^/old/(.*)$\", to = \"/new/$1\" }";
    let dollar = "a \"$\" in `to` begins a group, such as $1 or ${name}; write $$ for the character itself";
    refused(&[
        (
            &route("rewrite = «{ from = \"^/a\" }»"),
            "`rewrite` needs both `from` and `to`",
            both,
        ),
        (
            &route("rewrite = «{ to = \"/a\" }»"),
            "`rewrite` needs both `from` and `to`",
            both,
        ),
        (
            &route("rewrite = «\"^/a\"»"),
            "`rewrite` must be a table, but this is a string",
            "",
        ),
        (
            &route("rewrite = { from = \"^/a\", to = \"/b\", «flags» = \"i\" }"),
            "unknown key `flags` in `rewrite`",
            "the keys here are from, to",
        ),
        (
            &route("rewrite = { from = «\"^/(a\"», to = \"/b\" }"),
            "`from` is no regular expression: unclosed group",
            "",
        ),
        (
            &route("rewrite = { from = «\"^/(?=a)\"», to = \"/b\" }"),
            "`from` is no regular expression: look-around, including look-ahead and look-behind, is not supported",
            "",
        ),
        (
            &route("rewrite = { from = «\"^/((a{100}){100}){100}\"», to = \"/b\" }"),
            "`from` takes too much memory; make its repetitions smaller",
            "",
        ),
        (
            &route("rewrite = { from = \"^/(a)\", to = «\"/$2\"» }"),
            "`from` has no group \"2\"",
            "",
        ),
        (
            &route("rewrite = { from = \"^/(a)\", to = «\"/${page}\"» }"),
            "`from` has no group \"page\"",
            "",
        ),
        (
            &route("rewrite = { from = \"^/(a)\", to = «\"/$\"» }"),
            dollar,
            "",
        ),
        (
            &route("rewrite = { from = \"^/(a)\", to = «\"/${}\"» }"),
            dollar,
            "",
        ),
        (
            &route("rewrite = { from = \"^/(a)\", to = «\"/${1\"» }"),
            dollar,
            "",
        ),
        (
            &route("rewrite = { from = \"^/(a)\", to = «\"/$page\"» }"),
            dollar,
            "",
        ),
        (
            &route("rewrite = { from = \"^/a\", to = «\"b\"» }"),
            "`to` begins the path here, and must begin with \"/\"",
            "",
        ),
        (
            &route("rewrite = { from = \"^/a\", to = «\"/b?c\"» }"),
            "`to` is a path, which cannot contain \"?\"",
            "",
        ),
        (
            &route("rewrite = { from = \"^/a\", to = «\"/b c\"» }"),
            "`to` is a path, which cannot contain \" \"",
            "",
        ),
        (
            &route("rewrite = { from = \"^/a\", to = «\"/ö\"» }"),
            "`to` is a path, which cannot contain \"\\u{f6}\"",
            "",
        ),
        (
            &route("strip_prefix = true\nrewrite = «{ from = \"^/a\", to = \"/b\" }»"),
            "`rewrite` and `strip_prefix` cannot both change the path",
            "leave one of them out; `rewrite` can take a prefix off as well",
        ),
        (
            &route("repair_paths = «true»"),
            "`repair_paths` gives back what `strip_prefix` takes off, and this route takes nothing off",
            "add strip_prefix = true",
        ),
        (
            &route("strip_prefix = true\nrepair_paths = «true»"),
            "this route's `path` is \"/\", so there is nothing to give back",
            "leave `repair_paths` and `strip_prefix` out",
        ),
        (
            &route("repair_paths = «\"yes\"»"),
            "`repair_paths` must be true or false, but this is a string",
            "",
        ),
    ]);
}

#[test]
fn the_host_that_an_app_sees_is_one_of_two_words_or_a_host() {
    let none = |text: &str, why: &str| {
        format!(
            "`host_header` is \"preserve\", \"upstream\" or a host with an optional port, and \"{text}\" is none: {why}"
        )
    };
    let near = |text: &str, near: &str| {
        format!("\"{text}\" looks like \"{near}\"; a host of this name needs its port as well")
    };
    refused(&[
        (
            &route("host_header = «\"preserved\"»"),
            &near("preserved", "preserve"),
            "",
        ),
        (
            &route("host_header = «\"Upstream\"»"),
            &near("Upstream", "upstream"),
            "",
        ),
        (
            &route("host_header = «\"http://a.example\"»"),
            &none("http://a.example", "leave out the scheme"),
            "",
        ),
        (
            &route("host_header = «\"a.example/x\"»"),
            &none("a.example/x", "leave out the path"),
            "",
        ),
        (
            &route("host_header = «\"a.example:0\"»"),
            &none("a.example:0", "a port is a number between 1 and 65535"),
            "",
        ),
        (
            &route("host_header = «\"::1\"»"),
            &none("::1", "an IPv6 address is written in brackets, as \"[::1]\""),
            "",
        ),
        (
            &route("host_header = «true»"),
            "`host_header` must be a string, but this is true or false",
            "",
        ),
    ]);
}

#[test]
fn headers_on_the_way_down_leave_the_framing_alone() {
    for name in [
        "Connection",
        "content-length",
        "Keep-Alive",
        "Proxy-Authenticate",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Sec-WebSocket-Accept",
    ] {
        let message = format!("`{name}` says where an answer ends, or belongs to a single connection");
        refused(&[(
            &route(&format!("response_headers = {{ «{name}» = \"x\" }}")),
            &message,
            "",
        )]);
    }
    refused(&[
        (
            &route("response_headers = { «\"a b\"» = \"x\" }"),
            "\"a b\" is no header name",
            "",
        ),
        (
            &route("response_headers = { Server = \"\", «server» = \"x\" }"),
            "`server` is set twice in this route",
            "",
        ),
        (
            &route("response_headers = { X-A = «\"a\\r\\nX-Evil: 1\"» }"),
            "a header's value is printable ASCII here",
            "",
        ),
        (
            &route("response_headers = { Set-Cookie = «\"a=1\"» }"),
            "`set-cookie` would take the place of all of the app's cookies; it can only be taken out, with \"\"",
            "",
        ),
        (
            &route("response_headers = { X-A = «1» }"),
            "`X-A` must be a string, but this is a number",
            "",
        ),
        (
            &route("cross_origin = «\"deny\"»"),
            "`cross_origin` cannot be \"deny\"; it is one of \"block\", \"allow\"",
            "",
        ),
    ]);
}
