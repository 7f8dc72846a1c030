//! `[server.limits]`: what one client may cost.

use std::time::Duration;

/// `[server.limits]`, checked.
#[derive(Debug, Clone)]
pub struct LimitsConfig {
    /// Connections open at once over all listeners; further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// From the first byte of a request head, or of a TLS handshake, to its end.
    pub header_timeout: Duration,
    /// How long a connection may stay open without a request.
    pub idle_timeout: Duration,
    /// Request line and header fields together, in bytes; past it 431.
    pub max_header_bytes: usize,
    /// A request's body, in bytes; past it 413. A route may set its own.
    pub max_body: u64,
}
