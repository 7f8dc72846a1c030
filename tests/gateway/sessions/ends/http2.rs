//! The same on streams of HTTP/2, each of which ends alone.

use h2::{Reason, RecvStream, SendStream, ext::Protocol};
use http::{Request, Response};
use tokio_tungstenite::tungstenite::{Bytes, handshake::derive_accept_key};

use super::{CLOSE_TO_APP, CLOSE_TO_CLIENT, builder, sign_out};
use crate::harness::{Gateway, Http2Client, PlayedUpstream, body_of, http2_client, soon};

/// A client whose connection knows that WebSockets are taken: with the answer to its first request it does.
async fn connected(gateway: &Gateway) -> Http2Client {
    let mut client = http2_client(gateway.address).await.ready().await.unwrap();
    let first = Request::get(format!("{}/.auth/health", gateway.base));
    let (answer, _) = client.send_request(first.body(()).unwrap(), true).unwrap();
    assert_eq!(soon("the first answer", answer).await.unwrap().status(), 200);
    assert!(client.is_extended_connect_protocol_enabled());
    client
}

/// Asks, and has the app answer.
async fn opened(
    client: &mut Http2Client,
    upstream: &PlayedUpstream,
    request: Request<()>,
    answer: impl FnOnce(&str) -> String,
) -> (
    Response<RecvStream>,
    SendStream<Bytes>,
    crate::harness::Wire<tokio::net::TcpStream>,
) {
    let ends = request.method() != http::Method::CONNECT;
    let (answered, up) = client.send_request(request, ends).unwrap();
    let app = async {
        let mut app = upstream.accept().await;
        let head = app.head().await;
        app.send(answer(&head)).await;
        app
    };
    let (answered, app) = tokio::join!(soon("the answer", answered), app);
    let answered = answered.unwrap();
    assert_eq!(answered.status(), 200);
    (answered, up, app)
}

fn get(gateway: &Gateway, path: &str, cookie: &str) -> Request<()> {
    let request = Request::get(format!("{}{path}", gateway.base));
    request.header("cookie", cookie).body(()).unwrap()
}

fn agreed(head: &str) -> String {
    let key = head
        .lines()
        .find_map(|line| line.strip_prefix("sec-websocket-key: "))
        .unwrap();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    )
}

async fn piece(body: &mut RecvStream) -> Bytes {
    let piece = soon("a piece", body.data()).await.unwrap().unwrap();
    body.flow_control().release_capacity(piece.len()).unwrap();
    piece
}

#[tokio::test]
async fn answers_are_reset_and_a_websocket_is_closed_and_other_streams_go_on() {
    let upstream = PlayedUpstream::start().await;
    let gateway = builder(&upstream).start().await;
    let [alice, bob] = [gateway.sign_in("alice").await, gateway.sign_in("bob").await];
    let mut client = connected(&gateway).await;

    let talk = Request::builder()
        .method("CONNECT")
        .uri(format!("{}/talk", gateway.base))
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .header("cookie", &alice)
        .body(())
        .unwrap();
    let (talk, _up, mut talk_app) = opened(&mut client, &upstream, talk, agreed).await;
    let mut answers = Vec::new();
    for (path, cookie, framing) in [
        (
            "/events",
            &alice,
            "transfer-encoding: chunked\r\n\r\n3\r\none\r\n",
        ),
        ("/file", &alice, "content-length: 1000000\r\n\r\none"),
        ("/bobs", &bob, "transfer-encoding: chunked\r\n\r\n3\r\none\r\n"),
    ] {
        let request = get(&gateway, path, cookie);
        let answer = |_: &str| format!("HTTP/1.1 200 OK\r\n{framing}");
        let (answer, _, app) = opened(&mut client, &upstream, request, answer).await;
        let mut body = answer.into_body();
        assert_eq!(piece(&mut body).await, "one");
        answers.push((body, app));
    }
    let (mut bobs, mut bobs_app) = answers.pop().unwrap();

    sign_out(&gateway, &alice).await;
    let (closing, _) = body_of(talk.into_body()).await.unwrap();
    assert_eq!(closing, CLOSE_TO_CLIENT);
    drop(_up);
    assert_eq!(talk_app.rest().await, CLOSE_TO_APP);
    for (body, mut app) in answers {
        let broken = body_of(body).await.unwrap_err();
        assert!(broken.is_reset() && broken.is_remote(), "{broken}");
        assert_ne!(broken.reason(), Some(Reason::NO_ERROR));
        app.ends().await;
    }
    bobs_app.send("3\r\ntwo\r\n").await;
    assert_eq!(piece(&mut bobs).await, "two");
}
