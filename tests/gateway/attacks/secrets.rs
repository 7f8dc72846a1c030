//! Secrets that pass through the gateway end in no log, however much is logged.

use std::{io::Write, process::Stdio};

use crate::harness::{Running, Upstream, as_navigation, hidden_field, portcullis};

const PASSWORD: &str = "geheim-geheim-1";
const WRONG: &str = "falsch-falsch-2";

#[tokio::test]
async fn no_log_at_any_level_has_a_password_token_or_cookie_in_it() {
    for format in ["text", "json"] {
        let upstream = Upstream::start();
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\n[log]\nlevel = \"trace\"\nformat = {format:?}\n\
             [token]\nalgorithm = \"HS256\"\nsecret = \"schluessel-schluessel-schluessel\"\n\
             [[route]]\nupstream = {:?}\n",
            upstream.url()
        );
        std::fs::write(folder.path().join("gateway.toml"), config).unwrap();
        let mut command = portcullis(folder.path(), &["user", "add", "alice", "--password-stdin"]);
        let mut adding = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = adding.stdin.take().unwrap();
        stdin.write_all(PASSWORD.as_bytes()).unwrap();
        drop(stdin);
        assert!(adding.wait().unwrap().success());

        let running = Running::start(&mut portcullis(folder.path(), &[]), "listening");
        let output = running.output();
        let (_, address) = output.split_once("127.0.0.1:").unwrap();
        let port: String = address.chars().take_while(char::is_ascii_digit).collect();
        let base = format!("http://127.0.0.1:{port}");
        let mut secrets = vec![
            PASSWORD.to_owned(),
            WRONG.to_owned(),
            "schluessel".to_owned(),
            "$argon2id$".to_owned(),
        ];
        for http2 in [false, true] {
            let mut builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
            if http2 {
                builder = builder.http2_prior_knowledge();
            }
            use_every_secret(&builder.build().unwrap(), &base, &mut secrets).await;
        }
        upstream.forget();

        // Not on this thread: it has connections to close.
        let output = tokio::task::spawn_blocking(|| running.last_words())
            .await
            .unwrap();
        for secret in &secrets {
            assert!(!output.contains(secret.as_str()), "{secret} in {output}");
        }
        // It did say what it should, down to the last level.
        for said in [
            "signed_in",
            "sign_in_failed",
            "token_issued",
            "signed_out",
            "TRACE",
            "/app",
            "alice",
        ] {
            assert!(output.contains(said), "no {said} in {output}");
        }
    }
}

/// Signs in and asks in every way, well and badly, and notes every secret on the way.
async fn use_every_secret(client: &reqwest::Client, base: &str, secrets: &mut Vec<String>) {
    let at = |path: &str| format!("{base}{path}");
    let cookie_of = |answer: &reqwest::Response| {
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    };
    let value_of = |cookie: &str| cookie.split_once('=').unwrap().1.to_owned();

    // The form.
    let page = client.get(at("/.auth/login")).send().await.unwrap();
    let form_cookie = cookie_of(&page);
    let csrf = hidden_field(&page.text().await.unwrap(), "csrf");
    secrets.extend([value_of(&form_cookie), csrf.clone()]);
    for (username, password, status) in [
        ("alice", WRONG, 401),
        (WRONG, PASSWORD, 401),
        ("alice", PASSWORD, 303),
    ] {
        // A password in place of a name is the one slip that the audit line shows: it is what was typed as a name.
        let username = if username == WRONG { "nobody" } else { username };
        let form = [
            ("username", username),
            ("password", password),
            ("csrf", &csrf),
            ("return_to", "/app"),
        ];
        let post = client
            .post(at("/.auth/login"))
            .header("cookie", &form_cookie)
            .form(&form);
        let answer = as_navigation(post).send().await.unwrap();
        assert_eq!(answer.status(), status);
        if status == 303 {
            secrets.push(value_of(&cookie_of(&answer)));
        }
    }

    // JSON, and forms that are none.
    for body in [
        format!("{{\"username\":\"alice\",\"password\":\"{WRONG}\"}}"),
        format!("{{\"username\":\"alice\",\"password\":\"{PASSWORD}\",\"x\":1}}"),
        format!("{{\"username\":\"alice\",\"password\":\"{PASSWORD}\""),
        format!("{{\"username\":\"alice\",\"password\":[\"{PASSWORD}\"]}}"),
        format!("username=alice&password={PASSWORD}"),
    ] {
        let post = client
            .post(at("/.auth/login"))
            .header("content-type", "application/json");
        let answer = post.body(body).send().await.unwrap();
        assert!(answer.status().is_client_error());
    }
    let pair = serde_json::json!({ "username": "alice", "password": PASSWORD });
    let answer = client.post(at("/.auth/login")).json(&pair).send().await.unwrap();
    let cookie = cookie_of(&answer);
    secrets.push(value_of(&cookie));

    // A token.
    for (password, status) in [(WRONG, 400), (PASSWORD, 200)] {
        let grant = [
            ("grant_type", "password"),
            ("username", "alice"),
            ("password", password),
        ];
        let answer = client.post(at("/.auth/token")).form(&grant).send().await.unwrap();
        assert_eq!(answer.status(), status);
        if status == 200 {
            let answer: serde_json::Value = answer.json().await.unwrap();
            secrets.push(answer["access_token"].as_str().unwrap().to_owned());
        }
    }
    let token = secrets.last().unwrap().clone();
    let signature = token.rsplit('.').next().unwrap().to_owned();
    secrets.push(signature.clone());

    // Requests: with good and bad credentials, and with secrets of the app's own.
    secrets.extend(["app-secret", "YXBwOnNlY3JldA==", "query-secret", "body-secret"].map(str::to_owned));
    for (name, value, status) in [
        ("cookie", format!("app=app-secret; {cookie}"), 200),
        ("cookie", format!("{cookie}; {cookie}"), 401),
        ("cookie", format!("{cookie}x"), 401),
        ("authorization", format!("Bearer {token}"), 200),
        ("authorization", format!("Bearer {token}x"), 401),
        ("authorization", format!("Bearer {token} x"), 401),
        ("authorization", format!("Bearer {signature}"), 401),
        ("authorization", format!("Bearer x.x.{signature}"), 401),
        ("authorization", "Basic YXBwOnNlY3JldA==".to_owned(), 401),
    ] {
        for path in ["/app?code=query-secret", "/.auth/me?code=query-secret"] {
            let request = client
                .request(reqwest::Method::GET, at(path))
                .header(name, &value);
            let answer = request.body("body-secret").send().await.unwrap();
            assert_eq!(answer.status(), status, "{path} {name}");
        }
    }
    let lost = client
        .get(at("/%00?code=query-secret"))
        .header("cookie", &cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(lost.status(), 400);
    let out = client
        .post(at("/.auth/logout"))
        .header("cookie", &cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(out.status(), 204);
}
