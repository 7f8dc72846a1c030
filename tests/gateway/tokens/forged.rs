//! Tokens that nobody with our key has signed.

use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::PublicKeyData;
use serde_json::{Value, json};

use super::{Mint, claims, encode, private_key, sign};

#[tokio::test]
async fn a_token_chooses_neither_its_algorithm_nor_its_key() {
    for mint in [Mint::es256().await, Mint::hs256().await] {
        let good = claims(json!({})).to_string();
        mint.passes(&mint.sign(&mint.header(json!({})).to_string(), &good), "our own")
            .await;
        for changes in [
            json!({ "alg": "none" }),
            json!({ "alg": "None" }),
            json!({ "alg": "NONE" }),
            json!({ "alg": "nOnE" }),
            json!({ "alg": "" }),
            json!({ "alg": null }),
            json!({ "alg": 256 }),
            json!({ "alg": ["ES256", "HS256"] }),
            json!({ "alg": "HS384" }),
            json!({ "alg": "RS256" }),
            json!({ "alg": "PS256" }),
            json!({ "alg": "ES384" }),
            json!({ "alg": "EdDSA" }),
            json!({ "alg": if mint.algorithm == Algorithm::ES256 { "HS256" } else { "ES256" } }),
            json!({ "alg": "dir", "enc": "A256GCM" }),
            json!({ "alg": "PBES2-HS256+A128KW", "p2c": 2_000_000_000 }),
            json!({ "typ": null }),
            json!({ "typ": "JWT" }),
            json!({ "typ": "AT+JWT" }),
            json!({ "typ": "application/at+jwt" }),
            json!({ "typ": 5 }),
            json!({ "kid": null }),
            json!({ "kid": "" }),
            json!({ "kid": "other" }),
            json!({ "kid": "../../dev/null" }),
            json!({ "kid": "/dev/null" }),
            json!({ "kid": "' or '1'='1" }),
            json!({ "kid": format!("{} ", mint.kid) }),
            json!({ "kid": [mint.kid] }),
            json!({ "kid": "k".repeat(6000) }),
            json!({ "crit": ["bork"], "bork": true }),
            json!({ "crit": [] }),
            json!({ "crit": ["exp"] }),
            json!({ "b64": false, "crit": ["b64"] }),
            json!({ "zip": "DEF" }),
            json!({ "cty": "JWT" }),
            json!({ "jku": "https://evil.com/jwks.json" }),
            json!({ "jwk": { "kty": "oct", "k": "AAAA" } }),
            json!({ "x5u": "https://evil.com/cert.pem" }),
            json!({ "x5c": ["AAAA"] }),
            json!({ "x5t": "AAAA" }),
            json!({ "nonce": "x" }),
        ] {
            let header = mint.header(changes.clone()).to_string();
            let signed = mint.sign(&header, &good);
            mint.is_refused(&signed, &changes.to_string()).await;
            let (unsigned, _) = signed.rsplit_once('.').unwrap();
            mint.is_refused(&format!("{unsigned}."), &format!("{changes}, unsigned"))
                .await;
        }
        for header in [
            "",
            "{}",
            "[]",
            "null",
            "\u{0}",
            &format!("{}{}", mint.header(json!({})), " x"),
        ] {
            mint.is_refused(&mint.sign(header, &good), header).await;
        }
    }
}

#[tokio::test]
async fn what_is_public_signs_nothing() {
    let mint = Mint::es256().await;
    let good = claims(json!({})).to_string();
    let set = mint
        .gateway
        .get("/.auth/jwks.json")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let document: Value = serde_json::from_str(&set).unwrap();
    let pair = rcgen::KeyPair::from_pem(&private_key(&mint.gateway)).unwrap();
    let der = pair.subject_public_key_info();
    let pem = pair.public_key_pem();
    for (what, secret) in [
        ("the PEM of the public key", pem.clone().into_bytes()),
        (
            "the same with line ends of Windows",
            pem.replace('\n', "\r\n").into_bytes(),
        ),
        (
            "the same without its last line end",
            pem.trim_end().to_owned().into_bytes(),
        ),
        ("its DER", der.clone()),
        ("its DER as text", STANDARD.encode(&der).into_bytes()),
        ("its point", pair.public_key_raw().to_vec()),
        ("the key set", set.clone().into_bytes()),
        ("the key in it", document["keys"][0].to_string().into_bytes()),
        ("the key's id", mint.kid.clone().into_bytes()),
        ("nothing", Vec::new()),
    ] {
        let key = EncodingKey::from_secret(&secret);
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            for kid in [json!(mint.kid), json!("hs256"), Value::Null] {
                let header = mint
                    .header(json!({ "alg": format!("{algorithm:?}"), "kid": kid }))
                    .to_string();
                mint.is_refused(
                    &sign(&header, &good, &key, algorithm),
                    &format!("{what}, {algorithm:?}"),
                )
                .await;
            }
        }
    }

    // A key that the token brings along, or that calls itself by our key's name.
    let own = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let point = own.public_key_raw();
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]), "kid": mint.kid });
    let own = EncodingKey::from_ec_pem(own.serialize_pem().as_bytes()).unwrap();
    for changes in [
        json!({}),
        json!({ "jwk": jwk }),
        json!({ "kid": null, "jwk": jwk }),
    ] {
        let header = mint.header(changes.clone()).to_string();
        mint.is_refused(
            &sign(&header, &good, &own, Algorithm::ES256),
            &changes.to_string(),
        )
        .await;
    }
}

