//! A token that a worker has verified before: everything but its signature is looked at anew.
//!
//! All requests of a connection meet the same worker, so from the second on it knows the token.

use std::time::Duration;

use crate::harness::{Gateway, RawClient, Upstream, gateway, user_entry};

/// Shows a token on a connection that stays open; the status.
async fn show(client: &mut RawClient, path: &str, token: &str) -> u16 {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    client.send(request).await;
    client.response().await.unwrap().status
}

/// A connection to a worker that knows the token.
async fn known(gateway: &Gateway, upstream: &Upstream, path: &str, token: &str) -> RawClient {
    let mut client = gateway.raw().await;
    for _ in 0..3 {
        assert_eq!(show(&mut client, path, token).await, 200);
    }
    assert_eq!(upstream.received().len(), 3);
    upstream.forget();
    client
}

#[tokio::test]
async fn a_known_token_ends_at_its_second() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .standing_clock()
        .start()
        .await;
    let token = gateway.token("alice").await;
    let mut client = known(&gateway, &upstream, "/", &token).await;
    // It lives for 15 minutes, and for the leeway of 30 seconds.
    gateway.advance(Duration::from_millis(929_999));
    for path in ["/", "/.auth/me"] {
        assert_eq!(show(&mut client, path, &token).await, 200, "{path}");
    }
    upstream.forget();
    gateway.advance(Duration::from_millis(1));
    for path in ["/", "/.auth/me", "/"] {
        assert_eq!(show(&mut client, path, &token).await, 401, "{path}");
    }
    upstream.saw_nothing();
}

#[tokio::test]
async fn a_known_token_is_over_once_its_user_has_changed() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .user("bob")
        .start()
        .await;
    let (alice, bob) = (user_entry("alice", &[], ""), user_entry("bob", &[], ""));
    let other_password = alice.replace("$argon2id$v=19$m=8,", "$argon2id$v=19$m=16,");
    assert_ne!(alice, other_password);
    for (what, changed) in [
        ("disabled", user_entry("alice", &[], "disabled = true")),
        ("removed", String::new()),
        ("given another password", other_password),
        ("given a role", user_entry("alice", &["staff"], "")),
    ] {
        gateway.change_users(|_| format!("{alice}{bob}"));
        let token = gateway.token("alice").await;
        let mut client = known(&gateway, &upstream, "/", &token).await;
        gateway.change_users(|_| format!("{changed}{bob}"));
        // A sign-in reads the file.
        let bobs = gateway.token("bob").await;
        for path in ["/", "/.auth/me", "/"] {
            assert_eq!(show(&mut client, path, &token).await, 401, "{what}: {path}");
        }
        upstream.saw_nothing();
        assert_eq!(show(&mut client, "/", &bobs).await, 200, "{what}");
        upstream.forget();
    }
}

#[tokio::test]
async fn a_known_token_meets_every_route_s_own_rule() {
    let (open, closed) = (Upstream::start(), Upstream::start());
    let gateway = gateway()
        .route("/", &open)
        .route_with("/staff", &closed, "access = { roles = [\"staff\"] }")
        .route_with("/carol", &closed, "access = { users = [\"carol\"] }")
        .user_with("alice", &["staff"], "")
        .user("bob")
        .start()
        .await;
    let (alice, bob) = (gateway.token("alice").await, gateway.token("bob").await);
    let mut client = known(&gateway, &open, "/", &bob).await;
    for path in ["/staff", "/carol", "/staff"] {
        assert_eq!(show(&mut client, path, &bob).await, 403, "{path}");
    }
    closed.saw_nothing();
    // Nor does the one who may open the door for the other.
    assert_eq!(show(&mut client, "/staff", &alice).await, 200);
    assert_eq!(closed.only().header("remote-user"), ["alice"]);
    closed.forget();
    assert_eq!(show(&mut client, "/staff", &bob).await, 403);
    assert_eq!(show(&mut client, "/carol", &alice).await, 403);
    closed.saw_nothing();
}

#[tokio::test]
async fn whatever_is_changed_in_a_known_token_it_is_another() {
    let upstream = Upstream::start();
    let gateway = gateway().route("/", &upstream).user("alice").start().await;
    let token = gateway.token("alice").await;
    let mut client = known(&gateway, &upstream, "/", &token).await;
    for at in 0..token.len() {
        let (before, rest) = token.split_at(at);
        let (old, after) = rest.split_at(1);
        for new in ["A", "b", "_", ".", ""] {
            if new != old {
                let changed = format!("{before}{new}{after}");
                assert_eq!(show(&mut client, "/", &changed).await, 401, "{changed}");
            }
        }
    }
    upstream.saw_nothing();
    assert_eq!(show(&mut client, "/", &token).await, 200);
}

#[tokio::test]
async fn known_tokens_are_never_taken_for_each_other() {
    let upstream = Upstream::start();
    let people = ["alice", "bob", "carol", "dave"];
    let gateway = people
        .iter()
        .fold(gateway().route("/", &upstream), |gateway, user| {
            gateway.user(user)
        })
        .start()
        .await;
    let mut tokens = Vec::new();
    for user in people {
        for _ in 0..3 {
            tokens.push((user, gateway.token(user).await));
        }
    }
    let mut client = gateway.raw().await;
    for round in 0..5 {
        for (user, token) in &tokens {
            assert_eq!(show(&mut client, "/", token).await, 200, "{round}");
            assert_eq!(upstream.only().header("remote-user"), [*user], "{round}");
            upstream.forget();
        }
    }
}
