//! What rules ask of tokens: what they are for, what they claim, where they come from, and whether they are taken at all.

use serde_json::{Value, json};

use super::trust::Issuer;
use crate::harness::{Gateway, PASSWORD, Upstream, gateway};

async fn status(gateway: &Gateway, path: &str, credential: (&str, &str)) -> u16 {
    let (name, value) = credential;
    let answer = gateway.get(path).header(name, value).send().await.unwrap();
    answer.status().as_u16()
}

/// A token of ours for these scopes, and the whole answer.
async fn narrowed(gateway: &Gateway, scope: &str) -> (u16, Value) {
    let form = [
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", PASSWORD),
        ("scope", scope),
    ];
    let answer = gateway.post("/.auth/token").form(&form).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_token_opens_what_it_is_for_and_a_session_whatever_its_user_may_do() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .route_with(
            "/wiki",
            &upstream,
            "access = { scopes = [\"wiki\", \"wiki:read\"] }",
        )
        .route_with(
            "/shop",
            &upstream,
            "access = { scopes = [\"shop\"], roles = [\"staff\"] }",
        )
        .user_with("alice", &["staff"], "")
        .start()
        .await;
    let cookie = gateway.sign_in("alice").await;
    let whole = format!("Bearer {}", gateway.token("alice").await);
    for credential in [("cookie", &*cookie), ("authorization", &*whole)] {
        for path in ["/", "/wiki", "/shop"] {
            assert_eq!(status(&gateway, path, credential).await, 200, "{path}");
        }
    }
    for (scope, open) in [
        ("wiki", &["/", "/wiki"][..]),
        ("wiki:read", &["/", "/wiki"]),
        ("wiki shop", &["/", "/wiki", "/shop"]),
        ("other", &["/"]),
        ("Wiki", &["/"]),
        ("wikis", &["/"]),
    ] {
        let (answered, answer) = narrowed(&gateway, scope).await;
        assert_eq!((answered, &answer["scope"]), (200, &json!(scope)));
        let token = format!("Bearer {}", answer["access_token"].as_str().unwrap());
        for path in ["/", "/wiki", "/shop"] {
            let expected = if open.contains(&path) { 200 } else { 403 };
            assert_eq!(
                status(&gateway, path, ("authorization", &token)).await,
                expected,
                "{scope} {path}"
            );
        }
        let refused = gateway
            .get("/none")
            .header("authorization", &token)
            .send()
            .await
            .unwrap();
        assert_eq!(refused.status(), 200);
    }
    let (_, answer) = narrowed(&gateway, "other").await;
    let token = answer["access_token"].as_str().unwrap();
    let refused = gateway.get("/wiki").bearer_auth(token).send().await.unwrap();
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    for scope in [" ", "a  b", " a", "a\tb", "a\"b", "a\\b", "\u{e4}", "a\nb"] {
        let (answered, answer) = narrowed(&gateway, scope).await;
        assert_eq!(
            (answered, &answer["error"]),
            (400, &json!("invalid_scope")),
            "{scope:?}"
        );
    }
}

#[tokio::test]
async fn a_route_takes_the_credentials_that_it_names_and_does_not_look_at_others() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .route_with("/browsers", &upstream, "credentials = [\"session\"]")
        .route_with("/programs", &upstream, "credentials = \"bearer\"")
        .route_with(
            "/api",
            &upstream,
            "access = \"optional\"\ncredentials = [\"session\"]",
        )
        .user("alice")
        .start()
        .await;
    let cookie = gateway.sign_in("alice").await;
    let token = format!("Bearer {}", gateway.token("alice").await);
    for (path, by_cookie, by_token) in [
        ("/", 200, 200),
        ("/browsers", 200, 401),
        ("/programs", 401, 200),
        ("/api", 200, 200),
    ] {
        assert_eq!(
            status(&gateway, path, ("cookie", &cookie)).await,
            by_cookie,
            "{path}"
        );
        assert_eq!(
            status(&gateway, path, ("authorization", &token)).await,
            by_token,
            "{path}"
        );
    }
    upstream.forget();
    // What is not looked at is the app's own business.
    assert_eq!(
        status(&gateway, "/api", ("authorization", "Bearer its-own")).await,
        200
    );
    let request = upstream.only();
    assert_eq!(request.header("authorization"), ["Bearer its-own"]);
    assert!(request.header("remote-user").is_empty());
}

