//! The whole way of an input: analysed with every rule, and told in every form.
//!
//! What must hold for any bytes is checked here; a sentence tells what does not.

use std::fs;
use std::io::{self, Cursor, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use siptrace::analysis::diff::{self, DiffOptions};
use siptrace::analysis::{Analysis, Keep};
use siptrace::capture::Source;
use siptrace::catalogue::Lang;
use siptrace::pipeline::{self, Event, Origin, Seen};
use siptrace::report::csv::Table;
use siptrace::report::redact::{Key, Redactor, Sent};
use siptrace::report::text::{TextOptions, Verbosity};
use siptrace::report::{self, Outcome, Page};
use siptrace::rules::{self, Profile};
use siptrace::transport::KeyLog;

/// Every so many inputs are analysed with several threads, too.
const THREADS_EVERY: u64 = 64;

/// Reports that take turns.
const REPORTS: u64 = 17;

fn open(bytes: Vec<u8>) -> Option<Source> {
    Source::from_reader("damaged", Box::new(Cursor::new(bytes)), 0).ok()
}

fn analyse(source: Source, threads: usize) -> Option<Analysis> {
    let options = pipeline::Options {
        profile: Profile { rules: rules::ALL.to_vec(), ..Profile::default() },
        keep: Keep {
            calls: 10_000,
            findings: 10_000,
            ladders: 10_000,
            transcripts: 1 << 20,
            ..Keep::default()
        },
        media: true,
        keys: KeyLog::default(),
        threads: Some(threads),
    };
    pipeline::run(vec![source], &options, &|_| ()).ok()
}

/// Analyses an input and writes JSON and one more report, in turn; none if it is no capture.
pub fn whole(bytes: Vec<u8>, number: u64) -> Result<Option<Analysis>, String> {
    if (number / 4).is_multiple_of(REPORTS) {
        redact(&bytes)?;
    }
    let again = number.is_multiple_of(THREADS_EVERY).then(|| bytes.clone());
    let Some(analysis) = open(bytes).and_then(|source| analyse(source, 1)) else { return Ok(None) };
    let lang = Lang::ALL[(number % 4) as usize];
    let json = json(&analysis, lang)?;
    if let Some(other) = again.and_then(open).and_then(|source| analyse(source, 3))
        && self::json(&other, lang)? != json
    {
        return Err("other JSON with three threads".to_owned());
    }
    report(&analysis, number / 4 % REPORTS, lang)?;
    Ok(Some(analysis))
}

/// Analyses a capture and writes every report.
pub fn every_report(source: Source) -> Result<(), String> {
    let Some(analysis) = analyse(source, 1) else { return Err("not analysed".to_owned()) };
    json(&analysis, Lang::En)?;
    (0..REPORTS).try_for_each(|turn| report(&analysis, turn, Lang::Fr))
}

fn json(analysis: &Analysis, lang: Lang) -> Result<Vec<u8>, String> {
    if !analysis.failed_rules.is_empty() {
        return Err(format!("rules failed: {:?}", analysis.failed_rules));
    }
    let json = written(|out| report::json::json(analysis, lang, out))?;
    is_harmless("json", &json)?;
    Ok(json)
}

/// One of the other reports.
fn report(analysis: &Analysis, turn: u64, lang: Lang) -> Result<(), String> {
    let outcome = Outcome::of(analysis);
    let calls: Vec<_> = analysis.calls.iter().collect();
    let text = |verbosity| {
        let options = TextOptions { lang, page: Page::plain(100), verbosity };
        written(|out| report::text::text(analysis, &options, out))
    };
    let csv = |table| written(|out| report::csv::csv(analysis, table, lang, out));
    let (name, bytes) = match turn {
        0 => ("text", text(Verbosity::Quiet)?),
        1 => ("text", text(Verbosity::Normal)?),
        2 => ("text", text(Verbosity::Verbose)?),
        3 | 4 => ("html", written(|out| report::page::page(&outcome, lang, None, out))?),
        5 => ("csv", csv(Table::Calls)?),
        6 => ("csv", csv(Table::Findings)?),
        7 => ("csv", csv(Table::Messages)?),
        8 => ("csv", csv(Table::Streams)?),
        9 => ("junit", written(|out| report::junit::junit(&outcome, lang, out))?),
        10 => ("sarif", written(|out| report::sarif::sarif(&outcome, lang, out))?),
        11 => ("markdown", written(|out| report::markdown::markdown(&outcome, lang, out))?),
        12 => ("jsonl", written(|out| report::jsonl::jsonl(analysis, lang, out))?),
        13 => ("github", written(|out| report::github::github(&outcome, lang, out))?),
        14 => {
            let mut script = Vec::new();
            // Not all calls can be written as a script.
            let _ = report::script::script(analysis, &calls, lang, &mut script);
            let hops = calls.iter().map(|call| report::sipp::scenarios(call, 1, lang));
            let _ = hops.filter(Result::is_ok).count();
            ("script", script)
        }
        _ => {
            let with_itself = diff::diff(analysis, analysis, &DiffOptions::default());
            if with_itself.totals.same != with_itself.totals.pairs {
                return Err("the capture differs from itself".to_owned());
            }
            ("diff", Vec::new())
        }
    };
    is_harmless(name, &bytes)
}

/// The capture without personal data: where there are frames, there are as many of them again.
fn redact(bytes: &[u8]) -> Result<(), String> {
    let source = || open(bytes.to_vec());
    let (Some(first), Some(second)) = (source(), source()) else { return Ok(()) };
    let mut redactor = Redactor::new(Key::of(b"always the same"), 0, true);
    let learned = pipeline::origins(vec![first], &KeyLog::default(), &|_| (), &mut |event| {
        match event {
            Event::Message(message) => learn(&mut redactor, &message),
            Event::Again { message, pieces } => redactor.learn_again(message, &pieces),
            Event::Packet(Seen { whole: Some(whole), .. }) => redactor.learn_whole(whole),
            Event::Packet(_) => {}
        }
        ControlFlow::Continue(())
    });
    redactor.begin();
    let mut problem = None;
    let written = pipeline::origins(vec![second], &KeyLog::default(), &|_| (), &mut |event| {
        match event {
            Event::Message(message) => learn(&mut redactor, &message),
            Event::Packet(seen) if seen.whole.is_none() => {
                let clean = redactor.frame(&seen.frame, &seen.packet);
                if clean.data.len() > seen.frame.data.len().max(1 << 16) {
                    problem = Some(format!("frame {} grew", seen.frame.id.number));
                }
            }
            Event::Packet(_) | Event::Again { .. } => {}
        }
        ControlFlow::Continue(())
    });
    if learned.is_ok() != written.is_ok() {
        return Err("the two passes of redact differ".to_owned());
    }
    problem.map_or(Ok(()), Err)
}

/// Lets redaction know a message that lies in a stream.
pub fn learn(redactor: &mut Redactor, message: &Origin<'_>) {
    if message.connection.is_some() && !message.pieces.is_empty() {
        redactor.learn(&Sent {
            number: message.message,
            frame: message.frame,
            ends: (message.source, message.destination),
            transport: message.transport,
            bytes: message.bytes,
            pieces: &message.pieces,
            unit: &message.unit,
            mask: message.mask,
        });
    }
}

fn written(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    write(&mut out).map_err(|error| error.to_string())?;
    Ok(out)
}

/// A report is text, and nothing in it moves a terminal.
fn is_harmless(name: &str, report: &[u8]) -> Result<(), String> {
    let text = str::from_utf8(report).map_err(|_| format!("{name} is no UTF-8"))?;
    let is_end = |c: char| c == '\n' || (c == '\r' && name == "csv");
    let is_harm = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
    match text.chars().find(|c| is_harm(*c) && !is_end(*c)) {
        Some(c) => Err(format!("{name} has {c:?}")),
        None => Ok(()),
    }
}

/// All files of some folders, and below them, in order of their paths.
pub fn files_below(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut paths = folders.to_vec();
    let mut found = Vec::new();
    while let Some(path) = paths.pop() {
        match fs::read_dir(&path) {
            Ok(entries) => paths.extend(entries.flatten().map(|entry| entry.path())),
            Err(_) => found.push(path),
        }
    }
    found.sort();
    found
}
