//! Tokens that are taken back before their time: by `/.auth/revoke`, by signing out, and by nobody else.

use serde_json::{Value, json};

use super::{
    Mint, claims,
    refresh::{begin, status, text},
};
use crate::harness::{Gateway, PASSWORD, Upstream, gateway};

async fn revoke(gateway: &Gateway, fields: &[(&str, &str)]) -> u16 {
    let answer = gateway.post("/.auth/revoke").form(fields).send().await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.text().await.unwrap();
    assert_eq!(body.is_empty(), status == 200, "{body}");
    status
}

async fn refreshes(gateway: &Gateway, token: &str) -> u16 {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
    let answer = gateway.post("/.auth/token").form(&fields).send().await.unwrap();
    answer.status().as_u16()
}

#[tokio::test]
async fn an_access_token_is_refused_with_the_next_request_and_goes_alone() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let (one, other) = (
        begin(&gateway, "alice", "").await,
        begin(&gateway, "alice", "").await,
    );
    for hint in ["", "access_token", "refresh_token", "unheard_of"] {
        let token = begin(&gateway, "alice", "").await;
        let token = text(&token, "access_token");
        // Both workers have it in their caches.
        for _ in 0..8 {
            assert_eq!(status(&gateway, token).await, 200);
        }
        let mut fields = vec![("token", token)];
        if !hint.is_empty() {
            fields.push(("token_type_hint", hint));
        }
        assert_eq!(revoke(&gateway, &fields).await, 200);
        for _ in 0..8 {
            assert_eq!(status(&gateway, token).await, 401, "{hint}");
        }
        assert_eq!(revoke(&gateway, &fields).await, 200, "it is as was asked for");
    }
    let token = text(&one, "access_token");
    assert_eq!(revoke(&gateway, &[("token", token)]).await, 200);
    assert_eq!(refreshes(&gateway, text(&one, "refresh_token")).await, 200);
    assert_eq!(status(&gateway, text(&other, "access_token")).await, 200);
}

#[tokio::test]
async fn a_refresh_token_goes_with_every_access_token_of_its_sign_in() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let (one, other) = (
        begin(&gateway, "alice", "").await,
        begin(&gateway, "alice", "").await,
    );
    assert_eq!(
        revoke(&gateway, &[("token", text(&one, "refresh_token"))]).await,
        200
    );
    assert_eq!(status(&gateway, text(&one, "access_token")).await, 401);
    assert_eq!(refreshes(&gateway, text(&one, "refresh_token")).await, 400);
    assert_eq!(status(&gateway, text(&other, "access_token")).await, 200);
    assert_eq!(refreshes(&gateway, text(&other, "refresh_token")).await, 200);
}

#[tokio::test]
async fn what_is_no_token_is_no_error_and_a_request_that_is_none_is_one() {
    let gateway = gateway().user("alice").start().await;
    for token in ["x", "a.b.c", "pcr_x", &"A".repeat(9000)] {
        assert_eq!(revoke(&gateway, &[("token", token)]).await, 200, "{token}");
    }
    for fields in [&[][..], &[("token", "")], &[("x", "y")]] {
        assert_eq!(revoke(&gateway, fields).await, 400, "{fields:?}");
    }
    let get = gateway.get("/.auth/revoke").send().await.unwrap();
    assert_eq!(
        (get.status().as_u16(), &get.headers()["allow"]),
        (405, &"POST".parse().unwrap())
    );
    let token = gateway.token("alice").await;
    let foreign = gateway
        .post("/.auth/revoke")
        .header("origin", "https://evil.example.com")
        .form(&[("token", &token)])
        .send()
        .await
        .unwrap();
    assert_eq!(foreign.status(), 403);
    let me = gateway.get("/.auth/me").bearer_auth(&token).send().await.unwrap();
    assert_eq!(me.status(), 200);
}

#[tokio::test]
async fn what_was_taken_back_stays_so_when_the_user_file_changes_and_changes_back() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let token = gateway.token("alice").await;
    assert_eq!(revoke(&gateway, &[("token", &token)]).await, 200);
    let mut whole = String::new();
    gateway.change_users(|text| {
        whole.clone_from(&text);
        text + "\n# nobody new\n"
    });
    assert_eq!(status(&gateway, &token).await, 401);
    gateway.change_users(|_| whole);
    assert_eq!(status(&gateway, &token).await, 401);
}

