use std::{fs, hash::Hasher, time::Duration};

use jsonwebtoken::{EncodingKey, Header};
use secrecy::ExposeSecret;
use serde_json::json;

use super::*;
use crate::{
    config::{KeyPairAlgorithm, SecretAlgorithm, SigningConfig},
    identity::{Identity, Stamp, UserName},
    token::{
        TOKEN_TYPE,
        issue::{Wanted, issue},
        refresh::Grant,
    },
};

const NOW: u64 = 1_700_000_000;

fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_seconds(second)
}

fn open(signing: SigningConfig) -> (KeyRing, TokenConfig) {
    let config = TokenConfig {
        trust: Vec::new(),
        issuer: "https://localhost:8443".to_owned(),
        audience: "portcullis".to_owned(),
        lifetime: Duration::from_secs(900),
        refresh_lifetime: None,
        leeway: Duration::from_secs(30),
        signing,
    };
    (KeyRing::open(&config).unwrap(), config)
}

fn hs256(secret: &str) -> (KeyRing, TokenConfig) {
    open(SigningConfig::Secret {
        algorithm: SecretAlgorithm::Hs256,
        secret: secret.to_owned().into(),
    })
}

fn es256(folder: &tempfile::TempDir) -> (KeyRing, TokenConfig) {
    open(SigningConfig::Keys {
        algorithm: KeyPairAlgorithm::Es256,
        folder: folder.path().to_owned(),
    })
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn token(keys: &KeyRing, config: &TokenConfig, user: &str) -> String {
    let name = UserName::parse(user).unwrap();
    let person = Identity::new(
        name,
        Some("Alice Pleasance Liddell".to_owned()),
        Some("alice.liddell@wonderland.example.com".to_owned()),
        vec!["staff".to_owned(), "developers".to_owned()],
        Some(Stamp::of([user])),
    );
    // All that one has that somebody was given for a password.
    let grant = Grant {
        id: "A".repeat(22),
        user: person.username.clone(),
        stamp: person.stamp.clone(),
        scope: None,
        amr: vec!["pwd".to_owned()],
        auth_time: NOW,
    };
    let wanted = Wanted {
        proven: Some((&grant.amr, grant.auth_time)),
        grant: Some(&grant),
        ..Wanted::plain(config, at(NOW))
    };
    let issued = issue(keys, config, &person, &wanted, at(NOW)).unwrap();
    issued.token.expose_secret().to_owned()
}

fn name(verified: Result<Arc<Bearer>, TokenError>) -> Result<String, String> {
    let name = verified.map(|bearer| bearer.identity.username.to_string());
    name.map_err(|error| error.to_string())
}

#[test]
fn a_token_is_verified_once_and_another_of_the_same_person_for_itself() {
    let (keys, config) = hs256(SECRET);
    let cache = TokenCache::default();
    let (one, other) = (token(&keys, &config, "alice"), token(&keys, &config, "alice"));
    let first = cache
        .verify(&keys, &Trusts::default(), &config, &one, at(NOW))
        .unwrap();
    let second = cache
        .verify(&keys, &Trusts::default(), &config, &one, at(NOW))
        .unwrap();
    assert!(Arc::ptr_eq(&first, &second), "it was read once");
    let third = cache
        .verify(&keys, &Trusts::default(), &config, &other, at(NOW))
        .unwrap();
    assert!(!Arc::ptr_eq(&first, &third) && first.identity == third.identity);
    assert_eq!(format!("{cache:?}"), "TokenCache(2)", "no token is shown");
}

#[test]
fn a_kept_token_lives_from_its_beginning_to_its_end_give_or_take_the_leeway() {
    let (keys, config) = hs256(SECRET);
    let cache = TokenCache::default();
    let issued = token(&keys, &config, "alice");
    let claims = json!({
        "iss": config.issuer, "aud": config.audience, "sub": "alice", "username": "alice", "roles": [],
        "jti": "x", "iat": NOW, "nbf": NOW + 60, "exp": u64::MAX,
    });
    let header = Header {
        typ: Some(TOKEN_TYPE.to_owned()),
        kid: Some("hs256".to_owned()),
        ..Header::default()
    };
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let later = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    for (token, kept_at, moments) in [
        (
            &issued,
            NOW,
            &[
                (0, "not valid yet"),
                (NOW - 31, "not valid yet"),
                (NOW - 30, "ok"),
                (NOW, "ok"),
                (NOW + 929, "ok"),
                (NOW + 930, "expired"),
                (u64::MAX / 1000, "expired"),
                (NOW + 929, "ok"),
            ][..],
        ),
        (
            &later,
            NOW + 60,
            &[
                (NOW, "not valid yet"),
                (NOW + 29, "not valid yet"),
                (NOW + 30, "ok"),
                (u64::MAX / 1000, "ok"),
            ],
        ),
    ] {
        let kept = cache
            .verify(&keys, &Trusts::default(), &config, token, at(kept_at))
            .unwrap();
        for &(moment, says) in moments {
            match cache.verify(&keys, &Trusts::default(), &config, token, at(moment)) {
                Ok(person) => assert!(says == "ok" && Arc::ptr_eq(&person, &kept), "{moment}"),
                Err(TokenError::NotYetValid) => assert_eq!(says, "not valid yet", "{moment}"),
                Err(TokenError::Expired) => assert_eq!(says, "expired", "{moment}"),
                Err(other) => panic!("{moment}: {other}"),
            }
        }
    }
}

#[test]
fn a_kept_token_is_held_to_the_issuer_and_the_audience_of_the_moment() {
    let (keys, config) = hs256(SECRET);
    let cache = TokenCache::default();
    let token = token(&keys, &config, "alice");
    let ask = |config: &TokenConfig| name(cache.verify(&keys, &Trusts::default(), config, &token, at(NOW)));
    assert_eq!(ask(&config), Ok("alice".to_owned()));
    let (_, mut changed) = hs256(SECRET);
    changed.audience = "other".to_owned();
    assert_eq!(ask(&changed), Err(TokenError::Audience.to_string()));
    changed.issuer = "https://localhost:8443/".to_owned();
    assert_eq!(ask(&changed), Err(TokenError::Issuer.to_string()));
    assert_eq!(ask(&config), Ok("alice".to_owned()));
}

#[test]
fn a_kept_token_outlives_no_key() {
    // Another secret has the same id.
    let (keys, config) = hs256(SECRET);
    let (others, _) = hs256("another secret of more than thirty-two bytes");
    let cache = TokenCache::default();
    let known = token(&keys, &config, "alice");
    let kept = cache
        .verify(&keys, &Trusts::default(), &config, &known, at(NOW))
        .unwrap();
    let refused = cache.verify(&others, &Trusts::default(), &config, &known, at(NOW));
    assert!(matches!(refused, Err(TokenError::Invalid(_))), "{refused:?}");

    // The same secret, read again: the signature is checked again, and is good.
    let (again, _) = hs256(SECRET);
    let person = cache
        .verify(&again, &Trusts::default(), &config, &known, at(NOW))
        .unwrap();
    assert!(!Arc::ptr_eq(&person, &kept));
    drop(keys);
    let once_more = cache
        .verify(&again, &Trusts::default(), &config, &known, at(NOW))
        .unwrap();
    assert!(Arc::ptr_eq(&person, &once_more));

    // A key that is taken out while the others stay.
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (old_keys, config) = es256(&old);
    let known = token(&old_keys, &config, "alice");
    drop(es256(&new));
    let file = fs::read_dir(old.path()).unwrap().next().unwrap().unwrap();
    let copied = new.path().join(file.file_name());
    fs::copy(file.path(), &copied).unwrap();
    let (both, _) = es256(&new);
    fs::remove_file(&copied).unwrap();
    let (one, _) = es256(&new);
    assert_eq!(
        (both.public(at(NOW)).keys.len(), one.public(at(NOW)).keys.len()),
        (2, 1)
    );
    for _ in 0..2 {
        assert!(
            cache
                .verify(&both, &Trusts::default(), &config, &known, at(NOW))
                .is_ok()
        );
    }
    for _ in 0..2 {
        let refused = cache.verify(&one, &Trusts::default(), &config, &known, at(NOW));
        assert!(matches!(refused, Err(TokenError::UnknownKey)), "{refused:?}");
    }
}

#[test]
fn a_text_that_differs_from_a_kept_one_in_one_bit_is_another() {
    let (keys, config) = hs256(SECRET);
    let cache = TokenCache::default();
    let known = token(&keys, &config, "alice");
    let passes = |token: &str| {
        cache
            .verify(&keys, &Trusts::default(), &config, token, at(NOW))
            .is_ok()
    };
    assert!(passes(&known));
    for at in 0..known.len() {
        for bit in 0..7 {
            let mut bytes = known.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(!passes(&changed), "{changed}");
        }
        assert!(!passes(&known[..at]), "cut off at {at}");
    }
    for changed in [
        format!("{known}="),
        format!("{known} "),
        format!("{known}\0"),
        format!("{known}{known}"),
    ] {
        assert!(!passes(&changed), "{changed}");
    }
    assert!(passes(&known));
    assert_eq!(cache.tokens.borrow().len(), 1);
}

/// Puts everything into one place.
#[derive(Clone)]
struct OneHash;

impl BuildHasher for OneHash {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self
    }
}

