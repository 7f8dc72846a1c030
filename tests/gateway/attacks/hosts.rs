//! Hosts in every spelling, among many of them.

use crate::harness::{Gateway, Upstream, gateway};

/// A hundred and fifty hosts and a wildcard for people who are signed in, and one app for everybody else.
async fn many_hosts(open: &Upstream, closed: &Upstream) -> Gateway {
    let hosts: Vec<String> = (0..150).map(|n| format!("\"h{n}.example.com\"")).collect();
    let hosts = format!("host = [{}, \"*.apps.example.com\", \"[::1]\"]", hosts.join(", "));
    gateway()
        .public("/", open)
        .route_with("/", closed, &hosts)
        .start()
        .await
}

fn request(hosts: &[&str]) -> String {
    let hosts: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
    format!("GET / HTTP/1.1\r\n{hosts}\r\n")
}

#[tokio::test]
async fn every_spelling_of_a_host_meets_the_rule_of_that_host() {
    let (open, closed) = (Upstream::start(), Upstream::start());
    let gateway = many_hosts(&open, &closed).await;
    for host in [
        "h0.example.com",
        "h99.example.com",
        "h149.example.com",
        "x.apps.example.com",
        "a.b.apps.example.com",
    ] {
        let upper = host.to_ascii_uppercase();
        let mixed: String = host
            .char_indices()
            .map(|(at, c)| if at % 2 == 0 { c.to_ascii_uppercase() } else { c })
            .collect();
        for name in [host, &upper, &mixed] {
            for end in ["", ".", ":443", ":80", ".:443", ":8443", ":0443", ":0"] {
                let host = format!("{name}{end}");
                let answer = gateway.exchange(request(&[&host])).await.unwrap();
                assert_eq!(answer.status, 401, "{host}: {}", answer.head);
            }
        }
    }
    for host in [
        "[::1]",
        "[::1]:80",
        "[0:0:0:0:0:0:0:1]",
        "[::0001]:443",
        "[::0:1]",
    ] {
        assert_eq!(
            gateway.exchange(request(&[host])).await.unwrap().status,
            401,
            "{host}"
        );
    }
    open.saw_nothing();
    closed.saw_nothing();
}

#[tokio::test]
async fn a_host_that_only_looks_like_another_is_not_that_host() {
    let (open, closed) = (Upstream::start(), Upstream::start());
    let gateway = many_hosts(&open, &closed).await;
    for host in [
        "h150.example.com",
        "xh1.example.com",
        "h1.example.com.evil.example",
        "h1.example.org",
        "h1-example.com",
        "apps.example.com",
        "xapps.example.com",
        "x.apps.example.com.evil.example",
        "localhost",
    ] {
        open.forget();
        let answer = gateway.exchange(request(&[host])).await.unwrap();
        assert_eq!(answer.status, 200, "{host}: {}", answer.head);
        assert_eq!(open.only().header("host"), [host]);
    }
    closed.saw_nothing();
}

#[tokio::test]
async fn a_host_with_a_second_reading_is_refused() {
    let (open, closed) = (Upstream::start(), Upstream::start());
    let gateway = many_hosts(&open, &closed).await;
    for hosts in [
        &[][..],
        &[""],
        &["."],
        &[".."],
        &["h1.example.com.."],
        &["h1..example.com"],
        &[".h1.example.com"],
        &[".apps.example.com"],
        &["h1.example.com:"],
        &[":443"],
        &["h1.example.com:443:443"],
        &["h1.example.com:http"],
        &["h1.example.com:+443"],
        &["h1.example.com:-1"],
        &["h1.example.com:65536"],
        &["h1.example.com:0x1bb"],
        &["h1.example.com: 443"],
        &["h1 .example.com"],
        &["h1.example.com, localhost"],
        &["h1.example.com,"],
        &["user@h1.example.com"],
        &["h1.example.com@localhost"],
        &["localhost@"],
        &["h1.example.com/"],
        &["h1.example.com/x"],
        &["h1.example.com?x"],
        &["h1.example.com#x"],
        &["h1.example.com\\x"],
        &["http://h1.example.com"],
        &["//h1.example.com"],
        &["%681.example.com"],
        &["h1.example.com%2e"],
        &["h1.example.com%00"],
        &["h1.example.com;x"],
        &["\"h1.example.com\""],
        &["'h1.example.com'"],
        &["h1.example.com`"],
        &["*.apps.example.com"],
        &["[::1"],
        &["::1"],
        &["[::1]x"],
        &["[::1%25eth0]"],
        &["[]"],
        &["[h1.example.com]"],
        &["h1\u{3002}example\u{3002}com"],
        &["\u{ff48}1.example.com"],
        &["h1.example.com", "localhost"],
        &["localhost", "h1.example.com"],
        &["localhost", "localhost"],
        &["localhost", ""],
    ] {
        let mut client = gateway.raw().await;
        client.send(request(hosts)).await;
        let answer = client.response().await.unwrap_or_else(|| panic!("{hosts:?}"));
        assert_eq!(answer.status, 400, "{hosts:?}: {}", answer.head);
        assert!(client.is_closed().await, "{hosts:?}");
    }
    open.saw_nothing();
    closed.saw_nothing();
}
