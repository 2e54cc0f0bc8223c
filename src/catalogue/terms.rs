//! Q.850 causes, warning codes, protocols of the `Reason` header, and methods.

use crate::catalogue::Lang;
use crate::catalogue::entries::{Row, Table};
use crate::catalogue::files::Entry;

static Q850: Table = Table::new(include_str!("q850.tsv"));
static WARNING: Table = Table::new(include_str!("warning.tsv"));
static REASON: Table = Table::new(include_str!("reason.tsv"));
static METHODS: Table = Table::new(include_str!("methods.tsv"));

/// What kind of thing a term is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TermKind {
    /// A release cause of the telephone network.
    Q850,
    /// A code of the `Warning` header.
    Warning,
    /// A protocol of the `Reason` header.
    Reason,
    /// A method of SIP.
    Method,
}

impl TermKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Q850, Self::Warning, Self::Reason, Self::Method];

    /// The word before the colon of a query and the `kind` of the JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Q850 => "q850",
            Self::Warning => "warning",
            Self::Reason => "reason",
            Self::Method => "method",
        }
    }

    /// The key of its heading in the labels.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Q850 => "q850-cause",
            Self::Warning => "warning-code",
            Self::Reason => "reason-protocol",
            Self::Method => "method",
        }
    }

    /// The key of the heading over a list of them in the labels.
    pub const fn list_label(self) -> &'static str {
        match self {
            Self::Q850 => "q850-causes",
            Self::Warning => "warning-codes",
            Self::Reason => "reason-protocols",
            Self::Method => "methods",
        }
    }

    /// The key of every term, in the order of the table.
    pub fn keys(self) -> impl Iterator<Item = &'static str> {
        self.table().rows().map(Row::key)
    }

    const fn table(self) -> Table {
        match self {
            Self::Q850 => Q850,
            Self::Warning => WARNING,
            Self::Reason => REASON,
            Self::Method => METHODS,
        }
    }

    const fn file(self) -> &'static str {
        match self {
            Self::Q850 => "q850.md",
            Self::Warning => "warning.md",
            Self::Reason => "reason.md",
            Self::Method => "methods.md",
        }
    }
}

/// The entry of one term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TermText {
    /// What it is.
    pub kind: TermKind,
    /// The number or name by which it is looked up.
    pub key: &'static str,
    /// The name of a numbered term; empty where the key is the name.
    pub name: &'static str,
    /// The name under which a numbered term is registered, in English.
    pub registered_name: &'static str,
    /// The documents that define it, `RFC 3261`; empty for a cause, which ITU-T Q.850 defines.
    pub rfc: String,
    /// The section of the document, for a method.
    pub section: &'static str,
    /// The SIP responses that a cause is translated into.
    pub sip: Vec<u16>,
    /// What the `cause` parameter holds, for a protocol of `Reason`.
    pub values: &'static str,
    /// What a method does in a dialog.
    pub method: Option<MethodTraits>,
    /// What it says.
    pub description: String,
    /// When a trace shows it.
    pub when: String,
    /// What to do about it.
    pub fix: String,
    /// The language of the texts, English where a translation is missing.
    pub lang: Lang,
}

/// What a method does in a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodTraits {
    /// It can create a dialog.
    pub creates_dialog: bool,
    /// It refreshes the remote target.
    pub target_refresh: bool,
    /// It can carry an offer or an answer.
    pub offer_answer: bool,
}

impl TermText {
    /// `27 Destination out of order`, `REFER`.
    pub fn title(&self) -> String {
        format!("{} {}", self.key, self.name).trim_end().to_owned()
    }

    /// Where it is defined, in the words of the language; empty if the table does not say.
    pub fn defined_in(&self, lang: Lang) -> String {
        super::document(&self.rfc, self.section, lang)
    }
}

/// The entry of a term, its name in any case of letters; `None` if there is none.
pub fn term(kind: TermKind, key: &str, lang: Lang) -> Option<TermText> {
    let row = kind.table().row(key)?;
    let key = row.key();
    let entry = Entry::of(lang, kind.file(), key);
    let rfc = if kind == TermKind::Reason { row.column("reference") } else { row.column("rfc") };
    let is = |name| row.column(name) == "yes";
    Some(TermText {
        kind,
        key,
        name: entry.name(),
        registered_name: row.column("name"),
        rfc: super::spaced(rfc),
        section: row.column("section"),
        sip: row.list("sip").filter_map(|code| code.parse().ok()).collect(),
        values: row.column("values"),
        method: (kind == TermKind::Method).then(|| MethodTraits {
            creates_dialog: is("creates_dialog"),
            target_refresh: is("target_refresh"),
            offer_answer: is("offer_answer"),
        }),
        description: entry.field("description"),
        when: entry.field("when"),
        fix: entry.field("fix"),
        lang: entry.lang,
    })
}

/// The entry of a Q.850 cause.
pub fn q850(cause: u16, lang: Lang) -> Option<TermText> {
    term(TermKind::Q850, &cause.to_string(), lang)
}

/// The entry of a warning code.
pub fn warning(code: u16, lang: Lang) -> Option<TermText> {
    term(TermKind::Warning, &code.to_string(), lang)
}

/// The entry of a protocol of the `Reason` header.
pub fn reason(protocol: &str, lang: Lang) -> Option<TermText> {
    term(TermKind::Reason, protocol, lang)
}

/// The entry of a method.
pub fn method(name: &str, lang: Lang) -> Option<TermText> {
    term(TermKind::Method, name, lang)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_term_has_its_texts_in_every_language() {
        for lang in Lang::ALL {
            for kind in TermKind::ALL {
                for key in kind.keys() {
                    let entry = term(kind, key, lang).expect("in the table");
                    for text in [&entry.description, &entry.when, &entry.fix] {
                        assert!(!text.is_empty(), "{lang}: {kind:?} {key}");
                    }
                }
            }
        }
    }

    #[test]
    fn terms_are_found_in_any_case_of_letters() {
        assert_eq!(method("refer", Lang::En).map(|entry| entry.key), Some("REFER"));
        assert_eq!(reason("stir", Lang::En).map(|entry| entry.key), Some("STIR"));
        assert_eq!(q850(27, Lang::En).map(|entry| entry.sip), Some(vec![502]));
        assert!(warning(305, Lang::En).is_some());
        assert!(warning(306, Lang::Fr).is_some());
        assert!(q850(126, Lang::En).is_none());
    }

    #[test]
    fn english_names_are_those_of_the_tables() {
        for kind in [TermKind::Q850, TermKind::Warning] {
            for row in kind.table().rows() {
                let entry = term(kind, row.key(), Lang::En).expect("in the table");
                assert_eq!(entry.name, row.column("name"));
            }
        }
    }

    #[test]
    fn titles_have_number_and_name() {
        let cause = q850(27, Lang::En).expect("there");
        assert_eq!(cause.title(), "27 Destination out of order");
        for lang in Lang::ALL {
            let cause = q850(27, lang).expect("there");
            assert!(!cause.name.is_empty(), "{lang}");
            assert_eq!(cause.registered_name, "Destination out of order", "{lang}");
            assert_eq!(cause.name == cause.registered_name, lang == Lang::En, "{lang}");
        }
        let method = method("REFER", Lang::En).expect("there");
        assert_eq!(method.title(), "REFER");
        assert_eq!(method.defined_in(Lang::En), "RFC 3515, section 2");
    }
}
