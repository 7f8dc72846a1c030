//! The access log: one line per request, whatever becomes of it.

use serde_json::{Value, json};

use crate::harness::{PlayedUpstream, Upstream, Url, gateway};

/// Holds that a line says this and nothing else, but for the fields that differ from run to run.
#[track_caller]
fn assert_line(line: &Value, mut expected: Value) {
    let mut line = line.clone();
    let fields = line.as_object_mut().unwrap();
    let time = fields.remove("time").unwrap();
    assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
    let id = fields.remove("request_id").unwrap();
    assert_eq!(id.as_str().unwrap().len(), 32);
    let trace = fields.remove("trace_id").unwrap();
    assert_eq!(trace.as_str().unwrap().len(), 32);
    assert!(fields.remove("ms").unwrap().as_f64().unwrap() >= 0.0);
    let upstream_ms = fields.remove("upstream_ms").unwrap();
    assert_eq!(upstream_ms.is_number(), !expected["upstream"].is_null(), "{line}");
    expected["client"] = json!("127.0.0.1");
    assert_eq!(line, expected);
}

#[tokio::test]
async fn each_request_is_one_line_that_says_what_became_of_it() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route_with("/wiki", &upstream, "name = \"wiki\"")
        .route_with("/staff", &upstream, "access = { roles = [\"staff\"] }")
        .public("/public", &upstream)
        .user("alice")
        .start()
        .await;
    let cookie = format!("cookie: {}\r\n", gateway.sign_in("alice").await);
    let token = format!("authorization: Bearer {}\r\n", gateway.token("alice").await);
    let url = upstream.url();
    let mut expected = Vec::new();
    for (method, path, more, status, route, passed, refusal) in [
        (
            "GET",
            "/wiki/x?password=secret",
            &*cookie,
            200,
            Some("wiki"),
            true,
            None,
        ),
        (
            "POST",
            "/wiki?token=secret",
            &*token,
            200,
            Some("wiki"),
            true,
            None,
        ),
        ("GET", "/public", &*cookie, 200, Some("public"), true, None),
        (
            "GET",
            "/wiki?secret",
            "",
            401,
            Some("wiki"),
            false,
            Some("not_signed_in"),
        ),
        (
            "GET",
            "/wiki",
            "authorization: Bearer secret\r\n",
            401,
            Some("wiki"),
            false,
            Some("invalid_token"),
        ),
        (
            "GET",
            "/staff",
            &*cookie,
            403,
            Some("staff"),
            false,
            Some("not_allowed"),
        ),
        ("GET", "/nowhere?secret", "", 404, None, false, Some("no_route")),
        (
            "GET",
            "/.auth/nowhere?secret",
            "",
            404,
            None,
            false,
            Some("no_own_address"),
        ),
        ("GET", "/.auth/health?secret", "", 200, None, false, None),
        ("GET", "/a/../b?secret", "", 400, None, false, Some("bad_target")),
    ] {
        let answer = gateway
            .exchange(format!(
                "{method} {path} HTTP/1.1\r\nhost: wiki.example.com\r\n{more}\r\n"
            ))
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{path}");
        let credential = match more {
            _ if route == Some("public") || refusal.is_some_and(|refusal| refusal != "not_allowed") => "none",
            "" => "none",
            more if more.starts_with("cookie") => "session",
            _ => "bearer",
        };
        expected.push(json!({
            "method": method,
            "host": "wiki.example.com",
            "path": path.split('?').next().unwrap(),
            "status": status,
            "route": route,
            "upstream": passed.then_some(&url),
            "user": (credential != "none").then_some("alice"),
            "credential": credential,
            "refusal": refusal,
            "bytes": answer.body.len(),
        }));
    }
    let log = gateway.stopped();
    // The first two are the sign-in and the token.
    assert_eq!(log[0]["path"], "/.auth/login");
    assert_eq!(log[1]["path"], "/.auth/token");
    assert_eq!(log.len(), expected.len() + 2);
    for (line, expected) in log[2..].iter().zip(expected) {
        assert_line(line, expected);
    }
    let whole: String = log.iter().map(ToString::to_string).collect();
    assert!(
        !whole.contains("secret") && !whole.contains("correct horse"),
        "{whole}"
    );
}

