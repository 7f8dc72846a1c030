//! gRPC from end to end, byte for byte: calls over HTTP/2 to the gateway and over HTTP/2 to the app.

use bytes::Bytes;
use h2::{RecvStream, SendStream, client::ResponseFuture, server::SendResponse};
use http::{HeaderMap, Request, Response};

use crate::harness::{Gateway, Http2Client, Http2Upstream, body_of, gateway, http2_client, soon};

/// A message as gRPC frames it: not compressed, its length, itself.
fn message(text: &str) -> Bytes {
    let mut bytes = vec![0];
    bytes.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes.into()
}

/// How a call ends.
fn status(code: &str, told: &str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.parse().unwrap());
    trailers.insert("grpc-message", told.parse().unwrap());
    trailers
}

/// An app, a gateway that lets alice call it, a client, and her token.
async fn set() -> (Http2Upstream, Gateway, Http2Client, String) {
    let upstream = Http2Upstream::start().await;
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let client = http2_client(gateway.address).await;
    let token = gateway.token("alice").await;
    (upstream, gateway, client, token)
}

fn call(client: &mut Http2Client, token: Option<&str>) -> (ResponseFuture, SendStream<Bytes>) {
    let mut head = Request::post("http://grpc.example.com/wiki.Pages/Read")
        .header("content-type", "application/grpc+proto")
        .header("te", "trailers")
        .header("grpc-timeout", "5S")
        .header("user-agent", "grpc-test/1");
    if let Some(token) = token {
        head = head.header("authorization", format!("Bearer {token}"));
    }
    client.send_request(head.body(()).unwrap(), false).unwrap()
}

/// The app's side of a call, which must be alice's.
async fn called(upstream: &Http2Upstream) -> (RecvStream, SendResponse<Bytes>) {
    let (request, respond) = upstream.accept().await;
    assert_eq!(request.uri(), "http://grpc.example.com/wiki.Pages/Read");
    for (name, value) in [
        ("content-type", "application/grpc+proto"),
        ("te", "trailers"),
        ("grpc-timeout", "5S"),
        ("remote-user", "alice"),
    ] {
        assert_eq!(request.headers()[name], value, "{name}");
    }
    for name in [
        "authorization",
        "connection",
        "transfer-encoding",
        "content-length",
    ] {
        assert!(!request.headers().contains_key(name), "{name}");
    }
    (request.into_body(), respond)
}

fn begin(respond: &mut SendResponse<Bytes>) -> SendStream<Bytes> {
    let head = Response::builder().header("content-type", "application/grpc+proto");
    respond.send_response(head.body(()).unwrap(), false).unwrap()
}

#[tokio::test]
async fn a_unary_call_is_answered_with_its_status_in_the_trailers() {
    let (upstream, _gateway, mut client, token) = set().await;
    let (response, mut up) = call(&mut client, Some(&token));
    up.send_data(message("which page?"), true).unwrap();
    let (heard, mut respond) = called(&upstream).await;
    assert_eq!(
        body_of(heard).await.unwrap(),
        (message("which page?").to_vec(), None)
    );
    let mut down = begin(&mut respond);
    down.send_data(message("this one"), false).unwrap();
    down.send_trailers(status("0", "")).unwrap();
    let response = soon("an answer", response).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/grpc+proto");
    let (body, trailers) = body_of(response.into_body()).await.unwrap();
    assert_eq!(body, message("this one"));
    assert_eq!(trailers.unwrap(), status("0", ""));
}

#[tokio::test]
async fn a_stream_of_messages_comes_down_one_by_one() {
    let (upstream, _gateway, mut client, token) = set().await;
    let (response, mut up) = call(&mut client, Some(&token));
    up.send_data(message("all pages"), true).unwrap();
    let (_heard, mut respond) = called(&upstream).await;
    let mut down = begin(&mut respond);
    let mut pages = soon("an answer", response).await.unwrap().into_body();
    for page in ["one", "two", "three"] {
        // The next is sent when the last has arrived: nothing is held back.
        down.send_data(message(page), false).unwrap();
        assert_eq!(
            soon("a page", pages.data()).await.unwrap().unwrap(),
            message(page)
        );
    }
    down.send_trailers(status("0", "")).unwrap();
    assert_eq!(body_of(pages).await.unwrap(), (Vec::new(), Some(status("0", ""))));
}

