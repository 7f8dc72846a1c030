//! Connections: how they are made, kept, limited and ended.

mod connections;
mod http2;
mod shutdown;
mod slow_readers;
mod timeouts;
mod tls;