#[tokio::test]
async fn a_client_that_does_not_wait_leaves_its_line_all_the_same() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let cookie = gateway.sign_in("alice").await;
    let head = format!("POST /x HTTP/1.1\r\nhost: x\r\ncookie: {cookie}\r\ncontent-length: 4\r\n\r\n");

    // Gone before the answer, amid the answer, and amid its own body.
    let mut client = gateway.wire().await;
    client.send(format!("{head}body")).await;
    let mut app = upstream.accept().await;
    app.until("body").await;
    drop(client);
    app.ends().await;

    let mut client = gateway.wire().await;
    client.send(format!("{head}body")).await;
    let mut app = upstream.accept().await;
    app.until("body").await;
    app.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        .await;
    client.until("half\r\n").await;
    drop(client);
    app.ends().await;

    let mut client = gateway.wire().await;
    client.send(format!("{head}bo")).await;
    let mut app = upstream.accept().await;
    app.until("bo").await;
    drop(client);
    app.ends().await;

    let log = gateway.stopped();
    let lines: Vec<_> = log[1..]
        .iter()
        .map(|line| {
            (
                line["status"].as_u64().unwrap(),
                line["bytes"].as_u64().unwrap(),
                &line["refusal"],
            )
        })
        .collect();
    assert_eq!(lines.len(), 3, "{log:?}");
    // Two workers write, so the lines have no order. 499 is what nginx writes for a client that did not wait.
    let gone = (499, 0, &json!("client_gone"));
    let half = (200, 4, &Value::Null);
    assert!(lines.contains(&gone) && lines.contains(&half), "{lines:?}");
    // Whoever breaks off amid a body may be seen to do that before being seen to be gone.
    let broke_off = json!("body_broke_off");
    let may_say = |(status, _, refusal): &(u64, u64, &Value)| match status {
        400 => **refusal == broke_off,
        499 => *refusal == gone.2,
        status => *status == 200,
    };
    assert!(lines.iter().all(may_say), "{lines:?}");
    assert!(
        log[1..]
            .iter()
            .all(|line| line["user"] == "alice" && line["route"] == "root")
    );
}

#[tokio::test]
async fn an_upgraded_connection_is_written_down_when_it_ends_with_all_that_came_down() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().public("/", &upstream).start().await;
    let mut conversations = Vec::new();
    for path in ["/ended", "/broken", "/stopped"] {
        let mut client = gateway.wire().await;
        client
            .send(format!(
                "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: talk\r\n\r\n"
            ))
            .await;
        let mut app = upstream.accept().await;
        app.head().await;
        app.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: talk\r\n\r\n")
            .await;
        client.head().await;
        client.send("up").await;
        app.exactly(2).await;
        app.send("down").await;
        client.exactly(4).await;
        conversations.push((client, app));
    }
    // One comes to its end, one breaks off, and one is ended by the gateway's stop.
    let _last = conversations.pop();
    let (broken, mut app) = conversations.pop().unwrap();
    drop(broken);
    app.ends().await;
    drop(app);
    let (mut client, mut app) = conversations.pop().unwrap();
    client.finish().await;
    app.ends().await;
    app.send("farewell").await;
    app.finish().await;
    assert_eq!(client.rest().await, b"farewell");
    let log = gateway.stopped();
    let mut lines: Vec<_> = log
        .iter()
        .map(|line| {
            assert_eq!(
                (&line["status"], &line["upstream"]),
                (&json!(101), &json!(upstream.url()))
            );
            (line["path"].as_str().unwrap(), line["bytes"].as_u64().unwrap())
        })
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, [("/broken", 4), ("/ended", 12), ("/stopped", 4)]);
}
