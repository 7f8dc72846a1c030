//! Accepting connections: one at a time waits for a permit, the others in the kernel's queue; and patience where the
//! system has no room left.

use std::{io, rc::Rc, sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::sleep};

use super::{
    activity::Connections,
    connection::{self, Arrival, Purpose},
    shutdown::Shutdown,
    stream::Listener,
    tls,
};
use crate::handle::Worker;

/// How long to wait when the system has no file descriptors left: others must close first.
const BACK_OFF: Duration = Duration::from_millis(100);

/// What an accept loop hands to its connections.
#[derive(Clone)]
pub(super) struct Accepting {
    pub(super) worker: Rc<Worker>,
    pub(super) purpose: Purpose,
    pub(super) connections: Rc<Connections>,
    pub(super) tls: Option<tls::Acceptor>,
    pub(super) permits: Arc<Semaphore>,
    pub(super) shutdown: Shutdown,
}

/// Accepts until the stop begins. What the kernel had completed by then is still served.
pub(super) async fn accept(listener: impl Listener, accepting: Accepting) {
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            () = accepting.shutdown.started_and_no_news() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_about_one_connection(&error) => continue,
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections; trying again");
                sleep(BACK_OFF).await;
                continue;
            }
        };
        // A permit is taken only for somebody who has come: one that this loop held while nobody does would be
        // missing where somebody waits, on another worker.
        let permit = tokio::select! {
            biased;
            permit = Arc::clone(&accepting.permits).acquire_owned() => permit,
            () = accepting.shutdown.started() => return,
        };
        // The semaphore is never closed.
        let Ok(permit) = permit else { return };
        let arrival = Arrival {
            worker: Rc::clone(&accepting.worker),
            purpose: accepting.purpose,
            peer,
            tls: accepting.tls.clone(),
            guard: accepting.connections.open(permit),
            shutdown: accepting.shutdown.clone(),
        };
        tokio::task::spawn_local(connection::serve(stream, arrival));
    }
}

/// Errors of a client that was gone before it was accepted.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
