//! How much a request may bring, and how long it may take to.

use crate::harness::{Gateway, PlayedUpstream, Upstream, gateway, soon};

/// 1 KiB everywhere, 4 KiB below `/large`, nothing below `/none`.
async fn limited(upstream: &Upstream) -> Gateway {
    gateway()
        .server("[server.limits]\nmax_body = \"1KiB\"")
        .public("/", upstream)
        .route_with("/large", upstream, "access = \"public\"\nmax_body = \"4KiB\"")
        .route_with("/none", upstream, "access = \"public\"\nmax_body = \"0B\"")
        .start()
        .await
}

fn chunked(bytes: usize) -> String {
    let whole = format!("{:x}\r\n{}\r\n", 64, "x".repeat(64)).repeat(bytes / 64);
    let rest = match bytes % 64 {
        0 => String::new(),
        rest => format!("{rest:x}\r\n{}\r\n", "x".repeat(rest)),
    };
    format!("{whole}{rest}0\r\n\r\n")
}

#[tokio::test]
async fn a_body_up_to_the_limit_passes_and_a_byte_more_is_413() {
    for sized in [true, false] {
        let upstream = Upstream::start();
        let gateway = limited(&upstream).await;
        for (path, limit) in [
            ("/", 1024),
            ("/large", 4096),
            ("/large/below", 4096),
            ("/none", 0),
        ] {
            for (bytes, status) in [(limit, 200), (limit + 1, 413), (limit * 100 + 1, 413)] {
                let (framing, body) = match sized {
                    true => (format!("content-length: {bytes}"), "x".repeat(bytes)),
                    false => ("transfer-encoding: chunked".to_owned(), chunked(bytes)),
                };
                let what = format!("{bytes} bytes to {path}, {framing}");
                let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n");
                let answer = gateway.exchange(format!("{head}{body}")).await.unwrap();
                assert_eq!(answer.status, status, "{what}");
                if status == 200 {
                    assert_eq!(upstream.only().body.len(), body.len(), "{what}");
                } else {
                    assert_eq!(answer.header("connection"), ["close"], "{what}");
                    assert!(answer.text().contains("larger than the limit"), "{what}");
                    // What says that it is too large is refused before anything of it goes up; what turns out to be
                    // never arrives whole.
                    match sized {
                        true => upstream.saw_nothing(),
                        false => assert!(upstream.received().is_empty(), "{what}"),
                    }
                }
                upstream.forget();
            }
        }
    }
}

#[tokio::test]
async fn of_a_body_that_grows_too_large_no_more_than_the_limit_goes_up_and_no_end() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway()
        .route_with("/", &upstream, "access = \"public\"\nmax_body = \"1KiB\"")
        .start()
        .await;
    let mut client = gateway.wire().await;
    client
        .send("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    let mut app = upstream.accept().await;
    app.head().await;
    let piece = format!("80\r\n{}\r\n", "x".repeat(128));
    for _ in 0..8 {
        client.send(&piece).await;
        app.until(&piece).await;
    }
    client.send("1\r\nx\r\n").await;
    app.ends().await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
}

#[tokio::test]
async fn who_asks_before_sending_hears_what_the_app_says_to_that() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway()
        .server("[server.limits]\nmax_body = \"1000B\"")
        .public("/", &upstream)
        .start()
        .await;
    let asking = |bytes: usize| {
        format!("POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {bytes}\r\n\r\n")
    };
    // The app asks for the body, with other interim answers around it: only then does the client send it.
    let mut client = gateway.wire().await;
    client.send(asking(5)).await;
    let mut app = upstream.accept().await;
    assert!(app.head().await.contains("\r\nexpect: 100-continue\r\n"));
    app.send("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
        .await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello").await;
    assert_eq!(app.exactly(5).await, b"hello");
    app.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    client.until("ok").await;

    // The app does not want it: no 100 comes first.
    drop(app);
    let mut client = gateway.wire().await;
    client.send(asking(5)).await;
    let mut app = upstream.accept().await;
    app.head().await;
    app.send("HTTP/1.1 417 Expectation Failed\r\ncontent-length: 2\r\n\r\nno")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 417 "));
    assert_eq!(client.exactly(2).await, b"no");
    // Without a body that is whole, no other request comes on that connection.
    app.ends().await;

    // An app that knows nothing of it is sent the body all the same, a little later.
    let mut client = gateway.wire().await;
    client.send(asking(5)).await;
    let mut app = upstream.accept().await;
    app.head().await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello").await;
    assert_eq!(app.exactly(5).await, b"hello");
    app.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    client.until("ok").await;

    // Larger than the limit: refused, and the app hears nothing.
    let mut client = gateway.wire().await;
    client.send(asking(5000)).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
}

