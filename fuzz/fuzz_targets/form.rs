//! What passes for a form has one reading: the one that every other program has of it.
#![no_main]

#[path = "../properties/form.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::holds(bytes));
