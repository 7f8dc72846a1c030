use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use secrecy::ExposeSecret;
use serde_json::Value;

use super::*;
use crate::{
    config::SecretAlgorithm,
    identity::{Identity, UserName},
    token::{
        SignedToken, TokenCache, TokenError, Trusts,
        issue::{Wanted, issue},
    },
};

const LIFETIME: Duration = Duration::from_secs(900);
const LEEWAY: Duration = Duration::from_secs(30);

const KEY_PAIRS: [KeyPairAlgorithm; 5] = [
    KeyPairAlgorithm::Es256,
    KeyPairAlgorithm::Es384,
    KeyPairAlgorithm::EdDsa,
    KeyPairAlgorithm::Rs256,
    KeyPairAlgorithm::Ps256,
];

fn config(signing: SigningConfig) -> TokenConfig {
    TokenConfig {
        trust: Vec::new(),
        issuer: "https://localhost:8443".to_owned(),
        audience: "portcullis".to_owned(),
        lifetime: LIFETIME,
        refresh_lifetime: None,
        leeway: LEEWAY,
        signing,
    }
}

fn in_folder(folder: &tempfile::TempDir, algorithm: KeyPairAlgorithm) -> TokenConfig {
    config(SigningConfig::Keys {
        algorithm,
        folder: folder.path().join("keys"),
    })
}

fn now() -> Timestamp {
    crate::clock::Clock::System.now()
}

fn token(keys: &KeyRing, config: &TokenConfig) -> String {
    let name = UserName::parse("alice").unwrap();
    let alice = Identity::new(name, None, None, Vec::new(), None);
    let issued = issue(keys, config, &alice, &Wanted::plain(config, now()), now()).unwrap();
    issued.token.expose_secret().to_owned()
}

/// The member of a token's header.
fn header(token: &str, member: &str) -> String {
    let header = jsonwebtoken::decode_header(token).unwrap();
    let header: Value = serde_json::to_value(header).unwrap();
    header[member].as_str().unwrap().to_owned()
}

fn counts(keys: &KeyRing, token: &str, now: Timestamp) -> bool {
    match SignedToken::verify(keys, &Trusts::default(), token, now) {
        Ok(_) => true,
        Err(TokenError::UnknownKey) => false,
        Err(other) => panic!("{other}"),
    }
}

/// Moves the time at which a file was written.
fn date(file: &Path, back: Duration) {
    let file = fs::OpenOptions::new().append(true).open(file).unwrap();
    #[allow(clippy::disallowed_methods, reason = "a file's time is the system's")]
    file.set_modified(SystemTime::now() - back).unwrap();
}

#[test]
fn every_algorithm_signs_what_it_verifies_and_says_so() {
    for algorithm in KEY_PAIRS {
        let folder = tempfile::tempdir().unwrap();
        let config = in_folder(&folder, algorithm);
        let keys = KeyRing::open(&config).unwrap();
        let token = token(&keys, &config);
        assert!(counts(&keys, &token, now()));
        assert_eq!(header(&token, "alg"), algorithm.name());
        let public = serde_json::to_value(keys.public(now())).unwrap();
        let [key] = &public["keys"].as_array().unwrap()[..] else {
            panic!("{public}")
        };
        assert_eq!(key["kid"], header(&token, "kid"));
        assert_eq!(
            (&key["alg"], &key["use"]),
            (&algorithm.name().into(), &"sig".into())
        );
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "{private}");
        }
        let again = KeyRing::open(&config).unwrap();
        assert!(counts(&again, &token, now()), "a restart changes nothing");
    }
    for (algorithm, name) in [
        (SecretAlgorithm::Hs256, "HS256"),
        (SecretAlgorithm::Hs384, "HS384"),
        (SecretAlgorithm::Hs512, "HS512"),
    ] {
        let secret = "x".repeat(algorithm.min_secret()).into();
        let config = config(SigningConfig::Secret { algorithm, secret });
        let keys = KeyRing::open(&config).unwrap();
        let token = token(&keys, &config);
        assert!(counts(&keys, &token, now()));
        assert_eq!((header(&token, "alg"), algorithm.name()), (name.to_owned(), name));
        assert!(keys.public(now()).keys.is_empty(), "a secret is never published");
    }
}

#[test]
fn a_key_that_was_followed_by_another_counts_until_its_last_token_has_expired() {
    let folder = tempfile::tempdir().unwrap();
    let config = in_folder(&folder, KeyPairAlgorithm::Es256);
    let keys = KeyRing::open(&config).unwrap();
    let (old, cache) = (token(&keys, &config), TokenCache::default());
    cache
        .verify(&keys, &Trusts::default(), &config, &old, now())
        .unwrap();

    let by_hand = KeyFolder::of(&config).unwrap();
    let file = by_hand.rotate().unwrap();
    let [first, second] = &by_hand.list(now()).unwrap()[..] else {
        panic!("not two keys")
    };
    assert_eq!(second.state, KeyState::Signs);
    let KeyState::VerifiesUntil(until) = first.state else {
        panic!("{first:?}")
    };
    let written = folder::files(&folder.path().join("keys")).unwrap()[1].written;
    assert_eq!(until, written.after(LIFETIME + LEEWAY));

    // Another gateway does not know it before it looks, and then signs with it.
    assert_eq!(header(&token(&keys, &config), "kid"), first.id);
    assert_eq!(keys.refresh().unwrap(), Some(second.id.clone()));
    assert_eq!(keys.refresh().unwrap(), None, "nothing has changed");
    let new = token(&keys, &config);
    assert_eq!(header(&new, "kid"), second.id);
    assert_eq!(keys.public(now()).keys.len(), 2);

    for (time, both) in [(now(), true), (until, false)] {
        assert_eq!(counts(&keys, &old, time), both);
        assert!(counts(&keys, &new, time));
        assert_eq!(keys.public(time).keys.len(), if both { 2 } else { 1 });
    }
    // A token that was verified before is held to the same.
    cache
        .verify(&keys, &Trusts::default(), &config, &old, now())
        .unwrap();
    assert!(matches!(
        cache.verify(&keys, &Trusts::default(), &config, &old, until),
        Err(TokenError::UnknownKey)
    ));
    // Once it is over, nobody has to know of it any more.
    date(&first.file, Duration::from_secs(7200));
    date(&file, Duration::from_secs(3600));
    assert_eq!(by_hand.list(now()).unwrap().len(), 1);
}

