//! A burst of sign-ins: bounded, and nobody's problem but its own.

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{PATIENCE, Upstream, gateway};

#[tokio::test]
async fn of_three_hundred_bad_sign_ins_at_once_some_are_turned_away_and_whoever_is_signed_in_notices_nothing()
{
    let upstream = Upstream::start();
    let hash = portcullis::users::password::hash(
        b"another password",
        portcullis::config::Argon2Cost {
            memory_kib: 16 * 1024,
            passes: 1,
            lanes: 1,
        },
    );
    // The first hash in the file is what an unknown name costs.
    let gateway = gateway()
        .route("/", &upstream)
        .users_toml(&format!(
            "[[user]]\nname = \"slow\"\npassword = {:?}\n",
            hash.unwrap()
        ))
        .user("alice")
        .start()
        .await;
    let cookie = gateway.sign_in("alice").await;
    let before = gateway.hashes_computed();
    let bad = (0..300).map(|number| {
        let body = json!({ "username": format!("nobody{number}"), "password": "x" });
        // The hashing threads have the lowest priority: on a busy machine the last answer may take its time.
        gateway
            .post("/.auth/login")
            .json(&body)
            .timeout(10 * PATIENCE)
            .send()
    });
    let bad = bad.map(|answer| async {
        let answer = answer.await.unwrap();
        let retry_after = answer.headers().get("retry-after").cloned();
        match answer.status().as_u16() {
            401 => assert_eq!(retry_after, None),
            503 => assert_eq!(retry_after.unwrap(), "5"),
            other => panic!("{other}"),
        }
        answer.status().as_u16()
    });
    let ordinary = async {
        for _ in 0..100 {
            let answer = gateway.get("/").header("cookie", &cookie).send().await.unwrap();
            assert_eq!(answer.status(), 200);
        }
    };
    let (statuses, ()) = tokio::join!(join_all(bad), ordinary);
    let refused = statuses.iter().filter(|status| **status == 401).count();
    assert!(refused >= 128, "all who found a place were heard: {refused}");
    assert!(refused < 300, "the queue has an end");
    assert_eq!(
        gateway.hashes_computed() - before,
        refused as u64,
        "nobody who was turned away cost a hash"
    );
    assert_eq!(upstream.received().len(), 100);

    // Afterwards everything is as before.
    gateway.sign_in("alice").await;
    gateway.token("alice").await;
    assert_eq!(gateway.sessions(), 2);
}
