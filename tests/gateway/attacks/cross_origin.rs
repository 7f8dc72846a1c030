//! What pages of other origins make a browser do to an app, which it does with the session's cookie: forged writes (CSRF)
//! and hijacked WebSockets.

use crate::{
    harness::{Gateway, GatewayBuilder, PlayedUpstream, Upstream, gateway},
    portal::cross_site::SENDERS,
};

/// A gateway that browsers reach as `https://app.example.com`.
async fn started(builder: GatewayBuilder) -> Gateway {
    builder
        .server("public_url = \"https://app.example.com\"")
        .user("alice")
        .start()
        .await
}

const HANDSHAKE: &[(&str, &str)] = &[
    ("connection", "upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// The status of a request with these headers, on a connection of its own.
async fn status(gateway: &Gateway, method: &str, path: &str, fields: &[&[(&str, &str)]]) -> u16 {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: app.example.com\r\n");
    for (name, value) in fields.iter().copied().flatten() {
        request += &format!("{name}: {value}\r\n");
    }
    let mut client = gateway.raw().await;
    client.send(request + "\r\n").await;
    client.head_response().await.unwrap().status
}

#[tokio::test]
async fn no_page_of_another_origin_writes_or_opens_a_websocket_with_somebody_s_cookie() {
    let upstream = Upstream::start();
    let gateway = started(gateway().route("/", &upstream).route_with(
        "/optional",
        &upstream,
        "access = \"optional\"",
    ))
    .await;
    let cookie = gateway.sign_in("alice").await;
    let cookie: &[_] = &[("cookie", &*cookie)];
    for (sender, own) in SENDERS {
        for (method, more) in [
            ("POST", &[][..]),
            ("PUT", &[]),
            ("PATCH", &[]),
            ("DELETE", &[]),
            ("PROPPATCH", &[]),
            ("GET", HANDSHAKE),
            ("GET", &[("x-http-method-override", "DELETE")]),
        ] {
            for path in ["/", "/optional"] {
                let status = status(&gateway, method, path, &[cookie, sender, more]).await;
                assert_eq!(
                    status,
                    if *own { 200 } else { 403 },
                    "{method} {path} {sender:?} {more:?}"
                );
                if *own {
                    upstream.forget();
                }
                upstream.saw_nothing();
            }
        }
        for method in ["GET", "HEAD", "OPTIONS"] {
            let status = status(&gateway, method, "/", &[cookie, sender]).await;
            assert_eq!(
                status, 200,
                "a page never sees what it made a browser read: {sender:?}"
            );
            upstream.forget();
        }
    }
}

#[tokio::test]
async fn nothing_that_no_cookie_signed_in_depends_on_whose_page_sent_it() {
    let upstream = Upstream::start();
    let gateway = started(
        gateway()
            .route("/", &upstream)
            .public("/public", &upstream)
            .route_with("/optional", &upstream, "access = \"optional\""),
    )
    .await;
    let token = format!("Bearer {}", gateway.token("alice").await);
    let cookie = gateway.sign_in("alice").await;
    let by_token: &[_] = &[("authorization", &*token)];
    let by_cookie: &[_] = &[("cookie", &*cookie)];
    for (sender, _) in SENDERS {
        for more in [&[][..], HANDSHAKE] {
            let method = if more.is_empty() { "POST" } else { "GET" };
            for (path, credential, expected) in [
                ("/", by_token, 200),
                ("/optional", by_token, 200),
                ("/optional", &[], 200),
                ("/public", by_cookie, 200),
                ("/public", &[], 200),
                ("/", &[], 401),
            ] {
                let status = status(&gateway, method, path, &[credential, sender, more]).await;
                assert_eq!(status, expected, "{method} {path} {credential:?} {sender:?}");
            }
        }
    }
}

#[tokio::test]
async fn of_a_cookie_and_a_token_the_one_that_signed_the_request_in_counts() {
    let upstream = Upstream::start();
    let gateway = started(gateway().route("/", &upstream)).await;
    let token = format!("Bearer {}", gateway.token("alice").await);
    let cookie = gateway.sign_in("alice").await;
    let ended = "__Host-portcullis=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (cookie, expected) in [(&*cookie, 403), (ended, 200)] {
        let fields: &[_] = &[
            ("authorization", &*token),
            ("cookie", cookie),
            ("origin", "https://evil.com"),
        ];
        assert_eq!(
            status(&gateway, "POST", "/", &[fields]).await,
            expected,
            "{cookie}"
        );
        match expected {
            403 => upstream.saw_nothing(),
            _ => assert_eq!(upstream.only().header("remote-user"), ["alice"]),
        }
    }
}

#[tokio::test]
async fn a_route_whose_app_sees_to_it_itself_takes_everything() {
    let upstream = Upstream::start();
    let gateway = started(gateway().route_with("/", &upstream, "cross_origin = \"allow\"")).await;
    let cookie = gateway.sign_in("alice").await;
    for (sender, _) in SENDERS {
        for more in [&[][..], HANDSHAKE] {
            let cookie: &[_] = &[("cookie", &*cookie)];
            let status = status(&gateway, "POST", "/", &[cookie, sender, more]).await;
            assert_eq!(status, 200, "{sender:?}");
        }
    }
}

#[tokio::test]
async fn each_host_of_the_gateway_is_an_origin_of_its_own() {
    let upstream = Upstream::start();
    let gateway = started(gateway().route("/", &upstream)).await;
    let cookie = gateway.sign_in("alice").await;
    for (host, origin, expected) in [
        ("wiki.example.com", "https://wiki.example.com", 200),
        ("wiki.example.com:443", "https://wiki.example.com", 200),
        ("WIKI.example.com", "https://wiki.example.com:443", 200),
        ("wiki.example.com:8443", "https://wiki.example.com:8443", 200),
        ("[::1]:8443", "https://[::1]:8443", 200),
        ("wiki.example.com", "https://app.example.com", 403),
        ("wiki.example.com", "https://wiki.example.com:8443", 403),
        ("wiki.example.com:8443", "https://wiki.example.com", 403),
        ("wiki.example.com:80", "https://wiki.example.com", 403),
        ("wiki.example.com", "http://wiki.example.com", 403),
    ] {
        upstream.forget();
        let answer = gateway
            .exchange(format!(
                "DELETE /x HTTP/1.1\r\nhost: {host}\r\norigin: {origin}\r\ncookie: {cookie}\r\n\r\n"
            ))
            .await;
        assert_eq!(answer.unwrap().status, expected, "{host} {origin}");
        match expected {
            403 => upstream.saw_nothing(),
            _ => drop(upstream.only()),
        }
    }
}

#[tokio::test]
async fn a_person_is_told_what_happened_and_a_program_too() {
    let upstream = Upstream::start();
    let gateway = started(gateway().route("/", &upstream)).await;
    let cookie = gateway.sign_in("alice").await;
    let send = async |mode: &str| {
        let request = gateway.post("/").header("host", "app.example.com");
        let request = request.header("cookie", &cookie).header("sec-fetch-mode", mode);
        let answer = request
            .header("sec-fetch-site", "cross-site")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 403);
        answer.text().await.unwrap()
    };
    let page = send("navigate").await;
    assert!(page.contains("<h1>Another site asked for this</h1>"), "{page}");
    let problem = send("cors").await;
    assert!(
        problem.contains("\"detail\":\"This request was sent by a page of another site.\""),
        "{problem}"
    );
    upstream.saw_nothing();
    let log = gateway.stopped();
    let refusals: Vec<_> = log.iter().filter(|line| line["status"] == 403).collect();
    assert_eq!(refusals.len(), 2);
    assert!(
        refusals
            .iter()
            .all(|line| line["refusal"] == "cross_origin" && line["user"] == "alice")
    );
}

