//! Clients that ask for much and take it slowly, or not at all.

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpSocket, TcpStream},
};

use crate::harness::{Gateway, PlayedUpstream, Wire, gateway, tls_connect};

/// A limit that ends, and the others that do not.
const LIMITS: &str = "[server.limits]\nsend_timeout = \"1s\"\nheader_timeout = \"1h\"\nidle_timeout = \"1h\"";

const GET: &str = "GET /download HTTP/1.1\r\nhost: x\r\n\r\n";

/// More than all buffers between an app and a client.
const ENDLESS: &str = "HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n";
const NOBODY_HOLDS: usize = 256 * 1024 * 1024;

/// A preface and SETTINGS with windows of this size, for each stream and for all of them (RFC 9113, section 6.9).
fn http2_with_window(stream: u32) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04".to_vec();
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(b"\0\0\x04\x08\0\0\0\0\0\x7f\xff\0\0");
    // GET http://x/ on stream 1, without indexing but for what the static table has.
    bytes.extend_from_slice(b"\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x01\x01x");
    bytes
}

async fn started(encrypted: bool, limits: &str) -> (PlayedUpstream, Gateway) {
    let upstream = PlayedUpstream::start().await;
    let builder = gateway().public("/", &upstream).server(limits);
    let builder = if encrypted { builder.tls() } else { builder };
    (upstream, builder.start().await)
}

/// Asks for something endless, takes nothing, and holds that both sides see the end.
async fn takes_nothing(
    upstream: &PlayedUpstream,
    mut client: Wire<impl AsyncRead + AsyncWrite + Unpin>,
    request: &[u8],
) {
    client.send(request).await;
    let mut app = upstream.accept().await;
    app.head().await;
    app.send(ENDLESS).await;
    let taken = app.fill_up(NOBODY_HOLDS).await;
    assert!(taken < NOBODY_HOLDS, "all of it is held somewhere");
    app.ends().await;
    client.rest().await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_an_answer_is_cut_off() {
    let (upstream, gateway) = started(false, LIMITS).await;
    takes_nothing(&upstream, gateway.wire().await, GET.as_bytes()).await;
    // HTTP/2: one that opens its windows and then reads nothing, and one that keeps them shut.
    for window in [0x7fff_0000, 1000, 0] {
        takes_nothing(&upstream, gateway.wire().await, &http2_with_window(window)).await;
    }

    let (upstream, gateway) = started(true, LIMITS).await;
    for (protocol, request) in [
        ("http/1.1", GET.as_bytes().to_vec()),
        ("h2", http2_with_window(0x7fff_0000)),
        ("h2", http2_with_window(0)),
    ] {
        let stream = tls_connect(gateway.address, rustls::ALL_VERSIONS, &[protocol]).await;
        takes_nothing(&upstream, Wire::new(stream.unwrap()), &request).await;
    }
}

#[tokio::test]
async fn its_place_is_free_again() {
    let (upstream, gateway) = started(false, &format!("{LIMITS}\nmax_connections = 1")).await;
    for _ in 0..2 {
        takes_nothing(&upstream, gateway.wire().await, GET.as_bytes()).await;
    }
}

#[tokio::test]
async fn what_waits_for_the_app_and_not_for_the_client_is_not_cut_off() {
    let (upstream, gateway) = started(false, LIMITS).await;
    let mut client = gateway.wire().await;
    client.send(GET).await;
    let mut app = upstream.accept().await;
    app.head().await;
    // Before the answer, and amid it, an app may take all the time it wants.
    for (piece, mark) in [(ENDLESS, "\r\n\r\n"), ("one", "one"), ("two", "two")] {
        takes_nothing(&upstream, gateway.wire().await, GET.as_bytes()).await;
        app.send(piece).await;
        client.until(mark).await;
    }
}

#[tokio::test]
async fn a_client_that_takes_a_little_now_and_then_gets_all_of_it() {
    // Nothing of it may hide in buffers for longer than the limit, so the client's is small and the limit not.
    let limits = LIMITS.replace("\"1s\"", "\"3s\"");
    let (upstream, gateway) = started(false, &limits).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(32 * 1024).unwrap();
    let mut client: Wire<TcpStream> = Wire::new(socket.connect(gateway.address).await.unwrap());
    client.send(GET).await;
    let mut app = upstream.accept().await;
    app.head().await;
    app.send(ENDLESS).await;
    client.head().await;
    let sending = async { while app.offer(vec![b'x'; 64 * 1024]).await.is_ok() {} };
    // As long as two others that take nothing live, one after the other.
    let others = async {
        for _ in 0..2 {
            takes_nothing(&upstream, gateway.wire().await, GET.as_bytes()).await;
        }
    };
    let slowly = async {
        let mut pace = tokio::time::interval(std::time::Duration::from_millis(50));
        loop {
            pace.tick().await;
            client.exactly(64 * 1024).await;
        }
    };
    tokio::select! {
        () = others => {}
        () = slowly => {}
        () = sending => panic!("it was cut off"),
    }
}
