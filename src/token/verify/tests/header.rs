//! What a token's header may say.

use super::*;

#[test]
fn a_header_is_believed_in_nothing_but_the_name_of_the_key() {
    let (keys, config) = hs256();
    let good = claims(&json!({})).to_string();
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
    let public = serde_json::to_value(keys.public(now())).unwrap();
    let kid = public["keys"][0]["kid"].as_str().unwrap().to_owned();
    let header = format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{kid}"}}"#);
    for secret in [
        public.to_string(),
        public["keys"][0].to_string(),
        public["keys"][0]["x"].as_str().unwrap().to_owned(),
    ] {
        let forged = sign_with(&header, &claims(&json!({})).to_string(), secret.as_bytes());
        assert_eq!(verdict(&keys, &config, &forged), "algorithm");
    }
    let other = tempfile::tempdir().unwrap();
    let (foreign, _) = es256(&other);
    assert_eq!(verdict(&keys, &config, &token(&foreign, &config)), "unknown key");
}
