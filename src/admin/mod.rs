//! The admin listener: what whoever runs the gateway asks of it, at an address of its own.
//!
//! [`guard`] finds out whether somebody may ask, [`Address`] names what there is, and [`sessions`] answers for the
//! sessions. It has a thread of its own, and nothing that is asked here keeps a worker waiting.

use http::{Method, Request, Response, StatusCode};

use crate::{
    address::ClientAddr,
    clock::Timestamp,
    gateway::Gateway,
    handle::{Answer, Worker},
    http::{client_addr::Hop, framing, incoming::Incoming, request_id::RequestId},
    identity::UserName,
    observe::audit::{self, AdminEvent},
    refusal::Refusal,
    respond,
};

mod guard;
pub mod sessions;

/// What there is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Address {
    /// `/healthz`: 200 while we serve.
    Healthy,
    /// `/readyz`: 200 while people can sign in.
    Ready,
    /// `/api/sessions`: who is signed in.
    Sessions,
    /// `/api/sessions/{id}`: one of those.
    Session(String),
    /// `/api/users/{name}/sessions`: those of one person.
    SessionsOf(String),
    /// Anything else.
    Unknown,
}

impl Address {
    /// What a path names. Nobody reads it after us, so each segment is what it is once it is decoded: a user's name may
    /// have any character.
    fn of(path: &str) -> Self {
        let decoded = |segment: &str| {
            let decoded = percent_encoding::percent_decode_str(segment);
            decoded.decode_utf8().map(std::borrow::Cow::into_owned).ok()
        };
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match segments.as_slice() {
            ["healthz"] => Self::Healthy,
            ["readyz"] => Self::Ready,
            ["api", "sessions"] => Self::Sessions,
            ["api", "sessions", id] if !id.is_empty() => decoded(id).map_or(Self::Unknown, Self::Session),
            ["api", "users", name, "sessions"] if !name.is_empty() => {
                decoded(name).map_or(Self::Unknown, Self::SessionsOf)
            }
            _ => Self::Unknown,
        }
    }

    /// Whether anybody may ask: those who look whether a program is well have no token, and learn what a connection tells
    /// them as well.
    fn is_for_anybody(&self) -> bool {
        matches!(self, Self::Healthy | Self::Ready)
    }

    /// The methods it answers, as `Allow` lists them.
    fn methods(&self) -> &'static str {
        match self {
            Self::Healthy | Self::Ready | Self::Sessions => "GET, HEAD",
            Self::Session(_) | Self::SessionsOf(_) => "DELETE",
            Self::Unknown => "",
        }
    }
}

/// What the answers depend on beside the request.
#[derive(Debug, Clone, Copy)]
struct Call<'a> {
    gateway: &'a Gateway,
    client: ClientAddr,
    request_id: RequestId,
    now: Timestamp,
}

impl Call<'_> {
    fn record(&self, event: AdminEvent<'_>) {
        audit::record_admin(event, self.client, self.request_id.as_str());
    }
}

/// Answers a request to the admin listener.
pub async fn answer(worker: &Worker, hop: &Hop, request: Request<Incoming>) -> Response<Answer> {
    let call = Call {
        gateway: &worker.gateway,
        client: hop.peer().as_client(),
        request_id: worker.request_ids.next(),
        now: worker.gateway.clock.now(),
    };
    let answered = decide(call, &request).await;
    let response = answered.unwrap_or_else(|refusal| {
        let asked = respond::Asked {
            wants_page: false,
            return_to: "/",
            request_id: call.request_id,
        };
        respond::refuse(&refusal, &asked)
    });
    response.map(Answer::own)
}

/// The order is part of what keeps others out: nobody learns what there is before they may ask.
async fn decide(call: Call<'_>, request: &Request<Incoming>) -> Result<Response<String>, Refusal> {
    if !framing::has_one_reading(request.headers()) {
        return Err(Refusal::Framing);
    }
    if matches!(request.body(), Incoming::WebSocket(_)) {
        return Err(Refusal::NeverForwarded(Method::CONNECT));
    }
    let address = Address::of(request.uri().path());
    let token = call.gateway.admin.as_ref().and_then(|admin| admin.token.as_ref());
    if !(token.is_some() && address.is_for_anybody()) {
        guard::check(request, token).inspect_err(|refusal| {
            call.record(AdminEvent::Refused {
                reason: refusal.label(),
            });
        })?;
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let deletes = request.method() == Method::DELETE;
    match &address {
        Address::Unknown => Err(Refusal::NoAdminAddress),
        Address::Healthy if reads => Ok(state(StatusCode::OK, "ok")),
        Address::Ready if reads => Ok(ready(call.gateway)),
        Address::Sessions if reads => sessions::list(call, request.uri().query()).await,
        Address::Session(id) if deletes => sessions::end(call, id).await,
        Address::SessionsOf(name) if deletes => match UserName::parse(name) {
            Ok(user) => sessions::end_all(call, &user).await,
            // Nobody is called that.
            Err(_) => Err(Refusal::NoAdminAddress),
        },
        _ => Err(Refusal::MethodNotAllowed {
            allow: address.methods().to_owned(),
        }),
    }
}

/// Whether people can sign in: the user file can be read.
fn ready(gateway: &Gateway) -> Response<String> {
    match gateway.sign_in.directory().refresh().is_ok() {
        true => state(StatusCode::OK, "ok"),
        false => state(StatusCode::SERVICE_UNAVAILABLE, "the user file cannot be read"),
    }
}

fn state(status: StatusCode, word: &str) -> Response<String> {
    respond::json(status, &serde_json::json!({ "status": word }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_spelling_and_a_name_may_have_any_character() {
        let of = |name: &str| Address::SessionsOf(name.to_owned());
        for (path, address) in [
            ("/healthz", Address::Healthy),
            ("/readyz", Address::Ready),
            ("/api/sessions", Address::Sessions),
            ("/api/sessions/x-_1", Address::Session("x-_1".to_owned())),
            ("/api/users/alice/sessions", of("alice")),
            ("/api/users/a%2Fb%5C%25/sessions", of("a/b\\%")),
            ("/api/users/%2e%2e/sessions", of("..")),
            ("/api/users/J%C3%BCrgen%20K/sessions", of("Jürgen K")),
            ("/api/users/%ff/sessions", Address::Unknown),
            ("/api/users/alice", Address::Unknown),
            ("/api/users/a/b/sessions", Address::Unknown),
            ("/api/sessions/", Address::Unknown),
            ("/api/users//sessions", Address::Unknown),
            ("/api/sessions/x/y", Address::Unknown),
            ("//api/sessions", Address::Unknown),
            ("/api/%73essions", Address::Unknown),
            ("/healthz/", Address::Unknown),
            ("/", Address::Unknown),
            ("*", Address::Unknown),
            ("", Address::Unknown),
        ] {
            assert_eq!(Address::of(path), address, "{path}");
        }
    }
}
