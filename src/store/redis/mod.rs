//! What several gateways share: a Redis, or a cluster of them, over which they also tell each other what has ended.
//!
//! [`Link`] is a gateway's way there, and knows for how long what is remembered here can be trusted; [`event`] is what is
//! told, [`records`] keeps what the tables of a store hold. Requires Redis 6.2, or a Valkey.

mod connection;
pub mod event;
mod link;
pub(super) mod records;

pub use event::{Event, session_ended};
pub use link::{Link, Owed};
pub use records::{hex, session_key};

/// What all our keys begin with.
pub const PREFIX: &str = "portcullis";

/// Where gateways tell each other what has ended.
const CHANNEL: &str = "portcullis:events";
