//! What a user sees of a fault of siptrace itself: one line, whatever captured bytes are in it.
//!
//! A rule that panics is counted in the analysis, and the report names it; the line tells where. As
//! a rule may panic on every call, a place is told once.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::panic;
use std::sync::{Mutex, PoisonError};

use crate::bytes::printable_str;
use crate::limits::QUOTED_CHARS_MAX;

/// Places that are told; whoever has seen these knows enough.
const PLACES_MAX: usize = 8;

/// From now on a panic is one line on standard error, with a trace where `RUST_BACKTRACE` asks for
/// one.
pub(super) fn tell_in_one_line() {
    let places = Mutex::new(Places::default());
    panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let line = places
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .line(&place, message(panic.payload()));
        let Some(line) = line else { return };
        let mut stderr = io::stderr().lock();
        let _ = writeln!(stderr, "{line}");
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            let _ = writeln!(stderr, "{trace}");
        }
    }));
}

fn message(payload: &dyn Any) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or_default()
}

/// The places that were told.
#[derive(Debug, Default)]
struct Places(BTreeSet<String>);

impl Places {
    /// The line that tells of a panic; none where its place was told, or enough of them.
    fn line(&mut self, place: &str, message: &str) -> Option<String> {
        if self.0.len() >= PLACES_MAX || !self.0.insert(place.to_owned()) {
            return None;
        }
        let text: String = message.chars().take(QUOTED_CHARS_MAX).collect();
        Some(format!(
            "siptrace: a fault of siptrace itself, please report it: {}: {}",
            printable_str(place),
            printable_str(&text)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_one_line_without_captured_control_characters() {
        let mut places = Places::default();
        let captured = format!("no `\u{1b}[2J\r\n{}`", "x".repeat(2 * QUOTED_CHARS_MAX));
        let line = places.line("src/rules/dlg/short_call.rs:7:5", &captured).expect("told");
        assert!(line.contains("please report it: src/rules/dlg/short_call.rs:7:5: no `"), "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(line.len() < 2 * QUOTED_CHARS_MAX, "{line}");
    }

    #[test]
    fn a_place_is_told_once_and_not_too_many_are() {
        let mut places = Places::default();
        assert!(places.line("a.rs:1:1", "one").is_some());
        assert_eq!(places.line("a.rs:1:1", "another"), None);
        let told = (0..100).filter(|line| places.line(&format!("b.rs:{line}:1"), "").is_some());
        assert_eq!(told.count(), PLACES_MAX - 1);
    }

    #[test]
    fn both_kinds_of_messages_are_read() {
        assert_eq!(message(&"plain"), "plain");
        assert_eq!(message(&"with a value".to_owned()), "with a value");
        assert_eq!(message(&7), "");
    }
}
