//! The whole way: a capture is analysed by every rule and written in every format.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::ops::ControlFlow;
use std::path::Path;

use siptrace::analysis::diff::{DiffOptions, diff};
use siptrace::analysis::expect::{Expectations, record};
use siptrace::analysis::flow::FlowOptions;
use siptrace::analysis::{Analysis, CallSummary, Keep};
use siptrace::capture::{Source, script};
use siptrace::catalogue::{Lang, labels};
use siptrace::pipeline::{self, Event, Options};
use siptrace::report::calls::CallList;
use siptrace::report::csv::Table;
use siptrace::report::redact::{Key, Redactor};
use siptrace::report::show::{Raw, ShowOptions};
use siptrace::report::stats::{By, Figures, StatsOptions};
use siptrace::report::text::{TextOptions, Verbosity};
use siptrace::report::{self, Brush, Outcome, Page};
use siptrace::rules::{self, Profile};
use siptrace::transport::KeyLog;

use super::assert_harmless;
use crate::whole::learn;

/// Longer inputs say no more and take their time.
const INPUT_MAX: usize = 256 << 10;

/// Ways to write an analysis, of which each input goes through one.
const WAYS: [Way; 9] =
    [lists, tables, outcomes, page, ladders, figures, differences, expectations, scripts];

/// Writes an analysis, and asserts what holds for what is written.
type Way = fn(&Analysis, Lang);

/// A capture, from its bytes to reports.
pub fn analyze(bytes: &[u8]) {
    if bytes.len() > INPUT_MAX {
        return;
    }
    let reader = Box::new(Cursor::new(bytes.to_vec()));
    let Ok(source) = Source::from_reader("fuzzed", reader, 0) else { return };
    let Some(analysis) = analysis(source) else { return };
    assert!(analysis.failed_rules.is_empty(), "{:?}", analysis.failed_rules);
    let sum = bytes
        .iter()
        .fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let lang = [Lang::En, Lang::Fr, Lang::Ja, Lang::Pt][sum / 7 % 4];
    text(&analysis, lang);
    assert_json("JSON", |out| report::json::json(&analysis, lang, out));
    match WAYS.get(sum % (WAYS.len() + 1)) {
        Some(way) => way(&analysis, lang),
        None => redacted(bytes),
    }
}

/// Everything that a run finds and keeps, with one thread.
pub(super) fn analysis(source: Source) -> Option<Analysis> {
    let keep = Keep {
        calls: 1000,
        findings: 1000,
        ladders: 1000,
        transcripts: 1 << 20,
        ..Keep::default()
    };
    let options = Options {
        profile: Profile { rules: rules::ALL.to_vec(), ..Profile::default() },
        keep,
        media: true,
        keys: KeyLog::default(),
        threads: Some(1),
    };
    pipeline::run(vec![source], &options, &|_| ()).ok()
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out).expect("a vector takes everything");
    out
}

/// What is written is one JSON value, without an escape sequence.
fn assert_json(
    what: &str,
    write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>,
) -> serde_json::Value {
    let out = written(write);
    assert_harmless(&out, what);
    serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{what}: {error}"))
}

fn assert_text(what: &str, write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) {
    assert_harmless(&written(write), what);
}

fn options(lang: Lang, verbosity: Verbosity) -> TextOptions {
    TextOptions { lang, page: Page::plain(100), verbosity }
}

fn text(analysis: &Analysis, lang: Lang) {
    let options = options(lang, Verbosity::Verbose);
    assert_text("text", |out| report::text::text(analysis, &options, out));
}

fn lists(analysis: &Analysis, lang: Lang) {
    let list = CallList::new(analysis, lang);
    let options = options(lang, Verbosity::Quiet);
    assert_text("calls", |out| report::calls::text(&list, None, &options, out));
    assert_text("quiet text", |out| report::text::text(analysis, &options, out));
    let calls = assert_json("calls", |out| report::calls::json(&list, out));
    assert_eq!(calls.as_array().map(Vec::len), Some(analysis.calls.len()));
    let lines = written(|out| report::jsonl::jsonl(analysis, lang, out));
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        assert_json("a line of JSON", |out| out.write_all(line));
    }
}

fn tables(analysis: &Analysis, lang: Lang) {
    for table in [Table::Calls, Table::Findings, Table::Messages, Table::Streams] {
        let csv = written(|out| report::csv::csv(analysis, table, lang, out));
        let plain: Vec<u8> = csv.into_iter().filter(|byte| *byte != b'\r').collect();
        assert_harmless(&plain, "a table");
    }
    let list = CallList::new(analysis, lang);
    assert_text("a table of calls", |out| {
        let mut own = written(|own| report::calls::table(&list, None, own));
        own.retain(|byte| *byte != b'\r');
        out.write_all(&own)
    });
}

fn outcomes(analysis: &Analysis, lang: Lang) {
    let outcome = Outcome::of(analysis);
    assert_text("Markdown", |out| report::markdown::markdown(&outcome, lang, out));
    assert_text("JUnit", |out| report::junit::junit(&outcome, lang, out));
    assert_text("annotations", |out| report::github::github(&outcome, lang, out));
    assert_json("SARIF", |out| report::sarif::sarif(&outcome, lang, out));
    assert_json("code quality", |out| report::gitlab::gitlab(&outcome, lang, out));
}

