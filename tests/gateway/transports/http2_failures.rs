//! HTTP/2 to an app that refuses, resets, closes or never answers; and to what does not speak it.

use std::future::poll_fn;

use bytes::Bytes;
use h2::Reason;
use http::{Request, Response};
use tokio::net::TcpStream;

use crate::harness::{
    Authority, Gateway, Http2Upstream, PlayedUpstream, SecureUpstream, Upstream, Url, Wire, body_of, gateway,
    http2_client, serve_http2, soon,
};

async fn in_front_of(upstream: &Http2Upstream) -> Gateway {
    let more = "access = \"public\"\ntimeout = { response = \"200ms\" }";
    gateway()
        .route_with("/", upstream, more)
        .one_worker()
        .start()
        .await
}

/// Has a request answered, so that a connection is there that is not new.
async fn warm_up(gateway: &Gateway, upstream: &Http2Upstream) {
    let request = tokio::spawn(gateway.get("/").send());
    answer(upstream.accept().await.1);
    assert_eq!(request.await.unwrap().unwrap().status(), 200);
}

fn answer(mut respond: h2::server::SendResponse<Bytes>) {
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    stream.send_data("hello".into(), true).unwrap();
}

#[tokio::test]
async fn what_an_app_refuses_unheard_is_sent_again_whatever_its_method() {
    for (method, body) in [("GET", ""), ("POST", "hello"), ("PATCH", "")] {
        for is_warm in [false, true] {
            let upstream = Http2Upstream::start().await;
            let gateway = in_front_of(&upstream).await;
            if is_warm {
                warm_up(&gateway, &upstream).await;
            }
            let request = tokio::spawn(gateway.request(method, "/").body(body).send());
            let (refused_on, (_, mut respond)) = upstream.accept_on().await;
            respond.send_reset(Reason::REFUSED_STREAM);
            let (answered_on, (again, respond)) = upstream.accept_on().await;
            assert_ne!(refused_on, answered_on, "{method}");
            assert_eq!(again.method(), method);
            assert_eq!(
                body_of(again.into_body()).await.unwrap().0,
                body.as_bytes(),
                "{method}"
            );
            answer(respond);
            assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "hello");
        }
    }
}

#[tokio::test]
async fn what_is_refused_again_or_is_too_large_to_keep_is_502() {
    let upstream = Http2Upstream::start().await;
    let gateway = in_front_of(&upstream).await;
    let request = tokio::spawn(gateway.post("/").body("hello").send());
    for _ in 0..2 {
        upstream.accept().await.1.send_reset(Reason::REFUSED_STREAM);
    }
    assert_eq!(request.await.unwrap().unwrap().status(), 502);

    let request = tokio::spawn(gateway.post("/").body(vec![b'x'; 256 * 1024]).send());
    let (large, mut respond) = upstream.accept().await;
    let mut body = large.into_body();
    let mut taken = 0;
    while taken < 100 * 1024 {
        let data = soon("more", body.data()).await.unwrap().unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        taken += data.len();
    }
    respond.send_reset(Reason::REFUSED_STREAM);
    assert_eq!(request.await.unwrap().unwrap().status(), 502);
    upstream.saw_nothing();
}

#[tokio::test]
async fn a_post_that_may_have_been_heard_is_never_sent_again() {
    for reason in [
        Reason::INTERNAL_ERROR,
        Reason::CANCEL,
        Reason::NO_ERROR,
        Reason::ENHANCE_YOUR_CALM,
    ] {
        let upstream = Http2Upstream::start().await;
        let gateway = in_front_of(&upstream).await;
        warm_up(&gateway, &upstream).await;
        for method in ["POST", "GET"] {
            let request = tokio::spawn(gateway.request(method, "/").send());
            upstream.accept().await.1.send_reset(reason);
            assert_eq!(
                request.await.unwrap().unwrap().status(),
                502,
                "{method}: {reason:?}"
            );
            upstream.saw_nothing();
        }
        assert_eq!(
            upstream.connections(),
            1,
            "one stream's end is not the connection's"
        );
    }
}

