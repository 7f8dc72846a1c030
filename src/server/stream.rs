//! What connections come on: TCP, or a unix socket. They differ in what can be asked of them, and in whether the other
//! end has an address.

use std::{io, os::fd::AsFd, time::Duration};

use rustix::net::{RecvFlags, sockopt};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
};

use crate::address::PeerAddr;

/// After this much silence the system asks whether the client is still there, and then this often, this many times.
const PROBE_AFTER: Duration = Duration::from_mins(1);
const PROBE_EVERY: Duration = Duration::from_secs(15);
const PROBES: u32 = 4;

/// Where connections come in.
pub(super) trait Listener {
    /// What they come on.
    type Stream: Stream;

    /// The next one.
    async fn accept(&self) -> io::Result<(Self::Stream, PeerAddr)>;
}

/// A connection, before anything has been made of it.
pub(super) trait Stream: AsyncRead + AsyncWrite + AsFd + Unpin + Send + 'static {
    /// Asks of the system what a connection needs.
    fn prepare(&self) -> io::Result<()>;

    /// Waits for bytes and looks at them without taking them; none once the other side has finished.
    async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize>;
}

/// Has the system find out when a client is gone without a word: a WebSocket on which nobody speaks, or an answer that
/// is waited for, has no limit of ours and would keep its place for ever.
fn probe(stream: &TcpStream) -> io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, PROBE_AFTER)?;
    sockopt::set_tcp_keepintvl(stream, PROBE_EVERY)?;
    Ok(sockopt::set_tcp_keepcnt(stream, PROBES)?)
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, PeerAddr)> {
        let (stream, peer) = self.accept().await?;
        Ok((stream, peer.ip().into()))
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, PeerAddr)> {
        let (stream, _) = self.accept().await?;
        Ok((stream, PeerAddr::UNIX))
    }
}

impl Stream for TcpStream {
    fn prepare(&self) -> io::Result<()> {
        // Answers are written whole; waiting for more to send would only delay them.
        self.set_nodelay(true)?;
        probe(self)
    }

    async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.peek(buffer).await
    }
}

impl Stream for UnixStream {
    /// Nothing: what is written is there at once, and the system tells at once when the other end is gone.
    fn prepare(&self) -> io::Result<()> {
        Ok(())
    }

    async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.async_io(Interest::READABLE, || {
            let (seen, _) = rustix::net::recv(self, &mut *buffer, RecvFlags::PEEK)?;
            Ok(seen)
        })
        .await
    }
}
