//! Whether a write to an own address was sent by one of our own pages, or by no page at all.

use http::HeaderMap;

use super::Visit;
use crate::{
    gateway::Gateway,
    http::origin::{self, OwnOrigin},
    refusal::Refusal,
};

/// Refuses a write that a page of another origin sent.
///
/// # Errors
/// [`Refusal::CrossOrigin`].
pub(super) fn check(gateway: &Gateway, headers: &HeaderMap, visit: Visit<'_>) -> Result<(), Refusal> {
    let own = OwnOrigin {
        scheme: gateway.server.public_url.scheme(),
        authority: visit.authority,
    };
    match origin::is_own(headers, own) {
        true => Ok(()),
        false => Err(Refusal::CrossOrigin),
    }
}
