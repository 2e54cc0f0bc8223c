//! Every rule against its fixtures: readable captures that state what must be found in them.
//!
//! `fixtures/rules/RULE/fires-CASE.sip` shows what the rule finds, `silent-CASE.sip` what it must
//! not take for a fault. Either states, in lines that begin with `^`, all findings of all rules: no
//! more may come, and no fewer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use siptrace::capture::script::{self, Expectation};
use siptrace::catalogue::{Lang, RuleEntry, labels};
use siptrace::finding::{Finding, Sign, Value};
use siptrace::rules;
use siptrace::signaling::Settings;

use crate::run;

/// Evidence tokens are shown in all of these.
const LANGUAGES: [Lang; 4] = [Lang::En, Lang::Fr, Lang::Ja, Lang::Pt];

#[test]
fn scripts_give_the_findings_that_they_state() {
    let mut failures = String::new();
    for case in cases() {
        failures.push_str(&case.problems());
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn every_rule_shows_when_it_fires_and_when_it_is_silent() {
    let cases = cases();
    let mut folders: BTreeSet<&str> = cases.iter().map(|case| case.rule.as_str()).collect();
    for rule in rules::ALL {
        folders.remove(rule.name);
        let own = || cases.iter().filter(|case| case.rule == rule.name);
        assert!(own().any(Case::fires), "{} lacks fires-….sip", rule.name);
        assert!(own().any(|case| !case.fires()), "{} lacks silent-….sip", rule.name);
    }
    assert!(folders.is_empty(), "folders without a rule: {folders:?}");
}

#[test]
fn names_of_scripts_say_what_they_expect() {
    for case in cases() {
        let is_expected = case.expected.iter().any(|line| line.rule == case.rule);
        assert_eq!(is_expected, case.fires(), "{} does not do as it is named", case.name());
        assert!(!script::title(&case.text).is_empty(), "{} has no title", case.name());
        for line in &case.expected {
            let is_known = line.is_none() || rules::find(&line.rule).is_some();
            assert!(is_known, "{}, line {}: no rule {}", case.name(), line.line, line.rule);
        }
    }
}

#[test]
fn titles_differ() {
    let mut titles: BTreeMap<String, String> = BTreeMap::new();
    for case in cases() {
        let name = case.name();
        if let Some(other) = titles.insert(script::title(&case.text), name.clone()) {
            panic!("{name} and {other} have the same title");
        }
    }
}

#[test]
fn entries_are_in_shape() {
    for rule in rules::ALL {
        if let Err(error) = RuleEntry::parse(rule.entry) {
            panic!("the entry of {}: {error}", rule.name);
        }
    }
}

#[test]
fn words_of_evidence_have_labels_in_every_language() {
    let mut words: BTreeSet<String> = words_in(&root().join("src/rules"));
    for case in cases() {
        for finding in run::analyze(&case.path).findings {
            words.extend(finding.evidence.iter().filter_map(|(_, value)| match value {
                Value::Word(word) => Some((*word).to_owned()),
                _ => None,
            }));
        }
    }
    assert!(words.len() > 10, "the sources were not understood: {words:?}");
    // Names of transports are the same in every language.
    for word in words.iter().filter(|word| !word.chars().all(|c| c.is_ascii_uppercase())) {
        let key = format!("word-{word}");
        for lang in LANGUAGES {
            let text = labels(lang).get(&key);
            assert_ne!(text, key, "labels.md of {lang:?} lacks {key}");
        }
        let file = |lang: &str| {
            let path = root().join("src/catalogue").join(lang).join("labels.md");
            fs::read_to_string(path).expect("the labels are readable")
        };
        for lang in ["en", "fr", "ja", "pt"] {
            let line = format!("- {key}: ");
            assert!(file(lang).contains(&line), "labels.md of {lang} lacks {key}");
        }
    }
}

#[test]
fn nothing_is_missing_in_a_pause_between_captures() {
    let hosts = "host alice 192.0.2.10\nhost bob 203.0.113.20\n";
    let invites = "0 alice > bob INVITE\n0.5 alice > bob again\n1.5 alice > bob again\n";
    let found = |name: &str, second: &str| {
        let write = |part: &str, text: String| {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{part}.sip"));
            fs::write(&path, text).expect("the script can be written");
            path
        };
        let first = write("first", format!("{hosts}start 2026-01-05T09:00:00Z\n{invites}"));
        let ping = "0 alice > bob OPTIONS call=ping\n+50 alice > bob OPTIONS call=ping\n";
        let second = write("second", format!("{hosts}start {second}\n{ping}"));
        let analysis = run::analyze_all(&[&first, &second], 2);
        analysis.findings.iter().any(|finding| finding.rule.name == "invite-no-response")
    };
    assert!(found("next-minute", "2026-01-05T09:00:10Z"));
    assert!(!found("next-day", "2026-01-06T09:00:00Z"));
}

#[test]
fn networks_that_the_user_calls_local_can_be_reached() {
    for (rule, script) in [
        ("private-contact-from-public", "fires-caller.sip"),
        ("private-sdp-from-public", "fires-caller.sip"),
        ("record-route-unreachable", "fires-private.sip"),
        ("sip-alg-rewrite", "fires-public-sdp.sip"),
    ] {
        let path = root().join("fixtures/rules").join(rule).join(script);
        let found = |nets: &[&str]| {
            let findings = run::analyze_in(&path, nets).findings;
            findings.iter().any(|finding| finding.rule.name == rule)
        };
        assert!(found(&["172.16.0.0/12"]), "{rule}");
        assert!(!found(&["10.0.0.0/8", "192.168.1.0/24"]), "{rule}");
    }
}

#[test]
fn who_is_trusted_is_no_attacker() {
    for (rule, script) in [
        ("scanner", "fires-one-user-after-the-other.sip"),
        ("scanner", "fires-tool-alone.sip"),
        ("credential-brute-force", "fires-several-users.sip"),
        ("toll-fraud-suspect", "fires-prefixes-tried.sip"),
    ] {
        let found = |net: &str| {
            has_finding(rule, script, |settings| {
                settings.trusted = vec![net.parse().expect("a network")];
            })
        };
        assert!(found("198.51.100.0/24"), "{script}");
        assert!(!found("192.0.2.0/24"), "{script}");
    }
}

#[test]
fn a_load_test_is_no_overload() {
    for (is_load_test, is_found) in [(false, true), (true, false)] {
        let set = |settings: &mut Settings| settings.is_load_test = is_load_test;
        let found = has_finding("overload-storm", "fires-503.sip", set);
        assert_eq!(found, is_found);
    }
}

#[test]
fn calls_abroad_without_credentials_need_a_country() {
    for (home, is_found) in [(None, false), (Some("44"), false), (Some("49"), true)] {
        let found = has_finding("toll-fraud-suspect", "silent-trunk.sip", |settings| {
            settings.home_cc = home.map(|home| home.parse().expect("a country code"));
        });
        assert_eq!(found, is_found, "{home:?}");
    }
}

/// The rule finds something in the script with these settings.
fn has_finding(rule: &str, script: &str, set: impl FnOnce(&mut Settings)) -> bool {
    let path = root().join("fixtures/rules").join(rule).join(script);
    run::analyze_as(&path, set).findings.iter().any(|finding| finding.rule.name == rule)
}

/// A script and what it expects.
struct Case {
    rule: String,
    path: PathBuf,
    text: String,
    expected: Vec<Expectation>,
}

impl Case {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).expect("scripts are readable");
        let expected = script::expectations(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
        let rule = folder.to_string_lossy().into_owned();
        assert!(!expected.is_empty(), "{} expects nothing; write ^ none", path.display());
        Self { rule, path, text, expected }
    }

    fn name(&self) -> String {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        format!("{}/{file}", self.rule)
    }

    fn fires(&self) -> bool {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        let fires = file == "fires.sip" || file.starts_with("fires-");
        assert!(fires || file == "silent.sip" || file.starts_with("silent-"), "{}", self.name());
        fires
    }

    /// What differs between the findings that are stated and those that came; empty if nothing
    /// does.
    fn problems(&self) -> String {
        let findings = run::analyze(&self.path).findings;
        let mut seen: Vec<&Finding> = findings.iter().collect();
        let mut missing = Vec::new();
        // Scripts leave media out; that they do is stated only where media are the matter.
        if !self.expected.iter().any(|line| line.rule == "no-rtp") {
            seen.retain(|finding| finding.rule.name != "no-rtp" || finding.call_id.is_some());
        }
        for line in self.expected.iter().filter(|line| !line.is_none()) {
            match seen.iter().position(|finding| matches(line, finding)) {
                Some(found) => drop(seen.remove(found)),
                None => missing.push(line),
            }
        }
        if missing.is_empty() && seen.is_empty() {
            return String::new();
        }
        let mut text = format!("{}: {}\n", self.name(), script::title(&self.text));
        for line in missing {
            let stated = self.text.lines().nth(line.line.saturating_sub(1)).unwrap_or_default();
            text.push_str(&format!("  expected, line {}: {}\n", line.line, stated.trim()));
        }
        for finding in seen {
            text.push_str(&format!("  seen:  {}\n{}", stated(finding), run::ladder(finding)));
        }
        text
    }
}

/// Every script, in order of the names.
fn cases() -> Vec<Case> {
    let mut paths = Vec::new();
    for folder in fs::read_dir(root().join("fixtures/rules")).expect("the fixtures are there") {
        let folder = folder.expect("the folder is readable").path();
        for file in fs::read_dir(folder).expect("each rule has a folder") {
            paths.push(file.expect("the folder is readable").path());
        }
    }
    paths.sort();
    paths.into_iter().map(Case::read).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The finding is as the line states it.
fn matches(line: &Expectation, finding: &Finding) -> bool {
    let is = |stated: &Option<String>, seen: &str| stated.as_ref().is_none_or(|own| own == seen);
    line.rule == finding.rule.name
        && is(&line.severity, finding.severity.name())
        && is(&line.confidence, finding.confidence.name())
        && line.frames.as_ref().is_none_or(|frames| *frames == run::frames(finding))
        && line.values.iter().all(|(key, value)| value_of(finding, key) == *value)
}

/// The value behind a key of a line; `-` where the finding has none, so that a line can state its
/// absence.
fn value_of(finding: &Finding, key: &str) -> String {
    let absent = || "-".to_owned();
    match key {
        "client" => finding.client.map_or_else(absent, |end| end.to_string()),
        "server" => finding.server.map_or_else(absent, |end| end.to_string()),
        "statuses" => {
            finding.statuses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        }
        "propagated" => signs(&finding.propagated),
        "related" => signs(&finding.related),
        _ => finding.value(key).map_or_else(absent, run::shown),
    }
}

/// `trying-then-server-failure:1,2,3` for each sign.
fn signs(signs: &[Sign]) -> String {
    let sign = |sign: &Sign| {
        let frames: Vec<_> = sign.frames.iter().map(|frame| frame.number.to_string()).collect();
        format!("{}:{}", sign.rule, frames.join(","))
    };
    match signs {
        [] => "-".to_owned(),
        signs => signs.iter().map(sign).collect::<Vec<_>>().join(";"),
    }
}

/// The finding as a line of a script would state it in full.
fn stated(finding: &Finding) -> String {
    let frames: Vec<_> = run::frames(finding).iter().map(ToString::to_string).collect();
    let mut text = format!(
        "^ {} {} {} frames={}",
        finding.rule.name,
        finding.severity,
        finding.confidence,
        frames.join(","),
    );
    for key in ["client", "server", "statuses", "propagated", "related"] {
        text.push_str(&format!(" {key}={}", value_of(finding, key)));
    }
    for (key, value) in &finding.evidence {
        text.push_str(&format!(" {key}={:?}", run::shown(value)));
    }
    text
}

/// The tokens in `Value::Word(…)` in the Rust files of a folder.
fn words_in(folder: &Path) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("the sources are there") {
        let path = entry.expect("the folder is readable").path();
        if path.is_dir() {
            words.extend(words_in(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let source = fs::read_to_string(&path).expect("sources are readable");
            words.extend(source.split("Value::Word(").skip(1).flat_map(literals));
        }
    }
    words
}

/// The texts in quotes up to the closing bracket.
fn literals(code: &str) -> Vec<String> {
    let mut depth = 1;
    let end = code.find(|character| {
        depth += match character {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0
    });
    let inside = code.get(..end.unwrap_or(0)).unwrap_or_default();
    inside.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}
