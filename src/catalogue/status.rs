//! What a SIP status code means, when it appears and what to do about it.
//!
//! Registered codes have an entry each; of all others, the class speaks (RFC 3261, section
//! 8.1.3.2).

use crate::catalogue::entries::Table;
use crate::catalogue::files::Entry;
use crate::catalogue::{Lang, labels};

static REGISTERED: Table = Table::new(include_str!("status.tsv"));
static UNREGISTERED: Table = Table::new(include_str!("status_unregistered.tsv"));

/// The entry of one status code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusText {
    /// The code.
    pub code: u16,
    /// The phrase as registered; empty for a number that has none.
    pub phrase: &'static str,
    /// The class; `None` for a number that is no status code.
    pub class: Option<StatusClass>,
    /// The document that defines it, `RFC 3261`; empty if none does.
    pub rfc: String,
    /// The section of that document; empty if the whole document is about it.
    pub section: &'static str,
    /// What it says.
    pub description: String,
    /// When a trace shows it.
    pub when: String,
    /// What to do about it.
    pub fix: String,
    /// Codes to tell it from.
    pub related: Vec<u16>,
    /// Header fields to look at in the trace.
    pub headers: Vec<&'static str>,
    /// The Q.850 causes that gateways translate into it.
    pub q850: Vec<u16>,
    /// IANA has it.
    pub registered: bool,
    /// The language of the texts, English where a translation is missing.
    pub lang: Lang,
}

/// The first digit of a status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatusClass {
    /// 1xx.
    Provisional,
    /// 2xx.
    Success,
    /// 3xx.
    Redirection,
    /// 4xx.
    RequestFailure,
    /// 5xx.
    ServerFailure,
    /// 6xx.
    GlobalFailure,
}

impl StatusClass {
    /// Every class, from 1xx to 6xx.
    pub const ALL: [Self; 6] = [
        Self::Provisional,
        Self::Success,
        Self::Redirection,
        Self::RequestFailure,
        Self::ServerFailure,
        Self::GlobalFailure,
    ];

    /// The class of a code; `None` below 100 and above 699.
    pub const fn of(code: u16) -> Option<Self> {
        match code {
            100..200 => Some(Self::Provisional),
            200..300 => Some(Self::Success),
            300..400 => Some(Self::Redirection),
            400..500 => Some(Self::RequestFailure),
            500..600 => Some(Self::ServerFailure),
            600..700 => Some(Self::GlobalFailure),
            _ => None,
        }
    }

    /// `1xx` to `6xx`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Provisional => "1xx",
            Self::Success => "2xx",
            Self::Redirection => "3xx",
            Self::RequestFailure => "4xx",
            Self::ServerFailure => "5xx",
            Self::GlobalFailure => "6xx",
        }
    }

    /// `Provisional`, `Server Failure`, in that language.
    pub fn name(self, lang: Lang) -> &'static str {
        labels(lang).get(match self {
            Self::Provisional => "class-1xx",
            Self::Success => "class-2xx",
            Self::Redirection => "class-3xx",
            Self::RequestFailure => "class-4xx",
            Self::ServerFailure => "class-5xx",
            Self::GlobalFailure => "class-6xx",
        })
    }

    /// `5xx (Server Failure)`, in that language.
    pub fn title(self, lang: Lang) -> String {
        labels(lang).fill("class-of", &[("class", self.code()), ("name", self.name(lang))])
    }

    /// More responses follow one of this class.
    pub const fn is_provisional(self) -> bool {
        matches!(self, Self::Provisional)
    }

    const fn file(self) -> &'static str {
        match self {
            Self::Provisional => "status/1xx.md",
            Self::Success => "status/2xx.md",
            Self::Redirection => "status/3xx.md",
            Self::RequestFailure => "status/4xx.md",
            Self::ServerFailure => "status/5xx.md",
            Self::GlobalFailure => "status/6xx.md",
        }
    }
}

/// What a class means as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassText {
    /// The class.
    pub class: StatusClass,
    /// What its codes say.
    pub description: String,
    /// When a trace shows them.
    pub when: String,
    /// What to do about them.
    pub fix: String,
    /// The language of the texts.
    pub lang: Lang,
}

