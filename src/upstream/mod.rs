//! The apps behind the gateway: connections to them, kept open between requests.
//!
//! [`Upstream`] says where an app is and how it is known to be the right one; [`connect`] opens streams to it. A request
//! travels over [`http1`], a connection for itself, or over [`http2`], a stream beside others; [`Exchange`] is either, and
//! [`Pool`] has what is open.

mod answer;
mod app;
mod bound;
pub mod connect;
pub mod deadline;
mod exchange;
pub mod http1;
pub mod http2;
pub mod pool;
mod stream;
pub mod tls;

pub use answer::{Broken, Head, Piece, Trailers};
pub use app::{Upstream, Upstreams};
pub use bound::{Bound, Whose};
pub use deadline::{Deadline, Deadlines};
pub use exchange::{Connection, Exchange};
pub use pool::{Needs, Pool};
pub use stream::Stream;
