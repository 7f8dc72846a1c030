//! Whoever has signed in and is asked to again is told why.

use std::time::Duration;

use crate::harness::{
    Chromium, Gateway, GatewayBuilder, PASSWORD, Upstream, as_navigation, gateway, hidden_field,
};

/// What a browser gets that asks for an address: where it is sent, and what the login page there says, with its status. The
/// page is asked for with the same cookies.
async fn turned_away(gateway: &Gateway, path: &str, cookies: &str) -> (String, u16, String) {
    let ask = |path: &str| as_navigation(gateway.get(path)).header("cookie", cookies);
    let sent = ask(path).send().await.unwrap();
    assert_eq!(sent.status(), 303, "{path} {cookies}");
    let login = sent.headers()["location"].to_str().unwrap().to_owned();
    let page = ask(&login).send().await.unwrap();
    let status = page.status().as_u16();
    let clears = page.headers().get_all("set-cookie").iter().any(|value| {
        let value = value.to_str().unwrap();
        value.starts_with("portcullis-signed-in=;") && value.contains("Max-Age=0")
    });
    assert_eq!(clears, status == 403, "told once: {path} {cookies}");
    (login, status, message(&page.text().await.unwrap()))
}

fn message(page: &str) -> String {
    let message = page.split_once("id=\"message\"").map(|(_, rest)| rest);
    let message = message.and_then(|rest| Some(rest.split_once('>')?.1.split_once('<')?.0));
    message.unwrap_or_default().to_owned()
}

/// Signs in by the form: the session's cookie, and the mark.
async fn sign_in(gateway: &Gateway) -> (String, String) {
    let browser = gateway.browser();
    let answer = browser.submit_login("/.auth/login", "alice", PASSWORD, &[]).await;
    assert_eq!(answer.status(), 303);
    let cookie = |name: &str| {
        let values = answer.headers().get_all("set-cookie").iter();
        let mut values = values.map(|value| value.to_str().unwrap());
        let value = values.find(|value| value.starts_with(name)).unwrap();
        value
            .split_once(';')
            .map(|(pair, rest)| (pair.to_owned(), rest.to_owned()))
            .unwrap()
    };
    let (mark, attributes) = cookie("portcullis-signed-in=");
    assert_eq!(attributes, " HttpOnly; SameSite=Lax; Path=/; Max-Age=30");
    (cookie("portcullis=").0, mark)
}

fn with_routes(upstream: &Upstream) -> GatewayBuilder {
    gateway()
        .route("/", upstream)
        .route_with("/api", upstream, "credentials = [\"bearer\"]")
        .user("alice")
        .standing_clock()
}

