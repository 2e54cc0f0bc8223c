//! The messages of calls, kept where they are wanted.

use std::path::PathBuf;

use siptrace::analysis::{Analysis, Keep};
use siptrace::capture::Source;
use siptrace::pipeline;
use siptrace::rules::Profile;
use siptrace::transport::KeyLog;

/// A call that is repeated, answered and acknowledged, and another one after it.
const SCRIPT: &str = "\
host alice 192.0.2.10
host bob   198.51.100.1
call one
0      alice > bob INVITE sdp
+500ms alice > bob again
+10ms  bob > alice 180
1      bob > alice 200 sdp
+10ms  alice > bob ACK
5      alice > bob BYE
+10ms  bob > alice 200
call two
7      alice > bob OPTIONS
+10ms  bob > alice 200
end 60
";

fn analyze(name: &str, transcripts: usize) -> Analysis {
    let file = format!("siptrace-transcript-{}-{name}.sip", std::process::id());
    let path: PathBuf = std::env::temp_dir().join(file);
    std::fs::write(&path, SCRIPT).expect("written");
    let source = Source::open(&path, 0).expect("a script");
    std::fs::remove_file(&path).expect("removed");
    let options = pipeline::Options {
        profile: Profile::default(),
        keep: Keep { calls: 10, transcripts, findings: 0, ..Keep::default() },
        media: true,
        keys: KeyLog::default(),
        threads: Some(2),
    };
    pipeline::run(vec![source], &options, &|_| {}).expect("analysed")
}

#[test]
fn a_transcript_has_every_message_with_its_transaction() {
    let analysis = analyze("all", 1 << 20);
    let [one, two] = analysis.calls.as_slice() else { panic!("{:?}", analysis.calls) };
    let steps: Vec<_> = one
        .transcript
        .iter()
        .map(|step| (step.frame.number, step.is_retransmission, step.transaction))
        .collect();
    let expected = [
        (1, false, Some(0)),
        (2, true, Some(0)),
        (3, false, Some(0)),
        (4, false, Some(0)),
        (5, false, None),
        (6, false, Some(1)),
        (7, false, Some(1)),
    ];
    assert_eq!(steps, expected);
    let invite = one.transcript.first().expect("has an INVITE");
    assert_eq!(invite.message().method().as_bytes(), b"INVITE");
    assert_eq!(invite.source.to_string(), "192.0.2.10:5060");
    assert_eq!(two.transcript.len(), 2);
    assert!(analysis.dropped.is_empty(), "{:?}", analysis.dropped);
}

#[test]
fn a_call_without_room_has_no_transcript_and_is_counted() {
    let analysis = analyze("none", 300);
    assert!(analysis.calls.iter().all(|call| call.transcript.is_empty()));
    assert_eq!(analysis.dropped.get("transcripts"), Some(&2));
    let unwanted = analyze("unwanted", 0);
    assert!(unwanted.calls.iter().all(|call| call.transcript.is_empty()));
    assert!(unwanted.dropped.is_empty());
}
