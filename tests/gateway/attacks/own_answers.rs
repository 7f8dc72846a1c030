//! The gateway's own answers: no cache keeps them for somebody else, and nobody else writes their header lines.

use super::head;
use crate::harness::{PASSWORD, Upstream, free_port, gateway, hidden_field};

#[tokio::test]
async fn no_cache_keeps_what_was_answered_to_one_person() {
    let upstream = Upstream::start();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let gateway = gateway()
        .route("/app", &upstream)
        .route_with("/staff", &upstream, "access = { roles = [\"staff\"] }")
        .route_with("/read", &upstream, "access = \"public\"\nmethods = [\"GET\"]")
        .route_with("/small", &upstream, "access = \"public\"\nmax_body = \"1B\"")
        .public("/broken", nobody.as_str())
        .user("alice")
        .start()
        .await;
    let session = format!("Cookie: {}", gateway.sign_in("alice").await);
    let token = format!("Authorization: Bearer {}", gateway.token("alice").await);
    let (session, token) = (session.as_str(), token.as_str());
    let json = "Content-Type: application/json";
    let pair = serde_json::json!({ "username": "alice", "password": PASSWORD }).to_string();
    let wrong = serde_json::json!({ "username": "alice", "password": "wrong" }).to_string();
    let grant = serde_json::json!({ "grant_type": "password", "username": "alice", "password": PASSWORD });
    let grant = grant.to_string();
    for (line, fields, body, status) in [
        ("GET /.auth/login", &[][..], "", 200),
        ("GET /.auth/logout", &[], "", 200),
        ("GET /.auth/me", &[session], "", 200),
        ("GET /.auth/me", &[token], "", 200),
        ("GET /.auth/me", &[], "", 401),
        ("GET /.auth/health", &[], "", 200),
        ("GET /.auth/nothing", &[], "", 404),
        ("PUT /.auth/login", &[], "", 405),
        ("POST /.auth/login", &[json], &pair, 200),
        ("POST /.auth/login", &[json], &wrong, 401),
        ("POST /.auth/login", &[json], "{", 400),
        ("POST /.auth/login", &[], "x", 415),
        (
            "POST /.auth/login",
            &[json, "Origin: http://evil.example"],
            &pair,
            403,
        ),
        ("POST /.auth/token", &[json], &grant, 200),
        ("POST /.auth/token", &[json], &wrong, 400),
        ("POST /.auth/logout", &[], "", 204),
        ("GET /app", &[], "", 401),
        ("GET /app", &["Authorization: Bearer x"], "", 401),
        ("GET /app", &["Sec-Fetch-Mode: navigate"], "", 303),
        ("GET /staff", &[session], "", 403),
        ("GET /staff", &[session, "Sec-Fetch-Mode: navigate"], "", 403),
        ("GET /nothing", &[], "", 404),
        ("GET /nothing", &["Sec-Fetch-Mode: navigate"], "", 404),
        ("DELETE /read", &[], "", 405),
        ("POST /small", &[], "xx", 413),
        ("GET /app/..", &[], "", 400),
        ("TRACE /app", &[], "", 405),
        ("GET /broken", &[], "", 502),
        ("GET /broken", &["Sec-Fetch-Mode: navigate"], "", 502),
    ] {
        let length = format!("Content-Length: {}", body.len());
        let mut all = fields.to_vec();
        all.push(&length);
        let mut request = head(line, &all);
        request.extend_from_slice(body.as_bytes());
        let answer = gateway.exchange(request).await.unwrap();
        assert_eq!(answer.status, status, "{line} {fields:?}: {}", answer.head);
        assert_eq!(
            answer.header("cache-control"),
            ["no-store"],
            "{line}: {}",
            answer.head
        );
        assert_eq!(answer.header("vary"), ["Cookie, Authorization, Accept"], "{line}");
        assert_eq!(answer.header("x-content-type-options"), ["nosniff"], "{line}");
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn nothing_that_a_client_sends_begins_a_header_line() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/app", &upstream).user("alice").start().await;
    let browser = gateway.browser();
    let page = browser.navigate("/.auth/login").await.text().await.unwrap();
    let csrf = hidden_field(&page, "csrf");
    for evil in [
        "\r\nX-Evil: 1",
        "\nX-Evil: 1",
        "\rX-Evil: 1",
        "/app\r\nX-Evil: 1",
        "/app\r\n\r\n<script>alert(1)</script>",
        "/app\u{0}\r\nX-Evil: 1",
        "/app\u{85}X-Evil: 1",
        "/app\u{2028}X-Evil: 1",
        "/app%0d%0aX-Evil: 1",
        "/app%0d%0aX-Evil:%201",
        "/app%250d%250aX-Evil:%201",
        "/app\u{560d}\u{560a}X-Evil: 1",
        "/app?%0d%0aX-Evil:%201",
    ] {
        let once = percent_encoding::utf8_percent_encode(evil, percent_encoding::NON_ALPHANUMERIC);
        for line in [
            format!("GET /.auth/login?return_to={once}"),
            format!("GET /.auth/login?return_to=%2F{once}"),
            format!("GET /.auth/login?signed_out={once}"),
            format!("GET /app?{once}"),
            format!("GET /app/{once}"),
            format!("GET /nothing/{once}"),
        ] {
            let answer = gateway
                .exchange(head(&line, &["Sec-Fetch-Mode: navigate"]))
                .await
                .unwrap();
            holds_no_evil_line(&answer.head, &line);
        }
        // Signed in, on the way back, and not signed in, with what was typed.
        for (username, password, status) in [("alice", PASSWORD, 303), (evil, "x", 401)] {
            let fields = [
                ("username", username),
                ("password", password),
                ("csrf", csrf.as_str()),
                ("return_to", evil),
            ];
            let answer = browser.submit("/.auth/login", &fields).await;
            assert_eq!(answer.status(), status, "{evil:?}");
            assert!(!answer.headers().contains_key("x-evil"), "{evil:?}");
            if status == 303 {
                let location = answer.headers()["location"].to_str().unwrap();
                let kept = evil.bytes().all(|byte| byte.is_ascii_graphic()) && evil.starts_with("/app?")
                    || evil.starts_with("/app%250d%250aX-Evil:%20");
                assert_eq!(location, if kept { evil } else { "/" });
            }
        }
        let pair = serde_json::json!({ "username": evil, "password": "x", "return_to": evil });
        for path in ["/.auth/login", "/.auth/token"] {
            let answer = gateway.post(path).json(&pair).send().await.unwrap();
            assert!(answer.status().is_client_error());
            assert!(!answer.headers().contains_key("x-evil"), "{evil:?}");
        }
    }
    upstream.saw_nothing();
}

#[track_caller]
fn holds_no_evil_line(head: &str, line: &str) {
    let lines = head.split(['\r', '\n']).map(str::trim_start);
    for found in lines {
        assert!(
            !found.to_ascii_lowercase().starts_with("x-evil"),
            "{line}: {head}"
        );
    }
}
