//! `portcullis demo`, from the address that it prints to the end of the session.

use std::fs;

use sha2::{Digest, Sha256};

use crate::harness::{Chromium, Demo};

#[tokio::test]
async fn alice_signs_in_sees_the_app_and_signs_out_again() {
    let demo = Demo::start();
    let chromium = Chromium::start().await;
    chromium.open(&demo.url("/")).await;
    chromium.sees("h1", "Sign in to the demo").await;
    chromium.sign_in("alice", &demo.password("alice")).await;

    chromium.sees("h1", "Alice Liddell").await;
    assert_eq!(chromium.location().await, "/");
    for header in [
        "remote-user alice",
        "remote-name Alice Liddell",
        "remote-email alice@example.com",
        "remote-groups staff",
    ] {
        chromium.sees("tr", header).await;
    }

    chromium.follow(".who .button").await;
    chromium.sees("h1", "Sign out?").await;
    chromium.follow("button").await;
    chromium.sees("#message", "You are signed out.").await;
    for path in ["/", "/staff", "/ws", "/events", "/upload"] {
        chromium.open(&demo.url(path)).await;
        chromium.find("#password").await;
        demo.writes(&format!("path={path:?} status=303"));
    }
    assert_eq!(chromium.complaints().await, [""; 0]);
}

#[tokio::test]
async fn what_an_app_does_in_a_browser_works_behind_the_gateway() {
    let demo = Demo::start();
    let chromium = Chromium::start().await;

    // A WebSocket.
    chromium.open(&demo.url("/ws")).await;
    chromium.sign_in("alice", &demo.password("alice")).await;
    chromium.sees("#state", "Connected").await;
    chromium.type_into("#text", " from Chromium").await;
    chromium.click("button").await;
    chromium.sees("#log .sent", "Hello from Chromium").await;
    chromium.sees("#log .back", "Hello from Chromium").await;

    // An event stream: the second event comes while the answer is still going on.
    chromium.open(&demo.url("/events")).await;
    chromium.sees("#state", "Connected").await;
    chromium.sees("#log li", "event 2").await;

    // An upload, large enough to come in many parts.
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large.bin");
    fs::write(&file, &content).unwrap();
    let hash: String = Sha256::digest(&content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    chromium.open(&demo.url("/upload")).await;
    chromium.type_into("#file", file.to_str().unwrap()).await;
    chromium.click("button").await;
    chromium
        .sees("#state", &format!("3000000 bytes arrived, SHA-256 {hash}"))
        .await;
    assert_eq!(chromium.complaints().await, [""; 0]);
}

#[tokio::test]
async fn bob_is_told_who_he_is_and_alice_can_take_over() {
    let demo = Demo::start();
    let chromium = Chromium::start().await;
    chromium.open(&demo.url("/staff?week=3")).await;
    chromium.sign_in("bob", &demo.password("bob")).await;
    chromium.sees(".eyebrow", "Error 403").await;
    chromium.sees("h1", "You may not open this page").await;
    chromium.sees(".foot", "Signed in as bob.").await;
    demo.writes("path=\"/staff\" status=403 route=staff upstream=- user=\"bob\"");

    // The rest of the app is his.
    chromium.open(&demo.url("/")).await;
    chromium.sees("h1", "Bob Stone").await;

    // Whoever signs in instead comes to the page that was asked for.
    chromium.open(&demo.url("/staff?week=3")).await;
    chromium.follow(".button").await;
    chromium.sign_in("alice", &demo.password("alice")).await;
    chromium.sees(".target", "GET /staff?week=3").await;
    chromium.sees("h1", "Alice Liddell").await;
}

#[tokio::test]
async fn what_is_public_needs_no_signing_in() {
    let demo = Demo::start();
    let chromium = Chromium::start().await;
    chromium.open(&demo.url("/public")).await;
    chromium.sees("h1", "Nobody is signed in").await;
    chromium.sees(".target", "GET /public").await;
    assert_eq!(chromium.location().await, "/public");
}
