//! HTTP/1.1 connections: how many, for how long, and what is said on them in which order.

use crate::harness::{PlayedUpstream, Upstream, gateway};

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn one_more_than_the_most_waits_until_another_closes() {
    // As few as there are workers and fewer: a worker without a client must keep no place from one that has one.
    for most in 1..=3 {
        let upstream = Upstream::answering(|request| {
            let path = request.line().split(' ').nth(1).unwrap().to_owned();
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}", path.len()).into_bytes()
        });
        let gateway = gateway()
            .public("/", &upstream)
            .server(&format!("[server.limits]\nmax_connections = {most}"))
            .start()
            .await;
        let mut open = Vec::new();
        for number in 0..most {
            let mut client = gateway.raw().await;
            client
                .send(format!("GET /{number} HTTP/1.1\r\nhost: x\r\n\r\n"))
                .await;
            assert_eq!(client.response().await.unwrap().text(), format!("/{number}"));
            open.push(client);
        }
        let mut waiting = gateway.raw().await;
        waiting.send("GET /waiting HTTP/1.1\r\nhost: x\r\n\r\n").await;
        // The others go on meanwhile, and the one that waits gets nowhere.
        for client in &mut open {
            for _ in 0..10 {
                client.send("GET /on HTTP/1.1\r\nhost: x\r\n\r\n").await;
                assert_eq!(client.response().await.unwrap().text(), "/on");
            }
        }
        let lines: Vec<_> = upstream.received().iter().map(|r| r.line().to_owned()).collect();
        assert!(!lines.contains(&"GET /waiting HTTP/1.1".to_owned()), "{lines:?}");
        open.pop();
        assert_eq!(waiting.response().await.unwrap().text(), "/waiting", "of {most}");
    }
}

#[tokio::test]
async fn an_upgraded_connection_keeps_its_place() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway()
        .public("/", &upstream)
        .server("[server.limits]\nmax_connections = 1")
        .start()
        .await;
    let mut talking = gateway.wire().await;
    talking
        .send("GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: talk\r\n\r\n")
        .await;
    let mut app = upstream.accept().await;
    app.head().await;
    app.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: talk\r\n\r\n")
        .await;
    talking.head().await;
    let mut waiting = gateway.wire().await;
    waiting.send(GET).await;
    for _ in 0..10 {
        talking.send("ping").await;
        assert_eq!(app.exactly(4).await, b"ping");
    }
    // Its end makes room; only then does the next request arrive.
    drop(talking);
    app.ends().await;
    drop(app);
    let mut app = upstream.accept().await;
    app.head().await;
    app.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert!(waiting.head().await.starts_with("HTTP/1.1 204 "));
}

#[tokio::test]
async fn a_client_that_says_nothing_is_asked_whether_it_is_still_there() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).start().await;
    let mut client = gateway.raw().await;
    client.send(GET).await;
    client.response().await.unwrap();
    // The kernel's table: local address, remote one, state (1: open), queues, and which timer runs (2: keep-alive).
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = format!("0100007F:{:04X}", gateway.address.port());
    let timers: Vec<_> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields[1] == port && fields[3] == "01")
        .map(|fields| fields[5].to_owned())
        .collect();
    assert!(!timers.is_empty(), "{table}");
    assert!(timers.iter().all(|timer| timer.starts_with("02:")), "{timers:?}");
}

#[tokio::test]
async fn requests_sent_in_one_go_are_answered_in_order() {
    let upstream = Upstream::answering(|request| {
        let path = request.line().split(' ').nth(1).unwrap().to_owned();
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}", path.len()).into_bytes()
    });
    let gateway = gateway()
        .public("/public", &upstream)
        .route("/private", &upstream)
        .start()
        .await;
    let mut requests = String::new();
    let mut paths = Vec::new();
    while requests.len() < 8 * 1024 {
        // Every third is refused, and every other has a body.
        let number = paths.len();
        let path = match number % 3 {
            2 => format!("/private/{number}"),
            _ => format!("/public/{number}"),
        };
        requests += &match number % 2 {
            0 => format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"),
            _ => format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody"),
        };
        paths.push(path);
    }
    let mut client = gateway.raw().await;
    client.send(requests).await;
    for path in paths {
        let response = client.response().await.unwrap();
        if path.starts_with("/private") {
            assert_eq!(response.status, 401, "{path}");
        } else {
            assert_eq!(response.text(), path);
        }
    }
    assert!(upstream.received().iter().all(|r| r.line().contains("/public/")));
}

