//! The whole of `siptrace check`: captures, expectations, settings and formats together.

use roxmltree::Document;
use serde_json::Value;

use crate::check::{Folder, GOOD};

/// A call under the same Call-ID that the server gives up after six seconds.
const FAILING: &str = "\
call good
host alice 192.0.2.10
host bob   198.51.100.1
0      alice > bob INVITE sip:bob@example.com
+0.01  bob > alice 100
6.02   bob > alice 500 Server Internal Error
+0.01  alice > bob ACK
end 70
";

/// What every call must show.
const ANSWERED: &str = "[[call]]\nname = \"Answered\"\nstatus = \"2xx\"\n";

/// What the failing call shows.
const GIVEN_UP: &str = "\
[[call]]
name = \"Given up\"
status = 500
[call.findings]
require = \"trying-then-server-failure\"
";

/// The exit code, standard output and standard error of a check in that folder.
fn check(folder: &Folder, arguments: &[&str]) -> (i32, String, String) {
    let arguments: Vec<&str> = ["check"].iter().chain(arguments).copied().collect();
    let run = folder.run(&arguments);
    (run.code, run.text, run.error)
}

/// Names of the cases, each with the failure that it has.
fn cases(xml: &str) -> Vec<(String, Option<String>)> {
    let document = Document::parse(xml).expect("XML");
    let cases = document.descendants().filter(|node| node.has_tag_name("testcase"));
    let told = cases.map(|case| {
        let failure = case.children().find(|node| node.has_tag_name("failure"));
        let kind = failure.and_then(|failure| failure.attribute("type")).map(str::to_owned);
        (case.attribute("name").expect("a name").to_owned(), kind)
    });
    told.collect()
}

#[test]
fn an_expectation_that_is_missed_fails_the_capture_that_misses_it() {
    let files = [("a.sip", GOOD), ("b.sip", FAILING), ("all.toml", ANSWERED)];
    let folder = Folder::new("verdicts-missed", &files);
    let arguments = ["a.sip", "b.sip", "--expect", "all.toml", "--fail-on", "never"];
    let (code, text, _) = check(&folder, &arguments);
    assert_eq!(code, 1, "{text}");
    let heads: Vec<&str> =
        text.lines().filter(|l| l.starts_with("PASS ") || l.starts_with("FAIL ")).collect();
    let [first, second] = heads.as_slice() else { panic!("{text}") };
    assert!(first.starts_with("PASS a.sip") && second.starts_with("FAIL b.sip"), "{text}");
    assert!(text.contains("all.toml:3") || text.contains("line 3"), "{text}");
    let (code, _, error) = check(&folder, &["a.sip", "--expect", "all.toml", "--explain-exit"]);
    assert_eq!((code, error.as_str()), (0, "siptrace: exit code 0: all captures pass: 1\n"));
}

#[test]
fn a_finding_that_is_expected_fails_nothing() {
    let files = [("b.sip", FAILING), ("given-up.toml", GIVEN_UP)];
    let folder = Folder::new("verdicts-excused", &files);
    assert_eq!(check(&folder, &["b.sip"]).0, 1);
    let (code, xml, _) =
        check(&folder, &["b.sip", "--expect", "given-up.toml", "--format", "junit"]);
    assert_eq!(code, 0, "{xml}");
    assert!(cases(&xml).iter().all(|(_, failure)| failure.is_none()), "{xml}");
}

#[test]
fn test_cases_are_those_of_each_capture() {
    let files = [("a.sip", GOOD), ("b.sip", FAILING), ("all.toml", ANSWERED)];
    let folder = Folder::new("verdicts-cases", &files);
    let (code, xml, _) =
        check(&folder, &["a.sip", "b.sip", "--expect", "all.toml", "--format", "junit"]);
    assert_eq!(code, 1);
    let call = "call sip:alice@192.0.2.10 > sip:bob@example.com";
    let told = cases(&xml);
    let failures: Vec<_> = told.iter().map(|(_, failure)| failure.as_deref()).collect();
    // The calls have the same Call-ID, and the finding is on the second one.
    let expected = [None, Some("trying-then-server-failure"), None, Some("expectation")];
    assert_eq!(failures, expected, "{told:?}");
    assert!(told.iter().take(2).all(|(name, _)| name.starts_with(call.get(..15).unwrap_or(call))));
    let names: Vec<&str> = told.iter().skip(2).map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Answered (a.sip)", "Answered (b.sip)"]);
}

