//! One connection, byte by byte: an upstream's or a client's, plain, encrypted or upgraded.

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use super::{RawResponse, soon};

/// A connection and what was read ahead from it.
pub struct Wire<S> {
    stream: S,
    buffer: Vec<u8>,
}

impl Wire<TcpStream> {
    /// Waits until the other side's kernel has all that was sent: on a busy machine that takes a moment, and a program
    /// that is asked to stop in it has been sent nothing.
    pub async fn delivered(&self) {
        let port = format!(":{:04X} ", self.stream.local_addr().unwrap().port());
        let nothing_waits = || {
            let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
            // proc(5): number, own address, other address, state, and the queues.
            let line = table
                .lines()
                .map(|line| line.split_whitespace().collect::<Vec<_>>());
            let own = line.filter(|fields| {
                fields
                    .get(1)
                    .is_some_and(|own| format!("{own} ").ends_with(&port))
            });
            own.into_iter().all(|fields| fields[4].starts_with("00000000:"))
        };
        let delivered = async {
            while !nothing_waits() {
                tokio::task::yield_now().await;
            }
        };
        soon("what was sent to arrive", delivered).await;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Around a stream from which nothing has been read.
    pub fn new(stream: S) -> Self {
        Self::with(stream, Vec::new())
    }

    /// Around a stream from which `buffer` has been read.
    pub fn with(stream: S, buffer: Vec<u8>) -> Self {
        Self { stream, buffer }
    }

    /// Sends bytes that must be taken.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon("bytes to be taken", self.stream.write_all(bytes.as_ref()))
            .await
            .unwrap();
        let _ = self.stream.flush().await;
    }

    /// Sends bytes that the other side need not take any more.
    pub async fn offer(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        soon(
            "bytes to be taken or refused",
            self.stream.write_all(bytes.as_ref()),
        )
        .await
    }

    /// Sends as often as it takes until the other side takes no more for now; returns how many bytes it took.
    /// `most` is the number at which nobody can believe any more that it ever stops.
    pub async fn fill_up(&mut self, most: usize) -> usize {
        let piece = vec![b'x'; 64 * 1024];
        let mut taken = 0;
        while taken < most {
            // Buffers of the kernel empty themselves for a while after a reader has stopped.
            let written =
                tokio::time::timeout(std::time::Duration::from_millis(500), self.stream.write(&piece));
            match written.await {
                Ok(written) => taken += written.unwrap(),
                Err(_) => break,
            }
        }
        taken
    }

    /// Says that nothing more will come.
    pub async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// The same to a side that may be gone already.
    pub async fn offer_end(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// The next message's head, with the empty line at its end.
    pub async fn head(&mut self) -> String {
        String::from_utf8(self.until("\r\n\r\n").await).unwrap()
    }

    /// The next answer, whose body is as long as it says.
    pub async fn answer(&mut self) -> RawResponse {
        let head = self.head().await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = RawResponse {
            status,
            head,
            body: Vec::new(),
        };
        if let [length] = answer.header("content-length")[..] {
            answer.body = self.exactly(length.parse().unwrap()).await;
        }
        answer
    }

    /// Everything up to and with `mark`.
    pub async fn until(&mut self, mark: impl AsRef<[u8]>) -> Vec<u8> {
        let mark = mark.as_ref();
        let mut searched = 0;
        loop {
            let found = self.buffer[searched..]
                .windows(mark.len())
                .position(|window| window == mark);
            if let Some(at) = found {
                return self.buffer.drain(..searched + at + mark.len()).collect();
            }
            searched = self.buffer.len().saturating_sub(mark.len() - 1);
            let read = soon("more bytes", self.stream.read_buf(&mut self.buffer)).await;
            assert!(
                read.is_ok_and(|read| read > 0),
                "the connection ended before {:?}: {:?}",
                String::from_utf8_lossy(mark),
                String::from_utf8_lossy(&self.buffer)
            );
        }
    }

    /// The next `count` bytes.
    pub async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            let read = soon("more bytes", self.stream.read_buf(&mut self.buffer)).await;
            assert!(read.unwrap() > 0, "the connection ended too early");
        }
        self.buffer.drain(..count).collect()
    }

    /// Everything until the other side ends the connection, by a reset too.
    pub async fn rest(&mut self) -> Vec<u8> {
        while matches!(
            soon(
                "the end of the connection",
                self.stream.read_buf(&mut self.buffer)
            )
            .await,
            Ok(1..)
        ) {}
        std::mem::take(&mut self.buffer)
    }

    /// Holds that the other side ends the connection without another byte.
    #[track_caller]
    pub fn ends(&mut self) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let rest = self.rest().await;
            assert!(rest.is_empty(), "{caller}: {:?}", String::from_utf8_lossy(&rest));
        }
    }
}
