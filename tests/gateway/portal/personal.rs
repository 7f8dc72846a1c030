//! Personal tokens: made at `/.auth/account`, for scripts, and ended one by one or with everything else.

use std::time::Duration;

use serde_json::Value;

use super::{
    account::{by_token, make, page, post},
    header,
};
use crate::harness::{PASSWORD, Upstream, gateway, user_entry};

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
            ("password", PASSWORD),
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
async fn a_token_is_made_for_whoever_knows_the_password_and_not_for_whoever_has_the_browser() {
    let gateway = gateway().user("alice").start().await;
    let cookie = gateway.sign_in("alice").await;
    for password in ["", "wrong", &PASSWORD.to_uppercase()] {
        let fields = [
            ("action", "make_token"),
            ("name", "x"),
            ("days", "90"),
            ("password", password),
        ];
        let answer = post(&gateway, &cookie, &fields).await;
        assert_eq!(answer.status(), 422, "{password}");
        let html = answer.text().await.unwrap();
        assert!(
            html.contains("The password is not right.") && !html.contains("pcp_"),
            "{html}"
        );
    }
    assert!(!page(&gateway, &cookie).await.contains("revoke_token"));
}
