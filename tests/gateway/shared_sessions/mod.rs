//! `store = "redis://…"`: several gateways are one, and none of them lets anybody in that it is not sure of.

mod failing;
mod one;

use serde_json::{Value, json};

use crate::harness::{Gateway, PASSWORD, Upstream, gateway, soon};

/// A gateway that keeps its sessions at `store`, a value of TOML, and its keys where the others have theirs.
async fn gateway_at(store: &str, keys: &tempfile::TempDir, more: &str, upstream: &Upstream) -> Gateway {
    let keys = keys.path();
    gateway()
        .route("/", upstream)
        .user("alice")
        .user("bob")
        .table(&format!("[session]\nstore = {store}\n{more}"))
        .table(&format!(
            "[token]\nissuer = \"https://one.example\"\nkeys = {keys:?}"
        ))
        .start()
        .await
}

/// Signs somebody in; the cookie.
async fn sign_in(gateway: &Gateway, user: &str) -> String {
    let answer = try_sign_in(gateway, user).await;
    assert_eq!(answer.status(), 200);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

async fn try_sign_in(gateway: &Gateway, user: &str) -> reqwest::Response {
    let pair = json!({ "username": user, "password": PASSWORD });
    gateway.post("/.auth/login").json(&pair).send().await.unwrap()
}

async fn status(gateway: &Gateway, cookie: &str) -> u16 {
    let answer = gateway.get("/").header("cookie", cookie).send().await.unwrap();
    answer.status().as_u16()
}

/// Waits until a gateway answers a session so.
async fn until(gateway: &Gateway, cookie: &str, wanted: u16) {
    let met = async { while status(gateway, cookie).await != wanted {} };
    soon(&format!("{wanted} for the session"), met).await;
}

async fn sign_out(gateway: &Gateway, cookie: &str) -> u16 {
    let logout = gateway.post("/.auth/logout").header("cookie", cookie);
    logout.send().await.unwrap().status().as_u16()
}

async fn sign_out_everywhere(gateway: &Gateway, cookie: &str) -> u16 {
    let logout = gateway.post("/.auth/logout").header("cookie", cookie);
    let logout = logout.json(&json!({ "everywhere": "1" }));
    logout.send().await.unwrap().status().as_u16()
}

async fn tokens(gateway: &Gateway, fields: &[(&str, &str)]) -> (u16, Value) {
    let answer = gateway.post("/.auth/token").form(fields).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn status_of_token(gateway: &Gateway, token: &str) -> u16 {
    let answer = gateway.get("/").bearer_auth(token).send().await.unwrap();
    answer.status().as_u16()
}
