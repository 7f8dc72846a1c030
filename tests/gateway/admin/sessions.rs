//! Who is signed in, and the end of that.

use std::time::Duration;

use serde_json::{Value, json};

use super::with_admin;
use crate::harness::{Gateway, Upstream};

async fn list(gateway: &Gateway, query: &str) -> (Vec<Value>, String) {
    let path = format!("/api/sessions{query}");
    let answer = gateway.admin("GET", &path).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{query}");
    assert_eq!(answer.headers()["content-type"], "application/json");
    let total = answer.headers()["x-total-count"].to_str().unwrap().to_owned();
    (answer.json().await.unwrap(), total)
}

async fn delete(gateway: &Gateway, path: &str) -> (u16, String) {
    let answer = gateway.admin("DELETE", path).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn status(gateway: &Gateway, cookie: &str) -> u16 {
    let answer = gateway.get("/").header("cookie", cookie).send().await.unwrap();
    answer.status().as_u16()
}

#[tokio::test]
async fn every_address_answers_its_methods_and_nothing_else_is_there() {
    let gateway = with_admin("").start().await;
    for (path, allowed) in [
        ("/healthz", "GET, HEAD"),
        ("/readyz", "GET, HEAD"),
        ("/api/sessions", "GET, HEAD"),
        ("/api/sessions/x", "DELETE"),
        ("/api/users/alice/sessions", "DELETE"),
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
            let answer = gateway.admin(method, path).send().await.unwrap();
            let has = allowed.split(", ").any(|one| one == method);
            assert_eq!(answer.status() != 405, has, "{method} {path}");
            let allow = answer.headers().get("allow").map(|allow| allow.to_str().unwrap());
            assert_eq!(allow, (!has).then_some(allowed), "{method} {path}");
        }
    }
    for path in [
        "/",
        "/api",
        "/api/",
        "/api/sessions/",
        "/api/users/alice",
        "/.auth/login",
        "/x",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = gateway.admin(method, path).send().await.unwrap();
            assert_eq!(answer.status(), 404, "{method} {path}");
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            let problem: Value = answer.json().await.unwrap();
            assert_eq!(problem["detail"], "there is no such thing here.");
        }
    }
    for query in ["?limit=0", "?limit=x", "?limit=100001", "?usr=alice"] {
        let path = format!("/api/sessions{query}");
        let answer = gateway.admin("GET", &path).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{query}");
    }
    assert_eq!(list(&gateway, "").await, (vec![], "0".to_owned()));
}

#[tokio::test]
async fn what_is_ready_can_sign_people_in() {
    let gateway = with_admin("").user("alice").start().await;
    for path in ["/healthz", "/readyz"] {
        let answer = gateway.admin("GET", path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "status": "ok" }));
    }
    gateway.change_users(|_| "[[user]]\nname = 1\n".to_owned());
    for (path, status) in [("/healthz", 200), ("/readyz", 503)] {
        let answer = gateway.admin("GET", path).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
}

#[tokio::test]
async fn sessions_are_listed_with_the_newest_first_and_what_is_left_out_is_said() {
    let gateway = with_admin("")
        .user("alice")
        .user("bob")
        .standing_clock()
        .start()
        .await;
    for user in ["alice", "bob", "alice"] {
        gateway.sign_in(user).await;
        gateway.advance(Duration::from_secs(60));
    }
    let (all, total) = list(&gateway, "").await;
    assert_eq!(total, "3");
    let users: Vec<_> = all
        .iter()
        .map(|session| session["user"].as_str().unwrap())
        .collect();
    assert_eq!(users, ["alice", "bob", "alice"]);
    let id = all[1]["id"].as_str().unwrap();
    assert_eq!(
        all[1],
        json!({
            "id": id,
            "user": "bob",
            "user_agent": "",
            "address": "127.0.0.1",
            "created_at": 1_800_000_060u64,
            "last_used_at": 1_800_000_060u64,
            "expires_at": 1_800_001_860u64,
            "remembered": false,
        })
    );
    let (newest, total) = list(&gateway, "?limit=1").await;
    assert_eq!((newest, total.as_str()), (vec![all[0].clone()], "3"));
    let (of_bob, total) = list(&gateway, "?user=bob").await;
    assert_eq!((of_bob, total.as_str()), (vec![all[1].clone()], "1"));
    let (of_alice, total) = list(&gateway, "?user=alice&limit=1").await;
    assert_eq!((of_alice, total.as_str()), (vec![all[0].clone()], "2"));
    for nobody in ["?user=carol", "?user=Alice", "?user=", "?user=%00"] {
        assert_eq!(list(&gateway, nobody).await, (vec![], "0".to_owned()), "{nobody}");
    }
    // What has ended is not listed, swept or not.
    gateway.advance(Duration::from_secs(1800 - 60));
    assert_eq!(list(&gateway, "").await, (vec![], "0".to_owned()));
}

