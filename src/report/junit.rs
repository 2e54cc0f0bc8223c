//! Test results as Jenkins, GitLab and others read them: JUnit XML.
//!
//! A suite for each capture with a case for each of its calls, named so that it keeps its name when
//! the test is recorded again: kind, caller and callee. A case fails by one element, which is all
//! that the readers look at, named after its worst finding; the text has every finding. Rules that
//! look at the capture have cases of their own where they found something. After the captures comes
//! a suite for each file of expectations.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use foldhash::fast::RandomState;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use rustc_hash::FxHashMap;

use crate::analysis::CallSummary;
use crate::bytes::printable_str;
use crate::catalogue::Lang;
use crate::finding::Finding;
use crate::report::index::{Index, portable};
use crate::report::outcome::{Missed, Outcome};

/// Writes the document.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn junit(outcome: &Outcome<'_>, lang: Lang, out: &mut dyn Write) -> io::Result<()> {
    let index = Index::new(outcome.analysis, lang);
    let mut suites = of_captures(outcome, &index);
    suites.extend(of_expectations(outcome, &index));
    let all = suites.iter().flat_map(|suite| &suite.cases);
    let tests = all.clone().count().to_string();
    let failures = all.filter(|case| case.failure.is_some()).count().to_string();
    let mut writer = Writer::new_with_indent(out, b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    writer
        .create_element("testsuites")
        .with_attribute(("name", "siptrace"))
        .with_attribute(("tests", tests.as_str()))
        .with_attribute(("failures", failures.as_str()))
        .with_attribute(("errors", "0"))
        .write_inner_content(|writer| suites.iter().try_for_each(|suite| suite.write(writer)))?;
    writeln!(writer.into_inner())
}

/// The cases of a capture or of a file of expectations.
struct Suite {
    name: String,
    /// The path of the file that it is about.
    file: String,
    cases: Vec<Case>,
}

#[derive(Default)]
struct Case {
    name: String,
    /// Milliseconds.
    millis: f64,
    failure: Option<Failure>,
    /// Why there was nothing to look at.
    skipped: Option<String>,
    /// What is told without being a failure.
    output: String,
}

struct Failure {
    kind: String,
    message: String,
    text: String,
}

impl Suite {
    fn write<W: Write>(&self, writer: &mut Writer<W>) -> io::Result<()> {
        let count = |is: fn(&Case) -> bool| self.cases.iter().filter(|c| is(c)).count().to_string();
        let class = class_name(&self.file);
        writer
            .create_element("testsuite")
            .with_attribute(("name", safe(&self.name).as_str()))
            .with_attribute(("tests", count(|_| true).as_str()))
            .with_attribute(("failures", count(|case| case.failure.is_some()).as_str()))
            .with_attribute(("errors", "0"))
            .with_attribute(("skipped", count(|case| case.skipped.is_some()).as_str()))
            .with_attribute(("time", seconds(self.cases.iter().map(|c| c.millis).sum()).as_str()))
            .with_attribute(("file", safe(&portable(&self.file)).as_str()))
            .write_inner_content(|writer| {
                self.cases.iter().try_for_each(|case| case.write(&class, writer))
            })?;
        Ok(())
    }
}

impl Case {
    fn write<W: Write>(&self, class: &str, writer: &mut Writer<W>) -> io::Result<()> {
        let element = writer
            .create_element("testcase")
            .with_attribute(("name", safe(&self.name).as_str()))
            .with_attribute(("classname", class))
            .with_attribute(("time", seconds(self.millis).as_str()));
        if self.failure.is_none() && self.skipped.is_none() && self.output.is_empty() {
            return element.write_empty().map(|_| ());
        }
        element.write_inner_content(|writer| self.write_inside(writer)).map(|_| ())
    }