#[tokio::test]
async fn both_sides_of_a_call_speak_in_turn() {
    let (upstream, _gateway, mut client, token) = set().await;
    let (response, mut up) = call(&mut client, Some(&token));
    let (mut heard, mut respond) = called(&upstream).await;
    let mut down = begin(&mut respond);
    let mut told = soon("an answer", response).await.unwrap().into_body();
    for word in ["one", "two", "three"] {
        up.send_data(message(word), false).unwrap();
        assert_eq!(
            soon("a question", heard.data()).await.unwrap().unwrap(),
            message(word)
        );
        down.send_data(message(word), false).unwrap();
        assert_eq!(
            soon("an answer", told.data()).await.unwrap().unwrap(),
            message(word)
        );
    }
    up.send_data(Bytes::new(), true).unwrap();
    assert_eq!(body_of(heard).await.unwrap(), (Vec::new(), None));
    down.send_trailers(status("0", "")).unwrap();
    assert_eq!(body_of(told).await.unwrap().1.unwrap(), status("0", ""));
}

#[tokio::test]
async fn an_error_without_a_message_is_one_head() {
    let (upstream, _gateway, mut client, token) = set().await;
    let (response, _up) = call(&mut client, Some(&token));
    let (_heard, mut respond) = called(&upstream).await;
    let mut head = Response::new(());
    *head.headers_mut() = status("5", "no such page");
    respond.send_response(head, true).unwrap();
    let response = soon("an answer", response).await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "5");
    assert_eq!(response.headers()["grpc-message"], "no such page");
    assert!(
        response.body().is_end_stream(),
        "there is no body, and no trailers behind it"
    );
}

#[tokio::test]
async fn a_call_without_a_token_reaches_no_app() {
    let (upstream, _gateway, mut client, token) = set().await;
    let changed = token.replacen('.', ".x", 1);
    for token in [None, Some(changed.as_str()), Some("x")] {
        let (response, mut up) = call(&mut client, token);
        up.send_data(message("which page?"), true).unwrap();
        let response = soon("an answer", response).await.unwrap();
        assert_eq!(response.status(), 401);
        let challenge = response.headers()["www-authenticate"].to_str().unwrap();
        assert!(challenge.starts_with("Bearer "), "{challenge}");
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn calls_of_many_clients_share_a_connection_and_nothing_else() {
    let upstream = Http2Upstream::start().await;
    let names = ["alice", "bob", "carol"];
    let mut builder = gateway().route("/", &upstream).one_worker();
    for name in names {
        builder = builder.user(name);
    }
    let gateway = builder.start().await;
    let mut calls = Vec::new();
    for name in names {
        let mut client = http2_client(gateway.address).await;
        let token = gateway.token(name).await;
        let (response, mut up) = call(&mut client, Some(&token));
        up.send_data(message(name), true).unwrap();
        calls.push((name, client, response));
    }
    let mut heard = Vec::new();
    for _ in names {
        heard.push(upstream.accept().await);
    }
    // Answered in another order than they came.
    for (request, mut respond) in heard.into_iter().rev() {
        let name = request.headers()["remote-user"].to_str().unwrap().to_owned();
        assert_eq!(body_of(request.into_body()).await.unwrap().0, message(&name));
        let mut down = begin(&mut respond);
        down.send_data(message(&format!("hello, {name}")), false).unwrap();
        down.send_trailers(status("0", "")).unwrap();
    }
    for (name, _client, response) in calls {
        let response = soon("an answer", response).await.unwrap();
        let (body, _) = body_of(response.into_body()).await.unwrap();
        assert_eq!(body, message(&format!("hello, {name}")));
    }
    assert_eq!(upstream.connections(), 1);
}
