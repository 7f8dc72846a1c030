//! HTTP/2: with and without TLS, many streams at once, and connections that are a flood.

use bytes::Bytes;
use h2::{Reason, client::SendRequest};
use http::Request;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

use crate::harness::{Gateway, PlayedUpstream, Upstream, gateway, soon};

/// A cleartext connection by prior knowledge (RFC 9113, section 3.3).
async fn connect(gateway: &Gateway) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    (client.ready().await.unwrap(), tokio::spawn(connection))
}

fn get(path: &str) -> Request<()> {
    Request::get(format!("http://x{path}")).body(()).unwrap()
}

async fn text(mut body: h2::RecvStream) -> Result<String, h2::Error> {
    let mut text = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len()).unwrap();
        text.extend(data);
    }
    Ok(String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn streams_run_at_once_and_end_in_any_order() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().public("/", &upstream).start().await;
    let (mut client, _connection) = connect(&gateway).await;
    let mut answers = Vec::new();
    for number in 0..20 {
        client = client.ready().await.unwrap();
        answers.push(client.send_request(get(&format!("/{number}")), true).unwrap().0);
    }
    // All of them are at the upstream before the first is answered, and the last is answered first.
    let mut apps = Vec::new();
    for _ in 0..20 {
        let mut app = upstream.accept().await;
        let head = app.head().await;
        let path = head.split(' ').nth(1).unwrap().to_owned();
        apps.push((path, app));
    }
    for (number, answer) in answers.into_iter().enumerate().rev() {
        let path = format!("/{number}");
        let at = apps.iter().position(|(of, _)| *of == path).unwrap();
        let (_, mut app) = apps.swap_remove(at);
        app.send(format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}",
            path.len()
        ))
        .await;
        let answer = soon("the answer", answer).await.unwrap();
        assert_eq!(text(answer.into_body()).await.unwrap(), path);
    }
}

#[tokio::test]
async fn a_client_is_told_how_many_streams_it_may_open() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).start().await;
    let (mut client, _connection) = connect(&gateway).await;
    let (answer, _) = client.send_request(get("/"), true).unwrap();
    answer.await.unwrap();
    assert_eq!(client.current_max_send_streams(), 128);
}

#[tokio::test]
async fn a_stream_that_the_client_ends_ends_at_the_upstream_and_nowhere_else() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().public("/", &upstream).start().await;
    let (mut client, _connection) = connect(&gateway).await;
    let (_answer, mut first) = client.send_request(get("/first"), true).unwrap();
    let mut app = upstream.accept().await;
    app.head().await;
    first.send_reset(Reason::CANCEL);
    app.ends().await;
    let mut client = client.ready().await.unwrap();
    let (answer, _) = client.send_request(get("/second"), true).unwrap();
    let mut app = upstream.accept().await;
    app.head().await;
    app.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(answer.await.unwrap().status(), 204);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error_of_its_stream() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().public("/", &upstream).start().await;
    for framing in ["content-length: 100", "transfer-encoding: chunked"] {
        let (mut client, _connection) = connect(&gateway).await;
        let (answer, _) = client.send_request(get("/"), true).unwrap();
        let mut app = upstream.accept().await;
        app.head().await;
        app.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n4\r\nhalf\r\n"))
            .await;
        let answer = answer.await.unwrap();
        drop(app);
        let error = text(answer.into_body()).await.unwrap_err();
        assert!(error.is_reset(), "{framing}: {error}");
        let (answer, _) = client
            .ready()
            .await
            .unwrap()
            .send_request(get("/"), true)
            .unwrap();
        let mut app = upstream.accept().await;
        app.head().await;
        app.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await;
        assert_eq!(answer.await.unwrap().status(), 200, "the connection goes on");
    }
}

#[tokio::test]
async fn a_refusal_says_nothing_about_the_connection() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route_with("/small", &upstream, "access = \"public\"\nmax_body = \"1KiB\"")
        .route("/private", &upstream)
        .start()
        .await;
    let (mut client, _connection) = connect(&gateway).await;
    for (path, status) in [("/small", 413), ("/private", 401), ("/%zz", 400), ("/small", 413)] {
        let request = Request::post(format!("http://x{path}"))
            .header("content-length", "4096")
            .body(())
            .unwrap();
        client = client.ready().await.unwrap();
        let (answer, _body) = client.send_request(request, false).unwrap();
        let answer = soon("the answer", answer).await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        assert!(!answer.headers().contains_key("connection"));
        upstream.saw_nothing();
    }
}

#[tokio::test]
async fn too_large_a_head_is_answered_431() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .public("/", &upstream)
        .server("[server.limits]\nmax_header_bytes = \"16KiB\"")
        .start()
        .await;
    let (mut client, _connection) = connect(&gateway).await;
    for (bytes, status) in [
        (12 * 1024, 200),
        (20 * 1024, 431),
        (40 * 1024, 431),
        (12 * 1024, 200),
    ] {
        client = client.ready().await.unwrap();
        let request = Request::get("http://x/").header("x", "y".repeat(bytes));
        let (answer, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
        let answer = soon("the answer", answer).await.unwrap();
        assert_eq!(answer.status(), status, "{bytes}");
        if status == 431 {
            upstream.saw_nothing();
        }
        upstream.forget();
    }
}

