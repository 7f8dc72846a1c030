//! Routes: which requests go where, and who may send them.

use std::time::Duration;

use http::{HeaderMap, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::{
    config::{
        AcceptedCredentials, Access, CrossOrigin, HeaderTemplate, LimitsConfig, Rewriting, RouteConfig,
        RouteTimeouts, UpstreamLogin,
    },
    http::hygiene,
    upstream::{Targets, UpstreamSet, tls::UpstreamTlsError},
};

pub mod table;

pub use table::RouteTable;

/// One route, ready for use.
#[derive(Debug)]
pub struct Route {
    /// Labels logs and metrics.
    pub name: Box<str>,
    /// Who may pass.
    pub access: Access,
    /// By which credentials.
    pub credentials: AcceptedCredentials,
    /// Where it goes.
    pub upstreams: UpstreamSet,
    /// What the app is shown for its own login.
    pub login: UpstreamLogin,
    /// Whether a request renews its session.
    pub renews_session: bool,
    /// Whether answers say when the session ends, in `X-Session-Expires-At`.
    pub session_expires_at: bool,
    /// How long each stage may take.
    pub timeout: RouteTimeouts,
    /// Headers set on the way up.
    pub headers: Vec<HeaderTemplate>,
    /// Leading path segments that are cut off on the way up.
    pub strip_segments: usize,
    /// The route's own path as it is written, without a slash at its end; empty for `/`.
    pub prefix: Box<str>,
    /// What else is changed on the way.
    pub rewriting: Rewriting,
    /// What becomes of writes that pages of other origins make with a session's cookie.
    pub cross_origin: CrossOrigin,
    /// The largest request body, in bytes.
    pub max_body: u64,
    /// The methods it answers; `None` means all.
    methods: Option<Vec<Method>>,
}

/// Why there can be no such route.
#[derive(Debug, thiserror::Error)]
#[error("the upstream of the route \"{route}\" cannot be used")]
pub struct RouteError {
    /// The route's name.
    pub route: String,
    /// Why not.
    #[source]
    pub source: Box<UpstreamTlsError>,
}

impl Route {
    /// From its section of the configuration. It leads to some of `targets`.
    ///
    /// # Errors
    /// TLS cannot be spoken with one of its upstreams.
    pub fn new(
        config: &RouteConfig,
        limits: &LimitsConfig,
        targets: &mut Targets,
    ) -> Result<Self, RouteError> {
        let upstreams = targets
            .set(&config.upstreams, &config.upstream_tls)
            .map_err(|source| RouteError {
                route: config.name.clone(),
                source: Box::new(source),
            })?;
        Ok(Self {
            name: config.name.as_str().into(),
            access: config.access.clone(),
            credentials: config.credentials,
            upstreams,
            login: config.login.clone(),
            renews_session: config.renews_session,
            session_expires_at: config.session_expires_at,
            timeout: config.timeout,
            headers: config.headers.clone(),
            strip_segments: if config.strip_prefix { config.path.len() } else { 0 },
            prefix: prefix(&config.path).into(),
            rewriting: config.rewriting.clone(),
            cross_origin: config.cross_origin,
            max_body: config.max_body.unwrap_or(limits.max_body),
            methods: config.methods.clone(),
        })
    }

    /// Whether it answers this method.
    pub fn answers(&self, method: &Method) -> bool {
        self.methods
            .as_ref()
            .is_none_or(|methods| methods.contains(method))
    }

    /// Whether it answers the methods that headers name in place of the request's own. Apps that heed such a
    /// header would do what the route's `methods` keep out.
    pub fn answers_overrides(&self, headers: &HeaderMap) -> bool {
        self.methods.as_ref().is_none_or(|methods| {
            let listed = |named: &[u8]| {
                methods
                    .iter()
                    .any(|method| named.eq_ignore_ascii_case(method.as_str().as_bytes()))
            };
            hygiene::method_overrides(headers).all(listed)
        })
    }

    /// The methods it answers, as `Allow` lists them (RFC 9110, section 10.2.1); none where it answers all.
    pub fn allow(&self) -> String {
        let methods: Vec<&str> = self.methods.iter().flatten().map(Method::as_str).collect();
        methods.join(", ")
    }

    /// The limit between two pieces of a body, if there is one.
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.timeout.idle
    }
}

/// What of a path's segment is written as a percent code.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'@')
    .remove(b':')
    .remove(b'+')
    .remove(b',')
    .remove(b'=');

/// Decoded segments as a path.
fn prefix(segments: &[Vec<u8>]) -> String {
    segments
        .iter()
        .map(|segment| format!("/{}", percent_encode(segment, SEGMENT)))
        .collect()
}
