//! What has to be done now and then, on a thread that serves no requests: expired sessions and records go, and so do the
//! sessions of people whom the user file no longer lets in; and keys that somebody has changed are taken over.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::MissedTickBehavior;

use super::{ServeError, Shutdown, local_runtime};
use crate::{
    gateway::Gateway,
    identity::{Stamp, UserName},
    store::Owner,
    token::RefreshTokens,
    users::UserFile,
};

/// How often it looks. A disabled user's open sessions end within this time; new ones are refused at once.
const TICK: Duration = Duration::from_secs(1);

/// Sessions or records looked at in one step of the sweep: well under a millisecond of work.
const SWEEP_STEP: usize = 256;

/// After how many looks it is written down when personal tokens were used last.
const TIDY_TICKS: u32 = 60;

/// After how many looks it is written down when sessions were used last: what a crash may cost them.
const USES_TICKS: u32 = 3;

/// Keeps house until the stop begins.
pub(super) fn keep(gateway: &Gateway, shutdown: &Shutdown) -> Result<(), ServeError> {
    local_runtime()?.block_on(async {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Sessions may have come over a restart, and their people changed meanwhile: they are looked at first of all.
        let mut people = People {
            seen: Arc::default(),
            broken: false,
        };
        let mut uses = Uses {
            broken: false,
            ticks: 0,
        };
        let mut keys = Keys { broken: false };
        let mut scripts = Scripts {
            broken: false,
            ticks: 0,
        };
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = shutdown.started() => {
                    scripts.tidy(gateway);
                    uses.write(gateway).await;
                    gateway.store.release();
                    return Ok(());
                }
            }
            while gateway
                .authenticator
                .sessions
                .sweep(gateway.clock.now(), SWEEP_STEP)
                == SWEEP_STEP
            {
                tokio::task::yield_now().await;
            }
            while gateway.store.sweep(gateway.clock.now(), SWEEP_STEP) == SWEEP_STEP {
                tokio::task::yield_now().await;
            }
            people.look(gateway).await;
            keys.look(gateway);
            scripts.look(gateway);
            uses.look(gateway).await;
        }
    })
}

/// The keys that sign, as they were seen last.
struct Keys {
    broken: bool,
}

impl Keys {
    /// Takes over what has changed in their folder.
    fn look(&mut self, gateway: &Gateway) {
        match gateway.authenticator.keys.refresh() {
            Ok(None) => self.broken = false,
            Ok(Some(key)) => {
                self.broken = false;
                tracing::info!(target: "audit", event = "key_rotated", key, "another key signs from now on");
            }
            // Said once, and not once a second.
            Err(error) if !self.broken => {
                self.broken = true;
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(source, "{error}; the keys stay as they were");
            }
            Err(_) => {}
        }
    }
}

/// Ends what whoever has changed has of tokens: it must not count again should all be as it was some day.
async fn end_tokens(gateway: &Gateway, current: &UserFile) {
    let authenticator = &gateway.authenticator;
    let now = gateway.clock.now();
    let until = now.after(authenticator.token.lifetime + authenticator.token.leeway);
    let grants = match gateway.refresh_tokens.all(now).await {
        Ok(grants) => grants,
        Err(error) => {
            // They are looked at when they are used as well.
            tracing::error!(%error, "it cannot be found out which refresh tokens have ended");
            Vec::new()
        }
    };
    for found in grants {
        let grant = &found.grant;
        let stands = current
            .find(&grant.user)
            .is_some_and(|user| !user.disabled && grant.stamp.as_ref() == Some(&user.stamp));
        if stands {
            continue;
        }
        let ends = [RefreshTokens::place(&found)];
        let owner = Owner::of(grant.user.as_str());
        let ended = authenticator
            .revocations
            .revoke_grant(owner, &grant.id, until, &ends)
            .await;
        if let Err(error) = ended {
            tracing::error!(%error, "it cannot be written that a refresh token has ended");
        }
    }
    let stands = |user: &UserName, stamp: &Stamp| {
        let user = current.find(user);
        user.is_some_and(|user| !user.disabled && *stamp == user.stamp)
    };
    if let Err(error) = authenticator
        .personal
        .end_where(|user, stamp| !stands(user, stamp), now)
    {
        tracing::error!(%error, "personal tokens of people who have changed cannot be removed");
    }
}

/// When sessions were used last, and whether that can be written down.
struct Uses {
    broken: bool,
    ticks: u32,
}

impl Uses {
    async fn look(&mut self, gateway: &Gateway) {
        self.ticks = (self.ticks + 1) % USES_TICKS;
        if self.ticks == 0 {
            self.write(gateway).await;
        }
    }

    async fn write(&mut self, gateway: &Gateway) {
        let written = gateway.authenticator.sessions.write_uses().await;
        if let (Err(error), false) = (&written, self.broken) {
            tracing::error!(%error, "it cannot be written when sessions were used: after a restart they end earlier");
        }
        self.broken = written.is_err();
    }
}

/// The personal tokens, as they were seen last.
struct Scripts {
    broken: bool,
    ticks: u32,
}

impl Scripts {
    /// Takes over what has changed in their folder, and writes down now and then which were used.
    fn look(&mut self, gateway: &Gateway) {
        let refreshed = gateway.authenticator.personal.refresh();
        // Said once, and not once a second.
        if let (Err(error), false) = (&refreshed, self.broken) {
            let source = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(source, "{error}: what cannot be read does not count");
        }
        self.broken = refreshed.is_err();
        self.ticks = (self.ticks + 1) % TIDY_TICKS;
        if self.ticks == 0 {
            self.tidy(gateway);
        }
    }

    fn tidy(&self, gateway: &Gateway) {
        let tidied = gateway.authenticator.personal.tidy(gateway.clock.now());
        if let (Err(error), false) = (tidied, self.broken) {
            tracing::warn!(%error, "personal tokens cannot be tidied up");
        }
    }
}

/// The user file as it was seen last.
struct People {
    seen: Arc<UserFile>,
    broken: bool,
}

impl People {
    /// Ends the sessions of whoever has changed since.
    async fn look(&mut self, gateway: &Gateway) {
        let refreshed = gateway.authenticator.users.refresh();
        // Said once, and not once a second. Nobody signs in meanwhile; those who are signed in go on.
        if let (Err(error), false) = (&refreshed, self.broken) {
            tracing::error!(%error, "the user directory cannot be used: nobody can sign in");
        }
        self.broken = refreshed.is_err();
        let current = gateway.authenticator.users.current();
        if Arc::ptr_eq(&self.seen, &current) {
            return;
        }
        // All sessions are looked at, not what changed between two files: somebody may have signed in from one that
        // came and went between two looks.
        let sessions = &gateway.authenticator.sessions;
        let ended = sessions
            .remove_where(|session| !current.vouches_for(session.identity()))
            .await;
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => {
                // They are refused all the same, by everybody who looks at who it is.
                tracing::error!(%error, "it cannot be written that sessions have ended");
                Vec::new()
            }
        };
        let mut by_user = BTreeMap::new();
        for session in &ended {
            *by_user.entry(session.identity().username.as_str()).or_insert(0) += 1;
        }
        for (user, sessions) in by_user {
            tracing::info!(target: "audit", event = "user_changed", user, sessions, "the user's sessions have ended");
        }
        end_tokens(gateway, &current).await;
        self.seen = current;
    }
}