    fn write_inside<W: Write>(&self, writer: &mut Writer<W>) -> io::Result<()> {
        if let Some(failure) = &self.failure {
            writer
                .create_element("failure")
                .with_attribute(("type", safe(&failure.kind).as_str()))
                .with_attribute(("message", safe(&failure.message).as_str()))
                .write_text_content(BytesText::new(&lines(&failure.text)))?;
        }
        if let Some(reason) = &self.skipped {
            let element = writer.create_element("skipped");
            element.with_attribute(("message", safe(reason).as_str())).write_empty()?;
        }
        if !self.output.is_empty() {
            let element = writer.create_element("system-out");
            element.write_text_content(BytesText::new(&lines(&self.output)))?;
        }
        Ok(())
    }

    /// Tells the findings, those that are failures apart from the others.
    fn tell(&mut self, mut findings: Vec<&Finding>, outcome: &Outcome<'_>, index: &Index<'_>) {
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let (failing, other): (Vec<&Finding>, Vec<&Finding>) =
            findings.into_iter().partition(|finding| outcome.is_failure(finding));
        if let Some(worst) = failing.first() {
            let words = index.words;
            let mut message = words.pair(&index.title(worst), &index.message(worst));
            if let Some(more) = failing.len().checked_sub(1).filter(|more| *more > 0) {
                let more = words.fill("and-more", &[("count", &words.count(more as u64))]);
                message = format!("{message} ({more})");
            }
            let kind = worst.rule.name.to_owned();
            let mut text = told(&failing, index);
            text.push_str(&advice(worst, index));
            self.failure = Some(Failure { kind, message, text });
        }
        self.output = told(&other, index);
    }
}

