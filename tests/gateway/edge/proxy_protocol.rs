//! The PROXY protocol: a proxy that only passes bytes on says in front of them whose they are.

use tokio::net::TcpStream;

use super::{clients, head, wire_from};
use crate::harness::{Gateway, GatewayBuilder, Upstream, Wire, gateway, tls_over};

/// The proxy is 127.0.0.1, and another one, which it may name, in 10.0.0.0/8.
const SPOKEN: &str = "proxy_protocol = true\ntrusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]";

const V1: &[u8] = b"PROXY TCP4 203.0.113.9 192.0.2.1 56324 443\r\n";

async fn started(builder: GatewayBuilder, upstream: &Upstream) -> Gateway {
    builder
        .public("/", upstream)
        .route("/admin", upstream)
        .server(SPOKEN)
        .start()
        .await
}

/// A header of version 2.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    bytes.extend([command, family]);
    bytes.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
    bytes.extend(rest);
    bytes
}

/// Addresses of TCP over IPv4, from 203.0.113.9.
const ADDRESSES: [u8; 12] = [203, 0, 113, 9, 192, 0, 2, 1, 0xdc, 0x04, 0x01, 0xbb];

fn v2_of(source: &str) -> Vec<u8> {
    let source: std::net::Ipv6Addr = source.parse().unwrap();
    v2(
        0x21,
        0x21,
        &[&source.octets()[..], &[0; 16], &[0, 1, 0, 2]].concat(),
    )
}

async fn proxy(gateway: &Gateway) -> Wire<TcpStream> {
    wire_from("127.0.0.1", gateway.address).await
}

#[tokio::test]
async fn a_header_says_whose_all_requests_of_its_connection_are() {
    let upstream = Upstream::start();
    let gateway = started(gateway(), &upstream).await;
    let mut expected = Vec::new();
    // The header; the client; whether the app is told of an address.
    for (header, client) in [
        (V1.to_vec(), "203.0.113.9"),
        (
            b"PROXY TCP6 2001:db8::9 ::1 56324 443\r\n".to_vec(),
            "2001:db8::9",
        ),
        (
            b"PROXY TCP6 ::ffff:203.0.113.9 ::1 56324 443\r\n".to_vec(),
            "203.0.113.9",
        ),
        (v2(0x21, 0x11, &ADDRESSES), "203.0.113.9"),
        // What follows the addresses is of no interest: a certificate's name, a checksum, padding.
        (
            v2(
                0x21,
                0x11,
                &[&ADDRESSES[..], b"\x02\x00\x04wiki", &[0x04; 300]].concat(),
            ),
            "203.0.113.9",
        ),
        (v2_of("2001:db8::9"), "2001:db8::9"),
        (v2_of("::ffff:203.0.113.9"), "203.0.113.9"),
        // Nobody is named: the peer is who it is.
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (
            b"PROXY UNKNOWN 203.0.113.9 192.0.2.1 56324 443\r\n".to_vec(),
            "127.0.0.1",
        ),
        (v2(0x20, 0x00, b""), "127.0.0.1"),
        (v2(0x20, 0x11, &ADDRESSES), "127.0.0.1"),
        (v2(0x21, 0x00, b""), "127.0.0.1"),
        (v2(0x21, 0x31, &[b'a'; 216]), "127.0.0.1"),
    ] {
        let mut wire = proxy(&gateway).await;
        // All at once, and what follows it is a request.
        wire.send([&header[..], head("GET /", &[]).as_bytes()].concat())
            .await;
        assert_eq!(wire.answer().await.status, 200);
        // Of a client's own words nothing is believed: the proxy has only passed them on.
        wire.send(head(
            "GET /",
            &[
                "X-Forwarded-For: 6.6.6.6",
                "X-Forwarded-Proto: https",
                "X-Request-Id: evil",
            ],
        ))
        .await;
        assert_eq!(wire.answer().await.status, 200);
        for request in upstream.received() {
            assert_eq!(request.header("x-forwarded-for"), [client], "{header:?}");
            assert_eq!(request.header("x-forwarded-proto"), ["http"]);
            assert!(!request.head.contains("evil"), "{}", request.head);
        }
        assert_eq!(upstream.received().len(), 2);
        upstream.forget();
        wire.send(head("GET /admin", &[])).await;
        assert_eq!(wire.answer().await.status, 401);
        upstream.saw_nothing();
        expected.extend([client; 3]);
    }
    assert_eq!(clients(&gateway.stopped()), expected);
}

#[tokio::test]
async fn a_client_that_is_a_trusted_proxy_itself_is_believed() {
    let upstream = Upstream::start();
    let gateway = started(gateway(), &upstream).await;
    for (source, told) in [("10.1.2.3", "198.51.100.1, 10.1.2.3"), ("11.1.2.3", "11.1.2.3")] {
        let mut wire = proxy(&gateway).await;
        wire.send(format!("PROXY TCP4 {source} 192.0.2.1 56324 443\r\n"))
            .await;
        wire.send(head("GET /", &["X-Forwarded-For: 198.51.100.1"])).await;
        assert_eq!(wire.answer().await.status, 200);
        assert_eq!(upstream.only().header("x-forwarded-for"), [told]);
        upstream.forget();
    }
    assert_eq!(clients(&gateway.stopped()), ["198.51.100.1", "11.1.2.3"]);
}

