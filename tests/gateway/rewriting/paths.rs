//! `rewrite`: the path that an app sees.

use crate::harness::{Upstream, gateway};

const TO_NEW: &str = "rewrite = { from = \"^/old/(.*)$\", to = \"/new/$1\" }";

/// Sends a GET for the target and returns the request line that the upstream saw, or the status where it saw none.
async fn sent(path: &str, rewrite: &str, target: &str) -> Result<String, u16> {
    let upstream = Upstream::start();
    let route = format!("access = \"public\"\n{rewrite}");
    let gateway = gateway().route_with(path, &upstream, &route).start().await;
    let answer = gateway
        .exchange(format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n"))
        .await
        .unwrap();
    if answer.status != 200 {
        upstream.saw_nothing();
        return Err(answer.status);
    }
    let line = upstream.only().line().to_owned();
    Ok(line
        .trim_start_matches("GET ")
        .trim_end_matches(" HTTP/1.1")
        .to_owned())
}

#[tokio::test]
async fn a_path_that_matches_is_made_into_another_and_every_other_passes_as_it_is() {
    for (rewrite, target, seen) in [
        (TO_NEW, "/old/x", "/new/x"),
        (TO_NEW, "/old/", "/new/"),
        (TO_NEW, "/old/x/y%20z?q=/old/1&r", "/new/x/y%20z?q=/old/1&r"),
        (TO_NEW, "/old/x?", "/new/x?"),
        (TO_NEW, "/old", "/old"),
        (TO_NEW, "/older/x", "/older/x"),
        (TO_NEW, "/x/old/y", "/x/old/y"),
        (TO_NEW, "/x//y;z/%7E?q", "/x//y;z/%7E?q"),
        (
            "rewrite = { from = \"^/(\\\\w+)/(\\\\d+)$\", to = \"/$2/$1.html\" }",
            "/page/7",
            "/7/page.html",
        ),
        (
            "rewrite = { from = \"^/(?<first>a)(b)?\", to = \"/${first}-$2\" }",
            "/ac",
            "/a-c",
        ),
        (
            "rewrite = { from = \"\\\\.php$\", to = \"\" }",
            "/x.php/y.php",
            "/x.php/y",
        ),
        (
            "rewrite = { from = \"(?i)^/OLD\", to = \"/new\" }",
            "/oLd/x",
            "/new/x",
        ),
        ("rewrite = { from = \"/\", to = \"/a/\" }", "/x/y", "/a/x/y"),
        ("rewrite = { from = \"^/x\", to = \"/a$$1\" }", "/x", "/a$1"),
    ] {
        assert_eq!(
            sent("/", rewrite, target).await.as_deref(),
            Ok(seen),
            "{rewrite} {target}"
        );
    }
}

#[tokio::test]
async fn no_spelling_of_a_path_gets_around_the_rewriting() {
    for (target, seen) in [
        ("/%6fld/x", "/new/x"),
        ("/%6F%6c%64/x", "/new/x"),
        ("//old/x", "/new/x"),
        ("///old//x", "/new/x"),
        ("/old/%2541", "/new/%2541"),
        ("/old/a%20b%c3%a9", "/new/a%20b%c3%a9"),
    ] {
        assert_eq!(
            sent("/old", TO_NEW, target).await.as_deref(),
            Ok(seen),
            "{target}"
        );
    }
}

#[tokio::test]
async fn what_a_path_is_made_into_has_one_reading_or_goes_nowhere() {
    for (rewrite, target) in [
        ("rewrite = { from = \"^/a/(.*)$\", to = \"/b/.$1\" }", "/a/."),
        ("rewrite = { from = \"^/a/(.*)$\", to = \"/b/.$1\" }", "/a/"),
        ("rewrite = { from = \"^/a/(.*)$\", to = \"/b/.$1\" }", "/a/./c"),
        ("rewrite = { from = \"^/a-(.*)$\", to = \"/b/$1/c\" }", "/a-.."),
        (
            "rewrite = { from = \"^/a-(.*)$\", to = \"/b/$1/c\" }",
            "/a-%2e%2e",
        ),
        ("rewrite = { from = \"^/a-(.*)$\", to = \"/b/$1/c\" }", "/a-..;x"),
        (
            "rewrite = { from = \"^/a/(..)(.*)$\", to = \"/%$1$2\" }",
            "/a/2e./x",
        ),
        (
            "rewrite = { from = \"^/a/(..)(.*)$\", to = \"/x%$1$2\" }",
            "/a/2fx",
        ),
        (
            "rewrite = { from = \"^/a/(..)(.*)$\", to = \"/x%$1$2\" }",
            "/a/5cx",
        ),
        (
            "rewrite = { from = \"^/a/(..)(.*)$\", to = \"/x%$1$2\" }",
            "/a/00x",
        ),
        (
            "rewrite = { from = \"^/a/(..)(.*)$\", to = \"/x%$1$2\" }",
            "/a/zzx",
        ),
        ("rewrite = { from = \"^/a(.*)$\", to = \"$1\" }", "/ab"),
        ("rewrite = { from = \"^/a(.*)$\", to = \"$1\" }", "/a"),
        ("rewrite = { from = \"/.*\", to = \"\" }", "/a"),
    ] {
        assert_eq!(sent("/", rewrite, target).await, Err(400), "{rewrite} {target}");
    }
}

#[tokio::test]
async fn no_path_begins_with_the_name_of_another_host() {
    for (rewrite, target, seen) in [
        (
            "rewrite = { from = \"^/go(.*)$\", to = \"$1\" }",
            "/go//evil.example/x",
            "/evil.example/x",
        ),
        (
            "rewrite = { from = \"^/go/(.*)$\", to = \"//$1\" }",
            "/go/evil.example/x",
            "/evil.example/x",
        ),
        (
            "rewrite = { from = \"^/go\", to = \"/\" }",
            "/go/evil.example/x",
            "/evil.example/x",
        ),
    ] {
        assert_eq!(
            sent("/", rewrite, target).await.as_deref(),
            Ok(seen),
            "{rewrite} {target}"
        );
    }
}

#[tokio::test]
async fn the_rule_is_that_of_the_path_that_was_asked_for() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route_with(
            "/old",
            &upstream,
            "access = \"public\"\nrewrite = { from = \"^/old/\", to = \"/new/\" }",
        )
        .route("/new", &upstream)
        .route_with(
            "/locked",
            &upstream,
            "rewrite = { from = \"^/locked/\", to = \"/old/\" }",
        )
        .user("alice")
        .start()
        .await;
    for (path, status) in [
        ("/old/x", 200),
        ("/new/x", 401),
        ("/locked/x", 401),
        ("/old/../new/x", 400),
    ] {
        upstream.forget();
        let answer = gateway
            .exchange(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await;
        assert_eq!(answer.unwrap().status, status, "{path}");
        match status {
            200 => assert_eq!(upstream.only().line(), "GET /new/x HTTP/1.1"),
            _ => upstream.saw_nothing(),
        }
    }
}

#[tokio::test]
async fn a_pattern_that_others_would_backtrack_over_costs_nothing() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route_with(
            "/",
            &upstream,
            "access = \"public\"\nrewrite = { from = \"^/(a+)+b$\", to = \"/x\" }",
        )
        .start()
        .await;
    // A backtracking matcher tries 2^5000 ways.
    let long = "a".repeat(5_000);
    let answer = gateway
        .exchange(format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n"))
        .await;
    assert_eq!(answer.unwrap().status, 200);
    assert_eq!(upstream.only().line(), format!("GET /{long} HTTP/1.1"));
}
