//! `/.auth/verify`: what other proxies are told of requests that they forward themselves.

mod guide;

use reqwest::Response;

use crate::harness::{Gateway, GatewayBuilder, Upstream, gateway};

/// A gateway that believes whoever is on this machine.
fn trusting(upstream: &Upstream) -> GatewayBuilder {
    gateway()
        .server("trusted_proxies = [\"127.0.0.1\", \"::1\"]")
        .route_with(
            "/",
            upstream,
            "host = \"wiki.example.com\"\naccess = { roles = [\"staff\"] }",
        )
        .route_with(
            "/public",
            upstream,
            "host = \"wiki.example.com\"\naccess = \"public\"",
        )
        .route_with(
            "/read",
            upstream,
            "host = \"wiki.example.com\"\nmethods = [\"GET\"]\naccess = \"optional\"",
        )
        .route_with("/", upstream, "host = \"other.example.com\"\naccess = \"public\"")
        .user_with(
            "alice",
            &["staff"],
            "display_name = \"Alice Liddell\"\nemail = \"alice@example.com\"",
        )
        .user("bob")
}

/// A question about a GET as Traefik asks it, with headers put in, or taken out where they are empty.
async fn ask(gateway: &Gateway, path: &str, fields: &[(&str, &str)]) -> Response {
    let usual = [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "wiki.example.com"),
        ("x-forwarded-uri", path),
    ];
    let changed = |name: &str| fields.iter().any(|(other, _)| *other == name);
    let mut request = gateway.get("/.auth/verify");
    let kept = usual.iter().filter(|(name, _)| !changed(name));
    for (name, value) in kept.chain(fields.iter().filter(|(_, value)| !value.is_empty())) {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn the_answer_is_that_of_the_route_and_its_rule() {
    let upstream = Upstream::start();
    let gateway = trusting(&upstream).start().await;
    let alice = gateway.sign_in("alice").await;
    let bob = gateway.sign_in("bob").await;
    let token = format!("Bearer {}", gateway.token("alice").await);
    let (alice, bob, token) = (("cookie", &*alice), ("cookie", &*bob), ("authorization", &*token));
    let other_host = ("x-forwarded-host", "other.example.com");
    let post = ("x-forwarded-method", "POST");
    let evil = ("origin", "https://evil.example");
    for (path, fields, status) in [
        ("/", &[alice][..], 204),
        ("/", &[token], 204),
        ("/x?y=%2F", &[alice], 204),
        ("/", &[bob], 403),
        ("/", &[], 401),
        ("/", &[("authorization", "Bearer x")], 401),
        ("/public", &[], 204),
        ("/public/x", &[], 204),
        ("/publicx", &[], 401),
        ("/read", &[], 204),
        ("/read", &[post], 403),
        ("/read", &[alice, ("x-http-method-override", "DELETE")], 403),
        ("/", &[other_host], 204),
        ("/", &[("x-forwarded-host", "unknown.example.com")], 403),
        // One reading, or none.
        ("/public/../", &[], 403),
        ("/public/%2e%2e/", &[alice], 403),
        ("/public%2Fx", &[], 403),
        ("public", &[], 403),
        ("*", &[alice], 403),
        ("https://other.example.com/", &[], 403),
        ("/.auth/me", &[alice], 403),
        ("/", &[alice, ("x-forwarded-method", "TRACE")], 403),
        ("/", &[alice, ("x-forwarded-method", "CONNECT")], 403),
        ("/", &[alice, ("x-forwarded-method", "get")], 204),
        // Other pages, and their WebSockets.
        ("/", &[alice, post], 204),
        ("/", &[alice, post, evil], 403),
        ("/", &[alice, post, ("origin", "https://wiki.example.com")], 204),
        ("/", &[alice, evil], 204),
        ("/", &[alice, evil, ("sec-fetch-mode", "websocket")], 403),
        ("/", &[token, post, evil], 204),
    ] {
        let answer = ask(&gateway, path, fields).await;
        assert_eq!(answer.status(), status, "{path} {fields:?}");
        let user = answer.headers().get("remote-user");
        let is_known = status == 204 && fields.iter().any(|field| [alice, token].contains(field));
        assert_eq!(user.is_some(), is_known, "{path} {fields:?}");
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn whoever_is_signed_in_is_named_and_their_session_renewed() {
    let upstream = Upstream::start();
    let gateway = trusting(&upstream).start().await;
    let cookie = gateway.sign_in("alice").await;
    let answer = ask(&gateway, "/", &[("cookie", &cookie)]).await;
    for (name, value) in [
        ("remote-user", "alice"),
        ("remote-name", "Alice Liddell"),
        ("remote-email", "alice@example.com"),
        ("remote-groups", "staff"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(answer.headers()[name], value);
    }
    gateway
        .post("/.auth/logout")
        .header("cookie", &cookie)
        .header("origin", &gateway.base)
        .send()
        .await
        .unwrap();
    assert_eq!(
        ask(&gateway, "/", &[("cookie", &cookie)]).await.status(),
        401,
        "at once"
    );
}

#[tokio::test]
async fn where_signing_in_may_help_the_way_there_is_told() {
    let upstream = Upstream::start();
    let gateway = trusting(&upstream).start().await;
    let page = [("accept", "text/html"), ("sec-fetch-mode", "navigate")];
    let answer = ask(&gateway, "/x?y=1", &page).await;
    assert_eq!(answer.status(), 401);
    let login = answer.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(login, "/.auth/login?return_to=/x%3Fy%3D1");
    assert!(
        answer.headers()["www-authenticate"]
            .to_str()
            .unwrap()
            .starts_with("Bearer")
    );

    let redirected = |fields: &'static [(&str, &str)]| {
        let fields = [
            &[("x-forwarded-method", "GET"), ("x-forwarded-uri", "/x?y=1")],
            fields,
        ]
        .concat();
        let request = gateway
            .get("/.auth/verify?redirect")
            .header("host", "wiki.example.com");
        fields
            .into_iter()
            .fold(request, |request, (name, value)| request.header(name, value))
    };
    let answer = redirected(&[("accept", "text/html")]).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["location"]),
        (303, &login.parse().unwrap())
    );
    let answer = redirected(&[("accept", "application/json")])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 401, "a program");
}

