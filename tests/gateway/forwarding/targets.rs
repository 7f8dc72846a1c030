//! Host, path and query: the upstream is asked for exactly what the client asked for.

use crate::harness::{Upstream, gateway};

#[tokio::test]
async fn a_target_arrives_byte_for_byte() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).start().await;
    for (target, arrives) in [
        ("/", "/"),
        ("/?", "/?"),
        ("/a?b", "/a?b"),
        ("//a///b//", "//a///b//"),
        ("/a;v=1/b;c", "/a;v=1/b;c"),
        ("/a%20b%C3%A4%41", "/a%20b%C3%A4%41"),
        ("/a+b:c@d!$&'()*,=~_-.", "/a+b:c@d!$&'()*,=~_-."),
        ("/a?b=c&b=c&&=", "/a?b=c&b=c&&="),
        ("/a?../../x=%2e%2e%2f", "/a?../../x=%2e%2e%2f"),
        ("/a?u=http://y/?z?", "/a?u=http://y/?z?"),
        ("/a?%zz%", "/a?%zz%"),
        ("/a?q='|{}^`\\", "/a?q='|{}^`\\"),
        ("http://x/absolute?q=1", "/absolute?q=1"),
        ("http://x", "/"),
    ] {
        let answer = gateway
            .exchange(format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await;
        assert_eq!(answer.unwrap().status, 200, "{target}");
        assert_eq!(upstream.only().line(), format!("GET {arrives} HTTP/1.1"));
        upstream.forget();
    }
}

#[tokio::test]
async fn a_stripped_prefix_is_gone_and_the_rest_is_as_it_was() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route_with("/app/one", &upstream, "access = \"public\"\nstrip_prefix = true")
        .start()
        .await;
    for (target, arrives) in [
        ("/app/one", "/"),
        ("/app/one?q=%20&&", "/?q=%20&&"),
        ("/app/one/", "/"),
        ("/app/one/x/y;z?q", "/x/y;z?q"),
        ("/app/one/app/one/x", "/app/one/x"),
        ("//app//one//x//y", "/x//y"),
        ("/app;a=1/one;b=2/x", "/x"),
        ("/%61pp/one/%41", "/%41"),
    ] {
        let answer = gateway
            .exchange(format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await;
        assert_eq!(answer.unwrap().status, 200, "{target}");
        assert_eq!(
            upstream.only().line(),
            format!("GET {arrives} HTTP/1.1"),
            "{target}"
        );
        upstream.forget();
    }
}

#[tokio::test]
async fn a_host_is_preserved_and_named_where_the_client_named_none() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).start().await;
    let own = upstream.url().replace("http://", "");
    for (head, host) in [
        (
            "GET / HTTP/1.1\r\nHost: Wiki.Example.COM\r\n\r\n",
            "Wiki.Example.COM",
        ),
        (
            "GET / HTTP/1.1\r\nHost: wiki.example.com.:80\r\n\r\n",
            "wiki.example.com.:80",
        ),
        ("GET / HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n", "[::1]:8443"),
        ("GET http://wiki/ HTTP/1.1\r\nHost: wiki\r\n\r\n", "wiki"),
        ("GET / HTTP/1.0\r\nHost: wiki\r\n\r\n", "wiki"),
        ("GET / HTTP/1.0\r\n\r\n", &own),
    ] {
        assert_eq!(gateway.exchange(head).await.unwrap().status, 200, "{head}");
        let request = upstream.only();
        assert_eq!(request.line(), "GET / HTTP/1.1");
        assert_eq!(request.header("host"), [host], "{head}");
        assert_eq!(request.header("x-forwarded-host"), [host], "{head}");
        upstream.forget();
    }
}
