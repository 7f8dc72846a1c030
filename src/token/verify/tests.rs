use std::time::Duration;

use jsonwebtoken::EncodingKey;
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::*;
use crate::{
    config::{KeyPairAlgorithm, SecretAlgorithm, SigningConfig},
    identity::{Identity, Stamp, UserName},
    token::issue::{Wanted, issue},
};

mod claims;
mod header;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn now() -> Timestamp {
    Timestamp::from_unix_seconds(1_700_000_000)
}

fn config(signing: SigningConfig) -> TokenConfig {
    TokenConfig {
        trust: Vec::new(),
        issuer: "https://localhost:8443".to_owned(),
        audience: "portcullis".to_owned(),
        lifetime: Duration::from_secs(900),
        refresh_lifetime: None,
        leeway: Duration::from_secs(30),
        signing,
    }
}

fn hs256() -> (KeyRing, TokenConfig) {
    let config = config(SigningConfig::Secret {
        algorithm: SecretAlgorithm::Hs256,
        secret: SECRET.to_owned().into(),
    });
    (KeyRing::open(&config).unwrap(), config)
}

fn es256(folder: &tempfile::TempDir) -> (KeyRing, TokenConfig) {
    let config = config(SigningConfig::Keys {
        algorithm: KeyPairAlgorithm::Es256,
        folder: folder.path().join("keys"),
    });
    (KeyRing::open(&config).unwrap(), config)
}

fn alice() -> Identity {
    Identity::new(
        UserName::parse("alice").unwrap(),
        Some("Alice Liddell".to_owned()),
        None,
        vec!["staff".to_owned()],
        Some(Stamp::of(["alice"])),
    )
}

fn token(keys: &KeyRing, config: &TokenConfig) -> String {
    issue(keys, config, &alice(), &Wanted::plain(config, now()), now())
        .unwrap()
        .token
        .expose_secret()
        .to_owned()
}

/// The claims of a good token, with members replaced; `null` removes one.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": "https://localhost:8443", "sub": "alice", "aud": "portcullis", "iat": 1_700_000_000_u64,
        "exp": 1_700_000_900_u64, "jti": "x", "username": "alice", "roles": ["staff"],
    });
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    claims
}

fn encode(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A JWS with any header and payload, correctly signed with the secret.
fn sign(header: &str, payload: &str) -> String {
    sign_with(header, payload, SECRET.as_bytes())
}

fn sign_with(header: &str, payload: &str, secret: &[u8]) -> String {
    let signed = format!("{}.{}", encode(header), encode(payload));
    let key = EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{signed}.{signature}")
}

const HEADER: &str = r#"{"alg":"HS256","typ":"at+jwt","kid":"hs256"}"#;

fn verify(keys: &KeyRing, config: &TokenConfig, token: &str) -> Result<Arc<Identity>, TokenError> {
    SignedToken::verify(keys, &Trusts::default(), token, now())?
        .bearer(config, now())
        .map(|bearer| Arc::clone(&bearer.identity))
}

/// A word for what `verify` said.
fn verdict(keys: &KeyRing, config: &TokenConfig, token: &str) -> &'static str {
    match verify(keys, config, token) {
        Ok(_) => "ok",
        Err(TokenError::Grammar) => "grammar",
        Err(TokenError::TooLong) => "too long",
        Err(TokenError::NotCompact) => "not compact",
        Err(TokenError::Header(_)) => "header",
        Err(TokenError::Type) => "type",
        Err(TokenError::UnknownKey) => "unknown key",
        Err(TokenError::Algorithm) => "algorithm",
        Err(TokenError::Invalid(_)) => "invalid",
        Err(TokenError::Issuer) => "issuer",
        Err(TokenError::Audience) => "audience",
        Err(TokenError::Expired) => "expired",
        Err(TokenError::NotYetValid) => "not yet valid",
        Err(TokenError::Subject) => "subject",
        Err(TokenError::UserChanged) => "user changed",
        Err(TokenError::Claim(_)) => "claim",
        Err(TokenError::KeyNotShown(_)) => "key not shown",
        Err(TokenError::Revoked) => "revoked",
        Err(TokenError::Unchecked(_)) => "unchecked",
        Err(TokenError::NoPersonalToken) => "no personal token",
    }
}

