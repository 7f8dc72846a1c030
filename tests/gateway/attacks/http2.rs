//! What HTTP/2 lets a client say that HTTP/1.1 does not, and that must not leave in HTTP/1.1.

use crate::harness::{Http2, Outcome, Upstream, gateway};

/// The pseudo-header fields of a request that passes.
const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const AUTHORITY: (&str, &str) = (":authority", "localhost");
const PATH: (&str, &str) = (":path", "/");

#[tokio::test]
async fn malformed_fields_end_the_stream() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).start().await;
    for fields in [
        // Pseudo-header fields: missing, double, late, unknown.
        &[SCHEME, AUTHORITY, PATH][..],
        &[METHOD, AUTHORITY, PATH],
        &[METHOD, METHOD, SCHEME, AUTHORITY, PATH],
        &[METHOD, SCHEME, AUTHORITY, AUTHORITY, PATH],
        &[METHOD, SCHEME, AUTHORITY, (":authority", "evil.example"), PATH],
        &[METHOD, SCHEME, AUTHORITY, PATH, (":path", "/admin")],
        &[METHOD, SCHEME, AUTHORITY, ("x", "y"), PATH],
        &[METHOD, SCHEME, AUTHORITY, PATH, (":status", "200")],
        &[METHOD, SCHEME, AUTHORITY, PATH, (":protocol", "websocket")],
        &[METHOD, SCHEME, AUTHORITY, PATH, (":unknown", "x")],
        // Names.
        &[METHOD, SCHEME, AUTHORITY, PATH, ("X-Upper", "x")],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("Remote-User", "mallory")],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("transfer-Encoding", "chunked")],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("", "x")],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("x y", "x")],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("x:y", "x")],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("x\r\ny", "x")],
        &[
            METHOD,
            SCHEME,
            AUTHORITY,
            PATH,
            ("x: y\r\nremote-user", "mallory"),
        ],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("x\0", "x")],
        // Headers of a connection.
        &[METHOD, SCHEME, AUTHORITY, PATH, ("connection", "close")],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("connection", "remote-user")],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("transfer-encoding", "chunked")],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("upgrade", "h2c")],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("keep-alive", "x")],
        &[
            METHOD,
            SCHEME,
            AUTHORITY,
            PATH,
            ("proxy-connection", "keep-alive"),
        ],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("te", "chunked")],
        // Values that end a line.
        &[
            METHOD,
            SCHEME,
            AUTHORITY,
            PATH,
            ("x", "a\r\nremote-user: mallory"),
        ],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("x", "a\nremote-user: mallory")],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("x", "a\rb")],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("x", "a\0b")],
        &[
            METHOD,
            SCHEME,
            AUTHORITY,
            (":path", "/ HTTP/1.1\r\nremote-user: mallory"),
        ],
        &[METHOD, SCHEME, AUTHORITY, (":path", "/a b")],
        &[METHOD, SCHEME, AUTHORITY, (":path", "/\0")],
        &[
            METHOD,
            SCHEME,
            (":authority", "localhost\r\nremote-user: mallory"),
            PATH,
        ],
        &[(":method", "GET / HTTP/1.1\r\nx"), SCHEME, AUTHORITY, PATH],
        &[(":method", "G T"), SCHEME, AUTHORITY, PATH],
        &[(":method", ""), SCHEME, AUTHORITY, PATH],
        &[METHOD, (":scheme", "http://evil.example/?"), AUTHORITY, PATH],
        // Paths that are none.
        &[METHOD, SCHEME, AUTHORITY, (":path", "")],
        &[METHOD, SCHEME, AUTHORITY],
        // Lengths that are none, or two.
        &[METHOD, SCHEME, AUTHORITY, PATH, ("content-length", "10")],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("content-length", "+0")],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("content-length", "0, 0")],
        &[
            METHOD,
            SCHEME,
            AUTHORITY,
            PATH,
            ("content-length", "0"),
            ("content-length", "5"),
        ],
    ] {
        let mut client = Http2::connect(gateway.address).await;
        client.headers(fields, true).await;
        let outcome = client.outcome().await;
        let refused = matches!(
            outcome,
            Outcome::Reset(Outcome::PROTOCOL_ERROR) | Outcome::GoAway(Outcome::PROTOCOL_ERROR)
        );
        assert!(refused, "{fields:?}: {outcome:?}");
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn paths_and_hosts_have_one_reading_in_http2_too() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .public("/", &upstream)
        .route("/admin", &upstream)
        .start()
        .await;
    let authority = |authority| [METHOD, SCHEME, (":authority", authority), PATH];
    let path = |path| [METHOD, SCHEME, AUTHORITY, (":path", path)];
    let mut variants: Vec<(Vec<(&str, &str)>, Outcome)> = Vec::new();
    for refused in [
        "*",
        "/..",
        "/x/%2e%2e/admin",
        "/x/..;/admin",
        "/x%2f..%2fadmin",
        "/%00",
        "/\u{e9}",
        "/%",
    ] {
        variants.push((path(refused).to_vec(), Outcome::Answer(400)));
    }
    for protected in [
        "/admin",
        "//admin",
        "/%61dmin",
        "/admin?x=/",
        "/admin#/",
        "/;x/admin",
    ] {
        variants.push((path(protected).to_vec(), Outcome::Answer(401)));
    }
    for refused in [
        "localhost:x",
        "user@localhost",
        "localhost..",
        "localhost:99999",
        "[::1",
        "%61",
    ] {
        variants.push((authority(refused).to_vec(), Outcome::Answer(400)));
    }
    let two = |host| [METHOD, SCHEME, AUTHORITY, PATH, ("host", host)];
    for refused in ["evil.example", "localhost:80", ""] {
        variants.push((two(refused).to_vec(), Outcome::Answer(400)));
    }
    let hosts = [
        METHOD,
        SCHEME,
        PATH,
        ("host", "localhost"),
        ("host", "evil.example"),
    ];
    variants.push((hosts.to_vec(), Outcome::Answer(400)));
    variants.push(([METHOD, SCHEME, PATH].to_vec(), Outcome::Answer(400)));
    let no_length = [METHOD, SCHEME, AUTHORITY, PATH, ("content-length", "")];
    variants.push((no_length.to_vec(), Outcome::Answer(400)));
    let authorizations = [
        METHOD,
        SCHEME,
        AUTHORITY,
        PATH,
        ("authorization", "x"),
        ("authorization", "y"),
    ];
    variants.push((authorizations.to_vec(), Outcome::Answer(400)));
    for (fields, expected) in variants {
        let mut client = Http2::connect(gateway.address).await;
        client.headers(&fields, true).await;
        let outcome = client.outcome().await;
        // Whether the protocol or the gateway minds, nothing goes up.
        let reset = outcome == Outcome::Reset(Outcome::PROTOCOL_ERROR) && expected == Outcome::Answer(400);
        assert!(outcome == expected || reset, "{fields:?}: {outcome:?}");
    }
    for no_path in ["admin", "http://localhost/admin", "?x", "%2fadmin"] {
        let mut client = Http2::connect(gateway.address).await;
        client.headers(&path(no_path), true).await;
        let outcome = client.outcome().await;
        assert_ne!(outcome, Outcome::Answer(200), "{no_path}");
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn connect_and_trace_are_never_forwarded() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).start().await;
    let connect = (":method", "CONNECT");
    for (fields, expected) in [
        (&[connect, AUTHORITY][..], Outcome::Answer(405)),
        (&[connect, (":authority", "localhost:80")], Outcome::Answer(405)),
        (
            &[(":method", "TRACE"), SCHEME, AUTHORITY, PATH],
            Outcome::Answer(405),
        ),
        // Not what CONNECT looks like, or the extended one (RFC 8441) for something else than a WebSocket.
        (
            &[connect, SCHEME, AUTHORITY, PATH],
            Outcome::Reset(Outcome::PROTOCOL_ERROR),
        ),
        (
            &[connect, SCHEME, AUTHORITY, PATH, (":protocol", "connect-udp")],
            Outcome::Answer(405),
        ),
        (
            &[connect, SCHEME, AUTHORITY, PATH, (":protocol", "h2c")],
            Outcome::Answer(405),
        ),
        (&[connect], Outcome::Answer(405)),
    ] {
        for body in ["", "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
            let mut client = Http2::connect(gateway.address).await;
            client.headers(fields, body.is_empty()).await;
            if !body.is_empty() {
                client.data(body, true).await;
            }
            assert_eq!(client.outcome().await, expected, "{fields:?}");
        }
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn what_follows_a_websocket_that_was_not_agreed_to_goes_nowhere() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).start().await;
    let mut client = Http2::connect(gateway.address).await;
    let connect = [
        (":method", "CONNECT"),
        SCHEME,
        AUTHORITY,
        PATH,
        (":protocol", "websocket"),
        ("sec-websocket-version", "13"),
    ];
    client.headers(&connect, false).await;
    client
        .data("GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n", true)
        .await;
    assert_eq!(client.outcome().await, Outcome::Answer(502));
    let request = upstream.only();
    assert_eq!(request.line(), "GET / HTTP/1.1");
    assert!(request.body.is_empty(), "{:?}", request.body);
    drop(gateway);
    assert_eq!(upstream.received().len(), 1);
}

