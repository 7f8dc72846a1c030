//! Upstreams on a socket in the file system.

use super::answer;
use crate::harness::{Upstream, gateway};

#[tokio::test]
async fn an_app_on_a_socket_is_asked_as_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::on_socket(&folder.path().join("an app.sock"), |request| {
        answer(&format!("{} bytes", request.body.len()))
    });
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .one_worker()
        .start()
        .await;
    let refused = gateway.get("/").send().await.unwrap();
    assert_eq!(refused.status(), 401);
    upstream.saw_nothing();
    let token = gateway.token("alice").await;
    for (method, body, said) in [("GET", "", "0 bytes"), ("POST", "hello", "5 bytes")] {
        let passed = gateway.request(method, "/x?y=1").bearer_auth(&token).body(body);
        assert_eq!(passed.send().await.unwrap().text().await.unwrap(), said);
    }
    let [get, post] = upstream.received().try_into().unwrap();
    assert_eq!(get.line(), "GET /x?y=1 HTTP/1.1");
    let own = format!("localhost:{}", gateway.address.port());
    assert_eq!(get.header("host"), [own.as_str()], "the client's, as ever");
    assert_eq!(get.header("remote-user"), ["alice"]);
    assert_eq!(post.body, b"hello");
    assert_eq!(upstream.connections(), 1, "it is kept");
}

#[tokio::test]
async fn a_client_that_names_no_host_is_said_to_have_asked_localhost() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::on_socket(&folder.path().join("a.sock"), |_| answer("hello"));
    let gateway = gateway().public("/", &upstream).start().await;
    let answer = gateway.exchange("GET / HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(upstream.only().header("host"), ["localhost"]);
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_502() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("unix:{}", folder.path().join("a.sock").display());
    let gateway = gateway().public("/", url.as_str()).start().await;
    assert_eq!(gateway.get("/").send().await.unwrap().status(), 502);
    let log = gateway.stopped();
    assert_eq!(log[0]["upstream"], url, "the log names it");
}

#[tokio::test]
async fn an_upgraded_connection_goes_over_a_socket_too() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::on_socket(&folder.path().join("a.sock"), |request| {
        match request.header("upgrade").is_empty() {
            true => answer("no upgrade"),
            false => {
                b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nfirst words"
                    .to_vec()
            }
        }
    });
    let gateway = gateway().public("/", &upstream).start().await;
    let mut client = gateway.wire().await;
    client
        .send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    client.until("first words").await;
}
