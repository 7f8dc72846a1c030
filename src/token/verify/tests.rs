use std::time::Duration;

use jsonwebtoken::EncodingKey;
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::*;
use crate::{
    config::SigningConfig,
    identity::{Identity, Stamp, UserName},
    token::issue::issue,
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn now() -> Timestamp {
    Timestamp::from_unix_seconds(1_700_000_000)
}

fn config(signing: SigningConfig) -> TokenConfig {
    TokenConfig {
        issuer: "https://localhost:8443".to_owned(),
        audience: "portcullis".to_owned(),
        lifetime: Duration::from_secs(900),
        leeway: Duration::from_secs(30),
        signing,
    }
}

fn hs256() -> (KeyRing, TokenConfig) {
    let config = config(SigningConfig::Hs256 {
        secret: SECRET.to_owned().into(),
    });
    (KeyRing::open(&config.signing).unwrap(), config)
}

fn es256(folder: &tempfile::TempDir) -> (KeyRing, TokenConfig) {
    let config = config(SigningConfig::Es256 {
        keys: folder.path().join("keys"),
    });
    (KeyRing::open(&config.signing).unwrap(), config)
}

fn alice() -> Identity {
    Identity {
        username: UserName::parse("alice").unwrap(),
        name: Some("Alice Liddell".to_owned()),
        email: None,
        roles: vec!["staff".to_owned()],
        stamp: Some(Stamp::of(["alice"])),
    }
}

fn token(keys: &KeyRing, config: &TokenConfig) -> String {
    issue(keys, config, &alice(), now())
        .unwrap()
        .token
        .expose_secret()
        .to_owned()
}

/// The claims of a good token, with members replaced; `null` removes one.
fn claims(changes: Value) -> Value {
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

/// A word for what `verify` said.
fn verdict(keys: &KeyRing, config: &TokenConfig, token: &str) -> &'static str {
    match verify(keys, config, token, now()) {
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
    }
}

#[test]
fn what_is_issued_is_accepted_and_names_the_same_person() {
    let folder = tempfile::tempdir().unwrap();
    for (keys, config) in [hs256(), es256(&folder)] {
        let claims = verify(&keys, &config, &token(&keys, &config), now()).unwrap();
        assert_eq!(claims.exp, claims.iat + 900);
        assert_eq!(claims.sub, claims.username);
        assert_eq!(claims.identity(), alice());
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
    let public = serde_json::to_value(keys.public()).unwrap();
    assert_eq!(
        public["keys"][0]["kid"],
        files[0].path().file_stem().unwrap().to_str().unwrap()
    );
    assert_eq!(public["keys"][0]["alg"], "ES256");
    assert!(
        public["keys"][0].get("d").is_none(),
        "the private part stays private"
    );

    std::fs::set_permissions(files[0].path(), PermissionsExt::from_mode(0o640)).unwrap();
    let error = KeyRing::open(&config.signing).unwrap_err().to_string();
    assert!(
        error.contains("can be read by other users; run: chmod 600"),
        "{error}"
    );
    std::fs::set_permissions(files[0].path(), PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(files[0].path(), "garbage").unwrap();
    let error = KeyRing::open(&config.signing).unwrap_err().to_string();
    assert!(error.contains("is not a PKCS#8 PEM file"), "{error}");
}

#[test]
fn a_secret_is_not_published() {
    let (keys, _) = hs256();
    assert!(keys.public().keys.is_empty());
    assert!(!format!("{keys:?}").contains("0123"));
}

#[test]
fn a_header_is_believed_in_nothing_but_the_name_of_the_key() {
    let (keys, config) = hs256();
    let good = claims(json!({})).to_string();
    let long_kid = format!(
        r#"{{"alg":"HS256","typ":"at+jwt","kid":"{}"}}"#,
        "k".repeat(1_000_000)
    );
    for (header, says) in [
        (HEADER, "ok"),
        (r#"{"alg":"HS384","typ":"at+jwt","kid":"hs256"}"#, "algorithm"),
        (r#"{"alg":"ES256","typ":"at+jwt","kid":"hs256"}"#, "algorithm"),
        (r#"{"alg":"RS256","typ":"at+jwt","kid":"hs256"}"#, "algorithm"),
        (r#"{"alg":"none","typ":"at+jwt","kid":"hs256"}"#, "header"),
        (r#"{"alg":"None","typ":"at+jwt","kid":"hs256"}"#, "header"),
        (r#"{"alg":"NONE","typ":"at+jwt","kid":"hs256"}"#, "header"),
        (r#"{"alg":"hs256","typ":"at+jwt","kid":"hs256"}"#, "header"),
        (r#"{"alg":["HS256"],"typ":"at+jwt","kid":"hs256"}"#, "header"),
        (r#"{"alg":"HS256","typ":"JWT","kid":"hs256"}"#, "type"),
        (r#"{"alg":"HS256","kid":"hs256"}"#, "header"),
        (r#"{"alg":"HS256","typ":"at+jwt"}"#, "header"),
        (
            r#"{"alg":"HS256","typ":"at+jwt","kid":"../../dev/null"}"#,
            "unknown key",
        ),
        (r#"{"alg":"HS256","typ":"at+jwt","kid":""}"#, "unknown key"),
        (r#"{"alg":"HS256","typ":"at+jwt","kid":5}"#, "header"),
        (&long_kid, "too long"),
        (
            r#"{"alg":"HS256","typ":"at+jwt","kid":"hs256","crit":["bork"],"bork":1}"#,
            "header",
        ),
        (
            r#"{"alg":"HS256","typ":"at+jwt","kid":"hs256","crit":[]}"#,
            "header",
        ),
        (
            r#"{"alg":"HS256","typ":"at+jwt","kid":"hs256","b64":false,"crit":["b64"]}"#,
            "header",
        ),
        (
            r#"{"alg":"HS256","typ":"at+jwt","kid":"hs256","jku":"https://evil.com/jwks"}"#,
            "header",
        ),
        (
            r#"{"alg":"HS256","typ":"at+jwt","kid":"hs256","jwk":{"kty":"oct","k":"AAAA"}}"#,
            "header",
        ),
        (
            r#"{"alg":"HS256","typ":"at+jwt","kid":"hs256","x5u":"https://evil.com"}"#,
            "header",
        ),
        (
            r#"{"alg":"HS256","typ":"at+jwt","kid":"hs256","x5c":["AAAA"]}"#,
            "header",
        ),
        (
            r#"{"alg":"HS256","typ":"at+jwt","kid":"hs256","zip":"DEF"}"#,
            "header",
        ),
        (
            r#"{"alg":"dir","enc":"A256GCM","typ":"at+jwt","kid":"hs256"}"#,
            "header",
        ),
        (
            r#"{"alg":"HS256","alg":"none","typ":"at+jwt","kid":"hs256"}"#,
            "header",
        ),
        ("{}", "header"),
        ("[]", "header"),
        ("null", "header"),
        ("", "header"),
    ] {
        assert_eq!(
            verdict(&keys, &config, &sign(header, &good)),
            says,
            "{}",
            &header[..header.len().min(90)]
        );
    }
}

#[test]
fn a_public_key_is_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let (keys, config) = es256(&folder);
    let public = serde_json::to_value(keys.public()).unwrap();
    let kid = public["keys"][0]["kid"].as_str().unwrap().to_owned();
    let header = format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{kid}"}}"#);
    for secret in [
        public.to_string(),
        public["keys"][0].to_string(),
        public["keys"][0]["x"].as_str().unwrap().to_owned(),
    ] {
        let forged = sign_with(&header, &claims(json!({})).to_string(), secret.as_bytes());
        assert_eq!(verdict(&keys, &config, &forged), "algorithm");
    }
    let other = tempfile::tempdir().unwrap();
    let (foreign, _) = es256(&other);
    assert_eq!(verdict(&keys, &config, &token(&foreign, &config)), "unknown key");
}

#[test]
fn claims_have_one_type_each_and_say_what_they_must() {
    let (keys, config) = hs256();
    for (changes, says) in [
        (json!({}), "ok"),
        (json!({"extra": {"deep": [1, 2]}}), "ok"),
        (
            json!({"name": "A", "email": "a@example.com", "nbf": 1_700_000_000_u64}),
            "ok",
        ),
        (json!({"exp": null}), "invalid"),
        (json!({"exp": "never"}), "invalid"),
        (json!({"exp": "1700000900"}), "invalid"),
        (json!({"exp": -1}), "invalid"),
        (json!({"exp": 1_700_000_900.5}), "invalid"),
        (json!({"exp": [1_700_000_900_u64]}), "invalid"),
        (json!({"exp": true}), "invalid"),
        (json!({"exp": 1_699_999_970_u64}), "expired"),
        (json!({"exp": 1_699_999_971_u64}), "ok"),
        (json!({"exp": 0}), "expired"),
        (json!({"exp": u64::MAX}), "ok"),
        (json!({"nbf": "99999999999"}), "invalid"),
        (json!({"nbf": 99_999_999_999_u64}), "not yet valid"),
        (json!({"nbf": 1_700_000_030_u64}), "ok"),
        (json!({"nbf": 1_700_000_031_u64}), "not yet valid"),
        (json!({"iat": 1_700_000_031_u64}), "not yet valid"),
        (json!({"iat": null}), "invalid"),
        (json!({"aud": "other"}), "audience"),
        (json!({"aud": "Portcullis"}), "audience"),
        (json!({"aud": "portcullis "}), "audience"),
        (json!({"aud": []}), "audience"),
        (json!({"aud": ["x"]}), "audience"),
        (json!({"aud": ["x", "portcullis"]}), "ok"),
        (json!({"aud": {}}), "invalid"),
        (json!({"aud": [["portcullis"]]}), "invalid"),
        (json!({"aud": null}), "invalid"),
        (json!({"iss": "https://evil.com"}), "issuer"),
        (json!({"iss": "https://localhost:8443/"}), "issuer"),
        (json!({"iss": ["https://localhost:8443"]}), "invalid"),
        (json!({"iss": null}), "invalid"),
        (json!({"sub": "bob"}), "subject"),
        (json!({"sub": null}), "invalid"),
        (json!({"sub": "", "username": ""}), "invalid"),
        (
            json!({"sub": "a\r\nSet-Cookie: x=1", "username": "a\r\nSet-Cookie: x=1"}),
            "invalid",
        ),
        (json!({"username": null}), "invalid"),
        (json!({"roles": null}), "invalid"),
        (json!({"roles": "staff"}), "invalid"),
        (json!({"roles": ["staff", 1]}), "invalid"),
        (json!({"jti": null}), "invalid"),
        (json!({"name": 5}), "invalid"),
    ] {
        assert_eq!(
            verdict(
                &keys,
                &config,
                &sign(HEADER, &claims(changes.clone()).to_string())
            ),
            says,
            "{changes}"
        );
    }
    for payload in [
        "",
        "{}",
        "[]",
        "null",
        "\"x\"",
        r#"{"exp":1e400}"#,
        r#"{"exp":1,"exp":99999999999}"#,
    ] {
        assert_eq!(
            verdict(&keys, &config, &sign(HEADER, payload)),
            "invalid",
            "{payload}"
        );
    }
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
            &sign_with(HEADER, &claims(json!({})).to_string(), b"another secret")
        ),
        "invalid"
    );
}

proptest! {
    /// Whatever one changes in a good token, it is refused.
    #[test]
    fn a_changed_token_is_refused(at in 0_usize..400, with in 0x21_u8..0x7f) {
        let (keys, config) = hs256();
        let good = token(&keys, &config);
        let mut bytes = good.clone().into_bytes();
        let at = at % bytes.len();
        prop_assume!(bytes[at] != with);
        bytes[at] = with;
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert!(verify(&keys, &config, &changed, now()).is_err(), "{changed}");
    }

    #[test]
    fn no_text_makes_the_verifier_panic(text in "\\PC{0,200}") {
        let (keys, config) = hs256();
        prop_assert!(verify(&keys, &config, &text, now()).is_err());
    }
}
