//! Ladders as a reader has them: the texts of the drawing, in order.

use std::io::Cursor;

use super::*;
use crate::Options;
use crate::analysis::flow::FlowOptions;
use crate::analysis::{Analysis, Keep};
use crate::catalogue::Lang;

/// A proxy that gives up, seen with sound of one side and a long silence.
const SCRIPT: &str = "\
host alice 192.0.2.10
host proxy 2001:db8:aaaa:bbbb:cccc:dddd:eeee:1
host bob   2001:db8:aaaa:bbbb:cccc:dddd:eeee:2
0      proxy > bob INVITE sdp
+500ms proxy > bob again
+1     proxy > bob again
+10ms  bob > proxy 180
6      bob > proxy 503 Über <b>&
+10ms  proxy > bob ACK
end 70
";

fn analyzed(script: &str) -> Analysis {
    let keep =
        Keep { calls: 1000, transcripts: 1 << 20, findings: 1000, ladders: 10, ..Keep::default() };
    let reader = Cursor::new(script.as_bytes().to_vec());
    crate::analyze_reader("case.sip", reader, &Options::default().keep(keep)).expect("a script")
}

fn drawn(analysis: &Analysis, lang: Lang) -> String {
    let calls: Vec<_> = analysis.calls.iter().collect();
    let findings: Vec<_> = analysis.findings.iter().collect();
    let flow = Flow::of(&calls, &findings, &analysis.hosts, &FlowOptions::default());
    ladder(&flow, &findings, "ladder-1", &Index::new(analysis, lang))
}

/// What stands between the tags of that name.
fn between<'t>(html: &'t str, tag: &str) -> Vec<&'t str> {
    let (start, end) = (format!("<{tag}"), format!("</{tag}>"));
    let parts = html.split(start.as_str()).skip(1);
    let inside = parts.filter_map(|part| Some(part.split_once('>')?.1));
    inside.filter_map(|part| part.split(end.as_str()).next()).collect()
}

#[test]
fn the_drawing_reads_as_a_ladder() {
    let html = drawn(&analyzed(SCRIPT), Lang::En);
    let expected = "\
2001:db8:aaaa:bbbb:cccc:
dddd:eeee:1
2001:db8:aaaa:bbbb:cccc:
dddd:eeee:2
#1
+0.000
INVITE sip:bob@example.com
audio [2001:db8:aaaa:bbbb:cccc:dddd:eeee:1]:40002 PCMU PCMA telephone-event
sendrecv
again: 2, until +1.500
#4
+1.510
180 Ringing
2
4.49 s
#5
+6.000
503 Über &lt;b&gt;&amp;
1
#6
+6.010
ACK sip:bob@example.com";
    assert_eq!(between(&html, "text").join("\n"), expected);
    let strong = between(&html, "strong");
    assert_eq!(strong.len(), 4, "one message behind each arrow");
    assert_eq!(strong[2], "SIP/2.0 503 Über &lt;b&gt;&amp;");
    assert!(html.contains("<b>Call-ID</b>: first@script.invalid"));
    assert!(html.contains("<li value=\"1\""), "the mark is explained");
}

#[test]
fn every_arrow_leads_to_its_message_in_every_language() {
    let analysis = analyzed(SCRIPT);
    for lang in Lang::ALL {
        let html = drawn(&analysis, lang);
        let targets: Vec<_> = html.split("href=\"#").skip(1).collect();
        assert_eq!(targets.len(), 4);
        for target in targets {
            let id = target.split('"').next().expect("an end");
            assert_eq!(html.matches(&format!("id=\"{id}\"")).count(), 1, "{lang}: {id}");
        }
        assert!(!html.contains("page-ladder-"), "{lang}: a word is missing");
    }
}

#[test]
fn a_long_ladder_keeps_its_findings_and_says_what_it_leaves_out() {
    let mut script = "host alice 192.0.2.10\nhost bob 192.0.2.20\n0 alice > bob INVITE sdp\n\
        1 bob > alice 200 sdp\n+10ms alice > bob ACK\n"
        .to_owned();
    for second in 2..1200 {
        script.push_str(&format!("{second} alice > bob INFO\n+10ms bob > alice 200\n"));
    }
    script.push_str("1300 alice > bob BYE\n+10ms bob > alice 481\nend 1400\n");
    let analysis = analyzed(&script);
    let html = drawn(&analysis, Lang::En);
    assert_eq!(html.matches("class=\"arrow").count(), 150);
    assert!(html.contains("Left out: 2251"), "the gaps and their sum are named");
    assert!(html.contains("481 "), "what a finding is about stays");
    assert!(html.len() < 400_000, "{}", html.len());
}

#[test]
fn hostile_bytes_stay_text() {
    let script = "host alice 192.0.2.1\nhost bob 192.0.2.2\n0 alice > bob raw\n\
        | INVITE sip:\"><script>@example.com SIP/2.0\n\
        | Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\n\
        | From: <sip:a@example.com>;tag=1\n| To: <sip:b@example.com>\n\
        | Call-ID: --></svg><script>\n| CSeq: 1 INVITE\n\
        | X<img>: \\x1b[31m\\xe2\\x80\\xae\\xff\n| Content-Length: 0\n|\nend 60\n";
    let html = drawn(&analyzed(script), Lang::En);
    assert!(html.contains("X&lt;img&gt;</b>: \\u{1b}[31m\\u{202e}\u{fffd}"), "{html}");
    for danger in ["<script", "<img", "--></svg", "\u{1b}", "\u{202e}", "\">&lt;script&gt;\""] {
        assert!(!html.contains(danger), "{danger}");
    }
}

#[test]
fn an_attack_stays_small() {
    let long = "x".repeat(3000);
    let mut script = "host bob 192.0.2.1\n".to_owned();
    for number in 0..200 {
        script.push_str(&format!("host h{number} 10.0.{number}.1\n"));
    }
    for number in 0..200 {
        script.push_str(&format!(
            "{number} h{number} > bob INVITE\n+1ms bob > h{number} 500 {long}\n"
        ));
    }
    let html = drawn(&analyzed(&(script + "end 300\n")), Lang::En);
    assert_eq!(html.matches("class=\"party\"").count(), 24);
    assert!(html.contains("Left out: "), "rows of other hosts");
    assert!(html.len() < 400_000, "{}", html.len());
}
