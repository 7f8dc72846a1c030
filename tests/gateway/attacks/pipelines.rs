//! A body that is not wanted is never read as the next request.

use super::head;
use crate::harness::{Gateway, Upstream, gateway};

/// A body that is a request, of the kind that would pass.
const SMUGGLED: &str = "GET /public/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Requests that the gateway answers by itself, without having read their bodies.
const REFUSED: &[(&str, &[&str], u16)] = &[
    ("POST /admin", &[], 401),
    ("POST /admin", &["Sec-Fetch-Mode: navigate"], 303),
    ("POST /admin", &["Authorization: Bearer x"], 401),
    (
        "POST /admin",
        &["Authorization: Bearer x", "Authorization: Bearer y"],
        400,
    ),
    ("POST /nothing", &[], 404),
    ("POST /read", &[], 405),
    ("POST /public/..", &[], 400),
    ("POST /small", &[], 413),
    ("CONNECT /public", &[], 405),
    ("TRACE /public", &[], 405),
    ("POST /.auth/nothing", &[], 404),
    ("POST /.auth/me", &[], 405),
    ("POST /.auth/login", &[], 415),
    ("POST /.auth/login", &["Content-Type: application/json"], 400),
    (
        "POST /.auth/login",
        &["Content-Type: application/json", "Origin: http://evil.example"],
        403,
    ),
    ("POST /.auth/token", &["Content-Type: text/plain"], 400),
    ("POST /.auth/logout", &["Content-Type: application/json"], 400),
    ("GET /admin", &[], 401),
    ("GET /.auth/health", &[], 200),
    ("GET /.auth/jwks.json", &[], 200),
];

async fn start(upstream: &Upstream) -> Gateway {
    gateway()
        .public("/public", upstream)
        .route("/admin", upstream)
        .route_with("/read", upstream, "access = \"public\"\nmethods = [\"GET\"]")
        .route_with("/small", upstream, "access = \"public\"\nmax_body = \"10B\"")
        .start()
        .await
}

/// Sends a refused request in pieces, and after it one that passes. The next answer, if there is one, is that
/// one's, and the app has seen nothing else.
async fn try_to_smuggle(upstream: &Upstream, gateway: &Gateway, pieces: &[&[u8]], status: u16, what: &str) {
    upstream.forget();
    let mut client = gateway.raw().await;
    for piece in pieces {
        client.send(piece).await;
    }
    client.send(head("GET /public/next", &[])).await;
    let answer = client
        .response()
        .await
        .unwrap_or_else(|| panic!("no answer: {what}"));
    assert_eq!(answer.status, status, "{what}: {}", answer.head);
    match client.response().await {
        Some(next) => {
            assert_eq!(next.status, 200, "{what}: {}", next.head);
            assert_eq!(upstream.only().line(), "GET /public/next HTTP/1.1", "{what}");
        }
        None => upstream.saw_nothing(),
    }
}

#[tokio::test]
async fn the_body_of_a_refused_request_is_never_the_next_request() {
    let upstream = Upstream::start();
    let gateway = start(&upstream).await;
    let chunk = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    let many = SMUGGLED.repeat(20_000);
    for (line, fields, status) in REFUSED {
        for (framing, body) in [
            (format!("Content-Length: {}", SMUGGLED.len()), SMUGGLED),
            ("Transfer-Encoding: chunked".to_owned(), &chunk),
            (format!("Content-Length: {}", many.len()), &many),
        ] {
            // What is larger than any form is refused as that.
            let form = line.contains("login") || line.contains("token") || line.contains("logout");
            let status = match status {
                400 | 415
                    if body.len() > 20_000 && form && fields.len() == 1 && !fields[0].contains("text") =>
                {
                    413
                }
                other => *other,
            };
            // A body of unknown length shows its size only when it is read.
            if *line == "POST /small" && framing.starts_with("Transfer") {
                continue;
            }
            let mut all = fields.to_vec();
            all.push(&framing);
            let head = head(line, &all);
            let what = format!("{line} {all:?}");
            let whole = [&head, body.as_bytes()].concat();
            try_to_smuggle(&upstream, &gateway, &[&whole], status, &what).await;
            try_to_smuggle(&upstream, &gateway, &[&head, body.as_bytes()], status, &what).await;
        }
    }
}

#[tokio::test]
async fn a_body_sent_without_waiting_for_100_continue_is_never_the_next_request() {
    let upstream = Upstream::start();
    let gateway = start(&upstream).await;
    let length = format!("Content-Length: {}", SMUGGLED.len());
    for (line, fields, status) in REFUSED.iter().filter(|(line, ..)| *line != "POST /small") {
        for expectation in ["Expect: 100-continue", "expect: 100-CONTINUE", "Expect: nothing"] {
            let mut all = fields.to_vec();
            all.extend([expectation, &length]);
            let whole = [&head(line, &all), SMUGGLED.as_bytes()].concat();
            let what = format!("{line} {all:?}");
            try_to_smuggle(&upstream, &gateway, &[&whole], *status, &what).await;
        }
    }
}

#[tokio::test]
async fn pipelined_requests_are_each_judged_by_themselves() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .public("/public", &upstream)
        .route("/admin", &upstream)
        .user("alice")
        .start()
        .await;
    let cookie = format!("Cookie: {}", gateway.sign_in("alice").await);
    let mut client = gateway.raw().await;
    let requests = [
        head("GET /admin/1", &[&cookie]),
        head("GET /admin/2", &[]),
        head("GET /public/3", &[]),
        head("GET /admin/4", &[&cookie]),
        head("GET /admin/5", &["Remote-User: alice"]),
    ];
    client.send(requests.concat()).await;
    for status in [200, 401, 200, 200, 401] {
        assert_eq!(client.response().await.unwrap().status, status);
    }
    let received = upstream.received();
    let seen: Vec<_> = received
        .iter()
        .map(|request| (request.line(), request.header("remote-user").join(",")))
        .collect();
    assert_eq!(
        seen,
        [
            ("GET /admin/1 HTTP/1.1", "alice".to_owned()),
            ("GET /public/3 HTTP/1.1", String::new()),
            ("GET /admin/4 HTTP/1.1", "alice".to_owned()),
        ]
    );
}
