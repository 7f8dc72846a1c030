//! The `portcullis` binary: arguments in, exit code out. The only place that prints an error chain.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A request takes and gives back a dozen small pieces of memory: this allocator does so in a third of the system's time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    portcullis::cli::main()
}
