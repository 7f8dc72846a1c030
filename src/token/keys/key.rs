//! One key, and what it is good for.

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Validation,
    errors::Error,
    jwk::{Jwk, KeyAlgorithm, PublicKeyUse, ThumbprintHash},
};
use secrecy::{ExposeSecret, SecretString};

use crate::config::{KeyPairAlgorithm, SecretAlgorithm};

/// One key. The algorithm belongs to it: a token never chooses (RFC 8725, section 3.1).
pub(in crate::token) struct Key {
    pub(in crate::token) id: String,
    pub(in crate::token) algorithm: Algorithm,
    pub(in crate::token) signing: EncodingKey,
    pub(in crate::token) verifying: DecodingKey,
    pub(in crate::token) validation: Validation,
    pub(super) public: Option<Jwk>,
}

impl Key {
    /// A shared secret. It is called by its algorithm: a thumbprint would be a hash of the secret itself (RFC 7638,
    /// section 7).
    pub(super) fn of_secret(algorithm: SecretAlgorithm, secret: &SecretString) -> Self {
        let secret = secret.expose_secret().as_bytes();
        let (id, algorithm) = match algorithm {
            SecretAlgorithm::Hs256 => ("hs256", Algorithm::HS256),
            SecretAlgorithm::Hs384 => ("hs384", Algorithm::HS384),
            SecretAlgorithm::Hs512 => ("hs512", Algorithm::HS512),
        };
        Self {
            id: id.to_owned(),
            algorithm,
            signing: EncodingKey::from_secret(secret),
            verifying: DecodingKey::from_secret(secret),
            validation: signature_only(algorithm),
            public: None,
        }
    }

    /// The private key of a PKCS#8 PEM file, called by its RFC 7638 thumbprint. A key of RSA does not say which of its
    /// algorithms it is for: it is for `rsa`.
    ///
    /// # Errors
    /// It is no such file, or a key of another kind.
    pub(super) fn of_pem(pem: &[u8], rsa: KeyPairAlgorithm) -> Result<Self, Error> {
        if let Ok(signing) = EncodingKey::from_ec_pem(pem) {
            return Self::pair(&signing, KeyPairAlgorithm::Es256)
                .or_else(|_| Self::pair(&signing, KeyPairAlgorithm::Es384));
        }
        if let Ok(signing) = EncodingKey::from_ed_pem(pem) {
            return Self::pair(&signing, KeyPairAlgorithm::EdDsa);
        }
        let rsa = match rsa {
            KeyPairAlgorithm::Ps256 => KeyPairAlgorithm::Ps256,
            _ => KeyPairAlgorithm::Rs256,
        };
        Self::pair(&EncodingKey::from_rsa_pem(pem)?, rsa)
    }

    fn pair(signing: &EncodingKey, algorithm: KeyPairAlgorithm) -> Result<Self, Error> {
        let (algorithm, public_algorithm) = match algorithm {
            KeyPairAlgorithm::Rs256 => (Algorithm::RS256, KeyAlgorithm::RS256),
            KeyPairAlgorithm::Ps256 => (Algorithm::PS256, KeyAlgorithm::PS256),
            KeyPairAlgorithm::Es256 => (Algorithm::ES256, KeyAlgorithm::ES256),
            KeyPairAlgorithm::Es384 => (Algorithm::ES384, KeyAlgorithm::ES384),
            KeyPairAlgorithm::EdDsa => (Algorithm::EdDSA, KeyAlgorithm::EdDSA),
        };
        let mut public = Jwk::from_encoding_key(signing, algorithm)?;
        let id = public.thumbprint(ThumbprintHash::SHA256)?;
        public.common.key_id = Some(id.clone());
        public.common.key_algorithm = Some(public_algorithm);
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let key = Self {
            id,
            algorithm,
            verifying: DecodingKey::from_jwk(&public)?,
            signing: signing.clone(),
            validation: signature_only(algorithm),
            public: Some(public),
        };
        // What cannot sign is found out now, and not when somebody signs in.
        jsonwebtoken::crypto::sign(b"", &key.signing, algorithm)?;
        Ok(key)
    }

    /// The name of its algorithm (RFC 7518, section 3.1; RFC 8037, section 3.1).
    pub(super) fn algorithm_name(&self) -> String {
        format!("{:?}", self.algorithm)
    }
}

/// A new private key as PKCS#8 PEM.
///
/// # Errors
/// The library could not make one.
pub(super) fn generate(algorithm: KeyPairAlgorithm) -> Result<String, rcgen::Error> {
    use aws_lc_rs::{rand::SystemRandom, signature::Ed25519KeyPair};
    use rcgen::{KeyPair, RsaKeySize};
    let pair = match algorithm {
        // NIST SP 800-57: good until 2030 and beyond; a signature of 3072 bits costs three times as much.
        KeyPairAlgorithm::Rs256 | KeyPairAlgorithm::Ps256 => {
            KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048)
        }
        KeyPairAlgorithm::Es256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        KeyPairAlgorithm::Es384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        // In the first version of PKCS#8, without the public key: the second is not read everywhere.
        KeyPairAlgorithm::EdDsa => Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new())
            .map_err(|_| rcgen::Error::KeyGenerationUnavailable)
            .and_then(|key| KeyPair::try_from(key.as_ref())),
    };
    Ok(pair?.serialize_pem())
}

/// Checks a signature and nothing else: what the claims must say is `verify`'s business, with time as an argument.
pub(in crate::token) fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}
