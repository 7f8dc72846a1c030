//! The integration tests.
#![allow(missing_docs)]
