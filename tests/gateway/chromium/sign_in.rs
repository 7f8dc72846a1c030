//! The login page, in the hands of people and of their password managers.

use serde_json::json;
use thirtyfour::Key;

use crate::harness::{Chromium, Gateway, PASSWORD, Upstream, gateway};

/// An upstream with a page that says whether scripts run.
fn app() -> Upstream {
    Upstream::answering(|_| {
        let page = "<!doctype html><title>App</title><h1>The app</h1><p id=scripts>Scripts are off</p>\
            <script>document.getElementById('scripts').textContent = 'Scripts are on'</script>";
        let length = page.len();
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n\r\n{page}").into()
    })
}

async fn with_alice(upstream: &Upstream) -> Gateway {
    gateway().route("/", upstream).user("alice").tls().start().await
}

#[tokio::test]
async fn a_wrong_pair_has_one_message_and_keeps_the_name_alone() {
    let upstream = app();
    let gateway = with_alice(&upstream).await;
    let chromium = Chromium::start().await;
    for (username, password) in [("alice", "wrong"), ("alice", " "), ("nobody", PASSWORD)] {
        chromium.open(&gateway.base).await;
        chromium.sign_in(username, password).await;
        chromium
            .sees("#message", "User name or password is not right.")
            .await;
        assert_eq!(chromium.count(".message").await, 1);
        assert_eq!(chromium.value("#username").await, username);
        assert_eq!(chromium.value("#password").await, "");
        chromium.focuses("password").await;
    }
    upstream.saw_nothing();

    // The name is there already: the password alone is missing.
    chromium.open(&gateway.base).await;
    chromium.sign_in("alice", "wrong").await;
    chromium.find("#message").await;
    chromium.type_into("#password", PASSWORD).await;
    chromium.follow("button").await;
    chromium.sees("h1", "The app").await;
}

#[tokio::test]
async fn one_comes_to_the_page_that_was_asked_for() {
    let upstream = app();
    let gateway = with_alice(&upstream).await;
    for (asked, mistakes) in [
        ("/wiki/Start?edit=1&text=a%20b%26c", 0),
        ("/wiki/Start?edit=1", 2),
        ("/caf%C3%A9/", 0),
        ("/", 1),
    ] {
        let chromium = Chromium::start().await;
        upstream.forget();
        chromium.open(&format!("{}{asked}", gateway.base)).await;
        chromium.find("#username").await;
        for _ in 0..mistakes {
            chromium.sign_in("alice", "wrong").await;
            chromium.find("#username").await.clear().await.unwrap();
        }
        upstream.saw_nothing();
        chromium.sign_in("alice", PASSWORD).await;
        chromium.sees("h1", "The app").await;
        assert_eq!(chromium.location().await, asked);
    }
}

#[tokio::test]
async fn everything_works_without_javascript() {
    let upstream = app();
    let gateway = with_alice(&upstream).await;
    let chromium = Chromium::without_scripts().await;
    chromium.open(&gateway.base).await;
    chromium.focuses("username").await;
    chromium.sign_in("alice", "wrong").await;
    chromium.find("#message").await;
    upstream.saw_nothing();
    chromium.type_into("#password", PASSWORD).await;
    chromium.click("#remember").await;
    chromium.follow("button").await;
    chromium.sees("#scripts", "Scripts are off").await;

    upstream.forget();
    chromium.open(&format!("{}/.auth/logout", gateway.base)).await;
    chromium.follow("button").await;
    chromium.sees("#message", "You are signed out.").await;
    chromium.open(&gateway.base).await;
    chromium.find("#password").await;
    upstream.saw_nothing();
}

#[tokio::test]
async fn everything_works_by_keyboard_and_the_focus_is_always_seen() {
    let upstream = app();
    let gateway = with_alice(&upstream).await;
    let chromium = Chromium::start().await;
    chromium.open(&gateway.base).await;
    for (element, typed) in [("username", "alice"), ("password", "wrong"), ("remember", "")] {
        is_focused(&chromium, element).await;
        chromium.press(typed + Key::Tab).await;
    }
    is_focused(&chromium, "button: Sign in").await;
    chromium.press(Key::Enter).await;

    // The second time, with the box ticked, and sent off by Enter in a field.
    chromium.sees("#message", "not right").await;
    upstream.saw_nothing();
    chromium.focuses("password").await;
    chromium.press(PASSWORD).await;
    chromium.press(Key::Tab).await;
    chromium.press(" ").await;
    assert!(chromium.find("#remember").await.is_selected().await.unwrap());
    is_focused(&chromium, "remember").await;
    chromium.press(Key::Enter).await;
    chromium.sees("h1", "The app").await;

    let logout = format!("{}/.auth/logout", gateway.base);
    chromium.open(&logout).await;
    for element in ["button: Sign out", "a: Stay signed in"] {
        chromium.press(Key::Tab).await;
        is_focused(&chromium, element).await;
    }
    chromium.press(Key::Enter).await;
    chromium.sees("h1", "The app").await;
    chromium.open(&logout).await;
    chromium.press(Key::Tab + Key::Enter).await;
    chromium.sees("#message", "You are signed out.").await;
    chromium.focuses("username").await;
}

/// Holds that this element has the focus, and a line of two pixels around it that says so.
async fn is_focused(chromium: &Chromium, element: &str) {
    chromium.focuses(element).await;
    let script = "const style = getComputedStyle(document.activeElement);
        return style.outlineStyle + ' ' + style.outlineWidth";
    assert_eq!(chromium.evaluate(script).await, "solid 2px", "{element}");
}

#[tokio::test]
async fn a_password_manager_finds_its_way_about_the_form() {
    let upstream = app();
    let gateway = with_alice(&upstream).await;
    let chromium = Chromium::start().await;
    let script = "return [...document.forms].map(form => ({
        method: form.method,
        action: new URL(form.action).pathname,
        autocomplete: form.autocomplete,
        fields: [...form.elements].filter(field => field.type !== 'hidden').map(field => [
            field.id, field.name, field.type, field.autocomplete, field.required,
            [...field.labels].map(label => label.innerText.trim()).join(),
        ]),
    }))";
    let expected = json!([{
        "method": "post",
        "action": "/.auth/login",
        "autocomplete": "on",
        "fields": [
            ["username", "username", "text", "username", true, "User name"],
            ["password", "password", "password", "current-password", true, "Password"],
            ["remember", "remember", "checkbox", "", false, "Keep me signed in"],
            ["", "", "submit", null, null, ""],
        ],
    }]);
    chromium.open(&gateway.base).await;
    assert_eq!(chromium.evaluate(script).await, expected);
    chromium.sign_in("alice", "wrong").await;
    chromium.find("#message").await;
    assert_eq!(chromium.evaluate(script).await, expected);
    upstream.saw_nothing();
}
