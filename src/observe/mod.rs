//! What is written down: the log, one access line per request, one audit line per event of a credential.

pub mod access;
pub mod audit;
pub mod log;
mod printable;
