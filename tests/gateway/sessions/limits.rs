//! How long a session lasts: idle, absolute, remembered, and how many there may be.

use std::time::Duration;

use super::is_signed_in;
use crate::harness::{Gateway, PASSWORD, Upstream, gateway};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn only_a_request_that_passes_renews_a_session() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .route_with("/staff", &upstream, "access = { roles = [\"staff\"] }")
        .route_with("/read", &upstream, "methods = [\"GET\"]")
        .public("/public", &upstream)
        .user("alice")
        .standing_clock()
        .start()
        .await;
    for (what, method, path, status, renews) in [
        ("a page of the app", "GET", "/", 200, true),
        ("a write to it", "POST", "/x", 200, true),
        ("who am I", "GET", "/.auth/me", 200, true),
        ("a page that is not for this user", "GET", "/staff", 403, false),
        ("a method that is not allowed", "DELETE", "/read", 405, false),
        ("a bad path", "GET", "/%2fx", 400, false),
        ("a public page", "GET", "/public", 200, false),
        ("the login page", "GET", "/.auth/login", 200, false),
        ("the logout page", "GET", "/.auth/logout", 200, false),
        ("health", "GET", "/.auth/health", 200, false),
        ("no own address", "GET", "/.auth/x", 404, false),
        ("a login that fails", "POST", "/.auth/login", 415, false),
    ] {
        let cookie = gateway.sign_in("alice").await;
        gateway.advance(20 * MINUTE);
        upstream.forget();
        let answer = gateway
            .request(method, path)
            .header("cookie", &cookie)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{what}");
        if status != 200 {
            upstream.saw_nothing();
        }
        gateway.advance(20 * MINUTE);
        assert_eq!(is_signed_in(&gateway, &cookie).await, renews, "{what}");
    }
    // Nor does a request that shows the cookie twice, or one by a token.
    let cookie = gateway.sign_in("alice").await;
    gateway.advance(20 * MINUTE);
    assert!(!is_signed_in(&gateway, &format!("{cookie}; {cookie}")).await);
    gateway.advance(20 * MINUTE);
    assert!(!is_signed_in(&gateway, &cookie).await);
}

async fn remembered(gateway: &Gateway) -> String {
    let answer = gateway
        .post("/.auth/login")
        .json(&serde_json::json!({ "username": "alice", "password": PASSWORD, "remember": true }))
        .send()
        .await
        .unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn to_be_remembered_makes_both_limits_longer_and_neither_endless() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .table("[session]\nidle_timeout = \"30m\"\nabsolute_timeout = \"12h\"\nremember_timeout = \"7d\"")
        .standing_clock()
        .start()
        .await;
    let idle = remembered(&gateway).await;
    let used = remembered(&gateway).await;
    let ordinary = gateway.sign_in("alice").await;
    gateway.advance(6 * DAY + 23 * 60 * MINUTE);
    assert!(!is_signed_in(&gateway, &ordinary).await);
    assert!(
        is_signed_in(&gateway, &used).await,
        "longer than both ordinary limits"
    );
    gateway.advance(60 * MINUTE);
    assert!(!is_signed_in(&gateway, &idle).await, "seven days without use");
    assert!(
        !is_signed_in(&gateway, &used).await,
        "seven days from its beginning, though used an hour ago"
    );
    gateway.sessions_become(0).await;
}

#[tokio::test]
async fn whoever_has_too_many_sessions_loses_the_oldest() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .user("bob")
        .table("[session]\nmax_per_user = 3")
        .standing_clock()
        .start()
        .await;
    let bob = gateway.sign_in("bob").await;
    let mut alice = Vec::new();
    for _ in 0..5 {
        alice.push(gateway.sign_in("alice").await);
        gateway.advance(MINUTE);
        // The first is used all the time; what counts is when a session began.
        let _ = is_signed_in(&gateway, &alice[0]).await;
    }
    let mut live = Vec::new();
    for cookie in &alice {
        live.push(is_signed_in(&gateway, cookie).await);
    }
    assert_eq!(live, [false, false, true, true, true]);
    assert_eq!(gateway.sessions(), 4);
    assert!(is_signed_in(&gateway, &bob).await, "somebody else's do not count");

    // One that was ended makes room.
    gateway
        .post("/.auth/logout")
        .header("cookie", &alice[3])
        .send()
        .await
        .unwrap();
    gateway.sign_in("alice").await;
    assert!(is_signed_in(&gateway, &alice[2]).await && is_signed_in(&gateway, &alice[4]).await);
}
