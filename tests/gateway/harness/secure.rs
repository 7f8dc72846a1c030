//! Upstreams at other addresses than `http://`: in TLS, and in the file system.

use std::{
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    path::Path,
    sync::Arc,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{Received, Upstream, gateway::Url, soon};

impl Upstream {
    /// In TLS, at `https://localhost`. Only what comes inside counts as received.
    pub fn secure(
        config: Arc<ServerConfig>,
        script: impl Fn(&Received) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        Self::accepting(url, script, move || {
            let (stream, _) = listener.accept().unwrap();
            let server = ServerConnection::new(Arc::clone(&config)).unwrap();
            Some(StreamOwned::new(server, stream))
        })
    }

    /// On a socket in the file system.
    pub fn on_socket(path: &Path, script: impl Fn(&Received) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let url = format!("unix:{}", path.display());
        Self::accepting(url, script, move || Some(listener.accept().unwrap().0))
    }
}

/// An upstream in TLS that does nothing by itself: the test plays its part, step by step.
pub struct SecureUpstream {
    address: SocketAddr,
    listener: tokio::net::TcpListener,
    acceptor: TlsAcceptor,
}

impl SecureUpstream {
    /// On a free port.
    pub async fn start(config: Arc<ServerConfig>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            address: listener.local_addr().unwrap(),
            listener,
            acceptor: TlsAcceptor::from(config),
        }
    }

    /// The gateway's next connection, when its handshake is done.
    pub async fn accept(&self) -> TlsStream<TcpStream> {
        let stream = self.accept_tcp().await;
        soon("a handshake", self.acceptor.accept(stream)).await.unwrap()
    }

    /// The gateway's next connection, before any handshake.
    pub async fn accept_tcp(&self) -> TcpStream {
        let accepted = soon("a connection to the upstream", self.listener.accept()).await;
        let stream = accepted.unwrap().0;
        // What a test has sent is to be there, and not to wait for what was sent before to be acknowledged.
        stream.set_nodelay(true).unwrap();
        stream
    }
}

impl Url for SecureUpstream {
    fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }
}
