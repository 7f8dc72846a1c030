//! Binding sockets: one per worker and address, so that the kernel spreads connections and no worker waits for
//! another.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    num::NonZeroUsize,
};

use tokio::net::TcpSocket;

/// Connections the kernel completes before we accept them.
const BACKLOG: u32 = 1024;

/// Sockets for all workers.
#[derive(Debug)]
pub struct Listeners {
    addresses: Vec<SocketAddr>,
    by_worker: Vec<Vec<TcpListener>>,
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}{}", self.advice())]
pub struct ListenError {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

impl ListenError {
    /// What the system's own words leave open.
    fn advice(&self) -> &'static str {
        match self.source.kind() {
            io::ErrorKind::PermissionDenied => {
                ", since ports below 1024 are for root and for programs with CAP_NET_BIND_SERVICE"
            }
            io::ErrorKind::AddrNotAvailable => ", since this machine does not have that address",
            _ => "",
        }
    }
}

impl Listeners {
    /// Binds every address once per worker (`SO_REUSEPORT`). Port 0 takes a free port.
    ///
    /// Must run inside a tokio runtime.
    ///
    /// # Errors
    /// An address is in use, not ours, or not allowed.
    pub fn bind(addresses: &[SocketAddr], workers: NonZeroUsize) -> Result<Self, ListenError> {
        let mut bound = Self {
            addresses: Vec::new(),
            by_worker: Vec::new(),
        };
        bound.by_worker.resize_with(workers.get(), Vec::new);
        for &address in addresses {
            let failed = |source| ListenError { address, source };
            // With SO_REUSEPORT a second gateway could join the first unnoticed and take half of its connections.
            // Binding without it tells whether somebody listens already.
            let probe = TcpListener::bind(address).map_err(failed)?;
            let address = probe.local_addr().map_err(failed)?;
            drop(probe);
            for sockets in &mut bound.by_worker {
                sockets.push(reuse_port(address).map_err(failed)?);
            }
            bound.addresses.push(address);
        }
        Ok(bound)
    }

    /// The addresses that were bound, with the real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Each worker's sockets.
    pub(super) fn into_workers(self) -> Vec<Vec<TcpListener>> {
        self.by_worker
    }
}

fn reuse_port(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}
