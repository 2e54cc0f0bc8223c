//! The Markdown entry of a rule, taken apart.

use std::fmt;

use crate::catalogue::{Lang, entries, files, template};
use crate::finding::{Family, Rule, Severity};
use crate::signaling::Threshold;

/// The headings of an entry, in their order. They are markers: every language keeps them.
const HEADINGS: [&str; 6] = [
    "What happened",
    "Why it matters",
    "Likely causes",
    "What to do",
    "Not reported when",
    "References",
];

/// The parts of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleEntry {
    /// The fault in a few words.
    pub title: String,
    /// The message of a finding, with places for its evidence.
    pub message: String,
    /// What happened.
    pub what: String,
    /// Why it matters.
    pub why: String,
    /// What may have caused it, likeliest first.
    pub causes: Vec<String>,
    /// What to do.
    pub actions: Vec<String>,
    /// What keeps the rule silent.
    pub silent_when: Vec<String>,
    /// Where it is written.
    pub references: Vec<String>,
}

/// Where the Markdown of an entry is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeError {
    /// The line, 1 for the first.
    pub line: usize,
    /// What is wrong there.
    pub problem: String,
}

/// A rule and its words in one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleText {
    /// `TXN106`.
    pub code: &'static str,
    /// The kebab-case name.
    pub name: &'static str,
    /// The family of its code.
    pub family: Family,
    /// Its severity when nothing speaks for less.
    pub severity: Severity,
    /// `call` or `capture`.
    pub scope: &'static str,
    /// What a user may set.
    pub thresholds: &'static [&'static Threshold],
    /// The words.
    pub entry: RuleEntry,
    /// The language of the words, English where a translation is missing.
    pub lang: Lang,
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl std::error::Error for ShapeError {}

impl RuleEntry {
    /// The entry in that Markdown.
    pub fn parse(markdown: &str) -> Result<Self, ShapeError> {
        let head = Head::parse(markdown)?;
        let sections = sections(markdown)?;
        let prose = |at: usize| {
            let section = &sections[at];
            let text = entries::prose(section.body);
            if text.is_empty() { Err(section.error("is empty")) } else { Ok(text) }
        };
        let list = |at: usize| {
            let section = &sections[at];
            let items = entries::items(section.body);
            let first = section.body.lines().find(|line| !line.trim().is_empty());
            match first {
                None => Err(section.error("is empty")),
                Some(line) if !line.starts_with("- ") => Err(section.error("must be a list")),
                Some(_) => Ok(items),
            }
        };
        Ok(Self {
            title: head.title,
            message: head.message,
            what: prose(0)?,
            why: prose(1)?,
            causes: list(2)?,
            actions: list(3)?,
            silent_when: list(4)?,
            references: list(5)?,
        })
    }
}

struct Head {
    title: String,
    message: String,
}

impl Head {
    fn parse(markdown: &str) -> Result<Self, ShapeError> {
        let mut title = String::new();
        let mut quoted = String::new();
        for (at, line) in markdown.lines().enumerate() {
            let error =
                |problem: &str| Err(ShapeError { line: at + 1, problem: problem.to_owned() });
            if line.starts_with("## ") {
                break;
            } else if let Some(text) = line.strip_prefix("# ") {
                if !title.is_empty() {
                    return error("a second title");
                }
                text.trim().clone_into(&mut title);
            } else if let Some(text) = line.strip_prefix("> ") {
                quoted.push_str(text);
                quoted.push('\n');
            } else if !line.trim().is_empty() {
                return error("text between the message and the first heading");
            }
        }
        let missing = |problem: &str| ShapeError { line: 1, problem: problem.to_owned() };
        if title.is_empty() {
            return Err(missing("the title, `# …`, is missing"));
        }
        let message = entries::prose(&quoted);
        if message.is_empty() {
            return Err(missing("the message, `> …`, is missing"));
        }
        if message.matches(['{', '[']).count() != message.matches(['}', ']']).count() {
            return Err(missing("the message has braces or brackets that are not closed"));
        }
        Ok(Self { title, message })
    }
}

struct Section<'a> {
    line: usize,
    heading: &'a str,
    body: &'a str,
}

impl Section<'_> {
    fn error(&self, problem: &str) -> ShapeError {
        ShapeError { line: self.line, problem: format!("`## {}` {problem}", self.heading) }
    }
}

/// The six sections, which must be there in their order and without others.
fn sections(markdown: &str) -> Result<Vec<Section<'_>>, ShapeError> {
    let lines = markdown
        .lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with("## "))
        .map(|(at, _)| at + 1);
    let found: Vec<Section<'_>> = entries::sections(markdown)
        .zip(lines)
        .map(|((heading, body), line)| Section { line, heading, body })
        .collect();
    for (section, expected) in found.iter().zip(HEADINGS) {
        if section.heading != expected {
            return Err(section.error(&format!("stands where `## {expected}` should")));
        }
    }
    if let Some(expected) = HEADINGS.get(found.len()) {
        let line = markdown.lines().count();
        return Err(ShapeError { line, problem: format!("`## {expected}` is missing") });
    }
    if let Some(section) = found.get(HEADINGS.len()) {
        return Err(section.error("is one heading too many"));
    }
    Ok(found)
}

