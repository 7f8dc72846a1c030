//! Which of several upstreams a request goes to.

use crate::harness::{Gateway, HOLD, PlayedUpstream, Replica, Url, gateway, soon};

/// Sends requests one after the other, over connections that are spread over both workers; returns who answered.
async fn send(gateway: &Gateway, count: usize) -> String {
    let mut names = String::new();
    for _ in 0..count {
        let answer = gateway
            .exchange("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
        names += &answer.text();
    }
    names
}

#[tokio::test]
async fn round_robin_gives_each_upstream_exactly_its_share() {
    let [a, b, c] = ["a", "b", "c"].map(Replica::start);
    for (weights, round) in [([1, 1, 1], "abc"), ([1, 3, 1], "babcb"), ([4, 1, 1], "aabcaa")] {
        let upstreams: Vec<String> = [&a, &b, &c]
            .iter()
            .zip(weights)
            .map(|(replica, weight)| format!("{{ url = {:?}, weight = {weight} }}", replica.url()))
            .collect();
        let gateway = gateway()
            .route_lines(&format!(
                "upstream = [{}]\nbalance = \"round_robin\"\naccess = \"public\"",
                upstreams.join(", ")
            ))
            .start()
            .await;
        // Whichever worker takes a request, and over however many connections they come.
        assert_eq!(
            send(&gateway, 6 * round.len()).await,
            round.repeat(6),
            "{weights:?}"
        );
    }
}

#[tokio::test]
async fn least_requests_takes_turns_where_nobody_is_busy() {
    let [a, b] = ["a", "b"].map(Replica::start);
    let gateway = gateway().balanced("/", &[&a, &b], "").start().await;
    assert_eq!(send(&gateway, 8).await, "abababab");
}

#[tokio::test]
async fn least_requests_goes_to_whoever_is_idle() {
    let [a, b] = ["a", "b"].map(Replica::start);
    let gateway = gateway().balanced("/", &[&a, &b], "").start().await;
    let mut waiting = gateway.raw().await;
    waiting
        .send(format!("GET {HOLD} HTTP/1.1\r\nhost: x\r\n\r\n"))
        .await;
    a.receives(1).await;
    assert_eq!(send(&gateway, 20).await, "b".repeat(20));
    a.release();
    assert_eq!(waiting.response().await.unwrap().text(), "a");
    let mut next = send(&gateway, 4).await;
    next.retain(|name| name == 'a');
    assert!(!next.is_empty(), "it is idle again");
}

#[tokio::test]
async fn an_upstream_is_busy_until_its_answer_is_over_its_tunnel_ends_or_its_client_is_gone() {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n";
    const AGREED: &str =
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: talk/1\r\n\r\none";
    let upgrade = "connection: upgrade\r\nupgrade: talk/1\r\n";
    for (asks, said, end) in [
        ("", ANSWER, Some("0\r\n\r\n")),
        ("", ANSWER, None),
        (upgrade, AGREED, Some("")),
        (upgrade, AGREED, None),
    ] {
        let (played, b) = (PlayedUpstream::start().await, Replica::start("b"));
        let gateway = gateway().balanced("/", &[&played, &b], "").start().await;
        let mut client = gateway.wire().await;
        client
            .send(format!("GET / HTTP/1.1\r\nhost: x\r\n{asks}\r\n"))
            .await;
        let mut app = played.accept().await;
        app.head().await;
        app.send(said).await;
        client.until("one").await;
        assert_eq!(send(&gateway, 5).await, "bbbbb");
        match end {
            Some("") => {
                app.finish().await;
                client.finish().await;
            }
            Some(end) => {
                app.send(end).await;
                client.until(end).await;
            }
            None => {
                drop(client);
                app.ends().await;
                // Of a tunnel, each side ends its own half.
                app.offer_end().await;
            }
        }
        // Idle again, it is next.
        let goes_there = async {
            loop {
                let mut client = gateway.wire().await;
                client.send("GET /next HTTP/1.1\r\nhost: x\r\n\r\n").await;
                tokio::select! {
                    head = app.head(), if end == Some("0\r\n\r\n") => break head,
                    mut fresh = played.accept() => break fresh.head().await,
                    _ = client.head() => {}
                }
            }
        };
        let head = soon("a request at the first upstream", goes_there).await;
        assert!(head.starts_with("GET /next "), "{head}");
    }
}

#[tokio::test]
async fn the_log_names_the_upstream_that_was_chosen() {
    let [a, b] = ["a", "b"].map(Replica::start);
    let gateway = gateway()
        .balanced("/", &[&a, &b], "balance = \"round_robin\"")
        .start()
        .await;
    assert_eq!(send(&gateway, 4).await, "abab");
    let log = gateway.stopped();
    let logged: Vec<&str> = log
        .iter()
        .map(|line| line["upstream"].as_str().unwrap())
        .collect();
    assert_eq!(logged, [a.url(), b.url(), a.url(), b.url()]);
}
