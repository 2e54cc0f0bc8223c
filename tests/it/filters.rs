//! Filter expressions over calls, and the examples of `docs/filters.md`.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use siptrace::analysis::{Analysis, Filter};
use siptrace::finding::Finding;

use crate::run::analyze_all_with;

/// Six calls: answered through a proxy, busy, 503 after a wait, a number over TCP and IPv6, a
/// registration, a probe.
const SCRIPT: &str = "\
start 2026-11-21T10:00:00Z
host alice 192.0.2.10
host proxy 198.51.100.1
host bob   203.0.113.20
host carol 2001:db8::30
host gate  2001:db8::40
call answered
0     alice > proxy INVITE sdp
      User-Agent: Example Desk 4.2
      X-Tenant: seven
+5ms  proxy > alice 100
+5ms  proxy > bob   forward
+200ms bob > proxy  180
+5ms  proxy > alice forward
3     bob > proxy   200 sdp
+5ms  proxy > alice forward
+5ms  alice > proxy ACK
+5ms  proxy > bob   forward
+10ms alice > bob   rtp for=4
+10ms bob > alice   rtp for=4
8     bob > proxy   BYE
+5ms  proxy > alice forward
+5ms  alice > proxy 200
+5ms  proxy > bob   forward
call busy
20    alice > proxy INVITE sdp
+10ms proxy > alice 486
+10ms alice > proxy ACK
call broken
60    alice > proxy INVITE sdp
+10ms proxy > alice 100
66    proxy > alice 503
+10ms alice > proxy ACK
call number
transport tcp
900   carol > gate INVITE sip:+49-30-1234567@gate.example from=\"sip:004930765@example.org\" sdp
+10ms gate > carol 404
+10ms carol > gate ACK
transport udp
call registration
1000  bob > proxy REGISTER
+10ms proxy > bob 200
call probe
1010  proxy > bob OPTIONS
+10ms bob > proxy 200
end 1100
";

fn analyze(script: &str) -> Analysis {
    static FILES: AtomicUsize = AtomicUsize::new(0);
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let name = format!("siptrace-filters-{}-{number}.sip", std::process::id());
    let path = std::env::temp_dir().join(name);
    fs::write(&path, script).expect("written");
    let mut analysis = analyze_all_with(&[&path], |keep| keep.transcripts = 1 << 24);
    fs::remove_file(&path).expect("removed");
    let proxy: IpAddr = "198.51.100.1".parse().expect("an address");
    analysis.hosts = BTreeMap::from([(proxy, "Edge".to_owned())]);
    analysis
}

