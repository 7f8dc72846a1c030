//! WebSockets on streams of HTTP/2 (RFC 8441), as browsers open them where they have such a connection already.

use h2::{RecvStream, SendStream, client::SendRequest, ext::Protocol};
use http::{Request, Response};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Bytes, handshake::derive_accept_key};

use crate::harness::{Gateway, PlayedUpstream, Upstream, Wire, gateway, sample_app, soon};

/// What a client says, and what an app says, of "hello" (RFC 6455, section 5.7); the client's is masked with nothing.
const CLIENT_HELLO: &[u8] = b"\x81\x85\0\0\0\0hello";
const SERVER_HELLO: &[u8] = b"\x81\x05hello";

const WEBSOCKET: &str = "websocket";

/// A connection whose settings have come: with the answer to its first request they have.
async fn connected(gateway: &Gateway) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut requests = requests.ready().await.unwrap();
    let first = Request::get(format!("{}/.auth/me", gateway.base))
        .body(())
        .unwrap();
    let (answer, _) = requests.send_request(first, true).unwrap();
    assert_eq!(soon("the first answer", answer).await.unwrap().status(), 401);
    assert!(requests.is_extended_connect_protocol_enabled());
    requests.ready().await.unwrap()
}

/// Asks for a conversation.
async fn ask(
    gateway: &Gateway,
    path: &str,
    protocol: &'static str,
    fields: &[(&str, &str)],
) -> (Response<RecvStream>, SendStream<Bytes>) {
    let mut request = Request::builder()
        .method("CONNECT")
        .uri(format!("{}{path}", gateway.base))
        .extension(Protocol::from_static(protocol))
        .header("sec-websocket-version", "13");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let mut requests = connected(gateway).await;
    let (answer, stream) = requests.send_request(request.body(()).unwrap(), false).unwrap();
    (soon("the answer", answer).await.unwrap(), stream)
}

/// So many bytes of a conversation; fewer at its end.
async fn exactly(down: &mut RecvStream, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let Some(piece) = soon("a piece", down.data()).await else {
            break;
        };
        let piece = piece.unwrap();
        down.flow_control().release_capacity(piece.len()).unwrap();
        bytes.extend_from_slice(&piece);
    }
    bytes
}

/// A gateway that lets everybody in, with a played app.
async fn with_app() -> (Gateway, PlayedUpstream) {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().public("/", &upstream).start().await;
    (gateway, upstream)
}

/// What the app answers to the question in a handshake.
fn agreed(head: &str, more: &str) -> String {
    let key = head
        .lines()
        .find_map(|line| line.strip_prefix("sec-websocket-key: "))
        .unwrap();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {}\r\n{more}\r\n",
        derive_accept_key(key.as_bytes())
    )
}

/// What becomes of a handshake that the app answers so.
async fn answered_with(
    gateway: &Gateway,
    upstream: &PlayedUpstream,
    reply: impl FnOnce(&str) -> String,
) -> (Response<RecvStream>, SendStream<Bytes>, Wire<TcpStream>, String) {
    let app = async {
        let mut app = upstream.accept().await;
        let head = app.head().await;
        app.send(reply(&head)).await;
        (app, head)
    };
    let fields = [
        ("sec-websocket-protocol", "chat"),
        ("sec-websocket-key", "bm90IGZvciBIVFRQLzI="),
    ];
    let ((answer, up), (app, head)) = tokio::join!(ask(gateway, "/talk?x=1", WEBSOCKET, &fields), app);
    (answer, up, app, head)
}

#[tokio::test]
async fn a_websocket_echoes_with_a_session_and_with_a_token() {
    let app = sample_app();
    let gateway = gateway().route("/", &app).user("alice").start().await;
    let cookie = gateway.sign_in("alice").await;
    let token = format!("Bearer {}", gateway.token("alice").await);
    for credential in [("cookie", &*cookie), ("authorization", &*token)] {
        let (answer, mut up) = ask(&gateway, "/ws/echo", WEBSOCKET, &[credential]).await;
        assert_eq!(answer.status(), 200, "{credential:?}");
        let mut down = answer.into_body();
        for _ in 0..3 {
            up.send_data(Bytes::from_static(CLIENT_HELLO), false).unwrap();
            assert_eq!(exactly(&mut down, SERVER_HELLO.len()).await, SERVER_HELLO);
        }
    }
}

#[tokio::test]
async fn the_app_sees_the_handshake_of_http_1_and_the_client_that_of_http_2() {
    let (gateway, upstream) = with_app().await;
    let (answer, mut up, mut app, head) = answered_with(&gateway, &upstream, |head| {
        agreed(
            head,
            "sec-websocket-protocol: chat\r\nset-cookie: portcullis=evil\r\n",
        ) + "early"
    })
    .await;
    let lowered = head.to_ascii_lowercase();
    assert!(lowered.starts_with("get /talk?x=1 http/1.1\r\n"), "{head}");
    for line in [
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "sec-websocket-protocol: chat",
    ] {
        assert_eq!(
            lowered.matches(&format!("\r\n{line}\r\n")).count(),
            1,
            "{line} in {head}"
        );
    }
    // The question is the gateway's own, and the only one.
    assert_eq!(lowered.matches("sec-websocket-key").count(), 1, "{head}");
    assert!(!head.contains("bm90IGZvciBIVFRQLzI="), "{head}");
    assert!(
        !lowered.contains("content-length") && !lowered.contains("transfer-encoding"),
        "{head}"
    );

    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["sec-websocket-protocol"], "chat");
    for name in ["sec-websocket-accept", "upgrade", "connection", "set-cookie"] {
        assert!(!answer.headers().contains_key(name), "{name}");
    }

    // Not a byte is lost at the seam, and each side may finish before the other.
    let mut down = answer.into_body();
    assert_eq!(exactly(&mut down, 5).await, b"early");
    up.send_data(Bytes::from_static(b"last words"), true).unwrap();
    assert_eq!(app.rest().await, b"last words");
    app.send("an answer to them").await;
    drop(app);
    assert_eq!(exactly(&mut down, usize::MAX).await, b"an answer to them");
}

