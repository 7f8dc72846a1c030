use proptest::prelude::*;

use super::*;

fn take(bytes: &str, method: &Method) -> Result<Option<Received>, Broken> {
    Received::take(&mut BytesMut::from(bytes), method)
}

fn answer(headers: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}\r\n")
}

#[test]
fn how_a_body_ends_follows_from_method_status_and_headers() {
    let get = Method::GET;
    for (method, head, body, keeps_alive) in [
        (&get, answer("content-length: 5\r\n"), Decoder::length(5), true),
        (
            &get,
            answer("content-length: 5\r\ncontent-length: 5\r\n"),
            Decoder::length(5),
            true,
        ),
        (
            &get,
            answer("transfer-encoding: Chunked\r\n"),
            Decoder::chunked(),
            true,
        ),
        (&get, answer(""), Decoder::until_close(), false),
        (
            &get,
            answer("connection: keep-alive\r\n"),
            Decoder::until_close(),
            false,
        ),
        (
            &get,
            answer("connection: close\r\ncontent-length: 5\r\n"),
            Decoder::length(5),
            false,
        ),
        (
            &get,
            answer("connection: x, Close\r\ncontent-length: 5\r\n"),
            Decoder::length(5),
            false,
        ),
        // RFC 9112, section 6.3: the coding counts, and the sender is not trusted any further.
        (
            &get,
            answer("transfer-encoding: chunked\r\ncontent-length: 5\r\n"),
            Decoder::chunked(),
            false,
        ),
        (
            &get,
            "HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n".to_owned(),
            Decoder::length(5),
            false,
        ),
        (
            &get,
            "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\n".to_owned(),
            Decoder::length(5),
            true,
        ),
        // Who announces a body where there is none may send it.
        (
            &get,
            "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n".to_owned(),
            Decoder::none(),
            false,
        ),
        (
            &get,
            "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            Decoder::none(),
            true,
        ),
        (
            &get,
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n".to_owned(),
            Decoder::none(),
            false,
        ),
        (
            &get,
            "HTTP/1.1 304 Not Modified\r\n\r\n".to_owned(),
            Decoder::none(),
            true,
        ),
        (
            &get,
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n".to_owned(),
            Decoder::none(),
            true,
        ),
        (
            &Method::HEAD,
            answer("content-length: 5\r\n"),
            Decoder::none(),
            false,
        ),
        (
            &Method::HEAD,
            answer("transfer-encoding: chunked\r\n"),
            Decoder::none(),
            false,
        ),
        (
            &Method::HEAD,
            answer("content-length: 0\r\n"),
            Decoder::none(),
            true,
        ),
        (&Method::HEAD, answer(""), Decoder::none(), true),
    ] {
        let taken = take(&head, method).unwrap().unwrap();
        assert_eq!(
            (taken.body, taken.keeps_alive),
            (body, keeps_alive),
            "{method} {head}"
        );
        assert!(
            taken.head.headers.get_all("content-length").iter().count() <= 1,
            "{head}"
        );
    }
}

#[test]
fn a_head_with_two_readings_or_none_is_refused() {
    for head in [
        answer("content-length: 5\r\ncontent-length: 6\r\n"),
        answer("content-length: +5\r\n"),
        answer("content-length: 5, 5\r\n"),
        answer("content-length: \r\n"),
        answer("content-length: 99999999999999999999\r\n"),
        answer("transfer-encoding: gzip, chunked\r\n"),
        answer("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"),
        answer("transfer-encoding: identity\r\n"),
        answer("transfer-encoding : chunked\r\n"),
        answer("x y: z\r\n"),
        answer(": z\r\n"),
        answer("x: a\rb\r\n"),
        answer("x: a\u{0}b\r\n"),
        answer("x: a\r\n folded\r\n"),
        "HTTP/2 200 OK\r\n\r\n".to_owned(),
        "SSH-2.0-OpenSSH_9.2\r\n".to_owned(),
        "HTTP/1.1 99 Low\r\n\r\n".to_owned(),
        "HTTP/1.1 1000 High\r\n\r\n".to_owned(),
        answer(&"x: y\r\n".repeat(MAX_HEADERS + 1)),
    ] {
        assert!(take(&head, &Method::GET).is_err(), "{head:?}");
    }
}

#[test]
fn what_belongs_to_the_connection_stays_here() {
    let head = answer(
        "connection: keep-alive, X-Mine\r\nkeep-alive: timeout=5\r\nx-mine: 1\r\nproxy-authenticate: Basic\r\n\
         te: trailers\r\nupgrade: h2c\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nx: y\r\ncontent-length: 0\r\n",
    );
    let taken = take(&head, &Method::GET).unwrap().unwrap();
    let mut lines: Vec<_> = taken
        .head
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    assert_eq!(
        lines,
        ["content-length: 0", "set-cookie: a=1", "set-cookie: b=2", "x: y"]
    );
    assert_eq!(taken.head.upgrade.unwrap(), "h2c");
}

#[test]
fn a_reason_of_the_upstreams_own_is_kept() {
    for (line, reason) in [
        ("HTTP/1.1 404 Not Found", None),
        ("HTTP/1.1 404", None),
        ("HTTP/1.1 404 ", None),
        ("HTTP/1.1 404 Whatever You Say", Some(&b"Whatever You Say"[..])),
    ] {
        let taken = take(&format!("{line}\r\n\r\n"), &Method::GET).unwrap().unwrap();
        assert_eq!(
            taken.head.reason.as_ref().map(ReasonPhrase::as_bytes),
            reason,
            "{line}"
        );
    }
}

proptest! {
    #[test]
    fn a_head_is_taken_when_its_last_byte_is_there_and_not_before(cut in 0_usize..60) {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nserver: x\r\n\r\n";
        let cut = cut.min(head.len() - 1);
        let mut buffer = BytesMut::from(&head[..cut]);
        prop_assert!(Received::take(&mut buffer, &Method::GET).unwrap().is_none());
        prop_assert_eq!(&buffer[..], &head.as_bytes()[..cut], "nothing is lost");
        buffer.extend_from_slice(&head.as_bytes()[cut..]);
        buffer.extend_from_slice(b"hello");
        prop_assert!(Received::take(&mut buffer, &Method::GET).unwrap().is_some());
        prop_assert_eq!(&buffer[..], b"hello");
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in "(HTTP/1\\.[01] [0-9]{3}[ a-z]{0,5}\r\n)?(([a-z-]{1,20}|content-length|connection): [ -~]{0,20}\r\n){0,5}(\r\n)?\\PC{0,20}") {
        let _ = take(&bytes, &Method::GET);
    }
}
