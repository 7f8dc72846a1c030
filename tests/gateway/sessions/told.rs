//! When a session ends, as pages and proxies are told.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{Upstream, gateway};

const MINUTE: Duration = Duration::from_secs(60);
const START: u64 = 1_800_000_000;

/// An app that says something of its own under that name.
fn app() -> Upstream {
    Upstream::answering(|_| b"HTTP/1.1 200 OK\r\nx-session-expires-at: 1\r\ncontent-length: 0\r\n\r\n".into())
}

#[tokio::test]
async fn a_route_says_it_where_it_was_asked_to_and_only_of_sessions() {
    let upstream = app();
    let gateway = gateway()
        .server("trusted_proxies = [\"127.0.0.1\", \"::1\"]")
        .route("/", &upstream)
        .route_with("/told", &upstream, "session_expires_at = true")
        .route_with(
            "/poll",
            &upstream,
            "session_expires_at = true\nrenews_session = false",
        )
        .route_with(
            "/public",
            &upstream,
            "session_expires_at = true\naccess = \"public\"",
        )
        .user("alice")
        .standing_clock()
        .start()
        .await;
    let cookie = gateway.sign_in("alice").await;
    let token = format!("Bearer {}", gateway.token("alice").await);
    gateway.advance(10 * MINUTE);
    let unrenewed = (START + 1800).to_string();
    let renewed = (START + 600 + 1800).to_string();
    for (what, path, name, value, told) in [
        ("a poll", "/poll", "cookie", &cookie, Some(&*unrenewed)),
        ("a request", "/told", "cookie", &cookie, Some(&renewed)),
        ("a poll after it", "/poll", "cookie", &cookie, Some(&renewed)),
        ("a token", "/told", "authorization", &token, None),
        ("a public page", "/public", "cookie", &cookie, None),
        ("a route that was not asked", "/", "cookie", &cookie, Some("1")),
    ] {
        let answer = gateway.get(path).header(name, value).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{what}");
        let said: Vec<_> = answer.headers().get_all("x-session-expires-at").iter().collect();
        assert_eq!(said, Vec::from_iter(told), "{what}");
    }
    // A proxy that forwards the request itself is told the same.
    let asked = gateway
        .get("/.auth/verify")
        .header("x-forwarded-method", "GET")
        .header("x-forwarded-proto", "http")
        .header("x-forwarded-host", "localhost")
        .header("x-forwarded-uri", "/poll")
        .header("cookie", &cookie);
    let answer = asked.send().await.unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(answer.headers()["x-session-expires-at"], *renewed);
}

#[tokio::test]
async fn head_of_me_looks_and_get_is_a_sign_of_life() {
    let gateway = gateway().user("alice").standing_clock().start().await;
    let cookie = gateway.sign_in("alice").await;
    let ask = async |method: &str| {
        let answer = gateway.request(method, "/.auth/me").header("cookie", &cookie);
        answer.send().await.unwrap()
    };
    gateway.advance(20 * MINUTE);
    for (method, end) in [
        ("HEAD", START + 1800),
        ("GET", START + 3000),
        ("HEAD", START + 3000),
    ] {
        let answer = ask(method).await;
        assert_eq!(answer.status(), 200, "{method}");
        assert_eq!(
            answer.headers()["x-session-expires-at"],
            *end.to_string(),
            "{method}"
        );
        for (name, seconds) in [
            ("x-session-expires-in", end - (START + 1200)),
            ("x-session-ends-in", 12 * 3600 - 1200),
            ("x-session-idle-timeout", 1800),
        ] {
            assert_eq!(answer.headers()[name], *seconds.to_string(), "{method} {name}");
        }
    }
    for _ in 0..6 {
        gateway.advance(5 * MINUTE);
        let status = ask("HEAD").await.status();
        assert!(status == 200 || status == 401);
    }
    assert_eq!(ask("HEAD").await.status(), 401, "looking kept nobody signed in");
    let token = gateway.token("alice").await;
    let answer = gateway.get("/.auth/me").bearer_auth(token).send().await.unwrap();
    for name in ["expires-at", "expires-in", "ends-in", "idle-timeout"] {
        let name = format!("x-session-{name}");
        assert!(!answer.headers().contains_key(&name), "{name}");
    }
    assert_eq!(answer.json::<Value>().await.unwrap()["session"], Value::Null);
}

#[tokio::test]
async fn the_script_is_everybody_s() {
    let gateway = gateway().start().await;
    let answer = gateway.get("/.auth/idle.js").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/javascript; charset=utf-8");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers()["cache-control"], "public, max-age=3600");
    assert!(!answer.headers().contains_key("vary"));
    let posted = gateway.post("/.auth/idle.js").send().await.unwrap();
    assert_eq!(posted.status(), 405);
}
