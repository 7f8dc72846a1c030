//! Connections: how they are made, kept, limited and ended.

mod connections;
mod http2;
mod shutdown;
mod timeouts;
mod tls;