/// The names of the calls that fit.
fn found(analysis: &Analysis, expression: &str) -> Vec<String> {
    let filter: Filter = expression.parse().unwrap_or_else(|error| panic!("{expression}: {error}"));
    let calls = analysis.calls.iter().filter(|call| {
        let own = |finding: &&Finding| finding.call_id.as_ref() == Some(&call.call_id);
        let findings: Vec<&Finding> = analysis.findings.iter().filter(own).collect();
        filter.matches(call, &findings, &analysis.hosts)
    });
    calls.map(|call| call.call_id.split('@').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn fields_find_what_they_name() {
    let analysis = analyze(SCRIPT);
    let cases: &[(&str, &[&str])] = &[
        ("status = 503", &["broken"]),
        ("status = 4xx", &["busy", "number"]),
        ("status in (486, 500..599)", &["busy", "broken"]),
        ("response = 180", &["answered"]),
        ("state = busy", &["busy"]),
        ("state = failed", &["busy", "broken", "number"]),
        ("kind != call", &["registration", "probe"]),
        ("kind = call and not state = failed", &["answered"]),
        ("method = bye", &["answered"]),
        ("method = REGISTER or method = OPTIONS", &["registration", "probe"]),
        ("from = alice", &["answered", "busy", "broken"]),
        ("from = alice@example.com and status = 2xx", &["answered"]),
        ("from = sip:bob@example.com", &["registration"]),
        ("from = *.org", &["number"]),
        ("to ~ gate.example", &["number"]),
        ("number = +49301234567", &["number"]),
        ("number = 49301234567", &["number"]),
        ("number = +4930765", &["number"]),
        ("number ~ 1234567", &["number"]),
        ("number = +49*", &["number"]),
        ("user-agent ~ desk", &["answered"]),
        ("user-agent = \"example desk *\"", &["answered"]),
        ("header.x-tenant = seven", &["answered"]),
        ("header[\"X-Tenant\"] present and header.X-Other != 1", &["answered"]),
        ("header.cseq ~ options", &["probe"]),
        ("call-id = busy@*", &["busy"]),
        ("peer = 203.0.113.20", &["answered", "registration", "probe"]),
        ("peer = edge and server = 203.0.113.0/24", &["answered", "probe"]),
        ("client = edge:5060 and kind = options", &["probe"]),
        ("host = edge:5061", &[]),
        ("peer = [2001:db8::40]:5060", &["number"]),
        ("server = 2001:db8::/32", &["number"]),
        ("peer ~ 203.0.113.2", &["answered", "registration", "probe"]),
        ("transport = tcp", &["number"]),
        ("time = 10:00", &["answered", "busy"]),
        ("time = 10:01..10:15", &["broken", "number"]),
        ("time = 10:15..10:00:30", &["answered", "busy", "number", "registration", "probe"]),
        ("start >= 2026-11-21T10:15Z and kind = call", &["number"]),
        ("start = 2026-11-20", &[]),
        ("end <= 2026-11-21T11:00:30+01:00", &["answered", "busy"]),
        ("duration > 5s", &["answered", "broken"]),
        ("pdd = 100ms..300ms", &["answered"]),
        ("talk = 4.9s..5.1s and ring > 2s", &["answered"]),
        ("talk present", &["answered"]),
        ("kind = call and not talk present", &["busy", "broken", "number"]),
        ("messages = 3", &["busy", "number"]),
        ("retransmissions > 0", &[]),
        ("rule = TXN", &["broken"]),
        ("rule ~ server-failure", &["broken"]),
        ("rule = trying-then-*", &["broken"]),
        ("severity >= error and kind = call", &["broken"]),
        ("streams = 2", &["answered"]),
        ("codec = pcmu and loss < 1%", &["answered"]),
        ("loss > 0 or jitter > 1s or mos < 1", &[]),
        ("mos > 4", &["answered"]),
        ("linked present", &[]),
        ("frame = 1", &["answered"]),
        ("frame = 2#1", &[]),
        ("bob and 200", &["answered", "registration", "probe"]),
        ("busy", &["busy"]),
        ("failed", &["busy", "broken", "number"]),
        ("edge register", &["registration"]),
        ("192.0.2.1", &[]),
        ("192.0.2.", &["answered", "busy", "broken"]),
        ("1234567 || answered", &["answered", "number"]),
        ("5xx", &["broken"]),
        ("!(alice)", &["number", "registration", "probe"]),
    ];
    for (expression, expected) in cases {
        assert_eq!(found(&analysis, expression), *expected, "{expression}");
    }
}

#[test]
fn unequal_is_the_contrary_of_equal() {
    let analysis = analyze(SCRIPT);
    for test in ["status = 503", "peer = edge", "pdd = 0..1s", "codec = pcmu", "from = alice"] {
        let equal = found(&analysis, test);
        let unequal = found(&analysis, &test.replace(" = ", " != "));
        assert_eq!(equal.len() + unequal.len(), analysis.calls.len(), "{test}");
        assert_eq!(unequal, found(&analysis, &format!("not {test}")), "{test}");
    }
}

#[test]
fn precedence_is_that_of_every_language() {
    let analysis = analyze(SCRIPT);
    let same = |left: &str, right: &str| {
        assert_eq!(found(&analysis, left), found(&analysis, right), "{left}");
    };
    same("alice or bob and 200", "alice or (bob and 200)");
    same("not alice and bob", "(not alice) and bob");
    same("alice 486 or probe", "(alice and 486) or probe");
}

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/filters.md");
    fs::read_to_string(path).expect("docs/filters.md")
}

#[test]
fn every_field_is_in_the_document() {
    let document = document();
    for name in Filter::fields() {
        assert!(document.contains(&format!("`{name}`")), "{name} is not in docs/filters.md");
    }
}

#[test]
fn the_examples_of_the_document_find_calls() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = document();
    let examples = document.lines().filter_map(|line| {
        let (capture, rest) = line.strip_prefix("siptrace calls ")?.split_once(" --filter '")?;
        Some((capture, rest.split_once('\'')?.0))
    });
    let mut count = 0;
    for (capture, expression) in examples {
        let path = root.join(capture);
        let analysis = analyze_all_with(&[&path], |keep| keep.transcripts = 1 << 24);
        assert!(!found(&analysis, expression).is_empty(), "{capture}: {expression}");
        let negated = found(&analysis, &format!("not ({expression})"));
        assert!(negated.len() < analysis.calls.len(), "{expression}");
        count += 1;
    }
    assert!(count >= 10, "{count} examples");
}
