//! The audit trail: one line for each event in the life of a credential.
//!
//! Names that a client chose are written as strings, which both formats quote and escape, so that none can end a
//! line or begin another.

use crate::address::ClientAddr;

/// Something that happened to a credential.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// Somebody signed in; the session's public handle.
    SignedIn {
        /// The session's public handle.
        session: &'a str,
    },
    /// Somebody did not.
    SignInFailed {
        /// Why, in the log's words; the client is not told.
        reason: &'a str,
    },
    /// A session was ended by its owner.
    SignedOut {
        /// How many sessions ended.
        sessions: usize,
    },
    /// A token was made.
    TokenIssued {
        /// The token's `jti`.
        id: &'a str,
    },
}

/// Writes an audit line.
pub fn record(event: Event<'_>, user: &str, client: ClientAddr, request_id: &str) {
    match event {
        Event::SignedIn { session } => {
            tracing::info!(target: "audit", event = "signed_in", user, %client, request_id, session);
        }
        Event::SignInFailed { reason } => {
            tracing::warn!(target: "audit", event = "sign_in_failed", user, %client, request_id, reason);
        }
        Event::SignedOut { sessions } => {
            tracing::info!(target: "audit", event = "signed_out", user, %client, request_id, sessions);
        }
        Event::TokenIssued { id } => {
            tracing::info!(target: "audit", event = "token_issued", user, %client, request_id, id);
        }
    }
}
