//! HTTP/2 to the app, over `h2c://`: many requests on one connection, whatever the client speaks.

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};

use crate::harness::{Gateway, Http2Upstream, body_of, gateway, http2_client, soon};

async fn in_front_of(upstream: &Http2Upstream) -> Gateway {
    gateway().public("/", upstream).one_worker().start().await
}

/// Answers a stream with 200 and this body.
fn answer(mut respond: SendResponse<Bytes>, body: &'static str) {
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    stream.send_data(body.into(), true).unwrap();
}

#[tokio::test]
async fn a_request_is_said_in_http_2() {
    let upstream = Http2Upstream::start().await;
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    assert_eq!(gateway.get("/").send().await.unwrap().status(), 401);
    upstream.saw_nothing();
    let token = gateway.token("alice").await;
    let mut client = gateway.raw().await;
    client
        .send(format!(
            "POST /x%20y?z=1 HTTP/1.1\r\nhost: Wiki.example.com:81\r\nauthorization: Bearer {token}\r\n\
             connection: keep-alive, x-hop\r\nkeep-alive: timeout=5\r\nx-hop: 1\r\nte: trailers, deflate\r\n\
             x-end: 2\r\nremote-user: mallory\r\ncookie: a=b\r\ncontent-length: 5\r\n\r\nhello"
        ))
        .await;
    let (request, respond) = upstream.accept().await;
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri(), "http://Wiki.example.com:81/x%20y?z=1");
    let headers = request.headers().clone();
    for (name, value) in [
        ("remote-user", "alice"),
        ("x-forwarded-host", "Wiki.example.com:81"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-end", "2"),
        ("te", "trailers"),
        ("content-length", "5"),
        ("cookie", "a=b"),
    ] {
        let values: Vec<_> = headers.get_all(name).iter().collect();
        assert_eq!(values, [value], "{name}");
    }
    for name in [
        "host",
        "connection",
        "keep-alive",
        "x-hop",
        "transfer-encoding",
        "authorization",
        "upgrade",
    ] {
        assert!(!headers.contains_key(name), "{name}");
    }
    assert_eq!(body_of(request.into_body()).await.unwrap().0, b"hello");
    answer(respond, "hello yourself");
    let said = client.response().await.unwrap();
    assert_eq!((said.status, said.text().as_str()), (200, "hello yourself"));
}

#[tokio::test]
async fn requests_share_a_connection_and_another_is_opened_when_it_is_full() {
    for (most, connections) in [(None, 1), (Some(3), 4), (Some(1), 10)] {
        let upstream = Http2Upstream::with(move |settings| {
            if let Some(most) = most {
                settings.max_concurrent_streams(most);
            }
        })
        .await;
        let gateway = in_front_of(&upstream).await;
        let requests: Vec<_> = (0..10).map(|_| tokio::spawn(gateway.get("/").send())).collect();
        let mut streams = Vec::new();
        for _ in 0..10 {
            streams.push(upstream.accept().await);
        }
        assert_eq!(upstream.connections(), connections, "at most {most:?} at once");
        for (_, respond) in streams {
            answer(respond, "hello");
        }
        for request in requests {
            assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "hello");
        }
        // There is room again, and it is used.
        for _ in 0..3 {
            let again = tokio::spawn(gateway.get("/").send());
            answer(upstream.accept().await.1, "hello");
            assert_eq!(again.await.unwrap().unwrap().status(), 200);
        }
        assert_eq!(upstream.connections(), connections);
    }
}

#[tokio::test]
async fn trailers_go_up_and_come_down() {
    let upstream = Http2Upstream::start().await;
    let gateway = in_front_of(&upstream).await;
    let mut client = gateway.wire().await;
    client
        .send(
            "POST / HTTP/1.1\r\nhost: a\r\nte: trailers\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
             5\r\nhello\r\n0\r\nx-sum: up\r\nremote-user: mallory\r\nconnection: x\r\n\r\n",
        )
        .await;
    let (request, mut respond) = upstream.accept().await;
    let (body, trailers) = body_of(request.into_body()).await.unwrap();
    assert_eq!(body, b"hello");
    let mut expected = HeaderMap::new();
    expected.insert("x-sum", "up".parse().unwrap());
    assert_eq!(trailers.unwrap(), expected);
    let head = Response::builder().header("trailer", "x-sum").body(()).unwrap();
    let mut stream = respond.send_response(head, false).unwrap();
    stream.send_data("hello".into(), false).unwrap();
    expected.insert("x-sum", "down".parse().unwrap());
    stream.send_trailers(expected).unwrap();
    let said = String::from_utf8(client.until("0\r\nx-sum: down\r\n\r\n").await).unwrap();
    assert!(said.ends_with("5\r\nhello\r\n0\r\nx-sum: down\r\n\r\n"), "{said}");
}

#[tokio::test]
async fn both_sides_speak_at_once() {
    let upstream = Http2Upstream::start().await;
    let gateway = in_front_of(&upstream).await;
    let mut client = http2_client(gateway.address).await;
    let head = Request::post("http://a/").body(()).unwrap();
    let (response, mut up) = client.send_request(head, false).unwrap();
    let (request, mut respond) = upstream.accept().await;
    let mut app_hears = request.into_body();
    let mut down = respond.send_response(Response::new(()), false).unwrap();
    let mut client_hears = soon("an answer", response).await.unwrap().into_body();
    for word in ["one", "two", "three"] {
        up.send_data(word.into(), false).unwrap();
        assert_eq!(
            soon("the app's turn", app_hears.data()).await.unwrap().unwrap(),
            word
        );
        down.send_data(word.into(), false).unwrap();
        assert_eq!(
            soon("the client's turn", client_hears.data())
                .await
                .unwrap()
                .unwrap(),
            word
        );
    }
    // The app ends first; the client's half goes on.
    down.send_data("bye".into(), true).unwrap();
    assert_eq!(
        soon("the last word", client_hears.data()).await.unwrap().unwrap(),
        "bye"
    );
    assert!(soon("the end", client_hears.data()).await.is_none());
}

