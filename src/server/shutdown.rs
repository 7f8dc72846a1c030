//! Stopping: everybody hears of it at once, and what runs may finish within the grace.

use std::{io, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::sleep,
};

/// How far stopping has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Serving,
    Draining,
    Now,
}

/// Starts the stop. Dropping it stops as well: nobody is left who could.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<Stage>);

/// Hears of the stop.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<Stage>);

/// A trigger, and what hears of it.
pub fn channel() -> (ShutdownTrigger, Shutdown) {
    let (sender, receiver) = watch::channel(Stage::Serving);
    (ShutdownTrigger(sender), Shutdown(receiver))
}

impl ShutdownTrigger {
    /// Accept nothing more; finish what runs.
    pub fn drain(&self) {
        self.0.send_if_modified(|stage| {
            (*stage < Stage::Draining)
                .then(|| *stage = Stage::Draining)
                .is_some()
        });
    }

    /// Close everything now.
    pub fn now(&self) {
        self.0.send_replace(Stage::Now);
    }

    /// Drains at the first SIGTERM or SIGINT and closes everything at the second. From here on no signal is missed,
    /// even before the future, which never ends, is polled.
    ///
    /// # Errors
    /// The signals cannot be listened to.
    pub fn on_signals(self) -> io::Result<impl Future<Output = ()>> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        Ok(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if *self.0.borrow() == Stage::Serving {
                    tracing::info!("stopping: finishing what runs; a second signal ends at once");
                    self.drain();
                } else {
                    self.now();
                }
            }
        })
    }
}

impl Shutdown {
    /// Whether stopping has begun.
    pub fn has_started(&self) -> bool {
        *self.0.borrow() >= Stage::Draining || self.0.has_changed().is_err()
    }

    /// Resolves once stopping has begun.
    pub async fn started(&self) {
        self.reached(Stage::Draining).await;
    }

    /// Resolves once stopping has begun and whatever had come by then is known: the runtime asks the kernel for news
    /// between two turns of its tasks. A `select!` that is biased to the news misses none of it.
    pub async fn started_and_no_news(&self) {
        self.started().await;
        tokio::task::yield_now().await;
    }

    /// Resolves when nothing may go on: `grace` after the stop began, or when it was asked for.
    pub async fn grace_over(&self, grace: Duration) {
        tokio::select! {
            () = sleep(grace) => {}
            () = self.reached(Stage::Now) => {}
        }
    }

    async fn reached(&self, wanted: Stage) {
        // An error says that the trigger is gone, which stops as well.
        let _ = self.0.clone().wait_for(|stage| *stage >= wanted).await;
    }
}
