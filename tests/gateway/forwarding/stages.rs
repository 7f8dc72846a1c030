//! The order of the pipeline's stages: a request that several would refuse shows which of them speaks first.

use crate::harness::{Gateway, Upstream, gateway};

const BAD_TARGET: &str = "the path has a dot segment";
const TWO_AUTHORIZATIONS: &str = "authorization: Basic eDp5\r\nauthorization: Basic eDp5\r\n";
const TOO_LARGE: &str = "content-length: 5000\r\n";

async fn answer(gateway: &Gateway, method: &str, path: &str, more: &str) -> (u16, String) {
    let answer = gateway
        .exchange(format!("{method} {path} HTTP/1.1\r\nhost: x\r\n{more}\r\n"))
        .await
        .unwrap();
    (answer.status, answer.text())
}

#[tokio::test]
async fn the_stages_of_the_pipeline_come_in_this_order() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .server("[server.limits]\nmax_body = \"1KiB\"")
        .route_with(
            "/app",
            &upstream,
            "access = { roles = [\"staff\"] }\nmethods = [\"GET\", \"PUT\"]",
        )
        .route_with(
            "/app/down",
            "http://127.0.0.1:1",
            "access = { users = [\"alice\"] }",
        )
        .user("alice")
        .user_with("carol", &["staff"], "")
        .start()
        .await;
    let alice = format!("cookie: {}\r\n", gateway.sign_in("alice").await);
    let carol = format!("cookie: {}\r\n", gateway.sign_in("carol").await);
    let bad_token = "authorization: Bearer x\r\n".to_owned();

    // Each row fails in the stage that it names and in all below it; the words are those of the stage that spoke.
    let rows: [(&str, &str, &str, String, u16, &str); 15] = [
        // Framing before the target.
        (
            "framing",
            "GET",
            "/.auth/../app",
            "content-length: x\r\n".to_owned(),
            400,
            "",
        ),
        // What is never forwarded before anything that follows from the target.
        (
            "method",
            "TRACE",
            "/.auth/../app",
            TWO_AUTHORIZATIONS.to_owned(),
            405,
            "never forwarded",
        ),
        (
            "method",
            "TRACE",
            "/.auth/me",
            String::new(),
            405,
            "never forwarded",
        ),
        // The target before the number of credentials and our own addresses.
        (
            "target",
            "GET",
            "/.auth/../app",
            TWO_AUTHORIZATIONS.to_owned(),
            400,
            BAD_TARGET,
        ),
        ("target", "GET", "/.auth/./me", String::new(), 400, BAD_TARGET),
        (
            "authorizations",
            "GET",
            "/.auth/me",
            TWO_AUTHORIZATIONS.to_owned(),
            400,
            "more than one Authorization",
        ),
        // Our own addresses before the routes: "/app" and no route at all answer as they do, these as we do.
        (
            "own address",
            "GET",
            "/.auth/nowhere",
            bad_token.clone(),
            404,
            "no such address",
        ),
        // The route before the credentials, and both of its answers.
        (
            "route",
            "POST",
            "/nowhere",
            format!("{bad_token}{TOO_LARGE}"),
            404,
            "no route",
        ),
        (
            "route's method",
            "POST",
            "/app",
            format!("{bad_token}{TOO_LARGE}"),
            405,
            "method is not allowed",
        ),
        // The credentials before the rule, the rule before who made the browser ask, that before the body, the body before the upstream.
        (
            "credentials",
            "PUT",
            "/app",
            format!("{bad_token}{TOO_LARGE}"),
            401,
            "token is not valid",
        ),
        (
            "credentials",
            "PUT",
            "/app",
            TOO_LARGE.to_owned(),
            401,
            "Sign in first",
        ),
        (
            "rule",
            "PUT",
            "/app",
            format!("{alice}{TOO_LARGE}"),
            403,
            "may not open",
        ),
        (
            "rule",
            "PUT",
            "/app",
            format!("{alice}sec-fetch-site: cross-site\r\n{TOO_LARGE}"),
            403,
            "may not open",
        ),
        (
            "origin",
            "PUT",
            "/app/down",
            format!("{alice}sec-fetch-site: cross-site\r\n{TOO_LARGE}"),
            403,
            "a page of another site",
        ),
        (
            "body",
            "PUT",
            "/app/down",
            format!("{alice}{TOO_LARGE}"),
            413,
            "larger than the limit",
        ),
    ];
    for (stage, method, path, more, status, words) in rows {
        let (answered, said) = answer(&gateway, method, path, &more).await;
        assert_eq!(answered, status, "{stage}: {said}");
        assert!(said.contains(words), "{stage}: {said}");
        upstream.saw_nothing();
    }
    // And what fails in none but the last, and in none at all.
    assert_eq!(answer(&gateway, "PUT", "/app/down", &alice).await.0, 502);
    assert_eq!(
        answer(&gateway, "GET", "/app", &carol).await,
        (200, "hello".to_owned())
    );
}

#[tokio::test]
async fn only_a_request_that_passes_renews_a_session() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/open", &upstream)
        .route_with("/closed", &upstream, "access = { roles = [\"staff\"] }")
        .public("/public", &upstream)
        .user("alice")
        .table("[session]\nidle_timeout = \"30m\"")
        .standing_clock()
        .start()
        .await;
    for (path, renews) in [
        ("/open", true),
        ("/closed", false),
        ("/public", false),
        ("/nowhere", false),
        ("/open/%zz", false),
    ] {
        let cookie = gateway.sign_in("alice").await;
        let twenty_minutes = std::time::Duration::from_secs(20 * 60);
        gateway.advance(twenty_minutes);
        gateway.get(path).header("cookie", &cookie).send().await.unwrap();
        gateway.advance(twenty_minutes);
        let answer = gateway
            .get("/open")
            .header("cookie", &cookie)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status() == 200, renews, "{path}");
    }
}
