//! `/.auth/idle.js` on an app's page: it warns, keeps nobody signed in by itself, and leads back.

use std::time::Duration;

use crate::harness::{Chromium, Gateway, PASSWORD, Screen, Upstream, axe, gateway, soon};

const MINUTE: Duration = Duration::from_secs(60);

/// An app that lets its pages load nothing but what is its own, and knows nothing of sessions.
fn app() -> Upstream {
    Upstream::answering(|_| {
        let page = "<!doctype html><html lang=en><title>App</title><meta name=viewport content='width=device-width'>\
            <link rel=icon href='data:,'><main><h1>The app</h1></main><script src=/.auth/idle.js defer></script></html>";
        let length = page.len();
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n\
             content-security-policy: default-src 'self'; img-src data:\r\n\r\n{page}"
        )
        .into()
    })
}

/// A page that was opened a moment ago by somebody who is signed in.
async fn opened(upstream: &Upstream) -> (Gateway, Chromium) {
    let gateway = gateway()
        .route("/", upstream)
        .user("alice")
        .tls()
        .standing_clock()
        .start()
        .await;
    let chromium = Chromium::start().await;
    chromium.open(&format!("{}/page?x=1", gateway.base)).await;
    chromium.sign_in("alice", PASSWORD).await;
    chromium.sees("h1", "The app").await;
    (gateway, chromium)
}

/// What the warning says; nothing where there is none.
async fn said(chromium: &Chromium) -> String {
    let script =
        "return document.querySelector('portcullis-idle')?.shadowRoot.querySelector('div').innerText ?? ''";
    chromium.evaluate(script).await.as_str().unwrap().to_owned()
}

/// Lets the page look, as it does when its tab is shown again, until it says this.
async fn comes_to_say(chromium: &Chromium, text: &str) {
    let says = async {
        loop {
            chromium
                .evaluate("document.dispatchEvent(new Event('visibilitychange'))")
                .await;
            let said = said(chromium).await;
            if said.contains(text) && said.is_empty() == text.is_empty() {
                break;
            }
        }
    };
    soon(text, says).await;
}

async fn press(chromium: &Chromium, control: &str) {
    let script =
        format!("document.querySelector('portcullis-idle').shadowRoot.querySelector('{control}').click()");
    chromium.evaluate(&script).await;
}

#[tokio::test]
async fn it_warns_and_a_press_of_its_button_is_a_sign_of_life() {
    let upstream = app();
    let (gateway, chromium) = opened(&upstream).await;
    assert_eq!(said(&chromium).await, "");
    gateway.advance(29 * MINUTE);
    comes_to_say(&chromium, "You will be signed out in 1 minute.").await;
    press(&chromium, "button").await;
    comes_to_say(&chromium, "").await;
    gateway.advance(29 * MINUTE);
    comes_to_say(&chromium, "You will be signed out in 1 minute.").await;
    assert_eq!(chromium.complaints().await, [""; 0], "the app's policy is kept");
}

#[tokio::test]
async fn looking_keeps_nobody_signed_in_and_what_ended_is_taken_up_where_it_was() {
    let upstream = app();
    let (gateway, chromium) = opened(&upstream).await;
    for _ in 0..29 {
        gateway.advance(MINUTE);
        chromium
            .evaluate("document.dispatchEvent(new Event('visibilitychange'))")
            .await;
    }
    comes_to_say(&chromium, "You will be signed out").await;
    gateway.advance(MINUTE);
    chromium.evaluate("history.replaceState(null, '', '#part')").await;
    comes_to_say(
        &chromium,
        "You are signed out. What you have not saved is still on this page.",
    )
    .await;
    press(&chromium, "a").await;
    chromium.find("#username").await;
    chromium.sign_in("alice", PASSWORD).await;
    chromium.sees("h1", "The app").await;
    assert_eq!(chromium.location().await, "/page?x=1");
    assert_eq!(chromium.evaluate("return location.hash").await, "#part");
    comes_to_say(&chromium, "").await;
}

#[tokio::test]
async fn where_staying_is_not_possible_no_button_says_so() {
    let upstream = app();
    let (gateway, chromium) = opened(&upstream).await;
    for _ in 0..28 {
        gateway.advance(25 * MINUTE);
        comes_to_say(&chromium, "").await;
        chromium
            .evaluate_async("fetch('/.auth/me').then(() => arguments[0]())")
            .await;
    }
    // Of twelve hours twenty minutes are left.
    gateway.advance(19 * MINUTE);
    comes_to_say(&chromium, "Your session ends in 1 minute, whatever you do.").await;
    let script = "const root = document.querySelector('portcullis-idle').shadowRoot; \
                  return [root.querySelector('button') === null, root.querySelector('a').getAttribute('href')]";
    assert_eq!(
        chromium.evaluate(script).await,
        serde_json::json!([true, "/.auth/login?return_to=%2Fpage%3Fx%3D1"])
    );
}

#[tokio::test]
async fn it_comes_back_where_an_app_takes_it_out_and_runs_once() {
    let upstream = app();
    let (gateway, chromium) = opened(&upstream).await;
    let again = "const it = document.createElement('script'); it.src = '/.auth/idle.js'; \
                 it.onload = () => arguments[0](); document.head.append(it)";
    chromium.evaluate_async(again).await;
    gateway.advance(29 * MINUTE);
    comes_to_say(&chromium, "signed out in 1 minute").await;
    assert_eq!(chromium.count("portcullis-idle").await, 1);
    chromium
        .evaluate("document.body.replaceWith(document.createElement('body'))")
        .await;
    let back = async { while chromium.count("portcullis-idle").await != 1 {} };
    soon("the box", back).await;
    // The page's own watch goes on.
    let counts = async { while !said(&chromium).await.contains("seconds.") {} };
    soon("fewer seconds", counts).await;
}

#[tokio::test]
async fn whoever_never_signed_in_is_not_signed_out() {
    let upstream = app();
    let gateway = gateway().public("/", &upstream).tls().start().await;
    let chromium = Chromium::start().await;
    chromium.open(&format!("{}/page", gateway.base)).await;
    chromium.sees("h1", "The app").await;
    let looked = "document.dispatchEvent(new Event('visibilitychange')); \
                  fetch('/.auth/me').then(() => setTimeout(arguments[0]))";
    chromium.evaluate_async(looked).await;
    assert_eq!(said(&chromium).await, "");
}

#[tokio::test]
async fn everybody_can_read_it() {
    let upstream = app();
    let (gateway, chromium) = opened(&upstream).await;
    gateway.advance(29 * MINUTE);
    for screen in [Screen::desk("desk", false), Screen::phone("dark phone", true)] {
        chromium.look(screen).await;
        comes_to_say(&chromium, "signed out in 1 minute").await;
        let mut found = axe(&chromium).await;
        // It wants to look through the page's own style sheets for this, and there are none.
        found.retain(|line| !line.starts_with("unclear: css-orientation-lock"));
        assert_eq!(found, [""; 0], "{}", screen.name);
    }
}
