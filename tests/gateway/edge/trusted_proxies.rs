//! A proxy in front that is believed about its clients: as far as it knows, and in nothing else.

use super::{TRUSTED, ask_from, clients, head, trusting, wire_from};
use crate::harness::{Http2, PASSWORD, Running, Upstream, gateway, portcullis};

#[tokio::test]
async fn a_trusted_proxy_says_who_the_client_is_and_nobody_else_does() {
    let upstream = Upstream::start();
    let gateway = trusting(&upstream).await;
    // Who connects, with what; the client in the log; what the app is told.
    let rows: &[(&str, &[&str], &str, &str, &str)] = &[
        ("127.0.0.1", &[], "127.0.0.1", "127.0.0.1", "for=127.0.0.1"),
        (
            "127.0.0.1",
            &["X-Forwarded-For: 203.0.113.9"],
            "203.0.113.9",
            "203.0.113.9, 127.0.0.1",
            "for=203.0.113.9, for=127.0.0.1",
        ),
        (
            "127.1.2.3",
            &[
                "X-Forwarded-For: 6.6.6.6",
                "x-forwarded-for: 203.0.113.9, fd00::2",
            ],
            "203.0.113.9",
            "6.6.6.6, 203.0.113.9, fd00::2, 127.1.2.3",
            "for=6.6.6.6, for=203.0.113.9, for=\"[fd00::2]\", for=127.1.2.3",
        ),
        (
            "127.0.0.1",
            &["Forwarded: for=\"[2001:db8::9]:4711\""],
            "2001:db8::9",
            "2001:db8::9, 127.0.0.1",
            "for=\"[2001:db8::9]\", for=127.0.0.1",
        ),
        // Anybody else, whatever it says.
        (
            "127.0.0.2",
            &["X-Forwarded-For: 203.0.113.9"],
            "127.0.0.2",
            "127.0.0.2",
            "for=127.0.0.2",
        ),
        (
            "127.0.0.2",
            &["X-Forwarded-For: 127.0.0.1"],
            "127.0.0.2",
            "127.0.0.2",
            "for=127.0.0.2",
        ),
        (
            "127.2.0.1",
            &["Forwarded: for=203.0.113.9"],
            "127.2.0.1",
            "127.2.0.1",
            "for=127.2.0.1",
        ),
        // Headers that nobody is believed in, whoever sends them.
        (
            "127.0.0.1",
            &[
                "X-Real-IP: 6.6.6.6",
                "True-Client-IP: 6.6.6.6",
                "X_Forwarded_For: 6.6.6.6",
                "CF-Connecting-IP: 6.6.6.6",
            ],
            "127.0.0.1",
            "127.0.0.1",
            "for=127.0.0.1",
        ),
    ];
    for (source, fields, _, forwarded_for, forwarded) in rows {
        upstream.forget();
        let answer = ask_from(source, &gateway, "GET /public", fields).await;
        assert_eq!(answer.status, 200, "{source} {fields:?}");
        let request = upstream.only();
        assert_eq!(
            request.header("x-forwarded-for"),
            [*forwarded_for],
            "{source} {fields:?}"
        );
        let expected = format!("{forwarded};host=\"localhost\";proto=http");
        assert_eq!(request.header("forwarded"), [expected], "{source} {fields:?}");
        assert!(
            request.header("x-real-ip").is_empty() && !request.head.contains("x_"),
            "{}",
            request.head
        );
    }
    let expected: Vec<&str> = rows.iter().map(|(_, _, client, ..)| *client).collect();
    assert_eq!(clients(&gateway.stopped()), expected);
}

#[tokio::test]
async fn without_trusted_proxies_nobody_is_one() {
    let upstream = Upstream::start();
    let gateway = gateway().public("/", &upstream).start().await;
    let lies = [
        "X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil",
        "X-Request-Id: evil",
    ];
    assert_eq!(ask_from("127.0.0.1", &gateway, "GET /", &lies).await.status, 200);
    let request = upstream.only();
    assert!(
        !request.head.contains("6.6.6.6") && !request.head.contains("evil"),
        "{}",
        request.head
    );
    assert_eq!(request.header("x-forwarded-proto"), ["http"]);
    assert_eq!(clients(&gateway.stopped()), ["127.0.0.1"]);
}

#[tokio::test]
async fn an_ipv4_address_is_the_same_however_it_is_dressed() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .public("/", &upstream)
        .also_listen("[::]:0")
        .server(TRUSTED)
        .start()
        .await;
    // On a socket for both, an IPv4 peer is `::ffff:127.0.0.1`.
    let both = ([127, 0, 0, 1], gateway.addresses[1].port()).into();
    for (source, forwarded_for) in [
        ("127.0.0.1", "203.0.113.9, 127.1.0.1, 127.0.0.1"),
        ("127.0.0.2", "127.0.0.2"),
    ] {
        upstream.forget();
        let mut wire = wire_from(source, both).await;
        wire.send(head(
            "GET /",
            &["X-Forwarded-For: ::ffff:203.0.113.9, ::ffff:127.1.0.1"],
        ))
        .await;
        assert_eq!(wire.answer().await.status, 200);
        assert_eq!(
            upstream.only().header("x-forwarded-for"),
            [forwarded_for],
            "{source}"
        );
    }
    assert_eq!(clients(&gateway.stopped()), ["203.0.113.9", "127.0.0.2"]);
}