#[tokio::test]
async fn what_only_looks_like_a_websocket_is_no_success() {
    type Reply = fn(&str) -> String;
    let replies: [(&str, Reply, u16); 6] = [
        (
            "an ordinary page",
            |_| "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".into(),
            502,
        ),
        (
            "nothing at all",
            |_| "HTTP/1.1 204 No Content\r\n\r\n".into(),
            502,
        ),
        (
            "another question's answer",
            |head| agreed(&head.replace("sec-websocket-key: ", "sec-websocket-key: x"), ""),
            502,
        ),
        (
            "no answer to the question",
            |_| {
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n".into()
            },
            502,
        ),
        (
            "a refusal",
            |_| "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno".into(),
            403,
        ),
        (
            "another address",
            |_| "HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n".into(),
            302,
        ),
    ];
    let (gateway, upstream) = with_app().await;
    for (what, reply, status) in replies {
        let (answer, ..) = answered_with(&gateway, &upstream, reply).await;
        assert_eq!(answer.status(), status, "{what}");
        let body = exactly(&mut answer.into_body(), usize::MAX).await;
        assert_eq!(body == b"no", status == 403, "{what}");
    }
}

#[tokio::test]
async fn what_holds_of_a_handshake_over_http_1_holds_of_one_over_http_2() {
    let upstream = Upstream::answering(|_| b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec());
    let gateway = gateway()
        .route("/", &upstream)
        .public("/public", &upstream)
        .route_with("/post", &upstream, "access = \"public\"\nmethods = [\"POST\"]")
        .user("alice")
        .start()
        .await;
    let cookie = gateway.sign_in("alice").await;
    let own = &*gateway.base;
    for (path, protocol, fields, status, what) in [
        ("/", WEBSOCKET, &[][..], 401, "no credential"),
        (
            "/",
            WEBSOCKET,
            &[("accept", "text/html")],
            401,
            "a handshake follows no redirect",
        ),
        (
            "/",
            WEBSOCKET,
            &[("cookie", &*cookie), ("origin", "https://evil.example")],
            403,
            "another page's",
        ),
        (
            "/",
            WEBSOCKET,
            &[("cookie", &*cookie), ("sec-fetch-site", "cross-site")],
            403,
            "another page's",
        ),
        (
            "/",
            WEBSOCKET,
            &[("cookie", &*cookie), ("origin", own)],
            404,
            "the app's own answer",
        ),
        ("/public", WEBSOCKET, &[], 404, "the app's own answer"),
        ("/post", WEBSOCKET, &[], 405, "it is a GET"),
        ("/public/../", WEBSOCKET, &[], 400, "two readings"),
        (
            "/.auth/me",
            WEBSOCKET,
            &[("cookie", &*cookie)],
            405,
            "no own address talks",
        ),
        ("/public", "connect-udp", &[], 405, "another protocol"),
    ] {
        let (answer, _up) = ask(&gateway, path, protocol, fields).await;
        assert_eq!(answer.status(), status, "{what}: {path} {fields:?}");
        let reached = upstream.received().len();
        assert_eq!(reached, usize::from(status == 404), "{what}");
        upstream.forget();
    }
}

#[tokio::test]
async fn it_ends_when_whoever_began_it_signs_out_and_no_other_stream_does() {
    let app = sample_app();
    let gateway = gateway().route("/", &app).user("alice").user("bob").start().await;
    let [alice, bob] = [gateway.sign_in("alice").await, gateway.sign_in("bob").await];
    let (answer, _up) = ask(&gateway, "/ws/echo", WEBSOCKET, &[("cookie", &alice)]).await;
    assert_eq!(answer.status(), 200);
    let (other, mut other_up) = ask(&gateway, "/ws/echo", WEBSOCKET, &[("cookie", &bob)]).await;
    let signed_out = gateway
        .post("/.auth/logout")
        .header("cookie", &alice)
        .header("origin", &gateway.base)
        .send()
        .await
        .unwrap();
    assert!(signed_out.status().is_success() || signed_out.status().is_redirection());
    let mut down = answer.into_body();
    // It ends, whether in order or not.
    while let Some(Ok(_)) = soon("the end", down.data()).await {}
    other_up
        .send_data(Bytes::from_static(CLIENT_HELLO), false)
        .unwrap();
    assert_eq!(
        exactly(&mut other.into_body(), SERVER_HELLO.len()).await,
        SERVER_HELLO
    );
}
