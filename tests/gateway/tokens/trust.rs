//! Tokens that another issuer signed: here another gateway, or a key pair whose public half lies in a file.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    jwk::{Jwk, JwkSet},
};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::harness::{Gateway, GatewayBuilder, Upstream, free_port, gateway, soon};

const ISSUER: &str = "https://idp.example.com";

/// A gateway that trusts an issuer, whose keys are found by `keys`.
fn trusting(issuer: &str, keys: &str, more: &str) -> GatewayBuilder {
    gateway().table(&format!(
        "[[token.trust]]\nissuer = {issuer:?}\naudience = \"portcullis\"\n{keys}\n{more}"
    ))
}

async fn status(gateway: &Gateway, token: &str) -> u16 {
    let answer = gateway.get("/").bearer_auth(token).send().await.unwrap();
    answer.status().as_u16()
}

/// An issuer whose keys lie in a file.
pub(super) struct Issuer {
    key: EncodingKey,
    algorithm: Algorithm,
    file: NamedTempFile,
}

impl Issuer {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        let pair = match algorithm {
            Algorithm::ES256 => rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
            Algorithm::ES384 => rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
            _ => rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048),
        };
        let pem = pair.unwrap().serialize_pem();
        let key = match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(pem.as_bytes()),
            _ => EncodingKey::from_rsa_pem(pem.as_bytes()),
        };
        let issuer = Self {
            key: key.unwrap(),
            algorithm,
            file: NamedTempFile::new().unwrap(),
        };
        let set = JwkSet {
            keys: vec![issuer.public()],
        };
        std::fs::write(issuer.file.path(), serde_json::to_string(&set).unwrap()).unwrap();
        issuer
    }

    fn public(&self) -> Jwk {
        let mut public = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        public.common.key_id = Some("1".to_owned());
        // As many issuers do, it does not say what it is for.
        public.common.key_algorithm = None;
        public
    }

    pub(super) fn trusted(&self, more: &str) -> GatewayBuilder {
        trusting(ISSUER, &format!("jwks = {:?}", self.file.path()), more)
    }

    pub(super) fn token(&self, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{signed}.{signature}")
    }

    pub(super) fn header(&self) -> Value {
        json!({ "alg": format!("{:?}", self.algorithm), "kid": "1" })
    }
}

fn with(object: &Value, changes: &Value) -> Value {
    super::changed(object.clone(), changes.clone())
}

pub(super) fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": ["other", "portcullis"], "sub": "f81d4fae", "exp": 4_000_000_000_u64, "iat": 1_700_000_000,
        "preferred_username": "wendy", "name": "Wendy", "email": "wendy@example.com",
        "realm_access": { "roles": ["staff", "dev"] }, "groups": "one",
    })
}

#[tokio::test]
async fn whoever_an_issuer_vouches_for_is_let_in_by_its_rules_and_told_to_the_app() {
    for algorithm in [
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::RS256,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
    ] {
        let (issuer, upstream) = (Issuer::new(algorithm), Upstream::start());
        let gateway = issuer
            .trusted("username_claim = \"preferred_username\"\nroles_claim = \"realm_access.roles\"")
            .route_with("/", &upstream, "access = { roles = [\"staff\"] }")
            .start()
            .await;
        assert_eq!(
            status(&gateway, &issuer.token(&issuer.header(), &claims())).await,
            200,
            "{algorithm:?}"
        );
        let request = upstream.only();
        for (name, value) in [
            ("remote-user", "wendy"),
            ("remote-name", "Wendy"),
            ("remote-email", "wendy@example.com"),
            ("remote-groups", "staff,dev"),
        ] {
            assert_eq!(request.header(name), [value], "{algorithm:?}");
        }
        assert!(request.header("authorization").is_empty());
        let other = with(&claims(), &json!({ "realm_access": { "roles": ["dev"] } }));
        assert_eq!(
            status(&gateway, &issuer.token(&issuer.header(), &other)).await,
            403
        );
    }
}

