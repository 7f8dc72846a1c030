//! Clients that take their time. The limits are short here, and each test waits for what must happen, however long
//! that takes.

use std::time::Duration;

use tokio::net::TcpStream;

use crate::harness::{Gateway, GatewayBuilder, PlayedUpstream, Upstream, Wire, gateway, soon, tls_connect};

const LIMITS: &str = "[server.limits]\nheader_timeout = \"1s\"\nidle_timeout = \"1s\"";

/// A header timeout that ends and an idle timeout that does not, or the other way round.
fn only(header: bool) -> &'static str {
    match header {
        true => "[server.limits]\nheader_timeout = \"1s\"\nidle_timeout = \"1h\"",
        false => "[server.limits]\nheader_timeout = \"1h\"\nidle_timeout = \"1s\"",
    }
}

async fn started(builder: GatewayBuilder, upstream: &Upstream, limits: &str) -> Gateway {
    builder.public("/", upstream).server(limits).start().await
}

#[tokio::test]
async fn a_head_that_does_not_arrive_in_time_is_answered_408() {
    let upstream = Upstream::start();
    let gateway = started(gateway(), &upstream, only(true)).await;
    for piece in [
        "G",
        "GET / HTTP/1.1",
        "GET / HTTP/1.1\r\nhost: x\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nx: ",
        "PRI * HTTP/2.0\r\n\r\nSM",
        "\r\n\r\n\r\n",
    ] {
        let mut client = gateway.wire().await;
        client.send(piece).await;
        let said = String::from_utf8(client.rest().await).unwrap();
        // The beginning of HTTP/2 is no request of HTTP/1.1.
        let status = if piece.starts_with("PRI") { "400" } else { "408" };
        assert!(
            said.starts_with(&format!("HTTP/1.1 {status} ")),
            "{piece:?}: {said}"
        );
        assert!(said.contains("connection: close"), "{said}");
        upstream.saw_nothing();
    }
}

#[tokio::test]
async fn a_connection_on_which_nothing_comes_is_closed_without_a_word() {
    let upstream = Upstream::start();
    let plain = started(gateway(), &upstream, only(true)).await;
    plain.wire().await.ends().await;

    let encrypted = started(gateway().tls(), &upstream, only(true)).await;
    // Before the handshake, amid it, and after it.
    let mut client = encrypted.wire().await;
    client.ends().await;
    let mut client = encrypted.wire().await;
    client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await;
    client.ends().await;
    let stream = tls_connect(encrypted.address, rustls::ALL_VERSIONS, &["http/1.1"]).await;
    Wire::new(stream.unwrap()).ends().await;
    upstream.saw_nothing();
}

#[tokio::test]
async fn a_byte_now_and_then_gains_nothing() {
    let upstream = Upstream::start();
    let gateway = started(gateway(), &upstream, only(true)).await;
    // On a new connection, and on one that has been answered before.
    for before in [false, true] {
        let mut client = gateway.wire().await;
        if before {
            client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
            client.until("hello").await;
            upstream.forget();
        }
        client.send("GET / HTTP/1.1\r\nhost: x\r\nx: ").await;
        let dripping = async {
            let mut pace = tokio::time::interval(Duration::from_millis(20));
            loop {
                pace.tick().await;
                if client.offer("y").await.is_err() {
                    return client.rest().await;
                }
            }
        };
        let said = soon("the end of the drip", dripping).await;
        // Whoever goes on writing after the end may not see the answer, but sees the end.
        let said = String::from_utf8(said).unwrap();
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408 "), "{said}");
        upstream.saw_nothing();
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let upstream = Upstream::start();
    let gateway = started(gateway(), &upstream, only(false)).await;
    let mut client = gateway.wire().await;
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        client.until("hello").await;
    }
    client.ends().await;
}

#[tokio::test]
async fn no_limit_of_a_connection_ends_a_running_request() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().public("/", &upstream).server(LIMITS).start().await;
    let mut client = gateway.wire().await;
    client
        .send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\nhalf")
        .await;
    let mut app = upstream.accept().await;
    app.until("half").await;
    outlast_the_limits(&gateway).await;
    client.send("full").await;
    app.until("full").await;
    outlast_the_limits(&gateway).await;
    app.send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\none").await;
    client.until("one").await;
    outlast_the_limits(&gateway).await;
    app.send("two").await;
    client.until("two").await;
}