#[tokio::test]
async fn a_good_token_that_was_changed_anywhere_is_refused() {
    for mint in [Mint::es256().await, Mint::hs256().await] {
        let good = mint.gateway.token("alice").await;
        let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
        mint.passes(&good, "unchanged").await;
        // Every character of the signature but the last, which has bits that mean nothing.
        for at in 0..signature.len() - 1 {
            let mut forged = signature.to_owned().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            mint.is_refused(
                &format!("{header}.{payload}.{forged}"),
                &format!("signature at {at}"),
            )
            .await;
        }
        let mallory = claims(json!({ "sub": "mallory", "username": "mallory" })).to_string();
        let more_roles = claims(json!({ "roles": ["staff", "admin"] })).to_string();
        let other = mint.gateway.token("mallory").await;
        let other: Vec<&str> = other.split('.').collect();
        for (what, token) in [
            (
                "another name",
                format!("{header}.{}.{signature}", encode(&mallory)),
            ),
            (
                "more roles",
                format!("{header}.{}.{signature}", encode(&more_roles)),
            ),
            ("another's claims", format!("{header}.{}.{signature}", other[1])),
            ("another's signature", format!("{header}.{payload}.{}", other[2])),
            ("no signature", format!("{header}.{payload}.")),
            (
                "a signature of zeros",
                format!("{header}.{payload}.{}", encode([0; 64])),
            ),
            (
                "half a signature",
                format!("{header}.{payload}.{}", &signature[..signature.len() / 2]),
            ),
            ("a longer signature", format!("{good}AAAA")),
            ("padding", format!("{good}=")),
            (
                "the other alphabet",
                format!("{header}.{payload}.+/{}", &signature[2..]),
            ),
            ("two parts", format!("{header}.{payload}")),
            ("four parts", format!("{good}.{signature}")),
            (
                "five parts, as encrypted tokens have",
                format!("{good}.{payload}.{signature}"),
            ),
            ("two tokens", format!("{good}.{good}")),
            ("no header", format!(".{payload}.{signature}")),
            ("no claims", format!("{header}..{signature}")),
            ("only dots", "..".to_owned()),
            ("many dots", ".".repeat(8 * 1024)),
            ("longer than any", "a".repeat(8 * 1024 + 1)),
            (
                "JSON",
                json!({ "payload": payload, "signatures": [] }).to_string(),
            ),
        ] {
            mint.is_refused(&token, what).await;
        }
    }
}

#[tokio::test]
async fn a_token_as_large_as_a_book_costs_nothing() {
    let mint = Mint::es256().await;
    for (what, size) in [("60 KiB", 60 << 10), ("1 MiB", 1 << 20)] {
        for text in [".", "a", "a.", "eyJhbGciOiJub25lIn0."] {
            let token = text.repeat(size / text.len());
            let request =
                format!("GET / HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n");
            let answer = mint.gateway.exchange(request).await.map(|answer| answer.status);
            match size > 64 << 10 {
                // Whoever still sends when the connection is closed may miss the answer.
                true => assert!(matches!(answer, None | Some(431)), "{what} of {text}: {answer:?}"),
                false => assert_eq!(answer, Some(401), "{what} of {text}"),
            }
        }
    }
    mint.upstream.saw_nothing();
    mint.passes(&mint.gateway.token("alice").await, "and it goes on")
        .await;
}
