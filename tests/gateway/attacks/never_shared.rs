//! Connections to an app on which somebody is signed in are used by nobody else.

use super::head;
use crate::harness::{RawClient, Upstream, gateway};

/// Sends a request over the client's connection, so that the same worker and its pool take it.
async fn ask(client: &mut RawClient, fields: &[&str]) -> u16 {
    client.send(head("GET /", fields)).await;
    client.response().await.unwrap().status
}

#[tokio::test]
async fn a_connection_that_a_client_signs_in_is_not_used_again() {
    for (scheme, shared) in [
        ("NTLM TlRMTVNTUAABAAAA", false),
        ("ntlm TlRMTVNTUAABAAAA", false),
        ("Negotiate YII=", false),
        ("NEGOTIATE YII=", false),
        ("Negotiate", false),
        ("Basic eDp5", true),
        ("Digest username=\"x\"", true),
    ] {
        let upstream = Upstream::start();
        let gateway = gateway().public("/", &upstream).start().await;
        let mut client = gateway.raw().await;
        let field = format!("Authorization: {scheme}");
        assert_eq!(ask(&mut client, &[&field]).await, 200);
        assert_eq!(upstream.only().header("authorization"), [scheme]);
        assert_eq!(ask(&mut client, &[]).await, 200);
        let connections = if shared { 1 } else { 2 };
        assert_eq!(upstream.connections(), connections, "{scheme}");
    }
}

#[tokio::test]
async fn a_connection_that_an_app_asks_to_sign_in_is_not_used_again() {
    for (challenges, shared) in [
        ("WWW-Authenticate: NTLM\r\n", false),
        ("WWW-Authenticate: NTLM TlRMTVNTUAACAAAA\r\n", false),
        ("www-authenticate: negotiate\r\n", false),
        (
            "WWW-Authenticate: Basic realm=\"x\"\r\nWWW-Authenticate: Negotiate\r\n",
            false,
        ),
        ("WWW-Authenticate: Basic realm=\"x\"\r\n", true),
    ] {
        let answer = format!("HTTP/1.1 401 Unauthorized\r\n{challenges}Content-Length: 0\r\n\r\n");
        let upstream = Upstream::answering(move |_| answer.clone().into_bytes());
        let gateway = gateway().public("/", &upstream).start().await;
        let mut client = gateway.raw().await;
        assert_eq!(ask(&mut client, &[]).await, 401);
        assert_eq!(ask(&mut client, &[]).await, 401);
        let connections = if shared { 1 } else { 2 };
        assert_eq!(upstream.connections(), connections, "{challenges}");
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
