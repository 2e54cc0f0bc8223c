//! Call-IDs of one conversation: what links them, and which of them owns a fault.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use siptrace::analysis::{Analysis, Batch};
use siptrace::capture::Source;
use siptrace::catalogue::Lang;
use siptrace::finding::{Finding, Value};
use siptrace::pipeline;
use siptrace::report::jsonl::Lines;
use siptrace::sip::Status;

use crate::build::Capture;
use crate::build::container::pcap;
use crate::outcome::{analyse, file, options, result, source, without};
use crate::{run, shared};

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

/// `1-2 Replaces`, `1>2 session-id` for each link, by the places of the calls in the list.
fn links(analysis: &Analysis) -> BTreeSet<String> {
    let place = |id: &str| analysis.calls.iter().position(|call| call.call_id == id);
    let mut links = BTreeSet::new();
    for (own, call) in analysis.calls.iter().enumerate() {
        for linked in &call.linked {
            let Some(other) = place(&linked.call_id).filter(|other| *other > own) else { continue };
            let arrow = if linked.direction.is_some() { '>' } else { '-' };
            links.insert(format!("{own}{arrow}{other} {}", linked.reason));
        }
    }
    links
}

/// `call:rule` of the signs on other legs.
fn signs(finding: &Finding) -> Vec<String> {
    let own = finding.propagated.iter();
    own.filter_map(|sign| {
        let call = sign.call_id.as_ref()?.split('@').next()?;
        Some(format!("{call}:{} {}", sign.rule, sign.link?))
    })
    .collect()
}

#[test]
fn the_legs_of_a_transfer_are_linked_and_none_serves_another() {
    let analysis = run::analyze(&fixture("captures/transfer-attended.pcap"));
    let expected = ["0-1 Refer-To", "1-2 Replaces"];
    assert_eq!(links(&analysis), expected.map(str::to_owned).into());
    let analysis = run::analyze(&fixture("captures/transfer-blind-success.pcap"));
    assert_eq!(links(&analysis), ["0-1 Referred-By".to_owned()].into());
}

#[test]
fn the_farthest_leg_owns_the_fault() {
    let script = "rules/trying-then-server-failure/fires-behind-two-b2buas.sip";
    let analysis = run::analyze(&fixture(script));
    let expected = ["0>1 numbers-and-time", "1>2 numbers-and-time"];
    assert_eq!(links(&analysis), expected.map(str::to_owned).into());
    let [finding] = analysis.findings.as_slice() else { panic!("one finding") };
    assert_eq!(finding.call_id.as_deref(), Some("carrier@script.invalid"));
    let expected = [
        "office:trying-then-server-failure numbers-and-time",
        "trunk:trying-then-server-failure numbers-and-time",
    ];
    assert_eq!(signs(finding), expected);
    assert_eq!(analysis.totals.findings.sum(), 1);
    let linked: Vec<_> = finding.linked.iter().map(|linked| linked.call_id.as_str()).collect();
    assert_eq!(linked, ["trunk@script.invalid"]);
}

#[test]
fn a_leg_before_that_was_told_another_code_does_not_change_the_one_of_the_fault() {
    for (script, own) in [
        ("rules/final-response/fires-translated-by-b2bua.sip", 404),
        ("rules/final-response/fires-at-the-gateway.sip", 503),
        ("rules/trying-then-server-failure/fires-behind-two-b2buas.sip", 503),
    ] {
        let analysis = run::analyze(&fixture(script));
        let [finding] = analysis.findings.as_slice() else { panic!("one finding: {script}") };
        assert!(finding.statuses.len() > 1, "{script}");
        assert_eq!(finding.status().map(Status::code), Some(own), "{script}");
    }
}

#[test]
fn calls_that_only_look_alike_are_not_linked() {
    let script = "rules/trying-then-server-failure/fires-leg-behind-ambiguous.sip";
    assert!(links(&run::analyze(&fixture(script))).is_empty());
    let generated = run::analyze(&fixture("captures/trying-then-500-udp.pcap"));
    assert!(links(&generated).is_empty());
}

#[test]
fn lines_have_the_findings_that_the_json_has() {
    let captures = of_several_calls();
    assert!(captures.len() > 150, "{}", captures.len());
    for path in captures {
        let Ok(source) = Source::open(&path, 0) else { continue };
        let whole = pipeline::run(vec![file(&path, 0)], &options(), &|_| ());
        let Ok(whole) = whole else { continue };
        let (mut out, mut lines) = (Vec::new(), Lines::new(Lang::En, 1));
        let mut tell = |batch: Batch| {
            lines.batch(&batch, &mut out).expect("memory takes everything");
            ControlFlow::Continue(())
        };
        let rest = pipeline::follow(vec![source], &options(), &|_| (), &mut tell);
        let mut rest = rest.expect("it could be read before");
        lines.finish(&mut rest, &mut out).expect("memory takes everything");
        let text = String::from_utf8(out).expect("JSON is UTF-8");
        let mut told: Vec<Json> = Vec::new();
        for line in text.lines() {
            let mut line: Json = serde_json::from_str(line).expect("a line of JSON");
            if line["type"] == "finding" {
                without(&mut line, &["type", "captures", "tool"]);
                told.push(line);
            }
        }
        let sorted = |mut findings: Vec<Json>| {
            findings.sort_by_key(Json::to_string);
            findings
        };
        let whole = result(&whole)["findings"].as_array().cloned().unwrap_or_default();
        assert_eq!(sorted(told), sorted(whole), "{}", path.display());
    }
}

