//! Bearer tokens: ours pass, and nothing that merely looks like one.

mod app_login;
mod cache;
mod claims;
mod forged;
mod jose;
mod keys;
mod pyjwt;
mod refresh;
mod revoke;
mod rules;
mod table;
mod trust;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::harness::{Gateway, GatewayBuilder, Upstream, gateway};

/// When the standing clock of these gateways stands.
const NOW: u64 = 1_800_000_000;

const SECRET: &str = "correct-horse-battery-staple-0123456789";

/// A gateway whose tokens a test can make itself.
struct Mint {
    gateway: Gateway,
    upstream: Upstream,
    algorithm: Algorithm,
    key: EncodingKey,
    kid: String,
}

fn builder(upstream: &Upstream, token: &str) -> GatewayBuilder {
    gateway()
        .route_with("/", upstream, "access = { roles = [\"staff\"] }")
        .user_with("alice", &["staff"], "")
        .user_with("mallory", &[], "")
        .table(&format!(
            "[token]\nissuer = \"https://gateway.example.com\"\n{token}"
        ))
        .standing_clock()
}

impl Mint {
    /// One that signs with ES256; its key is the one the gateway made at its first start.
    async fn es256() -> Self {
        let upstream = Upstream::start();
        let gateway = builder(&upstream, "").start().await;
        let pem = private_key(&gateway);
        let set: Value = gateway
            .get("/.auth/jwks.json")
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        Self {
            gateway,
            upstream,
            algorithm: Algorithm::ES256,
            key: EncodingKey::from_ec_pem(pem.as_bytes()).unwrap(),
            kid: set["keys"][0]["kid"].as_str().unwrap().to_owned(),
        }
    }

    /// One that signs with HS256.
    async fn hs256() -> Self {
        let upstream = Upstream::start();
        let token = format!("algorithm = \"HS256\"\nsecret = \"{SECRET}\"");
        Self {
            gateway: builder(&upstream, &token).start().await,
            upstream,
            algorithm: Algorithm::HS256,
            key: EncodingKey::from_secret(SECRET.as_bytes()),
            kid: "hs256".to_owned(),
        }
    }

    /// The header of a good token, with members replaced; `null` removes one.
    fn header(&self, changes: Value) -> Value {
        changed(
            json!({ "alg": format!("{:?}", self.algorithm), "typ": "at+jwt", "kid": self.kid }),
            changes,
        )
    }

    /// A token with any header and claims, signed as a good one is.
    fn sign(&self, header: &str, claims: &str) -> String {
        sign(header, claims, &self.key, self.algorithm)
    }

    /// Sends a token to the protected route.
    async fn show(&self, token: &str) -> reqwest::Response {
        self.gateway.get("/").bearer_auth(token).send().await.unwrap()
    }

    /// Holds that a token passes.
    async fn passes(&self, token: &str, what: &str) {
        assert_eq!(self.show(token).await.status(), 200, "{what}");
        assert_eq!(self.upstream.only().header("remote-user"), ["alice"], "{what}");
        self.upstream.forget();
    }

    /// Holds that a token is refused in the words of RFC 6750, and that the upstream is not asked.
    async fn is_refused(&self, token: &str, what: &str) {
        let answer = self.show(token).await;
        assert_eq!(answer.status(), 401, "{what}");
        assert_eq!(
            answer.headers()["www-authenticate"],
            r#"Bearer realm="portcullis", error="invalid_token", error_description="the token is not valid""#,
            "{what}"
        );
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(
            problem["detail"], "The token is not valid.",
            "why is for the log alone: {what}"
        );
        self.upstream.saw_nothing();
    }
}

/// The PEM file of a gateway's only key.
fn private_key(gateway: &Gateway) -> String {
    let mut files = std::fs::read_dir(gateway.folder().join("state/keys")).unwrap();
    std::fs::read_to_string(files.next().unwrap().unwrap().path()).unwrap()
}

/// The claims of a good token, with members replaced; `null` removes one.
fn claims(changes: Value) -> Value {
    let claims = json!({
        "iss": "https://gateway.example.com", "sub": "alice", "aud": "portcullis", "iat": NOW, "exp": NOW + 900,
        "jti": "x", "username": "alice", "roles": ["staff"],
    });
    changed(claims, changes)
}

fn changed(mut document: Value, changes: Value) -> Value {
    let members = document.as_object_mut().unwrap();
    let Value::Object(changes) = changes else {
        panic!("no members: {changes}")
    };
    for (name, value) in changes {
        match value {
            Value::Null => members.remove(&name),
            value => members.insert(name, value),
        };
    }
    document
}

fn encode(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn sign(header: &str, claims: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), key, algorithm).unwrap();
    format!("{signed}.{signature}")
}

/// What a token says, whoever signed it.
pub fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}
