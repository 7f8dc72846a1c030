//! portcullis: a reverse-proxy authentication gateway.

pub mod clock;
pub mod config;
pub mod identity;
pub mod pages;
pub mod sample_app;

pub mod cli;
