//! What an app with a login of its own is shown: an assertion, a name and a password, a token, or what the client showed.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use jsonwebtoken::{DecodingKey, Validation, jwk::JwkSet};
use serde_json::Value;

use super::NOW;
use crate::harness::{Gateway, Upstream, gateway};

async fn keys(gateway: &Gateway) -> JwkSet {
    let answer = gateway.get("/.auth/jwks.json").send().await.unwrap();
    answer.json().await.unwrap()
}

/// The only value of a header that the app got last.
fn got(upstream: &Upstream, name: &str) -> String {
    let request = upstream.received().pop().unwrap();
    let [value] = &request.header(name)[..] else {
        panic!("{name}: {}", request.head)
    };
    (*value).to_owned()
}

async fn send(gateway: &Gateway, path: &str, fields: &[(&str, &str)]) -> u16 {
    let request = fields.iter().fold(gateway.get(path), |request, (name, value)| {
        request.header(*name, *value)
    });
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn an_assertion_says_who_is_calling_to_one_app_for_a_minute() {
    let [upstream, other] = [(); 2].map(|()| Upstream::start());
    let asserted = "upstream_auth = \"assertion\"";
    let gateway = gateway()
        .route_with("/", &upstream, asserted)
        .route_with("/other", &other, asserted)
        .route_with("/open", &upstream, &format!("access = \"optional\"\n{asserted}"))
        .user_with("alice", &["staff"], "email = \"alice@example.com\"")
        .user("bob")
        .one_worker()
        .standing_clock()
        .start()
        .await;
    let cookie = gateway.sign_in("alice").await;
    let alice = ("cookie", &*cookie);
    let assertion = async |fields: &[(&str, &str)]| {
        assert_eq!(send(&gateway, "/", fields).await, 200);
        got(&upstream, "x-portcullis-assertion")
    };
    let first = assertion(&[
        alice,
        ("x-portcullis-assertion", "forged"),
        ("x_portcullis_assertion", "forged"),
    ])
    .await;

    // An app checks it by the public keys, and by what it is for.
    let set = keys(&gateway).await;
    let header = jsonwebtoken::decode_header(&first).unwrap();
    let key = set.find(header.kid.as_deref().unwrap()).unwrap();
    let issuer = super::claims_of(&gateway.token("alice").await)["iss"].clone();
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&[upstream.url()]);
    validation.validate_exp = false;
    let claims = jsonwebtoken::decode::<Value>(&first, &DecodingKey::from_jwk(key).unwrap(), &validation)
        .unwrap()
        .claims;
    for (name, value) in [
        ("iss", issuer),
        ("sub", "alice".into()),
        ("username", "alice".into()),
        ("email", "alice@example.com".into()),
        ("roles", vec!["staff"].into()),
        ("iat", NOW.into()),
        ("exp", (NOW + 60).into()),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }

    // Made once, for her and this app.
    assert_eq!(assertion(&[alice]).await, first);
    gateway.advance(Duration::from_secs(49));
    assert_eq!(assertion(&[alice]).await, first);
    gateway.advance(Duration::from_secs(1));
    let second = assertion(&[alice]).await;
    assert_ne!(second, first);
    assert_eq!(super::claims_of(&second)["exp"], NOW + 50 + 60);
    let bob = gateway.sign_in("bob").await;
    assert_eq!(
        super::claims_of(&assertion(&[("cookie", &bob)]).await)["sub"],
        "bob"
    );
    assert_eq!(send(&gateway, "/other", &[alice]).await, 200);
    assert_eq!(
        super::claims_of(&got(&other, "x-portcullis-assertion"))["aud"],
        other.url()
    );

    // It opens nothing here, and nobody gets one who is nobody.
    let answer = gateway.get("/").bearer_auth(&second).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(
        send(&gateway, "/open", &[("x-portcullis-assertion", &second)]).await,
        200
    );
    let request = upstream.received().pop().unwrap();
    assert!(
        request.header("x-portcullis-assertion").is_empty(),
        "{}",
        request.head
    );
}

#[tokio::test]
async fn an_app_is_shown_the_name_and_password_or_the_token_that_its_route_has_for_it() {
    let upstream = Upstream::start();
    let basic = "upstream_auth = { basic = { username = \"app-{username}\", password = \"pässword: 1\" } }";
    let gateway = gateway()
        .route_with("/basic", &upstream, basic)
        .route_with("/open", &upstream, &format!("access = \"optional\"\n{basic}"))
        .route_with(
            "/bearer",
            &upstream,
            "upstream_auth = { bearer = \"s3cret-token\" }",
        )
        .user("alice")
        .user("a:b")
        .start()
        .await;
    let alice = gateway.sign_in("alice").await;
    let token = format!("Bearer {}", gateway.token("alice").await);
    let expected = format!("Basic {}", BASE64_STANDARD.encode("app-alice:pässword: 1"));
    for credential in [
        &[("cookie", &*alice)][..],
        &[("authorization", &*token)],
        &[("cookie", &*alice), ("authorization", "Basic eDp5")],
    ] {
        for (path, shown) in [
            ("/basic", &*expected),
            ("/open", &*expected),
            ("/bearer", "Bearer s3cret-token"),
        ] {
            assert_eq!(send(&gateway, path, credential).await, 200);
            assert_eq!(got(&upstream, "authorization"), shown, "{path}");
        }
    }
    // What cannot be said is not said, and nobody says it instead.
    let colon = gateway.sign_in("a:b").await;
    for (path, fields) in [
        ("/open", &[("authorization", "Basic eDp5")][..]),
        ("/basic", &[("cookie", &*colon), ("authorization", "Basic eDp5")]),
    ] {
        assert_eq!(send(&gateway, path, fields).await, 200);
        let request = upstream.received().pop().unwrap();
        assert!(request.header("authorization").is_empty(), "{}", request.head);
    }
}

#[tokio::test]
async fn what_signed_a_request_in_goes_up_where_the_route_says_so() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .route_with("/all", &upstream, "forward_credentials = true")
        .user("alice")
        .start()
        .await;
    let cookie = gateway.sign_in("alice").await;
    let token = format!("Bearer {}", gateway.token("alice").await);
    let both = format!("a=1; {cookie}; b=2");
    let name = cookie.split('=').next().unwrap();
    let others = format!("{both}; {name}-form=x; {name}-route=y");
    for (path, sent, up) in [("/", &others, "a=1; b=2"), ("/all", &others, &*both)] {
        assert_eq!(send(&gateway, path, &[("cookie", sent)]).await, 200);
        assert_eq!(got(&upstream, "cookie"), up);
        assert_eq!(send(&gateway, path, &[("authorization", &token)]).await, 200);
        let request = upstream.received().pop().unwrap();
        let authorization = request.header("authorization");
        assert_eq!(
            authorization.first().copied(),
            (path == "/all").then_some(&*token)
        );
    }
}

#[tokio::test]
async fn a_page_that_asks_by_itself_keeps_no_session_alive() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .table("[session]\nidle_timeout = \"10m\"")
        .route("/", &upstream)
        .route_with("/poll", &upstream, "renews_session = false")
        .user("alice")
        .standing_clock()
        .start()
        .await;
    let cookie = gateway.sign_in("alice").await;
    let alice = &[("cookie", &*cookie)][..];
    for (path, statuses) in [("/", [200, 200, 200]), ("/poll", [200, 200, 401])] {
        // From the last request that counts.
        for status in statuses {
            gateway.advance(Duration::from_secs(4 * 60));
            assert_eq!(send(&gateway, path, alice).await, status, "{path}");
        }
    }
}
