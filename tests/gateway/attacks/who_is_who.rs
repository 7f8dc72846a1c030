//! Many people at once: everybody is themselves, and nobody is anybody else.

use futures_util::future::join_all;

use crate::harness::{Gateway, PASSWORD, Upstream, gateway};

/// An app that says whom it takes the request to be from.
fn who_am_i() -> Upstream {
    Upstream::answering(|request| {
        let user = request.header("remote-user").join(",");
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{user}", user.len()).into_bytes()
    })
}

/// Asks for a session until the gateway is not too busy; `None` when it is refused.
async fn ask_for_a_session(gateway: &Gateway, user: &str, password: &str) -> Option<String> {
    loop {
        let pair = serde_json::json!({ "username": user, "password": password });
        let answer = gateway.post("/.auth/login").json(&pair).send().await.unwrap();
        match answer.status().as_u16() {
            503 => {}
            200 => {
                let cookie = answer.headers()["set-cookie"].to_str().unwrap();
                return Some(cookie.split(';').next().unwrap().to_owned());
            }
            status => {
                assert_eq!(status, 401);
                assert!(!answer.headers().contains_key("set-cookie"));
                return None;
            }
        }
    }
}

#[tokio::test]
async fn a_thousand_sign_ins_of_fifty_people_get_everybody_their_own_name() {
    let upstream = who_am_i();
    let users: Vec<String> = (0..50).map(|n| format!("user{n}")).collect();
    let gateway = users
        .iter()
        .fold(gateway().route("/", &upstream), |gateway, user| {
            gateway.user(user)
        })
        .start()
        .await;
    let is_seen_as = async |request: reqwest::RequestBuilder| {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.text().await.unwrap()
    };
    let everybody = users.iter().map(async |user| {
        for _ in 0..10 {
            let cookie = ask_for_a_session(&gateway, user, PASSWORD).await.unwrap();
            let token = gateway.token(user).await;
            assert_eq!(
                is_seen_as(gateway.get("/").header("cookie", &cookie)).await,
                *user
            );
            assert_eq!(is_seen_as(gateway.get("/").bearer_auth(&token)).await, *user);
            let me = is_seen_as(gateway.get("/.auth/me").header("cookie", &cookie)).await;
            let me: serde_json::Value = serde_json::from_str(&me).unwrap();
            assert_eq!(me["username"], **user);
        }
    });
    join_all(everybody).await;
}

#[tokio::test]
async fn of_two_hundred_at_once_with_one_password_only_those_whose_it_is_get_in() {
    let upstream = who_am_i();
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .user("bob")
        .start()
        .await;
    let attempts = (0..200).map(async |n| {
        let (user, password, may) = match n % 4 {
            0 => ("alice", PASSWORD, true),
            1 => ("ghost", PASSWORD, false),
            2 => ("bob", "wrong", false),
            _ => ("Alice", PASSWORD, false),
        };
        let session = ask_for_a_session(&gateway, user, password).await;
        assert_eq!(session.is_some(), may, "{user} with {password}");
    });
    join_all(attempts).await;
    assert_eq!(
        gateway.sessions(),
        20,
        "the limit for one user, and nobody else's"
    );
    upstream.saw_nothing();
}
