//! The `portcullis` binary: arguments in, exit code out. The only place that prints an error chain.

use std::process::ExitCode;

fn main() -> ExitCode {
    portcullis::cli::main()
}
