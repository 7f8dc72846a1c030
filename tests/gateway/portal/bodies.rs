//! Bodies that the gateway reads itself: of a kind it knows, small, and in time.

use super::header;
use crate::harness::{PASSWORD, Upstream, gateway};

#[tokio::test]
async fn a_body_of_another_kind_is_not_read() {
    let gateway = gateway().user("alice").start().await;
    let form = format!(
        "grant_type=password&username=alice&password={}",
        PASSWORD.replace(' ', "+")
    );
    let as_json = format!(r#"{{"grant_type":"password","username":"alice","password":"{PASSWORD}"}}"#);
    for (content_type, body, login, token) in [
        ("application/json", &as_json, 200, 200),
        ("Application/JSON; charset=utf-8", &as_json, 200, 200),
        (
            "application/x-www-form-urlencoded; charset=utf-8",
            &form,
            403,
            200,
        ),
        ("application/json", &form, 400, 400),
        ("application/x-www-form-urlencoded", &as_json, 403, 400),
        ("text/plain", &as_json, 415, 400),
        ("text/json", &as_json, 415, 400),
        ("application/jsonp", &as_json, 415, 400),
        ("multipart/form-data; boundary=x", &form, 415, 400),
        ("", &form, 415, 400),
        ("\u{e9}", &form, 415, 400),
    ] {
        let post = |path: &str| {
            gateway
                .post(path)
                .header("content-type", content_type)
                .body(body.clone())
                .send()
        };
        assert_eq!(
            post("/.auth/login").await.unwrap().status(),
            login,
            "{content_type}"
        );
        assert_eq!(
            post("/.auth/token").await.unwrap().status(),
            token,
            "{content_type}"
        );
    }
    let none = gateway.post("/.auth/login").send().await.unwrap();
    assert_eq!(none.status(), 415);
    let none = gateway.post("/.auth/token").send().await.unwrap();
    assert_eq!(
        (none.status().as_u16(), header(&none, "content-type")),
        (400, "application/json")
    );
}

#[tokio::test]
async fn what_is_no_form_and_no_json_is_400() {
    let gateway = gateway().user("alice").start().await;
    let deep = format!("{{\"username\":{}{}}}", "[".repeat(4000), "]".repeat(4000));
    for (content_type, body) in [
        ("application/json", &b""[..]),
        ("application/json", b"{"),
        ("application/json", b"[]"),
        ("application/json", b"{\"username\":\"alice\",}"),
        ("application/json", b"{\"username\":\"\xff\"}"),
        (
            "application/json",
            b"{\"username\":\"\\ud800\",\"password\":\"x\"}",
        ),
        (
            "application/json",
            b"{\"username\":\"alice\",\"password\":\"x\"} trailing",
        ),
        (
            "application/json",
            b"\xef\xbb\xbf{\"username\":\"alice\",\"password\":\"x\"}",
        ),
        ("application/json", deep.as_bytes()),
        ("application/x-www-form-urlencoded", b"username=%ff"),
        ("application/x-www-form-urlencoded", b"username=\xff"),
        (
            "application/x-www-form-urlencoded",
            b"username=alice&username=bob&password=x",
        ),
        ("application/x-www-form-urlencoded", b"csrf=a&%63srf=b"),
    ] {
        for path in ["/.auth/login", "/.auth/token", "/.auth/logout"] {
            let request = gateway
                .post(path)
                .header("content-type", content_type)
                .body(body.to_vec());
            assert_eq!(
                request.send().await.unwrap().status(),
                400,
                "{path} {}",
                String::from_utf8_lossy(&body[..body.len().min(60)])
            );
        }
    }
    // Nothing was lost over it.
    gateway.sign_in("alice").await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_before_it_has_come() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    for path in ["/.auth/login", "/.auth/token", "/.auth/logout"] {
        let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n");
        for length in ["16385", "1000000000", "18446744073709551613"] {
            // Only the head is sent: whoever waits for the body waits for ever.
            let answer = gateway
                .exchange(format!("{head}content-length: {length}\r\n\r\n"))
                .await
                .unwrap();
            assert_eq!(answer.status, 413, "{path} {length}");
            assert_eq!(answer.header("connection"), ["close"], "{path} {length}");
        }
        // One that does not say how long it will be is cut off when it is too long.
        let chunk = format!("2000\r\n{}\r\n", "x".repeat(0x2000));
        let answer = gateway
            .exchange(format!(
                "{head}transfer-encoding: chunked\r\n\r\n{}",
                chunk.repeat(3)
            ))
            .await
            .unwrap();
        assert_eq!(answer.status, 413, "{path}");
    }
    assert_eq!(gateway.hashes_computed(), 0);
    upstream.saw_nothing();
    // The most that is read is enough for every password that is.
    let password = "x".repeat(1024);
    let answer = gateway
        .post("/.auth/login")
        .json(&serde_json::json!({ "username": "alice", "password": password }));
    assert_eq!(answer.send().await.unwrap().status(), 401);
    assert_eq!(gateway.hashes_computed(), 1);
}

#[tokio::test]
async fn a_body_that_does_not_come_or_breaks_off_ends_its_connection_and_nothing_else() {
    let gateway = gateway()
        .user("alice")
        .table("[server.limits]\nheader_timeout = \"300ms\"")
        .start()
        .await;
    for path in ["/.auth/login", "/.auth/token", "/.auth/logout"] {
        let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n");
        for (what, rest) in [
            ("nothing", "content-length: 100\r\n\r\n"),
            ("a little", "content-length: 100\r\n\r\n{\"username\":"),
            ("a chunk", "transfer-encoding: chunked\r\n\r\n3\r\n{\"a\r\n"),
        ] {
            let mut client = gateway.raw().await;
            client.send(format!("{head}{rest}")).await;
            let answer = client.response().await.unwrap();
            assert_eq!(answer.status, 408, "{path} {what}");
            assert!(client.is_closed().await, "{path} {what}");
        }
        let mut client = gateway.raw().await;
        client.send(format!("{head}content-length: 100\r\n\r\n{{")).await;
        client.finish().await;
        if let Some(answer) = client.response().await {
            assert_eq!(answer.status, 400, "{path}");
        }
    }
    gateway.sign_in("alice").await;
}
