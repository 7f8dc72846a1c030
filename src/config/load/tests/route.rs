//! `[[route]]`.

use http::Method;

use super::*;
use crate::config::{Access, HostPattern, RulePart, TemplatePart};

mod forms;
mod rewriting;
mod upstream;
mod upstreams;

/// A route with these lines more.
fn route(lines: &str) -> String {
    format!("[[route]]\nupstream = \"http://127.0.0.1:3000\"\n{lines}")
}

#[test]
fn everything_that_a_route_can_say_is_taken() {
    let config = config(
        "[[route]]\nname = \"wiki\"\nhost = [\"Wiki.Example.com.\", \"*.wiki.example.com\", \"[::1]\"]\n\
         path = \"/a%20b/c/\"\nmethods = [\"GET\", \"PROPFIND\"]\n\
         access = { roles = [\"staff\", \"it\"], users = \"alice\" }\nupstream = [\"http://App:3000/\"]\n\
         timeout = { connect = \"1s\", response = \"2s\", idle = \"3s\" }\n\
         headers = { \"X-WEBAUTH-USER\" = \"{username}\", X-All = \"a{{{name}}} {email} {roles} {session}\" }\n\
         strip_prefix = true\nmax_body = \"1GiB\"\n",
    );
    let [route] = config.routes.as_slice() else {
        panic!()
    };
    assert_eq!(route.name, "wiki");
    assert_eq!(
        route.hosts,
        [
            HostPattern::Exact("wiki.example.com".to_owned()),
            HostPattern::Wildcard(".wiki.example.com".to_owned()),
            HostPattern::Exact("[::1]".to_owned()),
        ]
    );
    assert_eq!(route.path, [b"a b".to_vec(), b"c".to_vec()]);
    let propfind = Method::from_bytes(b"PROPFIND").unwrap();
    assert_eq!(route.methods, Some(vec![Method::GET, propfind]));
    let parts = vec![
        RulePart::Roles(vec!["staff".to_owned(), "it".to_owned()]),
        RulePart::Users(vec!["alice".to_owned()]),
    ];
    assert_eq!(route.access, Access::Rule(parts));
    assert_eq!(route.upstreams.targets[0].url.to_string(), "http://app:3000");
    assert_eq!(route.timeout.connect, Duration::from_secs(1));
    assert_eq!(route.timeout.response, Duration::from_secs(2));
    assert_eq!(route.timeout.idle, Some(Duration::from_secs(3)));
    let headers: Vec<_> = route
        .headers
        .iter()
        .map(|header| (header.name.as_str(), &header.value.0))
        .collect();
    let literal = |text: &str| TemplatePart::Literal(text.to_owned());
    let all = vec![
        literal("a{"),
        TemplatePart::Name,
        literal("} "),
        TemplatePart::Email,
        literal(" "),
        TemplatePart::Roles,
        literal(" "),
        TemplatePart::Session,
    ];
    assert_eq!(
        headers,
        [("x-all", &all), ("x-webauth-user", &vec![TemplatePart::Username])]
    );
    assert!(route.strip_prefix);
    assert_eq!(route.max_body, Some(1 << 30));
}

#[test]
fn a_condition_that_nothing_meets_is_refused() {
    let leave = "leave it out where it does not matter";
    refused(&[
        (
            &route("host = «[]»"),
            "`host` is empty, so nothing could pass",
            leave,
        ),
        (
            &route("methods = «[]»"),
            "`methods` is empty, so nothing could pass",
            leave,
        ),
        (
            &route("access = { roles = «[]» }"),
            "`roles` is empty, so nothing could pass",
            leave,
        ),
        (
            &route("access = { users = «[]» }"),
            "`users` is empty, so nothing could pass",
            leave,
        ),
        (
            &route("access = { users = [«\"\"»] }"),
            "`users` has an empty entry",
            "",
        ),
        (
            &route("access = { roles = «\"staff,it\"» }"),
            "\"staff,it\" is no role, since it has a comma; write each role as a string of its own",
            "",
        ),
        (
            &route("access = «{}»"),
            "`access` is a table without a condition",
            "write access = \"authenticated\" for everybody who is signed in",
        ),
        (
            &route("access = «[\"staff\"]»"),
            "`access` must be \"authenticated\", \"public\", \"optional\" or a table such as { roles = [\"staff\"] }, but this is a list",
            "",
        ),
        (
            &route("access = «\"publik\"»"),
            "`access` cannot be \"publik\"; it is one of \"authenticated\", \"public\", \"optional\"",
            "did you mean \"public\"?",
        ),
        (
            &route("access = { roles = [«1»] }"),
            "`roles` must be a string, but this is a number",
            "",
        ),
    ]);
}

