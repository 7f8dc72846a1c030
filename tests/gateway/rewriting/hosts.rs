//! `host_header`: the host that an app sees.

use crate::harness::{Upstream, gateway};

#[tokio::test]
async fn an_app_sees_the_client_s_host_its_own_or_another() {
    for (line, host) in [
        ("", Some("wiki.example.com:8443")),
        ("host_header = \"preserve\"", Some("wiki.example.com:8443")),
        ("host_header = \"upstream\"", None),
        ("host_header = \"Wiki.Internal\"", Some("wiki.internal")),
        ("host_header = \"wiki:8080\"", Some("wiki:8080")),
    ] {
        let upstream = Upstream::start();
        let own = upstream.url().replace("http://", "");
        let gateway = gateway()
            .route_with("/", &upstream, &format!("access = \"public\"\n{line}"))
            .start()
            .await;
        gateway
            .exchange("GET / HTTP/1.1\r\nhost: wiki.example.com:8443\r\n\r\n")
            .await
            .unwrap();
        let request = upstream.only();
        assert_eq!(request.header("host"), [host.unwrap_or(&own)], "{line}");
        // By which name the client knows it is said all the same.
        assert_eq!(
            request.header("x-forwarded-host"),
            ["wiki.example.com:8443"],
            "{line}"
        );
        let [forwarded] = request.header("forwarded")[..] else {
            panic!("{}", request.head)
        };
        assert!(
            forwarded.contains("host=\"wiki.example.com:8443\""),
            "{forwarded}"
        );
    }
}

#[tokio::test]
async fn a_client_that_names_no_host_is_told_from_none_that_is_set() {
    for (line, host) in [
        ("", None),
        ("host_header = \"upstream\"", None),
        ("host_header = \"wiki.internal\"", Some("wiki.internal")),
    ] {
        let upstream = Upstream::start();
        let own = upstream.url().replace("http://", "");
        let gateway = gateway()
            .route_with("/", &upstream, &format!("access = \"public\"\n{line}"))
            .start()
            .await;
        gateway.exchange("GET / HTTP/1.0\r\n\r\n").await.unwrap();
        assert_eq!(upstream.only().header("host"), [host.unwrap_or(&own)], "{line}");
    }
}

#[tokio::test]
async fn the_host_that_an_app_sees_chooses_no_route() {
    let (public, private) = (Upstream::start(), Upstream::start());
    let gateway = gateway()
        .route_with(
            "/",
            &public,
            "host = \"a.example\"\naccess = \"public\"\nhost_header = \"b.example\"",
        )
        .route_with("/", &private, "host = \"b.example\"")
        .start()
        .await;
    for (host, status) in [("a.example", 200), ("b.example", 401)] {
        let answer = gateway
            .exchange(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n"))
            .await;
        assert_eq!(answer.unwrap().status, status, "{host}");
    }
    assert_eq!(public.only().header("host"), ["b.example"]);
    private.saw_nothing();
}
