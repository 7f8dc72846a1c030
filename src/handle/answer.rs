//! What goes out, and what is written down about it once it has.

use std::{
    cell::Cell,
    future::{pending, poll_fn},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, Uri, uri::Authority};
use http_body::{Body, Frame, SizeHint};

use super::open::{Open, Watch};
use crate::{
    address::ClientAddr,
    authenticate::Caller,
    clock::Timestamp,
    forward::{Notes, Returning, ReturningError, Tunnel},
    http::{request_id::RequestId, trace_context::TraceContext},
    observe::access::{AccessRecord, millis},
    refusal::Refusal,
    route::Route,
};

/// The status in the log of a request whose client was gone before there was an answer: nginx's number for it, which
/// never travels.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The log's word for it.
const CLIENT_GONE: &str = "client_gone";

/// The log's word for what was cut off since its session or token had ended.
const CREDENTIAL_ENDED: &str = "credential_ended";

/// What is known about a request, gathered as it goes.
#[derive(Debug)]
pub struct Story {
    /// When it came.
    pub time: Timestamp,
    /// The same, to measure by.
    pub started: Instant,
    /// Its name.
    pub request_id: RequestId,
    /// The trace that it belongs to.
    pub trace: TraceContext,
    /// Who sent it.
    pub client: ClientAddr,
    /// Its method.
    pub method: Method,
    /// Its target.
    pub uri: Uri,
    /// Its `Host` header.
    pub host: Option<HeaderValue>,
    /// Its route, once it is known.
    pub route: Option<Arc<Route>>,
    /// Who is signed in, once it is known.
    pub caller: Option<Rc<Caller>>,
    /// Which of the route's upstreams was asked last, once one was.
    pub upstream: Option<usize>,
    /// How long the upstream took, once it has answered.
    pub upstream_time: Option<Duration>,
    /// Why it was refused, if it was.
    pub refusal: Option<&'static str>,
    /// Its place among what ends with the caller's credential, while it goes on.
    pub watch: Option<Watch>,
}

impl Story {
    /// `host[:port]` as the client wrote it; only an HTTP/1.0 request has none.
    pub fn authority(&self) -> Option<&str> {
        let named = || self.host.as_ref().and_then(|host| host.to_str().ok());
        self.uri.authority().map(Authority::as_str).or_else(named)
    }

    /// Notes a refusal. What the client is not told goes to the log here.
    pub(super) fn refuse(&mut self, refusal: &Refusal) {
        self.refusal = Some(refusal.label());
        let request_id = self.request_id.as_str();
        let source = std::error::Error::source(refusal).map(ToString::to_string);
        match refusal {
            Refusal::UpstreamUnreachable(_)
            | Refusal::UpstreamFailed(_)
            | Refusal::UnaskedUpgrade
            | Refusal::NoWebSocket
            | Refusal::UpstreamTimeout(_)
            | Refusal::UpstreamsDown { .. }
            | Refusal::Internal(_) => {
                let upstream = self.upstream_url();
                tracing::warn!(request_id, upstream, source, "{refusal}");
            }
            Refusal::Verdict { why, .. } => match &**why {
                // A proxy that is not set up as it should be lets nobody in, and somebody will wonder why.
                Refusal::UnclearQuestion(_) => tracing::warn!(request_id, client = %self.client, "{refusal}"),
                Refusal::NotSignedIn {
                    bad_token: Some(reason),
                } => tracing::info!(request_id, client = %self.client, %reason, "a token was refused"),
                _ => tracing::debug!(request_id, client = %self.client, "{refusal}"),
            },
            Refusal::NotSignedIn {
                bad_token: Some(reason),
            } => {
                tracing::info!(request_id, client = %self.client, %reason, "a token was refused");
            }
            _ => tracing::debug!(request_id, client = %self.client, "{refusal}"),
        }
    }

    fn upstream_url(&self) -> Option<String> {
        let route = self.route.as_ref()?;
        Some(route.upstreams.target(self.upstream?)?.url().to_string())
    }

    fn record(&self, status: u16, bytes: u64) -> AccessRecord {
        let host = self.uri.authority().map(|host| host.as_str().to_owned());
        let named = self
            .host
            .as_ref()
            .map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
        AccessRecord {
            time: self.time,
            request_id: self.request_id.to_string(),
            trace_id: self.trace.trace_id().to_owned(),
            client: self.client,
            method: self.method.to_string(),
            host: host.or(named).unwrap_or_default(),
            path: self.uri.path().to_owned(),
            status,
            upstream: self.upstream_url(),
            route: self.route.as_ref().map(|route| route.name.to_string()),
            credential: self
                .caller
                .as_ref()
                .map_or("none", |caller| caller.credential().label()),
            user: self
                .caller
                .as_ref()
                .map(|caller| caller.identity().username.to_string()),
            refusal: self.refusal,
            bytes,
            ms: millis(self.started.elapsed()),
            upstream_ms: self.upstream_time.map(millis),
        }
    }
}