impl Hasher for OneHash {
    fn write(&mut self, _: &[u8]) {}

    fn finish(&self) -> u64 {
        7
    }
}

#[test]
fn tokens_of_one_hash_are_told_apart() {
    let (keys, config) = hs256(SECRET);
    let cache = TokenCache::new(MAX_BYTES, OneHash);
    let people = ["alice", "bob", "carol", "dave"];
    let tokens = people.map(|user| token(&keys, &config, user));
    for _ in 0..3 {
        for (user, token) in people.iter().zip(&tokens) {
            let verified = cache.verify(&keys, &Trusts::default(), &config, token, at(NOW));
            assert_eq!(name(verified).as_deref(), Ok(*user));
        }
    }
    assert_eq!(cache.tokens.borrow().len(), 4);
    let forged = tokens[0].replace('.', "-");
    assert!(
        cache
            .verify(&keys, &Trusts::default(), &config, &forged, at(NOW))
            .is_err()
    );
}

#[test]
fn what_is_refused_is_not_kept() {
    let (keys, config) = hs256(SECRET);
    let (others, _) = hs256("another secret of more than thirty-two bytes");
    let cache = TokenCache::default();
    let good = token(&keys, &config, "alice");
    let (_, mut for_others) = hs256(SECRET);
    for_others.audience = "other".to_owned();
    for (what, token, moment) in [
        ("no token", "x".to_owned(), NOW),
        ("dots", ".".repeat(8192), NOW),
        ("too long", "x".repeat(1 << 20), NOW),
        ("of another key", token(&others, &config, "alice"), NOW),
        ("for others", token(&keys, &for_others, "alice"), NOW),
        ("unsigned", good[..=good.rfind('.').unwrap()].to_owned(), NOW),
        ("expired", good.clone(), NOW + 930),
        ("early", good.clone(), NOW - 31),
    ] {
        for _ in 0..2 {
            let refused = cache.verify(&keys, &Trusts::default(), &config, &token, at(moment));
            assert!(refused.is_err(), "{what}");
        }
        assert!(cache.tokens.borrow().is_empty(), "{what}");
    }
    assert!(
        cache
            .verify(&keys, &Trusts::default(), &config, &good, at(NOW))
            .is_ok()
    );
    assert!(!cache.tokens.borrow().is_empty());
}