#[tokio::test]
async fn a_list_that_is_malformed_lets_nobody_pass_and_hides_nobody_behind_somebody_else() {
    let upstream = Upstream::start();
    let gateway = trusting(&upstream).await;
    let long = format!("203.0.113.9, {}", "a".repeat(10_000));
    let lists = [
        "",
        "a",
        "::",
        "1.1.1.1,",
        ",1.1.1.1,",
        "1.1.1.1, unknown",
        "127.0.0.1, a",
        "\"",
        "1.1.1.1;2.2.2.2",
        "evil.example",
        "-1",
        &long,
    ];
    let wrong = serde_json::json!({ "username": "alice", "password": "wrong" }).to_string();
    let length = format!("Content-Length: {}", wrong.len());
    let mut expected = Vec::new();
    for source in ["127.0.0.1", "127.0.0.2"] {
        for name in ["X-Forwarded-For", "Forwarded"] {
            for list in lists {
                let list = match name {
                    "Forwarded" if !list.is_empty() => format!("for={list}"),
                    _ => list.to_owned(),
                };
                let field = format!("{name}: {list}");
                assert_eq!(
                    ask_from(source, &gateway, "GET /admin", &[&field]).await.status,
                    401,
                    "{field}"
                );
                let mut wire = wire_from(source, gateway.address).await;
                wire.send(head(
                    "POST /.auth/login",
                    &[&field, "Content-Type: application/json", &length],
                ))
                .await;
                wire.send(&wrong).await;
                assert_eq!(wire.answer().await.status, 401, "{field}");
                // `::` is an address, though nobody's.
                let client = match (source, list.as_str()) {
                    ("127.0.0.1", "::" | "for=::") => "::",
                    _ => source,
                };
                expected.extend([client, client]);
            }
        }
    }
    upstream.saw_nothing();
    assert_eq!(clients(&gateway.stopped()), expected);
}

#[tokio::test]
async fn a_client_that_makes_up_addresses_stays_the_one_it_is() {
    let upstream = Upstream::start();
    let gateway = trusting(&upstream).await;
    for number in 0..20 {
        let made_up = format!("X-Forwarded-For: 198.51.100.{number}");
        let answer = ask_from("127.0.0.2", &gateway, "GET /admin", &[&made_up]).await;
        assert_eq!(answer.status, 401);
        // The same through a proxy, which appends where it heard that from.
        let appended = format!("{made_up}, 203.0.113.9");
        let answer = ask_from("127.0.0.1", &gateway, "GET /admin", &[&appended]).await;
        assert_eq!(answer.status, 401);
    }
    upstream.saw_nothing();
    assert_eq!(
        clients(&gateway.stopped()),
        ["127.0.0.2", "203.0.113.9"].repeat(20)
    );
}

#[tokio::test]
async fn http_2_from_a_trusted_proxy_means_the_same() {
    let upstream = Upstream::start();
    let gateway = trusting(&upstream).await;
    let mut client = Http2::connect(gateway.address).await;
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", "/public"),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "https"),
    ];
    client.headers(&fields, true).await;
    client.outcome().await;
    let request = upstream.only();
    assert_eq!(request.header("x-forwarded-for"), ["203.0.113.9, 127.0.0.1"]);
    assert_eq!(request.header("x-forwarded-proto"), ["https"]);
    drop(client);
    assert_eq!(clients(&gateway.stopped()), ["203.0.113.9"]);
}

#[tokio::test]
async fn the_audit_trail_names_the_client_and_not_the_proxy() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let url = upstream.url();
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n{TRUSTED}\n[log]\nformat = \"json\"\naccess = \"off\"\n\
         [users.password]\nargon2 = {{ memory = \"8MiB\", passes = 1, lanes = 1 }}\n[[route]]\nupstream = \"{url}\"\n"
    );
    std::fs::write(folder.path().join("gateway.toml"), config).unwrap();
    std::fs::write(
        folder.path().join("users.toml"),
        crate::harness::user_entry("alice", &[], ""),
    )
    .unwrap();
    let running = Running::start(&mut portcullis(folder.path(), &[]), "\"address\"");
    let said = running.output();
    let listening = said.lines().find(|line| line.contains("\"address\"")).unwrap();
    let listening: serde_json::Value = serde_json::from_str(listening).unwrap();
    let address = listening["address"].as_str().unwrap().parse().unwrap();
    for (source, password, status) in [
        ("127.0.0.1", "wrong", 401),
        ("127.0.0.1", PASSWORD, 200),
        ("127.0.0.2", "wrong", 401),
        ("127.0.0.2", PASSWORD, 200),
    ] {
        let body = serde_json::json!({ "username": "alice", "password": password }).to_string();
        let length = format!("Content-Length: {}", body.len());
        let fields = [
            "X-Forwarded-For: 203.0.113.9",
            "Content-Type: application/json",
            &length,
        ];
        let mut wire = wire_from(source, address).await;
        wire.send(head("POST /.auth/login", &fields)).await;
        wire.send(body).await;
        assert_eq!(wire.answer().await.status, status);
    }
    let said = running.last_words();
    let events = said.lines().filter(|line| line.contains("\"audit\""));
    let events: Vec<serde_json::Value> = events.map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event["event"].as_str().unwrap(),
                event["client"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("sign_in_failed", "203.0.113.9"),
            ("signed_in", "203.0.113.9"),
            ("sign_in_failed", "127.0.0.2"),
            ("signed_in", "127.0.0.2"),
        ]
    );
    upstream.saw_nothing();
}
