//! Room for as many connections as the configuration allows.
//!
//! Each takes a file descriptor, and its way up another. Most systems start a program with room for 1024 and let it ask
//! for more; without asking, five hundred connections would keep everybody else out.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Descriptors of a connection: its own, and that of its upstream.
const OF_A_CONNECTION: usize = 2;
/// Descriptors of the gateway itself: sockets, runtimes, files.
const OF_THE_GATEWAY: usize = 128;

/// Asks for as many descriptors as the system grants, and says so where they are too few.
pub(super) fn make_room(max_connections: usize) {
    let mut limit = getrlimit(Resource::Nofile);
    let granted = limit.current;
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "cannot ask for more file descriptors");
        limit.current = granted;
    }
    let needed = max_connections
        .saturating_mul(OF_A_CONNECTION)
        .saturating_add(OF_THE_GATEWAY);
    // Where there is no number there is no limit.
    if let Some(descriptors) = limit.current
        && usize::try_from(descriptors).is_ok_and(|descriptors| descriptors < needed)
    {
        tracing::warn!(
            descriptors,
            max_connections,
            "the system grants too few file descriptors for `max_connections`: raise its limit to {needed} \
             (LimitNOFILE in systemd), or allow fewer connections"
        );
    }
}
