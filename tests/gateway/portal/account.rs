//! `/.auth/account` and `/.auth/sessions`: what somebody has, to look at and to end, and nothing of anybody else's.

use std::time::Duration;

use serde_json::{Value, json};

use super::{assert_guarded, header};
use crate::harness::{Gateway, PASSWORD, Upstream, as_navigation, gateway, user_entry};

async fn page(gateway: &Gateway, cookie: &str) -> String {
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

async fn post(gateway: &Gateway, cookie: &str, fields: &[(&str, &str)]) -> reqwest::Response {
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

async fn by_token(gateway: &Gateway, token: &str) -> u16 {
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
async fn make(gateway: &Gateway, cookie: &str, name: &str, scope: &str) -> String {
    let fields = [
        ("action", "make_token"),
        ("name", name),
        ("scope", scope),
        ("days", "90"),
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
async fn a_personal_token_lets_a_script_in_is_shown_once_and_ends_alone() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user_with("alice", &["staff"], "")
        .user("bob")
        .standing_clock()
        .start()
        .await;
    let cookie = gateway.sign_in("alice").await;
    let one = make(&gateway, &cookie, "backup <b>", "").await;
    let other = make(&gateway, &cookie, "other", "").await;
    assert!(one.starts_with("pcp_") && one != other);
    let html = page(&gateway, &cookie).await;
    assert!(!html.contains(&one) && !html.contains("pcp_"), "it is shown once");
    assert!(html.contains("backup &#60;b&#62;"), "{html}");
    assert!(
        html.contains("opens all that you may, until 15 April 2027, never used"),
        "{html}"
    );
    assert_eq!(by_token(&gateway, &one).await, 200);
    let seen = upstream.only();
    assert_eq!(seen.header("remote-user"), ["alice"]);
    assert_eq!(seen.header("remote-groups"), ["staff"]);
    assert_eq!(seen.header("authorization"), [""; 0], "it does not reach the app");
    gateway.advance(Duration::from_secs(3600));
    let cookie = gateway.sign_in("alice").await;
    assert!(page(&gateway, &cookie).await.contains("used 1 hour ago"));

    // By its public name it is ended, and by nobody but its owner.
    let (_, row) = html.split_once("backup &#60;b&#62;").unwrap();
    let id = row
        .split_once("value=\"revoke_token\">\n<input type=\"hidden\" name=\"id\" value=\"")
        .unwrap()
        .1;
    let id = id.split_once('"').unwrap().0;
    let bobs = gateway.sign_in("bob").await;
    post(&gateway, &bobs, &[("action", "revoke_token"), ("id", id)]).await;
    assert_eq!(by_token(&gateway, &one).await, 200);
    let answer = post(&gateway, &cookie, &[("action", "revoke_token"), ("id", id)]).await;
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "location")),
        (303, "/.auth/account")
    );
    assert_eq!(by_token(&gateway, &one).await, 401);
    assert_eq!(by_token(&gateway, &other).await, 200);
    // Whoever has one can end it.
    let revoked = gateway
        .post("/.auth/revoke")
        .form(&[("token", &other)])
        .send()
        .await
        .unwrap();
    assert_eq!(revoked.status(), 200);
    assert_eq!(by_token(&gateway, &other).await, 401);
}

#[tokio::test]
async fn a_personal_token_is_for_its_scopes_and_its_time() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route_with("/", &upstream, "access = { scopes = [\"wiki\"] }")
        .user("alice")
        .standing_clock()
        .start()
        .await;
    let cookie = gateway.sign_in("alice").await;
    let wiki = make(&gateway, &cookie, "wiki", " wiki  mail ").await;
    let mail = make(&gateway, &cookie, "mail", "mail").await;
    assert_eq!(by_token(&gateway, &wiki).await, 200);
    let refused = gateway.get("/").bearer_auth(&mail).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert!(header(&refused, "www-authenticate").contains("insufficient_scope"));
    assert!(page(&gateway, &cookie).await.contains("for wiki mail, until"));
    let me = gateway
        .get("/.auth/sessions")
        .bearer_auth(&wiki)
        .send()
        .await
        .unwrap();
    assert_eq!(
        me.status(),
        403,
        "it is for the wiki, and not for what its owner has"
    );
    gateway.advance(Duration::from_secs(90 * 24 * 3600 - 1));
    assert_eq!(by_token(&gateway, &wiki).await, 200);
    gateway.advance(Duration::from_secs(1));
    let expired = gateway.get("/").bearer_auth(&wiki).send().await.unwrap();
    assert_eq!(expired.status(), 401);
    let expired: Value = expired.json().await.unwrap();
    assert_eq!(expired["detail"], "The token is not valid.");
}