#[tokio::test]
async fn a_token_that_is_not_the_issuer_s_of_now_and_for_us_is_refused() {
    let (issuer, upstream) = (Issuer::new(Algorithm::RS256), Upstream::start());
    let gateway = issuer
        .trusted("")
        .route("/", &upstream)
        .user("alice")
        .start()
        .await;
    let good = |header: &Value, changes: &Value| {
        issuer.token(&with(&issuer.header(), header), &with(&claims(), changes))
    };
    for (header, changes) in [
        (json!({}), json!({})),
        (json!({ "typ": "JWT" }), json!({})),
        (json!({ "typ": "at+jwt" }), json!({})),
        (
            json!({ "x5t": "AAAA", "custom": {} }),
            json!({ "nested": { "a": [1, 2] } }),
        ),
        (json!({ "kid": null }), json!({})),
        (json!({}), json!({ "aud": "portcullis" })),
        (
            json!({}),
            json!({ "exp": 4_000_000_000.5, "nbf": 1, "iat": null }),
        ),
    ] {
        assert_eq!(
            status(&gateway, &good(&header, &changes)).await,
            200,
            "{header} {changes}"
        );
    }
    upstream.forget();

    let mut bad: Vec<(String, String)> = Vec::new();
    for header in [
        json!({ "alg": "RS384" }),
        json!({ "alg": "PS256" }),
        json!({ "alg": "none" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "rs256" }),
        json!({ "alg": null }),
        json!({ "alg": 5 }),
        json!({ "kid": "2" }),
        json!({ "kid": "" }),
        json!({ "kid": 1 }),
        json!({ "typ": "JWS" }),
        json!({ "typ": "dpop+jwt" }),
        json!({ "typ": "logout+jwt" }),
        json!({ "typ": 1 }),
        json!({ "crit": ["exp"] }),
        json!({ "crit": [] }),
        json!({ "b64": false }),
        json!({ "jku": "https://evil.example/jwks.json" }),
        json!({ "jwk": issuer.public() }),
        json!({ "x5u": "https://evil.example/cert.pem" }),
        json!({ "x5c": ["AAAA"] }),
    ] {
        bad.push((header.to_string(), good(&header, &json!({}))));
    }
    for changes in [
        json!({ "iss": "https://idp.example.com/" }),
        json!({ "iss": "HTTPS://IDP.EXAMPLE.COM" }),
        json!({ "iss": null }),
        json!({ "iss": [ISSUER] }),
        json!({ "iss": gateway.base }),
        json!({ "aud": "other" }),
        json!({ "aud": [] }),
        json!({ "aud": null }),
        json!({ "aud": 1 }),
        json!({ "aud": ["portcullis", 1] }),
        json!({ "aud": { "portcullis": true } }),
        json!({ "exp": 1_700_000_000 }),
        json!({ "exp": null }),
        json!({ "exp": "4000000000" }),
        json!({ "exp": -1 }),
        json!({ "exp": true }),
        json!({ "exp": 1e300 }),
        json!({ "nbf": 3_900_000_000_u64 }),
        json!({ "nbf": "1" }),
        json!({ "iat": 3_900_000_000_u64 }),
        json!({ "iat": [] }),
        json!({ "sub": null }),
        json!({ "sub": 7 }),
        json!({ "sub": "" }),
        json!({ "sub": " alice" }),
        json!({ "sub": "a\nb" }),
        json!({ "sub": "x".repeat(257) }),
        json!({ "name": 7 }),
        json!({ "email": ["a@example.com"] }),
        json!({ "roles": 7 }),
        json!({ "roles": ["staff", 7] }),
        json!({ "roles": { "staff": true } }),
        json!({ "scope": 7 }),
    ] {
        bad.push((changes.to_string(), good(&json!({}), &changes)));
    }
    // The confusion of keys: what everybody can read, used as a secret.
    let header = Header {
        alg: Algorithm::HS256,
        kid: Some("1".to_owned()),
        ..Header::default()
    };
    for secret in [
        serde_json::to_string(&issuer.public()).unwrap(),
        std::fs::read_to_string(issuer.file.path()).unwrap(),
        String::new(),
    ] {
        let key = EncodingKey::from_secret(secret.as_bytes());
        bad.push((
            "a public secret".to_owned(),
            jsonwebtoken::encode(&header, &claims(), &key).unwrap(),
        ));
    }
    let stranger = Issuer::new(Algorithm::RS256);
    bad.push((
        "a stranger's".to_owned(),
        stranger.token(&issuer.header(), &claims()),
    ));
    let token = good(&json!({}), &json!({}));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    for (what, token) in [
        ("no signature", format!("{signed}.")),
        ("two parts", signed.to_owned()),
        ("four parts", format!("{token}.x")),
        ("padding", format!("{token}=")),
        ("another's signature", format!("{signed}x.{signature}")),
    ] {
        bad.push((what.to_owned(), token));
    }
    for (what, token) in bad {
        let answer = gateway.get("/").bearer_auth(&token).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{what}");
        let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
        assert!(
            challenge.contains("error=\"invalid_token\""),
            "{what}: {challenge}"
        );
        upstream.saw_nothing();
    }
    assert_eq!(
        status(&gateway, &gateway.token("alice").await).await,
        200,
        "our own are as good as ever"
    );
}