#[tokio::test]
async fn a_connection_that_closes_under_a_request_costs_a_post_502_and_a_get_nothing() {
    let upstream = Http2Upstream::start().await;
    let gateway = in_front_of(&upstream).await;
    warm_up(&gateway, &upstream).await;
    let post = tokio::spawn(gateway.post("/").send());
    upstream.accept().await;
    upstream.drop_connections().await;
    assert_eq!(post.await.unwrap().unwrap().status(), 502);
    upstream.saw_nothing();

    warm_up(&gateway, &upstream).await;
    let get = tokio::spawn(gateway.get("/").send());
    upstream.accept().await;
    upstream.drop_connections().await;
    answer(upstream.accept().await.1);
    assert_eq!(get.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_connection_that_closed_while_idle_costs_nobody_anything() {
    let upstream = Http2Upstream::start().await;
    let gateway = in_front_of(&upstream).await;
    for method in ["GET", "POST", "PATCH"] {
        warm_up(&gateway, &upstream).await;
        upstream.drop_connections().await;
        let request = tokio::spawn(gateway.request(method, "/").send());
        answer(upstream.accept().await.1);
        assert_eq!(request.await.unwrap().unwrap().status(), 200, "{method}");
    }
}

#[tokio::test]
async fn an_app_that_never_answers_is_504_and_its_connection_is_left_alone() {
    let upstream = Http2Upstream::start().await;
    let gateway = in_front_of(&upstream).await;
    let request = tokio::spawn(gateway.post("/").body("hello").send());
    let (first, (_, mut respond)) = upstream.accept_on().await;
    assert_eq!(request.await.unwrap().unwrap().status(), 504);
    let reset = poll_fn(|context| respond.poll_reset(context));
    assert_eq!(soon("a reset", reset).await.unwrap(), Reason::CANCEL);
    let next = tokio::spawn(gateway.get("/").send());
    let (second, (_, respond)) = upstream.accept_on().await;
    assert_ne!(first, second, "nobody else waits for the silent one");
    answer(respond);
    assert_eq!(next.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_client_that_goes_takes_its_stream_along_and_no_other() {
    let upstream = Http2Upstream::start().await;
    let gateway = gateway().public("/", &upstream).one_worker().start().await;
    let mut client = http2_client(gateway.address).await;
    for is_answered in [false, true] {
        let (response, mut up) = client
            .send_request(Request::post("http://a/").body(()).unwrap(), false)
            .unwrap();
        let (_request, mut respond) = upstream.accept().await;
        let mut down = None;
        if is_answered {
            down = Some(respond.send_response(Response::new(()), false).unwrap());
            soon("an answer", response).await.unwrap();
        }
        let other = tokio::spawn(gateway.get("/").send());
        let (_, other_respond) = upstream.accept().await;
        up.send_reset(Reason::CANCEL);
        let reset = poll_fn(|context| match &mut down {
            Some(down) => down.poll_reset(context),
            None => respond.poll_reset(context),
        });
        assert_eq!(soon("a reset", reset).await.unwrap(), Reason::CANCEL);
        answer(other_respond);
        assert_eq!(other.await.unwrap().unwrap().text().await.unwrap(), "hello");
    }
    let mut raw = gateway.raw().await;
    raw.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let (_, mut respond) = upstream.accept().await;
    drop(raw);
    let reset = poll_fn(|context| respond.poll_reset(context));
    assert_eq!(soon("a reset", reset).await.unwrap(), Reason::CANCEL);
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_seen_to_have_broken_off() {
    let upstream = Http2Upstream::start().await;
    let gateway = in_front_of(&upstream).await;
    let mut client = gateway.wire().await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let (_, mut respond) = upstream.accept().await;
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    stream.send_data("hel".into(), false).unwrap();
    client.until("hel").await;
    stream.send_reset(Reason::INTERNAL_ERROR);
    let rest = client.rest().await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "an end that was none: {rest:?}");
}

#[tokio::test]
async fn an_upload_that_is_cut_off_is_no_whole_request() {
    let upstream = Http2Upstream::start().await;
    let more = "access = \"public\"\nmax_body = \"8B\"";
    let gateway = gateway().route_with("/", &upstream, more).start().await;
    let mut client = gateway.raw().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        .await;
    let (request, _respond) = upstream.accept().await;
    let mut body = request.into_body();
    assert_eq!(soon("a piece", body.data()).await.unwrap().unwrap(), "hello");
    client.send("5\r\nworld\r\n").await;
    assert_eq!(client.response().await.unwrap().status, 413);
    let end = soon("the end", body.data()).await;
    assert_eq!(end.unwrap().unwrap_err().reason(), Some(Reason::CANCEL));
}

#[tokio::test]
async fn what_does_not_speak_http_2_never_hears_of_a_request() {
    let upstream = Upstream::answering(|_| b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n".to_vec());
    let url = upstream.url().replace("http://", "h2c://");
    let gateway = gateway().public("/", url.as_str()).start().await;
    for method in ["GET", "POST"] {
        let refused = gateway
            .request(method, "/secret")
            .body("secret")
            .send()
            .await
            .unwrap();
        assert_eq!(refused.status(), 502);
    }
    for received in upstream.received() {
        assert_eq!(
            received.line(),
            "PRI * HTTP/2.0",
            "no more than how HTTP/2 begins"
        );
    }
}

/// An upstream's side of HTTP/2, frame by frame.
struct Frames(Wire<TcpStream>);

impl Frames {
    const SETTINGS: u8 = 4;
    const HEADERS: u8 = 1;
    const PING: u8 = 6;
    const GOAWAY: u8 = 7;

    async fn begin(mut wire: Wire<TcpStream>) -> Self {
        wire.until("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        let mut frames = Self(wire);
        frames.send(Self::SETTINGS, 0, &[]).await;
        frames
    }

    async fn send(&mut self, kind: u8, flags: u8, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend_from_slice(&[kind, flags, 0, 0, 0, 0]);
        frame.extend_from_slice(payload);
        self.0.send(frame).await;
    }

    /// Answers what must be answered until a request comes.
    async fn request(&mut self) {
        loop {
            let head = self.0.exactly(9).await;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let payload = self.0.exactly(usize::try_from(length).unwrap()).await;
            match (head[3], head[4] & 1) {
                (Self::HEADERS, _) => return,
                (Self::PING, 0) => self.send(Self::PING, 1, &payload).await,
                (Self::SETTINGS, 0) => self.send(Self::SETTINGS, 1, &[]).await,
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn what_came_too_late_for_a_connection_that_ends_is_sent_over_the_next() {
    for (method, last_stream, is_repeated) in [("GET", 0, true), ("POST", 0, true), ("POST", 1, false)] {
        let upstream = PlayedUpstream::start().await;
        let url = upstream.url().replace("http://", "h2c://");
        let gateway = gateway().public("/", url.as_str()).one_worker().start().await;
        let request = tokio::spawn(gateway.request(method, "/").body("hello").send());
        let mut first = Frames::begin(upstream.accept().await).await;
        first.request().await;
        first
            .send(Frames::GOAWAY, 0, &[0, 0, 0, last_stream, 0, 0, 0, 0])
            .await;
        if is_repeated {
            let mut second = Frames::begin(upstream.accept().await).await;
            second.request().await;
            drop(second);
        }
        drop(first);
        let status = request.await.unwrap().unwrap().status();
        assert_eq!(status, 502, "{method}: neither connection has answered");
    }
}

#[tokio::test]
async fn an_app_that_wants_http_1_for_a_request_gets_it() {
    let ours = Authority::new();
    let upstream = SecureUpstream::start(ours.pair("localhost").server(&["h2", "http/1.1"])).await;
    let gateway = gateway()
        .route_with(
            "/",
            &upstream,
            &format!("access = \"public\"\n{}", ours.trusted()),
        )
        .start()
        .await;
    let request = tokio::spawn(gateway.post("/").body("hello").send());
    let (sender, mut streams) = tokio::sync::mpsc::unbounded_channel();
    let app = upstream.accept().await;
    tokio::spawn(serve_http2(app, h2::server::Builder::new(), 1, sender));
    let (_, (_, mut respond)) = soon("a request", streams.recv()).await.unwrap();
    respond.send_reset(Reason::HTTP_1_1_REQUIRED);
    let app = upstream.accept().await;
    assert_eq!(app.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut app = Wire::new(app);
    assert!(app.head().await.starts_with("POST / HTTP/1.1\r\n"));
    assert_eq!(app.exactly(5).await, b"hello");
    app.send(super::answer("thanks")).await;
    assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "thanks");
}
