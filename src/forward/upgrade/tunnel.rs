//! A conversation that was begun: bytes both ways, and its end.
//!
//! What ends a session ends the conversations under it. A WebSocket is told so between two frames; whatever else is spoken
//! is cut off, since nobody here knows what it would take for an answer.

use std::{
    cell::Cell,
    future::{pending, poll_fn},
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional},
    time::{Instant, sleep_until, timeout},
};

use super::frames::{CLOSE_TO_APP, CLOSE_TO_CLIENT, Frames};
use crate::{
    http::incoming::ClientSide,
    upstream::{Place, Stream},
};

/// How long the rest of a frame may take that is on its way when the conversation is to end.
const REST_OF_FRAME: Duration = Duration::from_millis(500);

/// How long both sides may take to hear that it has ended.
const FAREWELL: Duration = Duration::from_secs(1);

/// A client and an upstream that speak a protocol of their own from now on.
#[derive(Debug)]
pub struct Tunnel {
    pub(super) client: ClientSide,
    pub(super) upstream: Stream,
    /// What the upstream said right behind its 101.
    pub(super) early: Bytes,
    /// The upstream is as busy with it as with a request.
    pub(super) _place: Place,
    pub(super) idle: Option<Duration>,
    pub(super) is_websocket: bool,
}

/// What is noted of a conversation as it goes.
#[derive(Debug, Clone, Copy)]
pub struct Notes<'a> {
    /// Counts the bytes that go down.
    pub down: &'a Cell<u64>,
    /// Set when the client says something. A WebSocket's pong is nothing: browsers send it by themselves.
    pub said: &'a Cell<bool>,
}

impl Tunnel {
    /// Carries bytes both ways until both sides have finished, one breaks off, neither has said anything for the
    /// route's idle timeout, or it is `over`. Begins once the answer has gone out.
    ///
    /// # Errors
    /// The conversation did not come to its end.
    pub async fn run(self, notes: Notes<'_>, over: impl Future<Output = ()>) -> io::Result<()> {
        let mut over = pin!(over);
        notes.down.set(notes.down.get() + self.early.len() as u64);
        let frames = self.is_websocket.then(Frames::new);
        let (to_client, to_upstream) = (Way::new(frames), Way::new(frames));
        let last = Cell::new(Instant::now());
        let upstream = Side {
            inner: self.upstream,
            way: &to_upstream,
            noted: Some((notes, &last)),
        };
        let conversation = Conversation {
            upstream,
            early: self.early,
            idle: self.idle,
            last: &last,
        };
        match self.client {
            ClientSide::Http1(client) => {
                tokio::select! {
                    begun = client.begun() => begun?,
                    () = over.as_mut() => return Ok(()),
                }
                conversation
                    .carry(Side::of_client(client, &to_client), over)
                    .await
            }
            ClientSide::Http2(upgrade) => {
                let client = tokio::select! {
                    upgraded = upgrade => upgraded.map_err(io::Error::other)?,
                    () = over.as_mut() => return Ok(()),
                };
                let client = Side::of_client(TokioIo::new(client), &to_client);
                conversation.carry(client, over).await
            }
        }
    }
}

struct Conversation<'a> {
    upstream: Side<'a, Stream>,
    early: Bytes,
    idle: Option<Duration>,
    /// When bytes last passed, one way or the other.
    last: &'a Cell<Instant>,
}

