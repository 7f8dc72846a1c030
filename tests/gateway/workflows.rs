//! The two workflows, step by step, as a program and as a browser go through them.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{PASSWORD, Upstream, gateway};

#[tokio::test]
async fn a_program_buys_a_token_and_is_let_through_with_it() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route_with("/", &upstream, "access = { roles = [\"staff\"] }")
        .user_with(
            "alice",
            &["staff", "dev"],
            "display_name = \"Alice Liddell\"\nemail = \"alice@example.com\"",
        )
        .user("bob")
        .start()
        .await;

    let form = [
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", PASSWORD),
    ];
    let answer = gateway.post("/.auth/token").form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["pragma"], "no-cache");
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 900);
    let token = answer["access_token"].as_str().unwrap();

    let passed = gateway.get("/x?y=1").bearer_auth(token).send().await.unwrap();
    assert_eq!(passed.status(), 200);
    assert_eq!(passed.text().await.unwrap(), "hello");
    let request = upstream.only();
    assert_eq!(request.line(), "GET /x?y=1 HTTP/1.1");
    assert_eq!(request.header("remote-user"), ["alice"]);
    assert_eq!(request.header("remote-name"), ["Alice Liddell"]);
    assert_eq!(request.header("remote-email"), ["alice@example.com"]);
    assert_eq!(request.header("remote-groups"), ["staff,dev"]);
    assert!(
        request.header("authorization").is_empty(),
        "the token ends at the gateway"
    );

    // The same door, somebody without the role: refused by the rule, and in the words of RFC 6750.
    upstream.forget();
    let token = gateway.token("bob").await;
    let refused = gateway.get("/x").bearer_auth(&token).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    upstream.saw_nothing();
}

#[tokio::test]
async fn a_browser_is_sent_to_the_login_page_signs_in_and_out_again() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").tls().start().await;
    let browser = gateway.browser();

    // A page is asked for: the login page knows the way back.
    let sent_away = browser.navigate("/wiki/Start?edit=1").await;
    assert_eq!(sent_away.status(), 303);
    let login = sent_away.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(login, "/.auth/login?return_to=/wiki/Start%3Fedit%3D1");
    upstream.saw_nothing();

    // The form is posted: a session begins, and the way back is taken.
    let signed_in = browser.submit_login(&login, "alice", PASSWORD, &[]).await;
    assert_eq!(signed_in.status(), 303);
    assert_eq!(signed_in.headers()["location"], "/wiki/Start?edit=1");
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap().to_owned();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    let (name, value) = pair.split_once('=').unwrap();
    assert_eq!(name, "__Host-portcullis");
    assert_eq!(value.len(), 43, "256 bits in base64url");
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Secure; Path=/");
    assert_eq!(gateway.sessions(), 1);

    // Each later request goes up, with the name and without the cookie.
    let page = browser.navigate("/wiki/Start?edit=1").await;
    assert_eq!(page.status(), 200);
    let request = upstream.only();
    assert_eq!(request.header("remote-user"), ["alice"]);
    assert!(request.header("cookie").is_empty());

    // Sign-out ends it for good: the old cookie opens nothing.
    upstream.forget();
    let signed_out = browser.submit("/.auth/logout", &[]).await;
    assert_eq!(signed_out.status(), 303);
    assert_eq!(gateway.sessions(), 0);
    let replayed = gateway.get("/wiki/Start").header("cookie", pair).send().await;
    assert_eq!(replayed.unwrap().status(), 401);
    upstream.saw_nothing();
}

#[tokio::test]
async fn use_renews_a_session_and_neither_limit_is_outlived() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .table("[session]\nidle_timeout = \"30m\"\nabsolute_timeout = \"2h\"")
        .standing_clock()
        .start()
        .await;
    let minutes = |count: u64| Duration::from_secs(60 * count);
    let passes = async |cookie: &str| {
        let answer = gateway.get("/").header("cookie", cookie).send().await;
        answer.unwrap().status() == 200
    };

    // Idle: a minute short of the limit it lives, and the request renews it; at the limit it is over.
    let cookie = gateway.sign_in("alice").await;
    gateway.advance(minutes(29));
    assert!(passes(&cookie).await);
    gateway.advance(minutes(29));
    assert!(passes(&cookie).await, "the last request renewed it");
    gateway.advance(minutes(30));
    assert!(!passes(&cookie).await);

    // Absolute: however busy, it ends two hours after it began.
    let cookie = gateway.sign_in("alice").await;
    for _ in 0..5 {
        gateway.advance(minutes(20));
        assert!(passes(&cookie).await);
    }
    gateway.advance(minutes(20));
    assert!(!passes(&cookie).await);

    // What has expired does not stay in memory.
    gateway.sessions_become(0).await;
}
