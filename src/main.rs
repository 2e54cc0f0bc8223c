//! The command line program; everything it does is in the library.

use std::process::ExitCode;

/// A run frees on one thread what another one allocated, call by call: what mimalloc is made for.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    siptrace::cli::run(std::env::args_os())
}
