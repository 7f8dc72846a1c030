//! The command line.

pub mod sample_app;

use std::process::ExitCode;

/// Runs the command that was typed.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
