//! `/.auth/logout`: a button, and the end of a session here or everywhere.

use super::{assert_guarded, header, set_cookies};
use crate::harness::{Gateway, Upstream, as_navigation, gateway};

const CLEARED: &str = "portcullis=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0; Expires=";

async fn is_signed_in(gateway: &Gateway, cookie: &str) -> bool {
    let answer = gateway.get("/").header("cookie", cookie).send().await.unwrap();
    match answer.status().as_u16() {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_link_asks_and_ends_nothing() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let cookie = gateway.sign_in("alice").await;
    for request in [
        gateway.get("/.auth/logout"),
        as_navigation(gateway.get("/.auth/logout?everywhere=1&return_to=//evil.com")),
    ] {
        let answer = request.header("cookie", &cookie).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_guarded(answer.headers(), "the button");
        assert_eq!(set_cookies(&answer), Vec::<String>::new());
        let page = answer.text().await.unwrap();
        assert!(
            page.contains("You are signed in as <b class=\"name\">alice</b>"),
            "{page}"
        );
        assert!(
            page.contains("<form method=\"post\" action=\"/.auth/logout\">"),
            "{page}"
        );
        assert!(!page.contains("evil"), "{page}");
    }
    assert!(is_signed_in(&gateway, &cookie).await);

    let page = gateway.get("/.auth/logout").send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().contains("You are not signed in"));
}

#[tokio::test]
async fn a_browser_goes_to_the_login_page_and_a_program_gets_204_and_both_lose_the_cookie() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let post = || gateway.post("/.auth/logout");
    let form = [("x", "")];
    for (what, request, status) in [
        ("a form", as_navigation(post()).form(&form), 303),
        ("a form without Fetch Metadata", post().form(&form), 303),
        (
            "a browser that sends no form",
            post().header("accept", "text/html"),
            303,
        ),
        ("a program", post(), 204),
        ("a program with JSON", post().json(&serde_json::json!({})), 204),
        (
            "a script",
            post()
                .header("sec-fetch-mode", "cors")
                .header("sec-fetch-site", "same-origin"),
            204,
        ),
    ] {
        let cookie = gateway.sign_in("alice").await;
        let answer = request.header("cookie", &cookie).send().await.unwrap();
        assert_eq!(answer.status(), status, "{what}");
        assert_guarded(answer.headers(), what);
        let location = if status == 303 {
            "/.auth/login?signed_out=1"
        } else {
            ""
        };
        assert_eq!(header(&answer, "location"), location, "{what}");
        let cookies = set_cookies(&answer);
        assert!(
            cookies.len() == 2 && cookies[0].starts_with(CLEARED) && cookies[1].contains("-signed-in=; "),
            "{what}: {cookies:?}"
        );
        assert_eq!(answer.text().await.unwrap(), "", "{what}");
        assert!(!is_signed_in(&gateway, &cookie).await, "{what}");
    }
    assert_eq!(gateway.sessions(), 0);
    upstream.saw_nothing();
    let page = gateway.get("/.auth/login?signed_out=1").send().await.unwrap();
    assert!(
        page.text()
            .await
            .unwrap()
            .contains("role=\"status\">You are signed out.</p>")
    );
}

#[tokio::test]
async fn without_a_session_there_is_nothing_to_end_and_the_cookie_goes_anyhow() {
    let gateway = gateway().user("alice").start().await;
    let kept = gateway.sign_in("alice").await;
    let twin = format!("{kept}; {kept}");
    for cookie in [
        "",
        "portcullis=",
        "portcullis=gone",
        &format!("portcullis={}", "A".repeat(43)),
        &twin,
    ] {
        let answer = gateway
            .post("/.auth/logout")
            .header("cookie", cookie)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 204, "{cookie}");
        assert!(set_cookies(&answer)[0].starts_with(CLEARED), "{cookie}");
    }
    assert_eq!(gateway.sessions(), 1);
}

#[tokio::test]
async fn everywhere_ends_all_sessions_of_the_user_and_nobody_elses() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .user("bob")
        .start()
        .await;
    let bob = gateway.sign_in("bob").await;
    let post = || gateway.post("/.auth/logout");
    for (what, request) in [
        ("form", post().form(&[("everywhere", "1")])),
        ("ticked form", post().form(&[("everywhere", "on")])),
        ("JSON", post().json(&serde_json::json!({ "everywhere": true }))),
    ] {
        let mut browsers = Vec::new();
        for _ in 0..3 {
            browsers.push(gateway.sign_in("alice").await);
        }
        let answer = request.header("cookie", &browsers[1]).send().await.unwrap();
        assert!(answer.status().is_success() || answer.status() == 303, "{what}");
        for cookie in &browsers {
            assert!(!is_signed_in(&gateway, cookie).await, "{what}");
        }
        assert_eq!(gateway.sessions(), 1, "{what}");
        upstream.saw_nothing();
    }
    assert!(is_signed_in(&gateway, &bob).await);

    // Unasked, the other browsers stay.
    let (here, there) = (gateway.sign_in("alice").await, gateway.sign_in("alice").await);
    for everywhere in ["", "0", "off", "no"] {
        let here = gateway.sign_in("alice").await;
        post()
            .header("cookie", &here)
            .form(&[("everywhere", everywhere)])
            .send()
            .await
            .unwrap();
        assert!(!is_signed_in(&gateway, &here).await, "{everywhere}");
    }
    assert!(is_signed_in(&gateway, &here).await && is_signed_in(&gateway, &there).await);
}

#[tokio::test]
async fn the_deletion_has_the_attributes_of_the_cookie_it_deletes() {
    let gateway = gateway()
        .user("alice")
        .table("[session]\ncookie = \"__Host-door\"")
        .tls()
        .start()
        .await;
    let login = gateway
        .post("/.auth/login")
        .json(&serde_json::json!({ "username": "alice", "password": crate::harness::PASSWORD, "remember": true }))
        .send()
        .await
        .unwrap();
    let set = set_cookies(&login).remove(0);
    let pair = set.split(';').next().unwrap();
    let logout = gateway
        .post("/.auth/logout")
        .header("cookie", pair)
        .send()
        .await
        .unwrap();
    let cleared = set_cookies(&logout).remove(0);
    assert_eq!(gateway.sessions(), 0);
    let attributes = |cookie: &str| -> Vec<String> {
        let attributes = cookie.split("; ").skip(1).map(str::to_owned);
        attributes
            .filter(|one| !one.starts_with("Max-Age") && !one.starts_with("Expires"))
            .collect()
    };
    assert_eq!(attributes(&set), ["HttpOnly", "SameSite=Lax", "Secure", "Path=/"]);
    assert_eq!(attributes(&cleared), attributes(&set));
    assert!(cleared.starts_with("__Host-door=; "), "{cleared}");
    assert!(cleared.contains("; Max-Age=0; Expires="), "{cleared}");
    let expires = cleared.split("Expires=").nth(1).unwrap();
    assert!(expires.ends_with(" GMT"), "{cleared}");
}
