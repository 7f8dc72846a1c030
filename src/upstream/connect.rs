//! Opening a stream to an upstream.

use std::{io, net::SocketAddr, path::Path, rc::Rc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    net::{TcpStream, UnixStream},
    time::sleep,
};

use super::names::Names;

/// How long an address has the field for itself before the next one is tried as well (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

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

/// Connects to one of the addresses of a name.
pub(super) async fn tcp(names: &Rc<Names>, host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = first_to_accept(names.addresses(host, port).await?).await?;
    // Requests and answers are written whole; waiting for more to send would only delay them.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Connects to a socket in the file system.
pub(super) async fn unix(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(path).await
}

/// The first connection that stands. The next address is tried when one refuses, or when it is slow.
async fn first_to_accept(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut left = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        match left.next() {
            Some(address) => attempts.push(TcpStream::connect(address)),
            None if attempts.is_empty() => return Err(last),
            None => {}
        }
        tokio::select! {
            Some(connected) = attempts.next() => match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            },
            () = sleep(HEAD_START), if left.len() > 0 => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        net::{TcpListener, TcpSocket},
        time::timeout,
    };

    use super::*;

    #[tokio::test]
    async fn addresses_that_refuse_or_say_nothing_are_passed_over() {
        let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refusing = TcpSocket::new_v4().unwrap();
        refusing.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        // A listener whose queue is full: the kernel leaves further connections without an answer.
        let silent = TcpSocket::new_v4().unwrap();
        silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let silent = silent.listen(1).unwrap();
        let mut filling = Vec::new();
        for _ in 0..8 {
            filling.push(tokio::spawn(TcpStream::connect(silent.local_addr().unwrap())));
        }
        while filling.iter().filter(|one| one.is_finished()).count() < 2 {
            tokio::task::yield_now().await;
        }
        let (open, refusing, silent) = (
            open.local_addr().unwrap(),
            refusing.local_addr().unwrap(),
            silent.local_addr().unwrap(),
        );
        for addresses in [
            vec![open],
            vec![refusing, open],
            vec![silent, open],
            vec![silent, refusing, open],
            vec![refusing, silent, open, silent],
        ] {
            let shown = format!("{addresses:?}");
            let stream = timeout(Duration::from_secs(20), first_to_accept(addresses)).await;
            assert_eq!(stream.unwrap().unwrap().peer_addr().unwrap(), open, "{shown}");
        }
        for addresses in [vec![], vec![refusing], vec![refusing, refusing]] {
            assert!(first_to_accept(addresses).await.is_err());
        }
    }
}
