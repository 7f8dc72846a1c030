//! Whoever has signed in and is asked to again is told why.

use crate::harness::{Chromium, Gateway, PASSWORD, Upstream, gateway, hidden_field};

const ASKED_AGAIN: &str = "/.auth/login?return_to=/x";

/// The message on the login page that an address leads back to from a sign-in, and its status.
async fn asked_again(gateway: &Gateway, fields: &[(&str, &str)]) -> (u16, String) {
    let mut request = gateway.get(ASKED_AGAIN);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let page = answer.text().await.unwrap();
    let message = page.split_once("id=\"message\"").map(|(_, rest)| rest);
    let message = message.and_then(|rest| Some(rest.split_once('>')?.1.split_once('<')?.0));
    (status, message.unwrap_or_default().to_owned())
}

#[tokio::test]
async fn the_page_says_what_keeps_a_sign_in_from_lasting() {
    let gateway = gateway().user("alice").start().await;
    let cookie = gateway.sign_in("alice").await;
    let unknown = format!("portcullis={}", "A".repeat(43));
    let two = format!("{cookie}; {unknown}");
    let from_login = format!("{}/.auth/login?return_to=/x", gateway.base);
    for (what, cookies, message) in [
        ("no cookie", None, "Your browser does not send the cookie back"),
        ("an unknown session", Some(&unknown), "not known here"),
        ("two cookies", Some(&two), "another cookie of the same name"),
        (
            "another where it went",
            Some(&cookie),
            "another cookie of the same name",
        ),
    ] {
        let mut fields = vec![("referer", &*from_login)];
        fields.extend(cookies.map(|cookies| ("cookie", cookies.as_str())));
        let (status, said) = asked_again(&gateway, &fields).await;
        assert_eq!(status, 403, "{what}");
        assert!(said.contains(message), "{what}: {said}");
    }
}

#[tokio::test]
async fn nobody_else_is_told_anything() {
    let gateway = gateway().user("alice").start().await;
    let base = &gateway.base;
    for referer in [
        "",
        "/.auth/login",
        "https://elsewhere.example/.auth/login",
        &format!("{base}/"),
        &format!("{base}/app/.auth/login"),
        &format!("{base}/.auth/logout"),
        &format!("{base}/.auth/account"),
        &format!("{base}.elsewhere.example/.auth/login"),
        "\u{7f}",
    ] {
        let referer = match referer {
            "" => Vec::new(),
            "\u{7f}" => vec![("referer", "http://[/.auth/login")],
            referer => vec![("referer", referer)],
        };
        let told = asked_again(&gateway, &referer).await;
        assert_eq!(told, (200, String::new()), "{referer:?}");
    }
}

#[tokio::test]
async fn a_form_that_comes_over_plain_http_is_told_so_and_signs_nobody_in() {
    let gateway = gateway()
        .server("public_url = \"https://wiki.example.com\"")
        .user("alice")
        .start()
        .await;
    let shown = gateway.get("/.auth/login").header("host", "wiki.example.com");
    let shown = shown.send().await.unwrap();
    let cookie = shown.headers()["set-cookie"].to_str().unwrap().to_owned();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let csrf = hidden_field(&shown.text().await.unwrap(), "csrf");
    for (origin, cookie, status, said) in [
        ("http://wiki.example.com", "", 403, "over HTTPS alone"),
        ("http://wiki.example.com", &*cookie, 403, "over HTTPS alone"),
        (
            "http://elsewhere.example.com",
            &*cookie,
            403,
            "a page of another site",
        ),
        (
            "https://wiki.example.com",
            "",
            403,
            "does not send the cookie back",
        ),
        ("https://wiki.example.com", &*cookie, 303, ""),
    ] {
        let answer = gateway
            .post("/.auth/login")
            .header("host", "wiki.example.com")
            .header("origin", origin)
            .header("accept", "text/html")
            .header("cookie", cookie)
            .form(&[("username", "alice"), ("password", PASSWORD), ("csrf", &csrf)])
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{origin} {cookie}");
        let signs_in = answer
            .headers()
            .get_all("set-cookie")
            .iter()
            .any(|value| value.as_bytes().starts_with(b"__Host-portcullis="));
        assert_eq!(signs_in, status == 303, "{origin} {cookie}");
        let page = answer.text().await.unwrap();
        assert!(page.contains(said), "{origin} {cookie}: {page}");
    }
}

#[tokio::test]
async fn a_browser_does_not_go_round_in_circles() {
    let upstream = Upstream::answering(|_| {
        let page = "<!doctype html><title>App</title><h1>The app</h1>";
        let length = page.len();
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n\r\n{page}").into()
    });
    let gateway = gateway()
        .route("/wiki", &upstream)
        .public("/public", &upstream)
        .user("alice")
        .start()
        .await;
    let chromium = Chromium::start().await;
    chromium.open(&format!("{}/public", gateway.base)).await;
    // Another program of this host has a cookie of the same name.
    chromium
        .evaluate("document.cookie = 'portcullis=other; path=/wiki'")
        .await;
    chromium.open(&format!("{}/wiki/page", gateway.base)).await;
    assert_eq!(chromium.count("#message").await, 0);
    chromium.sign_in("alice", PASSWORD).await;
    chromium
        .sees(
            "#message",
            "your browser has another cookie of the same name for the page you wanted",
        )
        .await;
    chromium
        .evaluate("document.cookie = 'portcullis=; path=/wiki; max-age=0'")
        .await;
    chromium.sign_in("alice", PASSWORD).await;
    chromium.sees("h1", "The app").await;
    assert_eq!(chromium.location().await, "/wiki/page");
}
