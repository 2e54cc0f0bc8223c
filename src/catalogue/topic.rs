//! What a reader asks `explain` for: a code, a rule, a family, a cause, a method.

use std::fmt;

use crate::catalogue::{Lang, StatusClass, TermKind, labels, term};
use crate::finding::{Family, Rule};
use crate::rules;

/// Names offered at most when there is no entry of the name asked for.
const SUGGESTIONS_MAX: usize = 3;

/// Something that has an entry.
#[derive(Clone, Copy, Debug)]
pub enum Topic {
    /// A status code; any number is one, its entry says what it is worth.
    Status(u16),
    /// A class of status codes: `5xx`.
    Class(StatusClass),
    /// A rule.
    Rule(&'static Rule),
    /// A family of rules: `TXN`.
    Family(Family),
    /// A cause, a warning code, a protocol or a method, with its key.
    Term(TermKind, &'static str),
    /// All causes, warning codes, protocols or methods.
    Terms(TermKind),
}

/// That there is no such entry, and what may have been meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// What was asked for.
    pub query: String,
    /// The names that are like it, the likest first.
    pub names: Vec<String>,
}

impl Suggestion {
    /// `no entry named "x"`, in that language.
    pub fn problem(&self, lang: Lang) -> String {
        labels(lang).fill("no-entry", &[("query", &self.query)])
    }

    /// `did you mean y?`, in that language, if anything is like it.
    pub fn advice(&self, lang: Lang) -> Option<String> {
        let names = labels(lang).list(&self.names);
        (!self.names.is_empty()).then(|| labels(lang).fill("did-you-mean", &[("names", &names)]))
    }
}

impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem(Lang::En))?;
        match self.advice(Lang::En) {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Suggestion {}

/// The topic of that name, in any case of letters.
///
/// `502`, `5xx`, `trying-then-server-failure`, `TXN106`, `TXN`, `q850:27`, `warning:305`,
/// `reason:STIR`, `REFER`; `q850`, `warning`, `reason` and `method` alone ask for the list.
pub fn find(query: &str) -> Result<Topic, Suggestion> {
    let query = query.trim();
    if let Some((kind, key)) = query.split_once(':') {
        return prefixed(kind.trim(), key.trim()).ok_or_else(|| suggestion(query));
    }
    plain(query).ok_or_else(|| suggestion(query))
}

fn plain(query: &str) -> Option<Topic> {
    if !query.is_empty() && query.bytes().all(|byte| byte.is_ascii_digit()) {
        return query.parse().ok().map(Topic::Status);
    }
    let is = |name: &str| query.eq_ignore_ascii_case(name);
    let method = || TermKind::Method.keys().find(|name| is(name));
    let protocol = || TermKind::Reason.keys().find(|name| is(name));
    kind_of(query)
        .map(Topic::Terms)
        .or_else(|| {
            rules::ALL
                .iter()
                .find(|rule| is(rule.name) || is(rule.code))
                .map(|rule| Topic::Rule(rule))
        })
        .or_else(|| Family::ALL.into_iter().find(|family| is(family.prefix())).map(Topic::Family))
        .or_else(|| StatusClass::ALL.into_iter().find(|class| is(class.code())).map(Topic::Class))
        .or_else(|| method().map(|name| Topic::Term(TermKind::Method, name)))
        .or_else(|| protocol().map(|name| Topic::Term(TermKind::Reason, name)))
}

fn prefixed(kind: &str, key: &str) -> Option<Topic> {
    if ["sip", "status"].iter().any(|name| kind.eq_ignore_ascii_case(name)) {
        return key.parse().ok().map(Topic::Status);
    }
    if kind.eq_ignore_ascii_case("rule") {
        return plain(key).filter(|topic| matches!(topic, Topic::Rule(_) | Topic::Family(_)));
    }
    let kind = kind_of(kind)?;
    term(kind, key, Lang::En).map(|entry| Topic::Term(kind, entry.key))
}

/// The kind of term that a word stands for. `Q.850` is the list of causes rather than the
/// protocol of `Reason`, which `reason:Q.850` asks for.
fn kind_of(word: &str) -> Option<TermKind> {
    let names: [(TermKind, &[&str]); 4] = [
        (TermKind::Q850, &["q850", "q.850"]),
        (TermKind::Warning, &["warning", "warnings"]),
        (TermKind::Reason, &["reason", "reasons"]),
        (TermKind::Method, &["method", "methods"]),
    ];
    names
        .into_iter()
        .find(|(_, names)| names.iter().any(|name| word.eq_ignore_ascii_case(name)))
        .map(|(kind, _)| kind)
}

fn suggestion(query: &str) -> Suggestion {
    let wanted = query.to_ascii_lowercase();
    let far = (wanted.chars().count() / 3).max(1);
    let mut near: Vec<(Likeness, usize, String)> = names()
        .filter_map(|name| {
            let other = name.to_ascii_lowercase();
            let distance = edit_distance(&wanted, &other);
            let likeness = Likeness::of(&wanted, &other, distance <= far)?;
            Some((likeness, distance, name))
        })
        .collect();
    near.sort();
    let best = near.first().map(|(likeness, distance, _)| (*likeness, *distance));
    near.retain(|(likeness, distance, _)| {
        best.is_some_and(|best| *likeness == best.0)
            && (*likeness != Likeness::Misspelt || best.is_some_and(|best| *distance == best.1))
    });
    near.truncate(SUGGESTIONS_MAX);
    let names = near.into_iter().map(|(_, _, name)| name).collect();
    Suggestion { query: query.to_owned(), names }
}

/// Every name that [`find`] knows, but for the status codes.
fn names() -> impl Iterator<Item = String> {
    let rules = rules::ALL.iter().flat_map(|rule| [rule.name.to_owned(), rule.code.to_owned()]);
    let families = Family::ALL.iter().map(|family| family.prefix().to_owned());
    let classes = StatusClass::ALL.iter().map(|class| class.code().to_owned());
    let terms = TermKind::ALL.into_iter().flat_map(|kind| {
        kind.keys().map(move |key| match kind {
            TermKind::Method => key.to_owned(),
            TermKind::Q850 | TermKind::Warning | TermKind::Reason => {
                format!("{}:{key}", kind.name())
            }
        })
    });
    rules.chain(families).chain(classes).chain(terms)
}

/// In which way a name is like what was asked for, the best way first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    /// Every word asked for is in it: `no-notify` in `refer-accepted-no-notify`.
    Words,
    /// A few letters differ.
    Misspelt,
    /// Every word asked for is in it, with letters that differ.
    MisspeltWords,
}

