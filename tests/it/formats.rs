//! The output formats: pictures of them, and what other programs make of them.
//!
//! `SIPTRACE_BLESS=1` takes new pictures.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use siptrace::analysis::Analysis;
use siptrace::capture::FrameId;
use siptrace::catalogue::{Lang, labels};
use siptrace::finding::Severity;
use siptrace::report::csv::Table;
use siptrace::report::text::{TextOptions, Verbosity};
use siptrace::report::{self, Missed, Outcome, Page};

use crate::run;

/// Where the pictures are, as the reports name it.
const FOLDER: &str = "tests/it/formats";

fn analysis(name: &str) -> Analysis {
    run::analyze_all_with(&[Path::new(&format!("{FOLDER}/{name}.sip"))], |keep| {
        keep.transcripts = 1 << 20;
    })
}

/// A format as text.
fn written(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).expect("a vector takes all");
    String::from_utf8(out).expect("UTF-8")
}

/// Every format with the end of its name.
fn formats(outcome: &Outcome<'_>, lang: Lang) -> Vec<(&'static str, String)> {
    let analysis = outcome.analysis;
    let page = Page { columns: 100, style: report::Style { color: false } };
    let text = TextOptions { lang, page, verbosity: Verbosity::Normal };
    let csv = |table| written(|out| report::csv::csv(analysis, table, lang, out));
    vec![
        ("txt", written(|out| report::text::text(analysis, &text, out))),
        ("json", written(|out| report::json::json(analysis, lang, out))),
        ("jsonl", written(|out| report::jsonl::jsonl(analysis, lang, out))),
        ("calls.csv", csv(Table::Calls)),
        ("findings.csv", csv(Table::Findings)),
        ("messages.csv", csv(Table::Messages)),
        ("streams.csv", csv(Table::Streams)),
        ("md", written(|out| report::markdown::markdown(outcome, lang, out))),
        ("junit.xml", written(|out| report::junit::junit(outcome, lang, out))),
        ("sarif", written(|out| report::sarif::sarif(outcome, lang, out))),
        ("github", written(|out| report::github::github(outcome, lang, out))),
        ("gitlab.json", written(|out| report::gitlab::gitlab(outcome, lang, out))),
    ]
}

/// The picture does not change with the version.
fn without_version(text: &str) -> String {
    text.replace(&format!("\"{}\"", env!("CARGO_PKG_VERSION")), "\"VERSION\"")
}

fn assert_picture(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER).join("pictures").join(name);
    let actual = without_version(actual);
    if std::env::var_os("SIPTRACE_BLESS").is_some() {
        fs::write(&path, &actual).expect("the folder is there");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "{name}");
}

/// One expectation that was met and two that were not, with what breaks careless formats.
fn expectations() -> Vec<Missed> {
    let one = Missed {
        suite: "expect/basic-call.toml".to_owned(),
        case: "call is answered".to_owned(),
        capture: format!("{FOLDER}/rich.sip"),
        line: Some(3),
        file: Some("expect/basic-call.toml".to_owned()),
        passed: true,
        ..Missed::default()
    };
    let broken = Missed {
        case: "ACK, then: talk <50%> & `more`".to_owned(),
        line: Some(12),
        message: "expected ACK sip:bob@example.com\n- ACK\n+ (nothing) ```\n::error::x ]]>"
            .to_owned(),
        frames: vec![FrameId { capture: 0, number: 117 }, FrameId { capture: 0, number: 118 }],
        passed: false,
        ..one.clone()
    };
    let other = Missed {
        suite: "expect/other.toml".to_owned(),
        case: "nothing is known of it".to_owned(),
        line: None,
        file: None,
        message: "no such call".to_owned(),
        frames: Vec::new(),
        ..broken.clone()
    };
    vec![one, broken, other]
}

#[test]
fn a_rich_analysis_and_one_without_findings() {
    for name in ["rich", "clean"] {
        let analysis = analysis(name);
        for (end, text) in formats(&Outcome::of(&analysis), Lang::En) {
            assert_picture(&format!("{name}.{end}"), &text);
        }
    }
}

