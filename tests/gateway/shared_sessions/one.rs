//! What one gateway does all of them know.

use serde_json::Value;

use super::{gateway_at, sign_in, sign_out, sign_out_everywhere, status, status_of_token, tokens, until};
use crate::harness::{Gateway, PASSWORD, Redis, Upstream, hidden_field, soon};

/// Everything that is to be one, at gateways that share a store.
async fn are_one(gateways: &[Gateway]) {
    let [first, second, ..] = gateways else { panic!() };
    // A session is everybody's, and its end as well.
    let (one, other) = (sign_in(first, "alice").await, sign_in(second, "alice").await);
    for gateway in gateways {
        assert_eq!(status(gateway, &one).await, 200);
        assert_eq!(status(gateway, &other).await, 200);
    }
    assert_eq!(sign_out(first, &one).await, 204);
    for gateway in gateways {
        until(gateway, &one, 401).await;
        assert_eq!(status(gateway, &other).await, 200, "nobody else is signed out");
    }
    // Lists have all of them, and one can be ended from anywhere.
    let third = sign_in(first, "alice").await;
    let list = second.get("/.auth/sessions").header("cookie", &other);
    let list: Vec<Value> = list.send().await.unwrap().json().await.unwrap();
    assert_eq!(list.len(), 2);
    let id = list.iter().find(|session| session["current"] == false).unwrap()["id"].as_str();
    let end = second.request("DELETE", &format!("/.auth/sessions/{}", id.unwrap()));
    let ended = end.header("cookie", &other).send().await.unwrap();
    assert_eq!(ended.status(), 204);
    for gateway in gateways {
        until(gateway, &third, 401).await;
    }
    // A token that was taken back at one is none at any.
    let password = [
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", PASSWORD),
    ];
    let (_, issued) = tokens(first, &password).await;
    let access = issued["access_token"].as_str().unwrap();
    for gateway in gateways {
        assert_eq!(status_of_token(gateway, access).await, 200);
    }
    let revoked = second
        .post("/.auth/revoke")
        .form(&[("token", access)])
        .send()
        .await
        .unwrap();
    assert_eq!(revoked.status(), 200);
    for gateway in gateways {
        soon("the token is refused", async {
            while status_of_token(gateway, access).await != 401 {}
        })
        .await;
    }
    // A refresh token is good once, wherever it is shown, and its theft is found out wherever it is.
    let (_, issued) = tokens(first, &password).await;
    let used = issued["refresh_token"].as_str().unwrap();
    let refresh = |token| [("grant_type", "refresh_token"), ("refresh_token", token)];
    let (status_, next) = tokens(second, &refresh(used)).await;
    assert_eq!(status_, 200, "{next}");
    assert_eq!(tokens(first, &refresh(used)).await.0, 400);
    let next = next["refresh_token"].as_str().unwrap();
    assert_eq!(
        tokens(second, &refresh(next)).await.0,
        400,
        "its family has ended"
    );
    // Out everywhere is out everywhere.
    let (_, issued) = tokens(second, &password).await;
    let access = issued["access_token"].as_str().unwrap();
    assert_eq!(sign_out_everywhere(first, &other).await, 204);
    for gateway in gateways {
        until(gateway, &other, 401).await;
        soon("the token is refused", async {
            while status_of_token(gateway, access).await != 401 {}
        })
        .await;
    }
}

#[tokio::test]
async fn gateways_that_share_a_redis_are_one() {
    let (upstream, redis, keys) = (Upstream::start(), Redis::start(), tempfile::tempdir().unwrap());
    let store = format!("{:?}", redis.url());
    let mut gateways = Vec::new();
    for _ in 0..3 {
        gateways.push(gateway_at(&store, &keys, "", &upstream).await);
    }
    are_one(&gateways).await;
}