#[test]
fn legs_are_known_while_the_capture_is_read() {
    let mut scripts = of_several_calls();
    scripts.retain(|path| is_script(path));
    assert!(scripts.len() > 100, "{}", scripts.len());
    for path in scripts {
        let text = fs::read_to_string(&path).expect("scripts are readable");
        // A pipe that goes on long after the calls, so that they are told together before it ends.
        let calls: Vec<&str> = text.lines().filter(|line| !line.starts_with("end ")).collect();
        let mut capture = Capture::of_script(&calls.join("\n"));
        let last = capture.records.last().map_or(0, |record| record.nanos);
        for mut record in Capture::of_script(LATER).records {
            record.nanos = record.nanos.max(last) + 20_000_000_000_000;
            capture.records.push(record);
        }
        let bytes = pcap(&capture);
        let mut told: Vec<String> = Vec::new();
        let mut tell = |batch: Batch| {
            told.extend(batch.findings.iter().map(stated));
            ControlFlow::Continue(())
        };
        let rest = pipeline::follow(vec![source(&bytes)], &options(), &|_| (), &mut tell);
        let rest = rest.expect("scripts can be read");
        told.extend(rest.findings.iter().map(stated));
        let mut whole: Vec<_> = analyse(vec![source(&bytes)]).findings.iter().map(stated).collect();
        told.sort();
        whole.sort();
        // What belongs to a finding on the whole capture may be told before that is known.
        let owned: usize = rest.findings.iter().map(owned).sum();
        let is_too_much = told.len() > whole.len() + owned;
        assert!(!is_too_much, "{}: {told:#?}, not {whole:#?}", path.display());
        told.retain(|finding| owned == 0 || whole.contains(finding));
        assert_eq!(told, whole, "{}", path.display());
    }
}

/// A message that nothing is found in.
const LATER: &str = "\
host somebody 192.0.2.250
host elsewhere 198.51.100.250
call later-than-all-others
0     somebody > elsewhere OPTIONS
+0.01 elsewhere > somebody 200
";

/// Every capture of this repository, and every script with several calls.
fn of_several_calls() -> Vec<PathBuf> {
    let mut folders = vec![fixture("")];
    let mut captures = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let kind = path.extension().and_then(OsStr::to_str).unwrap_or_default();
            match kind {
                "pcap" | "pcapng" | "gz" => captures.push(path),
                "sip" if has_several_calls(&path) => captures.push(path),
                _ if path.is_dir() => folders.push(path),
                _ => {}
            }
        }
    }
    captures.sort();
    captures
}

fn is_script(path: &Path) -> bool {
    path.extension().is_some_and(|own| own == "sip")
}

fn has_several_calls(script: &Path) -> bool {
    let text = fs::read_to_string(script).expect("scripts are readable");
    text.lines().filter(|line| line.starts_with("call ")).count() > 1
}

/// Findings on single calls that belong to this one.
fn owned(finding: &Finding) -> usize {
    match finding.value("single_findings") {
        Some(Value::Number(count)) => usize::try_from(*count).expect("a count"),
        _ => 0,
    }
}

fn stated(finding: &Finding) -> String {
    let frames = run::frames(finding);
    let (signs, linked) = (&finding.propagated, &finding.linked);
    format!("{} {} {frames:?} {signs:?} {linked:?}", finding.rule.name, finding.severity)
}

#[test]
fn legs_in_captures_from_the_field() {
    let cases = [
        ("NormB__sipnab__b2bua-asterisk.pcapng", "numbers-and-time"),
        ("sipcapture__heplify__sip_tcp_websocket.pcap", "numbers-and-time"),
        ("pentesteracademy__voipshark__SIP-RTP-Normal_Call_two_parties.pcap", "numbers-and-time"),
        ("Magum23__mtaa-sip__call_transfer.pcapng", "Referred-By"),
    ];
    for (name, expected) in cases {
        let Some(folder) = shared::path("captures/public") else { return };
        let found = links(&run::analyze(&folder.join(name)));
        assert!(
            found.len() == 1 && found.iter().all(|l| l.ends_with(expected)),
            "{name} {found:?}"
        );
    }
    // Calls of one generator.
    if let Some(folder) = shared::path("captures/public") {
        let name = "NormB__sipnab__sipp-branch-scenario.pcapng";
        assert!(links(&run::analyze(&folder.join(name))).is_empty());
    }
}
