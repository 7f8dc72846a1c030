//! Why a request goes no further. Plain data: `respond` alone knows what the client sees of it.

use std::{io, time::Duration};

use http::Method;

use crate::{
    http::target::TargetError, identity::Credential, session::sign_in_mark::NotKept, store::StoreError,
    token::TokenError, upstream::Broken,
};

/// Every way in which a request ends without an upstream's answer.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The target has more than one reading, or none.
    #[error("{0}")]
    Target(#[from] TargetError),
    /// Where the body ends is anybody's guess.
    #[error("the request's Content-Length or Transfer-Encoding has more than one reading")]
    Framing,
    /// Which of two `Authorization` headers counts is anybody's guess.
    #[error("the request has more than one Authorization header")]
    SeveralAuthorizations,
    /// CONNECT would open a tunnel past every rule, TRACE would show our own headers.
    #[error("the method {0} is never forwarded")]
    NeverForwarded(Method),
    /// No route answers this host and path.
    #[error("no route answers this address")]
    NoRoute,
    /// A route answers this address, but not this method.
    #[error("the method is not allowed here")]
    MethodNotAllowed {
        /// The methods that are, as `Allow` lists them (RFC 9110, section 10.2.1).
        allow: String,
    },
    /// Nobody is signed in.
    #[error("not signed in")]
    NotSignedIn {
        /// Set when a bearer token was shown that is not valid.
        bad_token: Option<TokenError>,
    },
    /// Nobody is, though somebody at this browser has signed in a moment ago.
    #[error("signed in a moment ago, and not signed in: {}", .0.word())]
    NotKept(NotKept),
    /// Somebody is, but may not pass.
    #[error("not allowed: {why}")]
    NotAllowed {
        /// The condition that does not hold.
        why: Unmet,
        /// What the person signed in with.
        credential: Credential,
        /// Who it is, for the page that says so.
        username: String,
    },
    /// The body is larger than the route takes.
    #[error("the request's body is larger than the limit")]
    BodyTooLarge,
    /// The client did not send its body to the end.
    #[error("the request's body broke off")]
    BodyBrokeOff,
    /// No connection to the upstream could be made.
    #[error("the upstream cannot be reached")]
    UpstreamUnreachable(#[source] io::Error),
    /// The upstream closed the connection or did not speak HTTP.
    #[error("the upstream's answer is not usable")]
    UpstreamFailed(#[source] Broken),
    /// The upstream changed the protocol without having been asked to (RFC 9110, section 15.2.2).
    #[error("the upstream changed the protocol unasked")]
    UnaskedUpgrade,
    /// The upstream did not agree to the WebSocket that a client of HTTP/2 asked for (RFC 8441), where it looks as if.
    #[error("the upstream speaks no WebSocket here")]
    NoWebSocket,
    /// The upstream took too long.
    #[error("the upstream took too long to {0}")]
    UpstreamTimeout(UpstreamStage),
    /// Every upstream of the route says that it is not well.
    #[error("every upstream is down")]
    UpstreamsDown {
        /// When that may have changed.
        retry_after: Duration,
    },
    /// An own address that does not exist.
    #[error("the gateway has no such address")]
    NoOwnAddress,
    /// A page of another origin sent it: a write to an own address, or to an app in somebody's name.
    #[error("the request comes from another site")]
    CrossOrigin,
    /// The admin listener's token was not shown, or another.
    #[error("the admin token is missing or not the right one")]
    NotAdmin,
    /// A page at a name that somebody else has pointed here makes a browser ask the admin listener.
    #[error("the admin listener is not known by this name; ask for localhost")]
    NotThisMachine,
    /// The admin listener has no such thing.
    #[error("there is no such thing here")]
    NoAdminAddress,
    /// A form or JSON document that cannot be read.
    #[error("{0}")]
    BadForm(&'static str),
    /// A form of another media type than the address takes.
    #[error("the body must be {0}")]
    UnsupportedMediaType(&'static str),
    /// The body of a form did not come in time.
    #[error("the request's body did not arrive in time")]
    BodyTimeout,
    /// Somebody asks what another proxy may ask, and is none that is trusted.
    #[error("this address answers the proxies of `trusted_proxies` alone")]
    NotAskedByProxy,
    /// A proxy asks about a request, and does not say about which.
    #[error("{0}")]
    UnclearQuestion(&'static str),
    /// What a proxy is told of a request that may not pass.
    #[error("{why}")]
    Verdict {
        /// Why it may not.
        why: Box<Refusal>,
        /// Path and query of that request.
        return_to: String,
        /// Whether the proxy hands a redirect to the login page on to a person who waits for a page.
        redirects: bool,
    },
    /// Where sessions are kept cannot be asked.
    #[error("the session store cannot be asked")]
    StoreDown(#[source] StoreError),
    /// What was asked for is done, but a restart would undo it.
    #[error("it could not be written down")]
    Unremembered(#[source] StoreError),
    /// A credential was shown, and what it is worth cannot be found out.
    #[error("it cannot be found out who it is")]
    Unchecked(#[from] StoreError),
    /// The gateway itself failed; the log says how.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

/// The part of a rule that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unmet {
    /// None of the roles.
    #[error("none of the required roles")]
    Roles,
    /// None of the users.
    #[error("not one of the listed users")]
    Users,
    /// None of the scopes.
    #[error("a token for none of the required scopes")]
    Scopes,
    /// None of the networks.
    #[error("from none of the listed networks")]
    Networks,
    /// One of the claims.
    #[error("without one of the required claims")]
    Claims,
}

/// The stage in which an upstream was too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamStage {
    /// Accepting a connection.
    #[error("accept a connection")]
    Connect,
    /// Beginning its answer.
    #[error("answer")]
    Response,
}

impl Refusal {
    /// The word for it in logs and metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Target(_) => "bad_target",
            Self::Framing => "bad_framing",
            Self::SeveralAuthorizations => "several_authorizations",
            Self::NeverForwarded(_) => "method_never_forwarded",
            Self::NoRoute => "no_route",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::NotSignedIn { bad_token: None } => "not_signed_in",
            Self::NotSignedIn { bad_token: Some(_) } => "invalid_token",
            Self::NotKept(_) => "sign_in_not_kept",
            Self::NotAllowed { .. } => "not_allowed",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyBrokeOff => "body_broke_off",
            Self::UpstreamUnreachable(_) => "upstream_unreachable",
            Self::UpstreamFailed(_) => "upstream_failed",
            Self::UnaskedUpgrade => "unasked_upgrade",
            Self::NoWebSocket => "no_websocket",
            Self::UpstreamTimeout(_) => "upstream_timeout",
            Self::UpstreamsDown { .. } => "upstreams_down",
            Self::NoOwnAddress => "no_own_address",
            Self::CrossOrigin => "cross_origin",
            Self::NotAdmin => "not_admin",
            Self::NotThisMachine => "not_this_machine",
            Self::NoAdminAddress => "no_admin_address",
            Self::BadForm(_) => "bad_form",
            Self::UnsupportedMediaType(_) => "unsupported_media_type",
            Self::BodyTimeout => "body_timeout",
            Self::NotAskedByProxy => "not_asked_by_proxy",
            Self::UnclearQuestion(_) => "unclear_question",
            Self::Verdict { why, .. } => why.label(),
            Self::StoreDown(_) => "store_down",
            Self::Unremembered(_) => "unremembered",
            Self::Unchecked(_) => "unchecked",
            Self::Internal(_) => "internal",
        }
    }
}
