//! Opening a stream to an upstream.

use std::{io, path::Path};

use tokio::net::{TcpStream, UnixStream, lookup_host};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address, no address accepts, or whoever accepts is not the one it should be.
    #[error("cannot connect")]
    Refused(#[from] io::Error),
    /// HTTP/2 was to be spoken, and is not.
    #[error("the upstream does not speak HTTP/2")]
    Http2(#[from] h2::Error),
    /// It took longer than the route's connect timeout.
    #[error("the connection was not accepted in time")]
    TimedOut,
}

/// Connects to the first address of a name that accepts.
pub(super) async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host((host, port)).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Requests and answers are written whole; waiting for more to send would only delay them.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Connects to a socket in the file system.
pub(super) async fn unix(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(path).await
}
