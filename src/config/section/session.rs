//! `[session]`: the cookie and how long a sign-in lasts.

use std::time::Duration;

/// `[session]`, checked.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// The cookie's name; its prefix fits the scheme of `public_url` (RFC 6265bis, section 4.1.3).
    pub cookie: String,
    /// Sliding: every request that passes renews it.
    pub idle_timeout: Duration,
    /// From sign-in; never renewed.
    pub absolute_timeout: Duration,
    /// Both limits of a "keep me signed in" session; `None` hides the box.
    pub remember_timeout: Option<Duration>,
    /// Sessions one user may have at once; the oldest goes. At least one.
    pub max_per_user: usize,
}