impl Likeness {
    fn of(query: &str, name: &str, is_near: bool) -> Option<Self> {
        let slip = |word: &str| word.chars().count() / 4;
        if has_every_word(query, name, |word, other| word == other) {
            Some(Self::Words)
        } else if is_near {
            Some(Self::Misspelt)
        } else {
            has_every_word(query, name, |word, other| edit_distance(word, other) <= slip(word))
                .then_some(Self::MisspeltWords)
        }
    }
}

fn has_every_word(query: &str, name: &str, is_like: impl Fn(&str, &str) -> bool) -> bool {
    let mut words = query.split([' ', '-', '_']).filter(|word| !word.is_empty()).peekable();
    words.peek().is_some()
        && words.all(|word| name.split(['-', '_']).any(|other| is_like(word, other)))
}

/// Letters of a name that are compared; a longer one is no slip of the pen.
const NEAREST_CHARS_MAX: usize = 64;

/// The one of these names that was meant, if one is like what is given.
pub(crate) fn nearest<'n>(
    given: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    let length = given.chars().count();
    if length > NEAREST_CHARS_MAX {
        return None;
    }
    let wanted = given.to_ascii_lowercase().replace('_', "-");
    let far = (length / 3).max(1);
    let names: Vec<&str> = names.into_iter().collect();
    // The beginning of one name only is what somebody did not write to the end.
    let mut begun = names.iter().filter(|name| length > 2 && name.starts_with(&wanted));
    if let (Some(name), None) = (begun.next(), begun.next()) {
        return Some(name);
    }
    let with_distance =
        names.into_iter().map(|name| (edit_distance(&wanted, &name.to_ascii_lowercase()), name));
    with_distance.filter(|(distance, _)| *distance <= far).min().map(|(_, name)| name)
}

