//! HTTP/1.1 towards clients (RFC 9112): a connection's requests, one after another, in the connection's own task.
//!
//! [`head`] reads a request's head, [`answer`] writes its answer; its body is read by whoever has the request, through the
//! [`Wire`] that both sides share. A connection on which nothing happens holds no buffer.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use tokio::io::AsyncWriteExt;

use super::{
    activity::{Guard, Overdue},
    shutdown::Shutdown,
};
use crate::http::{
    http1::{
        outbox::Outbox,
        wire::{Conversation, Duplex, Lent, Wire},
    },
    incoming::Incoming,
};

mod answer;
mod head;

use answer::{Asked, Writing};
use head::{Head, Refused};

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The client closed it, or it failed.
    Gone,
    /// Its last answer has gone out, and the client may still be sending.
    Finished,
    /// Its time was up.
    Overdue(Overdue),
    /// Another protocol is spoken on it now.
    Upgraded,
}

/// What a connection is served with.
pub(super) struct Serving<'a> {
    pub(super) guard: &'a Guard,
    pub(super) shutdown: &'a Shutdown,
    /// The most bytes of a request's head.
    pub(super) max_header_bytes: usize,
}

/// Serves a connection until it ends, and gives back what is left of it.
pub(super) async fn serve<S, A, B>(
    stream: S,
    serving: Serving<'_>,
    answer: impl Fn(Request<Incoming>) -> A,
) -> (End, Conversation)
where
    S: Duplex + 'static,
    A: Future<Output = Response<B>>,
    B: Body<Data = Bytes, Error: std::error::Error + 'static> + Unpin,
{
    let wire = Rc::new(RefCell::new(Wire::new(stream)));
    let end = serving.converse(&wire, answer).await;
    let mut last = Conversation::on(&wire);
    if end == End::Finished {
        // Who does not hear of it has gone.
        let _ = last.shutdown().await;
    }
    wire.borrow_mut().close();
    (end, last)
}

