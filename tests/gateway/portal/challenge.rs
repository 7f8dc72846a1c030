//! What a request of nobody gets: the way to the login page, or a challenge.

use serde_json::Value;

use super::{assert_guarded, header};
use crate::harness::{Upstream, gateway};

const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
const UPGRADE: [(&str, &str); 4] = [
    ("connection", "keep-alive, Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];
const PLAIN: &str = r#"Bearer realm="portcullis""#;
const BAD_TOKEN: &str =
    r#"Bearer realm="portcullis", error="invalid_token", error_description="the token is not valid""#;

#[tokio::test]
async fn a_navigation_is_sent_to_the_login_page_and_everything_else_is_challenged() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).start().await;
    for (what, method, headers, challenge) in [
        ("a click", "GET", vec![("sec-fetch-mode", "navigate"), HTML], None),
        (
            "a click that says no more",
            "GET",
            vec![("sec-fetch-mode", "navigate")],
            None,
        ),
        (
            "a form of the app's",
            "POST",
            vec![("sec-fetch-mode", "navigate"), HTML],
            None,
        ),
        ("an old browser", "GET", vec![HTML], None),
        ("an old browser that looks first", "HEAD", vec![HTML], None),
        ("an old browser's form", "POST", vec![HTML], Some(PLAIN)),
        (
            "fetch()",
            "GET",
            vec![("sec-fetch-mode", "cors"), HTML],
            Some(PLAIN),
        ),
        (
            "an image",
            "GET",
            vec![("sec-fetch-mode", "no-cors")],
            Some(PLAIN),
        ),
        (
            "a script's JSON",
            "GET",
            vec![("accept", "application/json")],
            Some(PLAIN),
        ),
        ("curl", "GET", vec![("accept", "*/*")], Some(PLAIN)),
        ("a bare program", "PUT", vec![], Some(PLAIN)),
        (
            "no User-Agent at all",
            "GET",
            vec![("user-agent", "")],
            Some(PLAIN),
        ),
        (
            "a load balancer",
            "GET",
            vec![("user-agent", "GoogleHC/1.0")],
            Some(PLAIN),
        ),
        (
            "a kubelet",
            "GET",
            vec![("user-agent", "kube-probe/1.29")],
            Some(PLAIN),
        ),
        (
            "another scheme",
            "GET",
            vec![("authorization", "Basic YTpi")],
            Some(PLAIN),
        ),
        (
            "a bad token",
            "GET",
            vec![("authorization", "Bearer x")],
            Some(BAD_TOKEN),
        ),
        (
            "an empty token",
            "GET",
            vec![("authorization", "Bearer ")],
            Some(BAD_TOKEN),
        ),
        (
            "a token after a tab",
            "GET",
            vec![("authorization", "Bearer\tx")],
            Some(BAD_TOKEN),
        ),
        (
            "a WebSocket",
            "GET",
            [&UPGRADE[..], &[("sec-fetch-mode", "websocket")]].concat(),
            Some(PLAIN),
        ),
        ("an old browser's WebSocket", "GET", UPGRADE.to_vec(), Some(PLAIN)),
        (
            "a WebSocket that would take HTML",
            "GET",
            [&UPGRADE[..], &[HTML]].concat(),
            Some(PLAIN),
        ),
    ] {
        let mut request = gateway.request(method, "/wiki/Caf%C3%A9?a=1&b=%20/x");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap();
        assert_guarded(answer.headers(), what);
        assert_eq!(header(&answer, "set-cookie"), "", "{what} begins nothing");
        let login = "/.auth/login?return_to=/wiki/Caf%25C3%25A9%3Fa%3D1%26b%3D%2520/x";
        match challenge {
            None => {
                assert_eq!(answer.status(), 303, "{what}");
                assert_eq!(header(&answer, "location"), login, "{what}");
                assert_eq!(header(&answer, "www-authenticate"), "", "{what}");
            }
            Some(challenge) => {
                assert_eq!(answer.status(), 401, "{what}");
                assert_eq!(header(&answer, "www-authenticate"), challenge, "{what}");
                assert_eq!(header(&answer, "location"), "", "{what}");
                assert_eq!(
                    header(&answer, "content-type"),
                    "application/problem+json",
                    "{what}"
                );
                let problem: Value = answer.json().await.unwrap();
                assert_eq!(problem["status"], 401, "{what}");
                assert_eq!(problem["login_url"], login, "{what}");
                assert_eq!(problem["request_id"].as_str().unwrap().len(), 32, "{what}");
            }
        }
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn whoever_may_not_pass_is_told_who_they_are_and_a_program_why() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route_with("/", &upstream, "access = { roles = [\"staff\"] }")
        .user("bob")
        .start()
        .await;
    let cookie = gateway.sign_in("bob").await;
    let page = gateway
        .get("/")
        .header("cookie", &cookie)
        .header(HTML.0, HTML.1)
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), 403);
    assert_eq!(header(&page, "www-authenticate"), "");
    assert_guarded(page.headers(), "the page");
    assert!(
        page.text()
            .await
            .unwrap()
            .contains("Signed in as <b class=\"name\">bob</b>")
    );

    let answer = gateway.get("/").header("cookie", &cookie).send().await.unwrap();
    assert_eq!(answer.status(), 403);
    assert_eq!(header(&answer, "content-type"), "application/problem+json");
    assert_eq!(
        header(&answer, "www-authenticate"),
        "",
        "a session cannot be widened by a token's scope"
    );

    let token = gateway.token("bob").await;
    let answer = gateway.get("/").bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), 403);
    assert_eq!(
        header(&answer, "www-authenticate"),
        r#"Bearer realm="portcullis", error="insufficient_scope""#
    );
    upstream.saw_nothing();
}
