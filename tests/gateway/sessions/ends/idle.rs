//! What keeps a session alive, and what its idle limit ends.

use std::time::Duration;

use super::{
    CLIENT_HELLO, HOUR, MINUTE, builder, credential, download, events, goes_on, is_closed, is_cut, looked,
    websocket,
};
use crate::harness::{Gateway, PlayedUpstream, soon};

/// When the session of this cookie ends if nothing renews it, in seconds since 1970. Asking renews nothing.
async fn end_of(gateway: &Gateway, cookie: &str) -> u64 {
    let cookie = cookie.trim_start_matches("cookie: ");
    let answer = gateway.request("HEAD", "/.auth/me").header("cookie", cookie);
    let answer = answer.send().await.unwrap();
    let end = answer.headers()["x-session-expires-at"].to_str().unwrap();
    end.parse().unwrap()
}

#[tokio::test]
async fn who_says_something_in_a_websocket_is_not_idle_and_whose_browser_answers_pings_is() {
    let upstream = PlayedUpstream::start().await;
    let gateway = builder(&upstream)
        .route_with("/quiet", &upstream, "renews_session = false")
        .start()
        .await;
    let cookie = credential(&gateway, "alice", false).await;
    let (mut client, mut app) = websocket(&gateway, &upstream, "/", &cookie).await;
    let (mut quiet, mut quiet_app) = websocket(&gateway, &upstream, "/quiet", &cookie).await;
    // What was said with the handshake has been looked at.
    looked(&gateway, &upstream).await;
    let end = end_of(&gateway, &cookie).await;
    gateway.advance(20 * MINUTE);

    // A pong, and what is said where it does not count.
    let pong = b"\x8a\x80\0\0\0\0";
    client.send(pong).await;
    assert_eq!(app.exactly(pong.len()).await, pong);
    quiet.send(CLIENT_HELLO).await;
    assert_eq!(quiet_app.exactly(CLIENT_HELLO.len()).await, CLIENT_HELLO);
    looked(&gateway, &upstream).await;
    assert_eq!(end_of(&gateway, &cookie).await, end);

    client.send(CLIENT_HELLO).await;
    assert_eq!(app.exactly(CLIENT_HELLO.len()).await, CLIENT_HELLO);
    let renewed = async {
        while end_of(&gateway, &cookie).await == end {
            tokio::task::yield_now().await;
        }
    };
    soon("the session to be renewed", renewed).await;
    assert_eq!(end_of(&gateway, &cookie).await, end + 20 * 60);

    gateway.advance(30 * MINUTE);
    is_closed((client, app)).await;
    is_closed((quiet, quiet_app)).await;
}

#[tokio::test]
async fn the_idle_limit_ends_what_could_go_on_for_ever_and_leaves_a_download_alone() {
    let upstream = PlayedUpstream::start().await;
    let gateway = builder(&upstream).start().await;
    let cookie = credential(&gateway, "alice", false).await;
    let stream = events(&gateway, &upstream, &cookie).await;
    let talk = websocket(&gateway, &upstream, "/", &cookie).await;
    let mut file = download(&gateway, &upstream, &cookie).await;
    looked(&gateway, &upstream).await;

    gateway.advance(30 * MINUTE);
    is_cut(stream).await;
    is_closed(talk).await;
    goes_on(&mut file, "and goes on").await;
    // Nor does it end when the session is taken out of the table.
    gateway.sessions_become(0).await;
    looked(&gateway, &upstream).await;
    goes_on(&mut file, "further").await;

    // The other limit leaves nothing.
    gateway.advance(12 * HOUR - 30 * MINUTE - Duration::from_millis(1));
    looked(&gateway, &upstream).await;
    goes_on(&mut file, "to the last moment").await;
    gateway.advance(Duration::from_millis(1));
    is_cut(file).await;
}
