//! `/.auth/jwks.json`, and what leads to it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::Jwk};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::header;
use crate::harness::{Gateway, gateway};

async fn keys(gateway: &Gateway) -> Value {
    let answer = gateway.get("/.auth/jwks.json").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(header(&answer, "content-type"), "application/jwk-set+json");
    assert_eq!(header(&answer, "cache-control"), "public, max-age=300");
    assert_eq!(header(&answer, "vary"), "", "the same for everybody");
    assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
    answer.json().await.unwrap()
}

#[tokio::test]
async fn the_public_key_is_there_under_its_thumbprint_and_nothing_private_is() {
    let gateway = gateway().user("alice").start().await;
    let set = keys(&gateway).await;
    assert_eq!(set.as_object().unwrap().len(), 1);
    let [key] = set["keys"].as_array().unwrap().as_slice() else {
        panic!("not one key: {set}")
    };
    let mut members: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    assert_eq!(
        (&key["kty"], &key["crv"], &key["alg"], &key["use"]),
        (&json!("EC"), &json!("P-256"), &json!("ES256"), &json!("sig"))
    );
    // RFC 7638, section 3: the required members in the order of the alphabet.
    let (x, y) = (key["x"].as_str().unwrap(), key["y"].as_str().unwrap());
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    assert_eq!(key["kid"], URL_SAFE_NO_PAD.encode(Sha256::digest(canonical)));
    // Nothing of the private key, in whatever form.
    let file = gateway
        .folder()
        .join("state/keys")
        .join(format!("{}.ES256.pem", key["kid"].as_str().unwrap()));
    let pem = std::fs::read_to_string(file).unwrap();
    let private = pem.lines().find(|line| !line.starts_with('-')).unwrap();
    assert!(!set.to_string().contains(private));

    // With it, anybody can check our tokens.
    let token = gateway.token("alice").await;
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    assert_eq!(header.kid.as_deref(), key["kid"].as_str());
    let key: Jwk = serde_json::from_value(key.clone()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&["portcullis"]);
    let decoded = jsonwebtoken::decode::<Value>(&token, &DecodingKey::from_jwk(&key).unwrap(), &validation);
    assert_eq!(decoded.unwrap().claims["username"], "alice");
}

#[tokio::test]
async fn a_shared_secret_is_never_published() {
    let secret = "correct-horse-battery-staple-0123456789";
    let gateway = gateway()
        .user("alice")
        .table(&format!("[token]\nalgorithm = \"HS256\"\nsecret = \"{secret}\""))
        .start()
        .await;
    assert_eq!(keys(&gateway).await, json!({ "keys": [] }));
    let token = gateway.token("alice").await;
    assert_eq!(
        gateway
            .get("/.auth/me")
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test]
async fn discovery_says_what_is_true_and_nothing_else() {
    for (lifetime, grants) in [
        ("30d", json!(["password", "refresh_token"])),
        ("0s", json!(["password"])),
    ] {
        let gateway = gateway()
            .user_with("alice", &["introspect"], "")
            .server("public_url = \"https://apps.example.com\"")
            .table(&format!("[token]\nrefresh_lifetime = \"{lifetime}\""))
            .start()
            .await;
        let answer = gateway
            .get("/.well-known/openid-configuration")
            .send()
            .await
            .unwrap();
        assert_eq!(header(&answer, "cache-control"), "public, max-age=300");
        let document: Value = answer.json().await.unwrap();
        assert_eq!(
            document,
            json!({
                "issuer": "https://apps.example.com",
                "jwks_uri": "https://apps.example.com/.auth/jwks.json",
                "token_endpoint": "https://apps.example.com/.auth/token",
                "revocation_endpoint": "https://apps.example.com/.auth/revoke",
                "introspection_endpoint": "https://apps.example.com/.auth/introspect",
                "grant_types_supported": grants,
                "response_types_supported": [],
                "token_endpoint_auth_methods_supported": ["none"],
                "revocation_endpoint_auth_methods_supported": ["none"],
            })
        );
        let token = gateway.token("alice").await;
        for (member, address) in document.as_object().unwrap() {
            let Some(path) = address
                .as_str()
                .and_then(|address| address.strip_prefix("https://apps.example.com/"))
            else {
                continue;
            };
            let method = if member == "jwks_uri" { "GET" } else { "POST" };
            let request = gateway
                .request(method, &format!("/{path}"))
                .bearer_auth(&token)
                .form(&[("token", "x")]);
            let status = request.send().await.unwrap().status().as_u16();
            assert!([200, 400].contains(&status), "{member}: {status}");
        }
    }
}