#[test]
fn a_token_that_had_to_make_room_is_verified_again() {
    let (keys, config) = hs256(SECRET);
    let cache = TokenCache::new(12 * ENTRY_BYTES, RandomState::new());
    let first = token(&keys, &config, "alice");
    let kept = cache
        .verify(&keys, &Trusts::default(), &config, &first, at(NOW))
        .unwrap();
    for number in 0..20 {
        let other = token(&keys, &config, &format!("user-{number}"));
        cache
            .verify(&keys, &Trusts::default(), &config, &other, at(NOW))
            .unwrap();
    }
    let again = cache
        .verify(&keys, &Trusts::default(), &config, &first, at(NOW))
        .unwrap();
    assert!(!Arc::ptr_eq(&again, &kept) && again.identity == kept.identity);
}

#[test]
fn ten_thousand_tokens_stay_and_a_flood_of_others_neither_grows_the_cache_nor_pushes_out_what_is_used() {
    let (keys, config) = hs256(SECRET);
    let cache = TokenCache::default();
    let verify = |token: &str| {
        cache
            .verify(&keys, &Trusts::default(), &config, token, at(NOW))
            .unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let (rsa, rsa_config) = open(SigningConfig::Keys {
        algorithm: KeyPairAlgorithm::Rs256,
        folder: folder.path().to_owned(),
    });
    let longest = token(&rsa, &rsa_config, "alice").into_boxed_str();
    let signed = SignedToken::verify(&rsa, &Trusts::default(), &longest, at(NOW)).unwrap();
    assert!(
        10_000 * ByBytes.weight(&longest, &signed) <= MAX_BYTES,
        "there is room for 10,000 of whichever algorithm"
    );
    let tokens: Vec<String> = (0..10_000).map(|_| token(&keys, &config, "alice")).collect();
    let kept: Vec<_> = tokens.iter().map(|token| verify(token)).collect();
    for (token, kept) in tokens.iter().zip(&kept) {
        assert!(Arc::ptr_eq(&verify(token), kept));
    }

    let verified = SignedToken::verify(
        &keys,
        &Trusts::default(),
        &token(&keys, &config, "mallory"),
        at(NOW),
    )
    .unwrap();
    for number in 0..100_000 {
        // As if each had been verified: it is the room that they take that counts here.
        cache.keep(&format!("{}{number:06}", tokens[1]), verified.clone());
        // Whoever works meanwhile asks now and then.
        if number % 100 == 0 {
            assert!(Arc::ptr_eq(&verify(&tokens[0]), &kept[0]));
        }
        let tokens = cache.tokens.borrow();
        assert!(tokens.weight() <= MAX_BYTES);
        assert!(tokens.len() as u64 <= MAX_BYTES / ENTRY_BYTES);
        assert!(
            number < 10_000 || tokens.weight() > MAX_BYTES - 10 * ENTRY_BYTES,
            "it is full"
        );
    }
}
