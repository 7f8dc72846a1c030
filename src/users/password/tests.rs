use proptest::prelude::*;

use super::*;

fn matches(hash: &str, password: &str) -> bool {
    PasswordHash::parse(hash)
        .unwrap()
        .verify(password.as_bytes(), &mut Vec::new())
}

#[test]
fn hashes_made_elsewhere_are_checked() {
    for (hash, password) in [
        // The reference implementation's own test vectors (phc-winner-argon2, src/test.c).
        (
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "password",
        ),
        (
            "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
            "password",
        ),
        (
            "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
            "password",
        ),
        (
            "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
            "password",
        ),
        // jBCrypt's.
        (
            "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
            "abc",
        ),
        (
            "$2y$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
            "abc",
        ),
        (
            "$2a$06$.rCVZVOThsIa97pEDOxvGuRRgzG64bvtJ0938xuqzv18d3ZpQhstC",
            "abcdefghijklmnopqrstuvwxyz",
        ),
    ] {
        assert!(matches(hash, password), "{hash}");
        assert!(!matches(hash, "wrong"), "{hash}");
    }
}

#[test]
fn what_is_hashed_here_is_checked_here() {
    let cost = Argon2Cost {
        memory_kib: 64,
        passes: 1,
        lanes: 2,
    };
    let first = hash(b"secret", cost).unwrap();
    assert!(first.starts_with("$argon2id$v=19$m=64,t=1,p=2$"), "{first}");
    assert!(matches(&first, "secret") && !matches(&first, "Secret"));
    assert_ne!(first, hash(b"secret", cost).unwrap(), "the salt differs");
    assert_eq!(PasswordHash::parse(&first).unwrap().memory(), 64 * 1024);
    let nothing = PasswordHash::unmatchable(cost).unwrap();
    assert!(!nothing.verify(b"", &mut Vec::new()));
}

#[test]
fn bcrypt_never_takes_two_passwords_for_one() {
    let hash = ::bcrypt::hash("x".repeat(72), 4).unwrap();
    assert!(matches(&hash, &"x".repeat(72)));
    assert!(!matches(&hash, &"x".repeat(73)));
    let hash = ::bcrypt::hash("abc", 4).unwrap();
    assert!(!matches(&hash, "abc\0"));
    assert!(!matches(&hash, "abc\0def"));
}

#[test]
fn what_cannot_be_checked_is_refused_and_never_panics() {
    let long = format!("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ${}", "A".repeat(1 << 20));
    for (text, why) in [
        ("", UnusableHash::NoHash),
        ("hunter2", UnusableHash::NoHash),
        ("$", UnusableHash::NoHash),
        ("$argon2", UnusableHash::Malformed),
        ("$argon2id$", UnusableHash::Malformed),
        ("$argon2id$v=19$m=256,t=2,p=1", UnusableHash::Malformed),
        (
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ",
            UnusableHash::Malformed,
        ),
        (
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$",
            UnusableHash::Malformed,
        ),
        (
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$AAAA",
            UnusableHash::Malformed,
        ),
        (
            "$argon2id$v=18$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            UnusableHash::Malformed,
        ),
        (
            "$argon2xx$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            UnusableHash::Malformed,
        ),
        (
            "$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            UnusableHash::TooExpensive,
        ),
        (
            "$argon2id$v=19$m=256,t=4294967295,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            UnusableHash::TooExpensive,
        ),
        (
            "$argon2id$v=19$m=0,t=0,p=0$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            UnusableHash::Malformed,
        ),
        (&long, UnusableHash::Malformed),
        ("$2b$12$", UnusableHash::Malformed),
        (
            "$2b$12$éééééééééééééééééééééééééééééééééééééééééééééééééééé\u{20ac}",
            UnusableHash::Malformed,
        ),
        (
            "$2b$99$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
            UnusableHash::TooExpensive,
        ),
        (
            "$2b$16$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
            UnusableHash::TooExpensive,
        ),
        (
            "$2b$03$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
            UnusableHash::Malformed,
        ),
        (
            "$2b$+6$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
            UnusableHash::Malformed,
        ),
        (
            "$2b$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0!",
            UnusableHash::Malformed,
        ),
        (
            "$apr1$abcdefgh$xxxxxxxxxxxxxxxxxxxxxx",
            UnusableHash::Unsupported("$apr1$"),
        ),
        (
            "{SHA}fDYHuOYbzxlE6ehQOmYPIfS28/E=",
            UnusableHash::Unsupported("{SHA}"),
        ),
    ] {
        assert_eq!(
            PasswordHash::parse(text).map(drop),
            Err(why),
            "{}",
            &text.chars().take(60).collect::<String>()
        );
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "(\\$(argon2id|2b|2a)\\$)?[\\$=,a-z0-9A-Z./é]{0,80}") {
        let _ = PasswordHash::parse(&text);
    }
}