#[tokio::test]
async fn a_request_whose_answer_was_early_runs_until_its_body_has_gone_up() {
    for (framing, pieces) in [
        ("content-length: 8", ["half", "fu", "ll"]),
        (
            "transfer-encoding: chunked",
            ["4\r\nhalf\r\n", "4\r\nfu", "ll\r\n0\r\n\r\n"],
        ),
    ] {
        let upstream = PlayedUpstream::start().await;
        let next = Upstream::start();
        let gateway = gateway()
            .public("/", &upstream)
            .public("/next", &next)
            .server(LIMITS)
            .start()
            .await;
        let mut client = gateway.wire().await;
        client
            .send(format!(
                "POST / HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n{}",
                pieces[0]
            ))
            .await;
        let mut app = upstream.accept().await;
        app.until(pieces[0]).await;
        app.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly")
            .await;
        client.until("early").await;
        for piece in &pieces[1..] {
            outlast_the_limits(&gateway).await;
            client.send(piece).await;
        }
        app.until("fu").await;
        app.until("ll").await;
        // And then the connection is as good as before.
        client.send("GET /next HTTP/1.1\r\nhost: x\r\n\r\n").await;
        client.until("hello").await;
        client.ends().await;
    }
}

#[tokio::test]
async fn a_request_whose_answer_was_early_and_whose_body_stalls_is_given_up() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway()
        .route_with(
            "/",
            &upstream,
            "access = \"public\"\ntimeout = { response = \"1s\" }",
        )
        .start()
        .await;
    let mut client = gateway.wire().await;
    client
        .send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\nhalf")
        .await;
    let mut app = upstream.accept().await;
    app.until("half").await;
    app.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly")
        .await;
    client.until("early").await;
    // Both sides see the end, and neither a word more.
    app.ends().await;
    client.ends().await;
}

/// Both limits have passed when connections that were opened now are closed.
async fn outlast_the_limits(gateway: &Gateway) {
    for _ in 0..2 {
        gateway.wire().await.ends().await;
    }
}

#[tokio::test]
async fn an_idle_http_2_connection_is_told_and_closed_even_if_it_does_not_listen() {
    let upstream = Upstream::start();
    let gateway = started(gateway(), &upstream, only(false)).await;
    // One that keeps the rules hears that it is over, and why.
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get("http://x/").body(()).unwrap();
    let (answer, _) = client.send_request(request, true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    let end = soon("the end", connection).await.unwrap();
    // Or it was about to say something when the connection was closed behind what it was told.
    assert!(
        end.as_ref().is_ok() || end.as_ref().is_err_and(h2::Error::is_io),
        "{end:?}"
    );
    upstream.forget();

    // One that answers nothing is closed all the same, at the beginning and amid a head.
    const PREFACE_AND_SETTINGS: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    // HEADERS without END_HEADERS on stream 1: ":method: GET".
    const HALF_A_HEAD: &[u8] = b"\0\0\x01\x01\0\0\0\0\x01\x82";
    for more in [&b""[..], HALF_A_HEAD] {
        let mut client = gateway.wire().await;
        client.send([PREFACE_AND_SETTINGS, more].concat()).await;
        let said = client.rest().await;
        assert!(frame_types(&said).contains(&GOAWAY), "{said:?}");
        upstream.saw_nothing();
    }
}

#[tokio::test]
async fn who_takes_nothing_of_our_own_answers_keeps_no_place() {
    // SETTINGS_INITIAL_WINDOW_SIZE of 0 (RFC 9113, section 6.9.2): not a byte of any body may be sent.
    const SHUT: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0";
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .server(&format!("{}\nmax_connections = 1", only(false)))
        .start()
        .await;
    // The login page, the key set, and a refusal.
    for path in ["/.auth/login", "/.auth/jwks.json", "/app"] {
        // GET of host "x", without indexing but for the method and the scheme.
        let mut head = vec![0x82, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
        head.extend_from_slice(path.as_bytes());
        head.extend_from_slice(&[0x01, 1, b'x']);
        let mut request = vec![0, 0, u8::try_from(head.len()).unwrap(), 1, 5, 0, 0, 0, 1];
        request.extend_from_slice(&head);
        let mut client = gateway.wire().await;
        client.send([SHUT, &request].concat()).await;
        let said = frame_types(&client.rest().await);
        assert!(
            said.contains(&HEADERS) && said.contains(&GOAWAY),
            "{path}: {said:?}"
        );
        assert!(!said.contains(&DATA), "{path}: {said:?}");
        // Its place is free for somebody else.
        assert_eq!(gateway.get("/.auth/health").send().await.unwrap().status(), 200);
    }
    upstream.saw_nothing();
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const GOAWAY: u8 = 7;

/// The types of the frames (RFC 9113, section 4.1).
fn frame_types(mut bytes: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    while let [a, b, c, kind, rest @ ..] = bytes {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        types.push(*kind);
        bytes = rest.get(5 + length..).unwrap_or_default();
    }
    types
}