impl StatusText {
    /// `502 Bad Gateway`, as a response line has it; for a number without a phrase, just that.
    pub fn title(&self) -> String {
        format!("{} {}", self.code, self.short_phrase()).trim_end().to_owned()
    }

    /// `502 (Bad Gateway)`, for the middle of a sentence.
    pub fn name(&self) -> String {
        match self.short_phrase() {
            "" => self.code.to_string(),
            phrase if phrase.starts_with('(') => format!("{} {phrase}", self.code),
            phrase => format!("{} ({phrase})", self.code),
        }
    }

    /// The phrase without the remark of the registry that the code is deprecated.
    pub fn short_phrase(&self) -> &'static str {
        self.phrase.strip_suffix(" (Deprecated)").unwrap_or(self.phrase)
    }

    /// `5xx`, or `none`.
    pub fn class_code(&self) -> &'static str {
        self.class.map_or("none", StatusClass::code)
    }

    /// `RFC 3261, section 21.5.3`, in the words of the language; empty if nothing defines it.
    pub fn defined_in(&self, lang: Lang) -> String {
        super::document(&self.rfc, self.section, lang)
    }
}

/// The entry of any number: its own, that of its class, or that it is no status code.
pub fn status(code: u16, lang: Lang) -> StatusText {
    let key = code.to_string();
    match (StatusClass::of(code), REGISTERED.row(&key)) {
        (Some(class), Some(row)) => {
            let numbers = |name| row.list(name).filter_map(|number| number.parse().ok()).collect();
            let entry = Entry::of(lang, class.file(), &key);
            StatusText {
                phrase: row.column("phrase"),
                rfc: super::spaced(row.column("rfc")),
                section: row.column("section"),
                description: entry.field("description"),
                when: entry.field("when"),
                fix: entry.field("fix"),
                related: numbers("related"),
                headers: row.list("headers").collect(),
                q850: numbers("q850"),
                registered: true,
                ..blank(code, entry.lang)
            }
        }
        (Some(class), None) => of_class(code, class, lang),
        (None, _) => outside(code, lang),
    }
}

/// The entry of a whole class.
pub fn class(class: StatusClass, lang: Lang) -> ClassText {
    let entry = Entry::of(lang, "status/class.md", class.code());
    ClassText {
        class,
        description: entry.field("description"),
        when: entry.field("when"),
        fix: entry.field("fix"),
        lang: entry.lang,
    }
}

/// Every registered code with its phrase, in order.
pub fn registered() -> impl Iterator<Item = (u16, &'static str)> {
    REGISTERED.rows().filter_map(|row| Some((row.key().parse().ok()?, row.column("phrase"))))
}

/// The codes that are not registered and seen all the same, with their phrase.
pub fn unregistered() -> impl Iterator<Item = (u16, &'static str)> {
    UNREGISTERED.rows().filter_map(|row| Some((row.key().parse().ok()?, row.column("phrase"))))
}

fn of_class(code: u16, of: StatusClass, lang: Lang) -> StatusText {
    let number = code.to_string();
    let text = class(of, lang);
    let words = labels(text.lang);
    let row = UNREGISTERED.row(&number);
    let own_note = format!("unregistered-{number}");
    let note_key = if row.is_some() { own_note.as_str() } else { "unregistered-other" };
    let note = words.fill(note_key, &[("code", &number)]);
    StatusText {
        phrase: row.map_or("", |row| row.column("phrase")),
        description: super::sentences(&[&note, &text.description]),
        when: text.when,
        fix: text.fix,
        ..blank(code, text.lang)
    }
}

fn outside(code: u16, lang: Lang) -> StatusText {
    let words = labels(lang);
    let fill = |key| words.fill(key, &[("code", &code.to_string())]);
    StatusText {
        description: fill("out-of-range-description"),
        when: fill("out-of-range-when"),
        fix: fill("out-of-range-fix"),
        ..blank(code, lang)
    }
}

fn blank(code: u16, lang: Lang) -> StatusText {
    StatusText {
        code,
        phrase: "",
        class: StatusClass::of(code),
        rfc: String::new(),
        section: "",
        description: String::new(),
        when: String::new(),
        fix: String::new(),
        related: Vec::new(),
        headers: Vec::new(),
        q850: Vec::new(),
        registered: false,
        lang,
    }
}
