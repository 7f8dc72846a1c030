//! Kept connections to upstreams: used again where that is safe, and never where one request could get another's answer or
//! be delivered twice.

use tokio::net::TcpStream;

use crate::harness::{Gateway, PlayedUpstream, Upstream, Wire, gateway};

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

async fn played() -> (PlayedUpstream, Gateway, Wire<TcpStream>) {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().public("/", &upstream).start().await;
    let client = gateway.wire().await;
    (upstream, gateway, client)
}

/// The same, with a connection to the upstream that has been used once and is kept.
async fn kept() -> (PlayedUpstream, Gateway, Wire<TcpStream>, Wire<TcpStream>) {
    let (upstream, gateway, mut client) = played().await;
    client.send("GET /first HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut app = upstream.accept().await;
    app.head().await;
    app.send(HELLO).await;
    client.until("hello").await;
    (upstream, gateway, client, app)
}

#[tokio::test]
async fn a_connection_is_used_again_after_every_kind_of_answer() {
    let upstream = Upstream::answering(|request| {
        let path = request.line().split(' ').nth(1).unwrap();
        let answer = match path {
            "/head" => "HTTP/1.1 200 OK\r\n\r\n",
            "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
            "/304" => "HTTP/1.1 304 Not Modified\r\n\r\n",
            "/chunked" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "/empty" => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            _ => HELLO,
        };
        answer.into()
    });
    let gateway = gateway().public("/", &upstream).start().await;
    let mut client = gateway.raw().await;
    for _ in 0..3 {
        for path in ["/", "/head", "/204", "/304", "/chunked", "/empty"] {
            let method = if path == "/head" { "HEAD" } else { "GET" };
            client
                .send(format!("{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
                .await;
            let answer = match method {
                "HEAD" => client.head_response().await,
                _ => client.response().await,
            };
            assert!(answer.unwrap().status < 400, "{path}");
        }
    }
    assert_eq!(upstream.received().len(), 18);
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_body_that_comes_where_there_is_none_is_nobodys() {
    const POISON: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";
    for (method, answer) in [
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 49\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 49\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\ncontent-length: 49\r\n\r\n"),
    ] {
        let (upstream, _gateway, mut client) = played().await;
        client
            .send(format!("{method} / HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await;
        let mut broken = upstream.accept().await;
        broken.head().await;
        broken.send(answer).await;
        client.head().await;
        // The next request, which may be another person's, is on its way when the body comes all the same. It comes on
        // this connection, so that it is the same worker's.
        client.send("GET /next HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut app = upstream.accept().await;
        assert!(app.head().await.starts_with("GET /next "), "{answer}");
        let _ = broken.offer(POISON).await;
        app.send(HELLO).await;
        let head = client.head().await;
        assert_eq!(client.exactly(5).await, b"hello", "{answer}: {head}");
    }
}

#[tokio::test]
async fn an_answer_that_the_client_drops_ends_its_connection() {
    let (upstream, gateway, mut client) = played().await;
    client.send("GET /stream HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut app = upstream.accept().await;
    app.head().await;
    // Before the answer has begun, between two pieces of it, and amid one.
    for said in [
        "",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\none",
    ] {
        app.send(said).await;
        if !said.is_empty() {
            client.until("one").await;
        }
        drop(client);
        app.ends().await;
        client = gateway.wire().await;
        client.send("GET /next HTTP/1.1\r\nhost: x\r\n\r\n").await;
        app = upstream.accept().await;
        assert!(app.head().await.starts_with("GET /next "));
    }
}

#[tokio::test]
async fn an_upload_that_the_client_drops_is_never_taken_for_a_whole_one() {
    for (framing, piece) in [
        ("content-length: 10", "half"),
        ("transfer-encoding: chunked", "4\r\nhalf\r\n"),
    ] {
        let (upstream, _gateway, mut client) = played().await;
        client
            .send(format!("PUT / HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n{piece}"))
            .await;
        let mut app = upstream.accept().await;
        app.until(piece).await;
        drop(client);
        app.ends().await;
    }
}

#[tokio::test]
async fn a_connection_that_the_upstream_wants_closed_is_not_used_again() {
    let (upstream, _gateway, mut client) = played().await;
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut app = upstream.accept().await;
        app.head().await;
        app.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello")
            .await;
        client.until("hello").await;
        app.ends().await;
    }
}

#[tokio::test]
async fn whatever_comes_after_a_kept_connection_was_closed_is_delivered_once() {
    for round in 0..20 {
        for method in ["GET", "POST"] {
            let (upstream, _gateway, mut client, app) = kept().await;
            drop(app);
            client
                .send(format!(
                    "{method} /second HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody"
                ))
                .await;
            let mut app = upstream.accept().await;
            let head = app.head().await;
            assert!(head.starts_with(&format!("{method} /second ")), "{round}: {head}");
            assert_eq!(app.exactly(4).await, b"body");
            app.send(HELLO).await;
            client.until("hello").await;
        }
    }
}

#[tokio::test]
async fn what_may_have_been_delivered_is_repeated_only_where_that_changes_nothing() {
    for (request, repeated) in [
        ("GET /second HTTP/1.1\r\nhost: x\r\n\r\n", true),
        ("HEAD /second HTTP/1.1\r\nhost: x\r\n\r\n", true),
        ("OPTIONS /second HTTP/1.1\r\nhost: x\r\n\r\n", true),
        ("DELETE /second HTTP/1.1\r\nhost: x\r\n\r\n", true),
        (
            "PUT /second HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
            true,
        ),
        (
            "PUT /second HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody",
            false,
        ),
        (
            "GET /second HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody",
            false,
        ),
        (
            "POST /second HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
            false,
        ),
        (
            "POST /second HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody",
            false,
        ),
        (
            "POST /second HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
            false,
        ),
        ("PATCH /second HTTP/1.1\r\nhost: x\r\n\r\n", false),
        ("PROPFIND /second HTTP/1.1\r\nhost: x\r\n\r\n", false),
    ] {
        // The upstream has the request and closes: nobody knows what it did with it.
        let (upstream, _gateway, mut client, mut app) = kept().await;
        client.send(request).await;
        let first = app.head().await;
        drop(app);
        if repeated {
            let mut app = upstream.accept().await;
            assert_eq!(app.head().await, first, "the same request, with the same id");
            // Once: what fails twice has failed.
            drop(app);
        }
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 502 "), "{request}: {head}");
        let mut client = _gateway.wire().await;
        client.send("GET /third HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut app = upstream.accept().await;
        assert!(
            app.head().await.starts_with("GET /third "),
            "{request} came once more"
        );
    }
}

#[tokio::test]
async fn a_connection_whose_request_is_not_whole_yet_takes_no_other() {
    let (upstream, gateway, mut client) = played().await;
    client
        .send("POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\nhalf")
        .await;
    let mut app = upstream.accept().await;
    app.until("half").await;
    app.send(HELLO).await;
    client.until("hello").await;
    // The answer is there, the request is not: on both workers others go elsewhere.
    for _ in 0..4 {
        let mut other = gateway.wire().await;
        other.send("GET /other HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut fresh = upstream.accept().await;
        assert!(fresh.head().await.starts_with("GET /other "));
        fresh
            .send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello")
            .await;
        other.until("hello").await;
    }
    client.send("full").await;
    assert_eq!(app.exactly(4).await, b"full");
    // And whichever connection is next, the next request is whole.
    client.send("GET /next HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let head = tokio::select! {
        head = app.head() => head,
        mut fresh = upstream.accept() => fresh.head().await,
    };
    assert!(head.starts_with("GET /next "), "{head}");
}

#[tokio::test]
async fn an_early_answer_of_an_upstream_that_then_closes_arrives() {
    for round in 0..50 {
        let (upstream, _gateway, mut client) = played().await;
        client
            .send("POST /big HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000\r\n\r\n")
            .await;
        let mut app = upstream.accept().await;
        app.head().await;
        client.send(vec![b'x'; 100_000]).await;
        app.send("HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 6\r\n\r\nenough")
            .await;
        // With bytes left that nobody read, the kernel sends a reset.
        drop(app);
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 413 "), "{round}: {head}");
        assert_eq!(client.exactly(6).await, b"enough");
    }
}
