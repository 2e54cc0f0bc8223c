//! `siptrace report`: a whole page or a whole text, or nothing and a line that says why.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pulldown_cmark::{Event, Options, Parser, Tag};

const FAILING: &str = "fixtures/captures/proxy-downstream-dead.pcap";

/// A folder of its own for one test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("siptrace-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn siptrace(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_siptrace"))
        .args(arguments)
        .env("LC_ALL", "C")
        .env_remove("LANG")
        .output()
        .expect("siptrace runs")
}

/// What it writes to standard output, and nothing to standard error.
fn written(arguments: &[&str]) -> String {
    let output = siptrace(arguments);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn refused(arguments: &[&str]) -> String {
    let output = siptrace(arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).expect("UTF-8")
}

#[test]
fn the_name_of_the_file_tells_the_format() {
    let folder = Folder::new("report-name");
    let ends = [("a.html", true), ("a.HTM", true), ("a.md", false), ("a.markdown", false)];
    for (name, is_page) in ends {
        let path = folder.file(name);
        written(&["report", FAILING, "-o", path.to_str().expect("UTF-8")]);
        let text = fs::read_to_string(&path).expect("written");
        assert_eq!(text.starts_with("<!DOCTYPE html>"), is_page, "{name}");
        assert_eq!(text.starts_with("# SIP incident report\n"), !is_page, "{name}");
    }
    let path = folder.file("a.md");
    let path = path.to_str().expect("UTF-8");
    written(&["report", FAILING, "-o", path, "--format", "html", "--force"]);
    assert!(fs::read_to_string(path).expect("written").starts_with("<!DOCTYPE html>"));
}

#[test]
fn what_cannot_be_is_refused_with_advice_and_nothing_is_written() {
    let folder = Folder::new("report-refused");
    let path = folder.file("report.pdf");
    let refusal = refused(&["report", FAILING, "-o", path.to_str().expect("UTF-8")]);
    assert!(refusal.contains("could not tell the format of the report from the name"), "{refusal}");
    assert!(refusal.contains("\nhint: end the name with .html or .md"), "{refusal}");
    assert!(refused(&["report", FAILING]).contains("hint: name a file, `-o incident.html`"));
    let path = folder.file("none.html");
    let refusal = refused(&["report", "no-such.pcap", "-o", path.to_str().expect("UTF-8")]);
    assert!(refusal.contains("no-such.pcap"), "{refusal}");
    assert_eq!(fs::read_dir(&folder.0).expect("a folder").count(), 0);
    let path = folder.file("missing/a.html");
    assert!(refused(&["report", FAILING, "-o", path.to_str().expect("UTF-8")]).contains("write"));
}

#[test]
fn the_page_tells_the_story() {
    let page = written(&["report", FAILING, "--format", "html", "--title", "Trunk <down> & out"]);
    let expected = [
        "<title>Trunk &lt;down&gt; &amp; out</title>",
        "<p class=\"lead\">The only call in the capture failed.</p>",
        "Main cause (certain): INVITE without any response, at 198.51.100.20:5060.",
        "<b>What to do first:</b> Check the listener on the server: address, port, transport.",
        "<dt>Frames</dt><dd>#5 #6 #7 #8 #9 #10 #11 #12 #13 #14 #15</dd>",
        "frame.number in {5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}",
        "<figure class=\"ladder\" id=\"ladder-2\"",
        "<a href=\"#ladder-2\">2</a>",
        "No losses and no damage were seen in the capture.",
    ];
    for text in expected {
        assert!(page.contains(text), "{text}");
    }
    // The raw message is there, each header field with its name.
    assert!(page.contains("INVITE sip:bob@example.net"), "the request line");
}

#[test]
fn the_main_cause_has_the_code_that_its_host_sent() {
    // Captures in which somebody on the way put another code into its place.
    let cases = [
        (
            "fixtures/rules/final-response/fires-translated-by-b2bua.sip",
            "404 Not Found, at 203.0.113.20:5060.",
            "explain 404",
        ),
        (
            "fixtures/captures/proxy-downstream-503-as-500.pcap",
            "503 Service Unavailable, at 198.51.100.20:5060.",
            "explain 503",
        ),
    ];
    for (capture, cause, next) in cases {
        let expected = format!("Call ended by a final response: {cause}");
        let page = written(&["report", capture, "--format", "html"]);
        assert!(page.contains(&expected), "{capture}: {expected}");
        let text = written(&["report", capture, "--format", "markdown"]);
        assert!(text.contains(&expected), "{text}");
        let shown = written(&["show", "1", capture]);
        assert!(shown.contains(next), "{shown}");
    }
}

#[test]
fn the_page_is_the_same_for_any_number_of_threads_and_from_analyze() {
    let captures = "fixtures/ci";
    let one = written(&["report", captures, "--format", "html", "--threads", "1"]);
    assert_eq!(one, written(&["report", captures, "--format", "html", "--threads", "7"]));
    assert_eq!(one, written(&["analyze", captures, "--format", "html"]));
}

#[test]
fn expectations_stand_on_the_page_of_a_check() {
    let arguments = ["check", "fixtures/ci/failure.pcap", "--format", "html"];
    let output =
        siptrace(&[&arguments[..], &["--expect", "fixtures/ci/basic-call.expect.toml"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let page = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(page.contains("<section id=\"expectations\""), "{page}");
    assert!(page.contains("<td>Expectation missed</td>"), "{page}");
}

#[test]
fn a_capture_without_sip_has_a_report_too() {
    let folder = Folder::new("report-empty");
    // The header of a pcap file without a packet, Ethernet.
    let header =
        [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0];
    let path = folder.file("empty.pcap");
    fs::write(&path, header).expect("written");
    let page = written(&["report", path.to_str().expect("UTF-8"), "--format", "html"]);
    assert!(page.contains("<p class=\"lead\">No SIP found. Frames: 0"), "{page}");
    assert!(!page.contains("id=\"calls\""));
}

#[test]
fn the_story_is_markdown_without_markup_of_others() {
    for lang in ["en", "fr", "ja", "pt"] {
        for capture in [FAILING, "fixtures/captures/scan.pcap", "tests/it/formats/rich.sip"] {
            let text = written(&["report", capture, "--format", "markdown", "--lang", lang]);
            let options = Options::ENABLE_TABLES;
            let (mut headings, mut tables) = (0, 0);
            for event in Parser::new_ext(&text, options) {
                match event {
                    Event::Html(html) | Event::InlineHtml(html) => panic!("{capture}: {html}"),
                    Event::Start(Tag::Link { dest_url, .. }) => panic!("{capture}: {dest_url}"),
                    Event::Start(Tag::Heading { .. }) => headings += 1,
                    Event::Start(Tag::Table(_)) => tables += 1,
                    _ => {}
                }
            }
            assert!(headings >= 7 && tables >= 2, "{capture} {lang}: {headings} {tables}");
        }
    }
}

#[test]
fn the_guide_shows_commands_that_work() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/report.md");
    let guide = fs::read_to_string(guide).expect("docs/report.md");
    let folder = Folder::new("report-guide");
    let commands: Vec<&str> =
        guide.lines().filter_map(|line| line.strip_prefix("siptrace ")).collect();
    assert!(commands.len() >= 5);
    for command in commands {
        let arguments: Vec<String> = command
            .split_whitespace()
            .map(|part| part.replace("incident", &folder.file("incident").to_string_lossy()))
            .collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = siptrace(&arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{command}: {error}");
    }
}