impl Serving<'_> {
    async fn converse<S, A, B>(
        &self,
        wire: &Rc<RefCell<Wire<S>>>,
        answer: impl Fn(Request<Incoming>) -> A,
    ) -> End
    where
        S: Duplex + 'static,
        A: Future<Output = Response<B>>,
        B: Body<Data = Bytes, Error: std::error::Error + 'static> + Unpin,
    {
        let mut draining = false;
        loop {
            let head = match self.head(wire, &mut draining).await {
                Ok(Ok(head)) => head,
                Ok(Err(refused)) => return self.refuse(wire, refused).await,
                Err(end) => return end,
            };
            let asked = Asked::by(&head);
            let request = request(head, wire);
            let response = {
                // On its own: it is most of what a connection takes, and an idle one has none. The room comes first, so that it
                // is made there and not copied.
                let mut answering = Box::into_pin(Box::write(Box::new_uninit(), answer(request)));
                let answered = poll_fn(|context| match answering.as_mut().poll(context) {
                    Poll::Ready(response) => Poll::Ready(Ok(response)),
                    Poll::Pending => self.poll_end(wire, context).map(Err),
                });
                match answered.await {
                    Ok(response) => response,
                    Err(end) => return end,
                }
            };
            let upgrades = response.status() == StatusCode::SWITCHING_PROTOCOLS;
            let mut writing = Writing::new(response, &asked, &self.guard.date());
            let written = poll_fn(|context| match writing.poll(wire, context) {
                Poll::Ready(written) => Poll::Ready(Ok(written)),
                Poll::Pending => self.poll_end(wire, context).map(Err),
            });
            match written.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::debug!(%error, "an answer did not go out whole");
                    return End::Gone;
                }
                Err(end) => return end,
            }
            if upgrades {
                wire.borrow_mut().upgrade();
                return End::Upgraded;
            }
            let keeps_alive = writing.keeps_alive();
            drop(writing);
            // The rest of the body may still be on its way to the app.
            let returned = poll_fn(|context| {
                let returned = wire.borrow_mut().poll_returned(context);
                match returned {
                    Poll::Ready(is_over) => Poll::Ready(Ok(is_over)),
                    Poll::Pending => self.poll_end(wire, context).map(Err),
                }
            });
            match returned.await {
                Ok(is_over) if is_over && keeps_alive => {}
                Ok(_) => return End::Finished,
                Err(end) => return end,
            }
        }
    }

    /// The next request's head; whether it is refused, or how the connection ends before it.
    async fn head<S: Duplex>(
        &self,
        wire: &Rc<RefCell<Wire<S>>>,
        draining: &mut bool,
    ) -> Result<Result<Head, Refused>, End> {
        // Polled for every request, so that what hardly ever happens is told by one flag.
        let next = poll_fn(|context| {
            if let Poll::Ready(head) = self.poll_head(&mut wire.borrow_mut(), context) {
                return Poll::Ready(Some(head));
            }
            match self.guard.activity().poll_overdue(context) {
                Poll::Ready(why) => Poll::Ready(Some(Err(End::Overdue(why)))),
                Poll::Pending if self.guard.activity().is_draining() && !*draining => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        if let Some(next) = next.await {
            return next;
        }
        // What has come already comes first: the stop loses no request. A head that is coming in is waited for, and is
        // the last.
        *draining = true;
        let head = poll_fn(|context| self.poll_head(&mut wire.borrow_mut(), context));
        tokio::select! {
            biased;
            head = head => return head,
            () = self.shutdown.started_and_no_news() => {}
        }
        if !self.guard.activity().is_mid_head() {
            return Err(End::Finished);
        }
        poll_fn(|context| match self.poll_head(&mut wire.borrow_mut(), context) {
            Poll::Ready(head) => Poll::Ready(head),
            Poll::Pending => self
                .guard
                .activity()
                .poll_overdue(context)
                .map(|why| Err(End::Overdue(why))),
        })
        .await
    }

    fn poll_head<S: Duplex>(
        &self,
        wire: &mut Wire<S>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Result<Head, Refused>, End>> {
        loop {
            if !wire.buffer.is_empty() {
                match Head::take(&mut wire.buffer, self.max_header_bytes) {
                    Ok(Some(head)) => {
                        wire.begin(head.body, head.expects_continue);
                        return Poll::Ready(Ok(Ok(head)));
                    }
                    Ok(None) => {}
                    Err(refused) => return Poll::Ready(Ok(Err(refused))),
                }
            }
            match ready!(wire.poll_fill(context)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Poll::Ready(Err(End::Gone)),
            }
        }
    }

    /// Ready when the connection ends whatever becomes of its request.
    fn poll_end<S: Duplex>(&self, wire: &Rc<RefCell<Wire<S>>>, context: &mut Context<'_>) -> Poll<End> {
        if wire.borrow_mut().poll_gone(context).is_ready() {
            return Poll::Ready(End::Gone);
        }
        self.guard.activity().poll_overdue(context).map(End::Overdue)
    }

    /// Tells a client that its head is none, and that this was all.
    async fn refuse<S: Duplex + 'static>(&self, wire: &Rc<RefCell<Wire<S>>>, refused: Refused) -> End {
        let Refused(status) = refused;
        tracing::debug!(%status, "a request's head was refused");
        let mut words = Outbox::new(answer::refusal(status, &self.guard.date()));
        let said: io::Result<()> = poll_fn(|context| {
            while !words.is_empty() {
                ready!(words.poll_write(wire.borrow_mut().stream(), context))?;
            }
            wire.borrow_mut().stream().poll_flush(context)
        })
        .await;
        match said {
            Ok(()) => End::Finished,
            Err(_) => End::Gone,
        }
    }
}

/// The request of a head, with the body that is read through the wire.
fn request<S: Duplex + 'static>(head: Head, wire: &Rc<RefCell<Wire<S>>>) -> Request<Incoming> {
    let mut request = Request::new(Incoming::Http1(Lent::new(wire)));
    *request.method_mut() = head.method;
    *request.uri_mut() = head.uri;
    *request.version_mut() = head.version;
    *request.headers_mut() = head.headers;
    request
}
