//! What the tests are written with: a gateway, upstreams that remember, and clients that say exactly what they
//! are told to. Everything listens on a free port and stops when it goes out of scope.

mod authority;
mod axe;
mod browser;
mod chromium;
mod demo;
mod gateway;
mod guide;
mod http2;
mod http2_upstream;
mod played;
mod process;
mod raw;
mod redis;
mod replica;
mod secure;
mod servers;
mod tap;
mod tls;
mod upstream;
mod wire;

pub use authority::{Authority, Pair};
pub use axe::axe;
pub use browser::{Browser, as_navigation, hidden_field};
pub use chromium::{Chromium, Screen};
pub use demo::Demo;
pub use gateway::{Gateway, GatewayBuilder, PASSWORD, Url, gateway, user_entry};
pub use guide::{Guide, shell};
pub use http2::{Http2, Outcome};
pub use http2_upstream::{Http2Client, Http2Upstream, body_of, http2_client, serve as serve_http2};
pub use played::PlayedUpstream;
pub use process::{Running, address_of_its_own, free_port, portcullis};
pub use raw::{RawClient, RawResponse};
pub use redis::{Cut, Redis};
pub use replica::{HEALTH, HOLD, Replica};
pub use secure::SecureUpstream;
pub use servers::{Nghttpd, Nginx};
pub use tap::Tap;
pub use tls::{tls_connect, tls_over};
pub use upstream::{Received, SampleApp, Upstream, sample_app};
pub use wire::Wire;

use std::time::Duration;

/// How long a test waits for something that must happen. Only a failing test ever waits that long.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for a future that must become ready.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
