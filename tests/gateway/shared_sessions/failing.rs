//! A Redis that dies, stops, or cannot be reached any more.

use super::{gateway_at, sign_in, sign_out, status, status_of_token, tokens, try_sign_in, until};
use crate::harness::{Cut, Gateway, PASSWORD, Redis, Upstream, soon};

const STRANGER: &str = "portcullis=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What holds while the Redis cannot be reached, and nothing is to go on without it.
async fn nobody_is_let_in(gateway: &Gateway, upstream: &Upstream, cookie: &str) {
    until(gateway, cookie, 503).await;
    let reached = upstream.received().len();
    for (what, answer) in [
        ("a session", gateway.get("/").header("cookie", cookie)),
        (
            "a session that nobody knows",
            gateway.get("/").header("cookie", STRANGER),
        ),
    ] {
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status(), 503, "{what}");
        assert!(answer.headers().contains_key("retry-after"), "{what}");
    }
    let answer = try_sign_in(gateway, "alice").await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(
        gateway.get("/").send().await.unwrap().status(),
        401,
        "whoever shows nothing is asked to"
    );
    assert_eq!(upstream.received().len(), reached, "nobody got through");
}

#[tokio::test]
async fn a_redis_that_is_killed_under_load_lets_nobody_in_and_is_back_by_itself() {
    let (upstream, mut redis, keys) = (Upstream::start(), Redis::start(), tempfile::tempdir().unwrap());
    let store = format!("{:?}", redis.url());
    let gateway = gateway_at(&store, &keys, "", &upstream).await;
    let cookie = sign_in(&gateway, "alice").await;
    let under_load = async {
        let mut seen = Vec::new();
        while seen.last() != Some(&503) {
            seen.push(status(&gateway, &cookie).await);
        }
        seen
    };
    let killing = async {
        for _ in 0..50 {
            status(&gateway, &cookie).await;
        }
        redis.kill();
    };
    let (seen, ()) = tokio::join!(soon("the end of it", under_load), killing);
    assert!(seen.iter().all(|status| matches!(status, 200 | 503)), "{seen:?}");
    nobody_is_let_in(&gateway, &upstream, &cookie).await;
    redis.revive();
    until(&gateway, &cookie, 200).await;
    sign_in(&gateway, "bob").await;
}

#[tokio::test]
async fn a_redis_that_stands_still_lets_nobody_in_and_goes_on_by_itself() {
    let (upstream, redis, keys) = (Upstream::start(), Redis::start(), tempfile::tempdir().unwrap());
    let store = format!("{:?}", redis.url());
    let gateway = gateway_at(&store, &keys, "", &upstream).await;
    let cookie = sign_in(&gateway, "alice").await;
    let password = [
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", PASSWORD),
    ];
    let (_, issued) = tokens(&gateway, &password).await;
    let access = issued["access_token"].as_str().unwrap();
    redis.signal("STOP");
    nobody_is_let_in(&gateway, &upstream, &cookie).await;
    assert_eq!(
        status_of_token(&gateway, access).await,
        503,
        "it may have been taken back elsewhere"
    );
    redis.signal("CONT");
    until(&gateway, &cookie, 200).await;
    assert_eq!(status_of_token(&gateway, access).await, 200);
}

#[tokio::test]
async fn a_gateway_that_is_cut_off_does_not_miss_that_a_session_has_ended() {
    let (upstream, redis, keys) = (Upstream::start(), Redis::start(), tempfile::tempdir().unwrap());
    let way = Cut::to(redis.port());
    let cut_off = gateway_at(&format!("{:?}", way.url()), &keys, "", &upstream).await;
    let other = gateway_at(&format!("{:?}", redis.url()), &keys, "", &upstream).await;
    let [ended, kept] = [sign_in(&other, "alice").await, sign_in(&other, "bob").await];
    for cookie in [&ended, &kept] {
        assert_eq!(status(&cut_off, cookie).await, 200);
    }
    way.cut();
    assert_eq!(sign_out(&other, &ended).await, 204);
    until(&cut_off, &ended, 503).await;
    until(&cut_off, &kept, 503).await;
    way.mend();
    until(&cut_off, &kept, 200).await;
    assert_eq!(status(&cut_off, &ended).await, 401);
}

#[tokio::test]
async fn whoever_signs_out_meanwhile_is_out_here_at_once_and_everywhere_afterwards() {
    let (upstream, redis, keys) = (Upstream::start(), Redis::start(), tempfile::tempdir().unwrap());
    let way = Cut::to(redis.port());
    let cut_off = gateway_at(
        &format!("{:?}", way.url()),
        &keys,
        "outage_grace = \"1h\"\n",
        &upstream,
    )
    .await;
    let other = gateway_at(&format!("{:?}", redis.url()), &keys, "", &upstream).await;
    let [ended, kept] = [sign_in(&cut_off, "alice").await, sign_in(&cut_off, "bob").await];
    way.cut();
    assert_eq!(
        sign_out(&cut_off, &ended).await,
        503,
        "it cannot be told the others yet"
    );
    assert_eq!(
        status(&cut_off, &ended).await,
        503,
        "nobody knows whether it is one"
    );
    assert_eq!(
        status(&cut_off, &kept).await,
        200,
        "what is remembered goes on for as long as it may"
    );
    assert_eq!(try_sign_in(&cut_off, "alice").await.status(), 503);
    assert_eq!(status(&cut_off, STRANGER).await, 503);
    way.mend();
    until(&cut_off, &ended, 401).await;
    until(&other, &ended, 401).await;
    assert_eq!(status(&other, &kept).await, 200);
}

#[tokio::test]
async fn a_gateway_starts_without_its_redis_and_serves_once_it_is_there() {
    let (upstream, mut redis, keys) = (Upstream::start(), Redis::start(), tempfile::tempdir().unwrap());
    redis.kill();
    let store = format!("{:?}", redis.url());
    let gateway = gateway_at(&store, &keys, "", &upstream).await;
    nobody_is_let_in(&gateway, &upstream, STRANGER).await;
    redis.revive();
    until(&gateway, STRANGER, 401).await;
    let cookie = sign_in(&gateway, "alice").await;
    assert_eq!(status(&gateway, &cookie).await, 200);
}

#[tokio::test]
async fn a_cluster_that_has_lost_a_node_lets_nobody_in_whose_session_was_there() {
    let (upstream, mut nodes, keys) = (Upstream::start(), Redis::cluster(), tempfile::tempdir().unwrap());
    let store = format!("{:?}", nodes.each_ref().map(Redis::url));
    let gateway = gateway_at(&store, &keys, "", &upstream).await;
    let mut cookies = Vec::new();
    for _ in 0..8 {
        cookies.push(sign_in(&gateway, "alice").await);
    }
    nodes[2].signal("STOP");
    // Others may go on until the cluster has noticed: what is not asked for there is.
    let seen = async {
        loop {
            let mut all = Vec::new();
            for cookie in &cookies {
                all.push(status(&gateway, cookie).await);
            }
            assert!(all.iter().all(|status| matches!(status, 200 | 503)), "{all:?}");
            if all.contains(&503) {
                break;
            }
        }
    };
    soon("somebody is refused", seen).await;
    nodes[2].signal("CONT");
    for cookie in &cookies {
        until(&gateway, cookie, 200).await;
    }
    let [_, _, last] = &mut nodes;
    last.kill();
    last.revive();
    for cookie in &cookies {
        until(&gateway, cookie, 200).await;
    }
}