#[tokio::test]
async fn what_may_have_signed_is_what_the_configuration_says() {
    let (issuer, upstream) = (Issuer::new(Algorithm::RS256), Upstream::start());
    for (algorithms, expected) in [("[\"RS256\"]", 200), ("[\"PS256\", \"ES256\"]", 401)] {
        let gateway = issuer
            .trusted(&format!("algorithms = {algorithms}"))
            .route("/", &upstream)
            .start()
            .await;
        assert_eq!(
            status(&gateway, &issuer.token(&issuer.header(), &claims())).await,
            expected
        );
    }
}

#[tokio::test]
async fn keys_are_found_by_discovery_and_a_new_one_when_its_first_token_comes() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let upstream = Upstream::start();
    let port = free_port();
    let base = format!("http://127.0.0.1:{port}");
    let start = || {
        gateway()
            .server(&format!("public_url = {base:?}"))
            .also_listen(&format!("127.0.0.1:{port}"))
            .table(&format!("[token]\nkeys = {keys:?}"))
            .route("/", &upstream)
            .user("alice")
            .start()
    };
    let issuer = start().await;
    let metadata: Value = reqwest::get(format!("{base}/.well-known/openid-configuration"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(metadata["issuer"], base);
    assert_eq!(metadata["jwks_uri"], format!("{base}/.auth/jwks.json"));
    let gateways = [
        trusting(&base, "discovery = true", ""),
        trusting(&base, &format!("jwks = \"{base}/.auth/jwks.json\""), ""),
    ];
    let mut trusting = Vec::new();
    for gateway in gateways {
        trusting.push(gateway.route("/", &upstream).start().await);
    }
    let first = issuer.token("alice").await;
    for gateway in &trusting {
        assert_eq!(status(gateway, &first).await, 200);
    }

    // Another key signs from now on, and nobody has said so.
    drop(issuer);
    let made = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let file = keys.join("new.pem");
    std::fs::write(&file, made.serialize_pem()).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let issuer = start().await;
    let second = issuer.token("alice").await;
    for gateway in &trusting {
        let known = async { while status(gateway, &second).await != 200 {} };
        soon("the new key", known).await;
        assert_eq!(status(gateway, &first).await, 200, "the old one is still shown");
    }

    // While the issuer is down, what it has shown last stays.
    drop(issuer);
    for gateway in &trusting {
        assert_eq!(status(gateway, &second).await, 200);
    }
}

#[tokio::test]
async fn an_issuer_that_was_never_reached_has_its_own_tokens_refused_and_nobody_else_s() {
    let (issuer, upstream) = (Issuer::new(Algorithm::ES256), Upstream::start());
    let nobody = format!("jwks = \"http://127.0.0.1:{}/jwks.json\"", free_port());
    let gateway = trusting("https://dead.example.com", &nobody, "")
        .table(&format!(
            "[[token.trust]]\nissuer = {ISSUER:?}\naudience = \"portcullis\"\njwks = {:?}",
            issuer.file.path()
        ))
        .route("/", &upstream)
        .user("alice")
        .start()
        .await;
    let dead = with(&claims(), &json!({ "iss": "https://dead.example.com" }));
    assert_eq!(
        status(&gateway, &issuer.token(&issuer.header(), &dead)).await,
        401
    );
    assert_eq!(
        status(&gateway, &issuer.token(&issuer.header(), &claims())).await,
        200
    );
    assert_eq!(status(&gateway, &gateway.token("alice").await).await, 200);
    let cookie = gateway.sign_in("alice").await;
    assert_eq!(
        gateway
            .get("/")
            .header("cookie", cookie)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}
