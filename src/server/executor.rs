//! Where the streams of an HTTP/2 connection run.

use hyper::rt::Executor;

/// Runs HTTP/2's streams on the worker's own thread.
#[derive(Clone, Copy)]
pub(super) struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
