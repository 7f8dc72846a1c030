//! Bodies: each piece travels on when it comes, in both directions at once, and no faster than it is read.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::harness::{PlayedUpstream, gateway, sample_app};

#[tokio::test]
async fn both_bodies_run_at_once_piece_by_piece() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().public("/", &upstream).start().await;
    let mut client = gateway.wire().await;
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
    let mut client = gateway.wire().await;
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
    let mut client = gateway.wire().await;
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

#[tokio::test]
async fn each_event_of_a_stream_arrives_before_the_next_is_sent() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().route("/", &upstream).user("alice").tls().start().await;
    let cookie = gateway.sign_in("alice").await;
    let asking = gateway
        .get("/events")
        .header("accept", "text/event-stream")
        .header("cookie", cookie);
    let asking = tokio::spawn(asking.send());
    let mut app = upstream.accept().await;
    app.head().await;
    app.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\n\r\n")
        .await;
    let mut answer = asking.await.unwrap().unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    for number in 0..5 {
        let event = format!("data: {number}\n\n");
        app.send(&event).await;
        assert_eq!(answer.chunk().await.unwrap().unwrap(), event);
    }
    // Without a length its end is the end of the upstream's connection.
    drop(app);
    while let Some(piece) = answer.chunk().await.unwrap() {
        assert!(piece.is_empty());
    }
}

/// What the gateway and the kernel hold on the way, at most: far more than they do, far less than a body.
const BOUND: usize = 32 << 20;

#[tokio::test]
async fn who_reads_slowly_stops_who_sends() {
    // Up: the upstream reads nothing of the body.
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway()
        .public("/", &upstream)
        .server("limits.max_body = \"1GiB\"")
        .start()
        .await;
    let mut client = gateway.wire().await;
    client
        .send("POST /up HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n")
        .await;
    let mut app = upstream.accept().await;
    app.head().await;
    let taken = client.fill_up(2 * BOUND).await;
    assert!(taken < BOUND, "{taken} bytes were taken on the way up");
    app.exactly(taken).await;
    client.send("more").await;
    app.until("more").await;

    // Down: the client reads nothing of the answer, whatever it has sent after its request.
    for more in ["", "GET /more HTTP/1.1\r\nho"] {
        let mut client = gateway.wire().await;
        client
            .send(format!("GET /down HTTP/1.1\r\nhost: x\r\n\r\n{more}"))
            .await;
        let mut app = upstream.accept().await;
        app.head().await;
        app.send("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
            .await;
        let taken = app.fill_up(2 * BOUND).await;
        assert!(taken < BOUND, "{taken} bytes were taken on the way down");
        client.head().await;
        client.exactly(taken).await;
        app.send("more").await;
        client.until("more").await;
    }
}

#[tokio::test]
async fn trailers_travel_both_ways_without_what_may_not_be_in_them() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().public("/", &upstream).start().await;
    let mut client = gateway.wire().await;
    client
        .send(
            "POST / HTTP/1.1\r\nhost: x\r\nte: trailers\r\nconnection: te\r\ntransfer-encoding: chunked\r\n\
             trailer: x-sum, remote-user, x_forwarded_for, cookie, content-length\r\n\r\n\
             3\r\none\r\n0\r\nx-sum: up\r\nremote-user: evil\r\nx_forwarded_for: evil\r\ncookie: evil\r\n\
             content-length: 7\r\n\r\n",
        )
        .await;
    let mut app = upstream.accept().await;
    app.head().await;
    app.until("3\r\none\r\n0\r\nx-sum: up\r\n\r\n").await;
    app.send(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
         3\r\ntwo\r\n0\r\nx-sum: down\r\n\r\n",
    )
    .await;
    let head = client.head().await;
    assert!(head.contains("\r\ntrailer: x-sum\r\n"), "{head}");
    client.until("3\r\ntwo\r\n0\r\nx-sum: down\r\n\r\n").await;
}

/// 64 KiB whose bytes tell where they belong.
fn block() -> Vec<u8> {
    (0..65_536_u32).map(|n| (n % 251) as u8).collect()
}

#[tokio::test]
async fn a_large_body_arrives_whole_both_ways() {
    const BLOCKS: usize = 3200;
    let length = BLOCKS * 65_536;
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway()
        .route_with("/", &upstream, "access = \"public\"\nmax_body = \"1GiB\"")
        .start()
        .await;
    let mut client = gateway.wire().await;
    client
        .send(format!(
            "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n"
        ))
        .await;
    let mut app = upstream.accept().await;
    app.head().await;
    let block = block();
    let upload = async {
        for _ in 0..BLOCKS {
            client.send(&block).await;
        }
    };
    let receive = async {
        for number in 0..BLOCKS {
            assert!(app.exactly(65_536).await == block, "block {number}");
        }
    };
    tokio::join!(upload, receive);
    app.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"))
        .await;
    client.head().await;
    let download = async {
        for _ in 0..BLOCKS {
            app.send(&block).await;
        }
    };
    let receive = async {
        for number in 0..BLOCKS {
            assert!(client.exactly(65_536).await == block, "block {number}");
        }
    };
    tokio::join!(download, receive);
    // The length was what it said: the connection goes on.
    client.send("GET /next HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(app.head().await.starts_with("GET /next "));
}

#[tokio::test]
async fn the_sample_app_gets_an_upload_and_sends_a_download_byte_for_byte() {
    const LENGTH: usize = 4 << 20;
    let app = sample_app();
    let gateway = gateway().route("/", &app).user("alice").tls().start().await;
    let token = gateway.token("alice").await;
    let answer = gateway
        .get(&format!("/download?bytes={LENGTH}"))
        .bearer_auth(&token);
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.content_length(), Some(LENGTH as u64));
    let body: Bytes = answer.bytes().await.unwrap();
    assert!(body == block().repeat(LENGTH / 65_536));
    let hash = Sha256::digest(&body);
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();

    let upload = gateway.request("PUT", "/upload").bearer_auth(&token).body(body);
    let answer: serde_json::Value = upload.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&answer["bytes"], &answer["sha256"]),
        (&LENGTH.into(), &hash.into())
    );
}