fn of_captures(outcome: &Outcome<'_>, index: &Index<'_>) -> Vec<Suite> {
    let analysis = outcome.analysis;
    let mut of_calls: FxHashMap<usize, Vec<&Finding>> = FxHashMap::default();
    let mut of_rules: BTreeMap<(usize, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in &analysis.findings {
        match index.place(finding) {
            Some(place) => of_calls.entry(place).or_default().push(finding),
            None => {
                let rule = (index.capture(finding), finding.rule.code);
                of_rules.entry(rule).or_default().push(finding);
            }
        }
    }
    let file = |capture: usize| {
        let path = index.path(capture);
        Suite { name: path.clone(), file: path, cases: Vec::new() }
    };
    let mut suites: Vec<Suite> = (0..analysis.captures.len().max(1)).map(file).collect();
    let mut names: HashMap<(usize, String), u32, RandomState> = HashMap::default();
    for (place, call) in analysis.calls.iter().enumerate() {
        let capture = usize::from(call.first_frame.capture);
        let Some(suite) = suites.get_mut(capture) else { continue };
        let name = case_name(call);
        let count = names.entry((capture, name.clone())).or_default();
        *count += 1;
        let name = if *count > 1 { format!("{name} ({count})") } else { name };
        let millis = call.end.since(call.start).millis().max(0.0);
        let mut case = Case { name, millis, ..Case::default() };
        case.tell(of_calls.remove(&place).unwrap_or_default(), outcome, index);
        suite.cases.push(case);
    }
    for ((capture, code), findings) in of_rules {
        let Some(suite) = suites.get_mut(capture) else { continue };
        let rule = findings.first().map_or("", |finding| finding.rule.name);
        let mut case = Case { name: format!("{code} {rule}"), ..Case::default() };
        case.tell(findings, outcome, index);
        suite.cases.push(case);
    }
    for suite in suites.iter_mut().filter(|suite| suite.cases.is_empty()) {
        // A suite without a case is an error to Jenkins.
        let skipped = Some(index.words.get("verdict-no-sip").to_owned());
        suite.cases.push(Case { name: "capture".to_owned(), skipped, ..Case::default() });
    }
    suites
}

fn of_expectations(outcome: &Outcome<'_>, index: &Index<'_>) -> Vec<Suite> {
    let mut suites: Vec<Suite> = Vec::new();
    for missed in outcome.missed {
        let case = of_expectation(missed, index);
        match suites.iter_mut().find(|suite| suite.name == missed.suite) {
            Some(suite) => suite.cases.push(case),
            None => suites.push(Suite {
                name: missed.suite.clone(),
                file: missed.file.clone().unwrap_or_else(|| missed.suite.clone()),
                cases: vec![case],
            }),
        }
    }
    suites
}

fn of_expectation(missed: &Missed, index: &Index<'_>) -> Case {
    let mut case = Case { name: missed.case.clone(), ..Case::default() };
    if missed.passed {
        return case;
    }
    let words = index.words;
    let mut text = missed.message.clone();
    let mut tell = |name: &str, value: &str| {
        text.push('\n');
        text.push_str(&words.pair(words.get(name), value));
    };
    tell("capture", &missed.capture);
    if !missed.frames.is_empty() {
        tell("frames", &index.frames(&missed.frames));
    }
    if let Some(file) = &missed.file {
        let place = missed.line.map_or_else(|| file.clone(), |line| format!("{file}:{line}"));
        tell("file", &place);
    }
    let message = missed.message.lines().next().unwrap_or_default().to_owned();
    case.failure = Some(Failure { kind: "expectation".to_owned(), message, text });
    case
}

/// `call sip:alice@example.com > sip:bob@example.com`.
fn case_name(call: &CallSummary) -> String {
    let party = |uri: &Option<String>| {
        let uri = uri.as_deref().unwrap_or("?");
        uri.split([';', '?']).next().filter(|uri| !uri.is_empty()).unwrap_or("?").to_owned()
    };
    format!("{} {} > {}", call.kind.name(), party(&call.from_uri), party(&call.to_uri))
}

/// What was found, a paragraph each.
fn told(findings: &[&Finding], index: &Index<'_>) -> String {
    let words = index.words;
    let paragraph = |finding: &&Finding| {
        let severity = words.severity(finding.severity).to_uppercase();
        let mut lines = vec![format!("{severity} {}", index.title(finding))];
        lines.push(index.message(finding));
        lines.extend(index.facts(finding));
        lines.join("\n")
    };
    findings.iter().map(paragraph).collect::<Vec<_>>().join("\n\n")
}

/// What the catalogue advises.
fn advice(finding: &Finding, index: &Index<'_>) -> String {
    let rule = index.rule(finding);
    let heading = index.words.pair(index.words.get("what-to-do"), "");
    let mut text = format!("\n\n{}", heading.trim_end());
    for (at, action) in rule.entry.actions.iter().enumerate() {
        text.push_str(&format!("\n{}. {action}", at + 1));
    }
    text
}

/// `fixtures.ci.basic-call_pcap`: points part packages, so those of a name give way.
fn class_name(path: &str) -> String {
    let path = portable(path);
    let parts = path.split('/').filter(|part| !part.is_empty() && *part != "..");
    let parts: Vec<String> = parts.map(|part| part.replace('.', "_")).collect();
    safe(&parts.join("."))
}

fn seconds(millis: f64) -> String {
    format!("{:.3}", millis / 1000.0)
}

/// Text on one line without characters that XML 1.0 forbids even where they are escaped.
fn safe(text: &str) -> String {
    printable_str(text).into_owned()
}

/// The same of several lines.
fn lines(text: &str) -> String {
    text.lines().map(safe).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_named_after_the_file() {
        assert_eq!(
            class_name("./fixtures/ci/basic-call.v2.pcap"),
            "fixtures.ci.basic-call_v2_pcap"
        );
        assert_eq!(class_name("/tmp/../x.pcap"), "tmp.x_pcap");
    }

    #[test]
    fn no_character_is_forbidden_in_xml() {
        let all: String = (0..=0x1_0fff_u32).filter_map(char::from_u32).collect();
        let is_allowed =
            |c: char| matches!(c, '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        assert!(safe(&all).chars().all(is_allowed));
        assert!(lines(&all).chars().all(|c| is_allowed(c) || c == '\n'));
    }
}