#[tokio::test]
async fn a_body_of_another_length_than_it_says_is_no_request() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).start().await;
    for (length, body) in [("10", "hello"), ("5", ""), ("4", "hello"), ("0", "hello")] {
        let mut client = Http2::connect(gateway.address).await;
        let fields = [
            (":method", "POST"),
            SCHEME,
            AUTHORITY,
            PATH,
            ("content-length", length),
        ];
        client.headers(&fields, false).await;
        client.data(body, true).await;
        let outcome = client.outcome().await;
        let refused = matches!(
            outcome,
            Outcome::Reset(_) | Outcome::GoAway(Outcome::PROTOCOL_ERROR) | Outcome::Answer(400)
        );
        assert!(refused, "{length}, {body:?}: {outcome:?}");
        // The bytes of whoever comes next are their own, on a connection of their own.
        let mut next = Http2::connect(gateway.address).await;
        next.headers(&[METHOD, SCHEME, AUTHORITY, (":path", "/next")], true)
            .await;
        assert_eq!(next.outcome().await, Outcome::Answer(200));
        assert_eq!(upstream.only().line(), "GET /next HTTP/1.1", "{length}, {body:?}");
        upstream.forget();
    }

    // A stream that is reset in the middle of its body leaves no half of a request behind either.
    let mut client = Http2::connect(gateway.address).await;
    let fields = [
        (":method", "POST"),
        SCHEME,
        AUTHORITY,
        PATH,
        ("content-length", "99"),
    ];
    client.headers(&fields, false).await;
    client.data("hello", false).await;
    client.reset().await;
    for _ in 0..4 {
        let mut next = Http2::connect(gateway.address).await;
        next.headers(&[METHOD, SCHEME, AUTHORITY, (":path", "/next")], true)
            .await;
        assert_eq!(next.outcome().await, Outcome::Answer(200));
    }
    let received = upstream.received();
    assert_eq!(received.len(), 4, "{received:#?}");
    assert!(
        received
            .iter()
            .all(|request| request.line() == "GET /next HTTP/1.1")
    );
}