#[test]
fn expectations_have_a_place_where_a_format_has_one() {
    let analysis = analysis("clean");
    let missed = expectations();
    let outcome = Outcome { missed: &missed, exit_code: 1, ..Outcome::of(&analysis) };
    let with = ["md", "junit.xml", "sarif", "github", "gitlab.json"];
    for (end, text) in formats(&outcome, Lang::En) {
        if with.contains(&end) {
            assert_picture(&format!("expectations.{end}"), &text);
        }
    }
}

#[test]
fn words_are_those_of_the_language() {
    let analysis = analysis("rich");
    let missed = expectations();
    let outcome = Outcome { missed: &missed, ..Outcome::of(&analysis) };
    for lang in Lang::ALL {
        let words = labels(lang);
        for (end, text) in formats(&outcome, lang) {
            let own: &[&str] = match end {
                "md" => &["findings", "calls", "expectations", "what-to-do", "expectation-met"],
                "junit.xml" => &["frames", "what-to-do", "confidence"],
                "sarif" => &["what-happened", "likely-causes", "expectation-missed"],
                "github" => &["frames", "expectation-missed"],
                "gitlab.json" => &["expectation-missed"],
                _ => continue,
            };
            for key in own {
                assert!(text.contains(words.get(key)), "{lang} {end}: {key}");
            }
        }
    }
}

#[test]
fn failures_are_what_the_threshold_says() {
    let analysis = analysis("rich");
    let failures = |fails_from| {
        let outcome = Outcome { fails_from, ..Outcome::of(&analysis) };
        let text = written(|out| report::junit::junit(&outcome, Lang::En, out));
        let document = roxmltree::Document::parse(&text).expect("XML");
        let named = document.descendants().filter(|node| node.has_tag_name("failure")).count();
        let counted = document.root_element().attribute("failures").expect("a count").to_owned();
        assert_eq!(counted, named.to_string());
        named
    };
    assert_eq!([None, Some(Severity::Error), Some(Severity::Info)].map(failures), [0, 2, 3]);
}

#[test]
fn tables_say_what_the_json_says() {
    let analysis = analysis("rich");
    let json: Value = serde_json::from_str(&run::json(&analysis)).expect("JSON");
    let read = |table| {
        let text = written(|out| report::csv::csv(&analysis, table, Lang::En, out));
        assert!(text.lines().count() > 1 && text.ends_with("\r\n") && !text.contains("\n\n"));
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let rows: Result<Vec<std::collections::BTreeMap<String, String>>, _> =
            reader.deserialize().collect();
        rows.expect("CSV")
    };
    let calls = read(Table::Calls);
    for (row, call) in calls.iter().zip(json["calls"].as_array().expect("calls")) {
        assert_eq!(row["call_id"].trim_start_matches('\''), call["call_id"]);
        assert_eq!(row["final_status"], call["final_status"].to_string());
        assert_eq!(row["messages"], call["messages"].to_string());
        assert_eq!(row["start"], call["start"]);
    }
    assert!(calls.iter().any(|row| row["call_id"].starts_with("'=cmd|")), "{calls:?}");
    let findings = read(Table::Findings);
    for (row, finding) in findings.iter().zip(json["findings"].as_array().expect("findings")) {
        assert_eq!(row["message"], finding["message"]);
        let evidence: Value = serde_json::from_str(&row["evidence"]).expect("JSON");
        assert_eq!(evidence, finding["evidence"]);
    }
    let messages = read(Table::Messages);
    assert_eq!(messages.len() as u64, analysis.totals.sip_messages);
    let first = messages.first().expect("a message");
    assert_eq!(first["from"], "\"Zoë Müller\" <sip:alice@example.com>;tag=alice-1");
    assert_eq!(messages.iter().filter(|row| row["retransmission"] == "true").count(), 4);
    assert_eq!(read(Table::Streams).len() as u64, analysis.totals.rtp_streams);
}

