//! `[token]`.

use secrecy::ExposeSecret;

use super::*;
use crate::config::SigningConfig;

const ALGORITHMS: &str =
    "it is one of \"ES256\", \"ES384\", \"EdDSA\", \"RS256\", \"PS256\", \"HS256\", \"HS384\", \"HS512\"";

#[test]
fn everything_that_token_can_say_is_taken() {
    let token = config(
        "[token]\nissuer = \"https://id.example.com\"\naudience = \"apps\"\nlifetime = \"1h\"\nleeway = \"0s\"\n\
         algorithm = \"ES256\"\nkeys = \"keys\"\n",
    )
    .token;
    assert_eq!(
        (token.issuer.as_str(), token.audience.as_str()),
        ("https://id.example.com", "apps")
    );
    assert_eq!(
        (token.lifetime, token.leeway),
        (Duration::from_secs(3600), Duration::ZERO)
    );
    let SigningConfig::Keys { folder: keys, .. } = token.signing else {
        panic!()
    };
    assert_eq!(keys, Path::new("/etc/portcullis/keys"), "relative to the file");
    let SigningConfig::Keys { folder: keys, .. } = config("").token.signing else {
        panic!()
    };
    assert_eq!(keys, Path::new("/etc/portcullis/state/keys"));
}

#[test]
fn a_secret_comes_from_the_file_itself_a_variable_or_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let written = "abcdefghijklmnopqrstuvwxyz012345";
    fs::write(folder.path().join("secret"), format!("{written}\r\n")).unwrap();
    for (secret, expected) in [
        (format!("\"{written}\""), written),
        (
            "{ env = \"PORTCULLIS_SECRET\" }".to_owned(),
            "0123456789abcdef0123456789abcdef",
        ),
        ("{ file = \"secret\" }".to_owned(), written),
    ] {
        let text = format!("[token]\nalgorithm = \"HS256\"\nsecret = {secret}\n{ROUTE}");
        let file = folder.path().join("gateway.toml");
        let config = load_str(text, &file, &environment).unwrap().config;
        let SigningConfig::Secret { secret: read, .. } = &config.token.signing else {
            panic!()
        };
        assert_eq!(read.expose_secret(), expected, "{secret}");
        assert!(
            !format!("{config:?}").contains(expected),
            "Debug does not show it"
        );
    }
}

#[test]
fn a_secret_and_an_algorithm_must_fit_each_other() {
    for (secret, length) in [
        ("\"\"", 0),
        ("\"hunter2\"", 7),
        ("\"1234567890123456789012345678901\"", 31),
        ("{ env = \"SHORT\" }", 7),
    ] {
        let text = format!("[token]\nalgorithm = \"HS256\"\nsecret = {secret}");
        let said = format!(
            "error: {FILE}:3:10: the secret must have at least 32 bytes for HS256, but has {length}\n 3 | secret = …\n   |          ^\n   = hint: make one: head -c 32 /dev/urandom | base64"
        );
        assert_eq!(shown(&with_route(&text), Severity::Error), [said], "{secret}");
    }
    let said = format!(
        "error: {FILE}:2:1: `secret` is for HS256 and its kin, but this gateway signs with ES256\n 2 | secret = …\n   | ^^^^^^\n   = hint: add algorithm = \"HS256\", or leave the secret out"
    );
    let text = "[token]\nsecret = \"01234567890123456789012345678901\"";
    assert_eq!(shown(&with_route(text), Severity::Error), [said]);
    refused(&[
        (
            "«[token]»\nalgorithm = \"HS256\"",
            "HS256 needs a `secret` in [token]",
            "secret = { env = \"PORTCULLIS_SECRET\" }, of at least 32 bytes",
        ),
        (
            "[token]\nalgorithm = «\"none\"»",
            &format!("`algorithm` cannot be \"none\"; {ALGORITHMS}"),
            "",
        ),
        (
            "[token]\nalgorithm = «\"es256\"»",
            &format!("`algorithm` cannot be \"es256\"; {ALGORITHMS}"),
            "did you mean \"ES256\"?",
        ),
    ]);
}

#[test]
fn times_and_names_of_tokens_have_bounds() {
    refused(&[
        ("[token]\nissuer = «\"\"»", "`issuer` cannot be empty", ""),
        ("[token]\naudience = «\"\"»", "`audience` cannot be empty", ""),
        (
            "[token]\naudience = «[\"a\"]»",
            "`audience` must be a string, but this is a list",
            "",
        ),
        (
            "[token]\nlifetime = «\"0s\"»",
            "`lifetime` must be longer than zero",
            "",
        ),
        (
            "[token]\nleeway = «\"6m\"»",
            "`leeway` cannot be longer than \"5m\"",
            "",
        ),
        ("[token]\nkeys = «\"\"»", "`keys` must name a file or folder", ""),
    ]);
}

#[test]
fn every_algorithm_has_its_key_or_a_secret_that_is_long_enough() {
    for (algorithm, min) in [("HS256", 32), ("HS384", 48), ("HS512", 64)] {
        let with = |length: usize| {
            let secret = "x".repeat(length);
            with_route(&format!(
                "[token]\nalgorithm = \"{algorithm}\"\nsecret = \"{secret}\""
            ))
        };
        let said = shown(&with(min - 1), Severity::Error);
        assert!(
            said[0].contains(&format!("at least {min} bytes for {algorithm}")),
            "{said:?}"
        );
        assert_eq!(shown(&with(min), Severity::Error), [""; 0], "{algorithm}");
    }
    for name in ["RS256", "PS256", "ES256", "ES384", "EdDSA"] {
        let token = config(&format!("[token]\nalgorithm = \"{name}\"")).token;
        let SigningConfig::Keys { algorithm, .. } = token.signing else {
            panic!()
        };
        assert_eq!(algorithm.name(), name);
    }
}
