//! The session cookie.

use http::HeaderMap;

use super::{Authenticator, Caller, Proof};
use crate::{
    clock::Timestamp,
    http::cookies::{self, Presented},
    session::id::SessionKey,
    store::StoreError,
};

/// The caller whose live session the cookie names. A cookie that occurs twice names nobody: an attacker who
/// can plant one beside the real one must not choose which of them counts.
///
/// # Errors
/// It cannot be found out whether there is such a session.
pub(super) async fn caller(
    authenticator: &Authenticator,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Option<Caller>, StoreError> {
    let Presented::One(value) = cookies::find(headers, &authenticator.cookie) else {
        return Ok(None);
    };
    let Some(key) = SessionKey::of_cookie(value) else {
        return Ok(None);
    };
    let Some(session) = authenticator.sessions.find(&key, now).await? else {
        return Ok(None);
    };
    // The keeper ends such a session, but not in the same moment; and one that began with what a sign-in had read
    // just before the change is not there yet when it looks.
    if !authenticator.users.vouches_for(session.identity()) {
        return Ok(None);
    }
    Ok(Some(Caller {
        proof: Proof::Session { key, session },
    }))
}