#[test]
fn findings_of_one_incident_are_one_annotation() {
    let mut script = "host alice 192.0.2.10\nhost bob 198.51.100.20\n".to_owned();
    for call in 0..3 {
        let start = call * 20;
        script.push_str(&format!(
            "call c{call}\n{start} alice > bob INVITE\n+0.01 bob > alice 100\n\
             +6.2 bob > alice 502\n+0.01 alice > bob ACK\n"
        ));
    }
    let name = format!("siptrace-incident-{}.sip", std::process::id());
    let path = std::env::temp_dir().join(name);
    fs::write(&path, script).expect("written");
    let analysis = run::analyze(&path);
    fs::remove_file(&path).expect("removed");
    assert_eq!((analysis.findings.len(), analysis.incidents.len()), (3, 1));
    let outcome = Outcome::of(&analysis);
    let text = written(|out| report::github::github(&outcome, Lang::En, out));
    assert!(text.lines().count() == 1 && text.contains(" x3::"), "{text}");
    let text = written(|out| report::markdown::markdown(&outcome, Lang::En, out));
    assert_eq!(text.matches("| TXN106 |").count(), 1, "{text}");
    assert_eq!(text.matches("```").count(), 2, "{text}");
}

#[test]
fn each_capture_has_a_suite() {
    let paths = ["clean", "rich"].map(|name| format!("{FOLDER}/{name}.sip"));
    let paths = paths.each_ref().map(Path::new);
    let analysis = run::analyze_all_with(&paths, |_| {});
    let outcome = Outcome::of(&analysis);
    let junit = written(|out| report::junit::junit(&outcome, Lang::En, out));
    let document = roxmltree::Document::parse(&junit).expect("XML");
    let suites = document.descendants().filter(|node| node.has_tag_name("testsuite"));
    let suites: Vec<_> =
        suites.map(|node| (node.attribute("name"), node.attribute("tests"))).collect();
    let named = paths.map(|path| path.to_str());
    assert_eq!(suites, [(named[0], Some("1")), (named[1], Some("3"))]);
    let csv = written(|out| report::csv::csv(&analysis, Table::Findings, Lang::En, out));
    assert!(csv.contains(",tests/it/formats/rich.sip,2#3 2#4 2#5,"), "{csv}");
    let gitlab = written(|out| report::gitlab::gitlab(&outcome, Lang::En, out));
    assert!(!gitlab.contains("clean.sip"), "{gitlab}");
}

#[test]
fn nothing_to_look_at_is_no_success() {
    let analysis = Analysis::default();
    let all = formats(&Outcome::of(&analysis), Lang::En);
    let junit = all.iter().find(|(end, _)| *end == "junit.xml").map(|(_, text)| text.as_str());
    let skipped = "<skipped message=\"No SIP message in the capture\"/>";
    assert!(junit.is_some_and(|text| text.contains(skipped)), "{junit:?}");
}

/// A workflow command as the runner of GitHub reads it: level, properties, message.
fn command(line: &str) -> (String, Vec<(String, String)>, String) {
    let data = |text: &str| text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%");
    let value = |text: &str| data(&text.replace("%3A", ":").replace("%2C", ","));
    let rest = line.strip_prefix("::").expect("a command");
    let (head, message) = rest.split_once("::").expect("an end of the head");
    let (level, properties) = head.split_once(' ').expect("properties");
    let property = |pair: &str| {
        let (name, text) = pair.split_once('=').expect("a value");
        (name.to_owned(), value(text))
    };
    (level.to_owned(), properties.split(',').map(property).collect(), data(message))
}

