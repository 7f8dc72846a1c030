//! Room for as many connections as the configuration allows.
//!
//! Each takes a file descriptor, and another while a request of it is on its way. Most systems start a program with
//! room for 1024 and let it ask for more; without asking, five hundred connections would keep everybody else out.

use rustix::process::{Resource, getrlimit, setrlimit};

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
    // Without these not even idle clients would all fit in; with twice as many all can be busy at once.
    let least = max_connections.saturating_add(OF_THE_GATEWAY);
    let enough = least.saturating_add(max_connections);
    // Where there is no number there is no limit.
    if let Some(descriptors) = limit.current
        && usize::try_from(descriptors).is_ok_and(|descriptors| descriptors < least)
    {
        tracing::warn!(
            descriptors,
            max_connections,
            "the system grants too few file descriptors for `max_connections`: raise its limit to {enough} \
             (LimitNOFILE in systemd), or allow fewer connections"
        );
    }
}
