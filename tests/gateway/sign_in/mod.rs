//! What a sign-in gives away, and what it costs.

mod burst;
mod enumeration;
