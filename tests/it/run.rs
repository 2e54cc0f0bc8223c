//! Captures through the whole pipeline, as `siptrace analyze` takes them.

use std::path::Path;

use siptrace::analysis::{Analysis, Keep};
use siptrace::capture::{FrameId, Source};
use siptrace::catalogue::Lang;
use siptrace::finding::{Finding, Value};
use siptrace::rules::Profile;
use siptrace::signaling::Settings;
use siptrace::{pipeline, report, rules};

/// What `siptrace analyze` does with its defaults, with ladders.
pub(crate) fn options(threads: Option<usize>) -> pipeline::Options {
    pipeline::Options {
        profile: Profile { rules: rules::ALL.to_vec(), ..Profile::default() },
        keep: Keep {
            calls: usize::MAX,
            findings: usize::MAX,
            ladders: usize::MAX,
            ..Keep::default()
        },
        media: true,
        keys: siptrace::transport::KeyLog::default(),
        threads,
    }
}

/// Analyses several captures as one and keeps more of them, or less.
pub(crate) fn analyze_all_with(paths: &[&Path], keep: impl FnOnce(&mut Keep)) -> Analysis {
    let open = |(path, index): (&&Path, u16)| {
        Source::open(path, index).unwrap_or_else(|error| panic!("{error}"))
    };
    let sources = paths.iter().zip(0..).map(open).collect();
    let mut options = options(None);
    keep(&mut options.keep);
    pipeline::run(sources, &options, &|_| {}).unwrap_or_else(|error| panic!("{error}"))
}

/// Analyses several captures as one with so many threads.
pub(crate) fn analyze_all(paths: &[&Path], threads: usize) -> Analysis {
    let open = |(path, index): (&&Path, u16)| {
        Source::open(path, index).unwrap_or_else(|error| panic!("{error}"))
    };
    let sources = paths.iter().zip(0..).map(open).collect();
    let analysis = pipeline::run(sources, &options(Some(threads)), &|_| {})
        .unwrap_or_else(|error| panic!("{paths:?}: {error}"));
    let failed = &analysis.failed_rules;
    assert!(failed.is_empty(), "{paths:?}: these rules panicked: {failed:?}");
    analysis
}

/// Analyses what is no file with so many threads.
pub(crate) fn analyze_source(source: Source, threads: usize) -> Analysis {
    pipeline::run(vec![source], &options(Some(threads)), &|_| {}).expect("an analysis")
}

/// Analyses one capture with so many threads.
pub(crate) fn analyze_with(path: &Path, threads: usize) -> Analysis {
    analyze_all(&[path], threads)
}

/// Analyses one capture where the user calls these networks local.
pub(crate) fn analyze_in(path: &Path, local_nets: &[&str]) -> Analysis {
    let nets = local_nets.iter().map(|net| net.parse().expect("a network"));
    analyze_as(path, |settings| settings.local_nets = nets.collect())
}

/// Analyses one capture with what the user has set.
pub(crate) fn analyze_set(path: &Path, settings: Settings) -> Analysis {
    analyze_as(path, |own| *own = settings)
}

/// Analyses one capture with settings of the user.
pub(crate) fn analyze_as(path: &Path, set: impl FnOnce(&mut Settings)) -> Analysis {
    let mut options = options(None);
    set(&mut options.profile.settings);
    let source = Source::open(path, 0).unwrap_or_else(|error| panic!("{error}"));
    pipeline::run(vec![source], &options, &|_| {}).unwrap_or_else(|error| panic!("{error}"))
}

/// Analyses one capture.
pub(crate) fn analyze(path: &Path) -> Analysis {
    analyze_with(path, 2)
}

/// The JSON output.
pub(crate) fn json(analysis: &Analysis) -> String {
    let mut out = Vec::new();
    report::json::json(analysis, Lang::En, &mut out).expect("memory takes everything");
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// The numbers of the frames of a finding.
pub(crate) fn frames(finding: &Finding) -> Vec<u64> {
    finding.frames.iter().map(|frame: &FrameId| frame.number).collect()
}

/// A value as a script states it: `6020`, `timer-b`, `198.51.100.1:5060`, `a,b`.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Decimal(number) => number.to_string(),
        Value::Span(span) => span.millis().to_string(),
        Value::Text(text) => text.clone(),
        Value::Word(word) => (*word).to_owned(),
        Value::Endpoint(endpoint) => endpoint.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::List(values) => values.iter().map(shown).collect::<Vec<_>>().join(","),
    }
}

/// The messages around a finding, evidence marked.
pub(crate) fn ladder(finding: &Finding) -> String {
    let start = finding.ladder.first().map(|line| line.time).unwrap_or_default();
    let mut text = String::new();
    for line in &finding.ladder {
        let repeats = match line.repeats {
            0 => String::new(),
            repeats => format!("  ({repeats} more)"),
        };
        text.push_str(&format!(
            "    {} {:>4} {:>9.3}  {} > {}  {}{repeats}\n",
            if line.is_evidence { '*' } else { ' ' },
            line.frame.number,
            line.time.since(start).secs(),
            line.source,
            line.destination,
            line.label,
        ));
    }
    text
}
