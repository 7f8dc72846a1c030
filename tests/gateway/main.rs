//! The integration tests: one binary, a module for each kind of promise.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it did not expect is to fail, and nobody else uses its modules"
)]

mod harness;

mod admin;
mod any_bytes;
mod apps;
mod attacks;
mod chromium;
mod command_line;
mod documents;
mod edge;
mod forward_auth;
mod forwarding;
mod log_lines;
mod portal;
mod rewriting;
mod server;
mod sessions;
mod shared_sessions;
mod sign_in;
mod tokens;
mod transports;
mod upstreams;
mod workflows;