#[tokio::test]
async fn what_does_not_say_what_is_asked_is_no_question() {
    let upstream = Upstream::start();
    let gateway = trusting(&upstream).start().await;
    let url = "https://wiki.example.com/public";
    let none = [
        ("x-forwarded-uri", ""),
        ("x-forwarded-host", ""),
        ("x-forwarded-proto", ""),
    ];
    let by_url = |fields: &[(&'static str, &'static str)]| [&none[..], fields].concat();
    for (fields, status) in [
        (vec![("x-forwarded-method", "")], 403),
        (vec![("x-forwarded-uri", "")], 403),
        (
            vec![("x-forwarded-uri", "/public"), ("x-forwarded-uri", "/public")],
            403,
        ),
        (
            vec![("x-forwarded-method", "GET"), ("x-forwarded-method", "GET")],
            403,
        ),
        (vec![("x-forwarded-method", "G T")], 403),
        (vec![("x-forwarded-proto", "ftp")], 403),
        (vec![("x-forwarded-host", "wiki example com")], 403),
        (vec![("x-original-url", "not a url")], 403),
        (by_url(&[("x-original-url", url)]), 204),
        (
            by_url(&[("x-original-url", url), ("x-original-method", "GET")]),
            204,
        ),
        // Both, and one of them may be the client's.
        (vec![("x-original-url", url)], 204),
        (vec![("x-original-url", "https://wiki.example.com/")], 403),
        (vec![("x-original-url", "https://other.example.com/public")], 403),
        (vec![("x-original-url", "http://wiki.example.com/public")], 403),
        (vec![("x-original-method", "POST")], 403),
    ] {
        assert_eq!(
            ask(&gateway, "/public", &fields).await.status(),
            status,
            "{fields:?}"
        );
    }
}

#[tokio::test]
async fn nobody_but_a_trusted_proxy_is_answered() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).user("alice").start().await;
    let cookie = gateway.sign_in("alice").await;
    for path in ["/", "/public"] {
        let answer = ask(&gateway, path, &[("cookie", &cookie)]).await;
        assert_eq!(answer.status(), 403);
        assert!(answer.headers().get("remote-user").is_none());
    }
}
