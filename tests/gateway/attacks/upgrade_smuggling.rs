//! A request to speak another protocol, and what comes right behind it.

use super::head;
use crate::harness::{Upstream, gateway};

#[tokio::test]
async fn what_follows_an_upgrade_that_did_not_happen_is_a_request_like_any_other() {
    for status in [
        "200 OK",
        "404 Not Found",
        "426 Upgrade Required",
        "500 Internal Server Error",
    ] {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        let upstream = Upstream::answering(move |_| answer.clone().into_bytes());
        let gateway = gateway()
            .public("/public", &upstream)
            .route("/admin", &upstream)
            .start()
            .await;
        for protocol in ["websocket", "x", "h2c", "TLS/1.0"] {
            upstream.forget();
            let mut client = gateway.raw().await;
            let upgrade = format!("Upgrade: {protocol}");
            let first = head("GET /public", &["Connection: Upgrade", &upgrade]);
            let second = head("GET /admin", &["Remote-User: alice"]);
            client.send([first, second].concat()).await;
            let answer = client.response().await.unwrap();
            assert_eq!(answer.status.to_string(), status[..3], "{protocol}");
            assert_eq!(
                client.response().await.unwrap().status,
                401,
                "{protocol}, {status}"
            );
            assert_eq!(upstream.only().line(), "GET /public HTTP/1.1");
        }
    }
}

#[tokio::test]
async fn an_upgrade_that_is_refused_forwards_nothing_of_what_follows() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).start().await;
    let mut client = gateway.raw().await;
    let upgrade = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
    ];
    client
        .send(
            [
                head("GET /", &upgrade),
                head("GET /again", &[]),
                b"\x81\x05hello\r\n\r\n".to_vec(),
            ]
            .concat(),
        )
        .await;
    assert_eq!(client.response().await.unwrap().status, 401);
    assert_eq!(client.response().await.unwrap().status, 401);
    assert_eq!(
        client.response().await.unwrap().status,
        400,
        "a WebSocket's frame is no request"
    );
    assert!(client.is_closed().await);
    upstream.saw_nothing();
}

#[tokio::test]
async fn no_app_is_asked_to_speak_http_anew_past_the_rules() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).start().await;
    for fields in [
        &[
            "Connection: Upgrade, HTTP2-Settings",
            "Upgrade: h2c",
            "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        ][..],
        &[
            "Connection: Upgrade",
            "Upgrade: h2c",
            "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        ],
        &["Connection: upgrade", "Upgrade: H2C"],
        &["Connection: Upgrade", "Upgrade: h2"],
        &["Connection: Upgrade", "Upgrade: h2c-14"],
        &["Connection: Upgrade", "Upgrade: h3"],
        &["Connection: Upgrade", "Upgrade: HTTP/2.0"],
        &["Connection: Upgrade", "Upgrade: http/1.1"],
        &["Connection: Upgrade", "Upgrade: TLS/1.0"],
        &["Connection: Upgrade", "Upgrade: TLS/1.2, HTTP/1.1"],
        &["Connection: Upgrade", "Upgrade: websocket, h2c"],
        &["Connection: Upgrade", "Upgrade: h2c, websocket"],
        &["Connection: Upgrade", "Upgrade: ,h2c"],
        &["Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c"],
        &["Connection: Upgrade", "Upgrade: websocket", "Upgrade: websocket"],
        &["Connection: Upgrade", "Upgrade:"],
        // Not asked for on this connection.
        &["Upgrade: websocket"],
        &["Connection: keep-alive", "Upgrade: websocket"],
        &["Connection: x-upgrade", "Upgrade: websocket"],
        &["Proxy-Connection: Upgrade", "Upgrade: websocket"],
    ] {
        upstream.forget();
        let answer = gateway.exchange(head("GET /", fields)).await.unwrap();
        assert_eq!(answer.status, 200, "{fields:?}: {}", answer.head);
        let request = upstream.only();
        for name in ["upgrade", "connection", "http2-settings"] {
            assert!(request.header(name).is_empty(), "{fields:?}: {}", request.head);
        }
    }

    // HTTP/1.0 knows no upgrade.
    upstream.forget();
    let old = "GET / HTTP/1.0\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(gateway.exchange(old).await.unwrap().status, 200);
    assert!(upstream.only().header("upgrade").is_empty());
}

#[tokio::test]
async fn an_app_that_changes_the_protocol_unasked_gets_no_tunnel() {
    let upstream = Upstream::answering(|_| {
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".to_vec()
    });
    let gateway = gateway()
        .public("/", &upstream)
        .route("/admin", &upstream)
        .start()
        .await;
    for fields in [
        &[][..],
        &["Connection: Upgrade", "Upgrade: h2c"],
        &["Upgrade: websocket"],
    ] {
        upstream.forget();
        let mut client = gateway.raw().await;
        client
            .send([head("GET /", fields), head("GET /admin", &[])].concat())
            .await;
        assert_eq!(client.response().await.unwrap().status, 502, "{fields:?}");
        assert_eq!(client.response().await.unwrap().status, 401, "{fields:?}");
        assert_eq!(upstream.only().line(), "GET / HTTP/1.1");
    }
}
