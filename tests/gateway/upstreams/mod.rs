//! Several upstreams of a route: who gets what, who stands in for whom, and how it is known who works.

mod balance;
mod failing;
mod health;
mod sticky;
