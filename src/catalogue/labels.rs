//! Words that belong to no entry: headings, severities, names of evidence, and how a language
//! writes numbers and durations.

use std::borrow::Cow;
use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use crate::catalogue::template::fill;
use crate::catalogue::{Lang, entries, files};
use crate::finding::{Confidence, Family, Severity};
use crate::time::Span;

/// A list file, `- key: text`, in every language.
#[derive(Debug)]
pub(crate) struct Lists {
    name: &'static str,
    slots: [OnceLock<FxHashMap<&'static str, Cow<'static, str>>>; 4],
}

impl Lists {
    /// The file of that name; nothing is read yet.
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, slots: [const { OnceLock::new() }; 4] }
    }

    /// Every text of one language.
    pub(crate) fn texts(
        &'static self,
        lang: Lang,
    ) -> &'static FxHashMap<&'static str, Cow<'static, str>> {
        let slot = match lang {
            Lang::En => &self.slots[0],
            Lang::Fr => &self.slots[1],
            Lang::Ja => &self.slots[2],
            Lang::Pt => &self.slots[3],
        };
        slot.get_or_init(|| {
            let file = files::file(lang, self.name).unwrap_or_default();
            entries::pairs(file).into_iter().collect()
        })
    }

    /// The text of that key, in English if the language lacks it.
    pub(crate) fn lookup(&'static self, lang: Lang, key: &str) -> Option<&'static str> {
        let own = self.texts(lang).get(key);
        own.or_else(|| self.texts(Lang::En).get(key)).map(AsRef::as_ref)
    }
}

static LABELS: Lists = Lists::new("labels.md");

/// Words of one command or format each, read when one of them is first asked for: keys that begin
/// with the name, as `show-hidden` in `show.md`.
static BOOKS: [(&str, Lists); 6] = [
    ("browse", Lists::new("browse.md")),
    ("calls", Lists::new("calls.md")),
    ("extract", Lists::new("extract.md")),
    ("page", Lists::new("page.md")),
    ("redact", Lists::new("redact.md")),
    ("show", Lists::new("show.md")),
];

/// The file that has the key.
fn book_of(key: &str) -> &'static Lists {
    let own = key.split_once('-').map_or(key, |(name, _)| name);
    BOOKS.iter().find(|(name, _)| *name == own).map_or(&LABELS, |(_, book)| book)
}

/// The words of one language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Labels {
    lang: Lang,
}

/// The words of a language, read when one is first asked for.
pub const fn labels(lang: Lang) -> Labels {
    Labels { lang }
}

impl Labels {
    /// The language.
    pub const fn lang(self) -> Lang {
        self.lang
    }

    /// The word of that key; the English one if it is missing here, the key if it is nowhere.
    pub fn get(self, key: &str) -> &str {
        self.lookup(key).unwrap_or(key)
    }

    /// The word of that key with its places filled.
    pub fn fill(self, key: &str, values: &[(&str, &str)]) -> String {
        fill(self.get(key), values)
    }