#[tokio::test]
async fn a_head_up_to_the_limit_passes_and_a_larger_one_is_431() {
    let upstream = Upstream::start();
    let limit = 16 * 1024;
    let gateway = gateway()
        .public("/", &upstream)
        .server("[server.limits]\nmax_header_bytes = \"16KiB\"")
        .start()
        .await;
    let around = "GET / HTTP/1.1\r\nhost: x\r\nx: \r\n\r\n".len();
    let one = |bytes: usize| {
        format!(
            "GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
            "y".repeat(bytes - around)
        )
    };
    let many = |bytes: usize| {
        let line = format!("x: {}\r\n", "y".repeat(250));
        format!(
            "GET / HTTP/1.1\r\nhost: x\r\n{}\r\n",
            line.repeat(bytes / line.len())
        )
    };
    let query = |bytes: usize| format!("GET /?{} HTTP/1.1\r\nhost: x\r\n\r\n", "y".repeat(bytes));
    for (what, head, status) in [
        ("a header", one(limit - 256), 200),
        ("a header", one(limit + 1), 431),
        ("a large header", one(100 * limit), 431),
        ("many headers", many(limit - 512), 200),
        ("many headers", many(limit + 512), 431),
        ("a query", query(limit - 256), 200),
        ("a query", query(limit + 1), 431),
    ] {
        // Whole, and in pieces that arrive one by one.
        for piece in [head.len(), 1000] {
            let mut client = gateway.raw().await;
            for piece in head.as_bytes().chunks(piece) {
                client.send(piece).await;
            }
            let answer = client.response().await.unwrap();
            assert_eq!(answer.status, status, "{what} of {} bytes", head.len());
            if status == 431 {
                upstream.saw_nothing();
                assert!(client.is_closed().await);
            }
            upstream.forget();
        }
    }
}

#[tokio::test]
async fn a_client_that_stops_amid_its_body_is_told_408_and_given_up() {
    const SHORT: &str = "access = \"public\"\ntimeout = { response = \"300ms\" }";
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().route_with("/", &upstream, SHORT).start().await;
    for (framing, piece) in [
        ("content-length: 10", "half"),
        ("transfer-encoding: chunked", "4\r\nhalf\r\n"),
    ] {
        let mut client = gateway.wire().await;
        client
            .send(format!("POST / HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n{piece}"))
            .await;
        let mut app = upstream.accept().await;
        app.until(piece).await;
        app.ends().await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 408 "), "{framing}: {head}");
        assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
    }
    let log = gateway.stopped();
    assert!(
        log.iter().all(|line| line["refusal"] == "body_timeout"),
        "{log:?}"
    );
}

#[tokio::test]
async fn an_upload_that_moves_may_take_longer_than_an_answer_may() {
    const SHORT: &str = "access = \"public\"\ntimeout = { response = \"1s\" }";
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().route_with("/", &upstream, SHORT).start().await;
    let mut client = gateway.wire().await;
    client
        .send("PUT / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    let mut app = upstream.accept().await;
    app.head().await;
    // Another request that gets no answer shows when the limit has passed, twice.
    for _ in 0..2 {
        let mut other = gateway.wire().await;
        other.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut silent = upstream.accept().await;
        silent.head().await;
        let moving = async {
            let mut pace = tokio::time::interval(std::time::Duration::from_millis(20));
            loop {
                pace.tick().await;
                client.send("1\r\nx\r\n").await;
                app.until("1\r\nx\r\n").await;
            }
        };
        tokio::select! {
            () = moving => {}
            head = soon("504", other.head()) => assert!(head.starts_with("HTTP/1.1 504 "), "{head}"),
        }
        // The piece that was on its way when the other ended.
        client.send("3\r\nend\r\n").await;
        app.until("3\r\nend\r\n").await;
    }
    client.send("0\r\n\r\n").await;
    app.until("0\r\n\r\n").await;
    app.send("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 201 "));
}
