//! Request targets that are no paths, or that name a host of their own.

use super::head;
use crate::harness::{Upstream, gateway};

#[tokio::test]
async fn a_target_that_is_no_path_is_refused() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).start().await;
    for line in [
        "GET *",
        "OPTIONS *",
        "GET admin",
        "GET admin/x",
        "GET localhost",
        "GET localhost:80",
        "GET ?x",
        "GET #x",
        "GET ",
        "GET  /admin",
        "GET /a /b",
        "GET\t/admin",
        "GET http:",
        "GET http:/admin",
        "GET http:///admin",
        "GET http://",
        "GET ://localhost/admin",
        "GET http://localhost?x",
        "GET ftp://localhost/x",
        "GET file://localhost/x",
        "GET javascript://localhost/%0aalert(1)",
        "GET javascript:alert(1)",
        "GET \\\\localhost\\admin",
    ] {
        let mut client = gateway.raw().await;
        client.send(head(line, &[])).await;
        let answer = client.response().await.expect(line);
        assert_eq!(answer.status, 400, "{line}: {}", answer.head);
        assert!(client.is_closed().await, "{line}");
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn an_absolute_target_and_the_host_header_must_agree() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).start().await;
    for (target, hosts, status) in [
        ("http://localhost/", &["localhost"][..], 200),
        ("http://LOCALHOST/", &["localhost"], 200),
        ("http://localhost:80/", &["localhost:80"], 200),
        ("http://evil.example/", &["localhost"], 400),
        ("http://evil.example/", &["localhost", "evil.example"], 400),
        ("http://localhost/", &["localhost", "localhost"], 400),
        ("http://localhost:81/", &["localhost:80"], 400),
        ("http://localhost:80/", &["localhost"], 400),
        ("http://localhost./", &["localhost"], 400),
        ("http://user@localhost/", &["localhost"], 400),
        ("http://user@localhost/", &["user@localhost"], 400),
        ("http://localhost@evil.example/", &["localhost"], 400),
        ("http://localhost#@evil.example/", &["evil.example"], 400),
        ("http://evil.example\\@localhost/", &["localhost"], 400),
        ("http://localhost%2eevil.example/", &["localhost"], 400),
    ] {
        upstream.forget();
        let hosts: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
        let request = format!("GET {target} HTTP/1.1\r\n{hosts}\r\n");
        let answer = gateway.exchange(&request).await.expect(&request);
        assert_eq!(answer.status, status, "{request}{}", answer.head);
        if status != 200 {
            upstream.saw_nothing();
        }
    }
}

#[tokio::test]
async fn connect_and_trace_are_never_forwarded() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).user("alice").start().await;
    let cookie = format!("Cookie: {}", gateway.sign_in("alice").await);
    let host = upstream.url().replace("http://", "");
    for line in [
        "CONNECT /x".to_owned(),
        "CONNECT /.auth/health".to_owned(),
        "CONNECT localhost:80".to_owned(),
        format!("CONNECT {host}"),
        format!("CONNECT http://{host}/x"),
        "TRACE /x".to_owned(),
        "TRACE /.auth/me".to_owned(),
        "TRACE *".to_owned(),
        "TRACE http://localhost/x".to_owned(),
    ] {
        // With a body, which is another request: it is never read as one.
        for body in ["", "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
            let length = format!("Content-Length: {}", body.len());
            let mut client = gateway.raw().await;
            client.send(head(&line, &[&cookie, &length])).await;
            client.send(body).await;
            let answer = client.response().await.expect(&line);
            assert_eq!(answer.status, 405, "{line}: {}", answer.head);
            assert!(client.is_closed().await, "{line}");
        }
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn only_the_exact_name_of_a_method_is_that_method() {
    let upstream = Upstream::start();
    let read_only = "access = \"public\"\nmethods = [\"GET\", \"HEAD\"]";
    let gateway = gateway().route_with("/", &upstream, read_only).start().await;
    for (method, status) in [
        ("POST", 405),
        ("DELETE", 405),
        ("get", 405),
        ("Get", 405),
        ("GETX", 405),
        ("trace", 405),
        ("PRI", 405),
        ("G\u{cb}T", 400),
        ("GET,", 400),
        ("\u{0}GET", 400),
    ] {
        let answer = gateway
            .exchange(head(format!("{method} /"), &[]))
            .await
            .expect(method);
        assert_eq!(answer.status, status, "{method}: {}", answer.head);
    }
    upstream.saw_nothing();
}
