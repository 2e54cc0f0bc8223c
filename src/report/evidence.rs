//! The evidence of a finding in the words of a language.

use crate::catalogue::{self, Labels, RuleText};
use crate::finding::{Finding, Value};

/// A value as a reader sees it.
pub(crate) fn shown(value: &Value, words: Labels) -> String {
    shown_with(value, words, &|text| text)
}

fn shown_with(value: &Value, words: Labels, foreign: &dyn Fn(String) -> String) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Decimal(number) => words.decimal(*number, 1),
        Value::Span(span) => words.duration(*span),
        Value::Text(text) => foreign(text.clone()),
        Value::Word(word) => words.word(word),
        Value::Endpoint(endpoint) => foreign(endpoint.to_string()),
        Value::Flag(flag) => words.flag(*flag).to_owned(),
        Value::List(values) => {
            let items = values.iter().map(|value| shown_with(value, words, foreign));
            words.list(&items.collect::<Vec<_>>())
        }
    }
}

/// The value behind a name, with what a cause of the telephone network stands for.
pub(crate) fn explained(name: &str, value: &Value, words: Labels) -> String {
    let text = shown(value, words);
    let warning =
        || warning_code(name, &text).and_then(|code| catalogue::warning(code, words.lang()));
    let cause = q850_cause(name, &text).and_then(|cause| catalogue::q850(cause, words.lang()));
    match cause.or_else(warning) {
        Some(term) if !text.to_lowercase().contains(&term.name.to_lowercase()) => {
            format!("{text} ({})", term.name)
        }
        Some(_) | None => text,
    }
}

/// The code in a Warning header, unless it stands for anything (399).
fn warning_code(name: &str, text: &str) -> Option<u16> {
    let code = text.get(..3).filter(|_| name == "warning")?.parse().ok()?;
    (code != 399).then_some(code)
}

/// The cause in a Reason header, `Q.850;cause=38`, or in evidence that is nothing but a cause.
fn q850_cause(name: &str, text: &str) -> Option<u16> {
    if name == "q850" {
        return text.parse().ok();
    }
    let (protocol, rest) = text.split_once(';').filter(|_| name == "reason")?;
    if !protocol.trim().eq_ignore_ascii_case("q.850") || rest.contains("text=") {
        return None;
    }
    let cause = rest.split(';').find_map(|parameter| parameter.trim().strip_prefix("cause="))?;
    cause.trim().parse().ok()
}

/// The message of a finding: the template of its rule with the evidence and the two parties in
/// their places.
pub(crate) fn message(finding: &Finding, rule: &RuleText, words: Labels) -> String {
    message_with(finding, rule, words, &|text| text)
}

/// The same, with something done to whatever may come from a capture.
pub(crate) fn message_with(
    finding: &Finding,
    rule: &RuleText,
    words: Labels,
    foreign: &dyn Fn(String) -> String,
) -> String {
    let value = |value: &Value| shown_with(value, words, foreign);
    let mut values: Vec<(&str, String)> =
        finding.evidence.iter().map(|(name, own)| (*name, value(own))).collect();
    values.extend(finding.client.map(|client| ("client", foreign(client.to_string()))));
    values.extend(finding.server.map(|server| ("server", foreign(server.to_string()))));
    catalogue::message(rule, &values)
}