#[test]
fn a_capture_without_sip_is_a_failed_case() {
    let folder = Folder::new("verdicts-void", &[("empty.sip", "end 60\n")]);
    let (code, xml, _) = check(&folder, &["empty.sip", "--format", "junit"]);
    assert_eq!(code, 1, "{xml}");
    assert_eq!(cases(&xml).iter().filter(|(_, failure)| failure.is_some()).count(), 1, "{xml}");
}

#[test]
fn settings_name_expectations_for_all_captures_and_for_some() {
    let settings = "\
expect = [\"all.toml\"]
fail-on = \"never\"
[[capture]]
path = \"b.sip\"
expect = [\"given-up.toml\"]
";
    let files = [
        ("a.sip", GOOD),
        ("b.sip", FAILING),
        ("all.toml", ANSWERED),
        ("given-up.toml", GIVEN_UP),
        ("siptrace.toml", settings),
    ];
    let folder = Folder::new("verdicts-settings", &files);
    let (code, json, _) = check(&folder, &["a.sip", "b.sip", "--format", "json"]);
    assert_eq!(code, 1);
    let value: Value = serde_json::from_str(&json).expect("JSON");
    let met: Vec<Vec<bool>> = value["captures"]
        .as_array()
        .expect("captures")
        .iter()
        .map(|capture| {
            let own = capture["expectations"].as_array().expect("expectations");
            own.iter().filter_map(|own| own["met"].as_bool()).collect()
        })
        .collect();
    assert_eq!(met, [vec![true], vec![false, true]]);
}

#[test]
fn every_format_is_written_at_once() {
    let files = [("a.sip", GOOD), ("b.sip", FAILING), ("all.toml", ANSWERED)];
    let folder = Folder::new("verdicts-formats", &files);
    let mut arguments = vec!["a.sip", "b.sip", "--expect", "all.toml", "--format", "github"];
    for format in ["junit=j.xml", "sarif=s.json", "gitlab=g.json", "csv=c.csv", "markdown=m.md"] {
        arguments.extend(["--format", format]);
    }
    let (code, annotations, error) = check(&folder, &arguments);
    assert_eq!(code, 1, "{error}");
    assert!(annotations.lines().all(|line| line.starts_with("::")), "{annotations}");
    assert!(annotations.contains("file=all.toml"), "{annotations}");
    let read = |name: &str| folder.read(name);
    let sarif: Value = serde_json::from_str(&read("s.json")).expect("SARIF");
    assert_eq!(sarif["runs"][0]["invocations"][0]["exitCode"], 1);
    let gitlab: Value = serde_json::from_str(&read("g.json")).expect("JSON");
    assert!(gitlab.as_array().is_some_and(|all| !all.is_empty()));
    assert!(read("c.csv").lines().count() >= 2);
    assert!(read("m.md").contains("b.sip"));
    assert!(cases(&read("j.xml")).len() >= 4);
}

#[test]
fn recorded_expectations_are_met_by_what_they_were_recorded_from() {
    let folder = Folder::new("verdicts-record", &[("a.sip", GOOD)]);
    let (code, _, error) = check(&folder, &["--record", "a.sip", "-o", "a.expect.toml"]);
    assert_eq!(code, 0, "{error}");
    let (code, text, _) = check(&folder, &["a.sip"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("Expectations met: 2 of 2"), "{text}");
    let (code, _, error) = check(&folder, &["--record", "a.sip", "--format", "json"]);
    assert_eq!(code, 2);
    assert!(error.contains("--record") && error.contains("--format"), "{error}");
}