#[tokio::test]
async fn a_body_that_was_not_read_is_never_taken_for_a_request() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .public("/public", &upstream)
        .route("/private", &upstream)
        .start()
        .await;
    let smuggled = "GET /public/smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
    let chunked = format!(
        "transfer-encoding: chunked\r\n\r\n{:x}\r\n{smuggled}\r\n0\r\n\r\n",
        smuggled.len()
    );
    let sized = format!("content-length: {}\r\n\r\n{smuggled}", smuggled.len());
    for (target, status) in [
        ("/private/x", 401),
        ("/nowhere", 404),
        ("/.auth/nowhere", 404),
        ("/public/%zz", 400),
    ] {
        for body in [&sized, &chunked] {
            let mut client = gateway.raw().await;
            client
                .send(format!("POST {target} HTTP/1.1\r\nhost: x\r\n{body}"))
                .await;
            assert_eq!(client.response().await.unwrap().status, status, "{target}");
            upstream.saw_nothing();
            // Either the connection is closed, or the next request is the next answer.
            client.send("GET /public/next HTTP/1.1\r\nhost: x\r\n\r\n").await;
            if let Some(next) = client.response().await {
                assert_eq!((next.status, next.text().as_str()), (200, "hello"), "{target}");
                assert_eq!(upstream.only().line(), "GET /public/next HTTP/1.1");
            }
            upstream.forget();
        }
    }
}

#[tokio::test]
async fn a_refusal_is_seen_whole_by_a_client_that_is_still_sending() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/private", &upstream)
        .route_with("/small", &upstream, "access = \"public\"\nmax_body = \"1KiB\"")
        .start()
        .await;
    for (target, status) in [("/private", 401), ("/small", 413)] {
        let mut client = gateway.wire().await;
        let body = vec![b'x'; 4 << 20];
        client
            .send(format!(
                "POST {target} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
                body.len()
            ))
            .await;
        // A program that writes its whole body before it reads: no reset may meet it, or it would never read.
        client.offer(&body).await.unwrap();
        let head = client.head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        upstream.saw_nothing();
    }
}

#[tokio::test]
async fn http_1_0_closes_and_keeps_as_it_is_asked_to() {
    let upstream = Upstream::answering(|_| {
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n".to_vec()
    });
    let gateway = gateway().public("/", &upstream).start().await;
    for head in ["GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nhost: x\r\n\r\n"] {
        // A client of 1.0 knows no chunks: the end of the connection is the end of the body.
        let mut client = gateway.wire().await;
        client.send(head).await;
        let answer = String::from_utf8(client.rest().await).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "{head}");
        assert_eq!(body, "onetwo");
    }
    let sized = Upstream::start();
    let gateway = crate::harness::gateway().public("/", &sized).start().await;
    let mut client = gateway.raw().await;
    for _ in 0..2 {
        client
            .send("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
            .await;
        let response = client.response().await.unwrap();
        assert_eq!(response.text(), "hello");
        assert_eq!(response.header("connection"), ["keep-alive"]);
    }
}

#[tokio::test]
async fn connection_close_is_honoured() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .public("/", &upstream)
        .route("/private", &upstream)
        .start()
        .await;
    for (target, status) in [("/", 200), ("/private", 401)] {
        let mut client = gateway.raw().await;
        client
            .send(format!(
                "GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
            ))
            .await;
        let response = client.response().await.unwrap();
        assert_eq!(response.status, status);
        assert_eq!(response.header("connection"), ["close"]);
        assert!(client.is_closed().await);
    }
}

#[tokio::test]
async fn every_address_is_listened_on() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .public("/", &upstream)
        .also_listen("127.0.0.1:0")
        .also_listen("[::1]:0")
        .start()
        .await;
    assert_eq!(gateway.addresses.len(), 3);
    for &address in &gateway.addresses {
        let mut client = crate::harness::RawClient::connect(address).await;
        client.send(GET).await;
        assert_eq!(client.response().await.unwrap().status, 200, "{address}");
    }
}
