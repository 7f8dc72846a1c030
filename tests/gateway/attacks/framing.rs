//! Where a message ends: requests that two programs would cut in different places.

use crate::harness::{Upstream, gateway};

/// The beginning of a request for a public page: a body that is misread would reach the app.
const POST: &str = "POST / HTTP/1.1\r\nHost: localhost\r\n";

/// What must not be read as a request, wherever the body before it ends.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn a_head_that_can_be_cut_in_two_ways_is_refused() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).start().await;
    for fields in [
        // Lengths that are none, or two.
        "Content-Length:\r\n\r\n",
        "Content-Length: \r\n\r\n",
        "Content-Length: +5\r\n\r\nhello",
        "Content-Length: -5\r\n\r\nhello",
        "Content-Length: 0x5\r\n\r\nhello",
        "Content-Length: 5.0\r\n\r\nhello",
        "Content-Length: 5 5\r\n\r\nhello",
        "Content-Length: 5, 5\r\n\r\nhello",
        "Content-Length: 5,6\r\n\r\nhello",
        "Content-Length: 5;\r\n\r\nhello",
        "Content-Length: \"5\"\r\n\r\nhello",
        "Content-Length: \u{665}\r\n\r\nhello",
        "Content-Length: 5\u{b}\r\n\r\nhello",
        "Content-Length: 18446744073709551616\r\n\r\nhello",
        "Content-Length: 18446744073709551615\r\n\r\nhello",
        "Content-Length: 99999999999999999999999999999999\r\n\r\nhello",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "Content-Length: 0\r\ncontent-length: 5\r\n\r\nhello",
        "Content-Length: 5\r\nContent-Length:\r\n\r\nhello",
        // Encodings that are none, or several.
        "Transfer-Encoding:\r\n\r\n",
        "Transfer-Encoding: identity\r\n\r\n",
        "Transfer-Encoding: gzip\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked;x=1\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: 'chunked'\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: \u{0}chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\u{c}\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked \u{e9}\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: , chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\ntransfer-encoding:\r\n\r\n0\r\n\r\n",
        // Both. RFC 9112, section 6.1 lets a server refuse them, and whoever sends both is up to something.
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: x\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n",
        "Content-Length: 6\r\nTransfer-Encoding: identity\r\n\r\nhello!",
        "Transfer-Encoding: gzip\r\nContent-Length: 6\r\n\r\nhello!",
        // Names that are no tokens, so that somebody reads them as framing and somebody does not.
        ":x\r\n\r\n",
        ": x\r\n\r\n",
        " : x\r\n\r\n",
        "X-A\r\n\r\n",
        "X A: x\r\n\r\n",
        "X-A : x\r\n\r\n",
        "X-A\t: x\r\n\r\n",
        "X\u{0}A: x\r\n\r\n",
        "X(A): x\r\n\r\n",
        "X/A: x\r\n\r\n",
        "X-\u{e9}: x\r\n\r\n",
        "X-Forwarded-User : mallory\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length : 5\r\n\r\nhello",
        "\"Content-Length\": 5\r\n\r\nhello",
        "Host : evil.example\r\n\r\n",
        // Lines that are folded, or that end in the middle.
        " X-A: x\r\n\r\n",
        "\tX-A: x\r\n\r\n",
        "X-A: x\r\n folded\r\n\r\n",
        "X-A: x\r\n\tfolded\r\n\r\n",
        "X-A:\r\n folded\r\n\r\n",
        "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chu\r\n nked\r\n\r\n0\r\n\r\n",
        "X-A: x\ry\r\n\r\n",
        "X-A: x\r\r\n\r\n",
        "X-A: x\rTransfer-Encoding: chunked\r\n\r\n",
        "X-A: x\u{0}y\r\n\r\n",
        "X-A: x\u{1}y\r\n\r\n",
        "X-A: x\u{7f}y\r\n\r\n",
        "X-A: x\u{b}y\r\n\r\n",
        "X-A: x\r\n\r\u{0}\r\n",
    ] {
        let mut client = gateway.raw().await;
        client.send(format!("{POST}{fields}{SMUGGLED}")).await;
        let answer = client.response().await.unwrap_or_else(|| panic!("{fields:?}"));
        // A length that is one is larger than anybody takes.
        let status = if fields.contains(": 18446744073709551615\r") {
            413
        } else {
            400
        };
        assert_eq!(answer.status, status, "{fields:?}: {}", answer.head);
        assert!(client.is_closed().await, "{fields:?}");
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn a_request_line_with_a_second_reading_is_refused() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).start().await;
    for request in [
        "GET /\r\nHost: localhost\r\n\r\n",
        "GET / \r\nHost: localhost\r\n\r\n",
        "GET / HTTP/0.9\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/11\r\nHost: localhost\r\n\r\n",
        "GET / http/1.1\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1 x\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\rHost: localhost\r\n\r\n",
        " GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /\u{0} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /a\rb HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: identity\r\n\r\nhello",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\n",
    ] {
        let mut client = gateway.raw().await;
        client.send(format!("{request}{SMUGGLED}")).await;
        let answer = client.response().await.unwrap_or_else(|| panic!("{request:?}"));
        assert_eq!(answer.status, 400, "{request:?}: {}", answer.head);
        assert!(client.is_closed().await, "{request:?}");
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn a_body_that_breaks_its_own_framing_never_becomes_a_request() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).start().await;
    for body in [
        "5;a\nX\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "6\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5h\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        ";x\r\nhello\r\n0\r\n\r\n",
        "\u{665}\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX-A : x\r\n\r\n",
        "5\r\nhello\r\n0\r\nX A: x\r\n\r\n",
        "5\r\nhello\r\n0\r\n: x\r\n\r\n",
        "5\r\nhello\r\n0\r\nX-A: a\rb\r\n\r\n",
        "5\r\nhello\r\n0\r\nX-A: a\u{0}b\r\n\r\n",
        "5\r\nhello\r\n0\r\nX-A: x\r\n folded\r\n\r\n",
    ] {
        let mut client = gateway.raw().await;
        client
            .send(format!(
                "{POST}Transfer-Encoding: chunked\r\n\r\n{body}{SMUGGLED}"
            ))
            .await;
        // Its head may have gone up already, so that the answer is of either kind; nothing comes after it.
        if let Some(answer) = client.response().await {
            assert!(matches!(answer.status, 400 | 502), "{body:?}: {}", answer.head);
        }
        assert!(client.is_closed().await, "{body:?}");
    }
    assert!(upstream.received().is_empty(), "{:#?}", upstream.received());
}

