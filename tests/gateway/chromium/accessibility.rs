//! Everybody can use the pages: axe-core finds nothing on them, and they fit on the smallest screen.

use crate::harness::{Chromium, PASSWORD, Screen, Upstream, axe, free_port, gateway, sample_app};

const SCREENS: [Screen; 4] = [
    Screen::desk("desk", false),
    Screen::desk("desk in the dark", true),
    Screen::phone("phone", false),
    Screen::phone("phone in the dark", true),
];

/// Holds that nothing is wrong with the page that is shown, on any screen.
async fn nothing_is_wrong_with(page: &str, chromium: &Chromium) {
    for screen in SCREENS {
        chromium.look(screen).await;
        let found = axe(chromium).await;
        assert!(
            found.is_empty(),
            "{page} on a {}:\n{}",
            screen.name,
            found.join("\n")
        );
    }
}

#[tokio::test]
async fn axe_finds_nothing_on_the_pages_of_the_gateway() {
    let upstream = Upstream::start();
    let gateway = gateway()
        .route_with("/staff", &upstream, "access = { roles = [\"staff\"] }")
        .route("/down", &*format!("http://127.0.0.1:{}", free_port()))
        .user("bob")
        .tls()
        .start()
        .await;
    let chromium = Chromium::start().await;
    let url = |path: &str| format!("{}{path}", gateway.base);

    chromium.open(&url("/staff")).await;
    nothing_is_wrong_with("the login page", &chromium).await;
    chromium.sign_in("bob", "wrong").await;
    chromium.sees("#message", "not right").await;
    nothing_is_wrong_with("the login page after a wrong password", &chromium).await;
    chromium.type_into("#password", PASSWORD).await;
    chromium.follow("button").await;
    chromium.sees("h1", "You may not open this page").await;
    nothing_is_wrong_with("403", &chromium).await;
    upstream.saw_nothing();
    chromium.open(&url("/.auth/account")).await;
    chromium.type_into("#name", "backup").await;
    chromium.type_into("#password", PASSWORD).await;
    chromium.follow("#tokens ~ form .button").await;
    chromium.sees(".message.good", "Copy it now").await;
    nothing_is_wrong_with("the account page with a new token", &chromium).await;
    for (page, path, heading) in [
        ("the account page", "/.auth/account", "Your account"),
        ("404", "/nowhere", "There is nothing here"),
        ("502", "/down", "The app does not answer"),
        ("the logout page", "/.auth/logout", "Sign out?"),
    ] {
        chromium.open(&url(path)).await;
        chromium.sees("h1", heading).await;
        nothing_is_wrong_with(page, &chromium).await;
    }
    chromium.follow("button").await;
    chromium.sees("#message", "You are signed out").await;
    nothing_is_wrong_with("the login page after signing out", &chromium).await;
    chromium.open(&url("/.auth/logout")).await;
    chromium.sees("h1", "You are not signed in").await;
    nothing_is_wrong_with("the logout page for nobody", &chromium).await;
}

#[tokio::test]
async fn axe_finds_nothing_on_the_pages_of_the_sample_app() {
    let app = sample_app();
    let gateway = gateway()
        .route_with("/", &app, "access = \"optional\"")
        .user_with("alice", &["staff"], "display_name = \"Alice Liddell\"")
        .start()
        .await;
    let chromium = Chromium::start().await;
    chromium.open(&gateway.base).await;
    chromium.sees("h1", "Nobody is signed in").await;
    nothing_is_wrong_with("the sample app for nobody", &chromium).await;
    chromium.follow(".who .button").await;
    chromium.sign_in("alice", PASSWORD).await;
    chromium.sees("h1", "Alice Liddell").await;
    nothing_is_wrong_with("the sample app for alice", &chromium).await;
    for path in ["/ws", "/events", "/upload"] {
        chromium.open(&format!("{}{path}", gateway.base)).await;
        nothing_is_wrong_with(path, &chromium).await;
    }
}
