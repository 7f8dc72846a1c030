//! What the upstream sees of a request's head: everything the client sent but what belongs to its connection and to the
//! gateway, and what the gateway alone may say.

use std::collections::BTreeSet;

use crate::harness::{Gateway, Received, Upstream, gateway, tls_connect};

/// Every header line, the name in lower case, and the request's and the trace's id as `…`.
fn lines(request: &Received) -> BTreeSet<String> {
    let lines = request.head.lines().skip(1).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            let is_id = value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
            let value = if is_id || name == "traceparent" {
                "…"
            } else {
                value
            };
            format!("{}: {value}", name.to_ascii_lowercase())
        })
        .collect()
}

#[track_caller]
fn assert_lines(request: &Received, expected: &[&str]) {
    let expected: BTreeSet<String> = expected.iter().map(|&line| line.to_owned()).collect();
    let seen = lines(request);
    let missing: Vec<_> = expected.difference(&seen).collect();
    let extra: Vec<_> = seen.difference(&expected).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "missing {missing:#?}\nextra {extra:#?}"
    );
    let count = request.head.lines().filter(|line| line.contains(':')).count();
    assert_eq!(count, expected.len(), "a line occurs twice:\n{}", request.head);
}

async fn signed_in(upstream: &Upstream, more: &str) -> (Gateway, String) {
    let gateway = gateway()
        .route_with("/", upstream, more)
        .user_with(
            "alice",
            &["staff", "dev"],
            "display_name = \"Alice Liddell\"\nemail = \"alice@example.com\"",
        )
        .start()
        .await;
    let cookie = gateway.sign_in("alice").await;
    (gateway, cookie)
}

/// What the gateway says about alice's request for `wiki.example.com:8443`.
const OURS: [&str; 10] = [
    "x-forwarded-for: 127.0.0.1",
    "x-forwarded-host: wiki.example.com:8443",
    "x-forwarded-proto: http",
    "forwarded: for=127.0.0.1;host=\"wiki.example.com:8443\";proto=http",
    "x-request-id: …",
    "traceparent: …",
    "remote-user: alice",
    "remote-name: Alice Liddell",
    "remote-email: alice@example.com",
    "remote-groups: staff,dev",
];

#[tokio::test]
async fn a_browsers_get_arrives_whole_and_with_nothing_but_what_is_ours() {
    let upstream = Upstream::start();
    let (gateway, cookie) = signed_in(&upstream, "").await;
    let answer = gateway
        .exchange(format!(
            "GET /wiki/Start?edit=1&q=a+b%20c HTTP/1.1\r\nHost: wiki.example.com:8443\r\n\
             User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
             Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\nAccept-Language: de,en;q=0.5\r\n\
             Accept-Encoding: gzip, deflate, br, zstd\r\nReferer: https://wiki.example.com:8443/wiki/\r\n\
             Connection: keep-alive, x-mine\r\nKeep-Alive: timeout=5\r\nX-Mine: 1\r\nDNT: 1\r\n\
             Cookie: theme=dark; {cookie}; lang=de; odd=\"a=b\"\r\nUpgrade-Insecure-Requests: 1\r\n\
             If-None-Match: \"abc\"\r\nIf-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT\r\nRange: bytes=0-9\r\n\
             Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\n\
             Sec-Fetch-User: ?1\r\nPriority: u=0, i\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\n\r\n"
        ))
        .await;
    assert_eq!(answer.unwrap().status, 200);
    let request = upstream.only();
    assert_eq!(request.line(), "GET /wiki/Start?edit=1&q=a+b%20c HTTP/1.1");
    let theirs = [
        "host: wiki.example.com:8443",
        "user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
        "accept-language: de,en;q=0.5",
        "accept-encoding: gzip, deflate, br, zstd",
        "referer: https://wiki.example.com:8443/wiki/",
        "dnt: 1",
        "cookie: theme=dark; lang=de; odd=\"a=b\"",
        "upgrade-insecure-requests: 1",
        "if-none-match: \"abc\"",
        "if-modified-since: Sat, 29 Oct 1994 19:43:31 GMT",
        "range: bytes=0-9",
        "sec-fetch-dest: document",
        "sec-fetch-mode: navigate",
        "sec-fetch-site: same-origin",
        "sec-fetch-user: ?1",
        "priority: u=0, i",
    ];
    assert_lines(&request, &[&theirs[..], &OURS[..]].concat());
}

