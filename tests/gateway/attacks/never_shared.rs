//! Connections to an app on which somebody is signed in are used by nobody else.

use super::head;
use crate::harness::{PlayedUpstream, Upstream, gateway};

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
const BYE: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\n\r\nbye";

/// A client sends a request with `field` and is answered `answer`: its connection to the app. Then it asks again, and so
/// do others. `is_its_own` says whether the connection is the client's alone from then on.
async fn who_is_on_it(field: &str, answer: &str, is_its_own: bool) {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().public("/", &upstream).start().await;
    let mut client = gateway.wire().await;
    client
        .send(format!("GET /first HTTP/1.1\r\nhost: x\r\n{field}\r\n"))
        .await;
    let mut app = upstream.accept().await;
    app.head().await;
    app.send(answer).await;
    client.head().await;

    // Whoever signed in goes on where they did, and a connection like any other is kept as well.
    client.send("GET /second HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(app.head().await.starts_with("GET /second "), "{field} {answer}");
    app.send(HELLO).await;
    client.until("hello").await;
    if !is_its_own {
        return;
    }
    // On either worker, others come on connections of their own.
    for _ in 0..8 {
        let mut other = gateway.wire().await;
        other.send("GET /other HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut fresh = upstream.accept().await;
        assert!(fresh.head().await.starts_with("GET /other "), "{field} {answer}");
        fresh.send(BYE).await;
        other.until("bye").await;
    }
    // It ends with its client.
    drop(client);
    app.ends().await;
}

#[tokio::test]
async fn a_connection_that_a_client_signs_in_is_its_own() {
    for (scheme, is_its_own) in [
        ("NTLM TlRMTVNTUAABAAAA", true),
        ("ntlm TlRMTVNTUAABAAAA", true),
        ("Negotiate YII=", true),
        ("NEGOTIATE YII=", true),
        ("Negotiate", true),
        ("Basic eDp5", false),
        ("Digest username=\"x\"", false),
    ] {
        who_is_on_it(&format!("Authorization: {scheme}\r\n"), HELLO, is_its_own).await;
    }
}

#[tokio::test]
async fn a_connection_that_an_app_asks_to_sign_in_is_its_clients_own() {
    for (challenges, is_its_own) in [
        ("WWW-Authenticate: NTLM\r\n", true),
        ("WWW-Authenticate: NTLM TlRMTVNTUAACAAAA\r\n", true),
        ("www-authenticate: negotiate\r\n", true),
        (
            "WWW-Authenticate: Basic realm=\"x\"\r\nWWW-Authenticate: Negotiate\r\n",
            true,
        ),
        ("WWW-Authenticate: Basic realm=\"x\"\r\n", false),
    ] {
        let answer = format!("HTTP/1.1 401 Unauthorized\r\n{challenges}Content-Length: 0\r\n\r\n");
        who_is_on_it("", &answer, is_its_own).await;
    }
}

#[tokio::test]
async fn an_answer_that_was_not_asked_for_is_nobodys() {
    // The first answer is followed by another at once: on a shared connection it would be the next person's.
    let upstream = Upstream::answering(|_| {
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned".to_vec()
    });
    let gateway = gateway().public("/", &upstream).start().await;
    let mut client = gateway.raw().await;
    for _ in 0..5 {
        client.send(head("GET /", &[])).await;
        let answer = client.response().await.unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    }
}
