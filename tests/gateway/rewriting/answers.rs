//! `response_headers`: what is set and taken out on the way down.

use crate::harness::{PlayedUpstream, Upstream, gateway};

const LINES: &str = "response_headers = { X-Frame-Options = \"DENY\", Server = \"\", X-Powered-By = \"\", \
    Content-Security-Policy = \"frame-ancestors 'none'\" }";

#[tokio::test]
async fn a_route_has_the_last_word_on_its_app_s_headers() {
    for (status, body) in [
        ("200 OK", "hello"),
        ("404 Not Found", "hello"),
        ("304 Not Modified", ""),
    ] {
        let upstream = Upstream::answering(move |_| {
            format!(
                "HTTP/1.1 {status}\r\nServer: old/1.0\r\nX-Powered-By: a\r\nx-powered-by: b\r\n\
                 X-Frame-Options: ALLOWALL\r\nX-Frame-Options: SAMEORIGIN\r\nX-Other: 1\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes()
        });
        let gateway = gateway()
            .route_with("/", &upstream, &format!("access = \"public\"\n{LINES}"))
            .public("/plain", &upstream)
            .start()
            .await;
        let answer = gateway.get("/").send().await.unwrap();
        let all = |name: &str| -> Vec<String> {
            let values = answer.headers().get_all(name).iter();
            values.map(|value| value.to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(all("x-frame-options"), ["DENY"], "{status}");
        assert_eq!(all("content-security-policy"), ["frame-ancestors 'none'"]);
        assert_eq!(all("server"), [""; 0]);
        assert_eq!(all("x-powered-by"), [""; 0]);
        assert_eq!(all("x-other"), ["1"]);
        assert_eq!(answer.text().await.unwrap(), body);
        // Another route of the same app is left alone.
        let answer = gateway.get("/plain").send().await.unwrap();
        assert_eq!(answer.headers()["server"], "old/1.0");
    }
}

#[tokio::test]
async fn all_cookies_of_an_app_can_be_taken_out() {
    let upstream = Upstream::answering(|_| {
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\ncontent-length: 0\r\n\r\n".to_vec()
    });
    let gateway = gateway()
        .route_with(
            "/",
            &upstream,
            "access = \"public\"\nresponse_headers = { Set-Cookie = \"\" }",
        )
        .start()
        .await;
    let answer = gateway.get("/").send().await.unwrap();
    assert!(!answer.headers().contains_key("set-cookie"));
}

#[tokio::test]
async fn our_own_answers_are_not_the_app_s() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route_with(
            "/",
            &upstream,
            "response_headers = { X-App = \"1\", Cache-Control = \"public\" }",
        )
        .route_with(
            "/down",
            "http://127.0.0.1:1",
            "access = \"public\"\nresponse_headers = { X-App = \"1\" }",
        )
        .start()
        .await;
    for (path, status) in [("/", 401), ("/.auth/login", 200), ("/down", 502)] {
        let answer = gateway.get(path).send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert!(!answer.headers().contains_key("x-app"), "{path}");
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn an_answer_that_changes_the_protocol_is_the_app_s_as_well() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway()
        .route_with("/", &upstream, &format!("access = \"public\"\n{LINES}"))
        .start()
        .await;
    let mut client = gateway.wire().await;
    client
        .send("GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: talk/1\r\n\r\n")
        .await;
    let mut app = upstream.accept().await;
    app.head().await;
    app.send("HTTP/1.1 101 Switching Protocols\r\nserver: old/1.0\r\nconnection: upgrade\r\nupgrade: talk/1\r\n\r\n")
        .await;
    let head = client.head().await.to_ascii_lowercase();
    assert!(
        head.contains("\r\nx-frame-options: deny\r\n") && !head.contains("server"),
        "{head}"
    );
    assert!(head.contains("\r\nupgrade: talk/1\r\n"), "{head}");
}
