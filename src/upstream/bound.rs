//! Apps that sign a connection in rather than a request (NTLM; Negotiate, RFC 4559): whoever's request is on such a
//! connection is taken for who signed it in (CVE-2026-88007). It belongs to one client's connection, and to one person on it.

use std::{cell::RefCell, sync::Arc};

use super::{Upstream, http1::Connection};
use crate::address::ClientAddr;

/// What belongs to a client's connection, and is closed with it: a connection to an app that may be signed in.
#[derive(Debug, Default)]
pub struct Bound(RefCell<Option<Box<Entry>>>);

#[derive(Debug)]
struct Entry {
    upstream: Arc<Upstream>,
    whose: Whose,
    connection: Connection,
}

/// Whose requests may travel on it. A client's connection can carry several people's: those of a browser in which
/// somebody else has signed in since, or those of a proxy's users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whose {
    /// Who is signed in to the gateway, if anybody is.
    pub user: Option<Box<str>>,
    /// Where the request comes from.
    pub client: ClientAddr,
}

impl Bound {
    /// The connection to this upstream, if there is one, it is this person's, and the upstream has not closed it.
    pub fn take(&self, upstream: &Upstream, whose: impl FnOnce() -> Whose) -> Option<Connection> {
        let mut bound = self.0.borrow_mut();
        let entry = bound.as_ref()?;
        if *entry.upstream != *upstream || entry.whose != whose() {
            return None;
        }
        let mut connection = bound.take()?.connection;
        (connection.is_quiet() && connection.is_surely_quiet()).then_some(connection)
    }

    /// Where this person's connection leads, if there is one.
    pub fn leads_to(&self, whose: impl FnOnce() -> Whose) -> Option<Arc<Upstream>> {
        let bound = self.0.borrow();
        let entry = bound.as_ref()?;
        (entry.whose == whose()).then(|| Arc::clone(&entry.upstream))
    }

    /// Keeps a connection for the next request of the same person. Whatever else was kept is closed.
    pub fn put(&self, upstream: Arc<Upstream>, whose: Whose, connection: Connection) {
        let entry = Entry {
            upstream,
            whose,
            connection,
        };
        *self.0.borrow_mut() = Some(Box::new(entry));
    }
}
