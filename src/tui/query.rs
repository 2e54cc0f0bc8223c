//! What calls are looked for: an expression as `siptrace calls` takes it, read while it is written.

use crate::analysis::Filter;
use crate::finding::Finding;
use crate::tui::store::Store;

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    /// The last expression that could be read; everything without one.
    filter: Option<Filter>,
    /// Why what is written cannot be read.
    problem: Option<String>,
}

impl Query {
    /// Looks for what the text says; where it cannot be read, as while a test is half written, for
    /// the same as before.
    pub(crate) fn set(&mut self, text: &str) {
        if text.trim().is_empty() {
            *self = Self::default();
            return;
        }
        match text.parse() {
            Ok(filter) => *self = Self { filter: Some(filter), problem: None },
            Err(error) => {
                let error: crate::analysis::FilterError = error;
                self.problem = Some(error.to_string());
            }
        }
    }

    /// Why the text cannot be used.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    pub(crate) fn fits(&self, store: &Store, place: usize) -> bool {
        let Some(filter) = &self.filter else { return true };
        let Some(call) = store.calls.get(place) else { return false };
        let own = store.found(place).iter();
        let findings: Vec<&Finding> =
            own.filter_map(|own| store.findings.get(*own as usize)).collect();
        filter.matches(call, &findings, &store.hosts)
    }
}