#[test]
fn headers_have_names_that_are_the_routes_to_set_and_known_placeholders() {
    let ours =
        |name: &str| format!("`{name}` is set by the gateway itself, or belongs to a single connection");
    for name in [
        "Connection",
        "content-length",
        "Cookie",
        "Forwarded",
        "HOST",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "X-Request-Id",
        "X-Forwarded-For",
        "x-forwarded-anything",
        "Proxy-Connection",
        "X-Portcullis-Assertion",
    ] {
        refused(&[(
            &route(&format!("headers = {{ «{name}» = \"x\" }}")),
            &ours(name),
            "",
        )]);
    }
    for (value, message) in [
        ("", "a header's value cannot be empty"),
        (
            "{usrname}",
            "there is no placeholder {usrname}; did you mean {username}?",
        ),
        ("{xyzzyxyzzy}", "there is no placeholder {xyzzyxyzzy}"),
        ("{}", "there is no placeholder {}"),
        (
            "{ username }",
            "there is no placeholder { username }; did you mean {username}?",
        ),
        (
            "{username",
            "a brace stands alone; write {{ or }} for a brace itself",
        ),
        (
            "username}",
            "a brace stands alone; write {{ or }} for a brace itself",
        ),
        (
            "a\\r\\nX-Evil: 1",
            "a header's value cannot contain control characters",
        ),
    ] {
        refused(&[(
            &route(&format!("headers = {{ X-User = «\"{value}\"» }}")),
            message,
            "",
        )]);
    }
    refused(&[
        (
            &route("headers = { «\"a b\"» = \"x\" }"),
            "\"a b\" is no header name",
            "",
        ),
        (
            &route("headers = { «\"\"» = \"x\" }"),
            "\"\" is no header name",
            "",
        ),
        (
            &route("headers = { X-A = \"x\", «x_a» = \"y\" }"),
            "`x_a` is set twice in this route",
            "",
        ),
        (
            &route("headers = { X-A = «1» }"),
            "`X-A` must be a string, but this is a number",
            "",
        ),
        (
            &route("headers = «[]»"),
            "`headers` must be a table, but this is a list",
            "",
        ),
    ]);
}

#[test]
fn times_sizes_and_switches_of_a_route_have_their_kinds() {
    refused(&[
        (
            &route("timeout = { connect = «\"0s\"» }"),
            "`connect` must be longer than zero",
            "",
        ),
        (
            &route("timeout = { response = «\"0s\"» }"),
            "`response` must be longer than zero",
            "",
        ),
        (
            &route("timeout = «\"5s\"»"),
            "`timeout` must be a table, but this is a string",
            "",
        ),
        (
            &route("strip_prefix = «\"yes\"»"),
            "`strip_prefix` must be true or false, but this is a string",
            "",
        ),
        (
            &route("max_body = «1»"),
            "`max_body` must be a size such as \"64KiB\", but this is a number",
            "",
        ),
        (
            &route("host = «1»"),
            "`host` must be a string or a list of strings, but this is a number",
            "",
        ),
        (
            &route("path = «[\"/a\"]»"),
            "`path` must be a string, but this is a list",
            "",
        ),
    ]);
    assert_eq!(
        config(&route("timeout = { idle = \"0s\" }")).routes[0]
            .timeout
            .idle,
        None
    );
}

#[test]
fn two_routes_for_the_same_requests_clash() {
    let clashes = "this route answers the same requests as the one on line 1";
    let advice = "give them different hosts, paths or methods";
    let second = |lines: &str| format!("«[[route]]»\nupstream = \"http://b\"\n{lines}");
    for (first, other) in [
        ("", ""),
        ("", "path = \"/\""),
        ("path = \"/a\"", "path = \"/%61/\""),
        ("host = \"a\"", "host = \"A.\""),
        ("host = [\"a\", \"b\"]", "host = [\"c\", \"b\"]"),
        ("host = \"*.a\"", "host = \"*.A\""),
        ("methods = \"GET\"", ""),
        ("methods = [\"GET\", \"HEAD\"]", "methods = \"HEAD\""),
        ("access = \"public\"", "access = { roles = \"x\" }"),
    ] {
        refused(&[(&format!("{}\n{}", route(first), second(other)), clashes, advice)]);
    }
    for (first, other) in [
        ("path = \"/a\"", "path = \"/b\""),
        ("path = \"/a\"", "path = \"/a/b\""),
        ("path = \"/a\"", "path = \"/A\""),
        ("host = \"a\"", "host = \"b\""),
        ("host = \"a.b\"", "host = \"*.b\""),
        ("host = \"a\"", ""),
        ("methods = \"GET\"", "methods = \"POST\""),
    ] {
        let text = format!("{}\n{}", route(first), second(other)).replace(['«', '»'], "");
        assert_eq!(config(&text).routes.len(), 2, "{text}");
    }
}

