//! The log, as a machine reads it: whatever a client sends, one valid JSON object a line.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{PASSWORD, RawClient, Running, free_port, portcullis, user_entry};

const HOSTILE: &[&str] = &[
    "plain",
    "a\"b",
    "a\\",
    "a\",\"event\":\"signed_in\",\"x\":\"",
    "a\nb",
    "a\r\n{\"event\":\"signed_in\"}",
    "\u{1b}[31mred\u{1b}]0;title\u{7}",
    "\u{9b}31m",
    "a\u{2028}b\u{2029}c\u{85}d",
    "\u{202e}evil",
    "\0",
    "a b=c user=admin",
    "\u{1f512}",
    "%0a%1b",
];

/// Lines as every program splits them, and then some.
fn lines(text: &str) -> Vec<Value> {
    let lines = text.split(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']);
    let lines = lines.filter(|line| !line.is_empty());
    lines
        .map(|line| {
            assert!(!line.chars().any(char::is_control), "{line:?}");
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        })
        .collect()
}

#[tokio::test]
async fn what_a_client_sends_never_makes_or_breaks_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let config = format!(
        "[server]\nlisten = [\"127.0.0.1:{port}\"]\n[log]\nformat = \"json\"\nlevel = \"trace\"\naccess = \"access.log\"\n\
         [[route]]\nupstream = \"http://127.0.0.1:9\"\n"
    );
    fs::write(folder.path().join("gateway.toml"), config).unwrap();
    fs::write(folder.path().join("users.toml"), user_entry("alice", &[], "")).unwrap();
    let running = Running::start(&mut portcullis(folder.path(), &["serve"]), "listening");
    let client = reqwest::Client::new();
    let base = format!("http://127.0.0.1:{port}");

    for hostile in HOSTILE {
        // As a user name, by every way in.
        let body = json!({ "grant_type": "password", "username": hostile, "password": PASSWORD });
        let answer = client
            .post(format!("{base}/.auth/login"))
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 401, "{hostile:?}");
        let answer = client
            .post(format!("{base}/.auth/token"))
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 400, "{hostile:?}");
        // In the path, the query, the host, the user agent, a cookie and a token, as raw as HTTP lets it be.
        for bytes in [
            hostile.as_bytes().to_vec(),
            hostile
                .chars()
                .filter(|c| !c.is_control())
                .collect::<String>()
                .into_bytes(),
            hostile
                .bytes()
                .filter(|byte| (0x21..0x7f).contains(byte))
                .collect(),
        ] {
            for head in [
                [
                    b"GET /".as_slice(),
                    &bytes,
                    b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
                ]
                .concat(),
                [
                    b"GET /?".as_slice(),
                    &bytes,
                    b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
                ]
                .concat(),
                [
                    b"GET /.auth/".as_slice(),
                    &bytes,
                    b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
                ]
                .concat(),
                [b"GET / HTTP/1.1\r\nhost: ".as_slice(), &bytes, b"\r\n\r\n"].concat(),
                [
                    b"GET / HTTP/1.1\r\nhost: localhost\r\nuser-agent: ".as_slice(),
                    &bytes,
                    b"\r\n\r\n",
                ]
                .concat(),
                [
                    b"GET / HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ".as_slice(),
                    &bytes,
                    b"\r\n\r\n",
                ]
                .concat(),
                [
                    b"GET / HTTP/1.1\r\nhost: localhost\r\ncookie: portcullis=".as_slice(),
                    &bytes,
                    b"\r\n\r\n",
                ]
                .concat(),
            ] {
                let mut raw = RawClient::connect(([127, 0, 0, 1], port).into()).await;
                raw.send(head).await;
                raw.finish().await;
                // Some of it is no HTTP at all; all that counts here is what is written down.
                let _ = raw.rest().await;
            }
        }
    }
    // One good sign-in and sign-out with a hostile user agent, at the end of it all.
    let agent = "Mozilla \"5.0\" \\ {\"x\":1}";
    let body = json!({ "username": "alice", "password": PASSWORD });
    let answer = client
        .post(format!("{base}/.auth/login"))
        .header("user-agent", agent)
        .json(&body)
        .send()
        .await
        .unwrap();
    let cookie = answer.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let answer = client
        .post(format!("{base}/.auth/token"))
        .form(&[
            ("grant_type", "password"),
            ("username", "alice"),
            ("password", PASSWORD),
        ])
        .send()
        .await
        .unwrap();
    let token: Value = answer.json().await.unwrap();
    let token = token["access_token"].as_str().unwrap();
    client.get(&base).bearer_auth(token).send().await.unwrap();
    client
        .post(format!("{base}/.auth/logout"))
        .header("cookie", &cookie)
        .send()
        .await
        .unwrap();
    running.wait_for("signed_out");
    let log = running.output();
    assert!(running.stop().success());

    let events = lines(&log);
    let count = |event: &str| events.iter().filter(|line| line["event"] == event).count();
    assert_eq!(count("sign_in_failed"), 2 * HOSTILE.len());
    assert_eq!(
        (count("signed_in"), count("token_issued"), count("signed_out")),
        (1, 1, 1)
    );
    for (index, hostile) in HOSTILE.iter().enumerate() {
        let failures: Vec<&Value> = events
            .iter()
            .filter(|line| line["event"] == "sign_in_failed")
            .collect();
        for failure in &failures[2 * index..2 * index + 2] {
            assert_eq!(failure["user"], *hostile, "the very name that was tried");
            assert_eq!(
                (&failure["target"], &failure["client"]),
                (&json!("audit"), &json!("127.0.0.1"))
            );
        }
    }
    let access = fs::read_to_string(folder.path().join("access.log")).unwrap();
    let access = lines(&access);
    assert!(access.len() > 2 * HOSTILE.len());
    for line in &access {
        assert_eq!(line["request_id"].as_str().unwrap().len(), 32);
        assert!(!line["path"].as_str().unwrap().contains('?'), "{line}");
    }

    // Even at its most talkative, the log has no secret in it.
    let all = format!("{log}{}", serde_json::to_string(&access).unwrap());
    let session_id = cookie.split_once('=').unwrap().1;
    for secret in [PASSWORD, session_id, token, "$argon2id$"] {
        assert!(!all.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn no_client_makes_a_library_write_lines_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let config = format!(
        "[server]\nlisten = [\"127.0.0.1:{port}\"]\n[log]\naccess = \"off\"\n\
         [[route]]\nupstream = \"http://127.0.0.1:9\"\n"
    );
    fs::write(folder.path().join("gateway.toml"), config).unwrap();
    fs::write(folder.path().join("users.toml"), user_entry("alice", &[], "")).unwrap();
    let running = Running::start(&mut portcullis(folder.path(), &["serve"]), "listening");
    let before = running.output();

    // HTTP/2: SETTINGS, a thousand acknowledgements of PINGs that were never sent, and one PING.
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    const FALSE_ACK: &[u8] = b"\0\0\x08\x06\x01\0\0\0\0falseack";
    const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0realping";
    let mut client = RawClient::connect(([127, 0, 0, 1], port).into()).await;
    client
        .send([PREFACE, &FALSE_ACK.repeat(1000), PING].concat())
        .await;
    let mut said = Vec::new();
    while !said.ends_with(b"realping") {
        said.extend(client.exactly(1).await.unwrap());
    }
    assert_eq!(running.output(), before);
    assert!(running.stop().success());
}
