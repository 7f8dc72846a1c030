//! The plain listener that sends people to where TLS is.

use tokio::net::TcpStream;

use super::{clients, head};
use crate::harness::{Gateway, GatewayBuilder, Upstream, Wire, gateway};

const SERVER: &str = "public_url = \"https://wiki.example.com:8443\"\nredirect_http = \"127.0.0.1:0\"";

async fn started(builder: GatewayBuilder, upstream: &Upstream) -> Gateway {
    builder.public("/", upstream).server(SERVER).tls().start().await
}

async fn wire(gateway: &Gateway) -> Wire<TcpStream> {
    Wire::new(TcpStream::connect(gateway.redirect.unwrap()).await.unwrap())
}

#[tokio::test]
async fn everybody_is_sent_to_the_public_url_with_path_and_query() {
    let upstream = Upstream::start();
    let gateway = started(gateway(), &upstream).await;
    for (line, status, place) in [
        ("GET /", 301, "/"),
        ("HEAD /", 301, "/"),
        (
            "GET /wiki/Start?edit=1&q=a+b%20c",
            301,
            "/wiki/Start?edit=1&q=a+b%20c",
        ),
        (
            "GET /?return_to=http://evil.example/",
            301,
            "/?return_to=http://evil.example/",
        ),
        ("GET //evil.example/x", 301, "//evil.example/x"),
        ("GET /@evil.example", 301, "/@evil.example"),
        (
            "GET http://evil.example/x HTTP/1.1\r\nHost: evil.example",
            301,
            "/x",
        ),
        // The gateway's own pages too: nobody is to type a password here.
        ("GET /.auth/login?return_to=/x", 301, "/.auth/login?return_to=/x"),
        ("POST /.auth/login", 308, "/.auth/login"),
        ("PUT /x", 308, "/x"),
        ("DELETE /x?y", 308, "/x?y"),
        ("OPTIONS /x", 308, "/x"),
        ("PROPFIND /x", 308, "/x"),
    ] {
        let mut wire = wire(&gateway).await;
        let request = match line.contains("HTTP/1.1") {
            true => format!("{line}\r\n\r\n"),
            false => head(
                line,
                &["X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https"],
            )
            .replace(": localhost", ": evil.example"),
        };
        wire.send(&request).await;
        let answer = wire.head().await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{line}: {answer}"
        );
        let location = answer.lines().find_map(|line| line.strip_prefix("location: "));
        let expected = format!("https://wiki.example.com:8443{place}");
        assert_eq!(location, Some(&*expected), "{line}");
        assert!(answer.contains("cache-control: no-store"), "{answer}");
        // The connection goes on.
        wire.send(head("GET /again", &[])).await;
        assert!(wire.head().await.contains("/again"), "{line}");
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn what_asks_for_a_certificates_proof_is_not_sent_away() {
    let upstream = Upstream::start();
    let gateway = started(gateway(), &upstream).await;
    for (path, status) in [
        ("/.well-known/acme-challenge/token", 404),
        ("/.well-known/acme-challenge/", 404),
        ("/.well-known/acme-challenge", 404),
        ("//.well-known//acme-challenge/token", 404),
        ("/.well-known/acme%2dchallenge/token", 404),
        ("/.well-known/acme-challenges", 301),
        ("/.well-known/openid-configuration", 301),
        ("/x/.well-known/acme-challenge/token", 301),
    ] {
        let mut wire = wire(&gateway).await;
        wire.send(head(&format!("GET {path}"), &[])).await;
        let answer = wire.answer().await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("location").is_empty(), status == 404, "{path}");
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn what_has_a_second_reading_is_refused_here_as_well() {
    let upstream = Upstream::start();
    let gateway = started(gateway(), &upstream).await;
    for request in [
        "GET /public/../admin HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /%2e%2e/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a%0d%0aSet-Cookie:x=1 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\nab",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}",
    ] {
        let mut wire = wire(&gateway).await;
        wire.send(request).await;
        wire.finish().await;
        let said = String::from_utf8(wire.rest().await).unwrap();
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 400 "),
            "{request:?}: {said}"
        );
        assert!(
            !said.contains("location") && !said.contains("evil"),
            "{request:?}: {said}"
        );
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn its_limits_are_those_of_the_gateway() {
    let upstream = Upstream::start();
    let limits =
        "[server.limits]\nheader_timeout = \"1s\"\nidle_timeout = \"1s\"\nmax_header_bytes = \"8KiB\"";
    let gateway = started(gateway().table(limits), &upstream).await;
    let mut silent = wire(&gateway).await;
    silent.ends().await;
    let mut slow = wire(&gateway).await;
    slow.send("GET / HTTP/1.1\r\nHost: x\r\nX: ").await;
    assert_eq!(slow.answer().await.status, 408);
    let mut large = wire(&gateway).await;
    let field = format!("X: {}", "x".repeat(9_000));
    let _ = large.offer(head("GET /", &[&field])).await;
    assert_eq!(large.answer().await.status, 431);
    let mut idle = wire(&gateway).await;
    idle.send(head("GET /", &[])).await;
    assert_eq!(idle.answer().await.status, 301);
    idle.ends().await;
    upstream.saw_nothing();
}

#[tokio::test]
async fn a_body_that_was_sent_along_is_never_the_next_request() {
    let upstream = Upstream::start();
    let gateway = started(gateway(), &upstream).await;
    let hidden = head("GET /hidden", &[]);
    let length = format!("Content-Length: {}", hidden.len());
    let mut wire = wire(&gateway).await;
    wire.send(head("POST /form", &[&length])).await;
    wire.send(hidden).await;
    wire.send(head("GET /next", &["Connection: close"])).await;
    let said = String::from_utf8(wire.rest().await).unwrap();
    assert!(said.contains("/form") && !said.contains("/hidden"), "{said}");
    upstream.saw_nothing();
}

#[tokio::test]
async fn each_is_written_down_with_the_client_that_a_trusted_proxy_names() {
    let upstream = Upstream::start();
    let gateway = started(gateway().server("trusted_proxies = \"127.0.0.1\""), &upstream).await;
    let mut wire = wire(&gateway).await;
    for (line, fields, _) in [
        (
            "GET /a?secret",
            &["X-Forwarded-For: 203.0.113.9", "X-Request-Id: abc"][..],
            301,
        ),
        ("POST /b", &["Content-Length: 0"], 308),
        ("GET /.well-known/acme-challenge/x", &[], 404),
    ] {
        wire.send(head(line, fields)).await;
        wire.answer().await;
    }
    drop(wire);
    let log = gateway.stopped();
    assert_eq!(clients(&log), ["203.0.113.9", "127.0.0.1", "127.0.0.1"]);
    let seen: Vec<_> = log
        .iter()
        .map(|line| {
            (
                line["method"].as_str().unwrap(),
                line["path"].as_str().unwrap(),
                line["status"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("GET", "/a", 301),
            ("POST", "/b", 308),
            ("GET", "/.well-known/acme-challenge/x", 404)
        ]
    );
    assert_eq!(log[0]["request_id"], "abc");
    upstream.saw_nothing();
}

#[tokio::test]
async fn the_proxy_protocol_is_spoken_here_too_where_it_is_spoken() {
    let upstream = Upstream::start();
    let server = "proxy_protocol = true\ntrusted_proxies = \"127.0.0.1\"";
    let gateway = started(gateway().server(server), &upstream).await;
    let mut with = wire(&gateway).await;
    with.send("PROXY TCP4 203.0.113.9 192.0.2.1 56324 80\r\n").await;
    with.send(head("GET /", &[])).await;
    assert_eq!(with.answer().await.status, 301);
    let mut without = wire(&gateway).await;
    without.send(head("GET /", &[])).await;
    without.ends().await;
    assert_eq!(clients(&gateway.stopped()), ["203.0.113.9"]);
    upstream.saw_nothing();
}
