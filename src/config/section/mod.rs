//! One file per table of `gateway.toml`: the checked type, its defaults with their reasons, and how it is read.

pub mod admin;
mod cookie;
mod host;
pub mod limits;
mod listen;
pub mod log;
pub mod login;
pub mod proxies;
pub mod redis;
pub mod route;
pub mod server;
pub mod session;
pub mod token;
pub mod trust;
pub mod users;
