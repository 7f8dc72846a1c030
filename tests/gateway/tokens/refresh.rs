//! Refresh tokens: each good once, and what one brings ends with whatever ends its person's sign-in.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::claims_of;
use crate::harness::{Gateway, PASSWORD, Upstream, gateway, soon, user_entry};

/// What the token endpoint gives: its status and its document.
async fn asked(gateway: &Gateway, fields: &[(&str, &str)]) -> (u16, Value) {
    let answer = gateway.post("/.auth/token").form(fields).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Signs in for the first tokens.
pub(super) async fn begin(gateway: &Gateway, user: &str, scope: &str) -> Value {
    let mut fields = vec![
        ("grant_type", "password"),
        ("username", user),
        ("password", PASSWORD),
    ];
    if !scope.is_empty() {
        fields.push(("scope", scope));
    }
    let (status, answer) = asked(gateway, &fields).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// Uses a refresh token.
async fn refresh(gateway: &Gateway, token: &str) -> (u16, Value) {
    asked(
        gateway,
        &[("grant_type", "refresh_token"), ("refresh_token", token)],
    )
    .await
}

pub(super) fn text<'a>(answer: &'a Value, member: &str) -> &'a str {
    answer[member]
        .as_str()
        .unwrap_or_else(|| panic!("{member} of {answer}"))
}

pub(super) async fn status(gateway: &Gateway, token: &str) -> u16 {
    let answer = gateway.get("/").bearer_auth(token).send().await.unwrap();
    answer.status().as_u16()
}

fn is_refused(answer: (u16, Value)) {
    let (status, answer) = answer;
    assert_eq!(status, 400, "{answer}");
    assert_eq!(answer["error"], "invalid_grant");
    assert_eq!(
        answer["error_description"], "the refresh token is not valid",
        "why is for the log alone"
    );
}

#[tokio::test]
async fn it_brings_the_next_pair_and_says_when_its_person_signed_in() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user_with("alice", &["staff"], "")
        .standing_clock()
        .start()
        .await;
    let first = begin(&gateway, "alice", "").await;
    let mut members: Vec<_> = first.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(
        members,
        ["access_token", "expires_in", "refresh_token", "token_type"]
    );
    gateway.advance(Duration::from_secs(3600));
    assert_eq!(
        status(&gateway, text(&first, "access_token")).await,
        401,
        "it has expired"
    );

    let as_json = json!({ "grant_type": "refresh_token", "refresh_token": text(&first, "refresh_token") });
    let second = gateway.post("/.auth/token").json(&as_json).send().await.unwrap();
    assert_eq!(second.headers()["cache-control"], "no-store");
    assert_eq!(second.headers()["pragma"], "no-cache");
    let second: Value = second.json().await.unwrap();
    let (status, third) = refresh(&gateway, text(&second, "refresh_token")).await;
    assert_eq!(status, 200);
    for answer in [&second, &third] {
        assert_eq!(self::status(&gateway, text(answer, "access_token")).await, 200);
        let (old, new) = (
            claims_of(text(&first, "access_token")),
            claims_of(text(answer, "access_token")),
        );
        for claim in ["sub", "aud", "iss", "sid", "amr", "auth_time", "roles"] {
            assert!(
                !old[claim].is_null() && old[claim] == new[claim],
                "{claim}: {old} {new}"
            );
        }
        assert_eq!(new["amr"], json!(["pwd"]));
        assert_eq!(new["auth_time"], 1_800_000_000);
        assert_eq!(new["iat"], 1_800_003_600);
        assert_ne!(old["jti"], new["jti"]);
    }
}

#[tokio::test]
async fn one_shown_twice_ends_all_that_came_from_its_sign_in_and_nothing_else() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let other = begin(&gateway, "alice", "").await;
    let cookie = gateway.sign_in("alice").await;
    let first = begin(&gateway, "alice", "").await;
    let (_, second) = refresh(&gateway, text(&first, "refresh_token")).await;
    for token in [&first, &second] {
        assert_eq!(status(&gateway, text(token, "access_token")).await, 200);
    }
    is_refused(refresh(&gateway, text(&first, "refresh_token")).await);
    for token in [&first, &second] {
        assert_eq!(status(&gateway, text(token, "access_token")).await, 401);
        is_refused(refresh(&gateway, text(token, "refresh_token")).await);
    }
    assert_eq!(status(&gateway, text(&other, "access_token")).await, 200);
    assert_eq!(refresh(&gateway, text(&other, "refresh_token")).await.0, 200);
    let by_cookie = gateway.get("/").header("cookie", cookie).send().await.unwrap();
    assert_eq!(by_cookie.status(), 200);
}

#[tokio::test]
async fn of_many_who_show_one_at_once_one_is_served_and_what_it_got_ends() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    for _ in 0..5 {
        let first = begin(&gateway, "alice", "").await;
        let all = (0..12).map(|_| refresh(&gateway, text(&first, "refresh_token")));
        let answers = join_all(all).await;
        let served: Vec<&Value> = answers
            .iter()
            .filter(|(status, _)| *status == 200)
            .map(|(_, answer)| answer)
            .collect();
        assert!(served.len() <= 1, "{served:?}");
        for answer in served {
            assert_eq!(status(&gateway, text(answer, "access_token")).await, 401);
            is_refused(refresh(&gateway, text(answer, "refresh_token")).await);
        }
    }
}

