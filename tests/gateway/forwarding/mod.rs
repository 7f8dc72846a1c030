//! The way up to the upstream and back down.

mod headers_down;
mod headers_up;
mod streaming;
