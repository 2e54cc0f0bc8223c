//! The words, in every language: status codes, rules, causes, warnings, methods, labels.
//!
//! Everything that a reader sees comes from the Markdown below this folder, which a translator
//! edits without Rust; what a language lacks is shown in English. Each entry is read when it is
//! asked for. Knows nothing of captures and calls.

mod compare;
mod entries;
mod files;
mod labels;
mod lang;
mod rule_entry;
mod status;
mod template;
mod terms;
mod topic;

pub(crate) use compare::first_sentence;
pub use compare::{Comparison, Sequence, compare};
pub use labels::{Labels, labels};
pub use lang::{Lang, UnknownLang};
pub use rule_entry::{RuleEntry, RuleText, ShapeError, message, rule};
pub use status::{ClassText, StatusClass, StatusText, class, registered, status, unregistered};
pub use template::fill;
pub use terms::{MethodTraits, TermKind, TermText, method, q850, reason, term, warning};
pub use topic::{Suggestion, Topic, find};
pub(crate) use topic::{edit_distance, nearest};

#[cfg(test)]
mod tests;

/// A document and its section in the words of the language: `RFC 3261, section 21.5.3`.
fn document(document: &str, section: &str, lang: Lang) -> String {
    if section.is_empty() {
        return document.to_owned();
    }
    let words = labels(lang);
    words.list(&[document, &words.fill("section", &[("number", section)])])
}

/// The names of documents as people write them: `RFC3261` is `RFC 3261`.
fn spaced(documents: &str) -> String {
    let mut out = documents.to_owned();
    for at in (1..10).rev() {
        out = out.replace(&format!("RFC{at}"), &format!("RFC {at}"));
    }
    out
}

/// Whole sentences one after the other, with the space that the language puts between them.
pub(crate) fn sentences(sentences: &[&str]) -> String {
    let mut out = String::new();
    for sentence in sentences.iter().filter(|sentence| !sentence.is_empty()) {
        if !out.is_empty() && !out.ends_with('。') {
            out.push(' ');
        }
        out.push_str(sentence);
    }
    out
}
