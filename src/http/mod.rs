//! The edge of HTTP: what the rest of the gateway may rely on about a request.
//!
//! [`target`] refuses every path and host that two programs could read differently, [`framing`] every body
//! whose end they could, [`hygiene`] takes out what must not travel on, [`client_addr`] finds out where a request comes
//! from, [`cookies`] reads and writes ours, [`body`] is the one body type, [`origin`] tells whose page sent a request,
//! [`request_id`] names it in logs, headers and pages, [`trace_context`] the trace it belongs to, [`navigation`] tells a
//! person at a browser from a program.

pub mod body;
pub mod client_addr;
pub mod cookies;
pub mod fields;
pub mod framing;
mod hex;
pub mod http1;
pub mod hygiene;
pub mod incoming;
pub mod navigation;
pub mod origin;
pub mod request_id;
pub mod target;
pub mod trace_context;