#[test]
fn what_is_issued_is_accepted_and_names_the_same_person() {
    let folder = tempfile::tempdir().unwrap();
    for (keys, config) in [hs256(), es256(&folder)] {
        let signed = SignedToken::verify(&keys, &Trusts::default(), &token(&keys, &config), now()).unwrap();
        assert_eq!(signed.not_before, now().unix_seconds());
        assert_eq!(signed.expires, signed.not_before + 900);
        assert_eq!(*signed.bearer(&config, now()).unwrap().identity, alice());
    }
}

#[test]
fn a_key_is_made_once_private_to_its_owner_and_survives_a_restart() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (keys, config) = es256(&folder);
    let token = token(&keys, &config);
    let (again, _) = es256(&folder);
    assert_eq!(verdict(&again, &config, &token), "ok");
    let files: Vec<_> = std::fs::read_dir(folder.path().join("keys"))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let public = serde_json::to_value(keys.public(now())).unwrap();
    let kid = public["keys"][0]["kid"].as_str().unwrap();
    assert_eq!(format!("{kid}.ES256.pem"), files[0].file_name().to_str().unwrap());
    assert_eq!(public["keys"][0]["alg"], "ES256");
    assert!(
        public["keys"][0].get("d").is_none(),
        "the private part stays private"
    );

    std::fs::set_permissions(files[0].path(), PermissionsExt::from_mode(0o640)).unwrap();
    let error = KeyRing::open(&config).unwrap_err().to_string();
    assert!(
        error.contains("can be read by other users; run: chmod 600"),
        "{error}"
    );
    std::fs::set_permissions(files[0].path(), PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(files[0].path(), "garbage").unwrap();
    let error = KeyRing::open(&config).unwrap_err().to_string();
    assert!(error.contains("is not a PKCS#8 PEM file"), "{error}");
}

#[test]
fn a_secret_is_not_published() {
    let (keys, _) = hs256();
    assert!(keys.public(now()).keys.is_empty());
    assert!(!format!("{keys:?}").contains("0123"));
}

#[test]
fn what_is_no_token_is_refused_before_it_is_parsed() {
    let (keys, config) = hs256();
    let good = token(&keys, &config);
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    for (token, says) in [
        (String::new(), "not compact"),
        ("x".to_owned(), "not compact"),
        ("..".to_owned(), "header"),
        (format!("{header}.{payload}"), "not compact"),
        (format!("{header}.{payload}."), "invalid"),
        (format!("{header}..{signature}"), "invalid"),
        (format!("{good}.x"), "not compact"),
        (format!("{good}.x.y"), "not compact"),
        (format!("{header}=.{payload}.{signature}"), "not compact"),
        (format!("{good}="), "invalid"),
        (format!("{good} "), "invalid"),
        (".".repeat(1 << 20), "too long"),
        (".".repeat(MAX_TOKEN_BYTES), "not compact"),
    ] {
        assert_eq!(
            verdict(&keys, &config, &token),
            says,
            "{}",
            &token[..token.len().min(60)]
        );
    }
    assert_eq!(
        verdict(
            &keys,
            &config,
            &sign_with(HEADER, &claims(&json!({})).to_string(), b"another secret")
        ),
        "invalid"
    );
}

proptest! {
    /// Whatever one changes in a good token, it is refused.
    #[test]
    fn a_changed_token_is_refused(at in any::<prop::sample::Index>(), with in 0x21_u8..0x7f) {
        let (keys, config) = hs256();
        let good = token(&keys, &config);
        let mut bytes = good.clone().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != with);
        bytes[at] = with;
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert!(verify(&keys, &config, &changed).is_err(), "{changed}");
    }

    #[test]
    fn no_text_makes_the_verifier_panic(text in "\\PC{0,200}") {
        let (keys, config) = hs256();
        prop_assert!(verify(&keys, &config, &text).is_err());
    }
}
