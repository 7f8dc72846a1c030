//! Binding sockets: one per worker and address, so that the kernel spreads connections and no worker waits for
//! another. Unix sockets have no such thing: there all workers wait on one, and the first to be there takes what comes.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
};

use tokio::net::TcpSocket;

use super::socket_file::{self, SocketFile};
use crate::config::{AdminAddress, AdminConfig, ServerConfig};

/// Connections the kernel completes before we accept them.
pub(super) const BACKLOG: u32 = 1024;

/// Sockets for all workers.
#[derive(Debug)]
pub struct Listeners {
    addresses: Vec<SocketAddr>,
    redirect: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    files: Vec<SocketFile>,
    for_admin: Option<Sockets>,
    by_worker: Vec<Sockets>,
}

/// One worker's sockets.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    pub(super) tcp: Vec<TcpListener>,
    pub(super) unix: Vec<UnixListener>,
    pub(super) redirect: Option<TcpListener>,
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Of TCP.
    #[error("cannot listen on {address}{}", advice(source))]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A unix socket.
    #[error("cannot listen on the unix socket {}", path.display())]
    Socket {
        /// Its file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// What the system's own words about a TCP address leave open.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            ", since ports below 1024 are for root and for programs with CAP_NET_BIND_SERVICE"
        }
        io::ErrorKind::AddrNotAvailable => ", since this machine does not have that address",
        _ => "",
    }
}

impl Listeners {
    /// Binds every address once per worker (`SO_REUSEPORT`), and that of the admin listener once. Port 0 takes a free port.
    ///
    /// Must run inside a tokio runtime.
    ///
    /// # Errors
    /// An address is in use, not ours, or not allowed.
    pub fn bind(server: &ServerConfig, admin: Option<&AdminConfig>) -> Result<Self, ListenError> {
        let mut bound = Self {
            addresses: Vec::new(),
            redirect: None,
            admin: None,
            files: Vec::new(),
            for_admin: None,
            by_worker: Vec::new(),
        };
        bound
            .by_worker
            .resize_with(server.workers.get(), Sockets::default);
        for &address in &server.listen {
            let address = bound.bind_address(address, |worker, socket| worker.tcp.push(socket))?;
            bound.addresses.push(address);
        }
        if let Some(address) = server.redirect_http {
            let address = bound.bind_address(address, |worker, socket| worker.redirect = Some(socket))?;
            bound.redirect = Some(address);
        }
        for path in &server.listen_unix {
            bound.bind_socket(path).map_err(|source| ListenError::Socket {
                path: path.clone(),
                source,
            })?;
        }
        if let Some(admin) = admin {
            bound.bind_admin(&admin.listen)?;
        }
        Ok(bound)
    }

    /// Binds an address for every worker; returns it with the real port.
    fn bind_address(
        &mut self,
        address: SocketAddr,
        give: impl Fn(&mut Sockets, TcpListener),
    ) -> Result<SocketAddr, ListenError> {
        let failed = |source| ListenError::Address { address, source };
        // With SO_REUSEPORT a second gateway could join the first unnoticed and take half of its connections.
        // Binding without it tells whether somebody listens already.
        let probe = TcpListener::bind(address).map_err(failed)?;
        let address = probe.local_addr().map_err(failed)?;
        drop(probe);
        for worker in &mut self.by_worker {
            give(worker, reuse_port(address).map_err(failed)?);
        }
        Ok(address)
    }

    fn bind_socket(&mut self, path: &Path) -> io::Result<()> {
        let (listener, file) = socket_file::listen(path, socket_file::FOR_THE_GROUP)?;
        self.files.push(file);
        for worker in &mut self.by_worker {
            worker.unix.push(listener.try_clone()?);
        }
        Ok(())
    }

    fn bind_admin(&mut self, address: &AdminAddress) -> Result<(), ListenError> {
        let mut sockets = Sockets::default();
        match address {
            AdminAddress::Tcp(address) => {
                let failed = |source| ListenError::Address {
                    address: *address,
                    source,
                };
                let listener = TcpListener::bind(address).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                self.admin = Some(listener.local_addr().map_err(failed)?);
                sockets.tcp.push(listener);
            }
            AdminAddress::Unix(path) => {
                let (listener, file) =
                    socket_file::listen(path, socket_file::FOR_ITS_USER).map_err(|source| {
                        ListenError::Socket {
                            path: path.clone(),
                            source,
                        }
                    })?;
                self.files.push(file);
                sockets.unix.push(listener);
            }
        }
        self.for_admin = Some(sockets);
        Ok(())
    }

    /// The addresses that were bound, with the real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where people are sent to `public_url`, with the real port.
    pub fn redirect_address(&self) -> Option<SocketAddr> {
        self.redirect
    }

    /// Where the admin listener is, with the real port.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Each worker's sockets, those of the admin listener, and what removes the files of unix sockets when it is dropped.
    pub(super) fn into_workers(self) -> (Vec<Sockets>, Option<Sockets>, Vec<SocketFile>) {
        (self.by_worker, self.for_admin, self.files)
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
