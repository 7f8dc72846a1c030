//! What ends a session or a token ends what is open under it, and nothing of anybody else's.

mod http2;
mod idle;
mod uploads;

use std::time::Duration;

use tokio::net::TcpStream;

use crate::harness::{Gateway, GatewayBuilder, PlayedUpstream, Wire, gateway};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// What a client is told at the end: a close frame with 1008 (RFC 6455, section 7.4.1) and a reason.
const CLOSE_TO_CLIENT: &[u8] = b"\x88\x0f\x03\xf0session ended";

/// What an app is told: a masked close frame with 1001.
const CLOSE_TO_APP: &[u8] = b"\x88\x82\0\0\0\0\x03\xe9";

/// What a client says, and what an app says, of "hello" (RFC 6455, section 5.7); the client's is masked with nothing.
const CLIENT_HELLO: &[u8] = b"\x81\x85\0\0\0\0hello";
const APP_HELLO: &[u8] = b"\x81\x05hello";

const HANDSHAKE: &str = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                      sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n\
                      9\r\ndata: 1\n\n\r\n";
const DOWNLOAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nbegins";

/// A client and the app, with an exchange between them that goes on.
type Pair = (Wire<TcpStream>, Wire<TcpStream>);

/// A worker alone looks at all that is open at once.
fn builder(upstream: &PlayedUpstream) -> GatewayBuilder {
    gateway()
        .route("/", upstream)
        .user("alice")
        .user("bob")
        .one_worker()
        .standing_clock()
}

/// Asks with this head, of which the credential is a line, and has the app answer so.
async fn opened(
    gateway: &Gateway,
    upstream: &PlayedUpstream,
    head: &str,
    credential: &str,
    answer: &str,
) -> Pair {
    let mut client = gateway.wire().await;
    client.send(format!("{head}\r\n{credential}\r\n\r\n")).await;
    let mut app = upstream.accept().await;
    app.head().await;
    app.send(answer).await;
    client.head().await;
    (client, app)
}

async fn websocket(gateway: &Gateway, upstream: &PlayedUpstream, path: &str, credential: &str) -> Pair {
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{}", HANDSHAKE.trim_end());
    let (mut client, mut app) = opened(gateway, upstream, &head, credential, AGREED).await;
    client.send(CLIENT_HELLO).await;
    assert_eq!(app.exactly(CLIENT_HELLO.len()).await, CLIENT_HELLO);
    app.send(APP_HELLO).await;
    assert_eq!(client.exactly(APP_HELLO.len()).await, APP_HELLO);
    (client, app)
}

async fn events(gateway: &Gateway, upstream: &PlayedUpstream, credential: &str) -> Pair {
    let head = "GET /events HTTP/1.1\r\nhost: x";
    let (mut client, app) = opened(gateway, upstream, head, credential, EVENTS).await;
    client.until("data: 1\n\n\r\n").await;
    (client, app)
}

async fn download(gateway: &Gateway, upstream: &PlayedUpstream, credential: &str) -> Pair {
    let head = "GET /file HTTP/1.1\r\nhost: x";
    let (mut client, app) = opened(gateway, upstream, head, credential, DOWNLOAD).await;
    client.until("begins").await;
    (client, app)
}

/// Holds that a WebSocket ends in order.
async fn is_closed((mut client, mut app): Pair) {
    assert_eq!(client.rest().await, CLOSE_TO_CLIENT);
    drop(client);
    assert_eq!(app.rest().await, CLOSE_TO_APP);
}

/// Holds that an answer is cut off: neither its last chunk nor the rest of its length comes.
async fn is_cut((mut client, mut app): Pair) {
    client.ends().await;
    app.ends().await;
}

/// Holds that an answer goes on.
async fn goes_on((client, app): &mut Pair, piece: &str) {
    app.send(piece).await;
    client.until(piece).await;
}