#[tokio::test]
async fn a_session_that_is_ended_is_refused_with_the_next_request_and_goes_alone() {
    let upstream = Upstream::start();
    let gateway = with_admin("").route("/", &upstream).user("alice").start().await;
    let (one, other) = (gateway.sign_in("alice").await, gateway.sign_in("alice").await);
    let (all, _) = list(&gateway, "").await;
    // Which of the two is which, its owner can tell.
    let own: Vec<Value> = gateway
        .get("/.auth/sessions")
        .header("cookie", &one)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let current = own.iter().find(|session| session["current"] == true).unwrap();
    let id = current["id"].as_str().unwrap();
    assert!(all.iter().any(|session| session["id"] == id));

    assert_eq!(
        (status(&gateway, &one).await, status(&gateway, &other).await),
        (200, 200)
    );
    let path = format!("/api/sessions/{id}");
    assert_eq!(delete(&gateway, &path).await, (204, String::new()));
    assert_eq!(
        (status(&gateway, &one).await, status(&gateway, &other).await),
        (401, 200)
    );
    assert_eq!(delete(&gateway, &path).await.0, 404);
    // The cookie is no name of a session here.
    let secret = other.split_once('=').unwrap().1;
    assert_eq!(delete(&gateway, &format!("/api/sessions/{secret}")).await.0, 404);
    assert_eq!(gateway.sessions(), 1);
}

#[tokio::test]
async fn ending_all_that_somebody_has_ends_tokens_as_well_and_nobody_else_s() {
    let upstream = Upstream::start();
    let odd = "a/b %2e\u{fc}";
    let gateway = with_admin("")
        .route("/", &upstream)
        .user("alice")
        .user(odd)
        .start()
        .await;
    let (alice, one, other) = (
        gateway.sign_in("alice").await,
        gateway.sign_in(odd).await,
        gateway.sign_in(odd).await,
    );
    let (token, of_alice) = (gateway.token(odd).await, gateway.token("alice").await);
    let bearer = async |token: &str| {
        let answer = gateway.get("/").bearer_auth(token).send().await.unwrap();
        answer.status().as_u16()
    };
    assert_eq!((bearer(&token).await, bearer(&of_alice).await), (200, 200));
    assert_eq!(gateway.refresh_tokens(), 2);

    let path = "/api/users/a%2Fb%20%252e%C3%BC/sessions";
    assert_eq!(delete(&gateway, path).await, (200, "{\"sessions\":2}".to_owned()));
    for ended in [&one, &other] {
        assert_eq!(status(&gateway, ended).await, 401);
    }
    assert_eq!((bearer(&token).await, bearer(&of_alice).await), (401, 200));
    assert_eq!(status(&gateway, &alice).await, 200);
    assert_eq!(gateway.refresh_tokens(), 1);
    assert_eq!(delete(&gateway, path).await, (200, "{\"sessions\":0}".to_owned()));
    assert_eq!(delete(&gateway, "/api/users/%00/sessions").await.0, 404);
}