#[tokio::test]
async fn gateways_that_share_a_cluster_are_one() {
    let (upstream, nodes, keys) = (Upstream::start(), Redis::cluster(), tempfile::tempdir().unwrap());
    let store = format!("{:?}", nodes.each_ref().map(Redis::url));
    let mut gateways = Vec::new();
    for _ in 0..2 {
        gateways.push(gateway_at(&store, &keys, "", &upstream).await);
    }
    are_one(&gateways).await;
    let used = nodes.iter().filter(|node| node.ask(&["DBSIZE"]).trim() != "0");
    assert!(used.count() > 1, "what is kept is spread over the cluster");
}

#[tokio::test]
async fn a_form_of_one_gateway_can_be_sent_to_another() {
    let (upstream, redis, keys) = (Upstream::start(), Redis::start(), tempfile::tempdir().unwrap());
    let store = format!("{:?}", redis.url());
    let shown_by = gateway_at(&store, &keys, "", &upstream).await;
    let sent_to = gateway_at(&store, &keys, "", &upstream).await;
    let page = shown_by.get("/.auth/login").send().await.unwrap();
    let cookie = page.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let csrf = hidden_field(&page.text().await.unwrap(), "csrf");
    let form = [
        ("username", "alice"),
        ("password", PASSWORD),
        ("csrf", &csrf),
        ("return_to", "/"),
    ];
    let sent = sent_to.post("/.auth/login").header("cookie", cookie).form(&form);
    assert_eq!(sent.send().await.unwrap().status(), 303);
}

#[tokio::test]
async fn a_session_outlives_the_gateway_that_made_it() {
    let (upstream, redis, keys) = (Upstream::start(), Redis::start(), tempfile::tempdir().unwrap());
    let store = format!("{:?}", redis.url());
    let gateway = gateway_at(&store, &keys, "", &upstream).await;
    let (kept, ended) = (sign_in(&gateway, "alice").await, sign_in(&gateway, "alice").await);
    sign_out(&gateway, &ended).await;
    drop(gateway);
    let gateway = gateway_at(&store, &keys, "", &upstream).await;
    assert_eq!(status(&gateway, &kept).await, 200);
    assert_eq!(status(&gateway, &ended).await, 401);
}

#[tokio::test]
async fn what_is_in_the_redis_opens_nothing() {
    let (upstream, redis, keys) = (Upstream::start(), Redis::start(), tempfile::tempdir().unwrap());
    let store = format!("{:?}", redis.url());
    let gateway = gateway_at(&store, &keys, "", &upstream).await;
    let cookie = sign_in(&gateway, "alice").await;
    let secret = cookie.split_once('=').unwrap().1;
    let all = redis.ask(&["KEYS", "*"]);
    let mut dump = all.clone();
    for key in all.lines() {
        for read in [&["HGETALL", key][..], &["ZRANGE", key, "0", "-1"], &["GET", key]] {
            dump.push_str(&redis.ask(read));
        }
    }
    assert!(
        dump.contains("alice") && dump.len() > 500,
        "it is all there: {dump}"
    );
    assert!(!dump.contains(secret), "but no cookie is");
}

#[tokio::test]
async fn a_redis_may_want_tls_and_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let port = crate::harness::free_port();
    let redis = Redis::with(&[
        "--port",
        "0",
        "--tls-port",
        &port.to_string(),
        "--tls-auth-clients",
        "no",
        "--tls-cert-file",
        cert.to_str().unwrap(),
        "--tls-key-file",
        key.to_str().unwrap(),
        "--requirepass",
        "correct horse",
    ]);
    let (upstream, keys) = (Upstream::start(), tempfile::tempdir().unwrap());
    let store = format!("\"rediss://:correct%20horse@localhost:{port}\"");
    let ca = format!("redis_ca = {cert:?}\n");
    let gateway = gateway_at(&store, &keys, &ca, &upstream).await;
    let cookie = sign_in(&gateway, "alice").await;
    assert_eq!(status(&gateway, &cookie).await, 200);
    let stranger = gateway_at(&store, &keys, "", &upstream).await;
    assert_eq!(
        status(&stranger, &cookie).await,
        503,
        "whom nobody vouches for is not asked"
    );
    drop(redis);
}
