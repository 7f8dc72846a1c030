//! jose, the library that most apps of JavaScript check tokens with: it takes ours, and we take its.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::{NOW, builder, claims};
use crate::harness::Upstream;

/// What both programs begin with: jose, which asks for what Node.js has had since version 20.
const BEGIN: &str = r#"
import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
globalThis.crypto ??= webcrypto;
const jose = await import(process.argv.at(-1));
const asked = JSON.parse(readFileSync(0, "utf8"));
"#;

/// Checks a token by the gateway's public keys, or by the secret, and prints what it says.
const CHECK: &str = r#"
const keys = asked.secret ? new TextEncoder().encode(asked.secret) : jose.createLocalJWKSet(asked.keys);
const { payload } = await jose.jwtVerify(asked.token, keys, {
  algorithms: [asked.algorithm], audience: "portcullis", issuer: "https://gateway.example.com", typ: "at+jwt",
  currentDate: new Date(asked.now * 1000),
});
console.log(JSON.stringify(payload));
"#;

/// Makes a token with the gateway's own key.
const MAKE: &str = r#"
const key = asked.pem ? await jose.importPKCS8(asked.pem, asked.algorithm) : new TextEncoder().encode(asked.secret);
const header = { alg: asked.algorithm, typ: "at+jwt", kid: asked.kid };
console.log(JSON.stringify(await new jose.SignJWT(asked.claims).setProtectedHeader(header).sign(key)));
"#;

/// Runs a program of Node's, with a document in and a document out.
fn node(program: &str, input: &Value) -> Value {
    let jose = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/jose/package/dist/webapi/index.js");
    assert!(jose.exists(), "jose is missing; scripts/test installs it");
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut writer, input.to_string().as_bytes()).unwrap();
    drop(writer);
    let output = Command::new("node")
        .args([
            "--input-type=module",
            "--eval",
            &format!("{BEGIN}{program}"),
            "--",
        ])
        .arg(jose)
        .stdin(Stdio::from(reader))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn it_takes_our_tokens_of_every_algorithm_and_we_take_its() {
    let secret = "s".repeat(64);
    for algorithm in [
        "ES256", "ES384", "EdDSA", "RS256", "PS256", "HS256", "HS384", "HS512",
    ] {
        let is_secret = algorithm.starts_with("HS");
        let more = match is_secret {
            true => format!("secret = {secret:?}"),
            false => String::new(),
        };
        let upstream = Upstream::start();
        let gateway = builder(&upstream, &format!("algorithm = {algorithm:?}\n{more}"))
            .start()
            .await;
        let keys = gateway.get("/.auth/jwks.json").send().await.unwrap();
        let keys: Value = keys.json().await.unwrap();

        let ours = gateway.token("alice").await;
        let mut asked = json!({ "token": ours, "algorithm": algorithm, "now": NOW, "keys": keys });
        if is_secret {
            asked["secret"] = json!(secret);
        }
        let said = node(CHECK, &asked);
        assert_eq!(
            (&said["sub"], &said["exp"]),
            (&json!("alice"), &json!(NOW + 900)),
            "{algorithm}"
        );

        let mut asked = json!({ "claims": claims(json!({})), "algorithm": algorithm });
        if is_secret {
            asked["kid"] = json!(algorithm.to_lowercase());
            asked["secret"] = json!(secret);
        } else {
            asked["kid"] = keys["keys"][0]["kid"].clone();
            asked["pem"] = json!(super::private_key(&gateway));
        }
        for (changes, status) in [(json!({}), 200), (json!({ "exp": NOW - 31 }), 401)] {
            asked["claims"] = claims(changes);
            let theirs = node(MAKE, &asked);
            let theirs = theirs.as_str().unwrap();
            let answer = gateway.get("/").bearer_auth(theirs).send().await.unwrap();
            assert_eq!(answer.status(), status, "{algorithm}");
        }
    }
}
