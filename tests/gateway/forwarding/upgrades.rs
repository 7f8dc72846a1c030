//! WebSockets and every other protocol that a connection is upgraded to.

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_tungstenite::{
    client_async,
    tungstenite::{Bytes, Message, client::IntoClientRequest, http::Request},
};

use crate::harness::{Gateway, PlayedUpstream, Upstream, Wire, gateway, sample_app, soon, tls_connect};

const ASK: &str = "GET /talk HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: talk/1\r\n\r\n";
const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: talk/1\r\n\r\n";

/// A conversation that has begun.
async fn talking(gateway: &Gateway, upstream: &PlayedUpstream) -> (Wire<TcpStream>, Wire<TcpStream>) {
    let mut client = gateway.wire().await;
    client.send(ASK).await;
    let mut app = upstream.accept().await;
    app.head().await;
    app.send(AGREED).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    (client, app)
}

fn handshake(gateway: &Gateway, credential: (&str, &str)) -> Request<()> {
    let url = format!("{}/ws/echo", gateway.base.replacen("http", "ws", 1));
    let mut request = url.into_client_request().unwrap();
    let (name, value) = credential;
    request
        .headers_mut()
        .insert(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    request
}

async fn echoes(stream: impl AsyncRead + AsyncWrite + Unpin, request: Request<()>) {
    let (mut socket, answer) = soon("the handshake", client_async(request, stream))
        .await
        .unwrap();
    assert_eq!(answer.status(), 101);
    for message in [
        Message::text("hello"),
        Message::text(""),
        Message::text("größer"),
        Message::binary(vec![7; 1 << 20]),
        Message::binary(Vec::new()),
    ] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(soon("the echo", socket.next()).await.unwrap().unwrap(), message);
    }
    socket
        .send(Message::Ping(Bytes::from_static(b"?")))
        .await
        .unwrap();
    let pong = soon("the pong", socket.next()).await.unwrap().unwrap();
    assert_eq!(pong, Message::Pong(Bytes::from_static(b"?")));
    socket.close(None).await.unwrap();
    assert!(matches!(
        soon("the close", socket.next()).await,
        Some(Ok(Message::Close(_)))
    ));
    assert!(soon("the end", socket.next()).await.is_none());
}

#[tokio::test]
async fn a_websocket_echoes_with_a_session_and_with_a_token_plain_and_encrypted() {
    for encrypted in [false, true] {
        let app = sample_app();
        let builder = gateway().route("/", &app).user("alice");
        let gateway = if encrypted { builder.tls() } else { builder }.start().await;
        let cookie = gateway.sign_in("alice").await;
        let token = format!("Bearer {}", gateway.token("alice").await);
        for credential in [("cookie", &*cookie), ("authorization", &*token)] {
            let request = handshake(&gateway, credential);
            if encrypted {
                let stream = tls_connect(gateway.address, rustls::ALL_VERSIONS, &["http/1.1"]).await;
                echoes(stream.unwrap(), request).await;
            } else {
                echoes(TcpStream::connect(gateway.address).await.unwrap(), request).await;
            }
        }
    }
}

#[tokio::test]
async fn a_handshake_without_a_credential_is_401_and_goes_nowhere() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    for credential in [
        ("origin", "http://x"),
        ("cookie", "portcullis=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ("authorization", "Bearer x"),
        ("sec-fetch-mode", "websocket"),
        ("accept", "text/html"),
    ] {
        let stream = TcpStream::connect(gateway.address).await.unwrap();
        let mut request = handshake(&gateway, credential);
        // As browsers do.
        request
            .headers_mut()
            .insert("sec-fetch-mode", "websocket".parse().unwrap());
        let refused = client_async(request, stream).await.unwrap_err();
        let tokio_tungstenite::tungstenite::Error::Http(answer) = refused else {
            panic!("{credential:?}: {refused}");
        };
        assert_eq!(answer.status(), 401, "{credential:?}");
        upstream.saw_nothing();
    }
}

