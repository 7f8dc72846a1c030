//! `portcullis serve`.

use std::{path::Path, sync::Arc, thread};

use anyhow::Context;

use super::{Failure, check};
use crate::{
    clock::Clock,
    config::{self, Config},
    gateway::{BuildError, Gateway},
    observe::log,
    server::{self, Listeners, tls::Acceptor},
};

/// Runs the gateway until it is told to stop.
pub(super) fn run(config: &Path) -> Result<(), Failure> {
    let loaded = config::load(config).map_err(Failure::Problems)?;
    log::init(&loaded.config.log);
    for warning in &loaded.warnings {
        tracing::warn!("{}", warning.summary());
    }
    serve(loaded.config, |_| {})
}

/// Builds the gateway of a configuration and serves until SIGTERM or SIGINT. `listening` is called once every
/// socket is bound.
///
/// Everything that can fail is done before the first connection is accepted.
pub(super) fn serve(config: Config, listening: impl FnOnce(&Gateway)) -> Result<(), Failure> {
    let tls = match &config.server.tls {
        Some(tls) => Some(Acceptor::new(tls).map_err(|error| Failure::Problems(vec![check::of_tls(error)]))?),
        None => None,
    };
    // The guard writes the access log out when it is dropped, after the last worker has ended.
    let (gateway, _flush) = Gateway::build(config, Clock::System).map_err(|error| match error {
        BuildError::Keys(error) => Failure::Problems(vec![check::of_keys(error)]),
        error => Failure::Setup(error.into()),
    })?;
    let gateway = Arc::new(gateway);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    let (trigger, shutdown) = server::shutdown::channel();
    let inside = runtime.enter();
    let listeners =
        Listeners::bind(&gateway.server.listen, gateway.server.workers).map_err(anyhow::Error::from)?;
    // Before anybody is told that it serves: whoever hears that may stop it at once.
    let signals = trigger.on_signals().context("cannot listen for signals")?;
    drop(inside);
    // Ends with the process: it waits for a signal that may never come.
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || runtime.block_on(signals))
        .context("cannot start a thread")?;
    for address in listeners.addresses() {
        tracing::info!(%address, public_url = %gateway.server.public_url, "listening");
    }
    listening(&gateway);
    server::serve(&gateway, listeners, tls.as_ref(), &shutdown).context("serving failed")?;
    tracing::info!("stopped");
    Ok(())
}