/// The rule with its words in that language, else in English.
///
/// An entry that is not in shape shows the name of the rule; tests keep that from happening.
pub fn rule(rule: &Rule, lang: Lang) -> RuleText {
    let (lang, entry) = translated(rule, lang)
        .or_else(|| Some((Lang::En, RuleEntry::parse(rule.entry).ok()?)))
        .unwrap_or_else(|| {
            let name = rule.name.to_owned();
            (Lang::En, RuleEntry { title: name.clone(), message: name, ..RuleEntry::default() })
        });
    RuleText {
        code: rule.code,
        name: rule.name,
        family: rule.family(),
        severity: rule.severity,
        scope: rule.scope(),
        thresholds: rule.thresholds,
        entry,
        lang,
    }
}

fn translated(rule: &Rule, lang: Lang) -> Option<(Lang, RuleEntry)> {
    let file = files::file(lang, &files::rule_file(rule.name))?;
    Some((lang, RuleEntry::parse(file).ok()?))
}

/// The message of a finding: the template of the rule with the evidence in its places.
pub fn message(rule: &RuleText, evidence: &[(&str, String)]) -> String {
    let values: Vec<(&str, &str)> =
        evidence.iter().map(|(name, value)| (*name, value.as_str())).collect();
    template::fill(&rule.entry.message, &values)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::rules;

    const ENTRY: &str = include_str!("testdata/rule_entry.md");

    #[test]
    fn an_entry_is_taken_apart() {
        let entry = RuleEntry::parse(ENTRY).expect("in shape");
        assert_eq!(entry.title, "Trying, a long wait, then a server failure");
        assert_eq!(
            entry.message,
            "{server} said 100 at once, was silent for {wait_ms}[, {cause},] \
             then answered {status}."
        );
        assert_eq!(entry.what, "The first paragraph goes on here.\n\nThe second one.");
        assert_eq!(entry.why, "The caller hears nothing.");
        assert_eq!(entry.causes, ["the next server is silent until a timer ends", "a look-up"]);
        assert_eq!(entry.actions.len(), 2);
        assert_eq!(entry.silent_when, ["the wait is short"]);
        assert_eq!(entry.references, ["RFC 3261, section 16.7"]);
    }

    #[test]
    fn what_is_out_of_shape_is_named_with_its_line() {
        let cases = [
            ("# Trying", "Trying", "line 1: text between the message and the first heading"),
            ("> {server}", "{server}", "line 3: text between the message and the first heading"),
            (
                "{status}",
                "{status",
                "line 1: the message has braces or brackets that are not closed",
            ),
            (
                "## Why it matters",
                "## Why",
                "line 12: `## Why` stands where `## Why it matters` should",
            ),
            (
                "- the wait is short",
                "the wait is short",
                "line 26: `## Not reported when` must be a list",
            ),
            ("- RFC 3261, section 16.7", "", "line 30: `## References` is empty"),
            (
                "\n## References\n\n- RFC 3261, section 16.7",
                "",
                "line 29: `## References` is missing",
            ),
        ];
        for (from, to, expected) in cases {
            assert!(ENTRY.contains(from), "{from}");
            let broken = ENTRY.replacen(from, to, 1);
            let error = RuleEntry::parse(&broken).expect_err(from);
            assert_eq!(error.to_string(), expected);
        }
        let more = format!("{ENTRY}\n## More\n\nText.\n");
        let error = RuleEntry::parse(&more).expect_err("seven headings");
        assert_eq!(error.to_string(), "line 34: `## More` is one heading too many");
    }

    #[test]
    fn every_entry_of_every_language_is_in_shape() {
        for rule in rules::ALL {
            let english = match RuleEntry::parse(rule.entry) {
                Ok(entry) => entry,
                Err(error) => panic!("entry of {}, {error}", rule.name),
            };
            for lang in Lang::ALL {
                let name = files::rule_file(rule.name);
                let Some(text) = files::file(lang, &name) else { continue };
                let entry = match RuleEntry::parse(text) {
                    Ok(entry) => entry,
                    Err(error) => panic!("src/catalogue/{lang}/{name}, {error}"),
                };
                let places = |message| -> BTreeSet<String> {
                    template::places(message).into_iter().map(str::to_owned).collect()
                };
                assert_eq!(places(&entry.message), places(&english.message), "{lang}/{name}");
                let same = [&entry.what, &entry.why].contains(&&english.what);
                assert!(!same, "src/catalogue/{lang}/{name} is not translated");
            }
        }
    }

    #[test]
    fn every_translation_belongs_to_a_rule() {
        for (lang, name, _) in files::all() {
            let Some(name) = name.strip_prefix("rules/") else { continue };
            let known = rules::ALL.iter().any(|rule| name == format!("{}.md", rule.name));
            assert!(known, "src/catalogue/{lang}/rules/{name} belongs to no rule");
        }
    }

    #[test]
    fn a_message_is_filled_from_the_evidence() {
        let entry = RuleEntry::parse(ENTRY).expect("in shape");
        let rule = RuleText { entry, ..rule(rules::ALL[0], Lang::En) };
        let evidence = [
            ("server", "192.0.2.1:5060".to_owned()),
            ("wait_ms", "6.02 s".to_owned()),
            ("status", "502".to_owned()),
        ];
        assert_eq!(
            message(&rule, &evidence),
            "192.0.2.1:5060 said 100 at once, was silent for 6.02 s then answered 502."
        );
    }
}
