//! An answer on its way to the client, and the request that is not over before it has gone out.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::activity::{RequestGuard, Turn};
use crate::handle::Answer;

/// An answer's body, and the request that runs until it has gone out, where the answer comes from an upstream.
pub(super) struct Running {
    answer: Answer,
    turn: Option<Turn>,
}

impl Running {
    /// What a request is answered with.
    pub(super) fn new(answer: Answer, request: RequestGuard) -> Self {
        // Our own answers are whole by now. A client that does not take one (HTTP/2 lets it keep its window shut) is
        // idle: were its request still running, its connection would be held for as long as it likes.
        let turn = (!answer.is_own()).then(|| Turn::new(request));
        Self { answer, turn }
    }
}

impl Body for Running {
    type Data = Bytes;
    type Error = <Answer as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(turn) = &mut self.turn {
            turn.asked();
        }
        let frame = Pin::new(&mut self.answer).poll_frame(context);
        if let (Poll::Ready(Some(_)), Some(turn)) = (&frame, &mut self.turn) {
            turn.gave();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.answer.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.answer.size_hint()
    }
}
