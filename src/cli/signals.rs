//! What is there only until the run ends, and signals that end it before.
//!
//! A signal takes away what an error would have taken away, and then does to the program what it
//! does to any other, so that a shell sees how it ended. Knows nothing of what is written.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is taken away when a signal ends the run.
static PASSING: Mutex<Passing> =
    Mutex::new(Passing { files: BTreeSet::new(), folders: Vec::new() });

/// Files and folders that are there only until the run ends.
#[derive(Debug)]
pub(super) struct Passing {
    /// Files that have not got their name.
    pub(super) files: BTreeSet<PathBuf>,
    /// Folders that were made for them, outer ones first.
    pub(super) folders: Vec<PathBuf>,
}

impl Passing {
    fn take_away(&mut self) {
        // Nobody is left who could be told what fails here.
        for file in std::mem::take(&mut self.files) {
            let _ = fs::remove_file(file);
        }
        for folder in std::mem::take(&mut self.folders).iter().rev() {
            // Only an empty one goes.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// The first Ctrl-C only ends the input.
static LETS_INPUT_END: AtomicBool = AtomicBool::new(false);

/// What is taken away; as long as this is held, no signal ends the run.
pub(super) fn passing() -> MutexGuard<'static, Passing> {
    PASSING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on a signal that ends the run takes away what is passing.
///
/// A signal that the program was started to ignore, as `nohup` does, stays ignored.
#[cfg(unix)]
pub(super) fn watch() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let own = [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| !is_ignored(*signal));
        let Ok(mut signals) = Signals::new(own) else { return };
        let wait = move || {
            for signal in signals.forever() {
                if signal == SIGINT && LETS_INPUT_END.swap(false, Ordering::Relaxed) {
                    let hint = "siptrace: the input is read to its end; Ctrl-C again stops at once";
                    let _ = writeln!(io::stderr(), "{hint}");
                    continue;
                }
                let mut passing = passing();
                passing.take_away();
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        };
        // Without the thread files may be left lying, and nothing else is lost.
        let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(wait);
    });
}

#[cfg(not(unix))]
pub(super) fn watch() {}

/// From now on the first Ctrl-C leaves time to tell what was found: it ends the programs of the
/// whole pipe, and so the input. A second one ends this program.
pub(super) fn let_input_end() {
    LETS_INPUT_END.store(true, Ordering::Relaxed);
    watch();
}

/// From now on a file that grows beyond the limit of the shell is an error, not the end.
#[cfg(unix)]
pub(super) fn outlive_limits() {
    let seen = std::sync::Arc::default();
    // Without it the signal ends the program, as it would have done before.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, seen);
}

#[cfg(not(unix))]
pub(super) fn outlive_limits() {}

/// The program was started with this signal ignored.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    match fs::read_to_string("/proc/self/status") {
        Ok(status) => mask_has(&status, signal),
        // Where that is not told, only a hangup is often ignored.
        Err(_) => signal == signal_hook::consts::SIGHUP,
    }
}

/// The mask of ignored signals, as Linux writes it, has this one.
#[cfg(unix)]
fn mask_has(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    let bit = u32::try_from(signal).ok().and_then(|signal| signal.checked_sub(1));
    bit.and_then(|bit| mask.checked_shr(bit)).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn knows_which_signals_are_ignored() {
        let status = "Name:\tsiptrace\nSigIgn:\t0000000000001001\nSigCgt:\tffffffffffffffff\n";
        let ignored: Vec<i32> = (0..=64).filter(|signal| mask_has(status, *signal)).collect();
        assert_eq!(ignored, [1, 13]);
        assert!(!mask_has("Name:\tsiptrace\n", 1));
        assert!(!mask_has("SigIgn:\tnothing\n", 1));
    }
}
