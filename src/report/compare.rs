//! `siptrace compare A B`: two status codes side by side.

use std::io::{self, Write};

use serde::Serialize;

use crate::catalogue::{Comparison, Labels, Lang, labels};
use crate::report::document::{self, Block, Page};
use crate::report::explain::{StatusJson, write_json};
use crate::report::html;

/// Writes the comparison as text.
pub(crate) fn text(comparison: &Comparison, page: Page, out: &mut dyn Write) -> io::Result<()> {
    document::text(&blocks(comparison), page, out)
}

/// Writes the comparison as Markdown.
pub(crate) fn markdown(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    document::markdown(&blocks(comparison), out)
}

/// Writes the comparison as HTML.
pub(crate) fn html(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    html::html(&blocks(comparison), comparison.lang, out)
}

/// Writes the comparison as JSON.
pub(crate) fn json(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let mirror = ComparisonJson {
        left: StatusJson::from(&comparison.left),
        right: StatusJson::from(&comparison.right),
        difference: &comparison.difference,
        key_differences: &comparison.key_differences,
        when_to_use: &comparison.when_to_use,
        sequence: comparison.sequence.as_ref().map(|sequence| SequenceJson {
            first: sequence.first,
            then: sequence.then,
            meaning: &sequence.meaning,
            rule: sequence.rule,
        }),
        lang: comparison.lang,
    };
    write_json(&mirror, out)
}

fn blocks(comparison: &Comparison) -> Vec<Block> {
    let words = labels(comparison.lang);
    let (left, right) = (&comparison.left, &comparison.right);
    let heading = |key: &str| Block::Heading(words.get(key).to_owned());
    let mut blocks = vec![
        Block::Title(words.fill("versus", &[("left", &left.title()), ("right", &right.title())])),
        heading("difference"),
        Block::Prose(comparison.difference.clone()),
        heading("key-differences"),
        Block::Numbers(comparison.key_differences.clone()),
    ];
    blocks.extend(sequence(comparison, words).into_iter().flatten());
    blocks.extend([
        heading("when-to-use-which"),
        Block::Prose(comparison.when_to_use.clone()),
        heading("learn-more"),
        Block::Prose(learn_more(comparison)),
    ]);
    blocks
}

fn sequence(comparison: &Comparison, words: Labels) -> Option<[Block; 2]> {
    let sequence = comparison.sequence.as_ref()?;
    let codes = [sequence.first.to_string(), sequence.then.to_string()];
    let values = [("first", &*codes[0]), ("then", &*codes[1])];
    let reported = sequence.rule.map(|rule| words.pair(words.get("reported-by"), rule));
    let text = match reported {
        Some(reported) => format!("{}\n\n{reported}", sequence.meaning),
        None => sequence.meaning.clone(),
    };
    Some([Block::Heading(words.fill("in-sequence", &values)), Block::Prose(text)])
}

/// The commands that show more.
fn learn_more(comparison: &Comparison) -> String {
    let mut topics = vec![comparison.left.code.to_string(), comparison.right.code.to_string()];
    topics.dedup();
    topics.extend(comparison.sequence.as_ref().and_then(|found| found.rule).map(str::to_owned));
    let commands: Vec<String> =
        topics.iter().map(|topic| format!("- `siptrace explain {topic}`")).collect();
    commands.join("\n")
}

/// A comparison in the JSON; the names of the fields are a contract.
#[derive(Debug, Serialize)]
struct ComparisonJson<'a> {
    left: StatusJson<'a>,
    right: StatusJson<'a>,
    difference: &'a str,
    key_differences: &'a [String],
    when_to_use: &'a str,
    sequence: Option<SequenceJson<'a>>,
    lang: Lang,
}

#[derive(Debug, Serialize)]
struct SequenceJson<'a> {
    first: u16,
    then: u16,
    meaning: &'a str,
    rule: Option<&'static str>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::compare;
    use crate::report::style::Style;

    #[test]
    fn json_has_the_fields_of_the_contract() {
        let mut out = Vec::new();
        json(&compare(100, 502, Lang::Fr), &mut out).expect("a vector takes all");
        let value: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(value["left"]["code"], 100);
        assert_eq!(value["right"]["phrase"], "Bad Gateway");
        assert_eq!(value["lang"], "fr");
        assert!(value["difference"].as_str().is_some_and(|text| text.contains("provisoire")));
        assert!(value["key_differences"].as_array().is_some_and(|list| list.len() > 6));
        assert!(value["when_to_use"].as_str().is_some_and(|text| text.contains("dans la trace")));
        assert_eq!(value["sequence"]["rule"], "trying-then-server-failure");
    }

    #[test]
    fn every_heading_is_in_the_text() {
        for lang in Lang::ALL {
            let page = Page { columns: 80, style: Style { color: false } };
            let mut out = Vec::new();
            text(&compare(100, 502, lang), page, &mut out).expect("a vector takes all");
            let shown = String::from_utf8_lossy(&out);
            for key in ["difference", "key-differences", "when-to-use-which", "learn-more"] {
                let heading = labels(lang).get(key);
                assert!(shown.lines().any(|line| line == heading), "{lang}: {heading}");
            }
            assert!(shown.contains("siptrace explain trying-then-server-failure"));
        }
    }
}
