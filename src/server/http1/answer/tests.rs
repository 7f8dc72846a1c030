use std::{collections::VecDeque, convert::Infallible, task::Waker};

use http_body::SizeHint;
use tokio::io::{AsyncRead, ReadBuf};

use super::*;

const DATE: &[u8; 29] = b"Thu, 01 Jan 1970 00:00:00 GMT";

/// A body of these frames, whose length is known or not.
struct Played {
    frames: VecDeque<Frame<Bytes>>,
    length: Option<u64>,
}

impl Played {
    fn of(pieces: &[&'static str], says_length: bool) -> Self {
        Self {
            frames: pieces
                .iter()
                .map(|piece| Frame::data(Bytes::from(*piece)))
                .collect(),
            length: says_length.then(|| pieces.iter().map(|piece| piece.len() as u64).sum()),
        }
    }
}

impl Body for Played {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.frames.pop_front().map(Ok))
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A client that takes so many bytes at once.
struct Client {
    taken: Vec<u8>,
    at_once: usize,
}

impl AsyncRead for Client {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Client {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let length = bytes.len().min(self.at_once);
        self.taken.extend_from_slice(&bytes[..length]);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn asked() -> Asked {
    Asked {
        is_head: false,
        version: Version::HTTP_11,
        takes_trailers: false,
        keeps_alive: true,
    }
}

fn write(response: Response<Played>, asked: &Asked, at_once: usize) -> Result<(String, bool), String> {
    let mut writing = Writing::new(response, asked, DATE);
    let client = Client {
        taken: Vec::new(),
        at_once,
    };
    let wire = RefCell::new(Wire::new(client));
    match writing.poll(&wire, &mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(())) => Ok((
            String::from_utf8(wire.borrow_mut().stream().taken.clone()).unwrap(),
            writing.keeps_alive(),
        )),
        Poll::Ready(Err(error)) => Err(error.to_string()),
        Poll::Pending => panic!("nothing is waited for"),
    }
}

fn response(status: u16, headers: &[(&'static str, &'static str)], body: Played) -> Response<Played> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().append(*name, value.parse().unwrap());
    }
    response
}

#[test]
fn each_answer_ends_in_a_way_that_its_client_can_read() {
    let with = |change: fn(&mut Asked)| {
        let mut asked = asked();
        change(&mut asked);
        asked
    };
    let date = "date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
    for (status, headers, body, asked, expected, keeps_alive) in [
        (
            200,
            &[][..],
            Played::of(&["hel", "lo"], true),
            asked(),
            format!("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n{date}\r\nhello"),
            true,
        ),
        (
            200,
            &[("content-length", "5"), ("x-a", "1"), ("date", "now")],
            Played::of(&["hello"], true),
            asked(),
            "HTTP/1.1 200 OK\r\nx-a: 1\r\ndate: now\r\ncontent-length: 5\r\n\r\nhello".to_owned(),
            true,
        ),
        (
            200,
            &[],
            Played::of(&["hel", "", "lo"], false),
            asked(),
            format!(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{date}\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
            ),
            true,
        ),
        (
            200,
            &[],
            Played::of(&["hello"], false),
            with(|asked| asked.version = Version::HTTP_10),
            format!("HTTP/1.0 200 OK\r\nconnection: close\r\n{date}\r\nhello"),
            false,
        ),
        (
            200,
            &[],
            Played::of(&["hello"], true),
            with(|asked| asked.version = Version::HTTP_10),
            format!("HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n{date}\r\nhello"),
            true,
        ),
        (
            200,
            &[("connection", "close")],
            Played::of(&[], true),
            asked(),
            format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n{date}\r\n"),
            false,
        ),
        (
            200,
            &[],
            Played::of(&["hello"], true),
            with(|asked| asked.is_head = true),
            format!("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n{date}\r\n"),
            true,
        ),
        (
            200,
            &[("content-length", "70")],
            Played::of(&[], true),
            with(|asked| asked.is_head = true),
            format!("HTTP/1.1 200 OK\r\ncontent-length: 70\r\n{date}\r\n"),
            true,
        ),
        (
            204,
            &[("content-length", "0")],
            Played::of(&[], true),
            asked(),
            format!("HTTP/1.1 204 No Content\r\n{date}\r\n"),
            true,
        ),
        (
            304,
            &[("content-length", "70")],
            Played::of(&[], true),
            asked(),
            format!("HTTP/1.1 304 Not Modified\r\ncontent-length: 70\r\n{date}\r\n"),
            true,
        ),
        (
            101,
            &[("connection", "upgrade"), ("upgrade", "x")],
            Played::of(&[], true),
            asked(),
            format!("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n{date}\r\n"),
            true,
        ),
        (
            299,
            &[],
            Played::of(&[], true),
            asked(),
            format!("HTTP/1.1 299 \r\ncontent-length: 0\r\n{date}\r\n"),
            true,
        ),
    ] {
        // Whatever the client takes at once, it gets the same bytes.
        for at_once in [1, 7, usize::MAX] {
            let body = Played {
                frames: body
                    .frames
                    .iter()
                    .map(|frame| Frame::data(frame.data_ref().unwrap().clone()))
                    .collect(),
                length: body.length,
            };
            let written = write(response(status, headers, body), &asked, at_once);
            assert_eq!(
                written,
                Ok((expected.clone(), keeps_alive)),
                "{status} {headers:?}"
            );
        }
    }
}

#[test]
fn a_body_of_another_length_breaks_off() {
    for (says, pieces) in [(4, &["hello"][..]), (6, &["hello"]), (6, &["hel", "lo"])] {
        let mut body = Played::of(pieces, true);
        body.length = Some(says);
        let broken = write(response(200, &[], body), &asked(), usize::MAX);
        assert_eq!(
            broken,
            Err("the answer has another length than it says".to_owned())
        );
    }
}

#[test]
fn trailers_are_sent_to_whom_takes_them_where_they_were_announced() {
    let body = || {
        let mut body = Played::of(&["hello"], false);
        let mut trailers = HeaderMap::new();
        for (name, value) in [("x-sum", "1"), ("x-other", "2"), ("set-cookie", "a=b")] {
            trailers.append(name, value.parse().unwrap());
        }
        body.frames.push_back(Frame::trailers(trailers));
        body
    };
    let announced = &[("trailer", "x-sum, set-cookie"), ("date", "now")];
    for (takes_trailers, end) in [(true, "0\r\nx-sum: 1\r\n\r\n"), (false, "0\r\n\r\n")] {
        let asked = Asked {
            takes_trailers,
            ..asked()
        };
        let (written, _) = write(response(200, announced, body()), &asked, usize::MAX).unwrap();
        let (_, sent) = written.split_once("\r\n\r\n").unwrap();
        assert_eq!(sent, format!("5\r\nhello\r\n{end}"));
    }
}

#[test]
fn a_reason_of_the_app_is_kept() {
    let mut fine = response(200, &[("date", "now")], Played::of(&[], true));
    fine.extensions_mut().insert(ReasonPhrase::from_static(b"Fine"));
    let (written, _) = write(fine, &asked(), usize::MAX).unwrap();
    assert!(written.starts_with("HTTP/1.1 200 Fine\r\n"), "{written}");
}