#[test]
fn a_published_key_is_known_before_it_signs() {
    let folder = tempfile::tempdir().unwrap();
    let config = in_folder(&folder, KeyPairAlgorithm::EdDsa);
    let keys = KeyRing::open(&config).unwrap();
    let by_hand = KeyFolder::of(&config).unwrap();
    by_hand.generate().unwrap();
    assert_eq!(keys.refresh().unwrap(), None, "it does not sign yet");
    assert_eq!(keys.public(now()).keys.len(), 2);
    let states = |by_hand: &KeyFolder<'_>| -> Vec<KeyState> {
        by_hand.list(now()).unwrap().iter().map(|key| key.state).collect()
    };
    assert_eq!(states(&by_hand), [KeyState::Signs, KeyState::Next]);
    let next = by_hand.list(now()).unwrap()[1].id.clone();
    by_hand.rotate().unwrap();
    assert_eq!(keys.refresh().unwrap(), Some(next.clone()));
    assert_eq!(header(&token(&keys, &config), "kid"), next);
    assert!(matches!(
        states(&by_hand)[..],
        [KeyState::VerifiesUntil(_), KeyState::Signs]
    ));
}

#[test]
fn a_retired_key_counts_at_once_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let config = in_folder(&folder, KeyPairAlgorithm::Es256);
    let keys = KeyRing::open(&config).unwrap();
    let (old, cache) = (token(&keys, &config), TokenCache::default());
    cache
        .verify(&keys, &Trusts::default(), &config, &old, now())
        .unwrap();
    let by_hand = KeyFolder::of(&config).unwrap();
    let first = by_hand.list(now()).unwrap()[0].id.clone();
    assert!(matches!(by_hand.retire(&first), Err(KeyError::OnlySigner { .. })));
    by_hand.generate().unwrap();
    assert!(
        matches!(by_hand.retire(&first), Err(KeyError::OnlySigner { .. })),
        "what is only published signs nothing"
    );
    by_hand.rotate().unwrap();
    for (id, count) in [("", 2), ("no such key", 0)] {
        let refused = by_hand.retire(id).unwrap_err();
        assert!(matches!(refused, KeyError::NotOne { count: found, .. } if found == count));
    }
    let file = by_hand.retire(&first[..8]).unwrap();
    assert!(file.to_str().unwrap().ends_with(".pem.retired") && file.exists());
    keys.refresh().unwrap();
    assert!(!counts(&keys, &old, now()));
    assert!(
        cache
            .verify(&keys, &Trusts::default(), &config, &old, now())
            .is_err()
    );
    assert_eq!(keys.public(now()).keys.len(), 1);
}

#[test]
fn what_is_broken_or_readable_by_others_changes_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let config = in_folder(&folder, KeyPairAlgorithm::Es256);
    let keys = KeyRing::open(&config).unwrap();
    let token = token(&keys, &config);
    let file = folder.path().join("keys/broken.pem");
    fs::write(&file, "no key").unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    assert!(matches!(keys.refresh(), Err(KeyError::Malformed { .. })));
    fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    assert!(matches!(keys.refresh(), Err(KeyError::Exposed { .. })));
    assert!(counts(&keys, &token, now()));
    fs::remove_file(&file).unwrap();
    assert_eq!(keys.refresh().unwrap(), None);
    assert!(counts(&keys, &token, now()));
}

#[test]
fn another_algorithm_gets_a_key_of_its_own_and_the_old_one_goes_on_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let before = in_folder(&folder, KeyPairAlgorithm::Rs256);
    let old = token(&KeyRing::open(&before).unwrap(), &before);
    let after = in_folder(&folder, KeyPairAlgorithm::Ps256);
    let keys = KeyRing::open(&after).unwrap();
    let new = token(&keys, &after);
    assert_eq!(
        (header(&old, "alg").as_str(), header(&new, "alg").as_str()),
        ("RS256", "PS256")
    );
    assert!(counts(&keys, &old, now()) && counts(&keys, &new, now()));
    let later = now().after(LIFETIME + LEEWAY);
    assert!(!counts(&keys, &old, later) && counts(&keys, &new, later));
}

#[test]
fn a_key_of_rsa_that_is_too_short_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"])
        .output()
        .unwrap();
    assert!(made.status.success());
    fs::create_dir(folder.path().join("keys")).unwrap();
    let file = folder.path().join("keys/short.pem");
    fs::write(&file, made.stdout).unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let refused = KeyRing::open(&in_folder(&folder, KeyPairAlgorithm::Rs256));
    assert!(matches!(refused, Err(KeyError::Malformed { .. })));
}
