//! The way up to the upstream and back down.

mod access_log;
mod headers_down;
mod headers_up;
mod keep_alive;
mod limits;
mod routes;
mod stages;
mod streaming;
mod targets;
mod upgrades;
mod upstream_failures;
mod websocket_http2;
