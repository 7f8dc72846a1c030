//! Whether a write to an own address was sent by one of our own pages, or by no page at all.

use http::HeaderMap;

use super::Visit;
use crate::{
    http::origin::{self, OwnOrigin},
    refusal::Refusal,
};

/// Refuses a write that a page of another origin sent.
///
/// # Errors
/// [`Refusal::CrossOrigin`].
pub(super) fn check(headers: &HeaderMap, visit: Visit<'_>) -> Result<(), Refusal> {
    let own = OwnOrigin {
        scheme: visit.scheme,
        authority: visit.authority,
    };
    match origin::is_own(headers, own) {
        true => Ok(()),
        false => Err(Refusal::CrossOrigin),
    }
}