/// The body of an answer: our own words, or an upstream's stream.
#[derive(Debug)]
pub struct Answer {
    body: Content,
    telling: Option<Box<Telling>>,
}

#[derive(Debug)]
enum Content {
    Own(Option<Bytes>),
    Upstream(Returning),
}

/// A request's story, which is written down when it ends, however it ends: with the answer's last byte, with a
/// connection that breaks off, or with a client that did not wait.
#[derive(Debug)]
pub(super) struct Telling {
    open: Rc<Open>,
    pub(super) story: Story,
    /// `None` until there is an answer.
    status: Option<StatusCode>,
    bytes: Cell<u64>,
}

impl Telling {
    /// In a box, since it is handed on until its answer has gone out.
    pub(super) fn begin(open: &Rc<Open>, story: Story) -> Box<Self> {
        Box::new(Self {
            open: Rc::clone(open),
            story,
            status: None,
            bytes: Cell::new(0),
        })
    }

    /// Goes on until the answer's body has gone out.
    pub(super) fn with(mut self: Box<Self>, mut response: Response<Answer>) -> Response<Answer> {
        self.status = Some(response.status());
        let body = response.body_mut();
        match &self.story.watch {
            Some(watch) if !body.is_own() && !body.is_end_stream() => {
                watch.answered(body.size_hint().exact().is_some());
            }
            _ => self.story.watch = None,
        }
        body.telling = Some(self);
        response
    }

    /// Goes on until an upgraded connection has ended, or whoever began it is let in no more.
    pub(super) async fn through(mut self: Box<Self>, status: StatusCode, tunnel: Tunnel) {
        self.status = Some(status);
        let renews = self
            .story
            .route
            .as_ref()
            .is_some_and(|route| route.renews_session);
        let said = self.story.watch.as_ref().map(|watch| watch.conversing(renews));
        let notes = Notes {
            down: &self.bytes,
            said: &said.unwrap_or_default(),
        };
        let is_out = Cell::new(false);
        let over = async {
            match &self.story.watch {
                Some(watch) => poll_fn(|context| watch.poll_over(context)).await,
                None => pending().await,
            }
            is_out.set(true);
        };
        let request_id = self.story.request_id.as_str();
        if let Err(error) = tunnel.run(notes, over).await {
            tracing::debug!(request_id, %error, "an upgraded connection ended early");
        }
        if is_out.get() {
            tracing::debug!(
                request_id,
                "an upgraded connection ended with what it was opened with"
            );
            self.story.refusal = Some(CREDENTIAL_ENDED);
        }
    }

    /// Ready once the answer must not go on; noted for its line.
    fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(watch) = &self.story.watch else {
            return Poll::Pending;
        };
        ready!(watch.poll_over(context));
        self.story.refusal = Some(CREDENTIAL_ENDED);
        Poll::Ready(())
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        let status = self.status.map_or_else(
            || {
                self.story.refusal.get_or_insert(CLIENT_GONE);
                CLIENT_CLOSED_REQUEST
            },
            |status| status.as_u16(),
        );
        let log = &self.open.gateway().access_log;
        if log.is_on() {
            log.write(&self.story.record(status, self.bytes.get()));
        }
    }
}

impl Answer {
    /// A body of our own.
    pub fn own(text: String) -> Self {
        let body = (!text.is_empty()).then(|| Bytes::from(text));
        Self {
            body: Content::Own(body),
            telling: None,
        }
    }

    /// Whether all of it is here already, and nobody but the client is waited for.
    pub fn is_own(&self) -> bool {
        matches!(self.body, Content::Own(_))
    }

    /// What goes on after an answer 101.
    pub(super) fn take_tunnel(&mut self) -> Option<Tunnel> {
        match &mut self.body {
            Content::Own(_) => None,
            Content::Upstream(body) => body.take_tunnel(),
        }
    }

    /// An upstream's body.
    pub(super) fn upstream(body: Returning) -> Self {
        Self {
            body: Content::Upstream(body),
            telling: None,
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = ReturningError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReturningError>>> {
        if let Some(telling) = &mut self.telling
            && telling.poll_over(context).is_ready()
        {
            return Poll::Ready(Some(Err(ReturningError::Ended)));
        }
        let frame = match &mut self.body {
            Content::Own(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Content::Upstream(body) => Pin::new(body).poll_frame(context),
        };
        if let (Poll::Ready(Some(Ok(frame))), Some(telling)) = (&frame, &self.telling) {
            let sent = frame.data_ref().map_or(0, |data| data.len() as u64);
            telling.bytes.set(telling.bytes.get() + sent);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Content::Own(text) => text.is_none(),
            Content::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Content::Own(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Content::Upstream(body) => body.size_hint(),
        }
    }
}