/// Letters to insert, delete, replace or swap with their neighbour to get from one to the other.
pub(crate) fn edit_distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let differs = usize::from(one[i - 1] != other[j - 1]);
            let mut least = (above[j] + 1).min(row[j - 1] + 1).min(above[j - 1] + differs);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(query: &str) -> String {
        match find(query) {
            Ok(Topic::Status(code)) => format!("status {code}"),
            Ok(Topic::Class(class)) => format!("class {}", class.code()),
            Ok(Topic::Rule(rule)) => format!("rule {}", rule.name),
            Ok(Topic::Family(family)) => format!("family {}", family.prefix()),
            Ok(Topic::Term(kind, key)) => format!("{} {key}", kind.name()),
            Ok(Topic::Terms(kind)) => format!("list {}", kind.name()),
            Err(suggestion) => suggestion.to_string(),
        }
    }

    #[test]
    fn every_way_to_ask_finds_its_entry() {
        let cases = [
            ("502", "status 502"),
            ("27", "status 27"),
            ("sip:486", "status 486"),
            ("5XX", "class 5xx"),
            ("trying-then-server-failure", "rule trying-then-server-failure"),
            ("txn", "family TXN"),
            ("q850:27", "q850 27"),
            ("Q.850:16", "q850 16"),
            ("q850", "list q850"),
            ("warning:305", "warning 305"),
            ("reason:STIR", "reason STIR"),
            ("reason:q.850", "reason Q.850"),
            ("stir", "reason STIR"),
            ("Reason", "list reason"),
            ("refer", "method REFER"),
            ("method:REFER", "method REFER"),
            ("methods", "list method"),
        ];
        for (query, expected) in cases {
            assert_eq!(found(query), expected, "{query}");
        }
        let rule = rules::ALL[0];
        assert_eq!(found(&rule.code.to_ascii_lowercase()), format!("rule {}", rule.name));
    }

    #[test]
    fn a_slip_of_the_pen_gets_a_suggestion() {
        let cases = [
            (
                "refer-accepted-no-notfy",
                "no entry named \"refer-accepted-no-notfy\"; \
                 did you mean refer-accepted-no-notify?",
            ),
            ("REFRE", "no entry named \"REFRE\"; did you mean REFER?"),
            ("reason:STRI", "no entry named \"reason:STRI\"; did you mean reason:STIR?"),
            ("quite-another-thing", "no entry named \"quite-another-thing\""),
            ("", "no entry named \"\""),
            ("99999999", "no entry named \"99999999\""),
        ];
        for (query, expected) in cases {
            assert_eq!(found(query), expected, "{query}");
        }
        for part in ["no-notify", "refer-acepted"] {
            let suggestion = find(part).expect_err("no such rule");
            let first = suggestion.names.first().map(String::as_str);
            assert_eq!(first, Some("refer-accepted-no-notify"), "{part}");
        }
    }

    #[test]
    fn suggestions_speak_the_language() {
        let suggestion = find("REFRE").expect_err("no such method");
        let french = "vouliez-vous dire REFER ?";
        assert_eq!(suggestion.advice(Lang::Fr).as_deref(), Some(french));
        assert_eq!(suggestion.problem(Lang::Ja), "「REFRE」という項目はありません");
    }

    #[test]
    fn the_nearest_name_is_what_was_meant() {
        let names = ["lang", "local-nets", "load-test"];
        assert_eq!(nearest("lnag", names), Some("lang"));
        assert_eq!(nearest("Local_Nets", names), Some("local-nets"));
        assert_eq!(nearest("loc", names), Some("local-nets"));
        assert_eq!(nearest("threads", names), None);
        assert_eq!(nearest(&"l".repeat(100_000), names), None);
    }

    #[test]
    fn distances_count_letters() {
        let cases = [("", "", 0), ("", "abc", 3), ("notfy", "notify", 1), ("refre", "refer", 1)];
        for (one, other, expected) in cases {
            assert_eq!(edit_distance(one, other), expected, "{one} {other}");
        }
    }
}
