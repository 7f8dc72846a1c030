//! What a trusted proxy says of the scheme and the host: it is told to the app, and decides nothing, but that the scheme
//! tells our own pages from others.

use super::{TRUSTED, ask_from, head, trusting, wire_from};
use crate::harness::{PASSWORD, Upstream, gateway};

#[tokio::test]
async fn scheme_and_host_are_told_to_the_app_and_change_nothing_else() {
    let upstream = Upstream::start();
    let gateway = trusting(&upstream).await;
    for (source, fields, scheme, host) in [
        (
            "127.0.0.1",
            &[
                "X-Forwarded-Proto: https",
                "X-Forwarded-Host: wiki.example.com:8443",
            ][..],
            "https",
            "wiki.example.com:8443",
        ),
        (
            "127.0.0.1",
            &["Forwarded: for=203.0.113.9;proto=https;host=wiki.example.com"],
            "https",
            "wiki.example.com",
        ),
        (
            "127.0.0.1",
            &["X-Forwarded-Proto: gopher", "X-Forwarded-Host: a b"],
            "http",
            "localhost",
        ),
        (
            "127.0.0.1",
            &["X-Forwarded-Proto: https", "X-Forwarded-Proto: http"],
            "http",
            "localhost",
        ),
        (
            "127.0.0.1",
            &["X-Forwarded-Host: a.example, b.example"],
            "http",
            "localhost",
        ),
        (
            "127.0.0.2",
            &["X-Forwarded-Proto: https", "X-Forwarded-Host: evil"],
            "http",
            "localhost",
        ),
        (
            "127.0.0.2",
            &["Forwarded: for=6.6.6.6;proto=https;host=evil"],
            "http",
            "localhost",
        ),
    ] {
        upstream.forget();
        assert_eq!(
            ask_from(source, &gateway, "GET /public", fields).await.status,
            200
        );
        let request = upstream.only();
        assert_eq!(
            request.header("x-forwarded-proto"),
            [scheme],
            "{source} {fields:?}"
        );
        assert_eq!(request.header("x-forwarded-host"), [host], "{source} {fields:?}");
        assert_eq!(request.header("host"), ["localhost"], "{source} {fields:?}");
        let forwarded = request.header("forwarded").join("|");
        assert!(
            forwarded.ends_with(&format!(";host=\"{host}\";proto={scheme}")),
            "{forwarded}"
        );
    }

    // Our own answers: cookies, links and redirects follow from `public_url`, which is plain HTTP here.
    upstream.forget();
    let lies = [
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Prefix: /evil.example",
    ];
    let signing_in = serde_json::json!({ "username": "alice", "password": PASSWORD }).to_string();
    let length = format!("Content-Length: {}", signing_in.len());
    for (line, body, page) in [
        ("GET /.auth/login?return_to=/admin", "", true),
        ("GET /admin", "", true),
        ("GET /admin", "", false),
        ("GET /nothing", "", true),
        ("POST /.auth/login", &*signing_in, false),
    ] {
        let mut fields = lies.to_vec();
        if page {
            fields.extend(["Accept: text/html", "Sec-Fetch-Mode: navigate"]);
        }
        if !body.is_empty() {
            fields.extend(["Content-Type: application/json", &length]);
        }
        let mut wire = wire_from("127.0.0.1", gateway.address).await;
        wire.send(head(line, &fields)).await;
        wire.send(body).await;
        let answer = wire.answer().await;
        let all = format!("{}{}", answer.head, answer.text());
        assert!(
            !all.contains("evil") && !all.contains("; Secure") && !all.contains("Domain"),
            "{line}: {all}"
        );
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn a_route_is_chosen_by_what_was_really_asked_for_even_behind_a_proxy() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route_with("/", &upstream, "host = \"admin.example\"")
        .route_with("/", &upstream, "host = \"public.example\"\naccess = \"public\"")
        .route_with("/admin", &upstream, "host = \"public.example\"")
        .server(TRUSTED)
        .start()
        .await;
    let claims = [
        "X-Forwarded-Host: public.example",
        "Forwarded: for=203.0.113.9;host=public.example",
        "X-Forwarded-Uri: /public",
        "X-Original-URL: /public",
        "X-Original-URI: /public",
        "X-Rewrite-URL: /public",
        "X-Forwarded-Prefix: /public",
        "X-Forwarded-Method: OPTIONS",
        "X-Forwarded-Server: public.example",
        "X-Original-Host: public.example",
    ];
    for source in ["127.0.0.1", "127.0.0.2"] {
        for claim in claims {
            for (host, path) in [("admin.example", "/"), ("public.example", "/admin")] {
                let mut wire = wire_from(source, gateway.address).await;
                wire.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{claim}\r\n\r\n"))
                    .await;
                assert_eq!(wire.answer().await.status, 401, "{source} {claim} {host}{path}");
            }
        }
    }
    upstream.saw_nothing();
    let mut wire = wire_from("127.0.0.1", gateway.address).await;
    let admin = "X-Forwarded-Host: admin.example";
    wire.send(format!(
        "GET / HTTP/1.1\r\nHost: public.example\r\n{admin}\r\n\r\n"
    ))
    .await;
    assert_eq!(wire.answer().await.status, 200, "it is told, no more");
    assert_eq!(upstream.only().header("x-forwarded-host"), ["admin.example"]);
}

#[tokio::test]
async fn what_only_the_gateway_may_say_is_taken_out_of_a_trusted_proxys_requests_as_well() {
    let upstream = Upstream::start();
    let gateway = trusting(&upstream).await;
    let names = [
        "Remote-User",
        "Remote_User",
        "X-Forwarded-User",
        "X_Forwarded_User",
        "X-Forwarded-Groups",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Uri",
        "X-Forwarded-Server",
        "X-Forwarded-Ssl",
        "X-Real-IP",
        "X-Original-URL",
        "X-Portcullis-Assertion",
        "X_Forwarded_Proto",
        "X.Forwarded.Host",
        "Trace_Parent",
        "Proxy",
    ];
    let mut fields: Vec<String> = names.iter().map(|name| format!("{name}: mallory")).collect();
    fields.retain(|field| !field.starts_with("Trace_"));
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    assert_eq!(
        ask_from("127.0.0.1", &gateway, "GET /public", &fields)
            .await
            .status,
        200
    );
    let request = upstream.only();
    assert!(!request.head.contains("mallory"), "{}", request.head);
}

#[tokio::test]
async fn our_own_pages_have_the_scheme_that_a_trusted_proxy_names() {
    let upstream = Upstream::start();
    let gateway = trusting(&upstream).await;
    let cookie = format!("cookie: {}", gateway.sign_in("alice").await);
    let (http, https) = ("origin: http://localhost", "origin: https://localhost");
    let by_https = "X-Forwarded-Proto: https";
    for (source, fields, expected) in [
        ("127.0.0.1", &[http][..], 200),
        ("127.0.0.1", &[https], 403),
        ("127.0.0.1", &[https, by_https], 200),
        ("127.0.0.1", &[http, by_https], 403),
        // The host is the one that the request has come to, whatever else is said.
        (
            "127.0.0.1",
            &["origin: http://evil.com", "X-Forwarded-Host: evil.com"],
            403,
        ),
        ("127.0.0.2", &[https, by_https], 403),
        ("127.0.0.2", &[http, by_https], 200),
    ] {
        let with_cookie = [&[cookie.as_str()], fields].concat();
        let answer = ask_from(source, &gateway, "DELETE /admin", &with_cookie).await;
        assert_eq!(answer.status, expected, "{source} {fields:?}");
        if expected == 403 {
            let answer = ask_from(source, &gateway, "POST /.auth/logout", &with_cookie).await;
            assert_eq!(answer.status, 403, "{source} {fields:?}");
        }
    }
}
