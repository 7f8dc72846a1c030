use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use super::*;

struct App {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<io::Result<()>>,
}

impl App {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(serve(listener, async {
            let _ = stopped.await;
        }));
        Self {
            address,
            stop,
            serving,
        }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap().unwrap();
    }

    /// Sends one request head (and body) and reads until the app closes: its head and its body.
    async fn ask(&self, line: &str, headers: &str, body: &[u8]) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!("{line} HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let body = answer.split_off(end);
        (String::from_utf8(answer).unwrap(), body)
    }

    async fn get(&self, path: &str, headers: &str) -> (String, String) {
        let (head, body) = self.ask(&format!("GET {path}"), headers, b"").await;
        (head, String::from_utf8(body).unwrap())
    }
}

#[tokio::test]
async fn any_request_is_shown_as_it_arrived() {
    let app = App::start().await;
    let headers = "X-Twice: 1\r\nX-Twice: 2\r\nContent-Length: 5\r\n";
    let (head, body) = app.ask("PATCH /a%20b/c?x=1&y", headers, b"hello").await;
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("application/json"),
        "{head}"
    );
    let shown: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        shown,
        serde_json::json!({
            "method": "PATCH",
            "path": "/a%20b/c",
            "query": "x=1&y",
            "version": "HTTP/1.1",
            "headers": [
                ["host", "app.test"], ["connection", "close"], ["x-twice", "1"], ["x-twice", "2"],
                ["content-length", "5"],
            ],
            "body_bytes": 5,
        })
    );
    app.stop().await;
}

#[tokio::test]
async fn a_browser_sees_who_is_signed_in() {
    let app = App::start().await;
    let (head, nobody) = app.get("/", "Accept: text/html\r\n").await;
    assert!(head.contains("text/html; charset=utf-8"), "{head}");
    assert!(nobody.contains("Nobody is signed in") && nobody.contains(r#"href="/.auth/login""#));
    let identity =
        "Accept: text/html\r\nRemote-User: alice\r\nRemote-Name: Älice\r\nRemote-Groups: staff,wiki\r\n";
    let (_, alice) = app.get("/", identity).await;
    for part in [
        "Signed in as",
        "Älice",
        "alice",
        "<li>staff</li><li>wiki</li>",
        r#"href="/.auth/logout""#,
    ] {
        assert!(alice.contains(part), "{part} missing in\n{alice}");
    }
    app.stop().await;
}

#[tokio::test]
async fn what_arrives_never_becomes_markup() {
    let app = App::start().await;
    let evil = "\"><script>alert(1)</script>";
    let headers =
        format!("Accept: text/html\r\nRemote-User: {evil}\r\nRemote-Groups: {evil}\r\nX: {evil}\r\n");
    let (_, html) = app.get("/?q=<script>", &headers).await;
    assert!(!html.contains("<script"), "{html}");
    app.stop().await;
}

#[tokio::test]
async fn an_upload_is_counted_and_hashed() {
    let app = App::start().await;
    let chunked = "Transfer-Encoding: chunked\r\n";
    for method in ["POST", "PUT"] {
        let (_, body) = app
            .ask(
                &format!("{method} /upload"),
                chunked,
                b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            )
            .await;
        let shown: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let sha256: String = Sha256::digest("abcde")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(shown, serde_json::json!({ "bytes": 5, "sha256": sha256 }));
    }
    app.stop().await;
}

#[tokio::test]
async fn a_download_has_the_size_and_content_that_was_promised() {
    let app = App::start().await;
    let (head, body) = app.ask("GET /download?bytes=150000", "", b"").await;
    assert!(head.contains("content-length: 150000\r\n"), "{head}");
    assert_eq!(body.len(), 150_000);
    assert!(
        body.iter()
            .enumerate()
            .all(|(n, &byte)| usize::from(byte) == n % 65536 % 251)
    );
    let (head, body) = app.ask("HEAD /download", "", b"").await;
    assert!(
        head.contains("content-length: 104857600\r\n") && body.is_empty(),
        "{head}"
    );
    let (head, _) = app.ask("GET /download?bytes=0", "", b"").await;
    assert!(head.contains("content-length: 0\r\n"), "{head}");
    app.stop().await;
}

#[tokio::test]
async fn events_count_up() {
    let app = App::start().await;
    let (head, body) = app.get("/events/stream?count=3&interval_ms=10", "").await;
    assert!(head.contains("content-type: text/event-stream\r\n"), "{head}");
    let data: Vec<&str> = body.lines().filter(|line| line.starts_with("data:")).collect();
    assert_eq!(data, ["data: 1", "data: 2", "data: 3"]);
    app.stop().await;
}

#[tokio::test]
async fn statuses_pages_and_mistakes() {
    let app = App::start().await;
    for (path, status, part) in [
        ("/status/204", 204, ""),
        ("/status/404", 404, "404"),
        ("/status/503", 503, "503"),
        ("/status/101", 400, "error"),
        ("/status/x", 400, "error"),
        ("/slow?ms=1", 200, "waited_ms"),
        ("/slow?ms=soon", 400, "ms must be"),
        ("/download?bytes=-1", 400, "bytes must be"),
        ("/events/stream?count=all", 400, "count must be"),
        ("/ws", 200, "/ws/echo"),
        ("/events", 200, "/events/stream"),
        ("/upload", 200, "<form"),
        ("/ws/echo", 426, "handshakes"),
    ] {
        let (head, body) = app.get(path, "").await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {head}");
        assert!(body.contains(part), "{path}: {body}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_websocket_echoes_until_the_app_stops() {
    let app = App::start().await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let handshake = "GET /ws/echo HTTP/1.1\r\nHost: app.test\r\nConnection: keep-alive, Upgrade\r\n\
        Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(handshake.as_bytes()).await.unwrap();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(stream.read_u8().await.unwrap()));
    }
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    // The pair of RFC 6455, section 1.3.
    assert!(
        head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "{head}"
    );

    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    for message in [Message::text("grüezi"), Message::binary(vec![7; 200_000])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    app.stop.send(()).unwrap();
    assert!(socket.next().await.unwrap().unwrap().is_close());
    drop(socket);
    app.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_endless_stream_does_not_hold_up_the_shutdown() {
    let app = App::start().await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    stream
        .write_all(b"GET /events/stream HTTP/1.1\r\nHost: app.test\r\n\r\n")
        .await
        .unwrap();
    stream.read_u8().await.unwrap();
    app.stop().await;
}