#[tokio::test]
async fn the_page_says_what_keeps_a_sign_in_from_lasting() {
    let upstream = Upstream::start();
    let (gateway, other) = (
        with_routes(&upstream).start().await,
        with_routes(&upstream).start().await,
    );
    let (cookie, mark) = sign_in(&gateway).await;
    let (foreign_cookie, foreign_mark) = sign_in(&other).await;
    let unknown = format!("portcullis={}", "A".repeat(43));
    for (path, cookies, word, said) in [
        ("/x", mark.clone(), "no_cookie", "does not send the cookie back"),
        (
            "/x",
            format!("{mark}; {cookie}; {unknown}"),
            "two_cookies",
            "another cookie of the same name",
        ),
        (
            "/x",
            format!("{mark}; {unknown}"),
            "two_cookies",
            "another cookie of the same name",
        ),
        (
            "/x",
            format!("{foreign_mark}; {foreign_cookie}"),
            "no_session",
            "not known here",
        ),
        (
            "/.auth/account",
            format!("{foreign_mark}; {foreign_cookie}"),
            "no_session",
            "not known here",
        ),
        (
            "/api",
            format!("{mark}; {cookie}"),
            "tokens_alone",
            "for programs, which show a token",
        ),
    ] {
        let (login, status, message) = turned_away(&gateway, path, &cookies).await;
        assert_eq!(login, format!("/.auth/login?return_to={path}&not_kept={word}"));
        assert_eq!(status, 403, "{path} {cookies}");
        assert!(message.contains(said), "{path} {cookies}: {message}");
        // A program learns the plain address, and is told nothing else.
        let answer = gateway.get(path).header("cookie", &cookies).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{path}");
        assert!(!answer.text().await.unwrap().contains("not_kept"), "{path}");
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn nobody_else_is_told_anything() {
    let upstream = Upstream::start();
    let gateway = with_routes(&upstream).start().await;
    let (cookie, mark) = sign_in(&gateway).await;
    // The session ended as somebody wished, at this browser or another.
    let ended = gateway
        .post("/.auth/logout")
        .header("cookie", &cookie)
        .send()
        .await
        .unwrap();
    let mut set = ended.headers().get_all("set-cookie").iter();
    assert!(set.any(|value| value.as_bytes().starts_with(b"portcullis-signed-in=;")));
    let plain = ("/.auth/login?return_to=/x".to_owned(), 200, String::new());
    for cookies in [
        String::new(),
        cookie.clone(),
        format!("{mark}; {cookie}"),
        format!("{mark}; {mark}"),
        "portcullis-signed-in=x".to_owned(),
    ] {
        assert_eq!(turned_away(&gateway, "/x", &cookies).await, plain, "{cookies}");
    }
    // Nor an address that was kept, nor anybody after half a minute.
    let kept = "/.auth/login?return_to=/x&not_kept=no_cookie";
    let page = gateway.get(kept).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let page = gateway.get("/.auth/login?not_kept=else").header("cookie", &mark);
    assert_eq!(page.send().await.unwrap().status(), 200);
    gateway.advance(Duration::from_secs(30));
    assert_eq!(turned_away(&gateway, "/x", &mark).await, plain);
    upstream.saw_nothing();
}

#[tokio::test]
async fn the_mark_goes_to_no_app_and_none_can_set_it() {
    let upstream = Upstream::answering(|_| {
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nset-cookie: portcullis-signed-in=x\r\nset-cookie: a=1\r\n\r\n".into()
    });
    let gateway = with_routes(&upstream).start().await;
    let (cookie, mark) = sign_in(&gateway).await;
    let answer = gateway
        .get("/x")
        .header("cookie", format!("{cookie}; {mark}; b=2"));
    let answer = answer.send().await.unwrap();
    let set: Vec<_> = answer.headers().get_all("set-cookie").iter().collect();
    assert_eq!(set, ["a=1"]);
    assert_eq!(upstream.only().header("cookie"), ["b=2"]);
}

#[tokio::test]
async fn a_proxy_that_says_how_it_was_makes_no_difference_over_plain_http() {
    let gateway = gateway()
        .server("public_url = \"https://wiki.example.com\"\ntrusted_proxies = [\"127.0.0.1\"]")
        .user("alice")
        .start()
        .await;
    for proto in ["http", "https"] {
        let answer = gateway
            .post("/.auth/login")
            .header("host", "wiki.example.com")
            .header("x-forwarded-for", "203.0.113.9")
            .header("x-forwarded-proto", proto)
            .header("origin", "http://wiki.example.com")
            .form(&[("username", "alice"), ("password", PASSWORD)])
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 403, "{proto}");
        let said = message(&answer.text().await.unwrap());
        assert!(said.contains("over HTTPS alone"), "{proto}: {said}");
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
    let upstream = app();
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

/// An app of one page, at every address.
fn app() -> Upstream {
    Upstream::answering(|_| {
        let page = "<!doctype html><title>App</title><h1>The app</h1>";
        let length = page.len();
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n\r\n{page}").into()
    })
}

#[tokio::test]
async fn a_page_that_is_opened_again_after_its_session_is_told_nothing() {
    let upstream = app();
    let gateway = gateway()
        .route("/wiki", &upstream)
        .user("alice")
        .standing_clock()
        .start()
        .await;
    let chromium = Chromium::start().await;
    chromium.open(&format!("{}/wiki/page", gateway.base)).await;
    chromium.sign_in("alice", PASSWORD).await;
    chromium.sees("h1", "The app").await;
    // Back, to the page that is over: it is an ordinary login page.
    chromium.evaluate("history.back()").await;
    chromium.find("#username").await;
    assert_eq!(chromium.count("#message").await, 0);
    chromium.evaluate("history.forward()").await;
    chromium.sees("h1", "The app").await;
    // Idle for too long, and reloaded.
    gateway.advance(Duration::from_secs(31 * 60));
    chromium.evaluate("location.reload()").await;
    chromium.find("#username").await;
    assert_eq!(chromium.count("#message").await, 0);
    chromium.sign_in("alice", PASSWORD).await;
    chromium.sees("h1", "The app").await;
    // Signed out, and back.
    chromium.open(&format!("{}/.auth/logout", gateway.base)).await;
    chromium.follow("button[type=submit]").await;
    chromium.sees("#message", "You are signed out").await;
    chromium.open(&format!("{}/wiki/page", gateway.base)).await;
    chromium.find("#username").await;
    assert_eq!(chromium.count("#message").await, 0);
}