fn page(analysis: &Analysis, lang: Lang) {
    let outcome = Outcome::of(analysis);
    assert_text("a page", |out| report::page::page(&outcome, lang, Some("<fuzzed>"), out));
}

fn ladders(analysis: &Analysis, lang: Lang) {
    let places: Vec<usize> = (0..analysis.calls.len().min(20)).collect();
    let options = ShowOptions {
        flow: FlowOptions {
            unfolded: analysis.calls.len().is_multiple_of(2),
            ..FlowOptions::default()
        },
        raw: Raw::All,
        ..ShowOptions::default()
    };
    let page = (lang, Page::plain(100));
    assert_text("a ladder", |out| report::text::show(analysis, &places, &options, page, out));
    assert_json("a ladder", |out| report::show::json(analysis, &places, &options, lang, out));
}

fn figures(analysis: &Analysis, lang: Lang) {
    let figures = Figures::new(analysis, None, None);
    let text = options(lang, Verbosity::Normal);
    let all = [By::Peer, By::Time, By::Status, By::Method, By::Transport, By::UserAgent];
    for by in all.map(Some).into_iter().chain([None]) {
        let options = StatsOptions { text, brush: Brush { is_ascii: by.is_none() }, by };
        assert_text("figures", |out| report::stats::text(&figures, &options, out));
        let table = written(|out| report::stats::table(&figures, by, labels(lang), out));
        let plain: Vec<u8> = table.into_iter().filter(|byte| *byte != b'\r').collect();
        assert_harmless(&plain, "a table of figures");
    }
    assert_json("figures", |out| report::stats::json(&figures, out));
    let chosen: Vec<&CallSummary> = analysis.calls.iter().collect();
    let chosen = Figures::new(analysis, Some((chosen, "all".to_owned())), None);
    assert_json("figures of chosen calls", |out| report::stats::json(&chosen, out));
}

/// A capture does not differ from itself.
fn differences(analysis: &Analysis, lang: Lang) {
    let options = DiffOptions::default();
    let found = diff(analysis, analysis, &options);
    let both = (analysis, analysis);
    assert!(found.shows_no_difference(), "{:?}", found.totals);
    let page = (lang, Page::plain(100));
    assert_text("differences", |out| report::diff::text(&found, both, &options, page, out));
    assert_json("differences", |out| report::diff::json(&found, both, &options, lang, out));
}

/// What a capture shows can be written down as expectations, and these are met.
fn expectations(analysis: &Analysis, lang: Lang) {
    let recorded = record(analysis);
    let Ok(expectations) = Expectations::parse(&recorded, Path::new("recorded.toml")) else {
        let is_empty = analysis.calls.is_empty();
        assert!(is_empty, "{recorded}");
        return;
    };
    let verdicts = expectations.check(analysis);
    let options = options(lang, Verbosity::Normal);
    assert_text("verdicts", |out| report::text::expectations(&verdicts, analysis, &options, out));
}

/// Calls can be written as a script that can be played, or it is said why not.
fn scripts(analysis: &Analysis, lang: Lang) {
    for call in analysis.calls.iter().take(8) {
        let mut out = Vec::new();
        if report::script::script(analysis, &[call], lang, &mut out).is_ok() {
            let text = String::from_utf8(out).expect("a script is text");
            let played = script::frames(&text);
            assert!(played.is_ok(), "{played:?}:\n{text}");
        }
        if let Ok(scenarios) = report::sipp::scenarios(call, 1, lang) {
            assert!(scenarios.hops >= 1);
        }
    }
}

/// Redacted, a capture has as many frames as before.
fn redacted(bytes: &[u8]) {
    let mut redactor = Redactor::new(Key::of(b"a key for tests"), 2, true);
    let (mut seen, mut clean) = (0, 0);
    for is_second in [false, true] {
        let open = Source::from_reader("fuzzed", Box::new(Cursor::new(bytes.to_vec())), 0);
        let Ok(source) = open else { return };
        let keys = KeyLog::default();
        let _ = pipeline::origins(vec![source], &keys, &|_| (), &mut |event| {
            match event {
                Event::Message(message) => learn(&mut redactor, &message),
                Event::Again { message, pieces } if !is_second => {
                    redactor.learn_again(message, &pieces);
                }
                Event::Again { .. } => {}
                Event::Packet(packet) => match packet.whole {
                    Some(whole) if !is_second => redactor.learn_whole(whole),
                    Some(_) => {}
                    None if is_second => {
                        let own = redactor.frame(&packet.frame, &packet.packet);
                        assert!(own.original_length as usize >= own.data.len());
                        clean += 1;
                    }
                    None => seen += 1,
                },
            }
            ControlFlow::Continue(())
        });
        if !is_second {
            redactor.begin();
        }
    }
    assert_eq!(seen, clean);
    let _ = (redactor.counts(), redactor.dropped(), redactor.table().map(BTreeMap::len));
}