#[test]
fn annotations_can_be_read_back() {
    let analysis = analysis("rich");
    let missed = expectations();
    let outcome = Outcome { missed: &missed, ..Outcome::of(&analysis) };
    let text = written(|out| report::github::github(&outcome, Lang::En, out));
    let commands: Vec<_> = text.lines().map(command).collect();
    let levels: Vec<&str> = commands.iter().map(|(level, ..)| level.as_str()).collect();
    assert_eq!(levels, ["error", "error", "error", "error", "notice"]);
    let (_, properties, message) = commands.first().expect("an expectation");
    let property = |name: &str| {
        let own = properties.iter().find(|(known, _)| known == name);
        own.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    assert_eq!(property("file"), "expect/basic-call.toml");
    assert_eq!(property("line"), "12");
    assert_eq!(property("title"), "Expectation missed: ACK, then: talk <50%> & `more`");
    assert!(message.starts_with("expected ACK sip:bob@example.com\n- ACK\n"), "{message}");
}

#[test]
fn fingerprints_outlive_a_new_recording() {
    let fingerprints = |analysis: &Analysis| {
        let text = written(|out| report::sarif::sarif(&Outcome::of(analysis), Lang::En, out));
        let json: Value = serde_json::from_str(&text).expect("JSON");
        let results = json["runs"][0]["results"].as_array().expect("results").clone();
        let mut own: Vec<String> = results
            .iter()
            .map(|result| result["partialFingerprints"]["siptraceFinding/v1"].to_string())
            .collect();
        own.sort_unstable();
        own
    };
    let folder = std::env::temp_dir().join(format!("siptrace-formats-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("made");
    let path = folder.join("case.sip");
    let script = fs::read_to_string(format!("{FOLDER}/rich.sip")).expect("a script");
    let later = format!("start 2026-03-01T10:00:00Z\n{script}")
        .replace("call failing", "call other")
        .replace("192.0.2.10 ", "192.0.2.11 ")
        .replace("=cmd|", "another");
    let both = [script, later].map(|script| {
        fs::write(&path, script).expect("written");
        fingerprints(&run::analyze(&path))
    });
    fs::remove_dir_all(folder).expect("removed");
    assert_eq!(both[0], both[1]);
    let mut different = both[0].clone();
    different.dedup();
    assert_eq!(different.len(), both[0].len());
}

#[test]
fn results_point_at_their_rules() {
    let analysis = analysis("rich");
    let missed = expectations();
    let outcome = Outcome { missed: &missed, exit_code: 1, ..Outcome::of(&analysis) };
    let text = written(|out| report::sarif::sarif(&outcome, Lang::En, out));
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let run = &json["runs"][0];
    assert_eq!(run["invocations"][0]["exitCode"], 1);
    let results = run["results"].as_array().expect("results");
    assert_eq!(results.len(), analysis.findings.len() + 2);
    for result in results {
        let place = result["ruleIndex"].as_u64().expect("a place") as usize;
        assert_eq!(run["tool"]["driver"]["rules"][place]["id"], result["ruleId"]);
    }
}

#[test]
fn no_format_has_a_control_character() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures");
    let mut captures: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the captures are there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.to_string_lossy().ends_with(".pcap"))
        .collect();
    captures.sort();
    // Every fourth one is enough of what is much alike.
    for path in captures.iter().step_by(4) {
        let analysis = run::analyze(path);
        for (end, text) in formats(&Outcome::of(&analysis), Lang::Fr) {
            let is_bad =
                |c: char| c.is_control() && c != '\n' && !(c == '\r' && end.ends_with("csv"));
            assert!(!text.contains(is_bad), "{}: {end}", path.display());
        }
        let text = written(|out| report::junit::junit(&Outcome::of(&analysis), Lang::Fr, out));
        roxmltree::Document::parse(&text).expect("XML");
    }
}

/// What a parser makes of Markdown: its headings, the cells of each table, and whether there is
/// anything that only a text from outside could have brought.
fn shape(markdown: &str) -> (Vec<String>, Vec<usize>, bool) {
    let (mut headings, mut rows, mut is_foreign) = (Vec::new(), Vec::new(), false);
    let mut heading: Option<String> = None;
    for event in pulldown_cmark::Parser::new_ext(markdown, pulldown_cmark::Options::all()) {
        use pulldown_cmark::{Event, Tag, TagEnd};
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => headings.extend(heading.take()),
            Event::Text(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::Start(Tag::TableHead | Tag::TableRow) => rows.push(0),
            Event::Start(Tag::TableCell) => {
                if let Some(cells) = rows.last_mut() {
                    *cells += 1;
                }
            }
            Event::Html(_)
            | Event::InlineHtml(_)
            | Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::HtmlBlock) => {
                is_foreign = true;
            }
            _ => {}
        }
    }
    (headings, rows, is_foreign)
}

