//! An upstream that does nothing by itself: the test plays its part, step by step.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

use super::{Wire, gateway::Url, soon};

/// A listener whose connections the test takes one by one.
pub struct PlayedUpstream {
    address: SocketAddr,
    listener: TcpListener,
}

impl PlayedUpstream {
    /// On a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            address: listener.local_addr().unwrap(),
            listener,
        }
    }

    /// The gateway's next connection.
    pub async fn accept(&self) -> Wire<TcpStream> {
        let accepted = soon("a connection to the upstream", self.listener.accept()).await;
        Wire::new(accepted.unwrap().0)
    }
}

impl Url for PlayedUpstream {
    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
