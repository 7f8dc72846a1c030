//! No header that only the gateway may set gets through, and none that is one connection's.
#![no_main]

#[path = "../properties/header_hygiene.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::holds(bytes));
