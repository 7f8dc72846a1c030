//! `/.auth/token`: the password grant, in the words of RFC 6749.

use serde_json::{Value, json};

use super::{assert_guarded, header, set_cookies};
use crate::harness::{PASSWORD, Upstream, gateway};

#[tokio::test]
async fn form_and_json_buy_the_same_token() {
    let gateway = gateway()
        .user_with(
            "alice",
            &["staff"],
            "display_name = \"Alice\"\nemail = \"a@example.com\"",
        )
        .table(
            "[token]\nissuer = \"https://issuer.example.com\"\naudience = \"apps\"\nlifetime = \"2m\"\n\
             refresh_lifetime = \"0s\"",
        )
        .standing_clock()
        .start()
        .await;
    let fields = [
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", PASSWORD),
    ];
    let as_json = json!({ "grant_type": "password", "username": "alice", "password": PASSWORD });
    let mut ids = Vec::new();
    for request in [
        gateway.post("/.auth/token").form(&fields),
        gateway.post("/.auth/token").json(&as_json),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "content-type"), "application/json");
        assert_eq!(header(&answer, "pragma"), "no-cache");
        assert_guarded(answer.headers(), "the token");
        assert_eq!(
            set_cookies(&answer),
            Vec::<String>::new(),
            "a token is no session"
        );
        let mut answer: Value = answer.json().await.unwrap();
        let token = answer["access_token"].take();
        assert_eq!(
            answer,
            json!({ "access_token": null, "token_type": "Bearer", "expires_in": 120 })
        );

        let claims = crate::tokens::claims_of(token.as_str().unwrap());
        assert_eq!(claims["iss"], "https://issuer.example.com");
        assert_eq!(claims["aud"], "apps");
        assert_eq!(
            (&claims["iat"], &claims["exp"]),
            (&json!(1_800_000_000), &json!(1_800_000_120))
        );
        assert_eq!(
            (&claims["sub"], &claims["username"]),
            (&json!("alice"), &json!("alice"))
        );
        assert_eq!(
            (&claims["name"], &claims["email"]),
            (&json!("Alice"), &json!("a@example.com"))
        );
        assert_eq!(claims["roles"], json!(["staff"]));
        ids.push(claims["jti"].as_str().unwrap().to_owned());
    }
    assert!(ids[0].len() == 22 && ids[0] != ids[1], "{ids:?}");
    assert_eq!(gateway.sessions(), 0);
}

#[tokio::test]
async fn every_failure_is_one_of_the_rfcs_errors() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .user_with("carol", &[], "disabled = true")
        .start()
        .await;
    let long = "x".repeat(1025);
    let pair = |username, password| {
        vec![
            ("grant_type", "password"),
            ("username", username),
            ("password", password),
        ]
    };
    for (fields, error) in [
        (pair("alice", "wrong"), "invalid_grant"),
        (pair("alice", ""), "invalid_grant"),
        (pair("alice", &long), "invalid_grant"),
        (pair("nobody", PASSWORD), "invalid_grant"),
        (pair("carol", PASSWORD), "invalid_grant"),
        (pair("", PASSWORD), "invalid_grant"),
        (
            vec![("grant_type", "password"), ("username", "alice")],
            "invalid_request",
        ),
        (
            vec![("grant_type", "password"), ("password", PASSWORD)],
            "invalid_request",
        ),
        (
            vec![("username", "alice"), ("password", PASSWORD)],
            "invalid_request",
        ),
        (vec![], "invalid_request"),
        (
            [pair("alice", PASSWORD), vec![("username", "bob")]].concat(),
            "invalid_request",
        ),
        (
            // What has no value counts as missing (RFC 6749, section 3.1).
            vec![("grant_type", ""), ("username", "alice"), ("password", PASSWORD)],
            "invalid_request",
        ),
        (
            vec![("grant_type", "refresh_token"), ("refresh_token", "x")],
            "invalid_grant",
        ),
        (
            vec![("grant_type", "client_credentials")],
            "unsupported_grant_type",
        ),
        (
            vec![
                ("grant_type", "Password"),
                ("username", "alice"),
                ("password", PASSWORD),
            ],
            "unsupported_grant_type",
        ),
    ] {
        let mut requests = vec![gateway.post("/.auth/token").form(&fields)];
        // JSON has no second member of a name.
        if fields.iter().filter(|(name, _)| *name == "username").count() < 2 {
            let members: serde_json::Map<_, _> = fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), json!(value)))
                .collect();
            requests.push(gateway.post("/.auth/token").json(&members));
        }
        for request in requests {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 400, "{fields:?}");
            assert_eq!(header(&answer, "content-type"), "application/json", "{fields:?}");
            assert_eq!(header(&answer, "pragma"), "no-cache", "{fields:?}");
            assert_guarded(answer.headers(), "the error");
            let answer: Value = answer.json().await.unwrap();
            let mut members: Vec<&str> = answer.as_object().unwrap().keys().map(String::as_str).collect();
            members.sort_unstable();
            assert_eq!(members, ["error", "error_description"], "{fields:?}");
            assert_eq!(answer["error"], error, "{fields:?}");
        }
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn a_token_is_not_taken_from_where_it_does_not_belong() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let token = gateway.token("alice").await;
    for request in [
        gateway.get(&format!("/?access_token={token}")),
        gateway.get(&format!("/?token={token}")),
        gateway.post("/").form(&[("access_token", &token)]),
        gateway.get("/").header("cookie", format!("portcullis={token}")),
        gateway.get("/").header("x-access-token", &token),
        gateway
            .get("/")
            .header("proxy-authorization", format!("Bearer {token}")),
        gateway.get("/").header("authorization", format!("Basic {token}")),
        gateway.get("/").header("authorization", &token),
        gateway
            .get("/")
            .header("authorization", format!("Bearer {token}, Basic x")),
        gateway
            .get("/")
            .header("authorization", format!("Bearer\t{token}")),
    ] {
        assert_eq!(request.send().await.unwrap().status(), 401);
    }
    let cookie = gateway.sign_in("alice").await;
    let session_id = cookie.split_once('=').unwrap().1;
    assert_eq!(
        gateway
            .get("/")
            .bearer_auth(session_id)
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
    let twice = gateway
        .get("/")
        .bearer_auth(&token)
        .header("authorization", "Basic x")
        .send()
        .await
        .unwrap();
    assert_eq!(twice.status(), 400, "which of the two counts is anybody's guess");
    upstream.saw_nothing();
    assert_eq!(
        gateway
            .get("/")
            .bearer_auth(&token)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}
