//! Browsers that come back to the upstream they were sent to.

use crate::harness::{Browser, Gateway, RawResponse, Replica, Upstream, gateway};

const STICKY: &str = "balance = \"sticky\"";

/// Who answers a browser.
async fn answers(browser: &Browser, path: &str) -> String {
    let answer = browser.request("GET", path).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

/// The answer to somebody with this cookie.
async fn ask(gateway: &Gateway, path: &str, cookie: &str) -> RawResponse {
    let cookie = match cookie {
        "" => String::new(),
        cookie => format!("cookie: {cookie}\r\n"),
    };
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{cookie}\r\n");
    gateway.exchange(request).await.unwrap()
}

/// The cookie that an answer sets, as `name=value`.
#[track_caller]
fn set_cookie(answer: &RawResponse) -> String {
    let [cookie] = answer.header("set-cookie")[..] else {
        panic!("{}", answer.head)
    };
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_browser_stays_where_it_was_sent_and_browsers_are_spread() {
    let [a, b, c] = ["a", "b", "c"].map(Replica::start);
    let gateway = gateway().balanced("/", &[&a, &b, &c], STICKY).start().await;
    let browsers = [(); 9].map(|()| gateway.browser());
    let mut homes = String::new();
    for browser in &browsers {
        homes += &answers(browser, "/").await;
    }
    assert_eq!(homes, "abcabcabc");
    for _ in 0..50 {
        for (browser, home) in browsers.iter().zip(homes.chars()) {
            assert_eq!(answers(browser, "/page").await, home.to_string());
        }
    }
}

#[tokio::test]
async fn the_cookie_is_for_servers_alone_ends_with_the_browser_and_is_set_once() {
    for (tls, name, attributes) in [
        (false, "portcullis-route", "HttpOnly; SameSite=Lax; Path=/"),
        (
            true,
            "__Host-portcullis-route",
            "HttpOnly; SameSite=Lax; Secure; Path=/",
        ),
    ] {
        let [a, b] = ["a", "b"].map(Replica::start);
        let gateway = gateway().balanced("/", &[&a, &b], STICKY);
        let gateway = if tls {
            gateway.tls().server("public_url = \"https://localhost\"")
        } else {
            gateway
        };
        let gateway = gateway.start().await;
        let first = gateway.get("/").send().await.unwrap();
        let cookie = first.headers()["set-cookie"].to_str().unwrap();
        let (pair, rest) = cookie.split_once("; ").unwrap();
        assert_eq!(rest, attributes);
        let (found, value) = pair.split_once('=').unwrap();
        assert_eq!((found, value.len()), (name, 22));
        let second = gateway.get("/").header("cookie", pair).send().await.unwrap();
        assert!(!second.headers().contains_key("set-cookie"));
    }
}

#[tokio::test]
async fn where_there_is_no_choice_no_cookie_is_set() {
    let [a, b] = ["a", "b"].map(Replica::start);
    let gateway = gateway()
        .balanced("/one", &[&a], STICKY)
        .balanced("/other", &[&a, &b], "")
        .start()
        .await;
    for path in ["/one", "/other"] {
        let answer = ask(&gateway, path, "").await;
        assert!(answer.header("set-cookie").is_empty(), "{}", answer.head);
    }
}

#[tokio::test]
async fn a_forged_or_foreign_cookie_is_ignored_and_replaced() {
    let [a, b] = ["a", "b"].map(Replica::start);
    let sticky = || gateway().balanced("/", &[&a, &b], STICKY);
    let gateway = sticky().start().await;
    let real = set_cookie(&ask(&gateway, "/", "").await);
    let foreign = set_cookie(&ask(&sticky().start().await, "/", "").await);
    let (name, value) = real.split_once('=').unwrap();
    let (_, foreign) = foreign.split_once('=').unwrap();
    for forged in [
        String::new(),
        "a".to_owned(),
        "0".to_owned(),
        "A".repeat(22),
        value.to_ascii_uppercase(),
        value[1..].to_owned(),
        format!("{value}x"),
        format!("\"{value}\""),
        foreign.to_owned(),
        format!("{value}; {name}={value}"),
        "\u{1f512}".to_owned(),
    ] {
        let answer = ask(&gateway, "/", &format!("{name}={forged}")).await;
        assert_eq!(answer.status, 200);
        let home = answer.text();
        let new = set_cookie(&answer);
        assert!(new.starts_with(&format!("{name}=")), "{new}");
        let again = ask(&gateway, "/", &new).await;
        assert_eq!(again.text(), home, "{forged}");
        assert!(again.header("set-cookie").is_empty(), "{forged}: {}", again.head);
    }
    assert!(ask(&gateway, "/", &real).await.header("set-cookie").is_empty());
}

#[tokio::test]
async fn a_browser_whose_upstream_is_gone_is_sent_to_another_and_stays_there() {
    let [mut a, b] = ["a", "b"].map(Replica::start);
    let gateway = gateway().balanced("/", &[&a, &b], STICKY).start().await;
    let first = ask(&gateway, "/", "").await;
    assert_eq!(first.text(), "a");
    let cookie = set_cookie(&first);
    a.die();
    let moved = ask(&gateway, "/", &cookie).await;
    assert_eq!(moved.text(), "b");
    let cookie = set_cookie(&moved);
    a.live();
    for _ in 0..10 {
        let answer = ask(&gateway, "/", &cookie).await;
        assert_eq!(answer.text(), "b");
        assert!(answer.header("set-cookie").is_empty());
    }
}

#[tokio::test]
async fn routes_of_one_host_share_a_cookie_and_each_browser_has_a_home_in_each() {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(Replica::start);
    let gateway = gateway()
        .balanced("/one", &[&a, &b], STICKY)
        .balanced("/two", &[&c, &d], STICKY)
        .balanced("/both", &[&a, &b], STICKY)
        .start()
        .await;
    let browsers = [(); 4].map(|()| gateway.browser());
    let mut homes = Vec::new();
    for browser in &browsers {
        homes.push((answers(browser, "/one").await, answers(browser, "/two").await));
    }
    for _ in 0..5 {
        for (browser, (one, two)) in browsers.iter().zip(&homes) {
            assert_eq!(&answers(browser, "/two").await, two);
            assert_eq!(&answers(browser, "/one").await, one);
            assert_eq!(&answers(browser, "/both").await, one, "the same upstreams");
        }
    }
}

#[tokio::test]
async fn no_app_sees_the_cookie_or_sets_it() {
    let [a, b] = [(); 2].map(|()| {
        Upstream::answering(|_| {
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nset-cookie: portcullis-route=evil\r\nset-cookie: app=1\r\n\r\n".into()
        })
    });
    let gateway = gateway()
        .balanced("/", &[&a, &b], STICKY)
        .balanced("/plain", &[&a], "")
        .start()
        .await;
    let first = ask(&gateway, "/", "").await;
    let cookies = first.header("set-cookie");
    assert_eq!((cookies.len(), cookies[0]), (2, "app=1"));
    let cookie = cookies[1].split(';').next().unwrap();
    for path in ["/", "/plain"] {
        let answer = ask(&gateway, path, &format!("x=1; {cookie}; y=2")).await;
        assert_eq!(answer.header("set-cookie"), ["app=1"]);
    }
    for request in a.received().iter().chain(&b.received()).skip(1) {
        assert_eq!(request.header("cookie"), ["x=1; y=2"]);
    }
}

#[tokio::test]
async fn a_websocket_finds_the_same_upstream_and_may_be_the_first_to_come() {
    let [a, b] = ["a", "b"].map(|name| {
        Upstream::answering(move |_| {
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: talk/1\r\nx-name: {name}\r\n\r\n"
            )
            .into()
        })
    });
    let gateway = gateway().balanced("/", &[&a, &b], STICKY).start().await;
    let shake_hands = async |cookie: &str| {
        let mut client = gateway.raw().await;
        client
            .send(format!(
                "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: talk/1\r\n{cookie}\r\n"
            ))
            .await;
        (client.response().await.unwrap(), client)
    };
    let (first, _held) = shake_hands("").await;
    assert_eq!(first.header("x-name"), ["a"]);
    let cookie = format!("cookie: {}\r\n", set_cookie(&first));
    for _ in 0..5 {
        let (again, _held) = shake_hands(&cookie).await;
        assert_eq!(again.header("x-name"), ["a"], "however busy it is");
        assert!(again.header("set-cookie").is_empty());
    }
}
