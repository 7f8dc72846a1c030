//! The apps behind the gateway: which of several a request goes to, and connections to them, kept open between requests.
//!
//! [`set`] chooses, by the rule of [`balance`] and by what [`standing`] knows, which [`health`] and every new connection
//! tell it; [`sticky`] brings browsers back. [`Upstream`] says where an app is and how it is known to be the right one;
//! [`connect`] opens streams to the addresses that [`names`] knows. A request travels over [`http1`], a connection for
//! itself, or over [`http2`], a stream beside others; [`Exchange`] is either, and [`Pool`] has what is open.

mod answer;
mod app;
pub mod balance;
mod bound;
pub mod connect;
pub mod deadline;
mod exchange;
pub mod health;
pub mod http1;
pub mod http2;
mod names;
pub mod pool;
pub mod set;
pub mod standing;
pub mod sticky;
mod stream;
pub mod tls;

pub use answer::{Broken, Head, Piece, Trailers};
pub use app::{Upstream, Upstreams};
pub use bound::{Bound, Whose};
pub use deadline::{Deadline, Deadlines};
pub use exchange::{Connection, Exchange};
pub use pool::{Needs, Pool};
pub use set::{Place, Target, Targets, UpstreamSet};
pub use stream::Stream;
