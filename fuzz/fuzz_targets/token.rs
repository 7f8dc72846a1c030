//! Whoever has no key has no token, whatever they write; and of what whoever has the key may write, only a token counts.
#![no_main]

#[path = "../properties/token.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::holds(bytes));
