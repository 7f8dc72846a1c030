//! Who may ask the admin listener.

use std::{fs, os::unix::fs::PermissionsExt};

use tokio::net::UnixStream;

use super::{TOKEN, with_admin};
use crate::harness::{Upstream, Wire, gateway};

#[tokio::test]
async fn whoever_does_not_show_the_token_learns_nothing_but_whether_it_serves() {
    let gateway = with_admin(&format!("token = {TOKEN:?}"))
        .user("alice")
        .start()
        .await;
    gateway.sign_in("alice").await;
    let longer = format!("Bearer {TOKEN}0");
    let basic = format!("Basic {TOKEN}");
    for shown in ["", "Bearer", "Bearer x", TOKEN, &longer, &basic] {
        for (method, path) in [
            ("GET", "/api/sessions"),
            ("POST", "/api/sessions"),
            ("DELETE", "/api/users/alice/sessions"),
            ("GET", "/nothing"),
        ] {
            let request = gateway.admin(method, path).header("authorization", shown);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 401, "{shown} {method} {path}");
            assert_eq!(
                answer.headers()["www-authenticate"],
                "Bearer realm=\"portcullis admin\""
            );
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
        }
    }
    assert_eq!(gateway.sessions(), 1);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(gateway.admin("GET", path).send().await.unwrap().status(), 200);
    }
    // With it, by whatever name and from wherever: nobody's browser adds it by itself.
    let answer = gateway
        .admin("DELETE", "/api/users/alice/sessions")
        .header("host", "gateway.example.com")
        .header("origin", "https://admin.example.com")
        .bearer_auth(TOKEN)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(gateway.sessions(), 0);
}

#[tokio::test]
async fn without_a_token_a_name_that_somebody_else_has_pointed_here_is_refused() {
    let gateway = with_admin("").start().await;
    for (host, status) in [
        ("localhost", 200),
        ("127.0.0.1:9900", 200),
        ("[::1]", 200),
        ("evil.example.com", 421),
        ("evil.example.com:9900", 421),
        ("localhost.evil.example.com", 421),
        ("192.0.2.1", 421),
        ("0.0.0.0", 421),
    ] {
        for path in ["/api/sessions", "/healthz"] {
            let request = gateway.admin("GET", path).header("host", host);
            assert_eq!(request.send().await.unwrap().status(), status, "{host} {path}");
        }
    }
}

#[tokio::test]
async fn without_a_token_no_page_of_another_site_changes_anything_or_reads_the_answer() {
    let gateway = with_admin("").user("alice").start().await;
    gateway.sign_in("alice").await;
    let own = format!("http://{}", gateway.admin.unwrap());
    let path = "/api/users/alice/sessions";
    for (name, value) in [
        ("origin", "https://evil.example.com"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:1"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("referer", "https://evil.example.com/"),
    ] {
        let request = gateway.admin("DELETE", path).header(name, value);
        assert_eq!(request.send().await.unwrap().status(), 403, "{name}: {value}");
        for method in ["GET", "OPTIONS"] {
            let request = gateway.admin(method, "/api/sessions").header(name, value);
            let answer = request
                .header("access-control-request-method", "DELETE")
                .send()
                .await
                .unwrap();
            let cors = answer
                .headers()
                .keys()
                .any(|name| name.as_str().starts_with("access-control"));
            assert!(!cors, "{method} {name}: {value}");
        }
    }
    assert_eq!(gateway.sessions(), 1);
    for (name, value) in [("origin", own.as_str()), ("sec-fetch-site", "same-origin")] {
        let request = gateway.admin("DELETE", path).header(name, value);
        assert_eq!(request.send().await.unwrap().status(), 200, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_unix_socket_is_for_the_gateway_s_own_user() {
    let gateway = gateway()
        .table("[admin]\nlisten = \"unix:admin.sock\"")
        .start()
        .await;
    let file = gateway.folder().join("admin.sock");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let mut wire = Wire::new(UnixStream::connect(&file).await.unwrap());
    for (request, status) in [
        ("GET /api/sessions HTTP/1.1\r\nhost: localhost\r\n\r\n", 200),
        (
            "GET /api/sessions HTTP/1.1\r\nhost: evil.example.com\r\n\r\n",
            421,
        ),
        ("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n", 200),
    ] {
        wire.send(request).await;
        assert_eq!(wire.answer().await.status, status, "{request}");
    }
    drop(gateway);
    assert!(!file.exists());
}

#[tokio::test]
async fn nothing_of_it_is_reached_where_everybody_else_comes_in() {
    let upstream = Upstream::start();
    let gateway = with_admin("").public("/", &upstream).start().await;
    let answer = gateway.get("/api/sessions").send().await.unwrap();
    assert_eq!(answer.headers().get("x-total-count"), None);
    assert_eq!(upstream.only().line(), "GET /api/sessions HTTP/1.1");
    // Nor is the gateway reached there.
    let answer = gateway.admin("GET", "/.auth/health").send().await.unwrap();
    assert_eq!(answer.status(), 404);
}
