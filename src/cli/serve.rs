//! `portcullis serve`.

use std::{io, path::Path, sync::Arc, thread};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, check};
use crate::{
    clock::Clock,
    config::{self, AdminAddress, Config},
    gateway::{BuildError, Gateway},
    observe::{access::AccessLogger, log},
    server::{self, Listeners, tls::Acceptor},
};

/// Runs the gateway until it is told to stop.
pub(super) fn run(config: &Path) -> Result<(), Failure> {
    let loaded = config::load(config).map_err(Failure::Problems)?;
    log::init(&loaded.config.log);
    for warning in &loaded.warnings {
        tracing::warn!("{}", warning.summary());
    }
    serve(loaded.config, AtHangup::Reopen, |_| {})
}

/// What SIGHUP does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtHangup {
    /// The access log's file is opened anew: programs that move logs away send it then.
    Reopen,
    /// It ends, as a program does whose terminal is closed.
    End,
}

/// Builds the gateway of a configuration and serves until SIGTERM or SIGINT. `listening` is called once every
/// socket is bound.
///
/// Everything that can fail is done before the first connection is accepted.
pub(super) fn serve(
    config: Config,
    at_hangup: AtHangup,
    listening: impl FnOnce(&Gateway),
) -> Result<(), Failure> {
    let tls = match &config.server.tls {
        Some(tls) => Some(Acceptor::new(tls).map_err(|error| Failure::Problems(vec![check::of_tls(error)]))?),
        None => None,
    };
    // The guard writes the access log out when it is dropped, after the last worker has ended.
    let (gateway, _flush) = Gateway::build(config, Clock::System).map_err(|error| match error {
        BuildError::Route(error) => Failure::Problems(vec![check::of_route(error)]),
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
    let listeners = Listeners::bind(&gateway.server, gateway.admin.as_ref()).map_err(anyhow::Error::from)?;
    // Before anybody is told that it serves: whoever hears that may stop it at once.
    let signals = trigger.on_signals().context("cannot listen for signals")?;
    if at_hangup == AtHangup::Reopen {
        let hangups = reopen_at_hangup(gateway.access_log.clone()).context("cannot listen for signals")?;
        runtime.spawn(hangups);
    }
    drop(inside);
    // Ends with the process: it waits for a signal that may never come.
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || runtime.block_on(signals))
        .context("cannot start a thread")?;
    let public_url = &gateway.server.public_url;
    for address in listeners.addresses() {
        tracing::info!(%address, %public_url, "listening");
    }
    for socket in &gateway.server.listen_unix {
        tracing::info!(socket = %socket.display(), %public_url, "listening");
    }
    if let Some(address) = listeners.redirect_address() {
        tracing::info!(%address, %public_url, "listening, to redirect");
    }
    if let Some(address) = listeners.admin_address() {
        tracing::info!(%address, "listening, for whoever runs the gateway");
    }
    if let Some(AdminAddress::Unix(socket)) = gateway.admin.as_ref().map(|admin| &admin.listen) {
        tracing::info!(socket = %socket.display(), "listening, for whoever runs the gateway");
    }
    listening(&gateway);
    server::serve(&gateway, listeners, tls.as_ref(), &shutdown).context("serving failed")?;
    tracing::info!("stopped");
    Ok(())
}

/// Opens the access log anew at each SIGHUP, for ever.
fn reopen_at_hangup(access_log: AccessLogger) -> io::Result<impl Future<Output = ()>> {
    let mut hangups = signal(SignalKind::hangup())?;
    Ok(async move {
        while hangups.recv().await.is_some() {
            tracing::info!("opening the access log anew");
            access_log.reopen();
        }
    })
}
