//! An app that signs a connection in and not a request (NTLM, Negotiate), as IIS does: whoever is on the connection from then
//! on is taken for who signed it in.

use std::{collections::HashMap, sync::Mutex};

use super::answer;
use crate::harness::{
    Gateway, PlayedUpstream, RawClient, RawResponse, Received, Upstream, gateway, http2_client, soon,
};

/// How far somebody has come on a connection.
#[derive(Clone)]
enum Stage {
    Challenged(String),
    SignedIn(String),
}

/// An app that says whom it takes a request to be from. A handshake has three legs, all on one connection: a first
/// message, a challenge, and an answer to it.
fn app(scheme: &'static str) -> impl Fn(&Received) -> Vec<u8> + Send + Sync + 'static {
    let stages = Mutex::new(HashMap::<usize, Stage>::new());
    move |request| {
        let mut stages = stages.lock().unwrap();
        let stage = stages.get(&request.connection).cloned();
        let shown = request.header("authorization").first().map(ToString::to_string);
        let shown = shown
            .as_deref()
            .and_then(|shown| shown.strip_prefix(scheme))
            .map(str::trim);
        let (message, user) = shown.and_then(|shown| shown.split_once(' ')).unwrap_or_default();
        match (message, stage) {
            ("hello", _) => {
                stages.insert(request.connection, Stage::Challenged(user.to_owned()));
                challenge(&format!("{scheme} prove it"))
            }
            ("proof", Some(Stage::Challenged(who))) if who == user => {
                stages.insert(request.connection, Stage::SignedIn(who.clone()));
                answer(&who)
            }
            ("", Some(Stage::SignedIn(who))) => answer(&who),
            _ => challenge(scheme),
        }
    }
}

fn challenge(text: &str) -> Vec<u8> {
    format!("HTTP/1.1 401 Unauthorized\r\nwww-authenticate: {text}\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

async fn ask(client: &mut RawClient, fields: &str) -> RawResponse {
    client
        .send(format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n"))
        .await;
    client.response().await.unwrap()
}

/// Goes through the handshake as a browser does. Both legs must be on one connection of the app's.
async fn sign_in(client: &mut RawClient, scheme: &str, user: &str, fields: &str) {
    assert_eq!(ask(client, fields).await.status, 401);
    let hello = format!("{fields}authorization: {scheme} hello {user}\r\n");
    let challenged = ask(client, &hello).await;
    let prove = format!("{scheme} prove it");
    assert_eq!(challenged.header("www-authenticate"), [prove.as_str()]);
    let proof = format!("{fields}authorization: {scheme} proof {user}\r\n");
    assert_eq!(ask(client, &proof).await.text(), user);
}

async fn in_front_of(upstream: &Upstream) -> Gateway {
    gateway().public("/", upstream).one_worker().start().await
}

#[tokio::test]
async fn a_handshake_of_several_legs_is_completed_and_lasts_as_long_as_the_client_s_connection() {
    for scheme in ["NTLM", "Negotiate"] {
        let upstream = Upstream::answering(app(scheme));
        let gateway = in_front_of(&upstream).await;
        let mut client = gateway.raw().await;
        sign_in(&mut client, scheme, "alice", "").await;
        for _ in 0..3 {
            assert_eq!(ask(&mut client, "").await.text(), "alice");
        }
        assert_eq!(upstream.connections(), 1);
        // Her second connection is another one, at the app too.
        let mut second = gateway.raw().await;
        assert_eq!(ask(&mut second, "").await.status, 401);
        sign_in(&mut second, scheme, "alice", "").await;
        assert_eq!(ask(&mut client, "").await.text(), "alice", "the first goes on");
    }
}

#[tokio::test]
async fn nobody_rides_on_a_connection_that_somebody_else_has_signed_in() {
    for scheme in ["NTLM", "Negotiate"] {
        let upstream = Upstream::answering(app(scheme));
        let gateway = in_front_of(&upstream).await;
        let (mut alice, mut bob) = (gateway.raw().await, gateway.raw().await);
        sign_in(&mut alice, scheme, "alice", "").await;
        assert_eq!(ask(&mut bob, "").await.status, 401);
        sign_in(&mut bob, scheme, "bob", "").await;
        for _ in 0..3 {
            assert_eq!(ask(&mut alice, "").await.text(), "alice");
            assert_eq!(ask(&mut bob, "").await.text(), "bob");
        }
        drop((alice, bob));
        for _ in 0..5 {
            let mut carol = gateway.raw().await;
            assert_eq!(
                ask(&mut carol, "").await.status,
                401,
                "what they leave behind is nobody's"
            );
        }
    }
}

#[tokio::test]
async fn a_handshake_that_was_only_begun_is_nobody_else_s_to_finish() {
    let upstream = Upstream::answering(app("NTLM"));
    let gateway = in_front_of(&upstream).await;
    let mut alice = gateway.raw().await;
    ask(&mut alice, "authorization: NTLM hello alice\r\n").await;
    for _ in 0..5 {
        let mut bob = gateway.raw().await;
        let told = ask(&mut bob, "authorization: NTLM proof alice\r\n").await;
        assert_eq!(
            (told.status, told.header("www-authenticate")),
            (401, vec!["NTLM"])
        );
    }
}

#[tokio::test]
async fn it_is_one_person_s_even_where_a_client_s_connection_carries_several() {
    let upstream = Upstream::answering(app("NTLM"));
    let gateway = gateway()
        .route("/", &upstream)
        .user("alice")
        .user("bob")
        .one_worker()
        .start()
        .await;
    let cookie = async |user: &str| format!("cookie: {}\r\n", gateway.sign_in(user).await);
    let (alice, bob) = (cookie("alice").await, cookie("bob").await);
    let mut client = gateway.raw().await;
    sign_in(&mut client, "NTLM", "alice", &alice).await;
    assert_eq!(ask(&mut client, &bob).await.status, 401, "not on hers");
    sign_in(&mut client, "NTLM", "bob", &bob).await;
    assert_eq!(ask(&mut client, &bob).await.text(), "bob");
    assert_eq!(ask(&mut client, &alice).await.status, 401, "not on his");
}

#[tokio::test]
async fn a_public_route_to_the_same_app_is_not_signed_in_by_a_private_one() {
    let upstream = Upstream::answering(app("NTLM"));
    let gateway = gateway()
        .route("/", &upstream)
        .public("/public", &upstream)
        .user("alice")
        .one_worker()
        .start()
        .await;
    let alice = format!("cookie: {}\r\n", gateway.sign_in("alice").await);
    let mut client = gateway.raw().await;
    sign_in(&mut client, "NTLM", "alice", &alice).await;
    client
        .send(format!("GET /public HTTP/1.1\r\nhost: a\r\n{alice}\r\n"))
        .await;
    assert_eq!(client.response().await.unwrap().status, 401);
}

#[tokio::test]
async fn it_is_closed_with_the_client_s_connection() {
    let upstream = PlayedUpstream::start().await;
    let gateway = gateway().public("/", &upstream).start().await;
    let mut client = gateway.raw().await;
    client
        .send("GET / HTTP/1.1\r\nhost: a\r\nauthorization: NTLM hello alice\r\n\r\n")
        .await;
    let mut app = upstream.accept().await;
    app.head().await;
    app.send(challenge("NTLM prove it")).await;
    assert_eq!(client.response().await.unwrap().status, 401);
    drop(client);
    app.ends().await;
}

#[tokio::test]
async fn over_http_2_it_is_closed_after_its_answer() {
    let upstream = Upstream::answering(app("NTLM"));
    let gateway = in_front_of(&upstream).await;
    let mut client = http2_client(gateway.address).await;
    for (shown, told, connections) in [
        ("NTLM hello alice", "NTLM prove it", 1),
        // The proof comes on another connection, and proves nothing there.
        ("NTLM proof alice", "NTLM", 2),
        ("", "NTLM", 3),
        ("", "NTLM", 4),
    ] {
        let mut head = http::Request::get("http://a/");
        if !shown.is_empty() {
            head = head.header("authorization", shown);
        }
        let (response, _) = client.send_request(head.body(()).unwrap(), true).unwrap();
        let response = soon("an answer", response).await.unwrap();
        assert_eq!(response.headers()["www-authenticate"], told);
        assert_eq!(upstream.connections(), connections);
    }
}

#[tokio::test]
async fn a_proxy_in_front_carries_nobody_s_sign_in_to_somebody_else() {
    let upstream = Upstream::answering(app("NTLM"));
    let gateway = gateway()
        .server("trusted_proxies = [\"127.0.0.0/8\"]")
        .public("/", &upstream)
        .one_worker()
        .start()
        .await;
    // Two people of one office, on one connection of the proxy's.
    let office = "x-forwarded-for: 192.0.2.1\r\n";
    let mut proxy = gateway.raw().await;
    for (shown, told) in [
        ("authorization: NTLM hello alice\r\n", "NTLM prove it"),
        ("authorization: NTLM proof alice\r\n", "NTLM"),
        ("", "NTLM"),
    ] {
        let answer = ask(&mut proxy, &format!("{office}{shown}")).await;
        assert_eq!(
            (answer.status, answer.header("www-authenticate")),
            (401, vec![told])
        );
    }
}

#[tokio::test]
async fn other_ways_to_sign_in_are_requests_own_and_share_connections() {
    for (shown, challenge) in [
        ("Basic eDp5", "Basic realm=\"x\""),
        ("Digest username=\"x\"", "Digest realm=\"x\", nonce=\"y\""),
    ] {
        let upstream = Upstream::answering(move |request| match request.header("authorization").is_empty() {
            true => self::challenge(challenge),
            false => answer("hello"),
        });
        let gateway = in_front_of(&upstream).await;
        for fields in [
            String::new(),
            format!("authorization: {shown}\r\n"),
            String::new(),
        ] {
            ask(&mut gateway.raw().await, &fields).await;
        }
        assert_eq!(upstream.connections(), 1, "{shown}");
    }
}
