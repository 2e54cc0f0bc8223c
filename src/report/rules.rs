//! `siptrace rules`: the list of what siptrace can find.

use std::io::{self, Write};

use serde::Serialize;

use crate::catalogue::{Labels, Lang, RuleText, labels};
use crate::finding::{Family, Severity};
use crate::report::document::{self, Block, Cell, Page};
use crate::report::html;
use crate::report::layout;
use crate::report::style::Role;
use crate::signaling::{Amount, Threshold};

/// Writes the rules by family, as text.
pub(crate) fn text(
    rules: &[RuleText],
    lang: Lang,
    page: Page,
    out: &mut dyn Write,
) -> io::Result<()> {
    let words = labels(lang);
    let families = Family::ALL.into_iter().filter(|family| has(rules, *family));
    let all: Vec<Vec<Cell>> = rules.iter().map(|rule| row(rule, words)).collect();
    let widths = [0, 1, 2]
        .map(|at| all.iter().map(|row| layout::width(&row[at].text)).max().unwrap_or_default());
    let blocks: Vec<Block> = families
        .flat_map(|family| {
            let heading = format!("{} {}", family.prefix(), words.family(family));
            let of_family = rules.iter().filter(|rule| rule.family == family);
            let rows = of_family.map(|rule| aligned(row(rule, words), &widths)).collect();
            [Block::Heading(heading), Block::Table(rows)]
        })
        .collect();
    document::text(&blocks, page, out)
}

/// Writes the rules by family, as Markdown.
pub(crate) fn markdown(rules: &[RuleText], lang: Lang, out: &mut dyn Write) -> io::Result<()> {
    document::markdown(&blocks(rules, lang), out)
}

/// Writes the rules by family, as HTML.
pub(crate) fn html(rules: &[RuleText], lang: Lang, out: &mut dyn Write) -> io::Result<()> {
    html::html(&blocks(rules, lang), lang, out)
}

fn blocks(rules: &[RuleText], lang: Lang) -> Vec<Block> {
    let words = labels(lang);
    let mut blocks = vec![Block::Title(words.get("rules").to_owned())];
    for family in Family::ALL.into_iter().filter(|family| has(rules, *family)) {
        let of_family = rules.iter().filter(|rule| rule.family == family);
        let rows = std::iter::once(head(words)).chain(of_family.map(|rule| row(rule, words)));
        blocks.push(Block::Heading(format!("{} {}", family.prefix(), words.family(family))));
        blocks.push(Block::Table(rows.collect()));
    }
    blocks
}

/// Writes the rules as a JSON array.
pub(crate) fn json(rules: &[RuleText], out: &mut dyn Write) -> io::Result<()> {
    let rules: Vec<RuleJson<'_>> = rules.iter().map(RuleJson::from).collect();
    super::explain::write_json(&rules, out)
}

/// The line of a rule in a table: code, severity, name, title.
pub(super) fn row(rule: &RuleText, words: Labels) -> Vec<Cell> {
    vec![
        Cell::new(Role::Name, rule.code),
        Cell::new(Role::Severity(rule.severity), words.severity(rule.severity)),
        Cell::new(Role::Plain, rule.name),
        Cell::new(Role::Plain, rule.entry.title.as_str()),
    ]
}

/// The row with its first columns as wide as in the tables of the other families.
fn aligned(mut row: Vec<Cell>, widths: &[usize]) -> Vec<Cell> {
    for (cell, columns) in row.iter_mut().zip(widths) {
        cell.text = layout::pad(&cell.text, *columns);
    }
    row
}

/// The head of a table of rules.
pub(super) fn head(words: Labels) -> Vec<Cell> {
    let keys = ["code", "severity", "name", "summary"];
    keys.into_iter().map(|key| Cell::new(Role::Heading, words.get(key))).collect()
}

fn has(rules: &[RuleText], family: Family) -> bool {
    rules.iter().any(|rule| rule.family == family)
}

/// A rule in the JSON; the names of the fields are a contract.
#[derive(Debug, Serialize)]
struct RuleJson<'a> {
    code: &'a str,
    name: &'a str,
    family: &'a str,
    severity: Severity,
    summary: &'a str,
    scope: &'a str,
    /// What `siptrace.toml` can set.
    thresholds: Vec<ThresholdJson>,
}

#[derive(Debug, Serialize)]
struct ThresholdJson {
    name: &'static str,
    /// The unit of the default.
    unit: &'static str,
    default: f64,
}

impl From<&Threshold> for ThresholdJson {
    fn from(threshold: &Threshold) -> Self {
        let (unit, default) = match threshold.default {
            Amount::Span(span) => ("ms", span.secs() * 1000.0),
            Amount::Count(count) => ("count", count as f64),
            Amount::Percent(share) => ("percent", f64::from(share)),
        };
        Self { name: threshold.name, unit, default }
    }
}

impl<'a> From<&'a RuleText> for RuleJson<'a> {
    fn from(rule: &'a RuleText) -> Self {
        Self {
            code: rule.code,
            name: rule.name,
            family: rule.family.prefix(),
            severity: rule.severity,
            summary: &rule.entry.title,
            scope: rule.scope,
            thresholds: rule.thresholds.iter().map(|threshold| (*threshold).into()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;
    use crate::report::style::Style;
    use crate::rules;

    fn all(lang: Lang) -> Vec<RuleText> {
        rules::ALL.iter().map(|rule| catalogue::rule(rule, lang)).collect()
    }

    #[test]
    fn json_has_the_fields_of_the_contract() {
        let mut out = Vec::new();
        json(&all(Lang::En), &mut out).expect("a vector takes all");
        let value: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        let array = value.as_array().expect("an array");
        assert_eq!(array.len(), rules::ALL.len());
        for rule in array {
            for field in ["code", "name", "family", "severity", "summary", "scope"] {
                assert!(rule[field].as_str().is_some_and(|text| !text.is_empty()), "{field}");
            }
            assert_eq!(rule.as_object().map(serde_json::Map::len), Some(7));
        }
    }

    #[test]
    fn every_rule_is_in_the_text() {
        for lang in Lang::ALL {
            let page = Page { columns: 80, style: Style { color: false } };
            let (mut plain, mut marked) = (Vec::new(), Vec::new());
            text(&all(lang), lang, page, &mut plain).expect("a vector takes all");
            markdown(&all(lang), lang, &mut marked).expect("a vector takes all");
            for rule in rules::ALL {
                assert!(String::from_utf8_lossy(&plain).contains(rule.name), "{}", rule.name);
                assert!(String::from_utf8_lossy(&marked).contains(rule.name), "{}", rule.name);
            }
        }
    }
}
