//! Lists the calls of captures that failed, each with the finding that tells why.
//!
//! `cargo run --example failed-calls fixtures/captures/proxy-downstream-dead.pcap`

use std::error::Error;
use std::io::{self, Write};

use siptrace::catalogue::{self, Lang};
use siptrace::{Options, Severity};

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::default().min_severity(Severity::Warn);
    let analysis = siptrace::analyze(std::env::args_os().skip(1), &options)?;
    let mut out = io::stdout().lock();
    for call in &analysis.calls {
        if !["failed", "unanswered"].contains(&call.fate()) {
            continue;
        }
        let from = call.from_uri.as_deref().unwrap_or("?");
        let to = call.to_uri.as_deref().unwrap_or("?");
        writeln!(out, "{}  {from} > {to}  {}", call.start, call.fate())?;
        let on_call = |call_id: &Option<String>| call_id.as_ref() == Some(&call.call_id);
        for finding in analysis.findings.iter().filter(|finding| on_call(&finding.call_id)) {
            let frames: Vec<String> =
                finding.frames.iter().map(|frame| frame.number.to_string()).collect();
            let title = catalogue::rule(finding.rule, Lang::En).entry.title;
            writeln!(out, "  {} {title}, frames {}", finding.rule.code, frames.join(", "))?;
        }
    }
    Ok(())
}
