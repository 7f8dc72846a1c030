//! Bodies that are made while they are sent.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// The body of every answer.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

const CHUNK_BYTES: u32 = 64 << 10;

/// Every download sends this one chunk again and again. 251 is a prime: a lost or doubled piece shows.
static CHUNK: LazyLock<Bytes> = LazyLock::new(|| (0..CHUNK_BYTES).map(|n| (n % 251) as u8).collect());

/// A given number of bytes.
pub(super) struct Download {
    left: u64,
}

impl Download {
    /// A body of `bytes` bytes.
    pub(super) fn new(bytes: u64) -> Self {
        Self { left: bytes }
    }
}

impl HttpBody for Download {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut chunk = CHUNK.clone();
        chunk.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= chunk.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A stream of server-sent events that count up from 1.
pub(super) struct Events {
    ticks: Interval,
    sent: u64,
    count: Option<u64>,
}

impl Events {
    /// `count` events, or ever more, the first of them at once and then one each `period`.
    pub(super) fn new(count: Option<u64>, period: Duration) -> Self {
        // An interval of nothing is refused by the timer.
        let mut ticks = interval(period.max(Duration::from_millis(1)));
        // After a pause one event comes, not all that were missed.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            ticks,
            sent: 0,
            count,
        }
    }
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.count == Some(self.sent) {
            return Poll::Ready(None);
        }
        ready!(self.ticks.poll_tick(cx));
        self.sent += 1;
        let event = format!("id: {0}\ndata: {0}\n\n", self.sent);
        Poll::Ready(Some(Ok(Frame::data(event.into()))))
    }
}
