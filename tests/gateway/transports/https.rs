//! `https://` upstreams: what is kept, what is taken up again, and which protocol the upstream chooses.

use rustls::HandshakeKind;
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::mpsc};
use tokio_rustls::server::TlsStream;

use super::answer;
use crate::harness::{
    Authority, Gateway, PlayedUpstream, RawClient, SecureUpstream, Upstream, Url, Wire, body_of, gateway,
    serve_http2, soon,
};

/// A gateway in front of an upstream that shows a certificate of this authority.
async fn in_front_of(upstream: &(impl Url + ?Sized), ours: &Authority) -> Gateway {
    gateway()
        .route_with("/", upstream, &format!("access = \"public\"\n{}", ours.trusted()))
        .one_worker()
        .start()
        .await
}

async fn ask(client: &mut RawClient, method: &str) {
    let head = format!("{method} / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
    client.send(head).await;
}

async fn is_answered(client: &mut RawClient) {
    let answer = client.response().await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
}

/// Plays the app for one request.
async fn serve_one(stream: &mut TlsStream<TcpStream>) -> String {
    let mut wire = Wire::new(stream);
    let head = wire.head().await;
    wire.send(answer("hello")).await;
    head
}

#[tokio::test]
async fn a_connection_is_kept_and_what_tls_says_by_itself_is_no_answer() {
    let ours = Authority::new();
    let upstream = SecureUpstream::start(ours.pair("localhost").server(&["http/1.1"])).await;
    let gateway = in_front_of(&upstream, &ours).await;
    let mut client = gateway.raw().await;
    ask(&mut client, "GET").await;
    let mut app = upstream.accept().await;
    for _ in 0..5 {
        serve_one(&mut app).await;
        is_answered(&mut client).await;
        // A message of TLS's own, as a late ticket is: bytes come, and yet nothing has been said.
        app.get_mut().1.refresh_traffic_keys().unwrap();
        app.flush().await.unwrap();
        ask(&mut client, "GET").await;
    }
    serve_one(&mut app).await;
    is_answered(&mut client).await;
}

#[tokio::test]
async fn a_connection_with_unasked_bytes_or_its_end_on_it_is_not_used_again() {
    let ours = Authority::new();
    for (what, more) in [
        ("an answer to nothing", answer("poisoned")),
        ("the end", Vec::new()),
    ] {
        for method in ["GET", "POST"] {
            let upstream = SecureUpstream::start(ours.pair("localhost").server(&["http/1.1"])).await;
            let gateway = in_front_of(&upstream, &ours).await;
            let mut client = gateway.raw().await;
            ask(&mut client, "GET").await;
            let mut app = upstream.accept().await;
            serve_one(&mut app).await;
            is_answered(&mut client).await;
            match more.is_empty() {
                true => app.shutdown().await.unwrap(),
                false => app.write_all(&more).await.unwrap(),
            }
            app.flush().await.unwrap();
            ask(&mut client, method).await;
            let head = serve_one(&mut upstream.accept().await).await;
            assert!(head.starts_with(method), "{what}");
            is_answered(&mut client).await;
        }
    }
}

#[tokio::test]
async fn a_session_is_taken_up_again_where_a_connection_could_not_be_kept() {
    let ours = Authority::new();
    let upstream = SecureUpstream::start(ours.pair("localhost").server(&["http/1.1"])).await;
    let gateway = in_front_of(&upstream, &ours).await;
    for kind in [
        HandshakeKind::Full,
        HandshakeKind::Resumed,
        HandshakeKind::Resumed,
    ] {
        let mut client = gateway.raw().await;
        ask(&mut client, "GET").await;
        let mut app = upstream.accept().await;
        assert_eq!(app.get_ref().1.handshake_kind(), Some(kind));
        let mut wire = Wire::new(&mut app);
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello")
            .await;
        is_answered(&mut client).await;
    }
}

#[tokio::test]
async fn a_handshake_has_as_long_as_a_connection() {
    let ours = Authority::new();
    let upstream = SecureUpstream::start(ours.pair("localhost").server(&[])).await;
    let more = format!(
        "access = \"public\"\ntimeout = {{ connect = \"100ms\" }}\n{}",
        ours.trusted()
    );
    let gateway = gateway().route_with("/", &upstream, &more).start().await;
    let mut client = gateway.raw().await;
    ask(&mut client, "GET").await;
    // Accepted, and not a word.
    let _silent = upstream.accept_tcp().await;
    assert_eq!(client.response().await.unwrap().status, 504);
}

#[tokio::test]
async fn an_upstream_that_answers_in_the_clear_is_502() {
    let upstream = PlayedUpstream::start().await;
    let url = upstream.url().replace("http://", "https://");
    let gateway = gateway().public("/", url.as_str()).start().await;
    let mut client = gateway.raw().await;
    ask(&mut client, "GET").await;
    let mut app = upstream.accept().await;
    app.send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert_eq!(client.response().await.unwrap().status, 502);
}

#[tokio::test]
async fn the_upstream_chooses_the_protocol() {
    let ours = Authority::new();
    for (offered, chosen) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let upstream = SecureUpstream::start(ours.pair("localhost").server(offered)).await;
        let gateway = in_front_of(&upstream, &ours).await;
        let mut client = gateway.raw().await;
        ask(&mut client, "PUT").await;
        let mut app = upstream.accept().await;
        let protocol = app.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(protocol.as_deref(), chosen.map(str::as_bytes), "{offered:?}");
        if chosen == Some("h2") {
            let (sender, mut streams) = mpsc::unbounded_channel();
            tokio::spawn(serve_http2(app, h2::server::Builder::new(), 1, sender));
            let (_, (request, mut respond)) = soon("a request", streams.recv()).await.unwrap();
            assert_eq!(request.method(), "PUT");
            assert_eq!(request.uri(), "https://a/");
            assert!(body_of(request.into_body()).await.unwrap().0.is_empty());
            let mut body = respond.send_response(http::Response::new(()), false).unwrap();
            body.send_data("hello".into(), true).unwrap();
        } else {
            serve_one(&mut app).await;
        }
        is_answered(&mut client).await;
    }
}

