//! The gateway's own addresses, under `/.auth/` of every host it serves and one that others look for elsewhere: never
//! forwarded, never shadowed by a route.

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};

use crate::{
    address::ClientAddr,
    clock::Timestamp,
    gateway::Gateway,
    http::incoming::Incoming,
    http::{request_id::RequestId, target::NormalPath},
    refusal::Refusal,
    respond,
    token::TokenCache,
};

mod account;
pub mod form;
mod idle;
mod introspect;
mod login;
mod logout;
mod me;
pub mod not_kept;
mod oauth;
mod return_to;
mod revoke;
mod same_origin;
mod sessions;
mod verify;
mod well_known;

pub use logout::end_everything;

/// One of our own addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnAddress {
    /// `/.auth/login`: the sign-in page and its form.
    Login,
    /// `/.auth/logout`: the end of a session.
    Logout,
    /// `/.auth/token`: tokens for programs.
    Token,
    /// `/.auth/revoke`: the end of a token.
    Revoke,
    /// `/.auth/introspect`: what a token stands for.
    Introspect,
    /// `/.auth/account`: somebody's own page.
    Account,
    /// `/.auth/sessions`: where somebody is signed in.
    Sessions,
    /// `/.auth/sessions/{id}`: one of those.
    Session,
    /// `/.auth/me`: who am I.
    Me,
    /// `/.auth/idle.js`: the script by which an app's page warns before its session ends.
    Idle,
    /// `/.auth/jwks.json`: our public keys.
    Jwks,
    /// `/.well-known/openid-configuration`: where the keys and the rest are.
    Metadata,
    /// `/.auth/verify`: whether a request that another proxy has may pass.
    Verify,
    /// `/.auth/health`: 200 while we serve.
    Health,
    /// Anything else below `/.auth`.
    Unknown,
}

/// What the portal needs to know of a request beside the request itself.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// The client's address.
    pub client: ClientAddr,
    /// The request's name.
    pub request_id: RequestId,
    /// `https` or `http`: how the browser reached us, or the proxy in front of us.
    pub scheme: &'static str,
    /// `host[:port]` as the client wrote it.
    pub authority: Option<&'a str>,
    /// Whether the peer is a proxy that is believed.
    pub is_trusted_proxy: bool,
    /// When the request came.
    pub now: Timestamp,
    /// The worker's verified tokens.
    pub tokens: &'a TokenCache,
}

impl OwnAddress {
    /// The own address of a path; `None` when it is an app's.
    pub fn of(path: NormalPath<'_>) -> Option<Self> {
        let mut segments = path.segments();
        match segments.next()?.as_ref() {
            b".auth" => {}
            b".well-known" => {
                let is_ours = segments.next().as_deref() == Some(b"openid-configuration");
                return (is_ours && segments.next().is_none()).then_some(Self::Metadata);
            }
            _ => return None,
        }
        let (first, second) = (segments.next(), segments.next());
        if first.as_deref() == Some(b"sessions") && second.is_some() && segments.next().is_none() {
            return Some(Self::Session);
        }
        let address = match (first.as_deref(), second) {
            (Some(b"login"), None) => Self::Login,
            (Some(b"logout"), None) => Self::Logout,
            (Some(b"token"), None) => Self::Token,
            (Some(b"revoke"), None) => Self::Revoke,
            (Some(b"introspect"), None) => Self::Introspect,
            (Some(b"account"), None) => Self::Account,
            (Some(b"sessions"), None) => Self::Sessions,
            (Some(b"me"), None) => Self::Me,
            (Some(b"idle.js"), None) => Self::Idle,
            (Some(b"jwks.json"), None) => Self::Jwks,
            (Some(b"verify"), None) => Self::Verify,
            (Some(b"health"), None) => Self::Health,
            _ => Self::Unknown,
        };
        Some(address)
    }

