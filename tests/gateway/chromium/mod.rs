//! What a person sees, in a real browser.

mod accessibility;
mod demo;
mod idle;
mod policy;
mod reflow;
mod sign_in;
