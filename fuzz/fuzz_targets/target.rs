//! What passes for a path or a host has one reading.
#![no_main]

#[path = "../properties/target.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::holds(bytes));
