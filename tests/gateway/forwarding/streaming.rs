//! Bodies: each piece travels on when it comes, in both directions at once, and no faster than it is read.

use crate::harness::{PlayedUpstream, Wire, gateway};

async fn plain(gateway: &crate::harness::Gateway) -> Wire<tokio::net::TcpStream> {
    let (stream, buffer) = gateway.raw().await.into_parts();
    Wire::with(stream, buffer)
}

#[tokio::test]
async fn both_bodies_run_at_once_piece_by_piece() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().public("/", &upstream).start().await;
    let mut client = plain(&gateway).await;
    client
        .send("POST /talk HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
        .await;
    let mut app = upstream.accept().await;
    let head = app.head().await;
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    app.until("3\r\none\r\n").await;

    // The answer begins before the question has ended, and each piece answers the one before.
    app.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nONE\r\n")
        .await;
    client.until("\r\n\r\n3\r\nONE\r\n").await;
    for (question, answer) in [("two", "TWO"), ("six", "SIX")] {
        client.send(format!("3\r\n{question}\r\n")).await;
        app.until(format!("3\r\n{question}\r\n")).await;
        app.send(format!("3\r\n{answer}\r\n")).await;
        client.until(format!("3\r\n{answer}\r\n")).await;
    }
    client.send("0\r\n\r\n").await;
    app.until("0\r\n\r\n").await;
    app.send("0\r\n\r\n").await;
    client.until("0\r\n\r\n").await;
}

#[tokio::test]
async fn an_answer_comes_down_while_the_upstream_does_not_read_the_question() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().public("/", &upstream).start().await;
    let mut client = plain(&gateway).await;
    client
        .send("POST /big HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n")
        .await;
    let mut app = upstream.accept().await;
    app.head().await;
    // Every buffer on the way is full; the upstream has had enough.
    client.fill_up(99_999_999).await;
    app.send("HTTP/1.1 413 Payload Too Large\r\ncontent-length: 6\r\n\r\nenough")
        .await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
}

#[tokio::test]
async fn an_answer_does_not_wait_for_what_the_client_sends_after_its_request() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().public("/", &upstream).start().await;
    let mut client = plain(&gateway).await;
    // The next request is already there, whole or in part, while the first one's answer is a stream.
    client
        .send("GET /events HTTP/1.1\r\nhost: x\r\n\r\nGET /next HTTP/1.1\r\nho")
        .await;
    let mut app = upstream.accept().await;
    app.head().await;
    app.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    client.head().await;
    app.send("9\r\ndata: 1\n\n\r\n").await;
    client.until("data: 1\n\n").await;
    app.send("0\r\n\r\n").await;
    client.until("0\r\n\r\n").await;
    client.send("st: x\r\n\r\n").await;
    assert!(app.head().await.starts_with("GET /next "));
}
