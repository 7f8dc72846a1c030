//! What is to be written next: a head or a chunk's size, a piece of a body, and what stands behind it.

use std::{
    io::{self, IoSlice, Write as _},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use tokio::io::AsyncWrite;

/// The largest piece of a body that is copied behind its head. The system takes one buffer for less than two, and the copy
/// costs less than the difference.
const COPIED: usize = 2 * 1024;

const LINE_END: &[u8] = b"\r\n";

/// Bytes on their way out, never more of a body than a piece.
#[derive(Debug, Default)]
pub struct Outbox {
    text: Vec<u8>,
    /// How much of the text has gone out.
    sent: usize,
    data: Bytes,
    end: Bytes,
    has_piece: bool,
}

impl Outbox {
    /// With a head, which nothing has gone out of.
    pub fn new(head: Vec<u8>) -> Self {
        Self {
            text: head,
            ..Self::default()
        }
    }

    /// Whether all has gone out.
    pub fn is_empty(&self) -> bool {
        self.sent == self.text.len() && self.data.is_empty() && self.end.is_empty()
    }

    /// Whether the next piece of the body can be put in: the first may go with the head, the others one by one.
    pub fn has_room(&self) -> bool {
        !self.has_piece
    }

    /// Puts a piece of a body in, as a chunk of its own where the body is in chunks (RFC 9112, section 7.1).
    pub fn put(&mut self, data: Bytes, is_chunk: bool) {
        // The text is kept until now: a request's head may have to go out once more.
        if self.is_empty() {
            self.text.clear();
            self.sent = 0;
        }
        let end = match is_chunk {
            true => LINE_END,
            false => b"",
        };
        if is_chunk {
            // Writing to a Vec does not fail.
            let _ = write!(self.text, "{:x}\r\n", data.len());
        }
        self.has_piece = true;
        if data.len() <= COPIED {
            self.text.extend_from_slice(&data);
            self.text.extend_from_slice(end);
        } else {
            self.data = data;
            self.end = Bytes::from_static(end);
        }
    }

    /// Puts the end of a body in chunks behind it, with its trailers.
    pub fn finish<'h>(&mut self, trailers: impl IntoIterator<Item = (&'h str, &'h [u8])>) {
        let mut last = b"0\r\n".to_vec();
        for (name, value) in trailers {
            line(&mut last, name, value);
        }
        last.extend_from_slice(LINE_END);
        if self.data.is_empty() && self.end.is_empty() {
            self.text.extend_from_slice(&last);
        } else {
            self.end = [&self.end[..], &last].concat().into();
        }
        self.has_piece = true;
    }

    /// Has a head go out once more behind which nothing stood.
    pub fn rewind(&mut self) {
        self.sent = 0;
    }

    /// Puts another head in place of one of this length, of which nothing has gone out.
    pub fn replace_head(&mut self, length: usize, head: Vec<u8>) {
        let behind = self.text.split_off(length.min(self.text.len()));
        self.text = head;
        self.text.extend_from_slice(&behind);
    }

    /// Writes as much as the stream takes: how much that was.
    ///
    /// # Errors
    /// The connection failed, or takes nothing more.
    pub fn poll_write<S: AsyncWrite + ?Sized>(
        &mut self,
        stream: Pin<&mut S>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let text = self.text.get(self.sent..).unwrap_or_default();
        let written = if self.data.is_empty() && self.end.is_empty() {
            stream.poll_write(context, text)
        } else {
            let slices = [text, &self.data, &self.end].map(IoSlice::new);
            stream.poll_write_vectored(context, &slices)
        };
        written.map(|written| match written {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                self.advance(written);
                Ok(written)
            }
            Err(error) => Err(error),
        })
    }

    fn advance(&mut self, written: usize) {
        let of_text = written.min(self.text.len() - self.sent);
        self.sent += of_text;
        let of_data = (written - of_text).min(self.data.len());
        self.data.advance(of_data);
        let of_end = (written - of_text - of_data).min(self.end.len());
        self.end.advance(of_end);
        self.has_piece &= !self.is_empty();
    }
}

/// A header of an HTTP/1.1 message.
pub fn line(text: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, LINE_END] {
        text.extend_from_slice(part);
    }
}

/// The trailers of a message, as [`Outbox::finish`] takes them.
pub fn fields(trailers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    trailers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Takes at most so many bytes at once.
    struct Narrow(usize, Vec<u8>);

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.0);
            self.1.extend_from_slice(&bytes[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            let taken = all.len().min(self.0);
            self.1.extend_from_slice(&all[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn write_all(outbox: &mut Outbox, at_once: usize) -> Vec<u8> {
        let mut stream = Narrow(at_once, Vec::new());
        while !outbox.is_empty() {
            let written = outbox.poll_write(Pin::new(&mut stream), &mut Context::from_waker(Waker::noop()));
            assert!(matches!(written, Poll::Ready(Ok(1..))));
        }
        stream.1
    }

    #[test]
    fn what_is_put_in_comes_out_in_its_order_however_little_is_taken_at_once() {
        for size in [0, 1, COPIED, COPIED + 1] {
            for is_chunk in [false, true] {
                for at_once in [1, 7, 1 << 20] {
                    let data = vec![b'x'; size];
                    let mut outbox = Outbox::new(b"HEAD\r\n\r\n".to_vec());
                    let mut expected = b"HEAD\r\n\r\n".to_vec();
                    let piece = match is_chunk {
                        true => [format!("{size:x}\r\n").as_bytes(), &data, b"\r\n"].concat(),
                        false => data.clone(),
                    };
                    assert!(outbox.has_room());
                    outbox.put(data.clone().into(), is_chunk);
                    assert!(!outbox.has_room());
                    expected.extend_from_slice(&piece);
                    if is_chunk {
                        outbox.finish([("x-sum", &b"1"[..])]);
                        expected.extend_from_slice(b"0\r\nx-sum: 1\r\n\r\n");
                    }
                    assert_eq!(write_all(&mut outbox, at_once), expected);
                    assert!(outbox.has_room());
                    // The next piece comes without what has gone out.
                    outbox.put(data.into(), is_chunk);
                    assert_eq!(write_all(&mut outbox, at_once), piece);
                }
            }
        }
    }

    #[test]
    fn a_head_goes_out_again_or_another_in_its_place_with_what_stands_behind_it() {
        let mut outbox = Outbox::new(b"OLD\r\n".to_vec());
        assert_eq!(write_all(&mut outbox, 3), b"OLD\r\n");
        outbox.rewind();
        assert_eq!(write_all(&mut outbox, 100), b"OLD\r\n");
        outbox.rewind();
        outbox.replace_head(5, b"NEWER\r\n".to_vec());
        assert_eq!(write_all(&mut outbox, 100), b"NEWER\r\n");

        let mut outbox = Outbox::new(b"OLD\r\n".to_vec());
        outbox.put(Bytes::from_static(b"abc"), true);
        outbox.replace_head(5, b"NEWER\r\n".to_vec());
        assert_eq!(write_all(&mut outbox, 100), b"NEWER\r\n3\r\nabc\r\n");
    }

    #[test]
    fn a_stream_that_takes_nothing_more_is_an_error() {
        let mut outbox = Outbox::new(b"HEAD\r\n\r\n".to_vec());
        let mut stream = Narrow(0, Vec::new());
        let written = outbox.poll_write(Pin::new(&mut stream), &mut Context::from_waker(Waker::noop()));
        assert!(matches!(written, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::WriteZero));
    }
}