#[tokio::test]
async fn signing_out_with_a_token_ends_its_sign_in() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let (one, other) = (
        begin(&gateway, "alice", "").await,
        begin(&gateway, "alice", "").await,
    );
    let cookie = gateway.sign_in("alice").await;
    let out = gateway
        .post("/.auth/logout")
        .bearer_auth(text(&one, "access_token"))
        .send()
        .await
        .unwrap();
    assert_eq!(out.status(), 204);
    assert_eq!(status(&gateway, text(&one, "access_token")).await, 401);
    assert_eq!(refreshes(&gateway, text(&one, "refresh_token")).await, 400);
    assert_eq!(status(&gateway, text(&other, "access_token")).await, 200);
    let by_cookie = gateway.get("/").header("cookie", cookie).send().await.unwrap();
    assert_eq!(by_cookie.status(), 200);
}

#[tokio::test]
async fn signing_out_everywhere_ends_sessions_and_tokens_alike_and_those_of_nobody_else() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .user("bob")
        .standing_clock()
        .start()
        .await;
    for by_token in [false, true] {
        let (one, bobs) = (
            begin(&gateway, "alice", "").await,
            begin(&gateway, "bob", "").await,
        );
        let (cookie, out) = (gateway.sign_in("alice").await, gateway.post("/.auth/logout"));
        assert_eq!(status(&gateway, text(&one, "access_token")).await, 200);
        let out = match by_token {
            true => out.bearer_auth(text(&one, "access_token")),
            false => out.header("cookie", &cookie),
        };
        let out = out.json(&json!({ "everywhere": true })).send().await.unwrap();
        assert_eq!(out.status(), 204);
        assert_eq!(status(&gateway, text(&one, "access_token")).await, 401);
        assert_eq!(refreshes(&gateway, text(&one, "refresh_token")).await, 400);
        let by_cookie = gateway.get("/").header("cookie", cookie).send().await.unwrap();
        assert_eq!(by_cookie.status(), 401);
        assert_eq!(status(&gateway, text(&bobs, "access_token")).await, 200);
        assert_eq!(refreshes(&gateway, text(&bobs, "refresh_token")).await, 200);
        // Whoever signs in again in that very second is in.
        let again = begin(&gateway, "alice", "").await;
        assert_eq!(status(&gateway, text(&again, "access_token")).await, 200);
        assert_eq!(refreshes(&gateway, text(&again, "refresh_token")).await, 200);
    }
}

#[tokio::test]
async fn a_token_that_is_for_something_else_ends_itself_and_no_more() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let narrowed = begin(&gateway, "alice", "wiki").await;
    let narrowed = text(&narrowed, "access_token");
    let cookie = gateway.sign_in("alice").await;
    let everywhere = gateway.post("/.auth/logout").bearer_auth(narrowed);
    let out = everywhere.form(&[("everywhere", "1")]).send().await.unwrap();
    assert_eq!(out.status(), 403);
    let by_cookie = gateway.get("/").header("cookie", cookie).send().await.unwrap();
    assert_eq!(by_cookie.status(), 200);
    let out = gateway
        .post("/.auth/logout")
        .bearer_auth(narrowed)
        .send()
        .await
        .unwrap();
    assert_eq!(out.status(), 204);
    assert_eq!(status(&gateway, narrowed).await, 401);
}

#[tokio::test]
async fn a_token_for_somebody_else_can_be_asked_about_and_taken_back() {
    let mint = Mint::hs256().await;
    let header = mint.header(json!({})).to_string();
    let reader = claims(json!({ "jti": "r", "scope": "introspect" })).to_string();
    let reader = mint.sign(&header, &reader);
    let token = mint.sign(
        &header,
        &claims(json!({ "aud": ["ci", "cd"], "jti": "c" })).to_string(),
    );
    let ask = || {
        let request = mint.gateway.post("/.auth/introspect").bearer_auth(&reader);
        request.form(&[("token", &token)]).send()
    };
    let said: Value = ask().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&said["active"], &said["aud"]),
        (&json!(true), &json!(["ci", "cd"]))
    );
    mint.is_refused(&token, "it is not for us all the same").await;
    assert_eq!(revoke(&mint.gateway, &[("token", &token)]).await, 200);
    let said: Value = ask().await.unwrap().json().await.unwrap();
    assert_eq!(said, json!({ "active": false }));
}

