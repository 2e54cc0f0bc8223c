//! Captures analysed the way the program does it, and what comes out made comparable.

use std::io::Cursor;
use std::path::Path;

use serde_json::Value;
use siptrace::analysis::{Analysis, Keep};
use siptrace::capture::Source;
use siptrace::rules::Profile;
use siptrace::transport::KeyLog;
use siptrace::{pipeline, rules};

use crate::run::json;

/// Every rule, and everything kept.
pub(crate) fn options() -> pipeline::Options {
    pipeline::Options {
        profile: Profile { rules: rules::ALL.to_vec(), ..Profile::default() },
        keep: Keep { calls: 10_000, findings: 10_000, ..Keep::default() },
        media: true,
        keys: KeyLog::default(),
        threads: Some(2),
    }
}

/// Analyses captures as one.
pub(crate) fn analyse(sources: Vec<Source>) -> Analysis {
    pipeline::run(sources, &options(), &|_| ()).expect("captures that can be read")
}

/// A capture in memory.
pub(crate) fn source(bytes: &[u8]) -> Source {
    Source::from_reader("-", Box::new(Cursor::new(bytes.to_vec())), 0).expect("a capture")
}

/// A capture file.
pub(crate) fn file(path: &Path, index: u16) -> Source {
    Source::open(path, index).expect("a capture")
}

/// The analysis as JSON, without what only tells how the capture came.
pub(crate) fn result(analysis: &Analysis) -> Value {
    let mut value: Value = serde_json::from_str(&json(analysis)).expect("JSON");
    without(&mut value, &["captures", "tool"]);
    value
}

/// What `bytes` give.
pub(crate) fn result_of(bytes: &[u8]) -> Value {
    result(&analyse(vec![source(bytes)]))
}

/// The same without the numbers of frames, for captures that have others.
pub(crate) fn unnumbered(mut value: Value) -> Value {
    const NUMBERS: [&str; 8] = [
        "frame",
        "frames",
        "first_frame",
        "last_frame",
        "request_frame",
        "capture_frames",
        "display_filter",
        "copies",
    ];
    without(&mut value, &NUMBERS);
    value
}

/// Takes fields out, wherever they are.
pub(crate) fn without(value: &mut Value, names: &[&str]) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !names.contains(&name.as_str()));
            fields.values_mut().for_each(|value| without(value, names));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| without(value, names)),
        _ => {}
    }
}

/// The names of the findings, in order.
pub(crate) fn rules_of(value: &Value) -> Vec<&str> {
    let findings = value["findings"].as_array().expect("findings");
    findings.iter().filter_map(|finding| finding["rule"].as_str()).collect()
}
