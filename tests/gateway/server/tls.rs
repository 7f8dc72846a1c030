//! TLS: which versions and protocols are spoken, and what becomes of those who speak something else.

use crate::harness::{Upstream, Wire, gateway, tls_connect};
use rustls::version::{TLS12, TLS13};

#[tokio::test]
async fn only_versions_that_are_allowed_are_spoken() {
    for (min, version, spoken) in [
        ("1.2", &TLS12, true),
        ("1.2", &TLS13, true),
        ("1.3", &TLS12, false),
        ("1.3", &TLS13, true),
    ] {
        let upstream = Upstream::start();
        let gateway = gateway()
            .public("/", &upstream)
            .tls_with(&format!("min_version = {min:?}"))
            .start()
            .await;
        let connected = tls_connect(gateway.address, &[version], &["http/1.1"]).await;
        let Ok(stream) = connected else {
            assert!(!spoken, "{min} {version:?}");
            upstream.saw_nothing();
            continue;
        };
        assert!(spoken, "{min} {version:?}");
        let mut client = Wire::new(stream);
        client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        client.until("hello").await;
        assert_eq!(upstream.only().header("x-forwarded-proto"), ["https"]);
    }
}

#[tokio::test]
async fn older_versions_are_refused_with_an_alert() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).tls().start().await;
    for (name, minor) in [("SSL 3.0", 0), ("TLS 1.0", 1), ("TLS 1.1", 2)] {
        let mut client = gateway.wire().await;
        client.send(client_hello(minor)).await;
        let said = client.rest().await;
        // A fatal alert (RFC 8446, section 6) and nothing else: handshake_failure or protocol_version.
        assert!(
            matches!(said[..], [21, 3, _, 0, 2, 2, 40 | 70]),
            "{name}: {said:?}"
        );
        upstream.saw_nothing();
    }
}

/// A ClientHello of version 3.`minor` (RFC 4346, section 7.4.1.2) with an RSA and an ECDSA cipher suite of its time.
fn client_hello(minor: u8) -> Vec<u8> {
    let mut hello = vec![3, minor];
    hello.extend([7; 32]);
    hello.push(0);
    hello.extend([0, 4, 0xc0, 0x13, 0xc0, 0x09]);
    hello.extend([1, 0]);
    let mut message = vec![1, 0, 0, hello.len() as u8];
    message.extend(hello);
    let mut record = vec![22, 3, minor.min(1), 0, message.len() as u8];
    record.extend(message);
    record
}

#[tokio::test]
async fn the_protocol_is_agreed_on_in_the_handshake() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).tls().start().await;
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1", "h2"], Some(b"h2")),
        (&["h2"], Some(b"h2")),
        (&["http/1.1"], Some(b"http/1.1")),
        (&["spdy/3", "http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let stream = tls_connect(gateway.address, rustls::ALL_VERSIONS, offered)
            .await
            .unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed, "{offered:?}");
        if agreed == Some(b"h2") {
            let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
            let connection = tokio::spawn(connection);
            let request = http::Request::get("https://localhost/").body(()).unwrap();
            let (answer, _) = client.send_request(request, true).unwrap();
            assert_eq!(answer.await.unwrap().status(), 200);
            connection.abort();
        } else {
            let mut client = Wire::new(stream);
            client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
            client.until("hello").await;
        }
    }
    upstream.forget();
    let nothing_in_common = tls_connect(gateway.address, rustls::ALL_VERSIONS, &["spdy/3"]).await;
    assert!(nothing_in_common.is_err());
    upstream.saw_nothing();
}

#[tokio::test]
async fn plain_http_is_told_that_tls_is_spoken_and_goes_no_further() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).tls().start().await;
    for request in [
        "GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "HEAD /a HTTP/1.0\r\n\r\n".to_owned(),
        format!(
            "POST /.auth/login HTTP/1.1\r\ncontent-length: 100000\r\n\r\n{}",
            "x".repeat(100_000)
        ),
    ] {
        let mut client = gateway.wire().await;
        client.send(request.as_bytes()).await;
        client.finish().await;
        let said = String::from_utf8(client.rest().await).unwrap();
        assert!(said.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{said:?}");
        let (head, body) = said.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{said:?}"
        );
        assert!(body.contains("https://"), "{said:?}");
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn what_is_no_tls_does_no_harm() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).tls().start().await;
    for noise in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        b"GET",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x04\x01\x00\x00\x00",
        b"\x15\x03\x01\x00\x02\x02\x28",
        &[0; 512],
        &[0xff; 512],
    ] {
        let mut client = gateway.wire().await;
        client.send(noise).await;
        client.finish().await;
        let said = client.rest().await;
        // At most an alert: nothing that a request would be answered with.
        assert!(said.is_empty() || said[0] == 21, "{said:?}");
        upstream.saw_nothing();
    }
    let answer = gateway.get("/").send().await.unwrap();
    assert_eq!(answer.status(), 200);
}
