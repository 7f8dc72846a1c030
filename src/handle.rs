//! The way of a request, from its head to its answer.

use std::{any::Any, pin::pin, rc::Rc, sync::Arc, time::Instant};

use http::{Method, Request, Response, Version, header};
use http_body::Body;

use crate::{
    authenticate::Authentication,
    authorize::{Asked, authorize},
    config::Access,
    forward::{Asserting, Forwarding, forward},
    gateway::Gateway,
    http::{
        client_addr::{Hop, Origin},
        fields, framing,
        incoming::Incoming,
        navigation,
        origin::OwnOrigin,
        request_id::RequestIds,
        target::Target,
        trace_context::{TraceContext, TraceIds},
    },
    portal::{
        self, OwnAddress, Visit,
        not_kept::{self, Wanted},
    },
    refusal::Refusal,
    respond,
    token::{Assertions, TokenCache},
    upstream::{Bound, Pool},
};

mod answer;
mod open;

use answer::Telling;
pub use answer::{Answer, Story};
use open::Upload;
pub use open::{Open, Watch};

/// One worker's part of the gateway: what is shared, and what is its own.
#[derive(Debug)]
pub struct Worker {
    /// Shared by all workers.
    pub gateway: Arc<Gateway>,
    /// What is open on this worker, and ends with what opened it.
    pub open: Rc<Open>,
    /// This worker's connections to upstreams.
    pub pool: Rc<Pool>,
    /// Tokens that this worker has verified.
    pub tokens: TokenCache,
    /// What apps were told of people.
    pub assertions: Assertions,
    /// Names this worker's requests.
    pub request_ids: RequestIds,
    /// Names the traces that begin here, and our part of all others.
    pub trace_ids: TraceIds,
}

/// The connection a request came on.
#[derive(Debug, Clone)]
pub struct Peer<'a, G> {
    /// Where it comes from.
    pub hop: &'a Hop,
    /// Held for as long as any part of the request lasts: its body, which may come after its answer, or the conversation
    /// that it opened.
    pub guard: G,
    /// What belongs to the connection; `None` where other people's requests may be on it as well.
    pub bound: Option<Rc<Bound>>,
}

/// Answers one request: [`pipeline`] decides, this times it, renders a refusal and sees that it is written down.
pub async fn handle<G: Clone + 'static>(
    worker: &Worker,
    peer: Peer<'_, G>,
    mut request: Request<Incoming>,
) -> Response<Answer> {
    let gateway = &worker.gateway;
    let origin = Origin::of(peer.hop, request.headers(), &gateway.server.trusted_proxies);
    let story = Story {
        time: gateway.clock.now(),
        started: Instant::now(),
        request_id: worker.request_ids.name(peer.hop, request.headers()),
        trace: TraceContext::of(request.headers_mut(), &worker.trace_ids),
        client: origin.client,
        method: request.method().clone(),
        uri: request.uri().clone(),
        host: fields::first(request.headers(), &header::HOST).cloned(),
        route: None,
        caller: None,
        upstream: None,
        upstream_time: None,
        refusal: None,
        watch: None,
    };
    let wants_page = navigation::wants_page(request.method(), request.headers());
    let mut telling = Telling::begin(&worker.open, story);
    let answered = pipeline(worker, &peer, &origin, request, &mut telling.story).await;
    let mut response = answered.unwrap_or_else(|refusal| {
        let story = &mut telling.story;
        story.refuse(&refusal);
        let return_to = story.uri.path_and_query().map_or("/", |target| target.as_str());
        let asked = respond::Asked {
            wants_page,
            return_to,
            request_id: story.request_id,
        };
        respond::refuse(&refusal, &asked).map(Answer::own)
    });
    match response.body_mut().take_tunnel() {
        None => telling.with(response),
        Some(tunnel) => {
            let status = response.status();
            tokio::task::spawn_local(async move {
                telling.through(status, tunnel).await;
                drop(peer.guard);
            });
            response
        }
    }
}

