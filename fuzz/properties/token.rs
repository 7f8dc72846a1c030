//! Whoever has no key has no token, whatever they write; and of what whoever has the key may write, only a token counts.

use std::{sync::LazyLock, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use portcullis::{
    clock::Timestamp,
    config::{SecretAlgorithm, SigningConfig, TokenConfig},
    token::{KeyRing, SignedToken, Trusts},
};
use serde_json::{Map, Value};

const NOW: u64 = 1_800_000_000;
const SECRET: &str = "a secret that nobody else has, of 48 bytes or so";

static OURS: LazyLock<(KeyRing, TokenConfig)> = LazyLock::new(|| {
    let config = TokenConfig {
        issuer: "https://gateway".to_owned(),
        audience: "portcullis".to_owned(),
        lifetime: Duration::from_secs(900),
        refresh_lifetime: None,
        leeway: Duration::from_secs(30),
        signing: SigningConfig::Secret {
            algorithm: SecretAlgorithm::Hs256,
            secret: SECRET.to_owned().into(),
        },
        trust: Vec::new(),
    };
    let keys = KeyRing::open(&config).expect("a secret is no file");
    (keys, config)
});

/// The person of a text that counts as a token.
fn person(token: &str) -> Option<String> {
    let (keys, config) = &*OURS;
    let now = Timestamp::from_unix_seconds(NOW);
    let signed = SignedToken::verify(keys, &Trusts::default(), token, now).ok()?;
    let bearer = signed.bearer(config, now).ok()?;
    Some(bearer.identity.username.to_string())
}

/// A JSON object, none of whose members is there twice.
fn object(bytes: &[u8]) -> Map<String, Value> {
    serde_json::from_slice(bytes).expect("what counts is a JSON object")
}

/// Panics where it does not hold. The bytes are a header and claims with a line's end between them, or any text.
pub fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert_eq!(person(&text), None, "nobody has signed it");
    let (header, claims) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (&br#"{"alg":"HS256","typ":"at+jwt","kid":"hs256"}"#[..], bytes),
    };
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    assert_eq!(person(&format!("{signed}.")), None, "it is not signed");
    let stranger = EncodingKey::from_secret(&[0; 32]);
    let ours = EncodingKey::from_secret(SECRET.as_bytes());
    let sign = |key| {
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), key, Algorithm::HS256);
        format!("{signed}.{}", signature.expect("any bytes can be signed"))
    };
    assert_eq!(person(&sign(&stranger)), None, "a stranger has signed it");
    let Some(name) = person(&sign(&ours)) else { return };
    let (header, claims) = (object(header), object(claims));
    let expected = [("alg", "HS256"), ("typ", "at+jwt"), ("kid", "hs256")];
    assert_eq!(header.len(), expected.len(), "nothing else stands in the header");
    for (member, value) in expected {
        assert_eq!(header[member], value);
    }
    assert_eq!(
        (&claims["sub"], &claims["username"]),
        (&name.clone().into(), &name.into())
    );
    assert_eq!(claims["iss"], "https://gateway");
    let audience = &claims["aud"];
    let is_for_us = |value: &Value| value == "portcullis";
    assert!(is_for_us(audience) || audience.as_array().is_some_and(|all| all.iter().any(is_for_us)));
    let seconds = |claim: &str| claims[claim].as_u64().expect("whole seconds");
    assert!(seconds("exp").saturating_add(30) > NOW && seconds("iat") <= NOW + 30);
}
