//! Tokens that are well signed: what they must say, and in which JSON types.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Mint, NOW, claims};

#[tokio::test]
async fn claims_of_a_wrong_type_or_value_are_refused_whatever_signed_them() {
    for mint in [Mint::es256().await, Mint::hs256().await] {
        let header = mint.header(json!({})).to_string();
        let sign = |changes: Value| mint.sign(&header, &claims(changes).to_string());
        for good in [
            json!({}),
            json!({ "aud": ["x", "portcullis"] }),
            json!({ "exp": u64::MAX }),
            json!({ "nbf": NOW }),
            json!({ "unknown": { "deep": [1] } }),
        ] {
            mint.passes(&sign(good.clone()), &good.to_string()).await;
        }
        for bad in [
            json!({ "exp": null }),
            json!({ "exp": "never" }),
            json!({ "exp": (NOW + 900).to_string() }),
            json!({ "exp": -1 }),
            json!({ "exp": 0 }),
            json!({ "exp": 1_800_000_900.5 }),
            json!({ "exp": 1e300 }),
            json!({ "exp": [NOW + 900] }),
            json!({ "exp": { "at": NOW + 900 } }),
            json!({ "exp": true }),
            json!({ "nbf": "99999999999" }),
            json!({ "nbf": 99_999_999_999_u64 }),
            json!({ "nbf": [] }),
            json!({ "iat": null }),
            json!({ "iat": "now" }),
            json!({ "iat": NOW + 3600 }),
            json!({ "aud": null }),
            json!({ "aud": [] }),
            json!({ "aud": ["x"] }),
            json!({ "aud": {} }),
            json!({ "aud": "" }),
            json!({ "aud": "PORTCULLIS" }),
            json!({ "aud": "portcullis,x" }),
            json!({ "aud": [["portcullis"]] }),
            json!({ "aud": { "portcullis": true } }),
            json!({ "iss": null }),
            json!({ "iss": "https://evil.com" }),
            json!({ "iss": "https://gateway.example.com/" }),
            json!({ "iss": "HTTPS://gateway.example.com" }),
            json!({ "iss": ["https://gateway.example.com"] }),
            json!({ "jti": null }),
            json!({ "sub": null }),
            json!({ "sub": "mallory" }),
            json!({ "username": null }),
            json!({ "username": "mallory" }),
            json!({ "sub": "nobody", "username": "nobody" }),
            json!({ "sub": "Alice", "username": "Alice" }),
            json!({ "sub": ["alice"], "username": ["alice"] }),
            json!({ "sub": "", "username": "" }),
            json!({ "sub": "alice\r\nremote-user: root", "username": "alice\r\nremote-user: root" }),
            json!({ "roles": null }),
            json!({ "roles": "staff" }),
            json!({ "roles": [["staff"]] }),
            json!({ "roles": { "staff": true } }),
            json!({ "name": 5 }),
        ] {
            mint.is_refused(&sign(bad.clone()), &bad.to_string()).await;
        }
        let good = claims(json!({})).to_string();
        for raw in [
            "",
            "null",
            "[]",
            "\"alice\"",
            "{}",
            &good.replace("1800000900", "1e400"),
            &good.replace("\"exp\":", "\"exp\":1,\"exp\":"),
            &good.replace("\"sub\":", "\"sub\":\"mallory\",\"sub\":"),
            &good[..good.len() - 1],
            &format!("{good}{good}"),
        ] {
            mint.is_refused(&mint.sign(&header, raw), raw).await;
        }
    }
}

#[tokio::test]
async fn a_token_lives_from_its_issue_to_its_end_give_or_take_the_leeway() {
    let mint = Mint::es256().await;
    let token = mint.gateway.token("alice").await;
    let header = mint.header(json!({})).to_string();
    let later = json!({ "iat": NOW, "nbf": NOW + 60, "exp": NOW + 900 });
    let later = mint.sign(&header, &claims(later).to_string());
    let seconds = Duration::from_secs;
    mint.passes(&token, "at once").await;
    mint.is_refused(&later, "a minute early").await;
    mint.gateway.advance(seconds(29));
    mint.is_refused(&later, "31 s early").await;
    mint.gateway.advance(seconds(1));
    mint.passes(&later, "30 s early is within the leeway").await;
    mint.gateway.advance(seconds(899));
    mint.passes(&token, "29 s after its end is within the leeway")
        .await;
    mint.gateway.advance(seconds(1));
    mint.is_refused(&token, "30 s after its end").await;
    mint.is_refused(&later, "30 s after its end").await;
    mint.passes(&mint.gateway.token("alice").await, "a new one").await;
}

#[tokio::test]
async fn a_rule_looks_at_the_roles_a_token_names() {
    let mint = Mint::es256().await;
    let token = mint.gateway.token("mallory").await;
    let answer = mint.show(&token).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(
        answer.headers()["www-authenticate"],
        r#"Bearer realm="portcullis", error="insufficient_scope""#
    );
    mint.upstream.saw_nothing();
}
