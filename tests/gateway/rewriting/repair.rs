//! `repair_paths`: redirects and cookies of an app that thinks it lives at `/`.

use crate::harness::{Browser, Gateway, Upstream, gateway};

const REPAIRS: &str = "access = \"public\"\nstrip_prefix = true\nrepair_paths = true";

/// An app at `/app` that answers `/{header}/{value in percent codes}` with that header.
fn app() -> Upstream {
    Upstream::answering(|request| {
        let path = request.line().split(' ').nth(1).unwrap();
        let mut parts = path.trim_start_matches('/').split('/');
        let (name, value) = (parts.next().unwrap(), parts.next().unwrap_or_default());
        let value = value.replace('-', "%");
        let value = percent_encoding::percent_decode_str(&value)
            .decode_utf8()
            .unwrap();
        let answer = format!("HTTP/1.1 302 Found\r\n{name}: {value}\r\ncontent-length: 0\r\n\r\n");
        answer.into_bytes()
    })
}

/// What a browser that asks for `host` gets to see of a header of the app.
async fn repaired(gateway: &Gateway, host: &str, name: &str, value: &str) -> Vec<String> {
    // Dashes for percent signs: an encoded slash goes nowhere.
    let value: String = value.bytes().map(|byte| format!("-{byte:02x}")).collect();
    let answer = gateway
        .exchange(format!(
            "GET /app/{name}/{value} HTTP/1.1\r\nhost: {host}\r\n\r\n"
        ))
        .await
        .unwrap();
    assert_eq!(answer.status, 302, "{}", answer.head);
    answer.header(name).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn redirects_lead_back_below_the_route() {
    let upstream = app();
    let own = upstream.url();
    let gateway = gateway().route_with("/app", &upstream, REPAIRS).start().await;
    for name in ["Location", "Content-Location"] {
        for (from, to) in [
            ("/", "/app/"),
            ("/login?next=/x", "/app/login?next=/x"),
            ("http://gw.example:8443/x", "/app/x"),
            ("https://gw.example:8443/x", "/app/x"),
            ("//gw.example:8443/x", "/app/x"),
            (&*format!("{own}/x"), "/app/x"),
            (&own, "/app/"),
            ("x", "x"),
            ("../x", "../x"),
            ("?x", "?x"),
            ("https://idp.example/authorize", "https://idp.example/authorize"),
            ("//idp.example/authorize", "//idp.example/authorize"),
            ("/.auth/logout", "/.auth/logout"),
            (&format!("{own}/.auth/logout"), "/.auth/logout"),
        ] {
            assert_eq!(
                repaired(&gateway, "gw.example:8443", name, from).await,
                [to],
                "{name}: {from}"
            );
        }
    }
}

#[tokio::test]
async fn no_redirect_is_made_into_one_to_another_host() {
    let upstream = app();
    let own = upstream.url();
    let gateway = gateway().route_with("/app", &upstream, REPAIRS).start().await;
    for rest in [
        "//evil.com",
        "/\\evil.com",
        "///evil.com",
        "/\t/evil.com",
        "/ \\evil.com",
        "/%09/evil.com",
        "/./\\evil.com",
        "/./../../\\evil.com",
        "/%2f%2fevil.com",
        "\\evil.com",
        "\\\\evil.com",
        "\\@evil.com",
        "?//evil.com",
    ] {
        for before in ["http://gw.example", "https://gw.example", "//gw.example", &own] {
            let from = format!("{before}{rest}");
            let to = repaired(&gateway, "gw.example", "Location", &from).await;
            assert!(
                to.len() == 1 && to[0].starts_with("/app/"),
                "{from:?} became {to:?}"
            );
        }
    }
    // Who is only mentioned is not who is meant.
    for from in [
        "https://gw.example@evil.com/",
        "https://gw.example.evil.com/",
        "https://evil.com/https://gw.example/",
        "https://evil.com\\@gw.example/",
        "https:gw.example",
        "javascript://gw.example/%0aalert(1)",
    ] {
        assert_eq!(repaired(&gateway, "gw.example", "Location", from).await, [from]);
    }
}

#[tokio::test]
async fn cookies_come_back_to_the_route_alone() {
    let upstream = app();
    let gateway = gateway().route_with("/app", &upstream, REPAIRS).start().await;
    for (from, to) in [
        ("sid=1; Path=/; HttpOnly", "sid=1; Path=/app; HttpOnly"),
        ("sid=1; Path=/admin; Secure", "sid=1; Path=/app/admin; Secure"),
        ("sid=1", "sid=1"),
        ("__Host-sid=1; Path=/; Secure", "__Host-sid=1; Path=/; Secure"),
    ] {
        assert_eq!(repaired(&gateway, "gw.example", "Set-Cookie", from).await, [to]);
    }
    assert_eq!(
        repaired(&gateway, "gw.example", "Set-Cookie", "portcullis=evil; Path=/").await,
        [""; 0],
        "our own cookie is still ours alone"
    );
}

#[tokio::test]
async fn the_host_that_an_app_was_told_is_this_host() {
    let upstream = app();
    let gateway = gateway()
        .route_with(
            "/app",
            &upstream,
            &format!("{REPAIRS}\nhost_header = \"wiki.internal:8080\""),
        )
        .start()
        .await;
    for (from, to) in [
        ("http://wiki.internal:8080/x", "/app/x"),
        ("http://gw.example/x", "/app/x"),
        ("http://wiki.internal/x", "http://wiki.internal/x"),
    ] {
        assert_eq!(repaired(&gateway, "gw.example", "Location", from).await, [to]);
    }
}

#[tokio::test]
async fn a_route_s_path_is_written_as_browsers_need_it() {
    let upstream = app();
    let gateway = gateway()
        .route_with("/my app/größe", &upstream, REPAIRS)
        .start()
        .await;
    let answer = gateway
        .exchange("GET /my%20app/gr%C3%B6%C3%9Fe/Location/-2fx HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(answer.header("location"), ["/my%20app/gr%C3%B6%C3%9Fe/x"]);
}

#[tokio::test]
async fn without_it_nothing_is_repaired() {
    let upstream = app();
    let gateway = gateway()
        .route_with("/app", &upstream, "access = \"public\"\nstrip_prefix = true")
        .start()
        .await;
    for (name, value) in [
        ("Location", "/login"),
        ("Location", "http://gw.example/x"),
        ("Content-Location", "/x"),
        ("Set-Cookie", "sid=1; Path=/"),
    ] {
        assert_eq!(repaired(&gateway, "gw.example", name, value).await, [value]);
    }
}

#[tokio::test]
async fn a_browser_signs_in_to_an_old_app_below_a_path() {
    // It knows nothing of where it lives, redirects to `/home` after its own sign-in, and asks for its cookie there.
    let upstream = Upstream::answering(|request| {
        let answer = match request.line().split(' ').nth(1).unwrap() {
            "/login" => "302 Found\r\nLocation: /home\r\nSet-Cookie: sid=7; Path=/",
            "/home" if request.header("cookie") == ["sid=7"] => "200 OK",
            _ => "403 Forbidden",
        };
        format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n").into_bytes()
    });
    let gateway = gateway().route_with("/old", &upstream, REPAIRS).start().await;
    let browser: Browser = gateway.browser();
    let signed_in = browser.navigate("/old/login").await;
    let home = signed_in.headers()["location"].to_str().unwrap();
    assert_eq!(home, "/old/home");
    assert_eq!(browser.navigate(home).await.status(), 200);
    assert_eq!(
        browser.cookies("/other"),
        "",
        "another app on this host does not see it"
    );
}
