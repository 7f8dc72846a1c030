//! `[server.limits]`: what one client may cost.

use crate::config::reader::Table;
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
    /// How long a client may take nothing of an answer.
    pub send_timeout: Duration,
    /// Request line and header fields together, in bytes; past it 431.
    pub max_header_bytes: usize,
    /// A request's body, in bytes; past it 413. A route may set its own.
    pub max_body: u64,
}

impl LimitsConfig {
    /// More connections than a small machine's memory has room for at about 16 KiB each.
    const MAX_CONNECTIONS: usize = 10_000;
    /// Longer than any browser takes over a bad mobile network, shorter than a patient attacker would like.
    const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
    /// nginx's `keepalive_timeout`.
    const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
    /// nginx's `send_timeout`.
    const SEND_TIMEOUT: Duration = Duration::from_secs(60);
    /// Room for the large cookies and tickets of old apps; nginx and Apache stop at 32 KiB to 64 KiB.
    const MAX_HEADER_BYTES: u64 = 64 * 1024;
    /// Enough for the attachments people send; uploads of more are for a route to allow.
    const MAX_BODY: u64 = 100 * 1024 * 1024;

    pub(super) fn read(mut table: Table<'_, '_>) -> Self {
        let limits = Self {
            max_connections: table
                .take("max_connections")
                .and_then(|value| value.integer(1..=10_000_000))
                .and_then(|number| usize::try_from(number).ok())
                .unwrap_or(Self::MAX_CONNECTIONS),
            header_timeout: table
                .take("header_timeout")
                .and_then(|value| value.positive_duration())
                .unwrap_or(Self::HEADER_TIMEOUT),
            idle_timeout: table
                .take("idle_timeout")
                .and_then(|value| value.positive_duration())
                .unwrap_or(Self::IDLE_TIMEOUT),
            send_timeout: table
                .take("send_timeout")
                .and_then(|value| value.positive_duration())
                .unwrap_or(Self::SEND_TIMEOUT),
            // hyper reads into a buffer of 8 KiB at least.
            max_header_bytes: table
                .take("max_header_bytes")
                .and_then(|value| value.size(8 * 1024..=16 * 1024 * 1024))
                .unwrap_or(Self::MAX_HEADER_BYTES) as usize,
            max_body: table
                .take("max_body")
                .and_then(|value| value.size(0..=u64::MAX))
                .unwrap_or(Self::MAX_BODY),
        };
        table.finish(&[]);
        limits
    }
}