    fn lookup(self, key: &str) -> Option<&'static str> {
        match book_of(key).lookup(self.lang, key) {
            // The name of a command may be a word of its own.
            None => LABELS.lookup(self.lang, key),
            found => found,
        }
    }

    fn of(self, group: &str, token: &str) -> Option<&'static str> {
        self.lookup(&format!("{group}-{}", token.replace('_', "-").to_ascii_lowercase()))
    }

    /// `error`, `warning`, `note`.
    pub fn severity(self, severity: Severity) -> &'static str {
        self.get(match severity {
            Severity::Error => "severity-error",
            Severity::Warn => "severity-warn",
            Severity::Info => "severity-info",
        })
    }

    /// `certain`, `likely`, `possible`.
    pub fn confidence(self, confidence: Confidence) -> &'static str {
        self.get(match confidence {
            Confidence::Certain => "confidence-certain",
            Confidence::Likely => "confidence-likely",
            Confidence::Possible => "confidence-possible",
        })
    }

    /// What the rules of a family are about.
    pub fn family(self, family: Family) -> &'static str {
        self.of("family", family.prefix()).unwrap_or(family.prefix())
    }

    /// What a rule of that scope looks at.
    pub fn scope(self, scope: &str) -> &str {
        self.of("scope", scope).unwrap_or(scope)
    }

    /// The name of a piece of evidence, for a reader: `wait_ms` is `wait`.
    pub fn evidence(self, name: &str) -> String {
        match self.of("evidence", name) {
            Some(text) => text.to_owned(),
            None => name.strip_suffix("_ms").unwrap_or(name).replace(['_', '-'], " "),
        }
    }

    /// A word of the evidence: `timer-b`.
    pub fn word(self, token: &str) -> String {
        self.token("word", token)
    }

    /// The kind of a call: `registration`.
    pub fn kind(self, token: &str) -> String {
        self.token("kind", token)
    }

    /// The state of a call: `established`.
    pub fn state(self, token: &str) -> String {
        self.token("state", token)
    }

    /// The outcome of a transaction: `no-response`.
    pub fn outcome(self, token: &str) -> String {
        self.token("outcome", token)
    }

    /// A word of a group, for a reader: `timer-b` of `word`.
    pub fn token(self, group: &str, token: &str) -> String {
        match self.of(group, token) {
            Some(text) => text.to_owned(),
            None => token.replace(['_', '-'], " "),
        }
    }

    /// A name and its value, with the colon of the language.
    pub fn pair(self, name: &str, value: &str) -> String {
        self.fill("name-value", &[("name", name), ("value", value)])
    }

    /// `yes` or `no`.
    pub fn flag(self, flag: bool) -> &'static str {
        self.get(if flag { "yes" } else { "no" })
    }

    /// Several things in a row, with the comma of the language.
    pub fn list<T: AsRef<str>>(self, items: &[T]) -> String {
        let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
        items.join(match self.lang {
            Lang::Ja => "、",
            Lang::En | Lang::Fr | Lang::Pt => ", ",
        })
    }

    /// How many, with the digits of large numbers in groups. Not for codes and frame numbers.
    pub fn count(self, count: u64) -> String {
        let digits = count.to_string();
        if digits.len() < 5 {
            return digits;
        }
        let mark = match self.lang {
            Lang::En | Lang::Ja => ',',
            Lang::Fr => '\u{202f}',
            Lang::Pt => '.',
        };
        let mut out = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                out.push(mark);
            }
            out.push(digit);
        }
        out
    }

    /// A number with at most that many decimals, without zeros at its end.
    pub fn decimal(self, number: f64, decimals: usize) -> String {
        let text = format!("{number:.decimals$}");
        let text = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            text.as_str()
        };
        match self.lang {
            Lang::En | Lang::Ja => text.to_owned(),
            Lang::Fr | Lang::Pt => text.replace('.', ","),
        }
    }

    /// A length of time as an engineer says it: `0.4 ms`, `350 ms`, `6.02 s`, `31 s`, `12 min 5 s`.
    pub fn duration(self, span: Span) -> String {
        let sign = if span.nanos() < 0 { "-" } else { "" };
        let nanos = span.abs().nanos();
        let text = match nanos {
            0 => "0 ms".to_owned(),
            1..10_000_000 => format!("{} ms", self.decimal(nanos as f64 / 1e6, 2)),
            10_000_000..999_500_000 => format!("{} ms", self.decimal(nanos as f64 / 1e6, 0)),
            999_500_000..9_995_000_000 => format!("{} s", self.decimal(nanos as f64 / 1e9, 2)),
            9_995_000_000..99_950_000_000 => format!("{} s", self.decimal(nanos as f64 / 1e9, 1)),
            _ => long_duration(nanos.saturating_add(500_000_000) / 1_000_000_000),
        };
        format!("{sign}{text}")
    }
}