impl Conversation<'_> {
    async fn carry<C: AsyncRead + AsyncWrite + Unpin>(
        self,
        mut client: Side<'_, C>,
        over: Pin<&mut impl Future<Output = ()>>,
    ) -> io::Result<()> {
        let Self {
            mut upstream,
            early,
            idle,
            last,
        } = self;
        let ways = [client.way, upstream.way];
        {
            let mut copied = pin!(async {
                client.write_all(&early).await?;
                client.flush().await?;
                copy_bidirectional(&mut client, &mut upstream).await
            });
            tokio::select! {
                result = copied.as_mut() => return result.map(drop),
                () = stalled(last, idle) => return Err(io::ErrorKind::TimedOut.into()),
                () = over => {}
            }
            // Whoever is amid a frame may finish it, and begin no other.
            for way in ways {
                way.is_ending.set(true);
            }
            let settled = poll_fn(|context| {
                let is_between = || ways.iter().all(|way| way.is_between());
                match is_between() || copied.as_mut().poll(context).is_ready() || is_between() {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            });
            // What is not over by then is cut off.
            let _ = timeout(REST_OF_FRAME, settled).await;
        }
        let told = async {
            tokio::join!(client.end(CLOSE_TO_CLIENT), upstream.end(CLOSE_TO_APP));
        };
        let _ = timeout(FAREWELL, told).await;
        Ok(())
    }
}

/// Resolves when nothing has passed for the limit, if there is one.
async fn stalled(last: &Cell<Instant>, limit: Option<Duration>) {
    let Some(limit) = limit else {
        return pending().await;
    };
    while last.get().elapsed() < limit {
        sleep_until(last.get() + limit).await;
    }
}

/// One direction of a conversation.
struct Way {
    /// Where in a frame it is; `None` where nobody knows what is spoken.
    frames: Cell<Option<Frames>>,
    /// The frame that is passing is the last.
    is_ending: Cell<bool>,
}

impl Way {
    fn new(frames: Option<Frames>) -> Self {
        Self {
            frames: Cell::new(frames),
            is_ending: Cell::new(false),
        }
    }

    /// Notes what has passed; whether something was said by it.
    fn pass(&self, bytes: &[u8]) -> bool {
        let Some(mut frames) = self.frames.get() else {
            return true;
        };
        frames.pass(bytes);
        let said = frames.take_said();
        self.frames.set(Some(frames));
        said
    }

    fn is_between(&self) -> bool {
        self.frames.get().is_none_or(|frames| frames.is_between())
    }

    /// How many of these bytes may still pass.
    fn still_takes(&self, bytes: &[u8]) -> usize {
        match (self.is_ending.get(), self.frames.get()) {
            (false, _) => bytes.len(),
            (true, None) => 0,
            (true, Some(frames)) => frames.of_this_frame(bytes),
        }
    }
}

/// One side's stream, and the direction that leads to it. Every byte passes the upstream's, whichever way it goes: there it
/// is noted.
struct Side<'a, S> {
    inner: S,
    way: &'a Way,
    noted: Option<(Notes<'a>, &'a Cell<Instant>)>,
}

impl<'a, S> Side<'a, S> {
    fn of_client(inner: S, way: &'a Way) -> Self {
        Self {
            inner,
            way,
            noted: None,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Side<'_, S> {
    /// Says the last words, if they can be said, and waits until the other side has heard them: closing under what it
    /// still sends would make the kernel throw them away.
    async fn end(&mut self, words: &[u8]) {
        if self.way.frames.get().is_none_or(|frames| !frames.is_between()) {
            return;
        }
        let _: io::Result<()> = async {
            if self.way.frames.get().is_some_and(|frames| frames.takes_close()) {
                self.inner.write_all(words).await?;
            }
            self.inner.shutdown().await?;
            let mut waste = vec![0; 4 * 1024];
            while self.inner.read(&mut waste).await? > 0 {}
            Ok(())
        }
        .await;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Side<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        if let Some((notes, last)) = &self.noted {
            let read = buffer.filled().len() - before;
            notes.down.set(notes.down.get() + read as u64);
            last.set(Instant::now());
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Side<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let takes = self.way.still_takes(bytes);
        if takes == 0 && !bytes.is_empty() {
            // Nobody is woken: whoever ends the conversation looks after each piece.
            return Poll::Pending;
        }
        let bytes = bytes.get(..takes).unwrap_or_default();
        let written = ready!(Pin::new(&mut self.inner).poll_write(context, bytes))?;
        let said = self.way.pass(bytes.get(..written).unwrap_or_default());
        if let Some((notes, last)) = &self.noted {
            last.set(Instant::now());
            if said {
                notes.said.set(true);
            }
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