#[test]
fn a_route_that_leads_back_to_the_gateway_is_refused() {
    let text = |listen: &str, upstream: &str| {
        let server = format!("[server]\nlisten = {listen}\npublic_url = \"https://a\"\n");
        format!("{server}[[route]]\nupstream = «\"{upstream}\"»\n")
    };
    let advice = "name the address of the app; the two cannot share a port";
    for (listen, upstream, own) in [
        ("\"127.0.0.1:80\"", "http://127.0.0.1", "127.0.0.1:80"),
        ("\"127.0.0.1:3000\"", "http://localhost:3000", "127.0.0.1:3000"),
        ("\"[::1]:3000\"", "http://[::1]:3000", "[::1]:3000"),
        ("\"[::1]:3000\"", "http://LOCALHOST:3000", "[::1]:3000"),
        ("\"0.0.0.0:3000\"", "http://127.0.0.1:3000", "0.0.0.0:3000"),
        ("\"0.0.0.0:3000\"", "http://0.0.0.0:3000", "0.0.0.0:3000"),
        ("\"[::]:3000\"", "http://127.0.0.2:3000", "[::]:3000"),
        (
            "[\"127.0.0.1:1\", \"10.0.0.1:2\"]",
            "http://10.0.0.1:2",
            "10.0.0.1:2",
        ),
    ] {
        let message = format!("this is the gateway itself, which listens on {own}");
        refused(&[(&text(listen, upstream), &message, advice)]);
    }
    for (listen, upstream) in [
        ("\"127.0.0.1:8443\"", "http://127.0.0.1:3000"),
        ("\"127.0.0.1:3000\"", "http://127.0.0.2:3000"),
        ("\"0.0.0.0:3000\"", "http://app:3000"),
        ("\"0.0.0.0:3000\"", "http://10.0.0.1:3000"),
        ("\"10.0.0.1:3000\"", "http://localhost:3000"),
    ] {
        let text = text(listen, upstream).replace(['«', '»'], "");
        assert_eq!(config(&text).routes.len(), 1, "{text}");
    }
}

#[test]
fn every_route_has_a_name_of_its_own() {
    let text = [
        "host = [\"wiki.example.com\", \"w\"]\npath = \"/edit\"",
        "host = \"*.example.com\"",
        "path = \"/a b/ö\"",
        "",
        "host = \"x\"",
        "name = \"root\"\nhost = \"y\"",
    ]
    .map(route)
    .join("\n");
    let names: Vec<String> = config(&text).routes.into_iter().map(|route| route.name).collect();
    assert_eq!(
        names,
        [
            "wiki.example.com-edit",
            "any.example.com",
            "a_b-_",
            "root-2",
            "x",
            "root"
        ]
    );
    let twice = format!(
        "{}\n{}",
        route("name = \"a\""),
        route("path = \"/b\"\nname = «\"a\"»")
    );
    refused(&[(&twice, "the route on line 1 is called \"a\" as well", "")]);
}

#[test]
fn doors_that_stand_open_are_warned_of() {
    let secure = "[server]\npublic_url = \"https://a\"\n";
    warned(&[
        (
            &format!("{secure}«[[route]]»\nupstream = \"http://a\"\naccess = \"public\""),
            "every route is public, so nobody will ever be asked to sign in",
            "leave `access` out where people should sign in",
        ),
        (
            &format!(
                "{secure}[[route]]\nupstream = \"http://a\"\naccess = «\"public\"»\n[[route]]\npath = \"/admin\"\nupstream = \"http://a\""
            ),
            "this route is public, and the one on line 6 below it is not",
            "an app that ignores the case of paths, or rewrites them, would show the second through the first",
        ),
    ]);
}
