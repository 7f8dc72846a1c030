//! `/.auth/me`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{assert_guarded, header};
use crate::harness::{as_navigation, gateway};

#[tokio::test]
async fn me_says_who_the_request_comes_from() {
    let gateway = gateway()
        .user_with(
            "alice",
            &["staff", "dev"],
            "display_name = \"Alice\"\nemail = \"a@example.com\"",
        )
        .user("bob")
        .standing_clock()
        .start()
        .await;
    let cookie = gateway.sign_in("alice").await;
    gateway.advance(Duration::from_secs(60));
    let ask = async |request: reqwest::RequestBuilder| -> Value {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "content-type"), "application/json");
        assert_guarded(answer.headers(), "me");
        answer.json().await.unwrap()
    };

    let by_cookie = ask(gateway.get("/.auth/me").header("cookie", &cookie)).await;
    let handle = by_cookie["session"]["id"].as_str().unwrap();
    assert!(!cookie.contains(handle), "a public name, not the cookie");
    assert_eq!(
        by_cookie,
        json!({
            "username": "alice", "name": "Alice", "email": "a@example.com", "roles": ["staff", "dev"],
            "credential": "session",
            // Asked after a minute, which renewed it.
            "session": { "id": handle, "created_at": 1_800_000_000, "expires_at": 1_800_000_000 + 60 + 1800 },
        })
    );

    let token = gateway.token("bob").await;
    let by_token = ask(gateway.get("/.auth/me").bearer_auth(&token)).await;
    assert_eq!(
        by_token,
        json!({
            "username": "bob", "name": null, "email": null, "roles": [], "credential": "bearer", "session": null,
        })
    );

    // Where both are shown, the session counts.
    let both = ask(gateway
        .get("/.auth/me")
        .header("cookie", &cookie)
        .bearer_auth(&token))
    .await;
    assert_eq!(both["username"], "alice");
}

#[tokio::test]
async fn nobody_is_told_to_sign_in() {
    let gateway = gateway().start().await;
    for (request, challenge) in [
        (gateway.get("/.auth/me"), r#"Bearer realm="portcullis""#),
        (
            gateway.get("/.auth/me").bearer_auth("x.y.z"),
            r#"Bearer realm="portcullis", error="invalid_token", error_description="the token is not valid""#,
        ),
        (
            gateway
                .get("/.auth/me")
                .header("cookie", format!("portcullis={}", "A".repeat(43))),
            r#"Bearer realm="portcullis""#,
        ),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert_eq!(header(&answer, "www-authenticate"), challenge);
        assert_guarded(answer.headers(), "nobody");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(
            problem["detail"].as_str().unwrap().contains("token"),
            challenge.contains("error")
        );
    }
    let answer = as_navigation(gateway.get("/.auth/me")).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    assert_eq!(header(&answer, "location"), "/.auth/login?return_to=/.auth/me");
}
