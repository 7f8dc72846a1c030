//! How the values of `[[route]]` are written.

use super::*;

/// Holds that each value of a key is refused in these words, `{}` standing for the value.
#[track_caller]
fn values_refused(key: &str, rows: &[(&str, &str)]) {
    for (value, message) in rows {
        let message = message.replace("{}", value);
        refused(&[(&route(&format!("{key} = «'{value}'»")), &message, "")]);
    }
}

#[test]
fn hosts_and_paths_have_one_form() {
    for (host, pattern) in [
        ("localhost", "localhost"),
        ("WIKI.example.com", "wiki.example.com"),
        ("wiki.example.com.", "wiki.example.com"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:DB8::0:1]", "[2001:db8::1]"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("my_app", "my_app"),
    ] {
        let config = config(&route(&format!("host = \"{host}\"")));
        assert_eq!(
            config.routes[0].hosts,
            [HostPattern::Exact(pattern.to_owned())],
            "{host}"
        );
    }
    for (path, segments) in [
        ("/", &[][..]),
        ("/a", &["a"]),
        ("/a/", &["a"]),
        ("/a/b.c", &["a", "b.c"]),
        ("/%61", &["a"]),
        ("/a b", &["a b"]),
        ("/wörter", &["wörter"]),
        ("/w%C3%B6rter", &["wörter"]),
        ("/100%25", &["100%"]),
        ("/~u/@v:w", &["~u", "@v:w"]),
        ("/...", &["..."]),
        ("/.authors", &[".authors"]),
        ("/x/.auth", &["x", ".auth"]),
    ] {
        let config = config(&route(&format!("path = \"{path}\"")));
        let found: Vec<_> = config.routes[0]
            .path
            .iter()
            .map(|one| String::from_utf8_lossy(one))
            .collect();
        assert_eq!(found, segments, "{path}");
    }
}

#[test]
fn what_is_no_host_is_refused() {
    let host = "\"{}\" is no host of a route: ";
    let rows = [
        (
            "",
            "letters, digits and \"-\", in labels with dots between them, make one",
        ),
        ("*", "a route without `host` answers every host"),
        (
            "*.",
            "letters, digits and \"-\", in labels with dots between them, make one",
        ),
        (
            "a.*.b",
            "a wildcard is the whole first label, as in \"*.example.com\"",
        ),
        (
            "*a.b",
            "a wildcard is the whole first label, as in \"*.example.com\"",
        ),
        (
            "*.*.b",
            "a wildcard is the whole first label, as in \"*.example.com\"",
        ),
        ("*.192.0.2.1", "only names have names below them"),
        ("*.[::1]", "only names have names below them"),
        (
            "wiki:8443",
            "a route answers a host on every port; leave the port out",
        ),
        (
            "*.wiki:8443",
            "a route answers a host on every port; leave the port out",
        ),
        (
            "[::1]:8443",
            "a route answers a host on every port; leave the port out",
        ),
        ("::1", "an IPv6 address is written in brackets, as \"[::1]\""),
        ("[::1", "an IPv6 address is written as \"[::1]\", without a port"),
        ("https://wiki.example.com", "leave out the scheme"),
        ("wiki.example.com/edit", "leave out the path"),
        (
            "wiki example",
            "letters, digits and \"-\", in labels with dots between them, make one",
        ),
        (
            "a..b",
            "letters, digits and \"-\", in labels with dots between them, make one",
        ),
        (
            ".a",
            "letters, digits and \"-\", in labels with dots between them, make one",
        ),
        (
            "bücher.example",
            "write it as browsers send it, in the ASCII form that begins with \"xn--\"",
        ),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(value, why)| (*value, format!("{host}{why}")))
        .collect();
    let rows: Vec<_> = rows
        .iter()
        .map(|(value, message)| (*value, message.as_str()))
        .collect();
    values_refused("host", &rows);
}

#[test]
fn what_is_no_path_is_refused() {
    let rows = [
        ("", "it must begin with \"/\""),
        ("a", "it must begin with \"/\""),
        ("https://a/", "it must begin with \"/\""),
        ("/a?b", "it cannot contain \"?\""),
        ("/a#b", "it cannot contain \"#\""),
        ("/a;b", "it cannot contain \";\""),
        ("/a*", "it cannot contain \"*\""),
        ("/a\\b", "it cannot contain \"\\\\\""),
        ("//", "it has an empty segment (\"//\")"),
        ("/a//b", "it has an empty segment (\"//\")"),
        ("/.", "it has a dot segment"),
        ("/a/../b", "it has a dot segment"),
        ("/a/%2e%2E/b", "it has a dot segment"),
        (
            "/a%2Fb",
            "it has an encoded slash, backslash, semicolon or control character",
        ),
        (
            "/a%5cb",
            "it has an encoded slash, backslash, semicolon or control character",
        ),
        (
            "/a%3bb",
            "it has an encoded slash, backslash, semicolon or control character",
        ),
        (
            "/a%00",
            "it has an encoded slash, backslash, semicolon or control character",
        ),
        (
            "/a%7f",
            "it has an encoded slash, backslash, semicolon or control character",
        ),
        (
            "/100%",
            "\"%\" begins a code of two hexadecimal digits; write \"%25\" for the character itself",
        ),
        (
            "/a%zz",
            "\"%\" begins a code of two hexadecimal digits; write \"%25\" for the character itself",
        ),
        (
            "/a%2",
            "\"%\" begins a code of two hexadecimal digits; write \"%25\" for the character itself",
        ),
        ("/.auth", "addresses under /.auth are the gateway's own"),
        ("/.auth/login", "addresses under /.auth are the gateway's own"),
        ("/%2eauth", "addresses under /.auth are the gateway's own"),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(value, why)| (*value, format!("\"{{}}\" is no path of a route: {why}")))
        .collect();
    let rows: Vec<_> = rows
        .iter()
        .map(|(value, message)| (*value, message.as_str()))
        .collect();
    values_refused("path", &rows);
}

#[test]
fn methods_and_names_have_a_form() {
    values_refused(
        "methods",
        &[
            ("", "\"{}\" is no HTTP method"),
            ("GET POST", "\"{}\" is no HTTP method"),
            ("get", "methods are case-sensitive: write \"GET\" for \"{}\""),
            ("CONNECT", "CONNECT is never forwarded"),
            ("TRACE", "TRACE is never forwarded"),
        ],
    );
    values_refused(
        "name",
        &[
            (
                "",
                "\"{}\" is no name for a route: up to 100 letters, digits, \".\", \"-\" and \"_\" make one",
            ),
            (
                "a b",
                "\"{}\" is no name for a route: up to 100 letters, digits, \".\", \"-\" and \"_\" make one",
            ),
            (
                "a/b",
                "\"{}\" is no name for a route: up to 100 letters, digits, \".\", \"-\" and \"_\" make one",
            ),
        ],
    );
}