/// Whole seconds; minutes from ten of them on, since timers are known by their seconds.
fn long_duration(seconds: i64) -> String {
    let parts = match seconds {
        ..600 => [(seconds, "s"), (0, "")],
        600..3600 => [(seconds / 60, "min"), (seconds % 60, "s")],
        _ => [(seconds / 3600, "h"), (seconds % 3600 / 60, "min")],
    };
    let shown: Vec<String> = parts
        .iter()
        .enumerate()
        .filter(|(at, part)| *at == 0 || part.0 > 0)
        .map(|(_, (number, unit))| format!("{number} {unit}"))
        .collect();
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::catalogue::template::places;

    #[test]
    fn every_language_has_the_same_keys_and_places() {
        assert!(LABELS.texts(Lang::En).len() > 250);
        let books = BOOKS.iter().map(|(_, book)| book).chain([&LABELS]);
        for (book, lang) in books.flat_map(|book| Lang::ALL.map(|lang| (book, lang))) {
            let (english, texts) = (book.texts(Lang::En), book.texts(lang));
            let keys: BTreeSet<_> = english.keys().collect();
            let own: BTreeSet<_> = texts.keys().collect();
            let missing: Vec<_> = keys.symmetric_difference(&own).collect();
            let name = book.name;
            assert!(missing.is_empty(), "{name} of {lang} lacks or has more: {missing:?}");
            for (key, text) in texts {
                assert!(!text.is_empty(), "{lang}: {key}");
                let expected: BTreeSet<_> = places(&english[key]).into_iter().collect();
                assert_eq!(places(text).into_iter().collect::<BTreeSet<_>>(), expected, "{key}");
            }
        }
    }

    #[test]
    fn keys_are_kebab_case_and_unique() {
        let names = BOOKS.iter().map(|(name, book)| (Some(*name), book.name));
        let names: Vec<_> = names.chain([(None, "labels.md")]).collect();
        for ((book, name), lang) in
            names.iter().flat_map(|name| Lang::ALL.map(|lang| (*name, lang)))
        {
            let file = files::file(lang, name).expect("listed");
            let pairs = entries::pairs(file);
            let unique: BTreeSet<_> = pairs.iter().map(|pair| pair.0).collect();
            assert_eq!(unique.len(), pairs.len(), "{lang}");
            for key in unique {
                let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                assert!(key.chars().all(kebab), "{lang}: {key}");
                let own = book_of(key).name == name;
                assert!(own || book.is_none(), "{lang}: {key} would not be found in {name}");
            }
        }
    }

    #[test]
    fn every_closed_set_has_its_words() {
        for lang in Lang::ALL {
            let labels = labels(lang);
            for family in Family::ALL {
                assert_ne!(labels.family(family), family.prefix());
            }
            for scope in ["call", "media", "capture"] {
                assert!(labels.of("scope", scope).is_some());
            }
            assert_ne!(labels.severity(Severity::Warn), "severity-warn");
            assert_ne!(labels.confidence(Confidence::Likely), "confidence-likely");
        }
    }

    #[test]
    fn unknown_words_read_as_they_can() {
        let french = labels(Lang::Fr);
        assert_eq!(french.get("no-such-key"), "no-such-key");
        assert_eq!(french.evidence("odd_thing_ms"), "odd thing");
        assert_eq!(french.word("odd-thing"), "odd thing");
        assert_eq!(french.evidence("wait_ms"), "attente");
    }

    #[test]
    fn durations_read_as_engineers_say_them() {
        let cases = [
            (0, "0 ms", "0 ms"),
            (420_000, "0.42 ms", "0,42 ms"),
            (350_000_000, "350 ms", "350 ms"),
            (999_700_000, "1 s", "1 s"),
            (6_021_000_000, "6.02 s", "6,02 s"),
            (9_996_000_000, "10 s", "10 s"),
            (31_000_400_000, "31 s", "31 s"),
            (31_940_000_000, "31.9 s", "31,9 s"),
            (180_020_000_000, "180 s", "180 s"),
            (725_000_000_000, "12 min 5 s", "12 min 5 s"),
            (7_200_000_000_000, "2 h", "2 h"),
            (-2_500_000_000, "-2.5 s", "-2,5 s"),
            // As far as times of a capture reach.
            (i64::MAX, "2562047 h 47 min", "2562047 h 47 min"),
            (i64::MIN, "-2562047 h 47 min", "-2562047 h 47 min"),
        ];
        for (nanos, english, french) in cases {
            let span = Span::from_nanos(nanos);
            assert_eq!(labels(Lang::En).duration(span), english);
            assert_eq!(labels(Lang::Ja).duration(span), english);
            assert_eq!(labels(Lang::Fr).duration(span), french);
            assert_eq!(labels(Lang::Pt).duration(span), french);
        }
    }

    #[test]
    fn counts_have_the_groups_of_the_language() {
        assert_eq!(labels(Lang::En).count(9_999), "9999");
        assert_eq!(labels(Lang::En).count(1_234_567), "1,234,567");
        assert_eq!(labels(Lang::Fr).count(12_345), "12\u{202f}345");
        assert_eq!(labels(Lang::Pt).count(12_345), "12.345");
    }
}
