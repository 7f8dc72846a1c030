//! `/.auth/login`: the page, the form and the JSON twin.

use serde_json::{Value, json};

use super::{assert_guarded, header, set_cookies};
use crate::harness::{Gateway, PASSWORD, Upstream, gateway, hidden_field};

async fn sign_in_as_program(gateway: &Gateway, body: Value) -> reqwest::Response {
    gateway.post("/.auth/login").json(&body).send().await.unwrap()
}

#[tokio::test]
async fn the_page_is_a_form_that_works_without_a_script() {
    let gateway = gateway()
        .table("[login]\ntitle = \"Tom & Jerry's <wiki>\"")
        .tls()
        .start()
        .await;
    let answer = gateway
        .get("/.auth/login?return_to=/wiki%3Fa%3D1%26b%3D2")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(header(&answer, "content-type"), "text/html; charset=utf-8");
    assert_guarded(answer.headers(), "the login page");
    let [cookie] = &set_cookies(&answer)[..] else {
        panic!("not one cookie: {:?}", set_cookies(&answer))
    };
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(pair.split_once('=').unwrap().0, "__Host-portcullis-form");
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Secure; Path=/");
    let page = answer.text().await.unwrap();
    assert_eq!(hidden_field(&page, "return_to"), "/wiki?a=1&b=2");
    for part in [
        "<form method=\"post\" action=\"/.auth/login\">",
        "name=\"username\" type=\"text\"",
        "autocomplete=\"username\"",
        "name=\"password\" type=\"password\"",
        "autocomplete=\"current-password\"",
        "name=\"remember\" type=\"checkbox\"",
        "<h1>Tom &#38; Jerry&#39;s &#60;wiki&#62;</h1>",
    ] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    assert!(!page.contains("<script") && !page.contains("alert"), "{page}");

    // Whoever has the cookie already keeps it: tabs that are open stay good.
    let again = gateway
        .get("/.auth/login")
        .header("cookie", pair)
        .send()
        .await
        .unwrap();
    assert_eq!(set_cookies(&again), Vec::<String>::new());
    assert_eq!(gateway.sessions(), 0, "a visitor costs no memory");
}

#[tokio::test]
async fn a_right_pair_begins_a_session_by_form_and_by_json() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user_with("alice", &["staff", "dev"], "")
        .standing_clock()
        .start()
        .await;
    let browser = gateway.browser();
    let by_form = browser
        .submit_login("/.auth/login?return_to=/app", "alice", PASSWORD, &[])
        .await;
    assert_eq!(by_form.status(), 303);
    assert_eq!(header(&by_form, "location"), "/app");
    assert_guarded(by_form.headers(), "the redirect");

    let by_json = sign_in_as_program(&gateway, json!({ "username": "alice", "password": PASSWORD })).await;
    assert_eq!(by_json.status(), 200);
    assert_eq!(header(&by_json, "content-type"), "application/json");
    assert_guarded(by_json.headers(), "the JSON answer");
    // The form's has a mark beside it, with which it is known for a moment that somebody has signed in.
    for (answer, count) in [(&by_form, 2), (&by_json, 1)] {
        let cookies = set_cookies(answer);
        let session = cookies
            .iter()
            .find(|cookie| cookie.starts_with("portcullis="))
            .unwrap();
        assert!(session.ends_with("; HttpOnly; SameSite=Lax; Path=/"), "{session}");
        assert_eq!(cookies.len(), count, "{cookies:?}");
    }
    let document: Value = by_json.json().await.unwrap();
    assert_eq!(
        document,
        json!({
            "username": "alice", "roles": ["staff", "dev"],
            "expires_at": 1_800_000_000 + 12 * 3600, "idle_timeout": 30 * 60,
        })
    );
    assert_eq!(gateway.sessions(), 2);
    upstream.saw_nothing();
}