#[tokio::test]
async fn what_http2_cannot_do_is_done_over_http1() {
    let ours = Authority::new();
    let websocket = "connection: upgrade\r\nupgrade: websocket\r\n";
    for (what, fields) in [
        ("another protocol", websocket),
        (
            "a connection that is signed in",
            "authorization: NTLM TlRMTVNTUAABAAAA\r\n",
        ),
        ("the same", "authorization: Negotiate YII=\r\n"),
    ] {
        let upstream = SecureUpstream::start(ours.pair("localhost").server(&["h2", "http/1.1"])).await;
        let gateway = in_front_of(&upstream, &ours).await;
        let mut client = gateway.raw().await;
        client
            .send(format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n"))
            .await;
        let mut app = upstream.accept().await;
        assert_eq!(app.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]), "{what}");
        let head = serve_one(&mut app).await;
        assert!(head.contains(fields.lines().last().unwrap()), "{what}: {head}");
        is_answered(&mut client).await;
    }
}

#[tokio::test]
async fn an_upgraded_connection_speaks_inside_tls() {
    let ours = Authority::new();
    let upstream = SecureUpstream::start(ours.pair("localhost").server(&["h2", "http/1.1"])).await;
    let gateway = in_front_of(&upstream, &ours).await;
    let mut client = gateway.wire().await;
    client
        .send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n")
        .await;
    let mut app = Wire::new(upstream.accept().await);
    app.head().await;
    app.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    for word in ["one", "two"] {
        client.send(word).await;
        app.until(word).await;
        app.send(word).await;
        client.until(word).await;
    }
    client.finish().await;
    app.ends().await;
}

#[tokio::test]
async fn large_bodies_arrive_whole_both_ways() {
    let ours = Authority::new();
    let large = vec![b'x'; 3 * 1024 * 1024];
    let upstream = Upstream::secure(ours.pair("localhost").server(&[]), |request| {
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
            request.body.len()
        )
        .into_bytes();
        answer.extend_from_slice(&request.body);
        answer
    });
    let gateway = in_front_of(&upstream, &ours).await;
    for _ in 0..3 {
        let answer = gateway.post("/").body(large.clone()).send().await.unwrap();
        assert!(answer.bytes().await.unwrap() == large, "what went up came down");
    }
    assert_eq!(upstream.connections(), 1);
}