#[tokio::test]
async fn a_browsers_post_arrives_whole_however_it_was_framed() {
    let upstream = Upstream::start();
    let (gateway, cookie) = signed_in(&upstream, "").await;
    for (framing, sent, framed, received) in [
        ("Content-Length: 9", "a=1&b=%20", "content-length: 9", "a=1&b=%20"),
        ("Content-Length: 0", "", "content-length: 0", ""),
        (
            "Transfer-Encoding: chunked",
            "9\r\na=1&b=%20\r\n0\r\n\r\n",
            "transfer-encoding: chunked",
            "9\r\na=1&b=%20\r\n0\r\n\r\n",
        ),
        (
            "Content-Length: 9\r\nExpect: 100-continue",
            "a=1&b=%20",
            "content-length: 9\nexpect: 100-continue",
            "a=1&b=%20",
        ),
    ] {
        let answer = gateway
            .exchange(format!(
                "POST /save HTTP/1.1\r\nhost: wiki.example.com:8443\r\ncookie: {cookie}\r\n\
                 content-type: application/x-www-form-urlencoded\r\norigin: http://wiki.example.com:8443\r\n\
                 {framing}\r\n\r\n{sent}"
            ))
            .await;
        assert_eq!(answer.unwrap().status, 200, "{framing}");
        let request = upstream.only();
        let theirs = [
            "host: wiki.example.com:8443",
            "content-type: application/x-www-form-urlencoded",
            "origin: http://wiki.example.com:8443",
        ];
        let framed: Vec<&str> = framed.lines().collect();
        assert_lines(&request, &[&theirs[..], &framed, &OURS[..]].concat());
        assert_eq!(request.body, received.as_bytes(), "{framing}");
        upstream.forget();
    }
}

#[tokio::test]
async fn an_authorization_goes_up_unless_it_signed_the_request_in() {
    let upstream = Upstream::start();
    let (gateway, cookie) = signed_in(&upstream, "").await;
    let token = gateway.token("alice").await;
    let own_login = "Basic YWxpY2U6c2VjcmV0";
    for (cookie, authorization, arrives) in [
        (Some(&cookie), own_login.to_owned(), Some(own_login)),
        (Some(&cookie), "Token abc".to_owned(), Some("Token abc")),
        (
            Some(&cookie),
            "Bearer the-apps-own".to_owned(),
            Some("Bearer the-apps-own"),
        ),
        (None, format!("Bearer {token}"), None),
    ] {
        let mut request = gateway.get("/").header("authorization", &authorization);
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        assert_eq!(request.send().await.unwrap().status(), 200, "{authorization}");
        let request = upstream.only();
        assert_eq!(request.header("remote-user"), ["alice"]);
        assert_eq!(
            request.header("authorization"),
            Vec::from_iter(arrives),
            "{authorization}"
        );
        assert!(request.header("cookie").is_empty());
        upstream.forget();
    }
}

#[tokio::test]
async fn header_templates_are_filled_in_for_whoever_is_signed_in() {
    const HEADERS: &str = "access = \"optional\"\n\
        headers = { X-A = \"{username}\", X-B = \"{name} <{email}>\", X-C = \"[{roles}]\", X-D = \"{session}\", X-E = \"fixed\" }";
    let upstream = Upstream::start();
    let gateway = gateway()
        .route_with("/", &upstream, HEADERS)
        .user_with(
            "alice",
            &["staff", "dev"],
            "display_name = \"Älice\"\nemail = \"alice@example.com\"",
        )
        .user("bob")
        .start()
        .await;
    let (alice, bob) = (gateway.sign_in("alice").await, gateway.sign_in("bob").await);
    let token = gateway.token("alice").await;
    let seen = async |request: reqwest::RequestBuilder| {
        // What a client says under these names counts for nothing.
        let request = ["x-a", "X_B", "x.c", "X-D", "x-e"]
            .iter()
            .fold(request, |request, name| request.header(*name, "forged"));
        assert_eq!(request.send().await.unwrap().status(), 200);
        let request = upstream.only();
        upstream.forget();
        assert!(!request.head.contains("forged"), "{}", request.head);
        ["x-a", "x-b", "x-c", "x-d", "x-e"].map(|name| request.header(name).join("|"))
    };
    let [a, b, c, session, e] = seen(gateway.get("/").header("cookie", &alice)).await;
    assert_eq!(
        [&*a, &*b, &*c, &*e],
        ["alice", "Älice <alice@example.com>", "[staff,dev]", "fixed"]
    );
    assert!(
        !session.is_empty() && !alice.contains(&session),
        "the handle is not the cookie"
    );
    let [a, b, c, d, e] = seen(gateway.get("/").header("cookie", &bob)).await;
    assert_eq!([&*a, &*c, &*e], ["bob", "[]", "fixed"]);
    assert!(b.trim().starts_with('<') && d != session);
    assert_eq!(
        seen(gateway.get("/").bearer_auth(&token)).await,
        ["alice", "Älice <alice@example.com>", "[staff,dev]", "", "fixed"]
    );
    assert_eq!(
        seen(gateway.get("/")).await,
        ["", "", "", "", "fixed"],
        "nobody is signed in"
    );
}

