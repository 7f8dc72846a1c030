//! PyJWT, the library that most apps of Python check tokens with: it takes ours, and we take its.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::{NOW, builder, claims};
use crate::harness::{Gateway, Upstream};

/// Checks a token by the gateway's public keys, or by the secret, and prints what it says.
const CHECK: &str = r#"
import json, jwt, sys
asked = json.load(sys.stdin)
if "secret" in asked:
    key = asked["secret"]
else:
    keys = jwt.PyJWKSet.from_dict(asked["keys"])
    key = keys[jwt.get_unverified_header(asked["token"])["kid"]]
print(json.dumps(jwt.decode(
    asked["token"], key, algorithms=[asked["algorithm"]], audience="portcullis",
    issuer="https://gateway.example.com", options={"verify_exp": False, "verify_iat": False},
)))
"#;

/// Makes a token with the gateway's own key.
const MAKE: &str = r#"
import json, jwt, sys
asked = json.load(sys.stdin)
print(json.dumps(jwt.encode(
    asked["claims"], asked["key"], algorithm=asked["algorithm"], headers={"typ": "at+jwt", "kid": asked["kid"]},
)))
"#;

/// Runs a program of Python's, with a document in and a document out.
fn python(program: &str, input: &Value) -> Value {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/python/bin/python");
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut writer, input.to_string().as_bytes()).unwrap();
    drop(writer);
    let output = Command::new(python)
        .args(["-c", program])
        .stdin(Stdio::from(reader))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn show(gateway: &Gateway, token: &str) -> u16 {
    gateway
        .get("/")
        .bearer_auth(token)
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn it_takes_our_tokens_of_every_algorithm_and_we_take_its() {
    let secret = "s".repeat(64);
    for algorithm in [
        "ES256", "ES384", "EdDSA", "RS256", "PS256", "HS256", "HS384", "HS512",
    ] {
        let is_secret = algorithm.starts_with("HS");
        let more = if is_secret {
            format!("secret = {secret:?}")
        } else {
            String::new()
        };
        let upstream = Upstream::start();
        let gateway = builder(&upstream, &format!("algorithm = {algorithm:?}\n{more}"))
            .start()
            .await;
        let keys: Value = gateway
            .get("/.auth/jwks.json")
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();

        let ours = gateway.token("alice").await;
        let mut asked = json!({ "token": ours, "algorithm": algorithm });
        if is_secret {
            asked["secret"] = json!(secret);
        } else {
            asked["keys"] = keys.clone();
        }
        let said = python(CHECK, &asked);
        assert_eq!(
            (&said["sub"], &said["exp"]),
            (&json!("alice"), &json!(NOW + 900)),
            "{algorithm}"
        );

        let kid = if is_secret {
            json!(algorithm.to_lowercase())
        } else {
            keys["keys"][0]["kid"].clone()
        };
        let key = if is_secret {
            secret.clone()
        } else {
            super::private_key(&gateway)
        };
        let theirs = python(
            MAKE,
            &json!({ "claims": claims(json!({})), "key": key, "algorithm": algorithm, "kid": kid }),
        );
        assert_eq!(show(&gateway, theirs.as_str().unwrap()).await, 200, "{algorithm}");
        let expired = claims(json!({ "exp": NOW - 31 }));
        let expired = python(
            MAKE,
            &json!({ "claims": expired, "key": key, "algorithm": algorithm, "kid": kid }),
        );
        assert_eq!(
            show(&gateway, expired.as_str().unwrap()).await,
            401,
            "{algorithm}"
        );
    }
}