/// The story of a request, a line for each stage. Each stage may end it with a [`Refusal`]; their order is part of
/// the gateway's security, and a test holds it.
async fn pipeline<G: Clone + 'static>(
    worker: &Worker,
    peer: &Peer<'_, G>,
    origin: &Origin<'_>,
    request: Request<Incoming>,
    story: &mut Story,
) -> Result<Response<Answer>, Refusal> {
    let gateway = &worker.gateway;
    let now = story.time;
    let scheme = origin.scheme.unwrap_or(gateway.server.public_url.scheme());

    // What has two readings is refused before anybody reads anything into it.
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Refusal::NeverForwarded(request.method().clone()));
    }
    // (HTTP/1 is read by our own rules, which are no weaker.)
    if request.version() == Version::HTTP_2 && !framing::has_one_reading(request.headers()) {
        return Err(Refusal::Framing);
    }
    let target = Target::of(request.uri(), request.version(), request.headers())?;
    let authorizations = fields::all(request.headers(), &header::AUTHORIZATION).count();
    if authorizations > 1 {
        return Err(Refusal::SeveralAuthorizations);
    }

    // Our own addresses come before the routes, so that none can shadow them.
    if let Some(address) = OwnAddress::of(target.path) {
        // None of them holds a conversation, and over HTTP/2 a page would look like one.
        if matches!(request.body(), Incoming::WebSocket(_)) {
            return Err(Refusal::NeverForwarded(Method::CONNECT));
        }
        let visit = Visit {
            client: origin.client,
            scheme,
            request_id: story.request_id,
            authority: story.authority(),
            is_trusted_proxy: peer.hop.is_trusted(),
            now,
            tokens: &worker.tokens,
        };
        return Ok(portal::answer(gateway, address, request, visit)
            .await?
            .map(Answer::own));
    }

    // The route is known before the credentials are: it says whether they are looked at at all.
    let host = target.host.as_ref().map(super::http::target::Host::as_str);
    let route = gateway.routes.find(host, target.path, request.method())?;
    story.route = Some(Arc::clone(route));
    if !route.answers_overrides(request.headers()) {
        return Err(Refusal::MethodNotAllowed { allow: route.allow() });
    }
    let authentication = match route.access {
        Access::Public => Authentication::default(),
        Access::Optional | Access::Rule(_) => {
            let authenticator = &gateway.authenticator;
            authenticator
                .authenticate(route.credentials, request.headers(), now, &worker.tokens)
                .await?
        }
    };
    story.caller = authentication.caller.clone();

    // Only from here on is there a permit, and only a request that has one renews a session and is forwarded.
    let own = OwnOrigin {
        scheme,
        authority: story.authority(),
    };
    let asked = Asked {
        method: request.method(),
        headers: request.headers(),
        own,
        client: origin.client,
    };
    let permit = authorize(route, authentication, asked).map_err(|refusal| {
        let wanted = Wanted {
            method: request.method(),
            headers: request.headers(),
            credentials: route.credentials,
            client: origin.client,
            request_id: story.request_id,
            now,
        };
        not_kept::explained(gateway, refusal, wanted)
    })?;
    if let Some(caller) = permit.caller().filter(|_| route.renews_session) {
        caller.renew(now);
    }
    let has_body = !request.body().is_end_stream();
    let until_sent = has_body.then(|| Rc::new(peer.guard.clone()) as Rc<dyn Any>);
    let upload = Upload::of(&request, until_sent.as_ref());
    let forwarded = origin.forwarded();
    let context = Forwarding {
        client: origin.client,
        scheme: own.scheme,
        authority: own.authority,
        host_told: origin.host.as_ref(),
        forwarded_for: origin.forwarded_for(),
        forwarded: &forwarded,
        request_id: story.request_id,
        trace: story.trace,
        until_sent,
        asserting: Asserting {
            made: &worker.assertions,
            keys: &gateway.authenticator.keys,
            config: &gateway.authenticator.token,
            now,
        },
        own_headers: &gateway.own_headers,
        own_cookies: &gateway.own_cookies(),
        bound: peer.bound.as_ref().filter(|_| origin.is_known()),
        route_cookie: &gateway.route_cookie,
        cookies: &gateway.cookies,
    };
    let sent = Instant::now();
    let mut asked = None;
    // Whoever signs out meanwhile does not wait for an answer that is long in coming.
    let caller = story.caller.clone();
    let watch = caller.map(|caller| worker.open.watch(caller, upload));
    let answered = open::awaited(
        pin!(forward(&worker.pool, &permit, request, &context, &mut asked)),
        watch.as_ref(),
    )
    .await;
    story.watch = watch;
    story.upstream_time = asked.is_some().then(|| sent.elapsed());
    story.upstream = asked;
    Ok(answered?.map(Answer::upstream))
}