#[tokio::test]
async fn http_2_arrives_as_http_1_1_of_the_same_meaning() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user_with(
            "alice",
            &["staff", "dev"],
            "display_name = \"Alice Liddell\"\nemail = \"alice@example.com\"",
        )
        .tls()
        .start()
        .await;
    let cookie = gateway.sign_in("alice").await;
    let stream = tls_connect(gateway.address, rustls::ALL_VERSIONS, &["h2"])
        .await
        .unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    // Browsers send every cookie on its own (RFC 9113, section 8.2.3).
    let request = http::Request::post("https://wiki.example.com:8443/a?b=%20")
        .header("cookie", "theme=dark")
        .header("cookie", &cookie)
        .header("cookie", "lang=de")
        .header("accept", "*/*")
        .header("content-length", "4");
    let (answer, mut body) = client.send_request(request.body(()).unwrap(), false).unwrap();
    body.send_data("body".into(), true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    connection.abort();
    let request = upstream.only();
    assert_eq!(request.line(), "POST /a?b=%20 HTTP/1.1");
    assert_eq!(request.body, b"body");
    let theirs = [
        "host: wiki.example.com:8443",
        "cookie: theme=dark; lang=de",
        "accept: */*",
        "content-length: 4",
    ];
    let ours = OURS.map(|line| {
        line.replace("proto=http", "proto=https")
            .replace("proto: http", "proto: https")
    });
    let ours: Vec<&str> = ours.iter().map(String::as_str).collect();
    assert_lines(&request, &[&theirs[..], &ours[..]].concat());
}

#[tokio::test]
async fn a_client_is_named_by_its_own_address_in_the_right_form() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .public("/", &upstream)
        .also_listen("[::1]:0")
        .start()
        .await;
    for (index, address, forwarded) in [(0, "127.0.0.1", "127.0.0.1"), (1, "::1", "\"[::1]\"")] {
        for lie in [
            "",
            "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n",
        ] {
            let mut client = crate::harness::RawClient::connect(gateway.addresses[index]).await;
            client
                .send(format!("GET / HTTP/1.1\r\nhost: x\r\n{lie}\r\n"))
                .await;
            assert_eq!(client.response().await.unwrap().status, 200);
            let request = upstream.only();
            assert_eq!(request.header("x-forwarded-for"), [address]);
            assert_eq!(
                request.header("forwarded"),
                [format!("for={forwarded};host=\"x\";proto=http")]
            );
            assert!(request.header("x-real-ip").is_empty());
            upstream.forget();
        }
    }
}

#[tokio::test]
async fn a_client_that_takes_trailers_says_so_for_the_gateways_own_connection() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).start().await;
    for (te, arrives) in [
        ("TE: trailers\r\nConnection: TE\r\n", true),
        ("TE: gzip, Trailers\r\nConnection: TE\r\n", true),
        ("TE: gzip\r\nConnection: TE\r\n", false),
        ("", false),
    ] {
        let head = format!("GET / HTTP/1.1\r\nhost: x\r\n{te}\r\n");
        assert_eq!(gateway.exchange(head).await.unwrap().status, 200, "{te}");
        let request = upstream.only();
        // RFC 9110, section 10.1.4: it is a header of one connection, and `Connection` says that.
        let expected = if arrives {
            (vec!["trailers"], vec!["te"])
        } else {
            (vec![], vec![])
        };
        assert_eq!(
            (request.header("te"), request.header("connection")),
            expected,
            "{te}"
        );
        upstream.forget();
    }
}
