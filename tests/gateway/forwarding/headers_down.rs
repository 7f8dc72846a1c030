//! What the client sees of an answer's head: what the upstream said, but for what belongs to the upstream's connection and
//! for cookies of the gateway's names.

use crate::harness::{RawResponse, Upstream, gateway};

/// The answer that a client sees when the upstream says `head`.
async fn seen(method: &str, head: &str) -> RawResponse {
    let said = format!("{head}\r\n\r\n");
    let upstream = Upstream::answering(move |_| said.clone().into_bytes());
    let gateway = gateway().public("/", &upstream).start().await;
    let mut client = gateway.raw().await;
    client
        .send(format!("{method} / HTTP/1.1\r\nhost: x\r\n\r\n"))
        .await;
    let response = match method {
        "HEAD" => client.head_response().await,
        _ => client.response().await,
    };
    // Whatever it was, its end was clear: the next request is answered.
    client.send("GET /.auth/health HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(client.response().await.unwrap().status, 200, "{head}");
    response.unwrap()
}

/// Its lines in their order, the names in lower case, a date that is ours as `…`.
fn lines(response: &RawResponse) -> Vec<String> {
    let lines = response.head.lines().filter(|line| !line.is_empty());
    let mut lines: Vec<String> = lines
        .map(|line| match line.split_once(": ") {
            Some(("date", date)) if !date.contains("1994") => "date: …".to_owned(),
            Some((name, value)) => format!("{}: {value}", name.to_ascii_lowercase()),
            None => line.to_owned(),
        })
        .collect();
    lines[1..].sort();
    lines
}

#[tokio::test]
async fn an_answer_arrives_whole_without_what_belongs_to_the_upstreams_connection() {
    let response = seen(
        "GET",
        "HTTP/1.1 404 Whatever You Say\r\nServer: lighttpd/1.4\r\nDate: Sat, 29 Oct 1994 19:43:31 GMT\r\n\
         Connection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nProxy-Authenticate: Basic\r\n\
         Upgrade: h2c\r\nContent-Type: text/html\r\nContent-Length: 0\r\nLocation: http://127.0.0.1:3000/x?y#z\r\n\
         Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; HttpOnly\r\nSet-Cookie: a=3\r\nVary: Accept\r\nVary: Cookie\r\n\
         WWW-Authenticate: Basic realm=\"app\"\r\nETag: \"x\"\r\nX-Powered-By: PHP/5.3\r\nLink: </s.css>; rel=preload",
    )
    .await;
    assert_eq!(
        lines(&response),
        [
            "HTTP/1.1 404 Whatever You Say",
            "content-length: 0",
            "content-type: text/html",
            "date: Sat, 29 Oct 1994 19:43:31 GMT",
            "etag: \"x\"",
            "link: </s.css>; rel=preload",
            "location: http://127.0.0.1:3000/x?y#z",
            "server: lighttpd/1.4",
            "set-cookie: a=1; Path=/",
            "set-cookie: a=3",
            "set-cookie: b=2; HttpOnly",
            "vary: Accept",
            "vary: Cookie",
            "www-authenticate: Basic realm=\"app\"",
            "x-powered-by: PHP/5.3",
        ]
    );
    assert_eq!(
        response.header("set-cookie"),
        ["a=1; Path=/", "b=2; HttpOnly", "a=3"],
        "in their order"
    );
}

#[tokio::test]
async fn answers_without_a_body_keep_what_they_say_about_one() {
    for (method, head, expected) in [
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\ncontent-length: 1234",
            &["content-length: 1234"][..],
        ),
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\ncontent-length: 0",
            &["content-length: 0"],
        ),
        (
            "HEAD",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 99\r\ncontent-type: text/plain",
            &["content-length: 99", "content-type: text/plain"],
        ),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\ncontent-length: 1234",
            &["content-length: 1234", "etag: \"x\""],
        ),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\netag: \"x\"",
            &["etag: \"x\""],
        ),
        ("GET", "HTTP/1.1 204 No Content\r\nx: y", &["x: y"]),
        ("DELETE", "HTTP/1.1 204 No Content", &[]),
        (
            "POST",
            "HTTP/1.1 201 Created\r\nlocation: /x\r\ncontent-length: 0",
            &["content-length: 0", "location: /x"],
        ),
    ] {
        let response = seen(method, head).await;
        let status = head.lines().next().unwrap().to_owned();
        let mut lines = lines(&response);
        lines.retain(|line| line != "date: …");
        let expected: Vec<String> = [status]
            .into_iter()
            .chain(expected.iter().map(|line| (*line).to_owned()))
            .collect();
        assert_eq!(lines, expected, "{method} {head}");
        assert!(response.body.is_empty());
    }
}

#[tokio::test]
async fn no_app_sets_or_ends_the_gateways_cookies() {
    // Over plain HTTP the names are "portcullis" and "portcullis-form".
    for cookie in [
        "portcullis=evil",
        "portcullis=evil; Path=/; HttpOnly",
        "portcullis=; Max-Age=0",
        "portcullis=deleted; expires=Thu, 01 Jan 1970 00:00:00 GMT; Domain=example.com; Path=/wiki",
        "portcullis =evil",
        "portcullis\t=evil",
        "  portcullis  =  evil",
        "portcullis",
        "portcullis; Path=/",
        "portcullis-form=evil",
        // A cookie without a name is sent as its value alone, which then reads as one with a name.
        "=portcullis=evil",
        " = portcullis=evil; Path=/",
        "=portcullis-form=evil",
        "=portcullis",
    ] {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nset-cookie: a=1\r\nset-cookie: {cookie}\r\nset-cookie: b=portcullis=x"
        );
        let response = seen("GET", &head).await;
        assert_eq!(
            response.header("set-cookie"),
            ["a=1", "b=portcullis=x"],
            "{cookie}"
        );
    }
    for others in [
        "Portcullis=x",
        "portcullis2=x",
        "xportcullis=x",
        "portcullis-forms=x",
        "a=portcullis=x",
        "==portcullis=x",
        "a=1; portcullis=x",
        "; portcullis=x",
        "",
    ] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nset-cookie: {others}");
        assert_eq!(
            seen("GET", &head).await.header("set-cookie"),
            [others],
            "{others}"
        );
    }
}

#[tokio::test]
async fn an_answer_of_http_1_0_or_without_a_length_ends_with_its_connection() {
    for head in ["HTTP/1.0 200 OK", "HTTP/1.1 200 OK\r\nconnection: close"] {
        let upstream = Upstream::answering(move |_| {
            format!("{head}\r\nconnection: close\r\n\r\nall of it").into_bytes()
        });
        let gateway = gateway().public("/", &upstream).start().await;
        let mut client = gateway.raw().await;
        for _ in 0..2 {
            client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
            let response = client.response().await.unwrap();
            assert_eq!(response.text(), "all of it", "{head}");
            assert_eq!(response.header("transfer-encoding"), ["chunked"]);
            assert!(
                response.header("connection").is_empty(),
                "the client's connection goes on"
            );
        }
        assert_eq!(upstream.connections(), 2);
    }
}
