//! Which route a request takes, and whom it lets pass. Each route leads to an upstream that answers with its name.

use crate::harness::{Gateway, GatewayBuilder, Upstream, gateway};

/// An upstream that says who it is.
fn named(name: &'static str) -> Upstream {
    Upstream::answering(move |_| {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len()).into_bytes()
    })
}

/// The status, and who answered if it was an upstream.
async fn answer(gateway: &Gateway, method: &str, host: &str, path: &str) -> (u16, String) {
    let answer = gateway
        .exchange(format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n\r\n"))
        .await
        .unwrap();
    let body = if answer.status == 200 {
        answer.text()
    } else {
        String::new()
    };
    (answer.status, body)
}

#[tokio::test]
async fn the_most_specific_route_wins_in_whatever_order_they_stand() {
    let routes = [
        ("any", "/", ""),
        ("app", "/app", ""),
        ("deep", "/app/deep/er", ""),
        ("wiki", "/", "host = \"wiki.example.com\""),
        ("wiki-app", "/app", "host = \"wiki.example.com\""),
        ("below", "/", "host = \"*.example.com\""),
        ("far-below", "/", "host = \"*.a.example.com\""),
        ("two", "/", "host = [\"one.test\", \"two.test\"]"),
    ];
    let upstreams: Vec<Upstream> = routes.iter().map(|(name, ..)| named(name)).collect();
    for rotation in 0..routes.len() {
        let mut builder = gateway();
        let mut order: Vec<usize> = (0..routes.len()).collect();
        order.rotate_left(rotation);
        if rotation % 2 == 1 {
            order.reverse();
        }
        for index in order {
            let (_, path, more) = routes[index];
            builder = builder.route_with(path, &upstreams[index], &format!("access = \"public\"\n{more}"));
        }
        let gateway = builder.start().await;
        for (host, path, winner) in [
            ("x", "/", "any"),
            ("x", "/application", "any"),
            ("x", "/app", "app"),
            ("x", "/app/", "app"),
            ("x", "//app;v=1/x", "app"),
            ("x", "/%61pp/x", "app"),
            ("x", "/App", "any"),
            ("x", "/app/deep", "app"),
            ("x", "/app/deep/er", "deep"),
            ("x", "/app/deep/er/still", "deep"),
            ("x", "/app/deep/erased", "app"),
            ("wiki.example.com", "/", "wiki"),
            ("WIKI.Example.com.:8443", "/", "wiki"),
            ("wiki.example.com", "/app/x", "wiki-app"),
            // The host decides first: a longer path of a less specific host does not come into it.
            ("wiki.example.com", "/app/deep/er", "wiki-app"),
            ("other.example.com", "/app/deep/er", "below"),
            ("x.y.example.com", "/", "below"),
            ("x.a.example.com", "/", "far-below"),
            ("a.example.com", "/", "below"),
            ("example.com", "/", "any"),
            ("evilexample.com", "/", "any"),
            ("example.com.evil", "/", "any"),
            ("one.test", "/", "two"),
            ("two.test:80", "/x", "two"),
            ("[::1]", "/", "any"),
        ] {
            assert_eq!(
                answer(&gateway, "GET", host, path).await,
                (200, winner.to_owned()),
                "{host}{path}"
            );
        }
    }
}

#[tokio::test]
async fn what_no_route_answers_is_404() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .public("/app", &upstream)
        .route_with("/", &upstream, "access = \"public\"\nhost = \"wiki.example.com\"")
        .start()
        .await;
    for (host, path) in [
        ("x", "/"),
        ("x", "/apps"),
        ("wiki.example.org", "/"),
        ("x.wiki.example.com", "/"),
    ] {
        assert_eq!(answer(&gateway, "GET", host, path).await.0, 404, "{host}{path}");
    }
    let nameless = gateway.exchange("GET / HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(nameless.status, 404);
    upstream.saw_nothing();
}

#[tokio::test]
async fn a_method_that_no_route_of_the_place_answers_is_405_with_those_that_are() {
    let (read, write, rest) = (named("read"), named("write"), named("rest"));
    let gateway = gateway()
        .route_with(
            "/doc",
            &read,
            "access = \"public\"\nmethods = [\"GET\", \"HEAD\"]",
        )
        .route_with(
            "/doc",
            &write,
            "access = \"public\"\nmethods = [\"PUT\", \"PROPFIND\"]",
        )
        .public("/", &rest)
        .start()
        .await;
    for (method, who) in [("GET", "read"), ("PUT", "write"), ("PROPFIND", "write")] {
        assert_eq!(
            answer(&gateway, method, "x", "/doc/1").await,
            (200, who.to_owned())
        );
    }
    for method in ["POST", "DELETE", "OPTIONS", "PATCH", "MKCALENDAR", "get"] {
        let refused = gateway
            .exchange(format!("{method} /doc/1 HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await
            .unwrap();
        assert_eq!(refused.status, 405, "{method}");
        assert_eq!(refused.header("allow"), ["GET, HEAD, PUT, PROPFIND"]);
    }
    // It falls through to no other route, which may have another rule.
    rest.saw_nothing();
    assert_eq!(
        answer(&gateway, "POST", "x", "/other").await,
        (200, "rest".to_owned())
    );
}

#[tokio::test]
async fn each_rule_lets_those_pass_whom_it_names() {
    let upstream = Upstream::start();
    let rules = [
        ("/public", "\"public\""),
        ("/optional", "\"optional\""),
        ("/anybody", "\"authenticated\""),
        ("/staff", "{ roles = [\"staff\"] }"),
        ("/either", "{ roles = [\"staff\", \"dev\"] }"),
        ("/alice", "{ users = [\"alice\"] }"),
        ("/both", "{ roles = [\"staff\"], users = [\"alice\", \"carol\"] }"),
    ];
    let with_routes = |builder: GatewayBuilder, (path, access): &(&str, &str)| {
        builder.route_with(path, &upstream, &format!("access = {access}"))
    };
    let gateway = rules
        .iter()
        .fold(gateway(), with_routes)
        .user_with("alice", &["staff"], "")
        .user_with("bob", &["dev"], "")
        .user_with("carol", &["Staff", "staff2"], "")
        .start()
        .await;
    let everybody = [None, Some("alice"), Some("bob"), Some("carol")];
    for (path, statuses) in [
        ("/public", [200, 200, 200, 200]),
        ("/optional", [200, 200, 200, 200]),
        ("/anybody", [401, 200, 200, 200]),
        ("/staff", [401, 200, 403, 403]),
        ("/either", [401, 200, 200, 403]),
        ("/alice", [401, 200, 403, 403]),
        ("/both", [401, 200, 403, 403]),
    ] {
        for (user, status) in everybody.iter().zip(statuses) {
            let mut credentials = Vec::new();
            match user {
                None => credentials.push(("x-nobody", "1".to_owned())),
                Some(user) => {
                    credentials.push(("cookie", gateway.sign_in(user).await));
                    credentials.push(("authorization", format!("Bearer {}", gateway.token(user).await)));
                }
            }
            for (name, credential) in credentials {
                let answer = gateway.get(path).header(name, credential).send().await.unwrap();
                assert_eq!(answer.status(), status, "{user:?} with {name} to {path}");
                if status != 200 {
                    upstream.saw_nothing();
                    continue;
                }
                // On a public route nobody is looked at.
                let known = user.filter(|_| path != "/public");
                assert_eq!(
                    upstream.only().header("remote-user"),
                    Vec::from_iter(known),
                    "{path}"
                );
                upstream.forget();
            }
        }
    }
}

#[tokio::test]
async fn on_an_optional_route_a_credential_that_is_not_valid_is_told_so_or_ignored() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route_with("/", &upstream, "access = \"optional\"")
        .start()
        .await;
    // A cookie is sent by a browser that cannot know; a token is sent by a program that meant it.
    let stale = format!("portcullis={}", "A".repeat(43));
    let answer = gateway.get("/").header("cookie", stale).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let request = upstream.only();
    assert!(request.header("remote-user").is_empty() && request.header("cookie").is_empty());
}
