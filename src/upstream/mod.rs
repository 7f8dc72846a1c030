//! The apps behind the gateway: connections to them, kept open between requests.

pub mod connect;
pub mod deadline;
pub mod http1;
pub mod pool;
mod stream;

pub use deadline::{Deadline, Deadlines};
pub use pool::Pool;
pub use stream::Stream;
