//! Paths that a rule and an app could read differently.

use super::head;
use crate::harness::{Gateway, Upstream, gateway};

/// Everybody may open everything but `/admin`: whoever finds a spelling of it that its rule misses is in.
async fn open_but_for_admin(upstream: &Upstream) -> Gateway {
    gateway()
        .public("/", upstream)
        .route("/admin", upstream)
        .route("/secret%20room", upstream)
        .user("alice")
        .start()
        .await
}

#[tokio::test]
async fn a_path_with_a_second_reading_reaches_no_route() {
    let upstream = Upstream::start();
    let gateway = open_but_for_admin(&upstream).await;
    let cookie = format!("Cookie: {}", gateway.sign_in("alice").await);
    let targets: &[&[u8]] = &[
        // Dot segments, and everything that some server reads as one.
        b"/..",
        b"/.",
        b"/public/../admin",
        b"/public/./admin",
        b"/public/..",
        b"/public//../admin",
        b"/public/../../admin",
        b"/public/%2e%2e/admin",
        b"/public/%2E%2E/admin",
        b"/public/.%2e/admin",
        b"/public/%2e./admin",
        b"/public/%2e/admin",
        b"/public/..;/admin",
        b"/public/.;/admin",
        b"/public/..;x=1/admin",
        b"/public/%2e%2e;/admin",
        b"/public/..%3b/admin",
        b"/public/..%3Bx=1/admin",
        // Decoded twice.
        b"/public/%252e%252e/admin",
        b"/public/.%252e/admin",
        b"/public/..%253b/admin",
        b"/public/..%252fadmin",
        b"/public/..%252Fadmin",
        b"/public%252f..%252fadmin",
        b"/public%252f%252e%252e%252fadmin",
        b"/public/..%255cadmin",
        b"/public/%252e%252e%255cadmin",
        b"/public/x%252f..;%252fadmin",
        // Slashes that are none yet.
        b"/public/..%2fadmin",
        b"/public%2f..%2fadmin",
        b"/public%2F%2E%2E%2Fadmin",
        b"/%2fadmin",
        b"/admin%2f",
        b"/%2f%2fadmin",
        b"/public\\..\\admin",
        b"/public\\../admin",
        b"/\\admin",
        b"/public/%5c..%5cadmin",
        b"/public/..%5Cadmin",
        // UTF-8 in longer forms than needed.
        b"/public/%c0%ae%c0%ae/admin",
        b"/public/.%c0%ae/admin",
        b"/public/..%c0%afadmin",
        b"/public/%c1%9c..%c1%9cadmin",
        b"/public/..%e0%80%afadmin",
        b"/public/%e0%80%ae%e0%80%ae/admin",
        b"/public/..%f0%80%80%afadmin",
        // Bytes that end a string, a line or a name somewhere.
        b"/admin%00",
        b"/admin%00.png",
        b"/public%00/../admin",
        b"/admin%0a",
        b"/admin%0d%0aX-Evil:%201",
        b"/admin%09",
        b"/admin%7f",
        b"/admin%1f",
        b"/public/\xff",
        b"/caf\xc3\xa9",
        b"/\xe2\x80\xa5/admin",
        // Percent codes that are none.
        b"/%",
        b"/%4",
        b"/%ZZ",
        b"/%u0061dmin",
        b"/%%61dmin",
        b"/admin%",
        b"/%c0%",
    ];
    for target in targets {
        let shown = String::from_utf8_lossy(target);
        // Whoever asks: nobody at all, or somebody who might even go there.
        for fields in [&[][..], &[cookie.as_str()]] {
            let mut client = gateway.raw().await;
            client.send(head([b"GET ", *target].concat(), fields)).await;
            let answer = client.response().await.expect(&shown);
            assert_eq!(answer.status, 400, "{shown}: {}", answer.head);
            assert!(client.is_closed().await, "{shown}");
        }
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn every_spelling_of_a_protected_path_meets_its_rule() {
    let upstream = Upstream::start();
    let gateway = open_but_for_admin(&upstream).await;
    for target in [
        "/admin",
        "/admin/",
        "/admin/x",
        "//admin",
        "///admin/x",
        "//admin//x",
        "/admin//",
        "/%61dmin",
        "/%61%64%6d%69%6e",
        "/%61%64%6D%69%6E/x",
        "/admin;",
        "/admin;x",
        "/admin;jsessionid=1/x",
        "/;/admin",
        "/;x=1/admin",
        "/;x//;y/admin;z",
        "/admin?",
        "/admin?x=/public",
        "/admin?/public/ok",
        "/admin?/../public",
        "/admin#/public",
        "/admin?#/public",
        "/admin;/public",
        "/admin/public",
        "/admin//public",
        "/admin/%2561",
        "/secret%20room",
        "/secret%20roo%6d",
        "/secret%20%72oom;x/y",
        "http://localhost/admin",
        "http://localhost//admin",
        "http://localhost/%61dmin?x",
        "HTTP://LOCALHOST/admin",
    ] {
        let answer = gateway
            .exchange(head(format!("GET {target}"), &[]))
            .await
            .unwrap();
        assert_eq!(answer.status, 401, "{target}: {}", answer.head);
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn what_passes_a_rule_travels_on_byte_for_byte() {
    let upstream = Upstream::start();
    let gateway = open_but_for_admin(&upstream).await;
    for (target, forwarded) in [
        ("/", "/"),
        ("//", "//"),
        ("/public//x/", "/public//x/"),
        ("/public;v=1/x;y", "/public;v=1/x;y"),
        // A name of its own, whatever the case: paths have one (RFC 9110, section 4.2.3).
        ("/ADMIN", "/ADMIN"),
        ("/Admin/x", "/Admin/x"),
        ("/Secret%20room", "/Secret%20room"),
        ("/adminx", "/adminx"),
        ("/admin.", "/admin."),
        ("/x/admin", "/x/admin"),
        ("/admin%23/public", "/admin%23/public"),
        ("/admin%3F/public", "/admin%3F/public"),
        ("/100%25", "/100%25"),
        ("/a%252fb", "/a%252fb"),
        ("/caf%C3%A9/...", "/caf%C3%A9/..."),
        // What a query says is the app's business alone.
        ("/?", "/?"),
        ("/public?x=/../admin", "/public?x=/../admin"),
        ("/public?x=%2e%2e%2fadmin%0d%0a", "/public?x=%2e%2e%2fadmin%0d%0a"),
        ("/public??/admin", "/public??/admin"),
        // A fragment is for browsers (RFC 9112, section 3.2): it is neither matched nor sent on.
        ("/public#/admin", "/public"),
        ("/public/#/../../admin", "/public/"),
        ("/public?x#/admin", "/public?x"),
        // The origin form of what came in absolute form.
        ("http://localhost/public?x", "/public?x"),
        ("http://localhost//x", "//x"),
        ("http://localhost", "/"),
        ("https://localhost/public", "/public"),
    ] {
        upstream.forget();
        let answer = gateway
            .exchange(head(format!("GET {target}"), &[]))
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{target}: {}", answer.head);
        let request = upstream.only();
        assert_eq!(request.line(), format!("GET {forwarded} HTTP/1.1"), "{target}");
        assert_eq!(request.header("host"), ["localhost"], "{target}");
    }
}

#[tokio::test]
async fn a_prefix_that_is_cut_off_leads_nowhere_else() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route_with("/public", &upstream, "access = \"public\"\nstrip_prefix = true")
        .route_with("/a/b", &upstream, "access = \"public\"\nstrip_prefix = true")
        .route("/admin", &upstream)
        .start()
        .await;
    for (target, status) in [
        ("/public/../admin", 400),
        ("/public/..;/admin", 400),
        ("/public/%2e%2e/admin", 400),
        ("/public%2f..%2fadmin", 400),
        ("/public/..%252fadmin", 400),
        ("/public\\..\\admin", 400),
        ("/publicadmin", 404),
        ("/public%20/admin", 404),
        ("/a", 404),
        ("/a/bc", 404),
        ("/a//admin", 404),
        ("/admin", 401),
        ("//admin", 401),
    ] {
        let answer = gateway
            .exchange(head(format!("GET {target}"), &[]))
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{target}: {}", answer.head);
    }
    upstream.saw_nothing();
    for (target, forwarded) in [
        ("/public", "/"),
        ("/public/", "/"),
        ("/public?x=1", "/?x=1"),
        ("/public/x//y/?z", "/x//y/?z"),
        ("/%70ublic/x%20y", "/x%20y"),
        ("/public;v=1/x;v=2", "/x;v=2"),
        ("/a/b/c", "/c"),
        ("/a//b//c", "/c"),
        // Never two slashes in front: the first segment would be read as a host.
        ("/public//evil.example.com/x", "/evil.example.com/x"),
        ("//public///evil.example.com", "/evil.example.com"),
    ] {
        upstream.forget();
        let answer = gateway
            .exchange(head(format!("GET {target}"), &[]))
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{target}: {}", answer.head);
        assert_eq!(
            upstream.only().line(),
            format!("GET {forwarded} HTTP/1.1"),
            "{target}"
        );
    }
}
