//! Stopping: what runs may finish, what is idle ends, nothing new begins, and nothing outlasts the grace.

use tokio::net::TcpStream;

use crate::harness::{Gateway, PlayedUpstream, Upstream, Wire, gateway, soon};

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// A gateway that will wait for a running request, whose upstream the test plays.
async fn busy(upstream: &PlayedUpstream, grace: &str) -> (Gateway, Wire<TcpStream>, Wire<TcpStream>) {
    let gateway = gateway()
        .public("/", upstream)
        .server(&format!("shutdown_grace = {grace:?}"))
        .start()
        .await;
    let mut client = gateway.wire().await;
    client.send(GET).await;
    let mut app = upstream.accept().await;
    app.head().await;
    (gateway, client, app)
}

#[tokio::test]
async fn a_running_request_finishes_and_its_connection_is_the_last() {
    let upstream = PlayedUpstream::start().await;
    let (gateway, mut client, mut app) = busy(&upstream, "1h").await;
    gateway.drain();
    refuses_connections(&gateway).await;
    app.send(HELLO).await;
    let head = client.head().await;
    assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
    assert_eq!(client.rest().await, b"hello");
    drop(client);
    let log = gateway.ended().await;
    assert_eq!(log.len(), 1);
    assert_eq!((&log[0]["status"], &log[0]["bytes"]), (&200.into(), &5.into()));
}

/// Waits until nobody listens any more: all workers stop at once, but not at the same instant. Whoever connects to one as
/// it stops is refused though another goes on, which takes the next.
async fn refuses_connections(gateway: &Gateway) {
    let refused = async {
        let mut in_a_row = 0;
        while in_a_row < 20 {
            match TcpStream::connect(gateway.address).await {
                Ok(_) => in_a_row = 0,
                Err(_) => in_a_row += 1,
            }
        }
    };
    soon("the end of listening", refused).await;
}

#[tokio::test]
async fn an_answer_that_has_begun_goes_on_to_its_end() {
    let upstream = PlayedUpstream::start().await;
    let (gateway, mut client, mut app) = busy(&upstream, "1h").await;
    app.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
        .await;
    client.until("one\r\n").await;
    gateway.drain();
    refuses_connections(&gateway).await;
    app.send("3\r\ntwo\r\n0\r\n\r\n").await;
    client.until("two\r\n0\r\n\r\n").await;
    client.ends().await;
    drop(client);
    gateway.ended().await;
}

#[tokio::test]
async fn idle_connections_end_at_once() {
    let upstream = PlayedUpstream::start().await;
    let (gateway, mut client, mut app) = busy(&upstream, "1h").await;
    let mut unused = gateway.wire().await;
    // A second connection that has been answered, and a third that speaks HTTP/2.
    let mut idle = gateway.wire().await;
    idle.send(GET).await;
    let mut other = upstream.accept().await;
    other.head().await;
    other.send(HELLO).await;
    idle.until("hello").await;
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (_http2, connection) = h2::client::handshake::<_>(stream).await.unwrap();
    let http2 = tokio::spawn(connection);

    gateway.drain();
    idle.ends().await;
    unused.ends().await;
    soon("the end of HTTP/2", http2).await.unwrap().unwrap();
    // All the while the running request runs.
    app.send(HELLO).await;
    client.until("hello").await;
    drop((client, idle, unused));
    gateway.ended().await;
}

#[tokio::test]
async fn a_stream_of_http_2_finishes_after_its_goaway() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway()
        .public("/", &upstream)
        .server("shutdown_grace = \"1h\"")
        .start()
        .await;
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut client: h2::client::SendRequest<bytes::Bytes> = client.ready().await.unwrap();
    let get = || http::Request::get("http://x/").body(()).unwrap();
    let (answer, _) = client.send_request(get(), true).unwrap();
    let mut app = upstream.accept().await;
    app.head().await;
    gateway.drain();
    // Once GOAWAY is here, the client opens no further stream.
    let told = async {
        loop {
            match client.clone().ready().await {
                Ok(ready) => client = ready,
                Err(error) => return error,
            }
            tokio::task::yield_now().await;
        }
    };
    assert!(soon("GOAWAY", told).await.is_go_away());
    app.send(HELLO).await;
    let answer = soon("the answer", answer).await.unwrap();
    assert_eq!(answer.status(), 200);
    let body = answer.into_body().data().await.unwrap().unwrap();
    assert_eq!(body, "hello");
    soon("the end", connection).await.unwrap().unwrap();
    gateway.ended().await;
}

#[tokio::test]
async fn what_was_sent_before_the_stop_is_answered() {
    for round in 0..20 {
        let upstream = Upstream::start();
        let gateway = gateway().public("/", &upstream).start().await;
        let mut clients = Vec::new();
        for _ in 0..10 {
            let mut client = gateway.wire().await;
            client.send(GET).await;
            clients.push(client);
        }
        gateway.drain();
        for mut client in clients {
            let answer = String::from_utf8(client.rest().await).unwrap();
            assert!(answer.ends_with("hello"), "round {round}: {answer:?}");
        }
        gateway.ended().await;
        assert_eq!(upstream.received().len(), 10);
    }
}

#[tokio::test]
async fn a_request_that_is_half_here_is_waited_for() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .public("/", &upstream)
        .server("shutdown_grace = \"1h\"")
        .start()
        .await;
    // The first request of a connection, and the second.
    let mut first = gateway.wire().await;
    first.send("GET / HTTP/1.1\r\nho").await;
    let mut second = gateway.wire().await;
    second.send(GET).await;
    second.until("hello").await;
    second.send("GET / HTTP/1.1\r\nho").await;
    first.delivered().await;
    second.delivered().await;
    gateway.drain();
    refuses_connections(&gateway).await;
    for mut client in [first, second] {
        client.send("st: x\r\n\r\n").await;
        let head = client.head().await;
        assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
        assert_eq!(client.rest().await, b"hello");
    }
    gateway.ended().await;
}

#[tokio::test]
async fn an_http_2_client_that_has_fallen_asleep_is_not_waited_for() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .public("/", &upstream)
        .server("shutdown_grace = \"1h\"")
        .start()
        .await;
    let mut client = gateway.wire().await;
    // The preface and empty settings; what the gateway says to that is never acknowledged.
    client
        .send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        .await;
    client.exactly(9).await;
    gateway.drain();
    gateway.ended().await;
    upstream.saw_nothing();
}

#[tokio::test]
async fn nothing_outlasts_the_grace() {
    let upstream = PlayedUpstream::start().await;
    let (gateway, mut client, mut app) = busy(&upstream, "2s").await;
    let mut talking = gateway.wire().await;
    talking
        .send("GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: talk\r\n\r\n")
        .await;
    let mut other = upstream.accept().await;
    other.head().await;
    other
        .send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: talk\r\n\r\n")
        .await;
    talking.head().await;
    gateway.drain();
    refuses_connections(&gateway).await;
    // Within the grace a conversation goes on.
    talking.send("ping").await;
    assert_eq!(other.exactly(4).await, b"ping");
    for wire in [&mut client, &mut talking, &mut app, &mut other] {
        wire.ends().await;
    }
    gateway.ended().await;
}
