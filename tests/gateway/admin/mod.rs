//! The admin listener: what it answers, to whom, and what that changes.

mod guards;
mod sessions;

use crate::harness::{GatewayBuilder, gateway};

/// What everybody has to show, where there is a token.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A gateway with an admin listener on this machine, and these lines more for it.
pub fn with_admin(more: &str) -> GatewayBuilder {
    gateway().table(&format!("[admin]\nlisten = \"127.0.0.1:0\"\n{more}"))
}
