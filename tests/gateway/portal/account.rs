//! `/.auth/account` and `/.auth/sessions`: what somebody has, to look at and to end, and nothing of anybody else's.

use std::time::Duration;

use serde_json::{Value, json};

use super::{assert_guarded, header};
use crate::harness::{Gateway, PASSWORD, Upstream, as_navigation, gateway};

pub(super) async fn page(gateway: &Gateway, cookie: &str) -> String {
    let answer = gateway
        .get("/.auth/account")
        .header("cookie", cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_guarded(answer.headers(), "the account page");
    answer.text().await.unwrap()
}

pub(super) async fn post(gateway: &Gateway, cookie: &str, fields: &[(&str, &str)]) -> reqwest::Response {
    let request = gateway.post("/.auth/account").header("cookie", cookie);
    request.form(fields).send().await.unwrap()
}

async fn sessions(gateway: &Gateway, cookie: &str) -> Vec<Value> {
    let answer = gateway
        .get("/.auth/sessions")
        .header("cookie", cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_guarded(answer.headers(), "the sessions");
    answer.json().await.unwrap()
}

async fn status(gateway: &Gateway, cookie: &str) -> u16 {
    let answer = gateway.get("/").header("cookie", cookie).send().await.unwrap();
    answer.status().as_u16()
}

pub(super) async fn by_token(gateway: &Gateway, token: &str) -> u16 {
    let answer = gateway.get("/").bearer_auth(token).send().await.unwrap();
    answer.status().as_u16()
}

/// The token that a page shows.
fn shown_token(page: &str) -> &str {
    let (_, rest) = page
        .split_once("<code class=\"once\">")
        .expect("a token is shown");
    rest.split_once("</code>").unwrap().0
}

/// Makes a personal token on the page; its text.
pub(super) async fn make(gateway: &Gateway, cookie: &str, name: &str, scope: &str) -> String {
    let fields = [
        ("action", "make_token"),
        ("name", name),
        ("scope", scope),
        ("days", "90"),
        ("password", PASSWORD),
    ];
    let answer = post(gateway, cookie, &fields).await;
    assert_eq!(answer.status(), 200);
    assert_guarded(answer.headers(), "the token");
    shown_token(&answer.text().await.unwrap()).to_owned()
}

#[tokio::test]
async fn sessions_are_listed_for_their_owner_with_this_one_marked_and_end_one_by_one() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .user("bob")
        .standing_clock()
        .start()
        .await;
    let first = gateway.sign_in("alice").await;
    gateway.advance(Duration::from_secs(120));
    let second = gateway.sign_in("alice").await;
    let third = gateway.sign_in("alice").await;
    let bobs = gateway.sign_in("bob").await;
    let bobs_id = sessions(&gateway, &bobs).await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let listed = sessions(&gateway, &second).await;
    assert_eq!(listed.len(), 3);
    assert_eq!(
        listed[2],
        json!({
            "id": listed[2]["id"], "user_agent": "", "address": "127.0.0.1", "created_at": 1_800_000_000,
            "last_used_at": 1_800_000_000, "expires_at": 1_800_001_800, "remembered": false, "current": false,
        })
    );
    let current: Vec<_> = listed.iter().map(|session| &session["current"]).collect();
    assert_eq!(current, [false, true, false]);
    for session in &listed {
        let id = session["id"].as_str().unwrap();
        for cookie in [&first, &second, &third] {
            assert!(!cookie.contains(id), "the public name is not the cookie");
        }
    }
    let html = page(&gateway, &second).await;
    assert_eq!(html.matches("<span class=\"tag\">this browser</span>").count(), 1);
    assert!(
        html.contains("signed in 2 minutes ago, used 2 minutes ago"),
        "{html}"
    );

    let delete = |cookie: &str, id: &str| {
        gateway
            .request("DELETE", &format!("/.auth/sessions/{id}"))
            .header("cookie", cookie)
            .send()
    };
    let oldest = listed[2]["id"].as_str().unwrap();
    assert_eq!(
        delete(&bobs, oldest).await.unwrap().status(),
        404,
        "it is not bob's"
    );
    assert_eq!(delete("", oldest).await.unwrap().status(), 401);
    assert_eq!(delete(&second, "x").await.unwrap().status(), 404);
    assert_eq!(delete(&second, &bobs_id).await.unwrap().status(), 404);
    assert_eq!(status(&gateway, &first).await, 200);
    assert_eq!(delete(&second, oldest).await.unwrap().status(), 204);
    assert_eq!(
        delete(&second, oldest).await.unwrap().status(),
        404,
        "it has ended"
    );
    assert_eq!(status(&gateway, &first).await, 401);

    let newest = listed[0]["id"].as_str().unwrap();
    let answer = post(&gateway, &second, &[("action", "end_session"), ("id", newest)]).await;
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "location")),
        (303, "/.auth/account")
    );
    assert_eq!(status(&gateway, &third).await, 401);
    assert_eq!(status(&gateway, &bobs).await, 200);
}

