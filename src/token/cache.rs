//! Tokens that were verified lately, so that a signature is checked once and not with every request.
//!
//! A hit means that this very text was signed by a key that is still ours, and nothing else: issuer, audience and
//! times are asked of the clock and the configuration each time, as the user and the route's rule are by whoever
//! calls (CVE-2026-33496). What was refused is never kept, so that nobody without a good token can push one out.

use std::{cell::RefCell, fmt, hash::BuildHasher, sync::Arc};

use ahash::RandomState;
use quick_cache::{
    Weighter,
    unsync::{Cache, DefaultLifecycle},
};

use super::{Bearer, KeyRing, SignedToken, TokenError, Trusts};
use crate::{clock::Timestamp, config::TokenConfig};

/// What a cache may take, in bytes: enough for 10,000 tokens of ours, whichever the algorithm.
const MAX_BYTES: u64 = 40 << 20;

/// What an entry takes beside what grows with its token. It bounds their number as well: there are 40,960 at most.
const ENTRY_BYTES: u64 = 1024;

/// One worker's verified tokens. Keyed by the whole text: a hash only finds the place to compare at.
pub struct TokenCache<H = RandomState> {
    tokens: RefCell<Tokens<H>>,
}

type Tokens<H> = Cache<Box<str>, SignedToken, ByBytes, H>;

impl Default for TokenCache {
    fn default() -> Self {
        Self::new(MAX_BYTES, RandomState::new())
    }
}

impl<H: BuildHasher> TokenCache<H> {
    fn new(max_bytes: u64, hasher: H) -> Self {
        let expected = usize::try_from(max_bytes / (3 * ENTRY_BYTES)).unwrap_or(usize::MAX);
        let tokens = Cache::with(expected, max_bytes, ByBytes, hasher, DefaultLifecycle::default());
        Self {
            tokens: RefCell::new(tokens),
        }
    }

    /// What a token stands for, if it is ours or a trusted issuer's and counts now.
    ///
    /// # Errors
    /// The first check that failed.
    pub fn verify(
        &self,
        keys: &KeyRing,
        trusts: &Trusts,
        config: &TokenConfig,
        token: &str,
        now: Timestamp,
    ) -> Result<Arc<Bearer>, TokenError> {
        if let Some(known) = self.tokens.borrow().get(token)
            && known.is_signed_by_one_of(keys, now)
        {
            return known.bearer(config, now).cloned();
        }
        let signed = SignedToken::verify(keys, trusts, token, now)?;
        let bearer = signed.bearer(config, now).cloned()?;
        self.keep(token, signed);
        Ok(bearer)
    }

    fn keep(&self, token: &str, signed: SignedToken) {
        self.tokens.borrow_mut().insert(token.into(), signed);
    }
}

/// Tokens are credentials: only how many there are is shown.
impl<H: BuildHasher> fmt::Debug for TokenCache<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenCache")
            .field(&self.tokens.borrow().len())
            .finish()
    }
}

/// Counts what an entry takes.
struct ByBytes;

impl Weighter<Box<str>, SignedToken> for ByBytes {
    fn weight(&self, token: &Box<str>, _: &SignedToken) -> u64 {
        // The text is base64 of what it says, and that is there twice: as the person and as their headers.
        let bytes = token.len() as u64;
        ENTRY_BYTES + bytes + 2 * bytes * 3 / 4
    }
}

#[cfg(test)]
mod tests;
