//! `[server]` and `[server.tls]`: where the gateway listens and how browsers reach it.

use crate::config::reader::Table;
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::{NonZeroU16, NonZeroUsize},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{host, limits::LimitsConfig, listen::Listen, proxies::TrustedProxies};

/// `[server]`, checked.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Addresses to listen on. There is at least one, or one of `listen_unix`.
    pub listen: Vec<SocketAddr>,
    /// Unix sockets to listen on.
    pub listen_unix: Vec<PathBuf>,
    /// Who is believed about where a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// Whether every connection begins with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// Where a plain listener sends everybody to `public_url`.
    pub redirect_http: Option<SocketAddr>,
    /// How browsers reach the gateway.
    pub public_url: PublicUrl,
    /// Worker threads, each with its own listener, connections and upstream pool.
    pub workers: NonZeroUsize,
    /// How long running requests may take to finish once the gateway was told to stop.
    pub shutdown_grace: Duration,
    /// `[server.tls]`; without it the gateway speaks plain HTTP.
    pub tls: Option<TlsConfig>,
    /// `[server.limits]`.
    pub limits: LimitsConfig,
    /// Where the gateway keeps what it has to remember.
    pub state: PathBuf,
}

/// `[server.tls]`, checked as far as the file itself tells; the certificate is read by `server::tls`.
#[derive(Debug, Clone)]
pub struct TlsConfig {
    /// A PEM file: the certificate first, then its intermediates.
    pub cert: PathBuf,
    /// A PEM file: the certificate's private key.
    pub key: PathBuf,
    /// The oldest protocol version that is spoken.
    pub min_version: TlsVersion,
}

/// A version of TLS that the gateway speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    V1_2,
    /// TLS 1.3 (RFC 8446).
    V1_3,
}

/// How browsers reach the gateway: scheme and authority, nothing after them.
///
/// Cookies are `Secure` exactly when its scheme is `https`; the token issuer defaults to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    secure: bool,
    authority: String,
}

impl PublicUrl {
    /// From a scheme and a lower-case `host[:port]`.
    pub fn new(secure: bool, authority: String) -> Self {
        Self { secure, authority }
    }

    /// From the configuration: `https://host[:port]`, nothing after it.
    fn parse(text: &str) -> Result<Self, String> {
        let bad = |why: &str| {
            format!("\"{text}\" is no public URL: {why}; write \"https://host\" or \"https://host:port\"")
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| bad("it has no scheme"))?;
        let (secure, own_port) = match scheme.to_ascii_lowercase().as_str() {
            "https" => (true, 443),
            "http" => (false, 80),
            _ => return Err(bad("the scheme is https, or http")),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err(bad("it cannot have a user name or password"));
        }
        if rest.contains(['/', '?', '#']) {
            return Err(bad(
                "nothing can follow the host, since the gateway answers its whole host",
            ));
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                let number = port.bytes().all(|byte| byte.is_ascii_digit());
                let port: Option<NonZeroU16> = port.parse().ok().filter(|_| number);
                let port = port.ok_or_else(|| bad("a port is a number between 1 and 65535"))?;
                (host, port.get())
            }
            _ => (rest, own_port),
        };
        let host = host::exact(host).map_err(bad)?;
        // Browsers leave a scheme's own port out, and so must what is compared with what they send.
        Ok(match port == own_port {
            true => Self::new(secure, host),
            false => Self::new(secure, format!("{host}:{port}")),
        })
    }

    /// Where none is configured: the first address that is listened on, as a browser on this machine writes it.
    fn of_address(secure: bool, address: SocketAddr) -> Self {
        let host = match address.ip() {
            ip if ip.is_loopback() || ip.is_unspecified() => "localhost".to_owned(),
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let own_port = if secure { 443 } else { 80 };
        match address.port() {
            port if port == own_port => Self::new(secure, host),
            port => Self::new(secure, format!("{host}:{port}")),
        }
    }

    /// Whether browsers speak TLS to us, or to whatever stands in front of us.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// Whether only browsers on the gateway's own machine can use it.
    pub fn is_local(&self) -> bool {
        let host = self.host();
        host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }

    /// The host alone, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let host = match self.authority.rsplit_once(':') {
            Some((host, port)) if is_port(port) => host,
            _ => &self.authority,
        };
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// `host[:port]`, in lower case.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.authority)
    }
}

impl ServerConfig {
    /// Only this machine until somebody says otherwise.
    const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8443);
    /// As long as systemd waits before it kills, less a little.
    const SHUTDOWN_GRACE: Duration = Duration::from_secs(30);

    /// Beside the configuration.
    const STATE: &str = "state";

    pub(in crate::config) fn read(mut table: Table<'_, '_>, folder: &Path) -> Self {
        let listen = Listen::read(table.take("listen"), Self::LISTEN);
        let tls = table
            .take("tls")
            .and_then(|value| TlsConfig::read(value.table("[server.tls]")?));
        let public_url = table.take("public_url");
        let public_url = match public_url
            .as_ref()
            .and_then(|value| value.parsed(PublicUrl::parse))
        {
            Some(url) => {
                if let Some(value) = public_url.filter(|_| tls.is_some() && !url.is_secure()) {
                    value.warn(
                        "`public_url` begins with http://, but the gateway speaks TLS, so its cookies are not Secure",
                        "write https://",
                    );
                }
                url
            }
            None => match listen.addresses.first() {
                Some(first) => PublicUrl::of_address(tls.is_some(), *first),
                None => {
                    listen.warn_that_nobody_knows_the_public_url(table.report());
                    PublicUrl::new(tls.is_some(), "localhost".to_owned())
                }
            },
        };
        let (trusted_proxies, proxy_protocol) = TrustedProxies::read(&mut table);
        let server = Self {
            redirect_http: listen.read_redirect(&mut table, public_url.is_secure()),
            public_url,
            trusted_proxies,
            proxy_protocol,
            workers: table
                .take("workers")
                .and_then(|value| value.integer(0..=1024))
                .and_then(|number| NonZeroUsize::new(usize::try_from(number).ok()?))
                .or_else(|| std::thread::available_parallelism().ok())
                .unwrap_or(NonZeroUsize::MIN),
            shutdown_grace: table
                .take("shutdown_grace")
                .and_then(|value| value.duration())
                .unwrap_or(Self::SHUTDOWN_GRACE),
            tls,
            limits: LimitsConfig::read(table.table("limits", "[server.limits]")),
            state: table
                .take("state")
                .and_then(|value| value.path())
                .unwrap_or_else(|| folder.join(Self::STATE)),
            listen: listen.addresses,
            listen_unix: listen.sockets,
        };
        table.finish(&[]);
        server
    }
}

impl TlsConfig {
    fn read(mut table: Table<'_, '_>) -> Option<Self> {
        let cert = table.take("cert");
        let key = table.take("key");
        if cert.is_none() || key.is_none() {
            let problem = table
                .report()
                .problem(table.span(), "[server.tls] needs both `cert` and `key`");
            let hint = "name two PEM files, or leave [server.tls] out to speak plain HTTP";
            table.report().add(problem.hint(hint));
        }
        let versions = [("1.2", TlsVersion::V1_2), ("1.3", TlsVersion::V1_3)];
        let min_version = table.take("min_version").and_then(|value| value.word(&versions));
        table.finish(&["certificates", "client_ca", "acme"]);
        Some(Self {
            cert: cert?.path()?,
            key: key?.path()?,
            min_version: min_version.unwrap_or(TlsVersion::V1_2),
        })
    }
}
