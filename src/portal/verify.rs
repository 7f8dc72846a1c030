//! `/.auth/verify`: whether a request may pass that another proxy has received and will forward itself (nginx's
//! `auth_request`, Traefik's ForwardAuth, Caddy's `forward_auth`).
//!
//! The request that is asked about takes the same way as one that comes here itself, through the same functions: its
//! target is read, its route found, its credentials checked, its rule held to. Only then there is nothing to forward.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version};

use super::{
    OwnAddress, Visit,
    not_kept::{self, Wanted},
};
use crate::{
    authenticate::Authentication,
    authorize::{Asked, Permit, authorize},
    config::Access,
    gateway::Gateway,
    http::{
        fields,
        incoming::Incoming,
        navigation,
        origin::OwnOrigin,
        target::{Host, Target},
    },
    refusal::Refusal,
    respond,
};

const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const X_ORIGINAL_URL: HeaderName = HeaderName::from_static("x-original-url");

/// The request that another proxy asks about.
struct Question {
    method: Method,
    uri: Uri,
    /// As a client of that proxy sends them, with the host that it asked for.
    headers: HeaderMap,
    scheme: &'static str,
}

/// Says 204 with the identity's headers, where the request may pass.
///
/// # Errors
/// [`Refusal::Verdict`], where it may not, and where whoever asks is no trusted proxy or does not say about what.
pub(super) async fn verify(
    gateway: &Gateway,
    request: Request<Incoming>,
    visit: Visit<'_>,
) -> Result<Response<String>, Refusal> {
    let verdict = |why, return_to: &str, redirects| Refusal::Verdict {
        why: Box::new(why),
        return_to: return_to.to_owned(),
        redirects,
    };
    if !visit.is_trusted_proxy {
        return Err(verdict(Refusal::NotAskedByProxy, "/", false));
    }
    let (parts, _) = request.into_parts();
    let question = Question::of(parts.headers, visit).map_err(|why| verdict(why, "/", false))?;
    let permit = decide(gateway, &question, visit).await.map_err(|why| {
        let return_to = question
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        // nginx takes this for a failure; Traefik and Caddy hand it to the browser.
        let redirects = parts.uri.query() == Some("redirect")
            && navigation::wants_page(&question.method, &question.headers);
        verdict(why, return_to, redirects)
    })?;
    let mut response = respond::no_content();
    if let Some(caller) = permit.caller() {
        if permit.route().renews_session {
            caller.renew(visit.now);
        }
        if permit.route().session_expires_at {
            respond::tell_session_end(response.headers_mut(), caller.session_expires_at());
        }
        for (name, value) in caller.identity().headers() {
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                response.headers_mut().insert(*name, value);
            }
        }
    }
    Ok(response)
}

/// What the pipeline does, up to where it would forward.
async fn decide(gateway: &Gateway, question: &Question, visit: Visit<'_>) -> Result<Permit, Refusal> {
    let Question {
        method,
        uri,
        headers,
        scheme,
    } = question;
    if matches!(*method, Method::CONNECT | Method::TRACE) {
        return Err(Refusal::NeverForwarded(method.clone()));
    }
    let target = Target::of(uri, Version::HTTP_11, headers)?;
    if fields::all(headers, &http::header::AUTHORIZATION).count() > 1 {
        return Err(Refusal::SeveralAuthorizations);
    }
    if OwnAddress::of(target.path).is_some() {
        return Err(Refusal::NoOwnAddress);
    }
    let host = target.host.as_ref().map(Host::as_str);
    let route = gateway.routes.find(host, target.path, method)?;
    if !route.answers_overrides(headers) {
        return Err(Refusal::MethodNotAllowed { allow: route.allow() });
    }
    let authentication = match route.access {
        Access::Public => Authentication::default(),
        Access::Optional | Access::Rule(_) => {
            let authenticator = &gateway.authenticator;
            authenticator
                .authenticate(route.credentials, headers, visit.now, visit.tokens)
                .await?
        }
    };
    let own = OwnOrigin {
        scheme,
        authority: target.authority,
    };
    let asked = Asked {
        method,
        headers,
        own,
        client: visit.client,
    };
    authorize(route, authentication, asked).map_err(|refusal| {
        let wanted = Wanted {
            method,
            headers,
            credentials: route.credentials,
            client: visit.client,
            request_id: visit.request_id,
            now: visit.now,
        };
        not_kept::explained(gateway, refusal, wanted)
    })
}

