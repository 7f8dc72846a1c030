//! Many at once: visitors who cost nothing, and people who are not taken for each other.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::is_signed_in;
use crate::harness::{Gateway, PASSWORD, Upstream, gateway, soon};

#[tokio::test]
async fn ten_thousand_visitors_without_a_cookie_leave_nothing_behind() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let kept = gateway.sign_in("alice").await;
    let visitors = (0..20).map(|_| async {
        let mut client = gateway.raw().await;
        for _ in 0..100 {
            let paths = [
                "/",
                "/.auth/login",
                "/.auth/me",
                "/.auth/logout",
                "/.auth/login?return_to=/x",
            ];
            let requests = paths.map(|path| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"));
            client.send(requests.concat()).await;
            for _ in paths {
                let status = client.response().await.unwrap().status;
                assert!(matches!(status, 200 | 401), "{status}");
            }
        }
    });
    join_all(visitors).await;
    assert_eq!(gateway.sessions(), 1);
    upstream.saw_nothing();
    assert!(is_signed_in(&gateway, &kept).await);
}

async fn sign_in_and_ask(gateway: &Gateway, user: &str) -> (String, Value) {
    let cookie = gateway.sign_in(user).await;
    let me = gateway
        .get("/.auth/me")
        .header("cookie", &cookie)
        .send()
        .await
        .unwrap();
    (cookie, me.json().await.unwrap())
}

#[tokio::test]
async fn whoever_signs_in_beside_many_others_is_still_nobody_else() {
    let names: Vec<String> = (0..20).map(|number| format!("user{number}")).collect();
    let upstream = Upstream::start();
    let builder = gateway()
        .route("/", &upstream)
        .table("[session]\nmax_per_user = 100");
    let builder = names
        .iter()
        .fold(builder, |builder, name| builder.user_with(name, &[name], ""));
    let gateway = builder.start().await;
    // A wrong pair among them is never answered with somebody's right one.
    let wrong = async |name: &str| {
        let body = json!({ "username": format!("no-{name}"), "password": PASSWORD });
        let answer = gateway.post("/.auth/login").json(&body).send().await.unwrap();
        assert!(
            matches!(answer.status().as_u16(), 401 | 503),
            "{}",
            answer.status()
        );
        assert!(answer.headers().get("set-cookie").is_none());
    };
    for _ in 0..5 {
        let gateway = &gateway;
        let right = names.iter().map(|name| async move {
            let (_, me) = sign_in_and_ask(gateway, name).await;
            assert_eq!(me["username"], **name);
            assert_eq!(me["roles"], json!([name]));
        });
        let wrong = names.iter().map(|name| wrong(name));
        tokio::join!(join_all(right), join_all(wrong));
    }
    assert_eq!(gateway.sessions(), 100);
    upstream.saw_nothing();
}

#[tokio::test]
async fn signing_in_and_out_while_sessions_expire_never_stalls() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .user("bob")
        .table("[session]\nidle_timeout = \"10s\"\nmax_per_user = 5")
        .standing_clock()
        .start()
        .await;
    let person = async |user: &'static str, everywhere: &'static str| {
        for _ in 0..25 {
            let cookie = gateway.sign_in(user).await;
            let _ = is_signed_in(&gateway, &cookie).await;
            let answer = gateway
                .post("/.auth/logout")
                .header("cookie", &cookie)
                .form(&[("everywhere", everywhere)])
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), 303);
            gateway.advance(Duration::from_secs(1));
        }
    };
    let people = join_all([
        person("alice", "0"),
        person("alice", "1"),
        person("alice", "0"),
        person("bob", "0"),
        person("bob", "1"),
    ]);
    soon("five people to sign in and out", people).await;
    gateway.advance(Duration::from_secs(10));
    gateway.sessions_become(0).await;
    assert!(is_signed_in(&gateway, &gateway.sign_in("alice").await).await);
}
