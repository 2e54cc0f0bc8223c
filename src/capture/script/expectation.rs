//! What the `^` lines of a script expect of an analysis.

use super::error::{Error, list, quoted};
use super::player::Played;
use super::syntax::{Expected, Script};
use super::word::Word;

/// One finding that must come, or with the rule `none`: that none may come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Name of the rule, or `none`.
    pub rule: String,
    /// `error`, `warn` or `info`.
    pub severity: Option<String>,
    /// `certain`, `likely` or `possible`.
    pub confidence: Option<String>,
    /// The frames of the finding.
    pub frames: Option<Vec<u64>>,
    /// What the evidence of the finding must hold, in the order of the line.
    pub values: Vec<(String, String)>,
    /// The line of the script.
    pub line: usize,
}

impl Expectation {
    /// No finding may come.
    pub fn is_none(&self) -> bool {
        self.rule == "none"
    }
}

/// The expectations with frame numbers in the place of labels.
pub(super) fn resolve(script: &Script<'_>, played: &Played<'_>) -> Result<Vec<Expectation>, Error> {
    if let [_, another, ..] = script.expected.as_slice() {
        let mut lines = script.expected.iter();
        if let Some(none) = lines.find(|line| line.rule.text == "none") {
            let other = script.expected.iter().find(|line| line.rule.line != none.rule.line);
            let other = other.unwrap_or(another);
            let found = format!("none, but line {} expects a finding", other.rule.line);
            return Err(none.rule.error(found, "^ none stands alone"));
        }
    }
    script.expected.iter().map(|line| resolve_line(line, played)).collect()
}

fn resolve_line(line: &Expected<'_>, played: &Played<'_>) -> Result<Expectation, Error> {
    let is_bare = line.severity.is_none() && line.frames.is_none() && line.values.is_empty();
    if line.rule.text == "none" && !is_bare {
        return Err(line.rule.error("none takes no values", "write ^ none"));
    }
    let frames = match &line.frames {
        Some(words) => {
            Some(words.iter().map(|word| frame(*word, played)).collect::<Result<_, _>>()?)
        }
        None => None,
    };
    let mut values = Vec::with_capacity(line.values.len());
    for (key, word) in &line.values {
        let value = match word.text.starts_with('@') {
            true => frame(*word, played)?.to_string(),
            false => word.unquoted().to_owned(),
        };
        values.push(((*key).to_owned(), value));
    }
    Ok(Expectation {
        rule: line.rule.text.to_owned(),
        severity: line.severity.map(str::to_owned),
        confidence: line.confidence.map(str::to_owned),
        frames,
        values,
        line: line.rule.line,
    })
}

/// A frame by number or by label.
fn frame(word: Word<'_>, played: &Played<'_>) -> Result<u64, Error> {
    let Some(name) = word.text.strip_prefix('@') else {
        let count = u64::try_from(played.frames.len()).unwrap_or(u64::MAX);
        return word.number(1, count.max(1)).map_err(|error| {
            error.hint(format!("the script makes {count} frames; labels are written @name"))
        });
    };
    played.labels.get(name).copied().ok_or_else(|| {
        let mut names: Vec<&str> = played.labels.keys().copied().collect();
        names.sort_unstable();
        let expected = match names.as_slice() {
            [] => "no message line ends in a label".to_owned(),
            names => format!("labels are {}", list(names)),
        };
        word.error(format!("no label {}", quoted(word.text)), expected).meant(name, names)
    })
}