impl Question {
    /// Reads what a proxy says of the request. A proxy that writes one of two headers for the same thing lets the
    /// client's other one pass: where both are there, they must agree.
    fn of(mut headers: HeaderMap, visit: Visit<'_>) -> Result<Self, Refusal> {
        let original: Option<Uri> = match only(&headers, &X_ORIGINAL_URL)? {
            None => None,
            Some(url) => Some(
                url.parse()
                    .map_err(|_| Refusal::UnclearQuestion("X-Original-URL is no URL"))?,
            ),
        };
        let path = original.as_ref().and_then(|url| url.path_and_query().cloned());
        let path = path.map(|path| path.as_str().to_owned());
        let path = agreed(only(&headers, &X_FORWARDED_URI)?.map(str::to_owned), path)?.ok_or(
            Refusal::UnclearQuestion("neither X-Forwarded-Uri nor X-Original-URL says which address"),
        )?;
        let method = agreed(
            only(&headers, &X_FORWARDED_METHOD)?,
            only(&headers, &X_ORIGINAL_METHOD)?,
        )?
        .ok_or(Refusal::UnclearQuestion(
            "X-Forwarded-Method does not say which method",
        ))?;
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| Refusal::UnclearQuestion("X-Forwarded-Method is no method"))?;
        let authority = original
            .as_ref()
            .and_then(|url| Some(url.authority()?.as_str().to_owned()));
        let host = agreed(only(&headers, &X_FORWARDED_HOST)?.map(str::to_owned), authority)?
            .or_else(|| visit.authority.map(str::to_owned))
            .ok_or(Refusal::UnclearQuestion(
                "X-Forwarded-Host does not say which host",
            ))?;
        let scheme = original.as_ref().and_then(Uri::scheme_str).map(str::to_owned);
        let scheme = agreed(only(&headers, &X_FORWARDED_PROTO)?.map(str::to_owned), scheme)?;
        let scheme = match scheme.as_deref() {
            None => visit.scheme,
            Some("https" | "wss") => "https",
            Some("http" | "ws") => "http",
            Some(_) => {
                return Err(Refusal::UnclearQuestion(
                    "X-Forwarded-Proto is neither http nor https",
                ));
            }
        };
        let host = HeaderValue::try_from(host)
            .map_err(|_| Refusal::UnclearQuestion("X-Forwarded-Host is no host"))?;
        headers.insert(http::header::HOST, host);
        Ok(Self {
            method,
            uri: path
                .parse()
                .map_err(|_| Refusal::UnclearQuestion("X-Forwarded-Uri is no path"))?,
            headers,
            scheme,
        })
    }
}

/// The value of a header that is there once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Refusal> {
    let mut values = fields::all(headers, name);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            let text = value.to_str();
            text.map(Some)
                .map_err(|_| Refusal::UnclearQuestion("a header about the request is not of ASCII"))
        }
        (Some(_), Some(_)) => Err(Refusal::UnclearQuestion(
            "a header about the request is there twice",
        )),
    }
}

/// What both say, or the one that says something.
fn agreed<T: PartialEq>(one: Option<T>, other: Option<T>) -> Result<Option<T>, Refusal> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Err(Refusal::UnclearQuestion(
            "two headers about the request do not agree",
        )),
        (Some(one), _) => Ok(Some(one)),
        (None, other) => Ok(other),
    }
}
