//! HTTP/2 towards an upstream (RFC 9113): many requests on one connection, each a stream in its request's own task.
//!
//! The frames are the business of the h2 crate, and of one task per connection that it asks for. We use it as it is rather
//! than through a general client, since only it says whether a stream that was refused ever reached the app, how many
//! streams there may be, and leaves the body with us until it is sent.

mod connections;
mod exchange;
mod request;

pub use connections::{Connection, Connections, Place};
pub use exchange::{Exchange, Outgoing};