    /// The methods an address answers, as `Allow` lists them.
    fn methods(self) -> &'static str {
        match self {
            Self::Login | Self::Logout | Self::Account => "GET, HEAD, POST",
            Self::Token | Self::Revoke | Self::Introspect => "POST",
            // Some proxies ask with the method of the request that they ask about.
            Self::Verify => "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
            Self::Session => "DELETE",
            Self::Me | Self::Sessions | Self::Idle | Self::Jwks | Self::Metadata | Self::Health => {
                "GET, HEAD"
            }
            Self::Unknown => "",
        }
    }
}

/// Answers a request to one of our own addresses.
///
/// # Errors
/// Every way in which it is not answered as asked.
pub async fn answer(
    gateway: &Gateway,
    address: OwnAddress,
    request: Request<Incoming>,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match address {
        OwnAddress::Unknown => Err(Refusal::NoOwnAddress),
        OwnAddress::Login if reads => login::page(gateway, &request, visit),
        OwnAddress::Login if request.method() == Method::POST => {
            login::sign_in(gateway, request, visit).await
        }
        OwnAddress::Logout if reads => logout::page(gateway, &request, visit).await,
        OwnAddress::Logout if request.method() == Method::POST => {
            logout::sign_out(gateway, request, visit).await
        }
        OwnAddress::Token if request.method() == Method::POST => oauth::token(gateway, request, visit).await,
        OwnAddress::Revoke if request.method() == Method::POST => {
            revoke::revoke(gateway, request, visit).await
        }
        OwnAddress::Introspect if request.method() == Method::POST => {
            introspect::introspect(gateway, request, visit).await
        }
        OwnAddress::Account if reads => account::page(gateway, &request, visit).await,
        OwnAddress::Account if request.method() == Method::POST => {
            account::change(gateway, request, visit).await
        }
        OwnAddress::Sessions if reads => sessions::list(gateway, request.headers(), visit).await,
        OwnAddress::Session if request.method() == Method::DELETE => {
            sessions::delete(gateway, request.headers(), request.uri().path(), visit).await
        }
        OwnAddress::Me if reads => me::me(gateway, &request, visit).await,
        OwnAddress::Idle if reads => Ok(idle::script()),
        OwnAddress::Jwks if reads => Ok(well_known::jwks(gateway, visit.now)),
        OwnAddress::Verify => verify::verify(gateway, request, visit).await,
        OwnAddress::Metadata if reads => Ok(well_known::metadata(gateway)),
        OwnAddress::Health if reads => Ok(health()),
        _ => Err(Refusal::MethodNotAllowed {
            allow: address.methods().to_owned(),
        }),
    }
}

fn health() -> Response<String> {
    respond::json(StatusCode::OK, &serde_json::json!({ "status": "ok" }))
}

/// Adds a cookie to an answer.
fn set_cookie(headers: &mut HeaderMap, cookie: Option<HeaderValue>) -> Result<(), Refusal> {
    headers.append(
        header::SET_COOKIE,
        cookie.ok_or(Refusal::Internal("a cookie that is no header value"))?,
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_are_recognised_in_every_spelling_that_reaches_matching() {
        for (path, address) in [
            ("/.auth/login", Some(OwnAddress::Login)),
            ("/%2eauth/login", Some(OwnAddress::Login)),
            ("//.auth//login/", Some(OwnAddress::Login)),
            ("/.auth;x/login;y", Some(OwnAddress::Login)),
            ("/.auth/login/x", Some(OwnAddress::Unknown)),
            ("/.auth", Some(OwnAddress::Unknown)),
            ("/.auth/", Some(OwnAddress::Unknown)),
            ("/.authx/login", None),
            ("/.AUTH/login", None),
            ("/.well-known/openid-configuration", Some(OwnAddress::Metadata)),
            ("/.well-known/openid-configuration/x", None),
            ("/.well-known/acme-challenge/x", None),
            ("/x/.well-known/openid-configuration", None),
            ("/x/.auth/login", None),
            ("/", None),
        ] {
            assert_eq!(
                OwnAddress::of(NormalPath::parse(path).unwrap()),
                address,
                "{path}"
            );
        }
    }
}