#[tokio::test]
async fn a_forged_write_does_not_renew_the_session() {
    let upstream = Upstream::start();
    let gateway = started(
        gateway()
            .route("/", &upstream)
            .table("[session]\nidle_timeout = \"30m\"")
            .standing_clock(),
    )
    .await;
    let cookie = gateway.sign_in("alice").await;
    let fields: &[_] = &[("cookie", &*cookie), ("sec-fetch-site", "cross-site")];
    for expected in [403, 401] {
        gateway.advance(std::time::Duration::from_secs(20 * 60));
        assert_eq!(status(&gateway, "POST", "/", &[fields]).await, expected);
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn a_websocket_of_the_app_s_own_page_opens() {
    let upstream = PlayedUpstream::start().await;
    let gateway = started(gateway().route("/", &upstream)).await;
    let cookie = gateway.sign_in("alice").await;
    let mut client = gateway.wire().await;
    client
        .send(format!(
            "GET /ws HTTP/1.1\r\nhost: app.example.com\r\norigin: https://app.example.com\r\ncookie: {cookie}\r\n\
             connection: upgrade\r\nupgrade: websocket\r\n\r\n"
        ))
        .await;
    let mut app = upstream.accept().await;
    app.head().await;
    app.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello")
        .await;
    client.until("hello").await;
}
