//! Which findings must be there and which must not.

use super::bound::{Bound, Unit};
use super::reader::{Fields, Value, Word, unknown_name};
use super::steps::Wrong;
use super::verdict::{About, Problem, Seen};
use crate::bytes::printable_str;
use crate::finding::{Finding, Rule, Severity};
use crate::rules;

/// Findings named in a problem.
const SHOWN_MAX: usize = 8;

/// Which findings must be there and which must not.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FindingsTest {
    min_severity: Severity,
    require: Vec<Selector>,
    forbid: Vec<Selector>,
    /// No others than these.
    allow: Option<(usize, Vec<Selector>)>,
    count: Option<(usize, String, Bound)>,
}

/// A rule by code, prefix of a code, or name.
#[derive(Clone, Debug, PartialEq)]
struct Selector {
    text: String,
    line: usize,
}

impl Selector {
    fn parse(word: Word<'_>) -> Result<Self, Wrong> {
        let own = Self { text: word.text.trim().to_owned(), line: word.line };
        if rules::ALL.iter().any(|rule| own.fits(rule)) {
            return Ok(own);
        }
        let names: Vec<&str> = rules::ALL.iter().map(|rule| rule.name).collect();
        let problem = unknown_name("rule", &own.text, &names);
        let told = match problem.contains("did you mean") {
            true => problem,
            false => format!("there is no rule `{}`; see `siptrace rules`", own.text),
        };
        Err((word.at, told))
    }

    fn fits(&self, rule: &Rule) -> bool {
        let start = rule.code.get(..self.text.len());
        let is_prefix = start.is_some_and(|start| start.eq_ignore_ascii_case(&self.text));
        !self.text.is_empty() && (is_prefix || rule.name == self.text)
    }
}

impl FindingsTest {
    /// `"none"`, or a table.
    pub(super) fn parse(value: Value<'_, '_>) -> Result<Self, Wrong> {
        let mut test = Self {
            min_severity: Severity::Info,
            require: Vec::new(),
            forbid: Vec::new(),
            allow: None,
            count: None,
        };
        if value.is_string() {
            let word = value.word()?;
            if word.text != "none" {
                return Err((word.at, "expected \"none\" or a table".to_owned()));
            }
            test.count = Some((word.line, "none".to_owned(), Bound::exactly(0)));
            return Ok(test);
        }
        let fields = value.table().map_err(|_| value.expected("\"none\" or a table"))?;
        let fields = fields.with_keys(&["min-severity", "require", "forbid", "allow", "count"])?;
        let severity = fields.read("min-severity", severity)?;
        test.min_severity = severity.unwrap_or(Severity::Info);
        test.require = selectors(fields, "require")?.unwrap_or_default();
        test.forbid = selectors(fields, "forbid")?.unwrap_or_default();
        let line = fields.get("allow").map_or(0, Value::line);
        test.allow = selectors(fields, "allow")?.map(|allowed| (line, allowed));
        test.count = fields.read("count", |value| {
            let bound = match value.number() {
                Some(count) => Bound::exactly(count),
                None => {
                    let word = value.word()?;
                    Bound::parse(word.text, Unit::Count).map_err(|wrong| (word.at, wrong))?
                }
            };
            Ok((value.line(), printable_str(&value.shown()).into_owned(), bound))
        })?;
        Ok(test)
    }

    /// Whether the finding is one that must or may be there.
    pub(super) fn allows(&self, finding: &Finding) -> bool {
        let allowed = self.allow.iter().flat_map(|(_, allowed)| allowed);
        self.require.iter().chain(allowed).any(|own| own.fits(finding.rule))
    }

    /// What is wrong with the findings.
    pub(super) fn check<'f>(&self, findings: impl Iterator<Item = &'f Finding>) -> Vec<Problem> {
        let found: Vec<&Finding> =
            findings.filter(|finding| finding.severity >= self.min_severity).collect();
        let mut problems = Vec::new();
        for wanted in &self.require {
            if !found.iter().any(|finding| wanted.fits(finding.rule)) {
                problems.push(problem(wanted.line, "require", &wanted.text, &[]));
            }
        }
        for unwanted in &self.forbid {
            let own: Vec<_> = of(&found, |finding| unwanted.fits(finding.rule));
            if !own.is_empty() {
                problems.push(problem(unwanted.line, "forbid", &unwanted.text, &own));
            }
        }
        if let Some((line, allowed)) = &self.allow {
            let others = of(&found, |finding| !allowed.iter().any(|own| own.fits(finding.rule)));
            if !others.is_empty() {
                let names: Vec<_> = allowed.iter().map(|own| own.text.as_str()).collect();
                problems.push(problem(*line, "allow", &names.join(" | "), &others));
            }
        }
        if let Some((line, expected, bound)) = &self.count
            && !bound.holds_count(found.len() as u64)
        {
            problems.push(problem(*line, "count", expected, &found));
        }
        problems
    }
}

fn of<'f>(found: &[&'f Finding], is_it: impl Fn(&Finding) -> bool) -> Vec<&'f Finding> {
    found.iter().copied().filter(|finding| is_it(finding)).collect()
}

fn selectors(fields: Fields<'_, '_>, key: &str) -> Result<Option<Vec<Selector>>, Wrong> {
    fields.read(key, |value| value.words()?.into_iter().map(Selector::parse).collect())
}

fn severity(value: Value<'_, '_>) -> Result<Severity, Wrong> {
    let word = value.word()?;
    let all = [Severity::Info, Severity::Warn, Severity::Error];
    let names = all.map(Severity::name);
    let own = all.into_iter().find(|severity| severity.name() == word.text);
    own.ok_or_else(|| (word.at, unknown_name("severity", word.text, &names)))
}

fn problem(line: usize, key: &'static str, expected: &str, seen: &[&Finding]) -> Problem {
    let name = |finding: &&Finding| format!("{} {}", finding.rule.code, finding.rule.name);
    let mut names: Vec<String> = seen.iter().take(SHOWN_MAX).map(name).collect();
    names.dedup();
    let frames = seen.iter().take(SHOWN_MAX).flat_map(|finding| finding.frames.iter().copied());
    Problem {
        line,
        about: About::Findings(key),
        expected: printable_str(expected).into_owned(),
        seen: match names.is_empty() {
            true => Seen::Nothing,
            false => Seen::Text(names.join(", ")),
        },
        frames: frames.collect(),
        doubts: Vec::new(),
    }
}
