//! What is open under a credential: requests that wait for their answer, answers that go on, conversations.
//!
//! Whoever is let in is let in for a moment; what goes on for longer is looked at once a second, and ends when what opened
//! it does not count any more. One look for all of them: a request that is over by then costs its place in a list.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    fmt,
    future::poll_fn,
    pin::Pin,
    rc::{Rc, Weak},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use http::Request;
use http_body::Body;
use slab::Slab;

use crate::{
    authenticate::{Caller, Idleness},
    gateway::Gateway,
    http::incoming::Incoming,
    refusal::Refusal,
};

/// How many are looked at before requests have their turn.
const STEP: usize = 256;

/// All that is open on one worker.
pub struct Open {
    gateway: Arc<Gateway>,
    entries: RefCell<Slab<Entry>>,
}

struct Entry {
    caller: Rc<Caller>,
    stage: Stage,
    upload: Option<Upload>,
    is_over: bool,
    waker: Option<Waker>,
}

/// How far it has come.
enum Stage {
    /// Nothing of the answer is here.
    Asked,
    /// The answer is on its way.
    Answered { has_length: bool, is_new: bool },
    /// Another protocol is spoken.
    Conversing { said: Rc<Cell<bool>>, renews: bool },
}

/// A request that changes something, and what it sends for that.
#[derive(Debug)]
pub(super) struct Upload {
    /// Alive while the request's body goes up; `None` where it has none.
    in_flight: Option<Weak<dyn Any>>,
    /// The body says how long it is.
    has_length: bool,
}

impl Upload {
    /// Of a request that changes something, or has a body: this, which is alive while it goes up.
    pub(super) fn of(request: &Request<Incoming>, body: Option<&Rc<dyn Any>>) -> Option<Self> {
        (body.is_some() || !request.method().is_safe()).then(|| Self {
            in_flight: body.map(Rc::downgrade),
            has_length: request.body().size_hint().exact().is_some(),
        })
    }

    fn is_in_flight(&self) -> bool {
        self.in_flight
            .as_ref()
            .is_some_and(|body| body.strong_count() > 0)
    }
}

/// A place among what is open, which ends with it.
pub struct Watch {
    open: Rc<Open>,
    key: usize,
}

impl Open {
    /// Nothing yet.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self {
            gateway,
            entries: RefCell::default(),
        }
    }

    pub(super) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Takes in a request that was let in.
    pub(super) fn watch(self: &Rc<Self>, caller: Rc<Caller>, upload: Option<Upload>) -> Watch {
        let entry = Entry {
            caller,
            stage: Stage::Asked,
            upload,
            is_over: false,
            waker: None,
        };
        Watch {
            open: Rc::clone(self),
            key: self.entries.borrow_mut().insert(entry),
        }
    }

    /// Looks at all that is open, and ends what has lost what opened it. To be called once a second.
    pub async fn look(&self) {
        let all: Vec<(usize, Rc<Caller>)> = {
            let entries = self.entries.borrow();
            let all = entries.iter().filter(|(_, entry)| !entry.is_over);
            all.map(|(key, entry)| (key, Rc::clone(&entry.caller))).collect()
        };
        for (number, (key, caller)) in all.into_iter().enumerate() {
            if number % STEP == STEP - 1 {
                tokio::task::yield_now().await;
            }
            self.look_at(key, &caller).await;
        }
    }

    async fn look_at(&self, key: usize, caller: &Rc<Caller>) {
        let Some(idleness) = self.change(key, caller, Entry::idleness) else {
            return;
        };
        let now = self.gateway.clock.now();
        let stands = self
            .gateway
            .authenticator
            .still_stands(caller, now, idleness)
            .await;
        // It may have ended meanwhile, and another have its place.
        self.change(key, caller, |entry| match stands {
            true => entry.goes_on(|caller| caller.renew(now)),
            false => entry.end(self.gateway.session.end_uploads),
        });
    }

    fn change<T>(&self, key: usize, caller: &Rc<Caller>, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let mut entries = self.entries.borrow_mut();
        let entry = entries.get_mut(key)?;
        Rc::ptr_eq(&entry.caller, caller).then(|| change(entry))
    }
}

impl Entry {
    /// A download that has an end is left to come to it: its user waits for it, and has nothing to click on. What could go
    /// on for ever would keep a session alive that nobody uses.
    fn idleness(&mut self) -> Idleness {
        match self.stage {
            Stage::Answered { has_length: true, .. } => Idleness::Spares,
            Stage::Asked | Stage::Answered { .. } | Stage::Conversing { .. } => Idleness::Ends,
        }
    }

    fn goes_on(&mut self, renew: impl FnOnce(&Caller)) {
        match &mut self.stage {
            Stage::Asked => {}
            Stage::Answered { is_new, .. } => *is_new = false,
            Stage::Conversing { said, renews } => {
                if said.take() && *renews {
                    renew(&self.caller);
                }
            }
        }
    }

    fn end(&mut self, ends_uploads: bool) {
        if !ends_uploads && self.may_finish() {
            return;
        }
        self.is_over = true;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Whoever began to send something was let in: it arrives, and they hear what became of it. An upload that need not end
    /// and is answered all the while is a conversation.
    fn may_finish(&mut self) -> bool {
        let Some(upload) = &self.upload else { return false };
        match &mut self.stage {
            Stage::Asked => true,
            Stage::Answered { has_length, is_new } => {
                let goes_up = upload.is_in_flight() && (upload.has_length || *has_length);
                goes_up || std::mem::take(is_new)
            }
            Stage::Conversing { .. } => false,
        }
    }
}

impl Watch {
    /// Its answer has begun.
    pub(super) fn answered(&self, has_length: bool) {
        self.set(Stage::Answered {
            has_length,
            is_new: true,
        });
    }

    /// Another protocol is spoken from now on. What is returned is to be set when the client says something, which renews
    /// its session, if that `renews` it.
    pub(super) fn conversing(&self, renews: bool) -> Rc<Cell<bool>> {
        let said = Rc::default();
        self.set(Stage::Conversing {
            said: Rc::clone(&said),
            renews,
        });
        said
    }

    fn set(&self, stage: Stage) {
        if let Some(entry) = self.open.entries.borrow_mut().get_mut(self.key) {
            entry.stage = stage;
        }
    }

    /// Ready once what opened it does not count any more.
    pub(super) fn poll_over(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut entries = self.open.entries.borrow_mut();
        let Some(entry) = entries.get_mut(self.key).filter(|entry| !entry.is_over) else {
            return Poll::Ready(());
        };
        match &mut entry.waker {
            Some(waker) => waker.clone_from(context.waker()),
            None => entry.waker = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

/// What comes of a request that is forwarded.
///
/// # Errors
/// It is refused, or what it was let in with does not count any more before there is an answer.
pub(super) async fn awaited<T>(
    mut forwarding: Pin<&mut impl Future<Output = Result<T, Refusal>>>,
    watch: Option<&Watch>,
) -> Result<T, Refusal> {
    poll_fn(|context| match (forwarding.as_mut().poll(context), watch) {
        (Poll::Pending, Some(watch)) => watch
            .poll_over(context)
            .map(|()| Err(Refusal::NotSignedIn { bad_token: None })),
        (polled, _) => polled,
    })
    .await
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.open.entries.borrow_mut().try_remove(self.key);
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Open").field(&self.entries.borrow().len()).finish()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.key).finish()
    }
}
