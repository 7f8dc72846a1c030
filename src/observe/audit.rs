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
    /// One of somebody's sessions was ended by them, from another one.
    SessionEnded {
        /// The session's public handle.
        session: &'a str,
    },
    /// Everything that somebody had was ended by them: sessions, and tokens of every kind.
    SignedOutEverywhere {
        /// How many sessions ended.
        sessions: usize,
    },
    /// A token was made.
    TokenIssued {
        /// The token's `jti`.
        id: &'a str,
        /// What for, as RFC 6749 calls it.
        grant: &'static str,
    },
    /// Somebody showed a refresh token that brings nothing.
    RefreshRefused {
        /// Why, in the log's words; the client is not told.
        reason: &'a str,
    },
    /// A refresh token came a second time: one of the two who have it has stolen it. All that came from it has ended.
    RefreshReused {
        /// The `sid` of what has ended.
        grant: &'a str,
    },
    /// A token was taken back.
    TokenRevoked {
        /// Its `jti`, or the `sid` of all that came from a sign-in.
        id: &'a str,
    },
}

/// Something that whoever runs the gateway did at the admin listener, or tried to.
#[derive(Debug, Clone, Copy)]
pub enum AdminEvent<'a> {
    /// A session was ended.
    SessionEnded {
        /// Whose.
        user: &'a str,
        /// The session's public handle.
        session: &'a str,
    },
    /// Everything that somebody had was ended: sessions, and tokens of every kind.
    SignedOutEverywhere {
        /// Whose.
        user: &'a str,
        /// How many sessions ended.
        sessions: usize,
    },
    /// Somebody was not let in.
    Refused {
        /// Why, in the log's words.
        reason: &'a str,
    },
}

/// Writes an audit line about the admin listener.
pub fn record_admin(event: AdminEvent<'_>, client: ClientAddr, request_id: &str) {
    match event {
        AdminEvent::SessionEnded { user, session } => {
            tracing::info!(target: "audit", event = "session_ended", by = "admin", user, %client, request_id, session);
        }
        AdminEvent::SignedOutEverywhere { user, sessions } => {
            tracing::info!(
                target: "audit", event = "signed_out_everywhere", by = "admin", user, %client, request_id, sessions
            );
        }
        AdminEvent::Refused { reason } => {
            tracing::warn!(target: "audit", event = "admin_refused", %client, request_id, reason);
        }
    }
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
        Event::SessionEnded { session } => {
            tracing::info!(target: "audit", event = "session_ended", user, %client, request_id, session);
        }
        Event::SignedOutEverywhere { sessions } => {
            tracing::info!(target: "audit", event = "signed_out_everywhere", user, %client, request_id, sessions);
        }
        Event::TokenIssued { id, grant } => {
            tracing::info!(target: "audit", event = "token_issued", user, %client, request_id, id, grant);
        }
        Event::RefreshRefused { reason } => {
            tracing::warn!(target: "audit", event = "refresh_refused", user, %client, request_id, reason);
        }
        Event::RefreshReused { grant } => {
            tracing::warn!(target: "audit", event = "refresh_token_reused", user, %client, request_id, grant);
        }
        Event::TokenRevoked { id } => {
            tracing::info!(target: "audit", event = "token_revoked", user, %client, request_id, id);
        }
    }
}
