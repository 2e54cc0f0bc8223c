//! What users write: scripts, settings, filters, expectations. A fault in them is told in words
//! that are safe to show.

use std::path::Path;
use std::sync::OnceLock;

use siptrace::analysis::expect::Expectations;
use siptrace::analysis::{Analysis, Filter};
use siptrace::capture::{Frame, FrameId, Source, script as scripts};
use siptrace::catalogue::Lang;
use siptrace::finding::Finding;
use siptrace::report::text::{TextOptions, Verbosity};
use siptrace::report::{self, Page};
use siptrace::{cli, packet};

use super::{assert_harmless, whole};

/// Calls that end in every way, with media.
const CALLS: &str = "\
start 2026-11-21T10:00:00Z
host alice 192.0.2.10
host proxy 198.51.100.1
host bob   203.0.113.20
host carol 2001:db8::30
host gate  2001:db8::40
call answered
0     alice > proxy INVITE sdp
      User-Agent: Example Desk 4.2
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
900   carol > gate INVITE sip:+49-30-1234567@gate.example sdp
+10ms gate > carol 404
+10ms carol > gate ACK
transport udp
call registration
1000  bob > proxy REGISTER
+10ms proxy > bob 200
end 1100
";

/// The analysis of these calls.
fn analysis() -> &'static Analysis {
    static ANALYSIS: OnceLock<Analysis> = OnceLock::new();
    ANALYSIS.get_or_init(|| {
        let frames = scripts::frames(CALLS).expect("a script");
        let source = Source::from_frames(
            Path::new("calls.sip"),
            "sip",
            frames.iter().map(|frame| Frame {
                id: FrameId::default(),
                time: frame.time,
                link: frame.link,
                data: &frame.data,
                original_length: frame.original_length,
            }),
            0,
        );
        whole::analysis(source).expect("frames are a capture")
    })
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// A `.sip` script: its frames are in order, unless a line has a clock of its own, and can be read.
pub fn script(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let _ = scripts::title(text);
    let frames = match scripts::frames(text) {
        Ok(frames) => frames,
        Err(error) => return assert_harmless(error.to_string().as_bytes(), "a fault in a script"),
    };
    let is_in_order = frames.is_sorted_by_key(|frame| frame.time);
    assert!(is_in_order || text.contains("clock="), "frames are in order of time");
    for (frame, number) in frames.iter().zip(1..) {
        assert!(frame.original_length as usize >= frame.data.len());
        packet::decode(&Frame {
            id: FrameId { capture: 0, number },
            time: frame.time,
            link: frame.link,
            data: &frame.data,
            original_length: frame.original_length,
        });
    }
    let _ = scripts::expectations(text);
}

/// A `siptrace.toml`, a baseline, a file of hosts.
pub fn config(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    for complaint in cli::complaints(text).into_iter().flatten() {
        assert_harmless(complaint.as_bytes(), "a fault in a file");
    }
}

/// A filter expression: what is understood is understood again as it is shown.
pub fn filter(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let filter = match text.parse::<Filter>() {
        Ok(filter) => filter,
        Err(error) => {
            assert_harmless(error.to_string().as_bytes(), "a fault in a filter");
            return assert_harmless(error.hint().unwrap_or_default().as_bytes(), "a hint");
        }
    };
    let shown = filter.to_string();
    assert_harmless(shown.as_bytes(), "a filter");
    let _ = (filter.needs_messages(), filter.needs_media());
    // What had to be made safe to show is something else.
    let again = shown.parse::<Filter>().ok().filter(|_| shown == text.trim());
    assert!(again.is_some() || shown != text.trim(), "{shown:?} is not understood again");
    let analysis = analysis();
    for call in &analysis.calls {
        let is_own = |finding: &&Finding| finding.call_id.as_ref() == Some(&call.call_id);
        let findings: Vec<&Finding> = analysis.findings.iter().filter(is_own).collect();
        let fits = filter.matches(call, &findings, &analysis.hosts);
        if let Some(again) = &again {
            assert_eq!(again.matches(call, &findings, &analysis.hosts), fits);
        }
    }
}

/// A file of expectations, held against calls.
pub fn expect(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let expectations = match Expectations::parse(text, Path::new("fuzzed.toml")) {
        Ok(expectations) => expectations,
        Err(error) => return assert_harmless(error.to_string().as_bytes(), "a fault in a file"),
    };
    let verdicts = expectations.check(analysis());
    let mut shown = Vec::new();
    let options =
        TextOptions { lang: Lang::En, page: Page::plain(80), verbosity: Verbosity::Normal };
    let written = report::text::expectations(&verdicts, analysis(), &options, &mut shown);
    written.expect("a vector takes everything");
    assert_harmless(&shown, "verdicts");
    let missed = report::expect::missed(&verdicts, analysis(), Lang::Ja);
    assert_eq!(missed.len(), verdicts.len());
}