#[tokio::test]
async fn trailers_travel_both_ways() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().public("/", &upstream).start().await;
    let (mut client, _connection) = connect(&gateway).await;
    let request = Request::post("http://x/")
        .header("te", "trailers")
        .header("trailer", "x-sum")
        .body(())
        .unwrap();
    let (answer, mut body) = client.send_request(request, false).unwrap();
    body.send_data(Bytes::from_static(b"question"), false).unwrap();
    let trailer = |value: &'static str| {
        http::HeaderMap::from_iter([(
            http::HeaderName::from_static("x-sum"),
            http::HeaderValue::from_static(value),
        )])
    };
    body.send_trailers(trailer("up")).unwrap();
    let mut app = upstream.accept().await;
    let head = app.head().await;
    assert!(head.contains("\r\nte: trailers\r\n"), "{head}");
    app.until("8\r\nquestion\r\n0\r\nx-sum: up\r\n\r\n").await;
    app.send(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
         6\r\nanswer\r\n0\r\nx-sum: down\r\n\r\n",
    )
    .await;
    let mut body = answer.await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "answer");
    assert_eq!(body.trailers().await.unwrap(), Some(trailer("down")));
}

#[tokio::test]
async fn an_upload_of_unknown_length_may_have_empty_pieces_anywhere() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().public("/", &upstream).start().await;
    for pieces in [
        &["hello", ""][..],
        &["", "hello", ""],
        &["", "", ""],
        &["he", "", "llo"],
    ] {
        let (mut client, _connection) = connect(&gateway).await;
        let (answer, mut body) = client
            .send_request(Request::post("http://x/").body(()).unwrap(), false)
            .unwrap();
        let mut app = upstream.accept().await;
        app.head().await;
        for (index, piece) in pieces.iter().enumerate() {
            let is_last = index + 1 == pieces.len();
            body.send_data(Bytes::from(*piece), is_last).unwrap();
            if !piece.is_empty() {
                let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
                app.until(&chunk).await;
            }
        }
        app.until("0\r\n\r\n").await;
        app.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            .await;
        assert_eq!(
            soon("an answer", answer).await.unwrap().status(),
            200,
            "{pieces:?}"
        );
    }
}

/// A frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// GET / of host "x" (RFC 7541, appendix A).
const HEAD: &[u8] = &[0x82, 0x86, 0x84, 0x41, 1, b'x'];

fn headers(flags: u8, stream: u32) -> Vec<u8> {
    frame(1, flags, stream, HEAD)
}

#[tokio::test]
async fn a_flood_ends_its_connection_and_nothing_else() {
    const END_STREAM: u8 = 1;
    const END_HEADERS: u8 = 4;
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).start().await;
    let streams = |each: &dyn Fn(u32) -> Vec<Vec<u8>>| -> Vec<u8> {
        (0..20_000).flat_map(|n| each(2 * n + 1)).flatten().collect()
    };
    let floods = [
        // CVE-2023-44487.
        (
            "streams that are reset at once",
            streams(&|id| {
                vec![
                    headers(END_STREAM | END_HEADERS, id),
                    frame(3, 0, id, &8_u32.to_be_bytes()),
                ]
            }),
        ),
        // CVE-2025-8671: the client makes us reset them.
        (
            "window updates of zero",
            streams(&|id| vec![headers(END_HEADERS, id), frame(8, 0, id, &[0; 4])]),
        ),
        // RUSTSEC-2024-0332.
        (
            "a head without an end",
            [
                headers(END_STREAM, 1),
                frame(9, 0, 1, &[0x82; 1000]).repeat(20_000),
            ]
            .concat(),
        ),
    ];
    for (name, flood) in floods {
        let (mut from, mut to) = TcpStream::connect(gateway.address).await.unwrap().into_split();
        let sending = tokio::spawn(async move {
            let _ = to.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
            let _ = to.write_all(&frame(4, 0, 0, &[])).await;
            let _ = to.write_all(&flood).await;
            to
        });
        let mut said = Vec::new();
        let reading = async { while matches!(from.read_buf(&mut said).await, Ok(1..)) {} };
        soon(name, reading).await;
        drop(sending.await.unwrap());
        let goaway = goaway(&said);
        // Whoever is reset while it still writes may not see why, but nobody goes on.
        assert!(
            goaway
                .is_none_or(|reason| reason == Reason::ENHANCE_YOUR_CALM || reason == Reason::PROTOCOL_ERROR),
            "{name}: {goaway:?}"
        );
        upstream.saw_nothing();
        assert_eq!(gateway.get("/").send().await.unwrap().status(), 401, "{name}");
    }
}

/// The reason of the GOAWAY frame, if there is one.
fn goaway(mut bytes: &[u8]) -> Option<Reason> {
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = bytes {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        if *kind == 7 {
            let reason = rest.get(4..8)?.try_into().ok()?;
            return Some(Reason::from(u32::from_be_bytes(reason)));
        }
        bytes = rest.get(length..).unwrap_or_default();
    }
    None
}
