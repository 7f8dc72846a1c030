//! A request and its answer on a stream, both ways at once.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client::ResponseFuture};
use http::{HeaderValue, Request, Response, StatusCode, header};

use super::{Place, request::Sending};
use crate::{
    http::{body::Upload, hygiene},
    upstream::{Broken, Head, Piece},
};

/// Interim answers (1xx) before the one that counts.
const MAX_INTERIM: usize = 1024;

/// A request that is to be sent.
#[derive(Debug)]
pub struct Outgoing {
    /// Its head.
    pub head: Request<()>,
    /// The body; `None` where there is none.
    pub upload: Option<Upload>,
    /// Whether the head says that the body is empty.
    pub is_empty: bool,
    /// Whether the head asks for a 100 before the body (RFC 9110, section 10.1.1).
    pub expects_continue: bool,
}

/// A request on its way, and its answer on its way back. Dropped early it resets its stream, so that the upstream stops.
#[derive(Debug)]
pub struct Exchange {
    // The stream is dropped before its place is free.
    stream: Stage,
    sending: Sending,
    is_idempotent: bool,
    is_empty: bool,
    interim: usize,
    /// How much of the answer's body is to come, where that is known.
    left: Option<u64>,
    /// The request never reached the app, or may be sent again all the same.
    can_be_repeated: bool,
    /// The app answers this request over HTTP/1.1 alone.
    wants_http1: bool,
    place: Place,
}

/// How far it has come.
#[derive(Debug)]
enum Stage {
    /// Nothing has been sent.
    New(Box<Request<()>>),
    /// The head has been sent.
    Asked(SendStream<Bytes>, ResponseFuture),
    /// The head of the answer is there.
    Answered(SendStream<Bytes>, RecvStream),
    /// It has failed.
    Failed,
}

impl Exchange {
    /// Prepares to send a request.
    pub fn begin(place: Place, request: Outgoing) -> Self {
        let Outgoing {
            head,
            upload,
            is_empty,
            expects_continue,
        } = request;
        Self {
            is_idempotent: head.method().is_idempotent(),
            is_empty,
            stream: Stage::New(Box::new(head)),
            sending: Sending::new(upload, expects_continue),
            interim: 0,
            left: None,
            can_be_repeated: false,
            wants_http1: false,
            place,
        }
    }

    /// Whether the request can be sent again after this exchange has failed: it never reached the app and all of its
    /// body is still here; or it was on a connection that may have closed before, and nothing can happen twice.
    pub fn can_be_repeated(&self) -> bool {
        self.can_be_repeated
    }

    /// Whether the upstream has asked for the request over HTTP/1.1 (RFC 9113, section 7): it signs connections in, mostly.
    pub fn wants_http1(&self) -> bool {
        self.wants_http1
    }

    /// The body, for another exchange; see [`Exchange::can_be_repeated`].
    pub fn into_upload(self) -> Option<Upload> {
        self.sending.into_upload()
    }

    /// See [`super::super::Exchange::sent`].
    pub fn sent(&self) -> u64 {
        self.sending.written
    }

    /// See [`super::super::Exchange::waits_for_client`].
    pub fn waits_for_client(&self) -> bool {
        self.sending.waits_for_client()
    }

    /// See [`super::super::Exchange::awaits_continue`].
    pub fn awaits_continue(&self) -> bool {
        self.sending.awaits_continue
    }

    /// See [`super::super::Exchange::stop_awaiting_continue`].
    pub fn stop_awaiting_continue(&mut self) {
        self.sending.awaits_continue = false;
    }

    /// See [`super::super::Exchange::give_connection_up`].
    pub fn give_connection_up(&self) {
        self.place.give_connection_up();
    }

    /// See [`super::super::Exchange::poll_head`].
    pub fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Result<Head, Broken>> {
        if let Stage::New(_) = self.stream {
            if self.is_empty {
                ready!(self.sending.poll_nothing(context))?;
            }
            if let Err(error) = self.ask() {
                // Not a byte has gone out.
                self.can_be_repeated = true;
                self.place.give_connection_up();
                return Poll::Ready(Err(error.into()));
            }
        }
        loop {
            let Stage::Asked(stream, response) = &mut self.stream else {
                return Poll::Ready(Err(Broken::Closed));
            };
            if let Poll::Ready(result) = self.sending.poll_send(stream, context) {
                result?;
            }
            if let Poll::Ready(Some(interim)) = response.poll_informational(context) {
                match interim {
                    Ok(interim) => {
                        self.sending.awaits_continue &= interim.status() != StatusCode::CONTINUE;
                        self.interim += 1;
                    }
                    Err(error) => return Poll::Ready(Err(self.failed(error))),
                }
                if self.interim > MAX_INTERIM {
                    return Poll::Ready(Err(Broken::TooLarge));
                }
                continue;
            }
            return match ready!(Pin::new(response).poll(context)) {
                Ok(response) => Poll::Ready(Ok(self.answered(response))),
                Err(error) => Poll::Ready(Err(self.failed(error))),
            };
        }
    }

