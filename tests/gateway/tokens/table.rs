//! Three hundred tokens that are wrong in one thing each, by class. Whatever it is, the answer is the same 401.
//!
//! The signature of each is good: what is wrong is what it says, or how it is written.

use serde_json::{Value, json};

use super::{Mint, NOW, claims, encode};

/// Values of every JSON type, none of which is what any claim should be but those that [`fits`] names.
fn values() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(""),
        json!("x"),
        json!("\u{0}"),
        json!([]),
        json!([1]),
        json!([["x"]]),
        json!({}),
        json!({ "x": 1 }),
    ]
}

/// Whether a claim may have this value.
fn fits(claim: &str, value: &Value) -> bool {
    match claim {
        "iat" => value == 0,
        "nbf" | "auth_time" => value.is_null() || value == 0,
        "jti" => value.is_string(),
        "name" | "email" | "scope" | "sid" => value.is_null() || value.is_string(),
        "stamp" => value.is_null(),
        "roles" | "amr" => *value == json!([]),
        _ => false,
    }
}

const CLAIMS: [&str; 16] = [
    "iss",
    "sub",
    "aud",
    "iat",
    "exp",
    "nbf",
    "jti",
    "username",
    "name",
    "email",
    "roles",
    "scope",
    "stamp",
    "sid",
    "amr",
    "auth_time",
];

const NEEDED: [&str; 8] = ["iss", "sub", "aud", "iat", "exp", "jti", "username", "roles"];

/// A class of tokens, and what is wrong with each.
type Class = (&'static str, Vec<(String, String)>);

fn of_wrong_types(mint: &Mint, header: &str) -> Class {
    let rows = CLAIMS.iter().flat_map(|claim| {
        let wrong = values().into_iter().filter(|value| !fits(claim, value));
        wrong.map(move |value| {
            let mut claims = claims(json!({}));
            claims[claim] = value.clone();
            (
                format!("{claim}: {value}"),
                mint.sign(header, &claims.to_string()),
            )
        })
    });
    ("a claim of a wrong type or value", rows.collect())
}

fn without_a_claim(mint: &Mint, header: &str) -> Class {
    let rows = NEEDED.iter().map(|claim| {
        let claims = claims(json!({ *claim: null })).to_string();
        ((*claim).to_owned(), mint.sign(header, &claims))
    });
    ("a claim is missing", rows.collect())
}

fn with_a_claim_twice(mint: &Mint, header: &str) -> Class {
    let good =
        claims(json!({ "name": "A", "email": "a@b", "scope": "x", "nbf": NOW, "sid": "s", "amr": ["pwd"] }));
    let rows = CLAIMS.iter().filter_map(|claim| {
        let value = good.get(claim)?;
        let twice = good
            .to_string()
            .replacen('{', &format!("{{\"{claim}\":{value},"), 1);
        Some(((*claim).to_owned(), mint.sign(header, &twice)))
    });
    ("a claim is there twice", rows.collect())
}

fn of_another_time(mint: &Mint, header: &str) -> Class {
    let rows = [
        json!({ "exp": NOW - 30 }),
        json!({ "exp": NOW - 31 }),
        json!({ "exp": 1 }),
        json!({ "nbf": NOW + 31 }),
        json!({ "iat": NOW + 31 }),
        json!({ "nbf": u64::MAX }),
        json!({ "iat": u64::MAX }),
        json!({ "exp": NOW - 3600, "nbf": NOW + 3600 }),
    ];
    let rows = rows.map(|changes| {
        let claims = claims(changes.clone()).to_string();
        (changes.to_string(), mint.sign(header, &claims))
    });
    ("of another time", rows.to_vec())
}

fn for_somebody_else(mint: &Mint, header: &str) -> Class {
    let rows = [
        json!({ "iss": "https://gateway.example.com/" }),
        json!({ "iss": "https://GATEWAY.example.com" }),
        json!({ "iss": "http://gateway.example.com" }),
        json!({ "iss": "https://gateway.example.com\u{0}" }),
        json!({ "aud": "Portcullis" }),
        json!({ "aud": "portcullis " }),
        json!({ "aud": "portcullis,x" }),
        json!({ "aud": ["x", "y"] }),
        json!({ "aud": ["portcullis", 1] }),
        json!({ "aud": [["portcullis"]] }),
        json!({ "aud": { "portcullis": true } }),
        json!({ "sub": "mallory" }),
        json!({ "username": "mallory" }),
        json!({ "sub": "nobody", "username": "nobody" }),
        json!({ "sub": "ALICE", "username": "ALICE" }),
        json!({ "sub": " alice", "username": " alice" }),
        json!({ "sub": "alice\n", "username": "alice\n" }),
        json!({ "sub": "alice\u{0}", "username": "alice\u{0}" }),
        json!({ "sub": "alic\u{435}", "username": "alic\u{435}" }),
        json!({ "sub": "a".repeat(257), "username": "a".repeat(257) }),
        json!({ "stamp": "somebody else's" }),
    ];
    let rows = rows.map(|changes| {
        let claims = claims(changes.clone()).to_string();
        (changes.to_string(), mint.sign(header, &claims))
    });
    ("from, for or about somebody else", rows.to_vec())
}

fn of_no_json(mint: &Mint, header: &str) -> Class {
    let good = claims(json!({})).to_string();
    let deep = format!("{}{}", "[".repeat(3000), "]".repeat(3000));
    let mut rows: Vec<(String, String)> = [
        String::new(),
        " ".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "\"x\"".to_owned(),
        "{".to_owned(),
        format!("[{good}]"),
        format!("{good}{good}"),
        format!("{good},"),
        format!("{good}\u{0}"),
        format!("\u{feff}{good}"),
        good.replace('"', "'"),
        good.replacen('{', "{,", 1),
        good.replacen('}', ",}", 1),
        good.replacen(':', "=", 1),
        good.replace(&NOW.to_string(), "0x10"),
        good.replace(&(NOW + 900).to_string(), "1e400"),
        good.replace(&(NOW + 900).to_string(), "NaN"),
        good.replace(&(NOW + 900).to_string(), "+1800000900"),
        good.replace(&(NOW + 900).to_string(), "01800000900"),
        good.replace("\"x\"", &deep),
        good.replacen("\"alice\"", "\"\\ud800\"", 1),
    ]
    .into_iter()
    .map(|claims| (claims.chars().take(60).collect(), mint.sign(header, &claims)))
    .collect();
    for bytes in [&b"\xff\xfe"[..], b"{\"sub\":\"\xff\"}", b"\xc0\xaf"] {
        let signed = format!("{}.{}", encode(header), encode(bytes));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &mint.key, mint.algorithm).unwrap();
        rows.push((format!("{bytes:?}"), format!("{signed}.{signature}")));
    }
    ("claims that are no JSON object", rows)
}

