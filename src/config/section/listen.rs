//! `listen` and `redirect_http`: where the gateway can be connected to.

use std::{net::SocketAddr, ops::Range, path::PathBuf};

use crate::config::reader::{Report, Table, Value};

/// What the address of a unix socket begins with.
pub(super) const UNIX: &str = "unix:";

/// The longest path of a unix socket (`sun_path` of unix(7)), with room for the name under which one is made.
pub(super) const MAX_PATH: usize = 100;

/// What `listen` names.
#[derive(Debug, Default)]
pub(super) struct Listen {
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) sockets: Vec<PathBuf>,
    span: Range<usize>,
}

impl Listen {
    /// Reads it: at least one place, none twice.
    pub(super) fn read(value: Option<Value<'_, '_>>, default: SocketAddr) -> Self {
        let mut listen = Self::default();
        let Some(value) = value else {
            listen.addresses.push(default);
            return listen;
        };
        let report = value.report();
        listen.span = value.span();
        let Some(values) = value.one_or_many() else {
            return listen;
        };
        if values.is_empty() {
            let problem = report.problem(&listen.span, "`listen` is empty, so nobody could connect");
            report.add(problem.hint("name an address, or leave `listen` out for \"127.0.0.1:8443\""));
        }
        for value in values {
            match value.string() {
                Some(text) if text.starts_with(UNIX) => listen.add_socket(&value),
                Some(_) => listen.add_address(&value),
                None => {}
            }
        }
        listen
    }

    fn add_address(&mut self, value: &Value<'_, '_>) {
        let Some(address) = value.parsed(address) else {
            return;
        };
        match self.taken(address) {
            Some(earlier) => value.reject_with(both(address, earlier), "leave one of them out"),
            None => self.addresses.push(address),
        }
    }

    fn add_socket(&mut self, value: &Value<'_, '_>) {
        let Some(path) = value.path_behind(UNIX) else {
            return;
        };
        let problem = match path.as_os_str().len() {
            _ if self.sockets.contains(&path) => "is listened on already",
            length if length > MAX_PATH => "is too long for a unix socket, whose path has at most 100 bytes",
            _ => return self.sockets.push(path),
        };
        value.reject(format!("{} {problem}", path.display()));
    }

    /// A unix socket does not tell by which name browsers come.
    pub(super) fn warn_that_nobody_knows_the_public_url(&self, report: &Report<'_>) {
        if !self.sockets.is_empty() {
            let message = "`public_url` is not set, and a unix socket does not tell how browsers reach it";
            let hint = "set `public_url` to what people type, such as \"https://wiki.example.com\"";
            report.add(report.problem(&self.span, message).hint(hint).warning());
        }
    }

    /// An address that listens there already.
    fn taken(&self, address: SocketAddr) -> Option<SocketAddr> {
        covering(self.addresses.iter().copied(), address)
    }

    /// Reads `redirect_http`, an address of its own.
    pub(super) fn read_redirect(&self, table: &mut Table<'_, '_>, leads_to_tls: bool) -> Option<SocketAddr> {
        let value = table.take("redirect_http")?;
        let address = value.parsed(address)?;
        if let Some(earlier) = self.taken(address) {
            value.reject_with(
                both(address, earlier),
                "give `redirect_http` another, such as \"0.0.0.0:80\"",
            );
        } else if !leads_to_tls {
            value.warn(
                "`redirect_http` leads to `public_url`, which is plain HTTP as well",
                "set `public_url` to https://, or leave `redirect_http` out",
            );
        }
        Some(address)
    }
}

/// Which of these addresses cannot be listened on beside another one.
pub(super) fn covering(
    mut taken: impl Iterator<Item = SocketAddr>,
    address: SocketAddr,
) -> Option<SocketAddr> {
    let covers = |one: &SocketAddr, other: &SocketAddr| {
        one.port() == other.port()
            && (one.ip() == other.ip() || (one.ip().is_unspecified() && one.is_ipv4() == other.is_ipv4()))
    };
    taken.find(|earlier| address.port() != 0 && (covers(earlier, &address) || covers(&address, earlier)))
}

/// Says that two addresses are one.
pub(super) fn both(one: SocketAddr, other: SocketAddr) -> String {
    format!("{one} and {other} cannot be listened on both: one covers the other")
}

/// Reads an address.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("\"{text}\" is no address to listen on; write one such as \"0.0.0.0:8443\" or \"[::]:8443\"")
    })
}