#[tokio::test]
async fn the_upstream_sees_the_handshake_as_it_was_and_the_client_the_answer() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().public("/", &upstream).start().await;
    let mut client = gateway.wire().await;
    client
        .send(
            "GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://x\r\nSec-WebSocket-Protocol: chat, superchat\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        )
        .await;
    let mut app = upstream.accept().await;
    let head = app.head().await.to_ascii_lowercase();
    for line in [
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-key: dghlihnhbxbszsbub25jzq==",
        "sec-websocket-protocol: chat, superchat",
        "sec-websocket-version: 13",
        "sec-websocket-extensions: permessage-deflate",
        "origin: http://x",
    ] {
        assert_eq!(
            head.matches(&format!("\r\n{line}\r\n")).count(),
            1,
            "{line} in {head}"
        );
    }
    app.send(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade, X-Hop\r\nX-Hop: 1\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\
         Set-Cookie: a=1\r\nSet-Cookie: portcullis=evil\r\n\r\n",
    )
    .await;
    let head = client.head().await.to_ascii_lowercase();
    for line in [
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=",
        "sec-websocket-protocol: chat",
        "set-cookie: a=1",
    ] {
        assert_eq!(
            head.matches(&format!("\r\n{line}\r\n")).count(),
            1,
            "{line} in {head}"
        );
    }
    assert!(!head.contains("x-hop") && !head.contains("evil"), "{head}");
}

#[tokio::test]
async fn not_a_byte_is_lost_at_the_seam() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().public("/", &upstream).start().await;
    // Both sides speak at once: the client with its request, the upstream with its answer.
    let mut client = gateway.wire().await;
    client.send(format!("{ASK}\0\x01early up")).await;
    let mut app = upstream.accept().await;
    let head = app.head().await;
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    app.send(format!("{AGREED}\0\x02early down")).await;
    client.head().await;
    assert_eq!(client.exactly(12).await, b"\0\x02early down");
    assert_eq!(app.exactly(10).await, b"\0\x01early up");
    // And then in turns, pieces of all sizes.
    for size in [1, 100, 10_000, 1_000_000] {
        let piece: Vec<u8> = (0..size).map(|n: usize| (n % 251) as u8).collect();
        let (up, down) = (piece.clone(), piece.clone());
        tokio::join!(client.send(&up), async {
            assert!(app.exactly(size).await == piece);
        });
        tokio::join!(app.send(&down), async {
            assert!(client.exactly(size).await == piece);
        });
    }
}

#[tokio::test]
async fn each_side_may_finish_before_the_other() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().public("/", &upstream).start().await;
    let (mut client, mut app) = talking(&gateway, &upstream).await;
    client.send("last words").await;
    client.finish().await;
    assert_eq!(app.rest().await, b"last words");
    app.send("an answer to them").await;
    drop(app);
    assert_eq!(client.rest().await, b"an answer to them");

    let (mut client, mut app) = talking(&gateway, &upstream).await;
    app.send("last words").await;
    app.finish().await;
    assert_eq!(client.rest().await, b"last words");
    client.send("an answer to them").await;
    drop(client);
    assert_eq!(app.rest().await, b"an answer to them");
}

#[tokio::test]
async fn an_upgrade_that_the_upstream_refuses_leaves_http_as_it_was() {
    let app = Upstream::answering(|request| {
        let status = if request.line().starts_with("GET /talk") {
            "404 Not Found"
        } else {
            "200 OK"
        };
        format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nno").into_bytes()
    });
    let gateway = gateway().public("/", &app).route("/private", &app).start().await;
    // What follows in the same breath is a request of its own, with a rule of its own: it was no part of the upgrade.
    let mut client = gateway.raw().await;
    client
        .send(format!(
            "{ASK}GET /private HTTP/1.1\r\nhost: x\r\n\r\nGET /public HTTP/1.1\r\nhost: x\r\n\r\n"
        ))
        .await;
    for status in [404, 401, 200] {
        assert_eq!(client.response().await.unwrap().status, status);
    }
    let lines: Vec<_> = app
        .received()
        .iter()
        .map(|request| request.line().to_owned())
        .collect();
    assert_eq!(lines, ["GET /talk HTTP/1.1", "GET /public HTTP/1.1"]);
}

