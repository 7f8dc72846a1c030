//! How long a session lasts: pure rules of configuration and time.

use std::time::Duration;

use crate::{clock::Timestamp, config::SessionConfig};

/// The limits of one session, fixed when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Sliding: from the last use.
    pub idle: Duration,
    /// From the beginning; nothing renews it.
    pub absolute: Duration,
    /// Whether the cookie outlives the browser ("keep me signed in").
    pub remembered: bool,
}

impl Lifetime {
    /// The limits that the configuration gives a new session. Asking to be remembered where that is switched
    /// off gives an ordinary session.
    pub fn of(config: &SessionConfig, remember: bool) -> Self {
        match config.remember_timeout {
            Some(timeout) if remember => Self {
                idle: timeout,
                absolute: timeout,
                remembered: true,
            },
            _ => Self {
                idle: config.idle_timeout,
                absolute: config.absolute_timeout,
                remembered: false,
            },
        }
    }

    /// The moment at which a session ends: not live at it any more.
    pub fn expires_at(&self, created: Timestamp, last_use: Timestamp) -> Timestamp {
        last_use.after(self.idle).min(created.after(self.absolute))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(s: u64) -> Timestamp {
        Timestamp::from_unix_seconds(s)
    }

    #[test]
    fn use_renews_the_idle_limit_and_never_the_absolute_one() {
        let lifetime = Lifetime {
            idle: Duration::from_secs(30),
            absolute: Duration::from_secs(100),
            remembered: false,
        };
        for (last_use, end) in [(0, 30), (29, 59), (60, 90), (70, 100), (99, 100)] {
            assert_eq!(lifetime.expires_at(seconds(0), seconds(last_use)), seconds(end));
        }
    }

    proptest! {
        #[test]
        fn a_session_never_outlives_either_limit(
            created in 0_u64..1 << 40, used in 0_u64..1 << 40, idle in 1_u64..1 << 40, absolute in 1_u64..1 << 40,
        ) {
            let at = Timestamp::from_unix_millis;
            let lifetime =
                Lifetime { idle: Duration::from_millis(idle), absolute: Duration::from_millis(absolute), remembered: false };
            let end = lifetime.expires_at(at(created), at(created + used));
            prop_assert!(end <= at(created + absolute));
            prop_assert!(end <= at(created + used + idle));
            prop_assert!(end == at(created + absolute) || end == at(created + used + idle));
        }
    }
}
