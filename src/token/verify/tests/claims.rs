//! What a token's claims must say.

use super::*;

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
            verdict(&keys, &config, &sign(HEADER, &claims(&changes).to_string())),
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
