use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1024;

fn take(text: &[u8]) -> Result<Option<Head>, Refused> {
    Head::take(&mut BytesMut::from(text), LIMIT)
}

/// The head of a POST with these header lines.
fn post(fields: &str) -> Result<Head, Refused> {
    let text = format!("POST /x HTTP/1.1\r\nhost: x\r\n{fields}\r\n");
    take(text.as_bytes()).map(|head| head.expect("a whole head"))
}

#[test]
fn a_head_is_taken_whole_and_nothing_behind_it() {
    let text = b"\r\nGET /a?b HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nx-a: 2\r\n\r\nGET /next";
    let mut buffer = BytesMut::from(&text[..]);
    let head = Head::take(&mut buffer, LIMIT).unwrap().unwrap();
    assert_eq!(&buffer[..], b"GET /next");
    assert_eq!((head.method, head.version), (Method::GET, Version::HTTP_11));
    assert_eq!(head.uri, "/a?b");
    let values: Vec<_> = head.headers.get_all("x-a").iter().collect();
    assert_eq!(values, ["1", "2"]);
    for length in 0..text.len() - b"GET /next".len() {
        let part = text.get(..length).unwrap();
        assert!(matches!(take(part), Ok(None)), "{length}");
    }
}

#[test]
fn a_body_ends_where_one_length_or_one_chunked_says() {
    for (fields, body) in [
        ("", Some(Decoder::none())),
        ("Content-Length: 5\r\n", Some(Decoder::length(5))),
        (
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            Some(Decoder::length(5)),
        ),
        ("Transfer-Encoding: Chunked\r\n", Some(Decoder::chunked())),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", None),
        ("Content-Length: 5, 5\r\n", None),
        ("Content-Length: +5\r\n", None),
        ("Content-Length:\r\n", None),
        ("Content-Length: 18446744073709551616\r\n", None),
        ("Transfer-Encoding: gzip, chunked\r\n", None),
        ("Transfer-Encoding: identity\r\n", None),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            None,
        ),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", None),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", None),
    ] {
        let taken = post(fields);
        match body {
            Some(body) => assert_eq!(taken.unwrap().body, body, "{fields:?}"),
            None => assert_eq!(taken.unwrap_err(), BAD_REQUEST, "{fields:?}"),
        }
    }
    let old = take(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(old.unwrap_err(), BAD_REQUEST);
}

#[test]
fn who_asks_for_the_end_gets_it() {
    for (version, connection, keeps) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: Close\r\n", false),
        ("1.1", "Connection: x, close\r\n", false),
        ("1.1", "Connection: close\r\nConnection: keep-alive\r\n", false),
        ("1.1", "Connection: keep-alive, close\r\n", false),
        ("1.1", "Connection: upgrade\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: keep-alive\r\nConnection: close\r\n", false),
    ] {
        let text = format!("GET / HTTP/{version}\r\n{connection}\r\n");
        let head = take(text.as_bytes()).unwrap().unwrap();
        assert_eq!(head.keeps_alive, keeps, "{version} {connection:?}");
    }
}

#[test]
fn what_the_client_takes_and_waits_for_is_known() {
    for (fields, takes_trailers, expects_continue) in [
        ("", false, false),
        ("TE: trailers\r\n", true, false),
        ("TE: gzip, Trailers\r\n", true, false),
        ("TE: trailers;q=0\r\n", false, false),
        ("Expect: 100-Continue\r\n", false, true),
        ("Expect: 200-ok\r\n", false, false),
    ] {
        let head = post(fields).unwrap();
        assert_eq!(
            (head.takes_trailers, head.expects_continue),
            (takes_trailers, expects_continue),
            "{fields:?}"
        );
    }
}

#[test]
fn a_head_has_a_limit_whole_or_not() {
    let of = |length: usize| {
        let text = "GET / HTTP/1.1\r\nx: ";
        format!("{text}{}\r\n\r\n", "a".repeat(length - text.len() - 4))
    };
    assert!(take(of(LIMIT).as_bytes()).unwrap().is_some());
    assert_eq!(take(of(LIMIT + 1).as_bytes()).unwrap_err(), TOO_LARGE);
    let endless = format!("GET / HTTP/1.1\r\nx: {}", "a".repeat(LIMIT));
    assert_eq!(take(endless.as_bytes()).unwrap_err(), TOO_LARGE);
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a:\r\n".repeat(MAX_HEADERS + 1));
    assert_eq!(take(many.as_bytes()).unwrap_err(), TOO_LARGE);
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic_and_a_head_is_never_longer_than_its_limit(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        start in prop::sample::select(vec!["", "GET / HTTP/1.1\r\n", "POST /a HTTP/1.0\r\ncontent-length: 3\r\n"]),
    ) {
        let mut buffer = BytesMut::from(start.as_bytes());
        buffer.extend_from_slice(&bytes);
        let before = buffer.len();
        if let Ok(Some(_)) = Head::take(&mut buffer, LIMIT) {
            prop_assert!(before - buffer.len() <= LIMIT);
        }
    }
}
