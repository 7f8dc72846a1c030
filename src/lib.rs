//! portcullis: a reverse-proxy authentication gateway. It stands in front of unmodified web apps, signs people in
//! itself, and forwards only requests whose session cookie or bearer token is valid.
//!
//! # The life of a request
//!
//! [`server`] accepts a connection on one of its workers and hands each request to [`handle::handle`],
//! whose `pipeline` tells the whole story in this order:
//!
//! 1. [`http::target`] refuses a target with more than one reading;
//! 2. [`portal::answer`] answers the gateway's own addresses, under `/.auth/`;
//! 3. [`route::RouteTable::find`] chooses the route, the most specific one;
//! 4. [`authenticate::Authenticator::authenticate`] finds out who it is, by session cookie or token;
//! 5. [`authorize::authorize`] checks the route's rule, and alone makes a [`authorize::Permit`];
//! 6. [`forward::forward`] takes the permit and makes the trip to the upstream and back.
//!
//! Any of them may end the story with a [`refusal::Refusal`], which [`respond::refuse`] renders.
//!
//! # Layers
//!
//! Each module imports only from lines below its own; a test holds that.
//!
//! ```text
//! cli
//! server  sample_app
//! admin
//! handle
//! portal
//! gateway
//! forward
//! authorize
//! authenticate
//! route
//! respond
//! pages  refusal
//! upstream
//! http  session  token  users
//! identity  observe  pem  store
//! config
//! address  clock
//! ```
//!
//! `sample_app` is an upstream: it knows nothing of the gateway but the look of its pages.
//!
//! # Invariants
//!
//! - Nothing is forwarded without a permit, and only `authorize` makes one.
//! - A credential that cannot be checked, for whatever reason, is no credential.
//! - Secrets are held as hashes, or in types that do not print.
//! - What workers share is read without waiting, but for a shard of the session table while another worker puts a
//!   session in or takes one out. There is no global, and no `unsafe`.

pub mod cli;

pub mod sample_app;
pub mod server;

pub mod admin;

pub mod handle;

pub mod portal;

pub mod gateway;

pub mod forward;

pub mod authorize;

pub mod authenticate;

pub mod route;

pub mod respond;

pub mod pages;
pub mod refusal;

pub mod upstream;

pub mod http;
pub mod session;
pub mod token;
pub mod users;

pub mod identity;
pub mod observe;
pub mod pem;
pub mod store;

pub mod config;

pub mod address;
pub mod clock;

#[cfg(test)]
mod layers;