#[tokio::test]
async fn what_passes_leaves_as_one_request_of_http_1() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let cookie = gateway.sign_in("alice").await;
    let fields = [
        (":method", "POST"),
        SCHEME,
        AUTHORITY,
        (":path", "/x?y"),
        ("cookie", "a=1"),
        ("cookie", &cookie),
        ("cookie", "b=2"),
        ("remote-user", "mallory"),
        ("remote_user", "mallory"),
        ("x-forwarded-for", "mallory"),
        ("host", "localhost"),
        ("te", "trailers"),
    ];
    let mut client = Http2::connect(gateway.address).await;
    client.headers(&fields, false).await;
    client.data("hello", true).await;
    assert_eq!(client.outcome().await, Outcome::Answer(200));
    let request = upstream.only();
    assert_eq!(request.line(), "POST /x?y HTTP/1.1");
    assert!(!request.head.contains("mallory"), "{}", request.head);
    assert_eq!(request.header("host"), ["localhost"]);
    assert_eq!(request.header("cookie"), ["a=1; b=2"]);
    assert_eq!(request.header("remote-user"), ["alice"]);
    assert_eq!(request.header("transfer-encoding"), ["chunked"]);
    assert!(request.header("content-length").is_empty());
    assert_eq!(request.body, b"5\r\nhello\r\n0\r\n\r\n");
}
