//! The beginning of a connection has one reading.
#![no_main]

#[path = "../properties/proxy_protocol.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::holds(bytes));