#[tokio::test]
async fn a_browser_that_is_to_be_remembered_keeps_its_cookie() {
    let gateway = gateway()
        .user("alice")
        .table("[session]\nremember_timeout = \"7d\"")
        .standing_clock()
        .tls()
        .start()
        .await;
    let week = 7 * 24 * 3600;
    let remembered = format!("HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age={week}");
    let for_now = "HttpOnly; SameSite=Lax; Secure; Path=/";
    let attributes = |answer: &reqwest::Response| {
        let cookies = set_cookies(answer);
        let cookie = cookies
            .iter()
            .find(|cookie| cookie.starts_with("__Host-portcullis="));
        cookie.unwrap().split_once("; ").unwrap().1.to_owned()
    };
    for (ticked, expected) in [
        ("on", &*remembered),
        ("1", &remembered),
        ("true", &remembered),
        ("", for_now),
        ("0", for_now),
        ("off", for_now),
        ("yes", for_now),
    ] {
        let browser = gateway.browser();
        let answer = browser
            .submit_login("/.auth/login", "alice", PASSWORD, &[("remember", ticked)])
            .await;
        assert_eq!(answer.status(), 303);
        assert_eq!(attributes(&answer), expected, "remember={ticked}");
    }
    for (ticked, expected) in [
        (json!(true), &*remembered),
        (json!("on"), &remembered),
        (json!(false), for_now),
        (json!(null), for_now),
    ] {
        let body = json!({ "username": "alice", "password": PASSWORD, "remember": ticked });
        let answer = sign_in_as_program(&gateway, body).await;
        assert_eq!(attributes(&answer), expected, "{ticked}");
        let document: Value = answer.json().await.unwrap();
        let lasts = if expected == for_now { 12 * 3600 } else { week };
        assert_eq!(document["expires_at"], 1_800_000_000 + lasts, "{ticked}");
    }
}

#[tokio::test]
async fn where_nobody_is_remembered_the_box_is_hidden_and_asking_for_it_changes_nothing() {
    let gateway = gateway()
        .user("alice")
        .table("[session]\nremember_timeout = \"0s\"")
        .start()
        .await;
    let page = gateway
        .get("/.auth/login")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(!page.contains("remember"), "{page}");
    let browser = gateway.browser();
    let answer = browser
        .submit_login("/.auth/login", "alice", PASSWORD, &[("remember", "on")])
        .await;
    assert_eq!(answer.status(), 303);
    assert!(!set_cookies(&answer)[0].contains("Max-Age"));
}