#[tokio::test]
async fn a_scope_can_be_narrowed_for_one_token_and_never_widened() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route_with("/", &upstream, "access = { scopes = [\"wiki\"] }")
        .user("alice")
        .start()
        .await;
    let mut token = text(&begin(&gateway, "alice", "wiki mail").await, "refresh_token").to_owned();
    for (asked_for, granted, passes) in [
        ("", "wiki mail", 200),
        ("mail", "mail", 403),
        ("wiki", "wiki", 200),
        ("mail wiki", "mail wiki", 200),
        ("", "wiki mail", 200),
    ] {
        let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", &token)];
        if !asked_for.is_empty() {
            fields.push(("scope", asked_for));
        }
        let (_, answer) = asked(&gateway, &fields).await;
        assert_eq!(answer["scope"], granted, "{asked_for}");
        assert_eq!(
            status(&gateway, text(&answer, "access_token")).await,
            passes,
            "{asked_for}"
        );
        token = text(&answer, "refresh_token").to_owned();
    }
    for wider in ["admin", "wiki admin", "wik", " wiki", "wiki\""] {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &token),
            ("scope", wider),
        ];
        let (status, answer) = asked(&gateway, &fields).await;
        assert_eq!(
            (status, answer["error"].as_str()),
            (400, Some("invalid_scope")),
            "{wider:?}"
        );
    }
    assert_eq!(refresh(&gateway, &token).await.0, 200, "none of that used it up");
}

#[tokio::test]
async fn whatever_is_no_refresh_token_is_refused_in_the_same_words() {
    let gateway = gateway().user("alice").standing_clock().start().await;
    let given = begin(&gateway, "alice", "").await;
    let (token, access) = (text(&given, "refresh_token"), text(&given, "access_token"));
    let long = "A".repeat(10_000);
    for shown in ["x", "pcr_", &token[4..], access, &format!("{token}A"), &long] {
        is_refused(refresh(&gateway, shown).await);
    }
    for missing in [&[][..], &[("refresh_token", "")]] {
        let fields = [&[("grant_type", "refresh_token")], missing].concat();
        let (status, answer) = asked(&gateway, &fields).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_request")));
    }
    // Of no use where an access token belongs.
    let as_bearer = gateway.get("/.auth/me").bearer_auth(token).send().await.unwrap();
    assert_eq!(as_bearer.status(), 401);
    gateway.advance(Duration::from_secs(30 * 24 * 3600 - 1));
    let (status, last) = refresh(&gateway, token).await;
    assert_eq!(status, 200);
    gateway.advance(Duration::from_secs(1));
    is_refused(refresh(&gateway, text(&last, "refresh_token")).await);
}

#[tokio::test]
async fn whoever_is_changed_in_the_user_file_has_none_any_more() {
    let gateway = gateway().user("alice").user("bob").start().await;
    let bob = user_entry("bob", &[], "");
    for (what, changed) in [
        ("disabled", user_entry("alice", &[], "disabled = true")),
        ("removed", String::new()),
        ("given a role", user_entry("alice", &["staff"], "")),
        (
            "left without a password",
            "[[user]]\nname = \"alice\"\n".to_owned(),
        ),
    ] {
        gateway.change_users(|_| format!("{}{bob}", user_entry("alice", &[], "")));
        let (alices, bobs) = (
            begin(&gateway, "alice", "").await,
            begin(&gateway, "bob", "").await,
        );
        gateway.change_users(|_| format!("{changed}{bob}"));
        is_refused(refresh(&gateway, text(&alices, "refresh_token")).await);
        assert_eq!(
            refresh(&gateway, text(&bobs, "refresh_token")).await.0,
            200,
            "alice was {what}"
        );
        // It stays ended when all is as it was.
        gateway.change_users(|_| format!("{}{bob}", user_entry("alice", &[], "")));
        is_refused(refresh(&gateway, text(&alices, "refresh_token")).await);
    }
}

#[tokio::test]
async fn what_ended_with_a_change_does_not_come_back_when_that_is_taken_back() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .user("bob")
        .start()
        .await;
    let given = begin(&gateway, "alice", "").await;
    let bobs = begin(&gateway, "bob", "").await;
    let mut whole = String::new();
    gateway.change_users(|text| {
        whole.clone_from(&text);
        text.replacen("name = \"alice\"", "disabled = true\nname = \"alice\"", 1)
    });
    let ended = async {
        while gateway.refresh_tokens() > 1 {
            tokio::task::yield_now().await;
        }
    };
    soon("the end of alice's refresh token", ended).await;
    gateway.change_users(|_| whole);
    is_refused(refresh(&gateway, text(&given, "refresh_token")).await);
    assert_eq!(status(&gateway, text(&given, "access_token")).await, 401);
    assert_eq!(refresh(&gateway, text(&bobs, "refresh_token")).await.0, 200);
}

#[tokio::test]
async fn a_directory_that_cannot_be_asked_uses_nothing_up() {
    let gateway = gateway().user("alice").start().await;
    let given = begin(&gateway, "alice", "").await;
    let mut whole = String::new();
    gateway.change_users(|text| {
        whole = text;
        "[[user".to_owned()
    });
    let answer = gateway
        .post("/.auth/token")
        .form(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", text(&given, "refresh_token")),
        ])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    gateway.change_users(|_| whole);
    assert_eq!(refresh(&gateway, text(&given, "refresh_token")).await.0, 200);
}

#[tokio::test]
async fn none_is_given_out_where_that_is_switched_off() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .table("[token]\nrefresh_lifetime = \"0s\"")
        .start()
        .await;
    let given = begin(&gateway, "alice", "").await;
    assert!(given.get("refresh_token").is_none(), "{given}");
    assert_eq!(status(&gateway, text(&given, "access_token")).await, 200);
    assert!(
        !gateway.folder().join("state/tokens.redb").exists(),
        "nothing has to be remembered"
    );
}