#[tokio::test]
async fn a_rule_may_ask_for_claims_and_an_app_be_told_of_them() {
    let (issuer, upstream) = (Issuer::new(jsonwebtoken::Algorithm::ES256), Upstream::start());
    let rule = "access = { claims = { dept = [\"it\", \"hr\"], \"org.level\" = \"7\" } }\n\
                headers = { \"X-Dept\" = \"{claim:dept}\", \"X-Level\" = \"level {claim:org.level}\", \"X-No\" = \"{claim:no}\" }";
    let gateway = issuer
        .trusted("")
        .route_with("/", &upstream, rule)
        .user("alice")
        .start()
        .await;
    let with = |changes: &Value| {
        let claims = json!({ "dept": "it", "org": { "level": 7 } });
        let token = issuer.token(
            &issuer.header(),
            &super::changed(super::trust::claims(), super::changed(claims, changes.clone())),
        );
        format!("Bearer {token}")
    };
    for (changes, expected) in [
        (json!({}), 200),
        (json!({ "dept": "hr" }), 200),
        (json!({ "dept": ["sales", "it"] }), 200),
        (json!({ "dept": "IT" }), 403),
        (json!({ "dept": "sales" }), 403),
        (json!({ "dept": null }), 403),
        (json!({ "dept": { "it": true } }), 403),
        (json!({ "dept": [["it"]] }), 403),
        (json!({ "org": { "level": "7" } }), 200),
        (json!({ "org": { "level": 8 } }), 403),
        (json!({ "org": 7 }), 403),
        (json!({ "org": null, "org.level": "7" }), 200),
    ] {
        let token = with(&changes);
        assert_eq!(
            status(&gateway, "/", ("authorization", &token)).await,
            expected,
            "{changes}"
        );
    }
    upstream.forget();
    assert_eq!(
        status(&gateway, "/", ("authorization", &with(&json!({})))).await,
        200
    );
    let request = upstream.only();
    assert_eq!(request.header("x-dept"), ["it"]);
    assert_eq!(request.header("x-level"), ["level 7"]);
    assert!(request.header("x-no").is_empty());
    // Our own say nothing of the kind.
    let own = format!("Bearer {}", gateway.token("alice").await);
    assert_eq!(status(&gateway, "/", ("authorization", &own)).await, 403);
}

#[tokio::test]
async fn a_rule_may_ask_where_somebody_comes_from() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .server("trusted_proxies = [\"127.0.0.1\", \"::1\"]")
        .route_with(
            "/",
            &upstream,
            "access = { networks = [\"10.0.0.0/8\", \"2001:db8::/32\", \"192.0.2.7\"] }",
        )
        .user("alice")
        .start()
        .await;
    let cookie = gateway.sign_in("alice").await;
    for (address, expected) in [
        ("10.1.2.3", 200),
        ("192.0.2.7", 200),
        ("192.0.2.8", 403),
        ("2001:db8::1", 200),
        ("2001:db9::1", 403),
        ("::ffff:10.0.0.1", 200),
        ("11.0.0.1", 403),
    ] {
        let answer = gateway
            .get("/")
            .header("cookie", &cookie)
            .header("x-forwarded-for", address);
        assert_eq!(answer.send().await.unwrap().status(), expected, "{address}");
    }
    assert_eq!(
        status(&gateway, "/", ("cookie", &cookie)).await,
        403,
        "this machine is in none of them"
    );
}
