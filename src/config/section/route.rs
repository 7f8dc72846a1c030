//! `[[route]]`: which requests go where, and who may send them.

mod access;
mod parse;
mod read;
mod rewriting;
mod upstream;
mod upstream_auth;
mod upstreams;

pub use upstream::{UpstreamScheme, UpstreamTls, UpstreamUrl};

use std::time::Duration;

use http::{HeaderName, Method};
use ipnet::IpNet;

use super::trust::ClaimPath;

pub use rewriting::{HostHeader, PathPart, PathRewrite, ResponseHeader, Rewriting};
pub use upstream_auth::{UpstreamAuth, UpstreamLogin};
pub use upstreams::{Balance, HealthConfig, TargetConfig, UpstreamsConfig};

/// One `[[route]]`, checked.
#[derive(Debug, Clone)]
pub struct RouteConfig {
    /// Labels logs and metrics; unique.
    pub name: String,
    /// The hosts it answers; empty means every host.
    pub hosts: Vec<HostPattern>,
    /// The path prefix as decoded segments; `/` has none.
    pub path: Vec<Vec<u8>>,
    /// Which methods it answers; `None` means all.
    pub methods: Option<Vec<Method>>,
    /// Who may pass.
    pub access: Access,
    /// By which credentials.
    pub credentials: AcceptedCredentials,
    /// Where it goes.
    pub upstreams: UpstreamsConfig,
    /// How those are known to be the right ones that speak TLS.
    pub upstream_tls: UpstreamTls,
    /// What the app is shown for its own login.
    pub login: UpstreamLogin,
    /// Whether a request renews its session: not where pages ask by themselves.
    pub renews_session: bool,
    /// Whether answers say when the session ends, in `X-Session-Expires-At`.
    pub session_expires_at: bool,
    /// How long each stage may take.
    pub timeout: RouteTimeouts,
    /// Headers set on the way up.
    pub headers: Vec<HeaderTemplate>,
    /// Whether the route's own path is cut off on the way up.
    pub strip_prefix: bool,
    /// What else is changed on the way.
    pub rewriting: Rewriting,
    /// What becomes of writes that pages of other origins make with a session's cookie.
    pub cross_origin: CrossOrigin,
    /// A request's body, in bytes; `None` means the limit of `[server.limits]`.
    pub max_body: Option<u64>,
    /// The line of `gateway.toml` it begins on, counted from 1.
    pub line: usize,
}

/// A host a route answers, in lower case and without a trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// `wiki.example.com`, or an IP address in the form of an authority (`[::1]`).
    Exact(String),
    /// `*.example.com`, kept as `.example.com`: any number of labels before it, at least one.
    Wildcard(String),
}

/// Who may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Anybody; nobody is looked at.
    Public,
    /// Anybody; a known identity goes up.
    Optional,
    /// Whoever is signed in and meets every part of the rule; an empty rule is "authenticated".
    Rule(Vec<RulePart>),
}

/// One condition of a rule. All of a rule's conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RulePart {
    /// Has at least one of these roles.
    Roles(Vec<String>),
    /// Is one of these users.
    Users(Vec<String>),
    /// Shows a token that is for at least one of these, or a credential that is for everything.
    Scopes(Vec<String>),
    /// Comes from one of these networks.
    Networks(Vec<IpNet>),
    /// Shows a token in which each of these claims has one of these values.
    Claims(Vec<(ClaimPath, Vec<String>)>),
}

/// The credentials that a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptedCredentials {
    /// The session cookie.
    pub session: bool,
    /// A bearer token.
    pub bearer: bool,
}

impl Default for AcceptedCredentials {
    fn default() -> Self {
        Self {
            session: true,
            bearer: true,
        }
    }
}

/// How long each stage of forwarding may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteTimeouts {
    /// Name look-up and TCP handshake.
    pub connect: Duration,
    /// From the request's head sent to the answer's head received.
    pub response: Duration,
    /// Between two pieces of a body or of an upgraded connection; `None` means no limit.
    pub idle: Option<Duration>,
}

/// What becomes of a request that a page of another origin made a browser send with its session's cookie, and that
/// would change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CrossOrigin {
    /// It is refused, so that an app without tokens of its own against forged requests is safe.
    #[default]
    Block,
    /// It passes: the app sees to that itself.
    Allow,
}

/// A header set on the way up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderTemplate {
    /// Its name; every spelling of it is taken out of the request first.
    pub name: HeaderName,
    /// Its value.
    pub value: Template,
}

/// A header value with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(pub Vec<TemplatePart>);

/// A piece of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplatePart {
    /// Text as it stands.
    Literal(String),
    /// `{username}`.
    Username,
    /// `{email}`.
    Email,
    /// `{name}`.
    Name,
    /// `{roles}`, comma-separated.
    Roles,
    /// `{session}`: the session's public handle; empty for a token.
    Session,
    /// `{claim:x}`: what a trusted issuer's token says; empty where it says nothing, and for our own.
    Claim(ClaimPath),
}
