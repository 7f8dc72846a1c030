//! The pages fit, however small the screen, however large the text and however long the names.

use crate::harness::{Chromium, PASSWORD, Screen, Upstream, gateway, sample_app};

const SMALLEST: Screen = Screen {
    width: 320,
    ..Screen::phone("the smallest phone", false)
};

/// Twice the text, as a browser's setting makes it.
const LARGE_TEXT: &str = "document.documentElement.style.fontSize = '200%'";

/// What sticks out at the side, and what is too small for a finger.
const SCRIPT: &str = "
const width = document.documentElement.clientWidth, found = [];
if (document.documentElement.scrollWidth > width) found.push('the page scrolls sideways');
for (const element of document.body.querySelectorAll('*')) {
  const { left, right, height } = element.getBoundingClientRect();
  if (left < 0 || right > width + .5) found.push('sticks out: ' + element.outerHTML.slice(0, 200));
  if (element.matches('button, .button, .check, .field input, .field select') && height < 44)
    found.push('too small: ' + element.outerHTML.slice(0, 200));
}
return found";

/// Holds that the page that is shown fits.
async fn fits(page: &str, chromium: &Chromium) {
    for screen in [
        SMALLEST,
        Screen::phone("phone", false),
        Screen::desk("desk", false),
    ] {
        chromium.look(screen).await;
        for size in ["", LARGE_TEXT] {
            chromium.evaluate(size).await;
            let found = chromium.evaluate(SCRIPT).await;
            assert_eq!(found, serde_json::json!([]), "{page} on {} {size}", screen.name);
        }
        chromium
            .evaluate("document.documentElement.style.fontSize = ''")
            .await;
    }
}

#[tokio::test]
async fn the_pages_of_the_gateway_fit() {
    let upstream = Upstream::start();
    let name = "bartholomew.featherstonehaugh-cholmondeley.of.somewhere@students.example.ac.uk";
    let title = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft intranet";
    let gateway = gateway()
        .route_with("/", &upstream, "access = { roles = [\"staff\"] }")
        .user(name)
        .table(&format!("[login]\ntitle = {title:?}"))
        .tls()
        .start()
        .await;
    let chromium = Chromium::start().await;
    chromium.open(&gateway.base).await;
    fits("the login page", &chromium).await;
    chromium.sign_in(name, "wrong").await;
    chromium.find("#message").await;
    fits("the login page after a wrong password", &chromium).await;
    chromium.type_into("#password", PASSWORD).await;
    chromium.follow("button").await;
    chromium.sees(".foot", name).await;
    fits("403", &chromium).await;
    chromium.open(&format!("{}/.auth/account", gateway.base)).await;
    chromium.type_into("#name", &"w".repeat(60)).await;
    chromium.type_into("#scope", &"s".repeat(200)).await;
    chromium.type_into("#password", PASSWORD).await;
    chromium.follow("#tokens ~ form .button").await;
    chromium.sees(".message.good", "Copy it now").await;
    fits("the account page", &chromium).await;
    chromium.open(&format!("{}/.auth/logout", gateway.base)).await;
    chromium.sees(".lead", name).await;
    fits("the logout page", &chromium).await;
    upstream.saw_nothing();
}

#[tokio::test]
async fn the_pages_of_the_sample_app_fit() {
    let app = sample_app();
    let name = "Bartholomew Featherstonehaughcholmondeleymarjoribankswarthington";
    let gateway = gateway()
        .route("/", &app)
        .user_with("alice", &["staff", "dev"], &format!("display_name = {name:?}"))
        .start()
        .await;
    let chromium = Chromium::start().await;
    chromium.open(&gateway.base).await;
    chromium.sign_in("alice", PASSWORD).await;
    chromium.sees("h1", name).await;
    fits("the request", &chromium).await;
    for path in ["/ws", "/events", "/upload"] {
        chromium.open(&format!("{}{path}", gateway.base)).await;
        chromium.find("h1").await;
        fits(path, &chromium).await;
    }
}
