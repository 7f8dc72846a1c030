//! Reading an issuer's keys (RFC 7517).

use std::{fmt, sync::Arc};

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyOperations, PublicKeyUse},
};

use crate::{config::SignatureAlgorithm, token::keys::signature_only};

/// The most keys of one issuer that are looked at.
const MAX_KEYS: usize = 100;

/// One of an issuer's keys, and what it may have signed with.
pub(in crate::token) struct TrustedKey {
    pub(super) id: Option<String>,
    pub(super) algorithms: Vec<Algorithm>,
    verifying: DecodingKey,
    jwk: Jwk,
}

impl TrustedKey {
    /// The key, and how it checks a signature of one of its algorithms.
    pub(super) fn verifying(&self, algorithm: Algorithm) -> (&DecodingKey, Validation) {
        (&self.verifying, signature_only(algorithm))
    }

    fn of(jwk: &Jwk, allowed: &[SignatureAlgorithm]) -> Option<Self> {
        let common = &jwk.common;
        let usage = common.public_key_use.as_ref();
        if usage.is_some_and(|usage| *usage != PublicKeyUse::Signature) {
            return None;
        }
        let operations = common.key_operations.as_ref();
        if operations.is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
            return None;
        }
        // What the key is decides, and what it says it is for narrows that down (RFC 8725, section 3.1).
        let said: Option<Algorithm> = match &common.key_algorithm {
            None => None,
            Some(said) => Some(said.to_string().parse().ok()?),
        };
        let algorithms: Vec<Algorithm> = allowed
            .iter()
            .map(|allowed| algorithm(*allowed))
            .filter(|algorithm| fits(*algorithm, &jwk.algorithm))
            .filter(|algorithm| said.is_none_or(|said| said == *algorithm))
            .collect();
        if algorithms.is_empty() {
            return None;
        }
        Some(Self {
            id: common.key_id.clone(),
            algorithms,
            verifying: DecodingKey::from_jwk(jwk).ok()?,
            jwk: jwk.clone(),
        })
    }
}

impl fmt::Debug for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TrustedKey").field(&self.id).finish()
    }
}

/// The keys of a JWK Set that can be used. A key of a kind that is not known here is nobody's concern; one that is
/// `known` already is the same key again.
///
/// # Errors
/// It is no JWK Set.
pub(super) fn read(
    text: &[u8],
    allowed: &[SignatureAlgorithm],
    known: &[Arc<TrustedKey>],
) -> Result<Vec<Arc<TrustedKey>>, serde_json::Error> {
    let set: JwkSet = serde_json::from_slice(text)?;
    let keys =
        set.keys
            .iter()
            .take(MAX_KEYS)
            .filter_map(|jwk| match known.iter().find(|known| known.jwk == *jwk) {
                Some(known) => Some(Arc::clone(known)),
                None => TrustedKey::of(jwk, allowed).map(Arc::new),
            });
    Ok(keys.collect())
}

fn algorithm(allowed: SignatureAlgorithm) -> Algorithm {
    match allowed {
        SignatureAlgorithm::Rs256 => Algorithm::RS256,
        SignatureAlgorithm::Rs384 => Algorithm::RS384,
        SignatureAlgorithm::Rs512 => Algorithm::RS512,
        SignatureAlgorithm::Ps256 => Algorithm::PS256,
        SignatureAlgorithm::Ps384 => Algorithm::PS384,
        SignatureAlgorithm::Ps512 => Algorithm::PS512,
        SignatureAlgorithm::Es256 => Algorithm::ES256,
        SignatureAlgorithm::Es384 => Algorithm::ES384,
        SignatureAlgorithm::EdDsa => Algorithm::EdDSA,
    }
}

/// Whether an algorithm is one of this kind of key. A secret (`oct`) in a set that everybody can read is none.
fn fits(algorithm: Algorithm, key: &AlgorithmParameters) -> bool {
    match key {
        AlgorithmParameters::RSA(_) => matches!(
            algorithm,
            Algorithm::RS256
                | Algorithm::RS384
                | Algorithm::RS512
                | Algorithm::PS256
                | Algorithm::PS384
                | Algorithm::PS512
        ),
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => algorithm == Algorithm::ES256,
            EllipticCurve::P384 => algorithm == Algorithm::ES384,
            _ => false,
        },
        AlgorithmParameters::OctetKeyPair(key) => {
            key.curve == EllipticCurve::Ed25519 && algorithm == Algorithm::EdDSA
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ALL: [SignatureAlgorithm; 3] = [
        SignatureAlgorithm::Rs256,
        SignatureAlgorithm::Ps256,
        SignatureAlgorithm::Es256,
    ];

    /// A key of RFC 7517, appendix A.1, with members replaced; `null` removes one.
    fn key(changes: &Value) -> Value {
        let mut key = json!({
            "kty": "EC", "crv": "P-256", "kid": "1",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        });
        let members = key.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => members.remove(name),
                value => members.insert(name.clone(), value.clone()),
            };
        }
        key
    }

    fn algorithms(key: &Value) -> Vec<Algorithm> {
        let text = json!({ "keys": [key] }).to_string();
        let keys = read(text.as_bytes(), &ALL, &[]).unwrap();
        keys.iter().flat_map(|key| key.algorithms.clone()).collect()
    }

    #[test]
    fn a_key_is_good_for_what_it_is_and_says_and_we_allow() {
        for (changes, expected) in [
            (json!({}), &[Algorithm::ES256][..]),
            (json!({ "kid": null }), &[Algorithm::ES256]),
            (json!({ "use": "sig", "alg": "ES256" }), &[Algorithm::ES256]),
            (json!({ "key_ops": ["verify"] }), &[Algorithm::ES256]),
            (json!({ "use": "enc" }), &[]),
            (json!({ "key_ops": ["encrypt"] }), &[]),
            (json!({ "alg": "RS256" }), &[]),
            (json!({ "alg": "ECDH-ES" }), &[]),
            (json!({ "alg": "none" }), &[]),
            (json!({ "alg": "HS256" }), &[]),
        ] {
            assert_eq!(algorithms(&key(&changes)), expected, "{changes}");
        }
        let secret = json!({ "kty": "oct", "kid": "1", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0" });
        assert_eq!(algorithms(&secret), []);
        let unknown = json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA" });
        assert_eq!(algorithms(&unknown), []);
    }

    #[test]
    fn a_key_that_is_known_stays_the_same_key() {
        let one = json!({ "keys": [key(&json!({}))] }).to_string();
        let first = read(one.as_bytes(), &ALL, &[]).unwrap();
        let two = json!({ "keys": [key(&json!({ "kid": "2" })), key(&json!({}))] }).to_string();
        let second = read(two.as_bytes(), &ALL, &first).unwrap();
        assert_eq!(second.len(), 2);
        assert!(Arc::ptr_eq(&first[0], &second[1]));
        let changed = json!({ "keys": [key(&json!({ "use": "sig" }))] }).to_string();
        let third = read(changed.as_bytes(), &ALL, &first).unwrap();
        assert!(!Arc::ptr_eq(&first[0], &third[0]));
    }

    #[test]
    fn what_is_no_set_is_an_error() {
        for text in ["", "[]", "{}", "{\"keys\":{}}", "<html>"] {
            assert!(read(text.as_bytes(), &ALL, &[]).is_err(), "{text}");
        }
        assert!(read(b"{\"keys\":[]}", &ALL, &[]).unwrap().is_empty());
    }
}
