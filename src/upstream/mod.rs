//! The apps behind the gateway: connections to them, kept open between requests.

pub mod connect;
pub mod pool;
pub mod sender;

pub use pool::Pool;
pub use sender::Sender;