/// The analysis with this text wherever a capture can bring one.
fn with_foreign(mut analysis: Analysis, text: &str) -> Analysis {
    for call in &mut analysis.calls {
        call.from_uri = Some(text.to_owned());
        call.to_uri = Some(text.to_owned());
    }
    for finding in &mut analysis.findings {
        finding.evidence.push(("reason", siptrace::finding::Value::Text(text.to_owned())));
        finding.ladder.iter_mut().for_each(|line| line.label.push_str(text));
        let own = finding.call_id.clone();
        let call = analysis.calls.iter_mut().find(|call| Some(&call.call_id) == own.as_ref());
        if let Some(call) = call {
            call.call_id.push_str(text);
        }
        finding.call_id.iter_mut().for_each(|call_id| call_id.push_str(text));
    }
    for capture in &mut analysis.captures {
        capture.path = format!("a/{text}").into();
    }
    analysis
}

fn withstands(analysis: &Analysis, text: &str) {
    let plain = with_foreign(analysis.clone(), "x");
    let analysis = with_foreign(analysis.clone(), text);
    let outcome = Outcome::of(&analysis);
    let expected = written(|out| report::markdown::markdown(&Outcome::of(&plain), Lang::En, out));
    let markdown = written(|out| report::markdown::markdown(&outcome, Lang::En, out));
    let (expected, own) = (shape(&expected), shape(&markdown));
    assert!(!own.2 && !expected.2, "{markdown}");
    assert_eq!((expected.0, expected.1), (own.0, own.1), "{markdown}");
    let junit = written(|out| report::junit::junit(&outcome, Lang::En, out));
    let document = roxmltree::Document::parse(&junit).expect("XML");
    let cases = document.descendants().filter(|node| node.has_tag_name("testcase")).count();
    assert_eq!(cases, 3, "{junit}");
    let github = written(|out| report::github::github(&outcome, Lang::En, out));
    assert_eq!(github.lines().map(command).count(), 3, "{github}");
    for table in [Table::Calls, Table::Findings, Table::Streams] {
        let csv = written(|out| report::csv::csv(&analysis, table, Lang::En, out));
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        assert!(reader.records().all(|row| row.is_ok()), "{csv}");
        for field in csv::Reader::from_reader(csv.as_bytes())
            .records()
            .flatten()
            .flat_map(|row| row.iter().map(str::to_owned).collect::<Vec<_>>())
        {
            assert!(!field.starts_with(['=', '+', '@', '\t', '\r']), "{field}");
        }
    }
    for json in [
        written(|out| report::sarif::sarif(&outcome, Lang::En, out)),
        written(|out| report::gitlab::gitlab(&outcome, Lang::En, out)),
    ] {
        serde_json::from_str::<Value>(&json).expect("JSON");
        assert!(!json.contains(|c: char| c.is_control() && c != '\n'), "{json}");
    }
}