#[tokio::test]
async fn personal_tokens_end_with_whatever_ends_what_else_somebody_has() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .user("bob")
        .start()
        .await;
    let bobs = make(&gateway, &gateway.sign_in("bob").await, "x", "").await;
    let bob = user_entry("bob", &[], "");
    for changed in [
        user_entry("alice", &[], "disabled = true"),
        user_entry("alice", &["admin"], ""),
        String::new(),
    ] {
        gateway.change_users(|_| format!("{}{bob}", user_entry("alice", &[], "")));
        let token = make(&gateway, &gateway.sign_in("alice").await, "x", "").await;
        assert_eq!(by_token(&gateway, &token).await, 200);
        gateway.change_users(|_| format!("{changed}{bob}"));
        // The file is looked at once a second, or with the next sign-in.
        gateway.sign_in("bob").await;
        assert_eq!(by_token(&gateway, &token).await, 401, "{changed}");
    }
    gateway.change_users(|_| format!("{}{bob}", user_entry("alice", &[], "")));
    let cookie = gateway.sign_in("alice").await;
    let token = make(&gateway, &cookie, "x", "").await;
    let everywhere = gateway
        .post("/.auth/logout")
        .header("cookie", &cookie)
        .form(&[("everywhere", "1")])
        .send()
        .await
        .unwrap();
    assert_eq!(everywhere.status(), 303);
    assert_eq!(by_token(&gateway, &token).await, 401);
    // Whoever comes back in the same second can make one that counts.
    let cookie = gateway.sign_in("alice").await;
    assert!(
        !page(&gateway, &cookie).await.contains("revoke_token"),
        "it is not listed either"
    );
    let token = make(&gateway, &cookie, "x", "").await;
    assert_eq!(by_token(&gateway, &token).await, 200);
    assert_eq!(by_token(&gateway, &bobs).await, 200);
}

#[tokio::test]
async fn a_token_that_cannot_be_is_explained_on_the_page() {
    let gateway = gateway().user("alice").start().await;
    let cookie = gateway.sign_in("alice").await;
    let long = "x".repeat(61);
    for (name, scope, days, words) in [
        ("", "", "90", "1 to 60 printable characters"),
        (&*long, "", "90", "1 to 60 printable characters"),
        ("x", "say \"hi\"", "90", "Scopes are words"),
        ("x", "", "0", "at least a minute, and 366 days at most"),
        ("x", "", "367", "at least a minute, and 366 days at most"),
        ("x", "", "soon", "at least a minute, and 366 days at most"),
    ] {
        let fields = [
            ("action", "make_token"),
            ("name", name),
            ("scope", scope),
            ("days", days),
        ];
        let answer = post(&gateway, &cookie, &fields).await;
        assert_eq!(answer.status(), 422, "{fields:?}");
        let html = answer.text().await.unwrap();
        assert!(html.contains(words) && html.contains("role=\"alert\""), "{html}");
        assert!(!html.contains("pcp_"));
    }
    for fields in [&[][..], &[("action", "")], &[("action", "grant_admin")]] {
        assert_eq!(post(&gateway, &cookie, fields).await.status(), 400, "{fields:?}");
    }
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
    let fields = [("action", "make_token"), ("name", "x"), ("days", "90")];
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
