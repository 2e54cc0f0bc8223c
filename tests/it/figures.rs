//! The statistics of a capture: indicators of RFC 6076, figures by peer and by time.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::run;

/// An answered call with a repeated INVITE, one that is busy, one that fails behind a proxy, one
/// that is given up while it rings, and one that takes up a challenge.
const CALLS: &str = "\
# Five calls for the figures.
host alice   192.0.2.10
host proxy   198.51.100.1
host gateway 203.0.113.20
call answered
0     alice > proxy INVITE
0.5   alice > proxy again
+20ms proxy > alice 100
2     proxy > alice 180
6     proxy > alice 200
+10ms alice > proxy ACK
36    alice > proxy BYE
+40ms proxy > alice 200
call busy
10    alice > proxy INVITE
+50ms proxy > alice 486
+10ms alice > proxy ACK
call behind
20    alice > proxy   INVITE
+5ms  proxy > gateway forward
+80ms gateway > proxy 503
+5ms  proxy > gateway ACK
+5ms  proxy > alice   forward
+5ms  alice > proxy   ACK
call rung
30    alice > proxy INVITE
+1    proxy > alice 180
40    alice > proxy CANCEL
+5ms  proxy > alice 200
+5ms  proxy > alice 487 to=INVITE
+5ms  alice > proxy ACK
call challenged
50    alice > proxy INVITE
+10ms proxy > alice 407
+10ms alice > proxy ACK
+10ms alice > proxy INVITE
+3    proxy > alice 200
+10ms alice > proxy ACK
end 120
";

fn statistics(name: &str, script: &str) -> Value {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.sip"));
    fs::write(&path, script).expect("the script can be written");
    let json: Value = serde_json::from_str(&run::json(&run::analyze(&path))).expect("JSON");
    json["statistics"].clone()
}

#[test]
fn indicators_of_the_capture() {
    let statistics = statistics("figures-capture", CALLS);
    let kpi = &statistics["kpi"];
    assert_eq!((&kpi["attempts"], &kpi["established"]), (&5.into(), &2.into()));
    for (name, percent) in [
        ("ser_percent", 40.0),
        ("seer_percent", 60.0),
        ("isa_percent", 20.0),
        ("scr_percent", 20.0),
        ("asr_percent", 40.0),
        // Busy, and given up while it rang: the network did its part.
        ("ner_percent", 80.0),
    ] {
        assert_eq!(kpi[name], percent, "{name}");
    }
    // The INVITE with credentials is what counts: 3 s.
    let delay = &kpi["delays"]["post_dial"];
    assert_eq!((&delay["count"], &delay["max_ms"]), (&3.into(), &3000.0.into()));
    assert_eq!(kpi["delays"]["ring"]["p50_ms"], 4000.0);
    assert_eq!(kpi["delays"]["session_duration"]["mean_ms"], 30_000.0);
    assert_eq!(kpi["delays"]["session_disconnect"]["count"], 1);
    let percent = statistics["retransmission_percent"].as_f64().expect("a number");
    assert!((percent - 100.0 / 29.0).abs() < 0.01, "{percent}");
}

#[test]
fn indicators_by_peer() {
    let statistics = statistics("figures-peer", CALLS);
    let peers = statistics["peers"].as_array().expect("an array");
    let peer = |address: &str| {
        let found = peers.iter().find(|peer| peer["address"] == address);
        found.unwrap_or_else(|| panic!("no {address} in {peers:?}"))
    };
    let (proxy, gateway) = (peer("198.51.100.1"), peer("203.0.113.20"));
    assert_eq!((&proxy["calls"], &proxy["answered"]), (&5.into(), &2.into()));
    assert_eq!((&gateway["calls"], &gateway["failures"]), (&1.into(), &1.into()));
    assert_eq!(proxy["retransmissions"], 1);
    assert_eq!(proxy["kpi"]["ser_percent"], 40.0);
    assert_eq!(gateway["kpi"]["isa_percent"], 100.0);
    assert_eq!(gateway["response_time"]["p95_ms"], 80.0);
    // Alice was only told.
    assert!(!peers.iter().any(|peer| peer["address"] == "192.0.2.10"));
}

#[test]
fn figures_by_time() {
    let statistics = statistics("figures-time", CALLS);
    let timeline = &statistics["timeline"];
    assert_eq!(timeline["interval_ms"], 10_000.0);
    let intervals = timeline["intervals"].as_array().expect("an array");
    let sum = |name: &str| intervals.iter().filter_map(|i| i[name].as_u64()).sum::<u64>();
    assert_eq!((sum("attempts"), sum("answered"), sum("failed")), (5, 2, 3));
    assert_eq!(intervals[0]["start"], "2026-01-05T09:00:00Z");
    assert_eq!(intervals[0]["statuses"]["200"], 1);
    assert_eq!(intervals[2]["statuses"]["503"], 1);
    let up = |place: usize| intervals[place]["concurrent"].as_u64();
    assert_eq!([up(0), up(1), up(2), up(3), up(4)], [1, 1, 1, 1, 0].map(Some));
}
