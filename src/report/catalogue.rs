//! The whole catalogue on one page, which the documentation has as `docs/catalogue.md`.
//!
//! Descriptions of status codes in full, of all else the first sentence: `siptrace explain` has
//! the rest.

use std::io::{self, Write};

use crate::catalogue::{self, Labels, Lang, TermKind, TermText, first_sentence, labels};
use crate::report::document::{self, Block, Cell};
use crate::report::html;
use crate::report::style::Role;
use crate::rules;

/// Writes the page as Markdown.
pub(crate) fn markdown(lang: Lang, out: &mut dyn Write) -> io::Result<()> {
    document::markdown(&blocks(lang), out)
}

/// Writes the page as HTML.
pub(crate) fn html(lang: Lang, out: &mut dyn Write) -> io::Result<()> {
    html::html(&blocks(lang), lang, out)
}

fn blocks(lang: Lang) -> Vec<Block> {
    let words = labels(lang);
    let heading = |key: &str| Block::Heading(words.get(key).to_owned());
    let mut blocks = vec![
        Block::Title(words.get("catalogue").to_owned()),
        Block::Prose(words.get("catalogue-intro").to_owned()),
        heading("status-codes"),
        status_codes(words),
        heading("unregistered"),
        unregistered(words),
        heading("rules"),
        all_rules(words),
    ];
    for kind in TermKind::ALL {
        blocks.extend([heading(kind.list_label()), terms(kind, words)]);
    }
    blocks
}

fn status_codes(words: Labels) -> Block {
    let lang = words.lang();
    let rows = catalogue::registered().map(|(code, _)| {
        let status = catalogue::status(code, lang);
        vec![
            code.to_string(),
            status.phrase.to_owned(),
            status.defined_in(lang),
            status.description,
        ]
    });
    table(&["code", "name", "defined-in", "description"], rows, words)
}

fn unregistered(words: Labels) -> Block {
    let rows = catalogue::unregistered().map(|(code, phrase)| {
        let status = catalogue::status(code, words.lang());
        vec![code.to_string(), phrase.to_owned(), status.description]
    });
    table(&["code", "name", "description"], rows, words)
}

fn all_rules(words: Labels) -> Block {
    let rows = rules::ALL.iter().map(|rule| {
        let text = catalogue::rule(rule, words.lang());
        let severity = words.severity(text.severity).to_owned();
        vec![text.code.to_owned(), text.name.to_owned(), severity, text.entry.title]
    });
    table(&["code", "name", "severity", "summary"], rows, words)
}

fn terms(kind: TermKind, words: Labels) -> Block {
    let lang = words.lang();
    let entries = kind.keys().filter_map(|key| catalogue::term(kind, key, lang));
    let meaning = |term: &TermText| first_sentence(&term.description).to_owned();
    let code = |term: &TermText| term.key.to_owned();
    match kind {
        TermKind::Q850 => {
            let responses = |term: &TermText| {
                words.list(&term.sip.iter().map(u16::to_string).collect::<Vec<_>>())
            };
            let rows = entries.map(|term| {
                vec![code(&term), term.name.to_owned(), responses(&term), meaning(&term)]
            });
            table(&["code", "name", "sip-responses", "meaning"], rows, words)
        }
        TermKind::Warning => {
            let rows = entries.map(|term| {
                vec![code(&term), term.name.to_owned(), term.defined_in(lang), meaning(&term)]
            });
            table(&["code", "name", "defined-in", "meaning"], rows, words)
        }
        TermKind::Reason | TermKind::Method => {
            let rows = entries.map(|term| vec![code(&term), term.defined_in(lang), meaning(&term)]);
            table(&["name", "defined-in", "meaning"], rows, words)
        }
    }
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>, words: Labels) -> Block {
    let head = head.iter().map(|key| Cell::new(Role::Heading, words.get(key))).collect();
    let rows = rows.map(|row| {
        // A cell is one line.
        row.into_iter().map(|text| Cell::new(Role::Plain, text.replace('\n', " "))).collect()
    });
    Block::Table(std::iter::once(head).chain(rows).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_on_the_page_in_every_language() {
        for lang in Lang::ALL {
            let mut out = Vec::new();
            markdown(lang, &mut out).expect("a vector takes all");
            let page = String::from_utf8(out).expect("UTF-8");
            for (code, phrase) in catalogue::registered() {
                assert!(page.contains(&format!("\n| {code} | {phrase} |")), "{lang}: {code}");
            }
            for rule in rules::ALL {
                let row = format!("\n| {} | {} |", rule.code, rule.name);
                assert!(page.contains(&row), "{lang}: {}", rule.name);
            }
            for kind in TermKind::ALL {
                for key in kind.keys() {
                    assert!(page.contains(&format!("\n| {key} |")), "{lang}: {key}");
                }
            }
        }
    }
}
