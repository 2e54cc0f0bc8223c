//! Room on the stacks of threads that others start.
//!
//! An executor runs plans on threads of its own, with the stack that the standard library gives
//! them. Only the environment tells it how much, and only before the program begins.

use std::process::ExitCode;

use crate::engine::STACK_BYTES;

const VARIABLE: &str = "RUST_MIN_STACK";

/// Runs the program again where threads would have too little room; how that ended. None where
/// this one is to go on.
#[cfg(unix)]
pub(crate) fn again_with_room() -> Option<ExitCode> {
    use std::os::unix::process::CommandExt as _;

    let is_executor = std::env::args_os().nth(1).is_some_and(|role| role == "executor");
    if !is_executor || std::env::var_os(VARIABLE).is_some() {
        return None;
    }
    let program = std::env::current_exe().ok()?;
    let mut again = std::process::Command::new(program);
    again.args(std::env::args_os().skip(1)).env(VARIABLE, STACK_BYTES.to_string());
    // It comes back only where that failed; then the stacks are what they are.
    let _ = again.exec();
    None
}

/// Nothing that can be done.
#[cfg(not(unix))]
pub(crate) fn again_with_room() -> Option<ExitCode> {
    let _ = (VARIABLE, STACK_BYTES);
    None
}