#[tokio::test]
async fn all_others_end_and_this_one_stays() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .user("bob")
        .start()
        .await;
    let (mine, bobs) = (gateway.sign_in("alice").await, gateway.sign_in("bob").await);
    let others = [gateway.sign_in("alice").await, gateway.sign_in("alice").await];
    assert_eq!(
        post(&gateway, &mine, &[("action", "end_others")]).await.status(),
        303
    );
    for cookie in &others {
        assert_eq!(status(&gateway, cookie).await, 401);
    }
    assert_eq!(status(&gateway, &mine).await, 200);
    assert_eq!(status(&gateway, &bobs).await, 200);
    assert!(
        !page(&gateway, &mine).await.contains("End all others"),
        "there is none"
    );
}

#[tokio::test]
async fn nobody_else_gets_at_any_of_it() {
    let gateway = gateway().user("alice").start().await;
    let cookie = gateway.sign_in("alice").await;
    let token = gateway.token("alice").await;
    let personal = make(&gateway, &cookie, "x", "").await;
    // A stranger's browser goes to the login page and comes back here.
    let answer = as_navigation(gateway.get("/.auth/account")).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "location")),
        (303, "/.auth/login?return_to=/.auth/account")
    );
    // No token makes another: a script that is taken over does not get to stay.
    let fields = [
        ("action", "make_token"),
        ("name", "x"),
        ("days", "90"),
        ("password", PASSWORD),
    ];
    for bearer in [&token, &personal] {
        for request in [
            gateway.get("/.auth/account"),
            gateway.post("/.auth/account").form(&fields),
        ] {
            let answer = request.bearer_auth(bearer).send().await.unwrap();
            assert_eq!(answer.status(), 401);
        }
        let listed = gateway
            .get("/.auth/sessions")
            .bearer_auth(bearer)
            .send()
            .await
            .unwrap();
        assert_eq!(listed.status(), 200);
        let listed: Value = listed.json().await.unwrap();
        assert_eq!(listed[0]["current"], false);
    }
    // No page of another site does anything here.
    let id = sessions(&gateway, &cookie).await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for request in [
        gateway.post("/.auth/account").form(&fields),
        gateway.post("/.auth/account").form(&[("action", "end_others")]),
        gateway.request("DELETE", &format!("/.auth/sessions/{id}")),
    ] {
        let answer = request
            .header("cookie", &cookie)
            .header("sec-fetch-site", "cross-site")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 403);
    }
    assert_eq!(sessions(&gateway, &cookie).await.len(), 1);
    let wrong = gateway
        .post("/.auth/login")
        .json(&json!({ "username": "alice", "password": PASSWORD.to_uppercase() }))
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), 401);
}

#[tokio::test]
async fn a_form_that_is_held_back_is_read_for_whoever_is_signed_in_when_it_has_come() {
    let gateway = gateway().user("alice").start().await;
    let cookie = gateway.sign_in("alice").await;
    let password = form_urlencoded::byte_serialize(PASSWORD.as_bytes()).collect::<String>();
    let body = format!("action=make_token&name=x&days=90&password={password}");
    let mut held = gateway.wire().await;
    let (first, rest) = body.split_at(10);
    held.send(format!(
        "POST /.auth/account HTTP/1.1\r\nhost: localhost\r\ncookie: {cookie}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{first}",
        body.len()
    ))
    .await;
    let everywhere = gateway.post("/.auth/logout").header("cookie", &cookie);
    let out = everywhere.form(&[("everywhere", "1")]).send().await.unwrap();
    assert_eq!(out.status(), 303);
    held.send(rest).await;
    let head = held.head().await;
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    assert!(!gateway.folder().join("state/tokens").exists(), "there is none");
}
