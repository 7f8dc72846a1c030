//! `portcullis sample-app`: the sample upstream alone.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
};

use anyhow::Context as _;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::sample_app;

/// Runs the sample app, a small web app that shows what reaches it
#[derive(Debug, Clone, clap::Args)]
pub(super) struct SampleAppArgs {
    /// Where it listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3000")]
    pub(super) listen: SocketAddr,
}

/// Serves the sample app until SIGINT or SIGTERM, on a runtime of its own.
///
/// # Errors
/// When the address cannot be listened on, or the system refuses a runtime or a signal handler.
pub(super) fn run(args: &SampleAppArgs) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?
        .block_on(serve(args.listen))
}

async fn serve(address: SocketAddr) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    // The address as bound: with port 0 the system chose one.
    let bound = listener
        .local_addr()
        .context("cannot tell the address it listens on")?;
    // Somebody who closed standard output still wants the app.
    let _ = writeln!(io::stdout(), "sample app: http://{bound}/");
    let stopped = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    sample_app::serve(listener, stopped)
        .await
        .context("cannot accept connections any more")
}
