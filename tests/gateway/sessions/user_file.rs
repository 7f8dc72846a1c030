//! A change of the user file ends what rests on what it said before.

use super::is_signed_in;
use crate::harness::{Gateway, PASSWORD, Upstream, gateway, soon, user_entry};

/// Waits until a session has ended. Asking does not keep it alive: its time is not what ends it.
async fn ends(gateway: &Gateway, cookie: &str, what: &str) {
    let ended = async {
        while is_signed_in(gateway, cookie).await {
            tokio::task::yield_now().await;
        }
    };
    soon(what, ended).await;
}

async fn token_status(gateway: &Gateway, token: &str) -> u16 {
    gateway
        .get("/")
        .bearer_auth(token)
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn whoever_is_changed_in_the_user_file_is_out_by_cookie_and_by_token() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user_with("alice", &["staff"], "")
        .user("bob")
        .start()
        .await;
    let (bobs_cookie, bobs_token) = (gateway.sign_in("bob").await, gateway.token("bob").await);
    let alice = user_entry("alice", &["staff"], "");
    let bob = user_entry("bob", &[], "");
    let other_password = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let (before, after) = alice.split_once("password = \"").unwrap();
    let changed_password = format!(
        "{before}password = \"{other_password}\"{}",
        after.split_once('"').unwrap().1
    );
    for (what, changed) in [
        ("disabled", user_entry("alice", &["staff"], "disabled = true")),
        ("removed", String::new()),
        ("given another password", changed_password),
        (
            "left without a password",
            alice
                .lines()
                .filter(|line| !line.starts_with("password"))
                .collect::<Vec<_>>()
                .join("\n")
                + "\n",
        ),
        ("given more roles", user_entry("alice", &["staff", "admin"], "")),
        ("given fewer roles", user_entry("alice", &[], "")),
        (
            "given another address",
            user_entry("alice", &["staff"], "email = \"a@example.com\""),
        ),
    ] {
        gateway.change_users(|_| format!("{alice}{bob}"));
        let cookie = gateway.sign_in("alice").await;
        let token = gateway.token("alice").await;
        assert!(is_signed_in(&gateway, &cookie).await);
        assert_eq!(token_status(&gateway, &token).await, 200);

        gateway.change_users(|_| format!("{changed}{bob}"));
        // A sign-in reads the file; from then on it counts for everybody.
        gateway.token("bob").await;
        upstream.forget();
        assert_eq!(token_status(&gateway, &token).await, 401, "{what}");
        assert!(!is_signed_in(&gateway, &cookie).await, "{what}");
        let me = gateway
            .get("/.auth/me")
            .header("cookie", &cookie)
            .bearer_auth(&token)
            .send()
            .await
            .unwrap();
        assert_eq!(me.status(), 401, "{what}");
        upstream.saw_nothing();
        // Nobody else is.
        assert!(is_signed_in(&gateway, &bobs_cookie).await, "{what}");
        assert_eq!(token_status(&gateway, &bobs_token).await, 200, "{what}");
        // What can be opened no more is not kept either.
        gateway.sessions_become(1).await;
    }
}

#[tokio::test]
async fn nobody_has_to_sign_in_for_a_change_to_count() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let (cookie, token) = (gateway.sign_in("alice").await, gateway.token("alice").await);
    gateway.change_users(|_| user_entry("alice", &[], "disabled = true"));
    ends(&gateway, &cookie, "the keeper to read the file").await;
    upstream.forget();
    assert_eq!(token_status(&gateway, &token).await, 401);
    assert!(!is_signed_in(&gateway, &cookie).await);
    upstream.saw_nothing();
    gateway.sessions_become(0).await;
}

#[tokio::test]
async fn a_sign_in_with_what_the_file_says_now_lasts() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user_with("alice", &["staff"], "")
        .start()
        .await;
    let old = gateway.sign_in("alice").await;
    // The sign-in reads the file before whoever ends old sessions comes by, and must not be taken for one.
    gateway.change_users(|_| user_entry("alice", &["dev"], ""));
    let new = gateway.sign_in("alice").await;
    let token = gateway.token("alice").await;
    ends(&gateway, &old, "the old session's end").await;
    gateway.sessions_become(1).await;
    assert!(is_signed_in(&gateway, &new).await);
    assert_eq!(token_status(&gateway, &token).await, 200);
}

#[tokio::test]
async fn a_change_that_concerns_nobody_ends_nothing() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let (cookie, token) = (gateway.sign_in("alice").await, gateway.token("alice").await);
    let gone = gateway.sign_in("alice").await;
    gateway.change_users(|text| format!("# a comment\n{}{text}", user_entry("carol", &[], "")));
    // Carol can sign in, so the file has been read; bringing another session down shows that the keeper has, too.
    gateway.sign_in("carol").await;
    gateway.change_users(|text| text.replace("carol", "dave"));
    gateway.sessions_become(2).await;
    for cookie in [&cookie, &gone] {
        assert!(is_signed_in(&gateway, cookie).await);
    }
    assert_eq!(token_status(&gateway, &token).await, 200);
}

#[tokio::test]
async fn a_file_that_breaks_keeps_sessions_and_lets_nobody_new_in() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let (cookie, token) = (gateway.sign_in("alice").await, gateway.token("alice").await);
    let file = gateway.folder().join("users.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    let sign_in = async || {
        let body = serde_json::json!({ "username": "alice", "password": PASSWORD });
        gateway
            .post("/.auth/login")
            .json(&body)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    gateway.change_users(|_| "[[user]\n".to_owned());
    assert_eq!(sign_in().await, 503);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(sign_in().await, 503);
    assert!(is_signed_in(&gateway, &cookie).await);
    assert_eq!(token_status(&gateway, &token).await, 200);
    std::fs::write(&file, good).unwrap();
    assert_eq!(sign_in().await, 200);
    assert!(is_signed_in(&gateway, &cookie).await);
}
