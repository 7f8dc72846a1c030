//! What an upstream's address is, and how it is known to be the right one.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    num::NonZeroU16,
    path::PathBuf,
};

use http::Uri;
use rustls::pki_types::ServerName;

use super::UpstreamsConfig;
use crate::config::{reader::Table, section::host::exact};

/// An upstream's address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UpstreamUrl {
    /// `http://host[:port]`, and with the other schemes.
    Tcp {
        /// What is spoken there.
        scheme: UpstreamScheme,
        /// A name or an address; an IPv6 address without its brackets.
        host: String,
        /// The port, the scheme's own where none is written.
        port: u16,
    },
    /// `unix:/path`: HTTP/1.1 over a socket in the file system.
    Unix(PathBuf),
}

/// What an upstream speaks over TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpstreamScheme {
    /// HTTP/1.1 in the clear.
    Http,
    /// TLS, and in it HTTP/2 or HTTP/1.1, as the upstream chooses.
    Https,
    /// HTTP/2 in the clear, without asking first (RFC 9113, section 3.3).
    H2c,
}

/// `upstream_tls`: how an `https://` upstream is known to be the right one, and we to it. Its certificate is always
/// checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct UpstreamTls {
    /// A PEM file of the authorities that may vouch for it; `None` means those that the system trusts.
    pub ca: Option<PathBuf>,
    /// PEM files of the certificate that we show, and of its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name its certificate must have; `None` means the URL's host.
    pub server_name: Option<ServerName<'static>>,
}

impl UpstreamScheme {
    const ALL: [Self; 3] = [Self::Http, Self::Https, Self::H2c];

    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2c => "h2c",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http | Self::H2c => 80,
            Self::Https => 443,
        }
    }
}

impl UpstreamUrl {
    /// The longest path of a socket that the system takes (`sun_path`), less the NUL at its end.
    const LONGEST_PATH: usize = 107;

    /// `http://127.0.0.1:3000` and its like.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let bad = |why: &str| format!("\"{text}\" is no upstream: {why}");
        if let Some(path) = text.strip_prefix("unix:") {
            return Self::socket(path).map_err(bad);
        }
        let (scheme, _) = text.split_once("://").unwrap_or_default();
        let scheme = UpstreamScheme::ALL
            .into_iter()
            .find(|known| known.as_str() == scheme);
        let scheme = scheme.ok_or_else(|| {
            bad(
                "write its address, such as \"http://127.0.0.1:3000\"; it begins with http://, https://, h2c:// or unix:",
            )
        })?;
        let uri: Uri = text.parse().map_err(|_| bad("it is no URL"))?;
        let authority = uri.authority().ok_or_else(|| bad("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("it cannot contain a user name or password"));
        }
        if uri.path() != "/" || uri.query().is_some() || text.contains('#') {
            return Err(bad(
                "it cannot have a path; what a route's `path` begins with can be taken off with `strip_prefix`",
            ));
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => scheme.default_port(),
            Some(port) => {
                let port = port
                    .strip_prefix(':')
                    .and_then(|port| port.parse::<NonZeroU16>().ok());
                port.ok_or_else(|| bad("a port is a number between 1 and 65535"))?
                    .get()
            }
            None => return Err(bad("it is no URL")),
        };
        let host = exact(authority.host()).map_err(bad)?;
        Ok(Self::Tcp {
            scheme,
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
        })
    }

    fn socket(path: &str) -> Result<Self, &'static str> {
        if !path.starts_with('/') || path.starts_with("//") {
            return Err("a socket is named by its whole path, as in \"unix:/run/app.sock\"");
        }
        if path.len() > Self::LONGEST_PATH {
            return Err("the path of a socket has at most 107 bytes");
        }
        if path.chars().any(char::is_control) {
            return Err("a path cannot contain control characters");
        }
        Ok(Self::Unix(PathBuf::from(path)))
    }

    /// `host:port`, where a request names no host itself; what stands for it where there is none.
    pub fn authority(&self) -> String {
        match self {
            Self::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port, .. } => format!("{host}:{port}"),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }

    /// Whether TLS is spoken there.
    pub fn is_https(&self) -> bool {
        matches!(
            self,
            Self::Tcp {
                scheme: UpstreamScheme::Https,
                ..
            }
        )
    }

    /// Whether a connection to it arrives at this address of the same machine, as far as can be told without asking for
    /// names.
    pub(super) fn leads_to(&self, own: SocketAddr) -> bool {
        let Self::Tcp { host, port, .. } = self else {
            return false;
        };
        let this_machine = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
        let arrives = match host.parse::<IpAddr>() {
            Ok(ip) => ip == own.ip() || (this_machine(ip) && own.ip().is_unspecified()),
            Err(_) => host == "localhost" && this_machine(own.ip()),
        };
        arrives && *port == own.port()
    }
}

impl fmt::Display for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { scheme, .. } => write!(f, "{}://{}", scheme.as_str(), self.authority()),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl UpstreamTls {
    /// `upstream_tls` of a route that leads there.
    pub(super) fn read(table: &mut Table<'_, '_>, upstreams: Option<&UpstreamsConfig>) -> Self {
        let Some(value) = table.take("upstream_tls") else {
            return Self::default();
        };
        if upstreams.is_some_and(|upstreams| !upstreams.targets.iter().any(|target| target.url.is_https())) {
            value.reject_with(
                "`upstream_tls` is for upstreams that begin with https://, and this route's does not",
                "without TLS nothing is checked; leave `upstream_tls` out, or write https://",
            );
        }
        let Some(mut tls) = value.table("`upstream_tls`") else {
            return Self::default();
        };
        let ca = tls.take("ca").and_then(|value| value.path());
        let (cert, key) = (tls.take("cert"), tls.take("key"));
        if cert.is_some() != key.is_some() {
            let problem = tls.report().problem(
                tls.span(),
                "`cert` and `key` of `upstream_tls` belong together, and one is missing",
            );
            let hint = "name both, or neither where the upstream asks for no certificate";
            tls.report().add(problem.hint(hint));
        }
        let cert = cert.and_then(|value| value.path());
        let key = key.and_then(|value| value.path());
        let server_name = tls
            .take("server_name")
            .and_then(|value| value.parsed(server_name));
        tls.finish(&[]);
        Self {
            ca,
            identity: cert.zip(key),
            server_name,
        }
    }
}

fn server_name(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.to_owned()).map_err(|_| {
        format!("\"{text}\" is no name of a server: write a host name or an address, without a port")
    })
}
