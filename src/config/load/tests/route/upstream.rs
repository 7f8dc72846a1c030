//! `upstream` and `upstream_tls`.

use super::*;

#[test]
fn an_upstream_has_one_of_four_forms() {
    for (text, url) in [
        ("http://localhost", "http://localhost:80"),
        ("http://App.internal:3000/", "http://app.internal:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("https://app", "https://app:443"),
        ("https://192.0.2.1:8443/", "https://192.0.2.1:8443"),
        ("h2c://app:50051", "h2c://app:50051"),
        ("h2c://[::1]", "h2c://[::1]:80"),
        ("unix:/run/app.sock", "unix:/run/app.sock"),
        ("unix:/run/an app", "unix:/run/an app"),
    ] {
        let route = &config(&format!("[[route]]\nupstream = \"{text}\"")).routes[0];
        assert_eq!(route.upstreams.targets[0].url.to_string(), url);
    }
}

#[test]
fn what_is_no_upstream_is_refused() {
    let write = "write its address, such as \"http://127.0.0.1:3000\"; it begins with http://, https://, h2c:// or unix:";
    let path =
        "it cannot have a path; what a route's `path` begins with can be taken off with `strip_prefix`";
    let port = "a port is a number between 1 and 65535";
    let whole = "a socket is named by its whole path, as in \"unix:/run/app.sock\"";
    let long = format!("unix:/{}", "a".repeat(107));
    for (text, why) in [
        ("", write),
        ("127.0.0.1:3000", write),
        ("localhost", write),
        ("ws://a", write),
        ("HTTP://a", write),
        ("http://", "it is no URL"),
        ("http://a b", "it is no URL"),
        ("http://a/app", path),
        ("h2c://a?x", path),
        ("http://a/#x", path),
        ("http://a:", port),
        ("https://a:0", port),
        ("http://a:65536", port),
        ("h2c://a:x", port),
        (
            "http://*",
            "letters, digits and \"-\", in labels with dots between them, make one",
        ),
        ("unix:", whole),
        ("unix:app.sock", whole),
        ("unix://run/app.sock", whole),
    ] {
        let message = format!("\"{text}\" is no upstream: {why}");
        refused(&[(&format!("[[route]]\nupstream = «\"{text}\"»"), &message, "")]);
    }
    // Its line is too long to be shown whole.
    let said = shown(&format!("[[route]]\nupstream = \"{long}\""), Severity::Error).join("\n");
    assert!(
        said.contains("the path of a socket has at most 107 bytes"),
        "{said}"
    );
    let say = "say where it leads: upstream = \"http://127.0.0.1:3000\"";
    refused(&[
        ("«[[route]]»\npath = \"/\"", "this route has no `upstream`", say),
        ("[[route]]\nupstream = «[]»", "`upstream` is empty", say),
        (
            "[[route]]\nupstream = «3000»",
            "`upstream` must be an address such as \"http://127.0.0.1:3000\", a table such as \
             { url = \"http://127.0.0.1:3000\", weight = 2 }, or a list of them, but this is a number",
            "",
        ),
    ]);
}

#[test]
fn files_of_upstream_tls_are_found_beside_the_configuration() {
    let config = config(
        "[[route]]\nupstream = \"https://app\"\n\
         upstream_tls = { ca = \"ca.pem\", cert = \"a.crt\", key = \"/etc/a.key\", server_name = \"app.internal\" }",
    );
    let tls = &config.routes[0].upstream_tls;
    assert_eq!(tls.ca.as_deref(), Some(Path::new("/etc/portcullis/ca.pem")));
    let (cert, key) = tls.identity.clone().unwrap();
    assert_eq!(cert, Path::new("/etc/portcullis/a.crt"));
    assert_eq!(key, Path::new("/etc/a.key"));
    assert_eq!(tls.server_name.as_ref().unwrap().to_str(), "app.internal");
}

#[test]
fn upstream_tls_checks_always_and_says_what_it_does_not_know() {
    let route = |tls: &str| format!("[[route]]\nupstream = \"https://app\"\nupstream_tls = {tls}");
    let keys = "the keys here are ca, cert, key, server_name";
    for switch in [
        "verify",
        "insecure",
        "skip_verify",
        "insecure_skip_verify",
        "tls_verify",
    ] {
        let message = format!("unknown key `{switch}` in `upstream_tls`");
        refused(&[(&route(&format!("{{ «{switch}» = false }}")), &message, keys)]);
    }
    let both = "`cert` and `key` of `upstream_tls` belong together, and one is missing";
    let neither = "name both, or neither where the upstream asks for no certificate";
    refused(&[
        (&route("«{ cert = \"a.crt\" }»"), both, neither),
        (&route("«{ key = \"a.key\" }»"), both, neither),
        (
            &route("{ «cas» = \"ca.pem\" }"),
            "unknown key `cas` in `upstream_tls`",
            "did you mean `ca`?",
        ),
        (
            &route("{ server_name = «\"app:443\"» }"),
            "\"app:443\" is no name of a server: write a host name or an address, without a port",
            "",
        ),
        (
            &route("«true»"),
            "`upstream_tls` must be a table, but this is true or false",
            "",
        ),
        (
            "[[route]]\nupstream = \"http://app\"\nupstream_tls = «{ ca = \"ca.pem\" }»",
            "`upstream_tls` is for upstreams that begin with https://, and this route's does not",
            "without TLS nothing is checked; leave `upstream_tls` out, or write https://",
        ),
    ]);
}
