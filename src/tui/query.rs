//! What calls are looked for: words, all of which a call must have somewhere.

use crate::analysis::CallSummary;
use crate::catalogue::Labels;
use crate::tui::calls::method;
use crate::tui::store::Store;

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    /// In small letters.
    words: Vec<String>,
}

impl Query {
    pub(crate) fn of(text: &str) -> Self {
        Self { words: text.to_lowercase().split_whitespace().map(str::to_owned).collect() }
    }

    /// Why the text cannot be used.
    pub(crate) fn problem(&self) -> Option<&str> {
        None
    }

    pub(crate) fn fits(&self, store: &Store, place: usize, words: Labels) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let Some(call) = store.calls.get(place) else { return false };
        let text = haystack(store, (place, call), words);
        self.words.iter().all(|word| text.contains(word))
    }
}

/// Everything that a call is known by, in small letters.
fn haystack(store: &Store, (place, call): (usize, &CallSummary), words: Labels) -> String {
    let mut text = String::new();
    let mut add = |part: &str| {
        text.push_str(&part.to_lowercase());
        text.push('\n');
    };
    add(&call.call_id);
    add(call.from_uri.as_deref().unwrap_or_default());
    add(call.to_uri.as_deref().unwrap_or_default());
    add(&method(call));
    add(call.fate());
    add(&words.state(call.fate()));
    if let Some(status) = call.final_status {
        add(&status.to_string());
    }
    for own in &call.transactions {
        add(&store.endpoint(own.client));
        add(&store.endpoint(own.server));
    }
    for own in store.found(place) {
        if let Some(finding) = store.findings.get(*own as usize) {
            add(finding.rule.code);
            add(finding.rule.name);
        }
    }
    text
}