/// Signs out by the page.
async fn sign_out(gateway: &Gateway, cookie: &str) {
    let cookie = cookie.trim_start_matches("cookie: ");
    let answer = gateway
        .post("/.auth/logout")
        .header("cookie", cookie)
        .send()
        .await;
    assert_eq!(answer.unwrap().status(), 204);
}

/// Waits until the worker has looked at all that is open: it has ended what somebody has signed out of.
async fn looked(gateway: &Gateway, upstream: &PlayedUpstream) {
    let cookie = format!("cookie: {}", gateway.sign_in("bob").await);
    let bobs = events(gateway, upstream, &cookie).await;
    sign_out(gateway, &cookie).await;
    is_cut(bobs).await;
}

/// A credential as a header's line.
async fn credential(gateway: &Gateway, user: &str, by_token: bool) -> String {
    match by_token {
        true => format!("authorization: Bearer {}", gateway.token(user).await),
        false => format!("cookie: {}", gateway.sign_in(user).await),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    SignOut,
    EndedElsewhere,
    Revoked,
    Disabled,
    /// After so long, of which somebody else was signed in only half the time.
    Expired(Duration),
}

async fn end(gateway: &Gateway, way: Way, credential: &str) {
    match way {
        Way::SignOut => {
            let (name, value) = credential.split_once(": ").unwrap();
            let request = gateway.post("/.auth/logout").header(name, value);
            assert_eq!(request.send().await.unwrap().status(), 204);
        }
        Way::EndedElsewhere => {
            let asked = |method, path: &str| {
                let cookie = credential.trim_start_matches("cookie: ");
                gateway.request(method, path).header("cookie", cookie).send()
            };
            let list = asked("GET", "/.auth/sessions").await.unwrap();
            let list: serde_json::Value = list.json().await.unwrap();
            let id = list[0]["id"].as_str().unwrap().to_owned();
            let ended = asked("DELETE", &format!("/.auth/sessions/{id}")).await.unwrap();
            assert_eq!(ended.status(), 204);
        }
        Way::Revoked => {
            let token = credential.trim_start_matches("authorization: Bearer ");
            let request = gateway.post("/.auth/revoke").form(&[("token", token)]);
            assert_eq!(request.send().await.unwrap().status(), 200);
        }
        Way::Disabled => gateway
            .change_users(|users| users.replacen("name = \"alice\"", "disabled = true\nname = \"alice\"", 1)),
        Way::Expired(after) => gateway.advance(after / 2),
    }
}

#[tokio::test]
async fn whatever_ends_a_session_or_a_token_ends_what_is_open_under_it_and_nobody_else_s() {
    let upstream = PlayedUpstream::start().await;
    for (way, by_token) in [
        (Way::SignOut, false),
        (Way::SignOut, true),
        (Way::EndedElsewhere, false),
        (Way::Revoked, true),
        (Way::Disabled, false),
        (Way::Disabled, true),
        (Way::Expired(12 * HOUR), false),
        // A token's lifetime and the leeway for clocks that differ.
        (Way::Expired(15 * MINUTE + MINUTE / 2), true),
    ] {
        // So that no other limit ends a session than the absolute one.
        let gateway = builder(&upstream)
            .table("[session]\nidle_timeout = \"12h\"")
            .start()
            .await;
        let alices = credential(&gateway, "alice", by_token).await;
        let talk = websocket(&gateway, &upstream, "/", &alices).await;
        let stream = events(&gateway, &upstream, &alices).await;
        let file = download(&gateway, &upstream, &alices).await;
        if let Way::Expired(after) = way {
            gateway.advance(after / 2);
        }
        let bobs = credential(&gateway, "bob", by_token).await;
        let mut bobs_talk = websocket(&gateway, &upstream, "/", &bobs).await;
        let mut bobs_stream = events(&gateway, &upstream, &bobs).await;
        let mut bobs_file = download(&gateway, &upstream, &bobs).await;

        end(&gateway, way, &alices).await;
        is_closed(talk).await;
        is_cut(stream).await;
        is_cut(file).await;

        goes_on(&mut bobs_talk, "\u{1}\u{5}hello").await;
        goes_on(&mut bobs_stream, "5\r\nagain\r\n").await;
        goes_on(&mut bobs_file, "and goes on").await;

        // Its line says why.
        let lines = gateway.stopped();
        let mut cut: Vec<_> = lines
            .iter()
            .filter(|line| line["refusal"] == "credential_ended")
            .map(|line| (line["user"].as_str().unwrap(), line["path"].as_str().unwrap()))
            .collect();
        cut.sort_unstable();
        assert_eq!(
            cut,
            [("alice", "/"), ("alice", "/events"), ("alice", "/file")],
            "{way:?}"
        );
    }
}

/// How long the whole frames at the beginning of these bytes are, and whether the last is a close.
fn whole_frames(bytes: &[u8]) -> (usize, bool) {
    let (mut at, mut is_close) = (0, false);
    while let Some([first, second, high, low]) = bytes.get(at..at + 4) {
        let (head, length) = match second {
            126 => (4, usize::from(*high) << 8 | usize::from(*low)),
            length => (2, usize::from(*length)),
        };
        if bytes.len() < at + head + length {
            break;
        }
        at += head + length;
        is_close = first & 0x0f == 8;
    }
    (at, is_close)
}

#[tokio::test]
async fn a_close_frame_comes_between_two_frames_or_not_at_all() {
    let upstream = PlayedUpstream::start().await;
    let gateway = builder(&upstream).start().await;
    // The app says one large frame after the other, as fast as they are taken.
    let cookie = credential(&gateway, "alice", false).await;
    let (mut client, mut app) = websocket(&gateway, &upstream, "/", &cookie).await;
    let frame = [&b"\x82\x7e\xea\x60"[..], &[0x88; 60_000]].concat();
    let talking = async { while app.offer(&frame).await.is_ok() {} };
    let ((), (), heard) = tokio::join!(talking, sign_out(&gateway, &cookie), client.rest());
    let (whole, is_close) = whole_frames(&heard);
    assert!(whole > 0);
    assert!(is_close && whole == heard.len() || !is_close && whole < heard.len());

    // It stops amid one: nothing can be said behind that.
    let cookie = credential(&gateway, "alice", false).await;
    let (mut client, mut app) = websocket(&gateway, &upstream, "/", &cookie).await;
    app.send(b"\x81\x05hel").await;
    assert_eq!(client.exactly(5).await, b"\x81\x05hel");
    sign_out(&gateway, &cookie).await;
    assert_eq!(app.exactly(CLOSE_TO_APP.len()).await, CLOSE_TO_APP);
    client.ends().await;
    app.ends().await;

    // Whoever has closed already is told nothing more.
    let cookie = credential(&gateway, "alice", false).await;
    let (mut client, mut app) = websocket(&gateway, &upstream, "/", &cookie).await;
    app.send(b"\x88\x02\x03\xe8").await;
    assert_eq!(client.exactly(4).await, b"\x88\x02\x03\xe8");
    sign_out(&gateway, &cookie).await;
    client.ends().await;
    assert_eq!(app.rest().await, CLOSE_TO_APP);
}

#[tokio::test]
async fn a_question_whose_answer_does_not_come_is_answered_by_the_gateway() {
    let upstream = PlayedUpstream::start().await;
    let gateway = builder(&upstream).start().await;
    let cookie = credential(&gateway, "alice", false).await;
    let mut client = gateway.wire().await;
    client
        .send(format!("GET /poll HTTP/1.1\r\nhost: x\r\n{cookie}\r\n\r\n"))
        .await;
    let mut app = upstream.accept().await;
    app.head().await;
    sign_out(&gateway, &cookie).await;
    assert_eq!(client.answer().await.status, 401);
    app.ends().await;
    // The connection is as good as before.
    client.send("GET /.auth/health HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
}
