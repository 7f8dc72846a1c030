//! Who a request comes from: the session cookie first, then a bearer token.
//!
//! Everything here fails closed. A credential that is malformed, ambiguous, expired, unknown or not
//! checkable yields no identity; it never yields an error that a caller could mistake for "let it pass".

use std::{rc::Rc, sync::Arc};

use http::HeaderMap;
use serde_json::Value;

use crate::{
    clock::Timestamp,
    config::{AcceptedCredentials, ClaimPath, TokenConfig},
    identity::{Credential, Identity},
    session::{Session, SessionStore, id::SessionKey},
    store::StoreError,
    token::{Bearer, KeyRing, PersonalTokens, Revocations, TokenCache, TokenError, Trusts},
    users::UserDirectory,
};

mod bearer;
mod cookie;

/// What credentials are checked against.
#[derive(Debug)]
pub struct Authenticator {
    /// The sessions.
    pub sessions: SessionStore,
    /// The session cookie's name.
    pub cookie: String,
    /// The keys of our tokens.
    pub keys: KeyRing,
    /// Whose tokens are good as well.
    pub trusts: Trusts,
    /// Tokens for scripts.
    pub personal: Arc<PersonalTokens>,
    /// Which of our tokens were taken back.
    pub revocations: Revocations,
    /// What our tokens must say.
    pub token: TokenConfig,
    /// The people whom tokens may name.
    pub users: Arc<UserDirectory>,
}

/// A person whose credential is valid. One request has one, which is shared: what it refers to belongs to all workers, and a
/// count of references that two of them change is passed between two processors each time.
#[derive(Debug)]
pub struct Caller {
    /// What proved it.
    pub proof: Proof,
}

/// The credential that signed a request in.
#[derive(Debug)]
pub enum Proof {
    /// The session cookie.
    Session {
        /// The session's place in the store.
        key: SessionKey,
        /// The session.
        session: Arc<Session>,
    },
    /// A bearer token.
    Bearer(Arc<Bearer>),
}

impl Caller {
    /// Who it is.
    pub fn identity(&self) -> &Arc<Identity> {
        match &self.proof {
            Proof::Session { session, .. } => session.identity(),
            Proof::Bearer(bearer) => &bearer.identity,
        }
    }

    /// What the credential is for; `None` where it is for whatever the person may do.
    pub fn scopes(&self) -> Option<&[String]> {
        match &self.proof {
            Proof::Session { .. } => None,
            Proof::Bearer(bearer) => bearer.scopes.as_deref(),
        }
    }

    /// What a token claims of the person. A session claims nothing.
    pub fn claim(&self, path: &ClaimPath) -> Option<&Value> {
        match &self.proof {
            Proof::Session { .. } => None,
            Proof::Bearer(bearer) => path.find(&bearer.claims),
        }
    }

    /// The kind of credential.
    pub fn credential(&self) -> Credential {
        match self.proof {
            Proof::Session { .. } => Credential::Session,
            Proof::Bearer(_) => Credential::Bearer,
        }
    }

    /// When the session ends if nothing renews it; a token is no session.
    pub fn session_expires_at(&self) -> Option<Timestamp> {
        match &self.proof {
            Proof::Session { session, .. } => Some(session.expires_at()),
            Proof::Bearer(_) => None,
        }
    }

    /// Renews the idle limit of the session, if there is one: called when the request has passed its rule.
    pub fn renew(&self, now: Timestamp) {
        if let Proof::Session { session, .. } = &self.proof {
            session.renew(now);
        }
    }
}

/// What becomes of what goes on under a session that has not been used for its idle limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idleness {
    /// It ends.
    Ends,
    /// It goes on, up to the session's absolute limit.
    Spares,
}

/// What was found out about a request.
#[derive(Debug, Default)]
pub struct Authentication {
    /// Who it comes from, if a credential was valid.
    pub caller: Option<Rc<Caller>>,
    /// Why a bearer token was not accepted, if one was shown.
    pub bad_token: Option<TokenError>,
}

impl Authenticator {
    /// Looks at those of a request's credentials that are `accepted`. Renews nothing: only a request that passes its rule
    /// does. `tokens` spares a known token's signature the check, and nothing else.
    ///
    /// # Errors
    /// It cannot be found out what a credential is worth.
    pub async fn authenticate(
        &self,
        accepted: AcceptedCredentials,
        headers: &HeaderMap,
        now: Timestamp,
        tokens: &TokenCache,
    ) -> Result<Authentication, StoreError> {
        if accepted.session
            && let Some(caller) = cookie::caller(self, headers, now).await?
        {
            return Ok(Authentication {
                caller: Some(Rc::new(caller)),
                bad_token: None,
            });
        }
        if !accepted.bearer {
            return Ok(Authentication::default());
        }
        match bearer::caller(self, headers, now, tokens).await {
            Ok(caller) => Ok(Authentication {
                caller: caller.map(Rc::new),
                bad_token: None,
            }),
            Err(TokenError::Unchecked(error)) => Err(error),
            Err(bad_token) => Ok(Authentication {
                caller: None,
                bad_token: Some(bad_token),
            }),
        }
    }

    /// What a token stands for that did not come in a header.
    ///
    /// # Errors
    /// The first check that failed.
    pub async fn bearer(
        &self,
        token: &str,
        now: Timestamp,
        tokens: &TokenCache,
    ) -> Result<Arc<Bearer>, TokenError> {
        bearer::bearer(self, token, now, tokens).await
    }

    /// The same, but of one that is for somebody else as well, where it is ours: for whoever asks about a token, or ends
    /// it.
    ///
    /// # Errors
    /// The first check that failed.
    pub async fn bearer_for_anybody(
        &self,
        token: &str,
        now: Timestamp,
        tokens: &TokenCache,
    ) -> Result<Arc<Bearer>, TokenError> {
        match self.bearer(token, now, tokens).await {
            Err(TokenError::Audience) => bearer::for_anybody(self, token, now),
            known => known,
        }
    }

    /// Whether what goes on after a request may still rest on its credential: nobody has signed out since, it has not
    /// expired, and nothing about the person has changed.
    pub async fn still_stands(&self, caller: &Caller, now: Timestamp, idleness: Idleness) -> bool {
        match &caller.proof {
            Proof::Session { key, session } => {
                // Where that cannot be found out it does not stand.
                let found = self.sessions.find(key, now).await.unwrap_or_default();
                let is_there = found.is_some();
                if let Some(found) = found.filter(|found| found.last_use() < session.last_use()) {
                    // What is remembered of it is another copy, where it had to be asked for again.
                    found.renew(session.last_use());
                }
                // One that idleness has ended is gone from the store as well: nobody can have signed out of it since.
                let spared = idleness == Idleness::Spares && now >= session.expires_at();
                let is_only_idle = spared && now < session.created().after(session.lifetime().absolute);
                (is_there || is_only_idle) && self.users.vouches_for(caller.identity())
            }
            Proof::Bearer(bearer) => {
                let leeway = self.token.leeway.as_secs();
                if bearer.expires.saturating_add(leeway) <= now.unix_seconds() {
                    return false;
                }
                let Some(own) = &bearer.own else { return true };
                // A personal token is taken back by removing it.
                let is_held = own.audience.is_some() || self.personal.holds(&own.id, now);
                is_held
                    && self.revocations.known().await.is_ok()
                    && !self.revocations.cover(own, &bearer.identity.username, now)
                    && self.users.vouches_for(caller.identity())
            }
        }
    }
}