#[tokio::test]
async fn what_can_be_read_in_one_way_only_leaves_in_one_way_only() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).start().await;
    for (request, framing, body) in [
        // The same length twice is one length.
        (
            "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            "5",
            "hello",
        ),
        (
            "Content-Length: 5\r\ncontent-length: 005\r\n\r\nhello",
            "5",
            "hello",
        ),
        // Chunks lose their extensions and leading zeros.
        (
            "Transfer-Encoding: chunked\r\n\r\n5;a=b;c=\"d\"\r\nhello\r\n0;x\r\n\r\n",
            "chunked",
            "5\r\nhello\r\n0\r\n\r\n",
        ),
        (
            "Transfer-Encoding: chunked\r\n\r\n00005\r\nhello\r\n000\r\n\r\n",
            "chunked",
            "5\r\nhello\r\n0\r\n\r\n",
        ),
        (
            "Transfer-Encoding: chunked\r\n\r\n5 \t\r\nhello\r\n0\r\n\r\n",
            "chunked",
            "5\r\nhello\r\n0\r\n\r\n",
        ),
        // A line that ends in LF alone has ended (RFC 9112, section 2.2), and ends in CRLF from here on.
        ("X-A: x\nContent-Length: 5\n\nhello", "5", "hello"),
        (
            "X-A: x\nTransfer-Encoding: chunked\r\n\n5\r\nhello\r\n0\r\n\r\n",
            "chunked",
            "5\r\nhello\r\n0\r\n\r\n",
        ),
        // Trailers that nobody announced are not sent on.
        (
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-A: x\r\n\r\n",
            "chunked",
            "5\r\nhello\r\n0\r\nx-a: x\r\n\r\n",
        ),
    ] {
        upstream.forget();
        let mut client = gateway.raw().await;
        client
            .send(format!(
                "{POST}{request}GET /next HTTP/1.1\r\nHost: localhost\r\n\r\n"
            ))
            .await;
        let answer = client.response().await.unwrap();
        assert_eq!(answer.status, 200, "{request:?}: {}", answer.head);
        assert_eq!(client.response().await.unwrap().status, 200, "{request:?}");
        let received = upstream.received();
        assert_eq!(received.len(), 2, "{received:#?}");
        let first = &received[0];
        let framed = [first.header("content-length"), first.header("transfer-encoding")].concat();
        assert_eq!(framed, [framing], "{request:?}: {}", first.head);
        assert_eq!(String::from_utf8_lossy(&first.body), body, "{request:?}");
        let lines = first.head.matches('\n').count();
        assert_eq!(first.head.matches("\r\n").count(), lines, "{:?}", first.head);
    }
}

#[tokio::test]
async fn an_http_1_0_request_ends_its_connection_unless_it_says_otherwise() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).start().await;
    for (fields, requests) in [
        // A body without a length would last until the client closes: it is none, and nothing is read after it.
        ("", 1),
        ("Connection: close\r\n", 1),
        ("Connection: close\r\nConnection: keep-alive\r\n", 1),
        ("Proxy-Connection: keep-alive\r\n", 1),
        ("Connection: keep-alive\r\n", 2),
    ] {
        upstream.forget();
        let mut client = gateway.raw().await;
        client
            .send(format!(
                "POST / HTTP/1.0\r\nHost: localhost\r\n{fields}\r\n{SMUGGLED}"
            ))
            .await;
        for _ in 0..requests {
            assert_eq!(client.response().await.unwrap().status, 200, "{fields:?}");
        }
        let received = upstream.received();
        assert_eq!(received.len(), requests, "{fields:?}: {received:#?}");
        assert!(received[0].body.is_empty(), "{fields:?}");
        if requests == 1 {
            assert!(client.is_closed().await, "{fields:?}");
        }
    }
}