#[tokio::test]
async fn a_header_may_come_in_pieces() {
    let upstream = Upstream::start();
    let gateway = started(gateway(), &upstream).await;
    let whole = [V1, head("GET /", &[]).as_bytes()].concat();
    let second = [&v2(0x21, 0x11, &ADDRESSES)[..], head("GET /", &[]).as_bytes()].concat();
    for bytes in [whole, second] {
        for cut in [1, 5, 6, 12, 13, 14, 15, 16, 20, 27, 28] {
            let mut wire = proxy(&gateway).await;
            let (start, rest) = bytes.split_at(cut);
            wire.send(start).await;
            // The gateway has them by the time another connection is answered.
            let mut other = proxy(&gateway).await;
            other
                .send([V1, head("GET /.auth/health", &[]).as_bytes()].concat())
                .await;
            assert_eq!(other.answer().await.status, 200);
            wire.send(rest).await;
            assert_eq!(wire.answer().await.status, 200, "{cut}");
            assert_eq!(
                upstream.only().header("x-forwarded-for"),
                ["203.0.113.9"],
                "{cut}"
            );
            upstream.forget();
        }
    }
}

#[tokio::test]
async fn connections_of_others_and_those_without_a_header_are_closed_without_a_word() {
    let upstream = Upstream::start();
    let gateway = started(gateway(), &upstream).await;
    let request = head("GET /", &[]);
    let v2 = v2(0x21, 0x11, &ADDRESSES);
    for (source, start) in [
        // Nobody who is not trusted may name anybody, or say anything.
        ("127.0.0.2", V1),
        ("127.0.0.2", &v2[..]),
        ("127.0.0.2", b"PROXY TCP4 127.0.0.1 192.0.2.1 56324 443\r\n"),
        ("127.0.0.2", b"PROXY UNKNOWN\r\n"),
        ("127.0.0.2", b""),
        // A trusted proxy must.
        ("127.0.0.1", b""),
        ("127.0.0.1", b"\r\n"),
        ("127.0.0.1", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("127.0.0.1", b"PROXY TCP4 203.0.113.9 192.0.2.1 56324\r\n"),
        ("127.0.0.1", b"PROXY TCP4 203.0.113.999 192.0.2.1 56324 443\r\n"),
        ("127.0.0.1", b"PROXY UDP4 203.0.113.9 192.0.2.1 56324 443\r\n"),
        ("127.0.0.1", b"PROXY TCP4 203.0.113.9 192.0.2.1 56324 443\n"),
        ("127.0.0.1", b"proxy TCP4 203.0.113.9 192.0.2.1 56324 443\r\n"),
        ("127.0.0.1", b" PROXY TCP4 203.0.113.9 192.0.2.1 56324 443\r\n"),
        ("127.0.0.1", &v2[1..]),
        ("127.0.0.1", b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c"),
        ("127.0.0.1", b"\r\n\r\n\0\r\nQUIT\n\x21\x12\0\x0c"),
        ("127.0.0.1", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0b"),
        ("127.0.0.1", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"),
    ] {
        let mut wire = wire_from(source, gateway.address).await;
        let _ = wire.offer([start, request.as_bytes()].concat()).await;
        wire.ends().await;
    }
    // A header in the middle is a malformed request.
    let mut wire = proxy(&gateway).await;
    wire.send([V1, V1, request.as_bytes()].concat()).await;
    assert_eq!(wire.answer().await.status, 400);
    let mut wire = proxy(&gateway).await;
    wire.send(V1).await;
    wire.finish().await;
    wire.ends().await;
    upstream.saw_nothing();
}

#[tokio::test]
async fn a_header_that_does_not_come_in_time_is_not_waited_for() {
    let upstream = Upstream::start();
    let limits = "[server.limits]\nheader_timeout = \"1s\"\nidle_timeout = \"1h\"";
    let gateway = started(gateway().table(limits), &upstream).await;
    for start in [
        &b""[..],
        b"PROXY TCP4 203.",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb",
    ] {
        let mut wire = proxy(&gateway).await;
        wire.send(start).await;
        wire.ends().await;
    }
    // The request's head is due within the same time.
    let mut wire = proxy(&gateway).await;
    wire.send([V1, b"GET / HT"].concat()).await;
    assert_eq!(wire.answer().await.status, 408);
    upstream.saw_nothing();
}

#[tokio::test]
async fn a_header_comes_before_tls_and_before_http_2() {
    let upstream = Upstream::start();
    let encrypted = started(gateway().tls(), &upstream).await;
    for protocol in ["http/1.1", "h2"] {
        let mut stream = TcpStream::connect(encrypted.address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, V1)
            .await
            .unwrap();
        let stream = tls_over(stream, rustls::ALL_VERSIONS, &[protocol]).await.unwrap();
        if protocol == "h2" {
            let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
            let connection = tokio::spawn(connection);
            let request = http::Request::get("https://localhost/").body(()).unwrap();
            let (answer, _) = client.send_request(request, true).unwrap();
            assert_eq!(answer.await.unwrap().status(), 200);
            connection.abort();
        } else {
            let mut wire = Wire::new(stream);
            wire.send(head("GET /", &[])).await;
            assert_eq!(wire.answer().await.status, 200);
        }
        assert_eq!(
            upstream.only().header("x-forwarded-for"),
            ["203.0.113.9"],
            "{protocol}"
        );
        upstream.forget();
    }
    // TLS without it is nothing.
    let stream = TcpStream::connect(encrypted.address).await.unwrap();
    assert!(tls_over(stream, rustls::ALL_VERSIONS, &["h2"]).await.is_err());

    let plain = started(gateway(), &upstream).await;
    let mut stream = TcpStream::connect(plain.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, V1)
        .await
        .unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get("http://localhost/").body(()).unwrap();
    let (answer, _) = client.send_request(request, true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    connection.abort();
    assert_eq!(upstream.only().header("x-forwarded-for"), ["203.0.113.9"]);
}