#[tokio::test]
async fn a_body_waits_to_be_asked_for_where_the_client_says_so() {
    let upstream = Http2Upstream::start().await;
    let gateway = in_front_of(&upstream).await;
    let mut client = gateway.wire().await;
    let head = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    client.send(head).await;
    let (request, mut respond) = upstream.accept().await;
    assert_eq!(request.headers()["expect"], "100-continue");
    let interim = Response::builder().status(100).body(()).unwrap();
    respond.send_informational(interim).unwrap();
    assert!(client.head().await.starts_with("HTTP/1.1 100 "));
    client.send("hello").await;
    assert_eq!(body_of(request.into_body()).await.unwrap().0, b"hello");
    answer(respond, "thanks");
    client.until("thanks\r\n0\r\n\r\n").await;

    // Who answers without asking for it gets none of it.
    client.send(head).await;
    let (_request, mut respond) = upstream.accept().await;
    let refused = Response::builder().status(417).body(()).unwrap();
    respond.send_response(refused, true).unwrap();
    assert!(client.head().await.starts_with("HTTP/1.1 417 "));
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    let upstream = Http2Upstream::start().await;
    let gateway = in_front_of(&upstream).await;
    let mut client = gateway.raw().await;
    for (method, status, length, ends_at_once) in [
        ("HEAD", 200, "5", true),
        ("HEAD", 200, "5", false),
        ("GET", 204, "", true),
        ("GET", 304, "", true),
        ("GET", 304, "", false),
        ("GET", 200, "0", true),
        ("GET", 200, "0", false),
    ] {
        client
            .send(format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        let (_, mut respond) = upstream.accept().await;
        let mut head = Response::builder().status(status);
        if !length.is_empty() {
            head = head.header("content-length", length);
        }
        let mut stream = respond
            .send_response(head.body(()).unwrap(), ends_at_once)
            .unwrap();
        if !ends_at_once {
            stream.send_data(Bytes::new(), true).unwrap();
        }
        let said = client.head_response().await.unwrap();
        assert_eq!(said.status, status);
        let said = said.header("content-length");
        assert_eq!(
            said,
            Vec::from_iter((!length.is_empty()).then_some(length)),
            "{method} {status}"
        );
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_holds_nobody_else_up() {
    let upstream = Http2Upstream::start().await;
    let gateway = in_front_of(&upstream).await;
    let mut lazy = http2_client(gateway.address).await;
    let large = vec![b'x'; 1024 * 1024];
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let (response, _) = lazy
            .send_request(Request::get("http://a/").body(()).unwrap(), true)
            .unwrap();
        let (_, mut respond) = upstream.accept().await;
        let mut stream = respond.send_response(Response::new(()), false).unwrap();
        stream.send_data(large.clone().into(), true).unwrap();
        waiting.push(soon("the head of an answer", response).await.unwrap());
    }
    let other = tokio::spawn(gateway.get("/").send());
    answer(upstream.accept().await.1, "hello");
    assert_eq!(
        soon("an answer", other)
            .await
            .unwrap()
            .unwrap()
            .text()
            .await
            .unwrap(),
        "hello"
    );
    assert_eq!(upstream.connections(), 1);
    // And what was kept back for the lazy one arrives in the end.
    for answer in waiting {
        assert!(body_of(answer.into_body()).await.unwrap().0 == large);
    }
}

#[tokio::test]
async fn a_large_body_goes_up_as_fast_as_the_app_takes_it() {
    let upstream = Http2Upstream::start().await;
    let gateway = in_front_of(&upstream).await;
    let large = vec![b'x'; 3 * 1024 * 1024];
    let upload = tokio::spawn(gateway.post("/").body(large.clone()).send());
    let (request, respond) = upstream.accept().await;
    assert!(body_of(request.into_body()).await.unwrap().0 == large);
    answer(respond, "thanks");
    assert_eq!(upload.await.unwrap().unwrap().text().await.unwrap(), "thanks");
}

#[tokio::test]
async fn an_upgrade_is_asked_for_over_http_1_alone() {
    let upstream = Http2Upstream::start().await;
    let gateway = in_front_of(&upstream).await;
    let mut client = gateway.raw().await;
    client
        .send("GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        .await;
    let (request, respond) = upstream.accept().await;
    assert_eq!(
        (request.method().as_str(), request.uri().path()),
        ("GET", "/chat")
    );
    assert!(!request.headers().contains_key("upgrade"));
    answer(respond, "a page, as a server answers that knows no upgrade");
    assert_eq!(client.response().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_request_that_signs_its_connection_in_has_one_of_its_own() {
    for scheme in ["NTLM TlRMTVNTUAABAAAA", "negotiate YII="] {
        let upstream = Http2Upstream::start().await;
        let gateway = in_front_of(&upstream).await;
        for (shown, connection) in [
            (None, 1),
            (Some(scheme), 2),
            (None, 1),
            (Some(scheme), 3),
            (None, 1),
        ] {
            let mut request = gateway.get("/");
            if let Some(shown) = shown {
                request = request.header("authorization", shown);
            }
            let request = tokio::spawn(request.send());
            let (number, (_, respond)) = upstream.accept_on().await;
            assert_eq!(number, connection, "{shown:?}");
            answer(respond, "hello");
            assert_eq!(request.await.unwrap().unwrap().status(), 200);
        }
    }
}
