//! Whether somebody has an account here is told neither by the words of an answer nor by the work behind it.

use crate::harness::{Gateway, PASSWORD, Upstream, gateway, hidden_field, user_entry};

/// Pairs that are all wrong, for reasons that are nobody's business.
const WRONG: &[(&str, &str)] = &[
    ("alice", "wrong"),
    ("alice", ""),
    ("nobody", "wrong"),
    ("nobody", PASSWORD),
    ("Alice", PASSWORD),
    ("alice ", PASSWORD),
    ("alice\u{0}", PASSWORD),
    ("alice@example.com", PASSWORD),
    ("*", PASSWORD),
    ("carol", PASSWORD),
    ("carol", "wrong"),
    ("dave", PASSWORD),
    ("dave", ""),
    ("erin", PASSWORD),
];

/// Alice is well, carol is disabled, dave has no password, erin has one that was hashed by bcrypt.
async fn start(upstream: &Upstream) -> Gateway {
    let bcrypt = bcrypt::hash("another password", 4).unwrap();
    gateway()
        .route("/", upstream)
        .user_with("alice", &[], "email = \"alice@example.com\"")
        .user_with("carol", &[], "disabled = true")
        .users_toml("[[user]]\nname = \"dave\"\n")
        .users_toml(&format!("[[user]]\nname = \"erin\"\npassword = \"{bcrypt}\"\n"))
        .start()
        .await
}

/// An answer without what differs from one request to the next anyhow.
struct Told {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

async fn told(answer: reqwest::Response, username: &str) -> Told {
    let status = answer.status().as_u16();
    let headers = answer
        .headers()
        .iter()
        .filter(|(name, _)| *name != "date" && *name != "content-length");
    let headers = headers
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let mut body = answer.text().await.unwrap();
    if body.starts_with("<!doctype html>") {
        let csrf = hidden_field(&body, "csrf");
        // The name is the client's own.
        let shown = askama::filters::escape(username, askama::filters::Html)
            .unwrap()
            .to_string();
        body = body
            .replace(&csrf, "CSRF")
            .replace(&format!("value=\"{shown}\""), "value=\"NAME\"");
    } else if let Some((before, after)) = body.clone().split_once("\"request_id\":\"") {
        body = format!("{before}{}", after.split_once('"').unwrap().1);
    }
    Told {
        status,
        headers,
        body,
    }
}

#[tokio::test]
async fn every_wrong_pair_is_answered_in_the_same_words_and_costs_exactly_one_hash() {
    let upstream = Upstream::start();
    let gateway = start(&upstream).await;
    let browser = gateway.browser();
    for way in ["form", "json", "token"] {
        let mut first: Option<Told> = None;
        for (username, password) in WRONG {
            let before = gateway.hashes_computed();
            let fields = [
                ("grant_type", "password"),
                ("username", username),
                ("password", password),
            ];
            let answer = match way {
                "form" => {
                    browser
                        .submit_login("/.auth/login", username, password, &[])
                        .await
                }
                "json" => {
                    let body = serde_json::json!({ "username": username, "password": password });
                    gateway.post("/.auth/login").json(&body).send().await.unwrap()
                }
                _ => gateway.post("/.auth/token").form(&fields).send().await.unwrap(),
            };
            let told = told(answer, username).await;
            assert_eq!(
                gateway.hashes_computed() - before,
                1,
                "{way} {username:?} {password:?}"
            );
            let first = first.get_or_insert_with(|| Told {
                status: told.status,
                headers: told.headers.clone(),
                body: told.body.clone(),
            });
            assert_eq!(told.status, first.status, "{way} {username:?} {password:?}");
            assert_eq!(told.headers, first.headers, "{way} {username:?} {password:?}");
            assert_eq!(told.body, first.body, "{way} {username:?} {password:?}");
        }
        let expected = if way == "token" { 400 } else { 401 };
        assert_eq!(first.unwrap().status, expected, "{way}");
    }
    assert_eq!(gateway.sessions(), 0);
    upstream.saw_nothing();
}

#[tokio::test]
async fn a_password_that_is_too_long_is_as_wrong_for_nobody_as_for_somebody() {
    let upstream = Upstream::start();
    let gateway = start(&upstream).await;
    let long = "x".repeat(1025);
    let mut bodies = Vec::new();
    for username in ["alice", "nobody", "carol", "dave"] {
        let body = serde_json::json!({ "username": username, "password": long });
        let answer = gateway.post("/.auth/login").json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 401);
        bodies.push(told(answer, username).await.body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert_eq!(gateway.hashes_computed(), 0);
    upstream.saw_nothing();
}

#[tokio::test]
async fn where_nobody_has_a_password_yet_a_wrong_pair_costs_a_hash_as_well() {
    let gateway = gateway().users_toml("[[user]]\nname = \"dave\"\n").start().await;
    for (done, username) in ["dave", "nobody", "\u{202e}"].iter().enumerate() {
        let body = serde_json::json!({ "username": username, "password": "x" });
        let answer = gateway.post("/.auth/login").json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert_eq!(gateway.hashes_computed(), done as u64 + 1);
    }
    gateway.change_users(|_| user_entry("dave", &[], ""));
    gateway.sign_in("dave").await;
}
