//! What a run costs before it has read anything.
//!
//! For a capture of a few packets, threads and large pages cost more than the work itself: a large
//! page is cleared as a whole when its first byte is written. For a gigabyte both pay. For several
//! gigabytes large pages take memory: each is there as a whole for whatever is left in it.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::capture::Source;

/// Captures of so many bytes together take less time than the start of threads.
const LITTLE: u64 = 128 << 10;

/// So many bytes are read with large pages; what a longer run keeps besides lies in small ones.
const LARGE_UNTIL: u64 = 2 << 30;

/// The process is the program itself, so its thread and its memory are ours.
static IS_PROGRAM: AtomicBool = AtomicBool::new(false);

/// Large pages are off because we wanted it, not whoever started the program.
static HAS_SMALL_PAGES: AtomicBool = AtomicBool::new(false);

/// The program begins. It takes memory in small pages until there is much to read.
pub(super) fn begin() {
    IS_PROGRAM.store(true, Ordering::Relaxed);
    if pages::are_large() && pages::let_be_large(false) {
        HAS_SMALL_PAGES.store(true, Ordering::Relaxed);
    }
}

/// Takes memory as whoever started the program had it.
pub(super) fn expect_much() {
    if HAS_SMALL_PAGES.swap(false, Ordering::Relaxed) {
        pages::let_be_large(true);
    }
}

/// So many bytes were read: takes memory as it fits a run so long.
pub(super) fn has_read(bytes: u64) {
    static ONCE: Once = Once::new();
    if bytes >= LARGE_UNTIL && IS_PROGRAM.load(Ordering::Relaxed) {
        ONCE.call_once(|| {
            pages::let_be_large(false);
        });
    }
}

/// Takes memory as it fits these captures; true where they are little.
pub(super) fn expect<'s>(sources: impl IntoIterator<Item = &'s Source>) -> bool {
    let bytes: Option<u64> = sources.into_iter().map(Source::left).sum();
    let are_little = bytes.is_some_and(|bytes| bytes <= LITTLE);
    if !are_little {
        expect_much();
    }
    are_little
}

/// The same, and stays on this thread if they are little and no number of threads is asked for.
/// This is for the whole program, so they are all that it will read, however often. In a process
/// that goes on without this thread, whoever asks rayon for its threads would wait for ever.
pub(super) fn expect_only<'s>(sources: impl IntoIterator<Item = &'s Source>, threads: Option<u16>) {
    if expect(sources) && threads.is_none() && IS_PROGRAM.load(Ordering::Relaxed) {
        // Where it cannot be, threads are started.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global();
    }
}

#[cfg(target_os = "linux")]
mod pages {
    use rustix::thread::{disable_transparent_huge_pages, transparent_huge_pages_are_disabled};

    pub(super) fn are_large() -> bool {
        transparent_huge_pages_are_disabled().is_ok_and(|are_disabled| !are_disabled)
    }

    pub(super) fn let_be_large(are_large: bool) -> bool {
        disable_transparent_huge_pages(!are_large).is_ok()
    }
}

#[cfg(not(target_os = "linux"))]
mod pages {
    pub(super) fn are_large() -> bool {
        false
    }

    pub(super) fn let_be_large(_: bool) -> bool {
        false
    }
}
