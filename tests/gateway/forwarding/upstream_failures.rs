//! Upstreams that refuse, lie, stall or die: the client hears 502 or 504, or sees that an answer is not whole.

use serde_json::Value;
use tokio::net::TcpSocket;

use crate::harness::{PlayedUpstream, Upstream, as_navigation, free_port, gateway, soon};

const SHORT: &str = "access = \"public\"\ntimeout = { connect = \"300ms\", response = \"300ms\" }";

/// Holds what a program, a browser and the log are told about a route to `url` that fails.
async fn assert_refused(url: &str, status: u16, label: &str) {
    let limits = if status == 504 {
        SHORT
    } else {
        "access = \"public\""
    };
    let gateway = gateway().route_with("/", url, limits).start().await;
    let mut ids = Vec::new();
    let answer = gateway.get("/x?secret").send().await.unwrap();
    assert_eq!(answer.status(), status, "{url}");
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers().contains_key("retry-after"), status == 502);
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["status"], status);
    ids.push(problem["request_id"].as_str().unwrap().to_owned());

    let answer = as_navigation(gateway.get("/x?secret")).send().await.unwrap();
    assert_eq!(answer.status(), status, "{url}");
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    let page = answer.text().await.unwrap();
    let log = gateway.stopped();
    assert_eq!(log.len(), 2);
    ids.push(log[1]["request_id"].as_str().unwrap().to_owned());
    assert!(page.contains(&ids[1]), "{page}");
    for (line, id) in log.iter().zip(ids) {
        assert_eq!(line["request_id"], id);
        assert_eq!(line["upstream"], url);
        assert_eq!(line["refusal"], label);
        assert_eq!(line["status"], status);
        assert_eq!(line["path"], "/x");
        assert!(line["upstream_ms"].is_number());
    }
    // Nobody outside learns where the app is.
    let address = url.trim_start_matches("http://");
    assert!(!page.contains(address) && !problem.to_string().contains(address));
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_502() {
    assert_refused(
        &format!("http://127.0.0.1:{}", free_port()),
        502,
        "upstream_unreachable",
    )
    .await;
    assert_refused("http://nowhere.invalid:80", 502, "upstream_unreachable").await;
}

#[tokio::test]
async fn an_upstream_that_does_not_accept_in_time_is_504() {
    // A listener whose queue is full: the kernel leaves further connections without an answer.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut filling = Vec::new();
    for _ in 0..8 {
        filling.push(tokio::spawn(tokio::net::TcpStream::connect(address)));
    }
    let full = async {
        while filling.iter().filter(|one| one.is_finished()).count() < 2 {
            tokio::task::yield_now().await;
        }
    };
    soon("a full queue", full).await;
    assert_refused(&format!("http://{address}"), 504, "upstream_timeout").await;
}

#[tokio::test]
async fn an_upstream_that_does_not_speak_http_or_breaks_off_in_the_head_is_502() {
    for said in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-le",
        b"connection: close",
        b"SSH-2.0-OpenSSH_9.6 connection: close\r\n",
        b"\0\xff\xfe\x16\x03\x01 connection: close\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nconnection: close\r\n\r\n",
        b"HTTP/1.1 abc OK\r\nconnection: close\r\n\r\n",
        b"HTTP/1.1 99 OK\r\nconnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: +5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 99999999999999999999999\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\nno colon\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\nx: a\0b\r\n\r\nhello",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: close, upgrade\r\nupgrade: h2c\r\n\r\n",
    ] {
        let upstream = Upstream::answering(move |_| said.to_vec());
        let label = if said.starts_with(b"HTTP/1.1 101") {
            "unasked_upgrade"
        } else {
            "upstream_failed"
        };
        assert_refused(&upstream.url(), 502, label).await;
    }
}

#[tokio::test]
async fn a_head_without_an_end_is_502_and_a_large_one_passes() {
    for (bytes, status) in [(100 << 10, 200), (16 << 20, 502)] {
        let upstream = Upstream::answering(move |_| {
            let value = "y".repeat(bytes);
            format!("HTTP/1.1 200 OK\r\nx: {value}\r\ncontent-length: 0\r\n\r\n").into_bytes()
        });
        let gateway = gateway().public("/", &upstream).start().await;
        let answer = gateway
            .exchange("GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{bytes}");
        if status == 200 {
            assert_eq!(answer.header("x")[0].len(), bytes);
        }
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_504_and_is_given_up() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().route_with("/", &upstream, SHORT).start().await;
    // Interim answers are no answer.
    for said in [
        "",
        "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHT",
    ] {
        let mut client = gateway.wire().await;
        client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut app = upstream.accept().await;
        app.head().await;
        app.send(said).await;
        app.ends().await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 504 "), "{head}");
    }
}

#[tokio::test]
async fn an_upstream_that_only_ever_begins_to_answer_is_502_and_is_given_up() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().public("/", &upstream).start().await;
    for chatter in [
        "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let mut client = gateway.wire().await;
        client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut app = upstream.accept().await;
        app.head().await;
        let talking = async { while app.offer(chatter.repeat(100)).await.is_ok() {} };
        soon("the end of the chatter", talking).await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    }
}

#[tokio::test]
async fn interim_answers_before_the_real_one_do_no_harm() {
    let upstream = Upstream::answering(|_| {
        let interim = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(500);
        format!("{interim}HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").into_bytes()
    });
    let gateway = gateway().public("/", &upstream).start().await;
    let mut client = gateway.raw().await;
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert_eq!(client.response().await.unwrap().text(), "hello");
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_seen_to_have_broken_off() {
    for (said, arrives) in [
        (
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 10\r\n\r\nhalf",
            "half",
        ),
        (
            "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            "half",
        ),
        (
            "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
            "half",
        ),
        (
            "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n5\r\nwh",
            "halfwh",
        ),
    ] {
        let upstream = Upstream::answering(move |_| said.as_bytes().to_vec());
        let gateway = gateway().public("/", &upstream).start().await;
        let mut client = gateway.raw().await;
        client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(client.response().await.is_none(), "{said}: a whole answer");
        let mut client = gateway.wire().await;
        client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let seen = String::from_utf8(client.rest().await).unwrap();
        assert!(!seen.ends_with("0\r\n\r\n"), "{seen}");
        let log = gateway.stopped();
        assert_eq!(
            (&log[1]["status"], &log[1]["bytes"]),
            (&200.into(), &arrives.len().into()),
            "{said}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_stalls_for_longer_than_its_route_allows_is_broken_off() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway()
        .route_with(
            "/",
            &upstream,
            "access = \"public\"\ntimeout = { idle = \"300ms\" }",
        )
        .start()
        .await;
    let mut client = gateway.wire().await;
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut app = upstream.accept().await;
    app.head().await;
    app.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        .await;
    client.until("half\r\n").await;
    app.ends().await;
    client.ends().await;
}

#[tokio::test]
async fn what_an_upstream_says_beyond_its_answer_is_nobodys_answer() {
    let upstream = Upstream::answering(|request| {
        let path = request.line().split(' ').nth(1).unwrap().to_owned();
        let own = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}", path.len());
        format!("{own}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil").into_bytes()
    });
    let gateway = gateway().public("/", &upstream).start().await;
    let mut client = gateway.raw().await;
    for number in 0..100 {
        client
            .send(format!("GET /{number} HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await;
        assert_eq!(client.response().await.unwrap().text(), format!("/{number}"));
    }
}