    fn ask(&mut self) -> Result<(), h2::Error> {
        let Stage::New(head) = std::mem::replace(&mut self.stream, Stage::Failed) else {
            return Ok(());
        };
        let (response, stream) = self.place.sender.send_request(*head, self.sending.is_over())?;
        self.stream = Stage::Asked(stream, response);
        Ok(())
    }

    fn answered(&mut self, response: Response<RecvStream>) -> Head {
        let (mut parts, body) = response.into_parts();
        // Who has answered without asking for the body does not want it.
        if self.sending.awaits_continue {
            self.sending.give_up();
        }
        self.sending.forget();
        hygiene::remove_hop_by_hop(&mut parts.headers);
        let length = parts.headers.get(header::CONTENT_LENGTH).map(HeaderValue::to_str);
        // Of an answer to HEAD, and of a 304, it is the length of what would have come; nobody counts what does.
        self.left = match length {
            _ if body.is_end_stream() => Some(0),
            Some(Ok(length)) => length.parse().ok(),
            _ => None,
        };
        if let Stage::Asked(stream, _) = std::mem::replace(&mut self.stream, Stage::Failed) {
            self.stream = Stage::Answered(stream, body);
        }
        Head {
            status: parts.status,
            reason: None,
            headers: parts.headers,
            upgrade: None,
        }
    }

    /// Notes what an error before the answer means for the request and for the connection.
    fn failed(&mut self, error: h2::Error) -> Broken {
        // RFC 9113, sections 6.8 and 8.7: beyond the last stream of a GOAWAY, or refused by name, nothing was done.
        let reason = error.reason().filter(|_| error.is_remote());
        let is_refused = reason == Some(Reason::REFUSED_STREAM) || (reason.is_some() && error.is_go_away());
        self.wants_http1 = reason == Some(Reason::HTTP_1_1_REQUIRED);
        let was_closed = !error.is_reset() && !self.place.is_fresh && self.interim == 0;
        self.can_be_repeated = match is_refused || self.wants_http1 {
            true => self.sending.can_be_repeated(),
            false => was_closed && self.is_idempotent && self.sending.is_nothing(),
        };
        if is_refused || !error.is_reset() {
            self.place.give_connection_up();
        }
        error.into()
    }

    /// See [`super::super::Exchange::poll_piece`].
    pub fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Piece, Broken>>> {
        let Stage::Answered(stream, body) = &mut self.stream else {
            return Poll::Ready(None);
        };
        // An upload that fails now is no reason to break an answer off: the upstream will see that it is not whole.
        if let Poll::Ready(Err(_)) = self.sending.poll_send(stream, context) {
            self.sending.give_up();
        }
        if let Some(data) = ready!(body.poll_data(context)) {
            return Poll::Ready(Some(data.map_err(Broken::from).map(|data| {
                // Whoever asks for a piece has room for it. A stream that has ended needs no window.
                let _ = body.flow_control().release_capacity(data.len());
                self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                Piece::Data(data)
            })));
        }
        let trailers = ready!(body.poll_trailers(context));
        Poll::Ready(trailers.transpose().map(|trailers| {
            let mut trailers = trailers?;
            hygiene::remove_hop_by_hop(&mut trailers);
            Ok(Piece::Trailers(trailers))
        }))
    }

    /// See [`super::super::Exchange::poll_rest`].
    pub fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Stage::Answered(stream, _) = &mut self.stream else {
            return Poll::Ready(());
        };
        if ready!(self.sending.poll_send(stream, context)).is_err() {
            self.sending.give_up();
        }
        Poll::Ready(())
    }

    /// See [`super::super::Exchange::is_answered`].
    pub fn is_answered(&self) -> bool {
        match &self.stream {
            Stage::Answered(_, body) => body.is_end_stream(),
            Stage::New(_) | Stage::Asked(..) | Stage::Failed => false,
        }
    }

    /// See [`super::super::Exchange::left`].
    pub fn left(&self) -> Option<u64> {
        self.left
    }

    /// See [`super::super::Exchange::is_sending`].
    pub fn is_sending(&self) -> bool {
        !self.sending.is_over()
    }
}
