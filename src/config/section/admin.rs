//! `[admin]`: where whoever runs the gateway looks at it, and what they show there.

use std::{net::SocketAddr, path::PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::{
    listen::{self, MAX_PATH, UNIX},
    server::ServerConfig,
};
use crate::config::reader::{Table, Value};

/// `[admin]`, checked.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// Where it is.
    pub listen: AdminAddress,
    /// What everybody has to show there. Without it only this machine can connect.
    pub token: Option<SecretString>,
}

/// Where the admin listener is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminAddress {
    /// At an address.
    Tcp(SocketAddr),
    /// At a unix socket, which is for the gateway's own user.
    Unix(PathBuf),
}

impl AdminAddress {
    /// Whether only programs on this machine can connect.
    fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl AdminConfig {
    /// Its address, where it has one.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.listen {
            AdminAddress::Tcp(address) => Some(*address),
            AdminAddress::Unix(_) => None,
        }
    }

    /// As many characters as a random 64-bit number has digits: fewer can be guessed from far away.
    const MIN_TOKEN: usize = 16;

    /// Reads it, for a gateway that listens as `server` says.
    pub(in crate::config) fn read(mut table: Table<'_, '_>, server: &ServerConfig) -> Option<Self> {
        let value = table.take("listen");
        let listen = value.as_ref().and_then(|value| address(value, server));
        let token = table.take("token");
        let has_token = token.is_some();
        let token = token.and_then(token_of);
        let report = table.report();
        match (&value, &listen) {
            (None, _) => {
                let problem = report.problem(table.span(), "[admin] needs `listen`");
                report.add(problem.hint("write listen = \"127.0.0.1:9900\", or leave [admin] out"));
            }
            (Some(value), Some(listen)) if !listen.is_local() && !has_token => value.reject_with(
                "others can reach this address, so [admin] needs a `token`",
                "add token = { env = \"PORTCULLIS_ADMIN\" }, or listen on 127.0.0.1 or a unix socket",
            ),
            (Some(value), Some(listen)) if !listen.is_local() => value.warn(
                "the admin listener speaks plain HTTP, so others can read its token on the way",
                "listen on 127.0.0.1 or a unix socket, and come through ssh or a proxy that speaks TLS",
            ),
            _ => {}
        }
        table.finish(&[]);
        Some(Self {
            listen: listen?,
            token,
        })
    }
}

/// An address or a unix socket that the gateway does not listen on for everybody else.
fn address(value: &Value<'_, '_>, server: &ServerConfig) -> Option<AdminAddress> {
    if value.string()?.starts_with(UNIX) {
        let path = value.path_behind(UNIX)?;
        let problem = match path.as_os_str().len() {
            _ if server.listen_unix.contains(&path) => "is listened on by [server] already",
            length if length > MAX_PATH => "is too long for a unix socket, whose path has at most 100 bytes",
            _ => return Some(AdminAddress::Unix(path)),
        };
        value.reject(format!("{} {problem}", path.display()));
        return None;
    }
    let address = value.parsed(listen::address)?;
    let taken = server.listen.iter().chain(&server.redirect_http).copied();
    if let Some(earlier) = listen::covering(taken, address) {
        value.reject_with(
            listen::both(address, earlier),
            "give [admin] a port of its own, such as \"127.0.0.1:9900\"",
        );
    }
    Some(AdminAddress::Tcp(address))
}

/// A token that fits into a header and that nobody guesses.
fn token_of(value: Value<'_, '_>) -> Option<SecretString> {
    let (report, span) = (value.report(), value.span());
    let token = value.secret()?;
    let text = token.expose_secret();
    let problem = match text.len() {
        length if length < AdminConfig::MIN_TOKEN => format!(
            "the token must have at least {} characters, but has {length}",
            AdminConfig::MIN_TOKEN
        ),
        _ if text.trim() != text || !text.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) => {
            "the token must be of letters, digits and signs that fit into a header".to_owned()
        }
        _ => return Some(token),
    };
    let problem = report.problem(&span, problem).beside_a_secret();
    report.add(problem.hint("make one with: openssl rand -hex 32"));
    None
}
