//! `gateway.toml`, from text to a [`Config`] that cannot be wrong.
//!
//! [`source`] keeps the text and its line numbers, [`reader`] walks it and collects every
//! [`Problem`], one file under [`section`] per table turns what it finds into checked values, and
//! [`load()`] puts them together. Everyone else takes a section by reference and never parses again.

pub mod nearest;
pub mod problem;
pub mod reader;
pub mod section;
pub mod source;
pub mod units;

mod load;
mod secrets;

pub use load::{Loaded, load, load_in, load_str};
pub use problem::{Problem, Severity};
pub use section::{
    admin::{AdminAddress, AdminConfig},
    limits::LimitsConfig,
    log::{AccessLog, LogConfig, LogFormat},
    login::LoginConfig,
    proxies::TrustedProxies,
    redis::{RedisAddress, RedisConfig},
    route::{
        AcceptedCredentials, Access, Balance, CrossOrigin, HeaderTemplate, HealthConfig, HostHeader,
        HostPattern, PathPart, PathRewrite, ResponseHeader, Rewriting, RouteConfig, RouteTimeouts, RulePart,
        TargetConfig, Template, TemplatePart, UpstreamAuth, UpstreamLogin, UpstreamScheme, UpstreamTls,
        UpstreamUrl, UpstreamsConfig,
    },
    server::{PublicUrl, ServerConfig, TlsConfig, TlsVersion},
    session::{SessionConfig, SessionStoreConfig},
    token::{KeyPairAlgorithm, SecretAlgorithm, SigningConfig, TokenConfig},
    trust::{ClaimPath, SignatureAlgorithm, TrustConfig, TrustedKeys, address as trust_address},
    users::{Argon2Cost, UsersConfig},
};

/// The whole configuration, checked. Relative paths in it have been resolved against the file's folder.
#[derive(Debug)]
pub struct Config {
    /// `[server]`, with `[server.tls]` and `[server.limits]`.
    pub server: ServerConfig,
    /// `[session]`.
    pub session: SessionConfig,
    /// `[token]`.
    pub token: TokenConfig,
    /// `[users]`, with `[users.password]`.
    pub users: UsersConfig,
    /// `[login]`.
    pub login: LoginConfig,
    /// `[admin]`; without it there is no admin listener.
    pub admin: Option<AdminConfig>,
    /// `[log]`.
    pub log: LogConfig,
    /// Every `[[route]]`, in the order of the file; no two of them claim the same requests.
    pub routes: Vec<RouteConfig>,
}