#[tokio::test]
async fn a_token_without_a_sign_in_can_be_taken_back_as_well() {
    let mint = Mint::hs256().await;
    let header = mint.header(json!({})).to_string();
    let sign = |changes: Value| mint.sign(&header, &claims(changes).to_string());
    let (one, other) = (sign(json!({ "jti": "one" })), sign(json!({ "jti": "other" })));
    mint.passes(&one, "before").await;
    assert_eq!(revoke(&mint.gateway, &[("token", &one)]).await, 200);
    mint.is_refused(&one, "after").await;
    mint.passes(&other, "another").await;
}

#[tokio::test]
async fn introspection_tells_those_who_may_ask_what_a_token_stands_for() {
    let gateway = gateway()
        .user_with("alice", &["staff"], "email = \"a@example.com\"")
        .user_with("reader", &["introspect"], "")
        .standing_clock()
        .start()
        .await;
    let given = begin(&gateway, "alice", "wiki mail").await;
    let (access, refresh) = (text(&given, "access_token"), text(&given, "refresh_token"));
    let by_role = gateway.token("reader").await;
    let by_scope = begin(&gateway, "alice", "introspect").await;
    let by_scope = text(&by_scope, "access_token").to_owned();
    let narrowed = begin(&gateway, "reader", "wiki").await;
    let narrowed = text(&narrowed, "access_token").to_owned();
    let ask = |bearer: &str, token: &str| {
        let request = gateway.post("/.auth/introspect").form(&[("token", token)]);
        match bearer {
            "" => request,
            bearer => request.bearer_auth(bearer),
        }
        .send()
    };
    for bearer in [&by_role, &by_scope] {
        let answer = ask(bearer, access).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let mut answer: Value = answer.json().await.unwrap();
        assert!(answer["jti"].take().as_str().is_some_and(|id| id.len() == 22));
        let issuer = gateway_issuer(&gateway).await;
        assert_eq!(
            answer,
            json!({
                "active": true, "scope": "wiki mail", "username": "alice", "token_type": "Bearer",
                "exp": 1_800_000_900, "iat": 1_800_000_000, "sub": "alice", "aud": "portcullis", "iss": issuer,
                "jti": null, "email": "a@example.com", "roles": ["staff"],
            })
        );
        let answer: Value = ask(bearer, refresh).await.unwrap().json().await.unwrap();
        assert_eq!(
            answer,
            json!({
                "active": true, "scope": "wiki mail", "username": "alice", "exp": 1_802_592_000, "iat": 1_800_000_000,
                "sub": "alice", "iss": issuer,
            })
        );
    }
    for (who, bearer, status) in [
        ("nobody", "", 401),
        ("somebody else's idea of a token", "x", 401),
        ("whoever has neither role nor scope", access, 403),
        ("a token that was narrowed to something else", &narrowed, 403),
        ("a refresh token", refresh, 401),
    ] {
        let answer = ask(bearer, access).await.unwrap();
        assert_eq!(answer.status(), status, "{who}");
        assert!(answer.headers().contains_key("www-authenticate"), "{who}");
    }
    let cookie = gateway.sign_in("reader").await;
    let by_cookie = gateway
        .post("/.auth/introspect")
        .header("cookie", cookie)
        .form(&[("token", access)])
        .send()
        .await
        .unwrap();
    assert_eq!(by_cookie.status(), 401, "a session is no token");

    // What does not count is said nothing about, and asking ends nothing.
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    let next = gateway.post("/.auth/token").form(&fields).send().await.unwrap();
    let next: Value = next.json().await.unwrap();
    for token in [refresh, "x", "pcr_x", ".."] {
        let answer: Value = ask(&by_role, token).await.unwrap().json().await.unwrap();
        assert_eq!(answer, json!({ "active": false }), "{token}");
    }
    for token in [text(&next, "refresh_token"), text(&next, "access_token")] {
        let answer: Value = ask(&by_role, token).await.unwrap().json().await.unwrap();
        assert_eq!(answer["active"], true);
    }
    revoke(&gateway, &[("token", access)]).await;
    let answer: Value = ask(&by_role, access).await.unwrap().json().await.unwrap();
    assert_eq!(answer, json!({ "active": false }), "it was taken back");
    let form = [("username", "alice"), ("password", PASSWORD)];
    let none = gateway
        .post("/.auth/introspect")
        .bearer_auth(&by_role)
        .form(&form);
    assert_eq!(none.send().await.unwrap().status(), 400);
}

async fn gateway_issuer(gateway: &Gateway) -> String {
    let metadata = gateway
        .get("/.well-known/openid-configuration")
        .send()
        .await
        .unwrap();
    let metadata: Value = metadata.json().await.unwrap();
    text(&metadata, "issuer").to_owned()
}