fn with_a_bad_header(mint: &Mint, header: &str) -> Class {
    let good = claims(json!({})).to_string();
    let twice = |member: &str, value: &str| header.replacen('{', &format!("{{\"{member}\":\"{value}\","), 1);
    let mut headers = vec![
        twice("alg", "none"),
        twice("kid", &mint.kid),
        twice("typ", "at+jwt"),
        header.replace("\"alg\"", "\"ALG\""),
        header.replace("\"kid\"", "\"Kid\""),
        format!("[{header}]"),
        format!("\"{}\"", header.replace('"', "\\\"")),
        format!("{header}{header}"),
        format!("\u{feff}{header}"),
    ];
    for member in ["alg", "typ", "kid"] {
        for value in values() {
            headers.push(mint.header(json!({})).to_string());
            let mut changed: Value = serde_json::from_str(header).unwrap();
            changed[member] = value;
            *headers.last_mut().unwrap() = changed.to_string();
        }
    }
    for member in [
        "crit", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "cty", "zip", "b64", "enc", "epk", "p2s",
        "url",
    ] {
        for value in [json!(null), json!("x"), json!(["exp"])] {
            let mut changed: Value = serde_json::from_str(header).unwrap();
            changed[member] = value;
            headers.push(changed.to_string());
        }
    }
    let rows = headers
        .into_iter()
        .map(|header| (header.clone(), mint.sign(&header, &good)));
    ("a header that is not ours", rows.collect())
}

fn written_otherwise(mint: &Mint, header: &str) -> Class {
    let good = mint.sign(header, &claims(json!({})).to_string());
    let [head, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let padded = |part: &str| format!("{part}{}", "=".repeat((4 - part.len() % 4) % 4));
    let rows = [
        ("no dots", format!("{head}{payload}{signature}")),
        ("a dot at the end", format!("{good}.")),
        ("a dot at the beginning", format!(".{good}")),
        ("two dots between", good.replacen('.', "..", 1)),
        ("parts in another order", format!("{payload}.{head}.{signature}")),
        ("the claims twice", format!("{head}.{payload}.{payload}")),
        ("padding", [head, payload, signature].map(padded).join(".") + "="),
        ("a space for a dot", good.replacen('.', "%20", 1)),
        ("a comma for a dot", good.replacen('.', "~", 1)),
        (
            "the standard alphabet",
            good.replace('-', "+").replace('_', "/") + "+",
        ),
        ("a sign of another alphabet", good.replacen('e', "~", 1)),
        (
            "hexadecimal",
            head.bytes().map(|byte| format!("{byte:02x}")).collect::<String>(),
        ),
        ("quoted", format!("~{good}~")),
        ("its beginning", good[..good.len() / 3].to_owned()),
        ("its end", good[good.len() / 3..].to_owned()),
        ("longer than any", format!("{good}{}", "A".repeat(8192))),
    ];
    let rows = rows.map(|(what, token)| (what.to_owned(), token));
    ("written in another way", rows.to_vec())
}

fn classes(mint: &Mint) -> Vec<Class> {
    let header = mint.header(json!({})).to_string();
    [
        of_wrong_types,
        without_a_claim,
        with_a_claim_twice,
        of_another_time,
        for_somebody_else,
        of_no_json,
        with_a_bad_header,
        written_otherwise,
    ]
    .map(|class| class(mint, &header))
    .to_vec()
}

#[tokio::test]
async fn three_hundred_tokens_that_are_wrong_in_one_thing_get_the_same_answer() {
    for mint in [Mint::es256().await, Mint::hs256().await] {
        let good = mint.sign(
            &mint.header(json!({})).to_string(),
            &claims(json!({})).to_string(),
        );
        mint.passes(&good, "what they were made of").await;
        let classes = classes(&mint);
        let count: usize = classes.iter().map(|(_, rows)| rows.len()).sum();
        assert!(count >= 300, "{count}");
        for (class, rows) in classes {
            for (what, token) in rows {
                assert_ne!(token, good, "{class}: {what}");
                mint.is_refused(&token, &format!("{class}: {what}")).await;
            }
        }
        mint.passes(&good, "and it still is").await;
    }
}