#[tokio::test]
async fn a_change_of_protocol_that_nobody_asked_for_is_502() {
    let upstream = Upstream::answering(|_| format!("{AGREED}HTTP/1.1 200 OK\r\n\r\n").into_bytes());
    let gateway = gateway().public("/", &upstream).start().await;
    for (head, why) in [
        ("GET / HTTP/1.1\r\nhost: x\r\n", "nothing was asked"),
        (
            "GET / HTTP/1.1\r\nhost: x\r\nupgrade: talk/1\r\n",
            "`Connection` does not say so",
        ),
        (
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n",
            "no protocol is named",
        ),
        (
            "GET / HTTP/1.0\r\nhost: x\r\nconnection: upgrade\r\nupgrade: talk/1\r\n",
            "HTTP/1.0 knows no upgrades",
        ),
        (
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n",
            "HTTP again",
        ),
        (
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket, h2c\r\n",
            "HTTP among others",
        ),
        (
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nupgrade: h2c\r\n",
            "two lines",
        ),
        (
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: TLS/1.0\r\n",
            "encryption past the gateway",
        ),
    ] {
        let answer = gateway.exchange(format!("{head}\r\n")).await.unwrap();
        assert_eq!(answer.status, 502, "{why}");
        let request = upstream.only();
        assert!(request.header("upgrade").is_empty(), "{why}: {}", request.head);
        assert!(request.header("connection").is_empty(), "{why}: {}", request.head);
        assert!(request.header("http2-settings").is_empty(), "{why}");
        upstream.forget();
    }
}

#[tokio::test]
async fn a_conversation_that_stalls_for_longer_than_its_route_allows_ends() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway()
        .route_with("/", &upstream, "access = \"public\"\ntimeout = { idle = \"1s\" }")
        .start()
        .await;
    let (mut busy, mut busy_app) = talking(&gateway, &upstream).await;
    let (mut silent, mut silent_app) = talking(&gateway, &upstream).await;
    // One goes on, in one direction only, while the other is silent; twice as long as is allowed.
    let chatter = async {
        let mut pace = tokio::time::interval(std::time::Duration::from_millis(20));
        loop {
            pace.tick().await;
            busy.send("x").await;
            assert_eq!(busy_app.exactly(1).await, b"x");
        }
    };
    let silence = async {
        silent.ends().await;
        silent_app.ends().await;
        let (mut client, mut app) = talking(&gateway, &upstream).await;
        client.ends().await;
        app.ends().await;
    };
    tokio::select! {
        () = chatter => {}
        () = silence => {}
    }
    busy_app.send("still here").await;
    busy.until("still here").await;
}

#[tokio::test]
async fn a_conversation_ends_when_whoever_began_it_is_out() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .user("bob")
        .start()
        .await;
    for (way, by_token) in [
        ("sign-out", false),
        ("sign-out", true),
        ("revoked", true),
        ("disabled", false),
        ("disabled", true),
    ] {
        let mut conversations = Vec::new();
        let mut alices = String::new();
        for user in ["bob", "alice"] {
            let credential = match by_token {
                true => ("authorization", format!("Bearer {}", gateway.token(user).await)),
                false => ("cookie", gateway.sign_in(user).await),
            };
            alices.clone_from(&credential.1);
            let credential = format!("{}: {}", credential.0, credential.1);
            let ask = ASK.replacen("\r\n", &format!("\r\n{credential}\r\n"), 1);
            let mut client = gateway.wire().await;
            client.send(ask).await;
            let mut app = upstream.accept().await;
            app.head().await;
            app.send(AGREED).await;
            assert!(client.head().await.starts_with("HTTP/1.1 101 "));
            client.send("hello").await;
            app.until("hello").await;
            conversations.push((client, app));
        }
        let (mut alices_client, mut alices_app) = conversations.pop().unwrap();
        match way {
            "sign-out" => {
                let header = if by_token { "authorization" } else { "cookie" };
                let request = gateway.post("/.auth/logout").header(header, &alices);
                assert_eq!(request.send().await.unwrap().status(), 204);
            }
            "revoked" => {
                let token = alices.strip_prefix("Bearer ").unwrap();
                let request = gateway.post("/.auth/revoke").form(&[("token", token)]);
                assert_eq!(request.send().await.unwrap().status(), 200);
            }
            _ => gateway.change_users(|users| {
                users.replacen("name = \"alice\"", "disabled = true\nname = \"alice\"", 1)
            }),
        }
        alices_client.ends().await;
        alices_app.ends().await;
        let (mut bobs, mut bobs_app) = conversations.pop().unwrap();
        bobs.send("still here").await;
        bobs_app.until("still here").await;
        gateway.change_users(|users| users.replace("disabled = true\n", ""));
    }
}