#[test]
fn no_text_of_a_capture_leaves_its_place() {
    let analysis = analysis("rich");
    let cases = [
        "`",
        "``",
        "```\n# x",
        "|",
        "\\|",
        "\\",
        "<b>",
        "<!--",
        "]]>",
        "&lt;",
        "[x](http://x)",
        "![x](y)",
        "http://example.com",
        "@admin",
        "#1",
        "=1+1",
        "\u{0}\u{1b}[2J",
        "\u{fffe}\u{ffff}\u{feff}",
        "\r\n::error::x",
        "%0A",
        ",title=x",
        "\"",
        "'",
        "- x",
        "1. x",
        "\n\n---\n\n",
        "$x$",
        "~~x~~",
        "\u{2028}\u{202e}",
        "a`b``c",
        " ",
        "",
    ];
    for text in cases {
        withstands(&analysis, text);
    }
}

/// What markup, formulas, commands and terminals are made of.
const HOSTILE: &str =
    concat!(r"[`|\\<>&\[\]()!@#=+*_~$%:,;'", "\"\r\n \\x00-\\x1f a-cé日\u{fffe}\u{202e}]{0,24}");

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config {
        cases: 64, failure_persistence: None, ..Default::default()
    })]

    #[test]
    fn any_text_stays_in_its_place(text in HOSTILE) {
        thread_local! {
            static RICH: Analysis = analysis("rich");
        }
        RICH.with(|rich| withstands(rich, &text));
    }
}

fn siptrace(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_siptrace"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("LANG", "C")
        .output()
        .expect("the program runs")
}

#[test]
fn several_formats_are_written_at_once() {
    let folder = std::env::temp_dir().join(format!("siptrace-several-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("made");
    let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let capture = format!("{FOLDER}/rich.sip");
    let of = |format: &str, name: &str| format!("--format={format}={}", file(name));
    let both = [of("junit", "a.xml"), of("jsonl", "b.jsonl")];
    let output = siptrace(&["analyze", &capture, &both[0], &both[1], "--format", "text"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.starts_with("Calls failed: 2 of 3."), "{text}");
    let junit = fs::read_to_string(file("a.xml")).expect("written");
    roxmltree::Document::parse(&junit).expect("XML");
    let alone = siptrace(&["analyze", &capture, "--format", "jsonl"]);
    let kinds = |text: &str| {
        let kind = |line| serde_json::from_str::<Value>(line).expect("JSON")["type"].clone();
        text.lines().map(kind).collect::<Vec<_>>()
    };
    let lines = fs::read_to_string(file("b.jsonl")).expect("written");
    let mut expected = kinds(&String::from_utf8_lossy(&alone.stdout));
    let mut own = kinds(&lines);
    assert_eq!((own.first(), own.last()), (expected.first(), expected.last()));
    own.sort_by_key(Value::to_string);
    expected.sort_by_key(Value::to_string);
    assert_eq!(own, expected);
    let wrong = of("sarif", "no-such-folder/c.sarif");
    let output = siptrace(&["analyze", &capture, &wrong, "--format", "text"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty(), "nothing is half done");
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn options_that_cannot_be_meant_are_refused() {
    let cases: [(&[&str], &str); 5] = [
        (&["--format", "json", "--format", "csv"], "two formats have no file: json and csv"),
        (&["--format", "json=x.a", "--format", "csv=./x.a"], "could not write \"./x.a\" twice"),
        (&["--format", "json=x.a", "-o", "x.b"], "no format is left to be written to \"x.b\""),
        (&["--table", "calls"], "--table is for --format csv"),
        (&["--format", "xml"], "invalid value 'xml'"),
    ];
    for (arguments, expected) in cases {
        let arguments = [&["analyze", "fixtures/captures/busy-486.pcap"], arguments].concat();
        let output = siptrace(&arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(output.stdout.is_empty() && error.contains(expected), "{error}");
    }
}

/// What Python's own CSV and XML readers, its jsonschema, xmllint and the schemas of others say, as
/// far as they are installed.
#[test]
fn the_readers_of_others_take_every_format() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/validate-formats.py");
    let mut python = Command::new("python3");
    python.arg(script).arg(env!("CARGO_BIN_EXE_siptrace"));
    // Without Python, or without jsonschema (77), there is nobody to ask.
    let Ok(output) = python.output() else { return };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 77)), "{said}");
}
