//! `portcullis demo`: the gateway of this repository's `gateway.toml`, and the sample app it points at.

use std::{
    fs,
    io::{self, Write},
    net::SocketAddr,
    path::Path,
    thread,
};

use anyhow::Context;

use super::{
    Failure,
    serve::{self, AtHangup},
    write_new,
};
use crate::{
    config::{self, Config, TlsConfig, UpstreamScheme, UpstreamUrl},
    gateway::Gateway,
    observe::log,
    sample_app,
    server::self_signed,
};

/// The demo's own user file.
const USERS: &str = include_str!("../../demo/users.toml");

/// The people in it; a test signs them in.
const PEOPLE: &str = "  Sign in   alice  portcullis-demo   (role: staff)
            bob    portcullis-demo   (no role)
";

/// Makes a certificate where none is, starts the sample app, and serves.
pub(super) fn run(config: &Path) -> Result<(), Failure> {
    let loaded = config::load(config).map_err(Failure::Problems)?;
    log::init(&loaded.config.log);
    if let Some(tls) = &loaded.config.server.tls {
        make_certificate(tls).map_err(Failure::Setup)?;
    }
    start_sample_app(&loaded.config)?;
    let users = &loaded.config.users.file;
    // With a configuration of one's own come people of one's own.
    let people = match fs::read_to_string(users) {
        Ok(text) if text == USERS => PEOPLE.to_owned(),
        _ => format!("  Sign in   as somebody in {}\n", users.display()),
    };
    serve::serve(loaded.config, AtHangup::End, |gateway| greet(gateway, &people))
}

/// Makes a certificate for localhost, unless there is one.
fn make_certificate(tls: &TlsConfig) -> anyhow::Result<()> {
    if tls.cert.exists() || tls.key.exists() {
        return Ok(());
    }
    let (cert, key) = self_signed::localhost_certificate().context("cannot make a certificate")?;
    for (path, pem, mode) in [(&tls.cert, cert, 0o644), (&tls.key, key, 0o600)] {
        write_new(path, &pem, mode)?;
    }
    Ok(())
}

/// Starts the sample app where the first route points, on a thread of its own that ends with the process.
fn start_sample_app(config: &Config) -> Result<(), Failure> {
    let address = config
        .routes
        .first()
        .and_then(|route| route.upstreams.targets.first())
        .and_then(|target| match &target.url {
            UpstreamUrl::Tcp {
                scheme: UpstreamScheme::Http,
                host,
                port,
            } => Some(SocketAddr::new(host.parse().ok()?, *port)),
            UpstreamUrl::Tcp { .. } | UpstreamUrl::Unix(_) => None,
        })
        .filter(|address| address.ip().is_loopback())
        .context("the demo needs a first route whose upstream is an address of this machine, such as http://127.0.0.1:3000")
        .map_err(Failure::Setup)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind(address))
        .with_context(|| format!("cannot start the sample app on {address}"))?;
    thread::Builder::new()
        .name("sample-app".to_owned())
        .spawn(move || {
            if let Err(error) = runtime.block_on(sample_app::serve(listener, std::future::pending())) {
                tracing::error!(%error, "the sample app ended");
            }
        })
        .context("cannot start a thread")?;
    Ok(())
}

/// Says where to go and who to be.
fn greet(gateway: &Gateway, people: &str) {
    let url = &gateway.server.public_url;
    let note = match url.is_secure() {
        true => "  The certificate was made on this machine: the browser will ask whether you trust it.\n",
        false => "",
    };
    let greeting =
        format!("\n  The demo is ready. Ctrl-C ends it.\n\n  Open      {url}/\n{people}\n{note}\n");
    let mut out = io::stdout().lock();
    // Somebody who closed standard output still wants the demo.
    let _ = out.write_all(greeting.as_bytes()).and_then(|()| out.flush());
}
