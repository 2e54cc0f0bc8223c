//! Ladders as data: parties, repeats, where findings belong.

use std::collections::BTreeMap;
use std::net::IpAddr;

use siptrace::analysis::flow::{Content, Flow, FlowOptions, PartiesBy, Party};
use siptrace::analysis::{Analysis, CallSummary, Keep};
use siptrace::capture::Source;
use siptrace::finding::Finding;
use siptrace::pipeline;
use siptrace::rules::Profile;
use siptrace::transport::KeyLog;

/// Two calls, the first through a proxy with a lost ACK and sound from one side.
const SCRIPT: &str = "\
host alice 192.0.2.10
host proxy 203.0.113.5
host bob   198.51.100.1
call one
0      alice > proxy INVITE sdp
+10ms  proxy > alice 100
+10ms  proxy > bob INVITE sdp
+500ms proxy > bob again
+10ms  bob > proxy 486
+10ms  proxy > bob ACK
+10ms  proxy > alice 486
+10ms  alice > proxy ACK
call two
7      alice > bob OPTIONS
+10ms  bob > alice 200
end 60
";

fn analyze(name: &str) -> Analysis {
    let file = format!("siptrace-flow-{}-{name}.sip", std::process::id());
    let path = std::env::temp_dir().join(file);
    std::fs::write(&path, SCRIPT).expect("written");
    let source = Source::open(&path, 0).expect("a script");
    std::fs::remove_file(&path).expect("removed");
    let options = pipeline::Options {
        profile: Profile::default(),
        keep: Keep { calls: 10, transcripts: 1 << 20, findings: 10, ..Keep::default() },
        media: true,
        keys: KeyLog::default(),
        threads: Some(1),
    };
    pipeline::run(vec![source], &options, &|_| {}).expect("analysed")
}

/// `0>1 INVITE sip:bob… +1` with the count of repeats.
fn lines(flow: &Flow<'_>) -> Vec<String> {
    let line = |row: &siptrace::analysis::flow::Row<'_>| match &row.content {
        Content::Message(sent) => {
            let word = sent.label.split(' ').next().unwrap_or_default();
            format!("{}>{} {word} +{}", row.from, row.to, sent.repeats.len())
        }
        Content::Stream(_) => format!("{}>{} RTP", row.from, row.to),
    };
    flow.rows.iter().map(line).collect()
}

fn flow<'a>(
    calls: &[&'a CallSummary],
    findings: &[&Finding],
    hosts: &[(&str, &str)],
    options: &FlowOptions,
) -> Flow<'a> {
    let hosts: BTreeMap<IpAddr, String> = hosts
        .iter()
        .map(|(address, name)| (address.parse().expect("an address"), (*name).to_owned()))
        .collect();
    Flow::of(calls, findings, &hosts, options)
}

#[test]
fn repeats_fold_and_findings_stand_at_their_last_frame() {
    let analysis = analyze("folds");
    let findings: Vec<&Finding> = analysis.findings.iter().collect();
    let calls = [&analysis.calls[0]];
    let flow = flow(&calls, &findings, &[], &FlowOptions::default());
    let expected = [
        "0>1 INVITE +0",
        "1>0 100 +0",
        "1>2 INVITE +1",
        "2>1 486 +0",
        "1>2 ACK +0",
        "1>0 486 +0",
        "0>1 ACK +0",
    ];
    assert_eq!(lines(&flow), expected);
    assert_eq!(
        flow.parties.iter().map(Party::label).collect::<Vec<_>>(),
        ["192.0.2.10", "203.0.113.5", "198.51.100.1"]
    );
    let Content::Message(sent) = &flow.rows[0].content else { panic!("a message") };
    let sdp = sent.sdp.as_deref().unwrap_or_default();
    assert!(sdp.starts_with("audio 192.0.2.10:") && sdp.ends_with(" sendrecv"), "{sdp}");
    for (row, place) in flow.rows.iter().flat_map(|row| row.findings.iter().map(move |p| (row, p)))
    {
        let frames = &findings[*place].frames;
        assert!(row.frames().any(|frame| Some(&frame) == frames.last()), "{:?}", row.frame);
    }
    let placed: usize = flow.rows.iter().map(|row| row.findings.len()).sum();
    assert_eq!(placed + flow.unplaced.len(), findings.len());
}

#[test]
fn parties_are_hosts_names_or_endpoints() {
    let analysis = analyze("parties");
    let calls = [&analysis.calls[0], &analysis.calls[1]];
    let names = [("203.0.113.5", "core"), ("198.51.100.1", "core")];
    let merged = FlowOptions { parties: PartiesBy::Host, ..FlowOptions::default() };
    let by_name = flow(&calls, &[], &names, &merged);
    assert_eq!(by_name.parties.len(), 2);
    assert_eq!(by_name.parties[1].label(), "core");
    assert_eq!(by_name.rows[2].from, by_name.rows[2].to);
    // A host that talks to itself is drawn by its ports.
    let by_need = flow(&calls, &[], &names, &FlowOptions::default());
    assert_eq!(by_need.parties[1].label(), "core:5060");
    assert_eq!(by_need.rows.len(), 9);
    let hidden = vec!["198.51.100.1".parse().expect("an address")];
    let options = FlowOptions { hidden, ..FlowOptions::default() };
    let hidden = flow(&calls, &[], &[], &options);
    assert_eq!(hidden.parties.len(), 2);
    assert_eq!(hidden.hidden, 5);
    assert_eq!(hidden.rows.len(), 4);
}

#[test]
fn a_call_is_named_by_number_call_id_or_a_part_of_it() {
    let analysis = analyze("named");
    let [_, two] = analysis.calls.as_slice() else { panic!("two calls") };
    assert_eq!(analysis.named("2"), Ok(1));
    assert_eq!(analysis.named("#1"), Ok(0));
    assert_eq!(analysis.named(&two.call_id), Ok(1));
    assert_eq!(analysis.named("two"), Ok(1));
    // Both have it; one begins with it.
    assert_eq!(analysis.named("o"), Ok(0));
    let error = |name: &str| analysis.named(name).expect_err("no call").to_string();
    assert_eq!(error("3"), "found no call number 3: there are 2");
    assert_eq!(error("#0"), "found no call number 0: there are 2");
    assert_eq!(error("zzz"), "found no call \"zzz\"");
    assert!(error("@").starts_with("2 calls have \"@\" in their Call-ID: "), "{}", error("@"));
}
