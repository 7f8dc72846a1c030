//! Opening a connection to an upstream.

use std::{io, time::Duration};

use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use crate::config::UpstreamUrl;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address, or no address accepts.
    #[error("cannot connect")]
    Refused(#[source] io::Error),
    /// It took longer than the route's connect timeout.
    #[error("the connection was not accepted in time")]
    TimedOut,
}

/// Connects to the first address of the upstream's name that accepts, all of them within `limit`.
///
/// # Errors
/// No address accepted in time.
pub async fn connect(upstream: &UpstreamUrl, limit: Duration) -> Result<TcpStream, ConnectError> {
    let attempt = async {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in lookup_host((upstream.host.as_str(), upstream.port)).await? {
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
    };
    match timeout(limit, attempt).await {
        Ok(connected) => connected.map_err(ConnectError::Refused),
        Err(_) => Err(ConnectError::TimedOut),
    }
}
