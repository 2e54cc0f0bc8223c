//! Hostile input for siptrace: seeded mutation of whole captures, and the targets of fuzzing with
//! what they begin with.

pub mod mutate;
pub mod seeds;
pub mod targets;
pub mod whole;

/// A program that gives a target what libFuzzer makes up, or without libFuzzer the files named.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $crate::targets::$name(bytes));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            $crate::replay($crate::targets::$name)
        }
    };
}

/// Gives a target the files that the command line names, one after another.
///
/// # Errors
///
/// When one of them cannot be read.
pub fn replay(target: targets::Target) -> std::io::Result<()> {
    std::env::args_os().skip(1).try_for_each(|path| std::fs::read(path).map(|bytes| target(&bytes)))
}
