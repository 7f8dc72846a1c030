//! `Connection` names headers that belong to one connection. A client must not name ours.

use super::{folded, head};
use crate::harness::{Upstream, gateway};

/// What the gateway says about every request, by session and by template.
const OURS: &[(&str, &str)] = &[
    ("host", "localhost"),
    ("remote-user", "alice"),
    ("remote-email", "alice@example.com"),
    ("remote-groups", "staff"),
    ("x-webauth-user", "alice"),
    ("x-forwarded-for", "127.0.0.1"),
    ("x-forwarded-host", "localhost"),
    ("x-forwarded-proto", "http"),
    ("forwarded", "for=127.0.0.1;host=\"localhost\";proto=http"),
];

#[tokio::test]
async fn the_connection_header_takes_out_nothing_of_ours() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route_with(
            "/",
            &upstream,
            "headers = { \"X-WEBAUTH-USER\" = \"{username}\" }",
        )
        .user_with("alice", &["staff"], "email = \"alice@example.com\"")
        .start()
        .await;
    let session = format!("Cookie: {}; app=1", gateway.sign_in("alice").await);
    let token = format!("Authorization: Bearer {}", gateway.token("alice").await);
    let ours: Vec<&str> = OURS.iter().map(|(name, _)| *name).collect();
    let all = ours.join(", ");
    let many: Vec<String> = ours.iter().map(|name| format!("Connection: {name}")).collect();
    let mut variants: Vec<Vec<String>> = ours
        .iter()
        .flat_map(|name| {
            [
                format!("Connection: {name}"),
                format!("Connection: close, {name}"),
                format!("Connection: {}", name.to_ascii_uppercase()),
                format!("connection: keep-alive,{},", name.replace('-', "_")),
                format!("CONNECTION:\t{name}\t"),
            ]
        })
        .map(|line| vec![line])
        .collect();
    variants.extend([
        vec![format!("Connection: {all}")],
        vec![format!(
            "Connection: close, {all}, Cookie, Authorization, x-request-id, x-real-ip"
        )],
        vec!["Connection: Cookie, Authorization".to_owned()],
        vec!["Connection: te, transfer-encoding, content-length, trailer, upgrade, connection".to_owned()],
        vec![format!("Proxy-Connection: {all}"), format!("Keep-Alive: {all}")],
        many,
    ]);
    for lines in variants {
        for credential in [&session, &token] {
            upstream.forget();
            let mut fields = vec![credential.as_str(), "Content-Length: 5"];
            fields.extend(lines.iter().map(String::as_str));
            let mut request = head("POST /", &fields);
            request.extend_from_slice(b"hello");
            let answer = gateway.exchange(request).await.unwrap();
            assert_eq!(answer.status, 200, "{lines:?}: {}", answer.head);
            let request = upstream.only();
            for (name, value) in OURS {
                assert_eq!(request.header(name), [*value], "{lines:?}: {}", request.head);
            }
            assert_eq!(request.header("x-request-id").len(), 1, "{lines:?}");
            assert_eq!(request.header("content-length"), ["5"], "{lines:?}");
            assert_eq!(request.body, b"hello", "{lines:?}");
            for gone in ["connection", "proxy-connection", "keep-alive", "te", "upgrade"] {
                assert!(
                    !request.names().iter().any(|name| folded(name) == gone),
                    "{}",
                    request.head
                );
            }
        }
    }
}

#[tokio::test]
async fn a_client_can_take_out_its_own_headers_and_no_credential() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .public("/public", &upstream)
        .user("alice")
        .start()
        .await;
    let session = format!("Cookie: {}; app=1", gateway.sign_in("alice").await);
    for (line, fields, gone, stays) in [
        ("GET /", [&session, "Connection: X-Mine"], "x-mine", "cookie"),
        ("GET /", [&session, "Connection: COOKIE"], "cookie", "x-mine"),
        (
            "GET /public",
            ["Authorization: Basic eDp5", "Connection: Authorization"],
            "authorization",
            "x-mine",
        ),
        (
            "GET /public",
            ["Authorization: Basic eDp5", "Connection: close"],
            "connection",
            "authorization",
        ),
    ] {
        upstream.forget();
        let [first, second] = fields;
        let answer = gateway
            .exchange(head(line, &[first, second, "X-Mine: 1"]))
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{second}: {}", answer.head);
        let request = upstream.only();
        assert!(request.header(gone).is_empty(), "{second}: {}", request.head);
        assert_eq!(request.header(stays).len(), 1, "{second}: {}", request.head);
    }

    // Naming a credential does not hide it from the rule, nor does it open anything.
    upstream.forget();
    for fields in [
        &["Connection: Cookie, Authorization"][..],
        &["Connection: Remote-User", "Remote-User: alice"],
    ] {
        assert_eq!(
            gateway.exchange(head("GET /", fields)).await.unwrap().status,
            401,
            "{fields:?}"
        );
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn hop_by_hop_headers_of_an_app_end_at_the_gateway() {
    let upstream = Upstream::answering(|_| {
        b"HTTP/1.1 200 OK\r\nConnection: X-Internal\r\nX-Internal: secret\r\nKeep-Alive: timeout=5\r\n\
          Proxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"
            .to_vec()
    });
    let gateway = gateway().public("/", &upstream).start().await;
    let answer = gateway.exchange(head("GET /", &[])).await.unwrap();
    assert_eq!(answer.status, 200);
    for name in ["x-internal", "keep-alive", "proxy-authenticate", "connection"] {
        assert!(answer.header(name).is_empty(), "{}", answer.head);
    }
}