#[tokio::test]
async fn the_form_comes_back_with_the_name_and_the_way_back_but_without_the_password() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let browser = gateway.browser();
    for (username, password) in [
        ("alice", "wrong-password"),
        ("alice", ""),
        ("", "wrong-password"),
        ("nobody", "x"),
    ] {
        let answer = browser
            .submit_login("/.auth/login?return_to=/a%3Fb%3D1", username, password, &[])
            .await;
        assert_eq!(answer.status(), 401);
        assert_eq!(header(&answer, "content-type"), "text/html; charset=utf-8");
        assert_guarded(answer.headers(), "the page again");
        assert_eq!(set_cookies(&answer), Vec::<String>::new());
        let page = answer.text().await.unwrap();
        assert!(
            page.contains("role=\"alert\">User name or password is not right.</p>"),
            "{page}"
        );
        assert!(
            page.contains(&format!("type=\"text\" value=\"{username}\"")),
            "{page}"
        );
        assert_eq!(hidden_field(&page, "return_to"), "/a?b=1");
        assert!(!page.contains("wrong-password"), "{page}");
        // The page that came back can be sent as it is.
        let csrf = hidden_field(&page, "csrf");
        let fields = [
            ("username", "alice"),
            ("password", PASSWORD),
            ("csrf", &csrf),
            ("return_to", "/a?b=1"),
        ];
        let answer = browser.submit("/.auth/login", &fields).await;
        assert_eq!(
            (answer.status().as_u16(), header(&answer, "location")),
            (303, "/a?b=1")
        );
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn a_form_without_a_name_or_a_password_is_a_wrong_pair() {
    let gateway = gateway().user("alice").start().await;
    let browser = gateway.browser();
    let page = browser.navigate("/.auth/login").await.text().await.unwrap();
    let csrf = hidden_field(&page, "csrf");
    for fields in [
        &[("username", "alice")][..],
        &[("password", PASSWORD)],
        &[("Username", "alice"), ("Password", PASSWORD)],
        &[("username", ""), ("password", PASSWORD)],
        &[],
    ] {
        let fields = [fields, &[("csrf", &csrf)]].concat();
        let answer = browser.submit("/.auth/login", &fields).await;
        assert_eq!(answer.status(), 401, "{fields:?}");
    }
    assert_eq!(gateway.sessions(), 0);
}

#[tokio::test]
async fn a_program_that_does_not_sign_in_gets_a_problem_and_no_cookie() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .user_with("carol", &[], "disabled = true")
        .start()
        .await;
    let (wrong, missing) = (
        "User name or password is not right.",
        "the body must have the members username and password.",
    );
    let not_json = "the body is not a JSON object whose members are strings or booleans.";
    let long = "x".repeat(1025);
    for (body, status, detail) in [
        (json!({ "username": "alice", "password": "wrong" }), 401, wrong),
        (json!({ "username": "alice", "password": "" }), 401, wrong),
        (json!({ "username": "nobody", "password": PASSWORD }), 401, wrong),
        (json!({ "username": "Alice", "password": PASSWORD }), 401, wrong),
        (json!({ "username": "alice ", "password": PASSWORD }), 401, wrong),
        (
            json!({ "username": "alice\u{0}", "password": PASSWORD }),
            401,
            wrong,
        ),
        (json!({ "username": "carol", "password": PASSWORD }), 401, wrong),
        (json!({ "username": "alice", "password": long }), 401, wrong),
        (json!({ "username": long, "password": PASSWORD }), 401, wrong),
        (json!({ "username": "", "password": PASSWORD }), 400, missing),
        (json!({ "username": "alice" }), 400, missing),
        (json!({ "password": PASSWORD }), 400, missing),
        (json!({ "username": null, "password": PASSWORD }), 400, missing),
        (json!({ "username": "alice", "password": null }), 400, missing),
        (json!({}), 400, missing),
        (json!({ "username": 5, "password": PASSWORD }), 400, not_json),
        (
            json!({ "username": ["alice"], "password": PASSWORD }),
            400,
            not_json,
        ),
        (
            json!({ "username": "alice", "password": { "$ne": "" } }),
            400,
            not_json,
        ),
        (json!(["alice", PASSWORD]), 400, not_json),
        (json!("alice"), 400, not_json),
        (json!(null), 400, not_json),
    ] {
        let answer = sign_in_as_program(&gateway, body.clone()).await;
        assert_eq!(answer.status(), status, "{body}");
        assert_eq!(
            header(&answer, "content-type"),
            "application/problem+json",
            "{body}"
        );
        assert_guarded(answer.headers(), "the problem");
        assert_eq!(set_cookies(&answer), Vec::<String>::new(), "{body}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["status"], status, "{body}");
        assert_eq!(problem["detail"], detail, "{body}");
        assert_eq!(problem["request_id"].as_str().unwrap().len(), 32, "{body}");
    }
    assert_eq!(gateway.sessions(), 0);
    upstream.saw_nothing();
}

#[tokio::test]
async fn a_broken_user_file_lets_nobody_in_and_says_so_without_its_contents() {
    let gateway = gateway().user("alice").start().await;
    let whole = std::fs::read_to_string(gateway.folder().join("users.toml")).unwrap();
    for broken in [
        "[[user]\nname = \"alice\"",
        "[[user]]\nname = \"alice\"\npassword = \"hunter2\"",
    ] {
        gateway.change_users(|_| broken.to_owned());
        let body = json!({ "username": "alice", "password": PASSWORD });
        let answer = sign_in_as_program(&gateway, body).await;
        assert_eq!(
            (answer.status().as_u16(), header(&answer, "retry-after")),
            (503, "5")
        );
        let problem = answer.text().await.unwrap();
        assert!(
            !problem.contains("hunter2") && !problem.contains("users.toml"),
            "{problem}"
        );
        let page = gateway
            .browser()
            .submit_login("/.auth/login", "alice", PASSWORD, &[])
            .await;
        assert_eq!((page.status().as_u16(), header(&page, "retry-after")), (503, "5"));
    }
    gateway.change_users(|_| whole);
    gateway.sign_in("alice").await;
}
