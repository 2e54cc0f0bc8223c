//! Charts as a reader has them: what they say, and that they stay small.

use std::io::Cursor;

use super::*;
use crate::Options;
use crate::analysis::{Analysis, Delays, Keep, Statistics};
use crate::catalogue::{Lang, labels};
use crate::report::index::Index;
use crate::time::Span;

fn analyzed(script: &str) -> Analysis {
    let keep = Keep { calls: 1000, findings: 1000, ..Keep::default() };
    let reader = Cursor::new(script.as_bytes().to_vec());
    crate::analyze_reader("case.sip", reader, &Options::default().keep(keep)).expect("a script")
}

/// Calls a minute apart, of which every third is busy and every fourth finds no server.
fn calls(count: usize) -> String {
    let mut script = "host alice 192.0.2.10\nhost bob 192.0.2.20\n".to_owned();
    for number in 0..count {
        let end = match number {
            number if number % 3 == 2 => "486",
            number if number % 4 == 3 => "503",
            _ => "200 sdp",
        };
        script.push_str(&format!(
            "call c{number}\n{} alice > bob INVITE sdp\n+50ms bob > alice {end}\n\
             +1ms alice > bob ACK\n",
            number * 60
        ));
    }
    script + &format!("end {}\n", count * 60 + 60)
}

fn texts(html: &str) -> Vec<&str> {
    let parts = html.split("<text").skip(1).filter_map(|part| Some(part.split_once('>')?.1));
    parts.filter_map(|part| part.split("</text>").next()).collect()
}

#[test]
fn calls_over_time_tell_answered_busy_and_failed_apart() {
    let analysis = analyzed(&calls(12));
    let html = calls_over_time(&Index::new(&analysis, Lang::En), &[]);
    assert!(html.contains("Attempts to set up a call: 12; not set up: 2."), "{html}");
    assert_eq!(html.matches("class=\"bar-good\"").count(), 6 + 1, "and one in the legend");
    assert_eq!(html.matches("class=\"bar-user\"").count(), 4 + 1);
    assert_eq!(html.matches("class=\"bar-bad\"").count(), 2 + 1);
    assert!(texts(&html).contains(&"2026-01-05"), "{:?}", texts(&html));
    assert!(html.contains("<th scope=\"row\">2026-01-05 09:03:00</th><td>0</td>"), "{html}");
}

#[test]
fn one_moment_is_no_time_line() {
    let analysis = analyzed(&calls(1));
    assert_eq!(calls_over_time(&Index::new(&analysis, Lang::En), &[]), "");
    let empty = Analysis::default();
    assert_eq!(calls_over_time(&Index::new(&empty, Lang::En), &[]), "");
    assert_eq!(quality(&Index::new(&empty, Lang::En)), "");
    assert_eq!(codes(&Statistics::default(), labels(Lang::En)), "");
}

#[test]
fn incidents_have_lanes_even_where_nobody_is_called() {
    let mut script = "host phone 192.0.2.10\nhost registrar 192.0.2.20\n".to_owned();
    for number in 0..4 {
        script.push_str(&format!(
            "call r{number}\n{} phone > registrar REGISTER\n+50ms registrar > phone 503\n",
            number * 60
        ));
    }
    let analysis = analyzed(&(script + "end 400\n"));
    assert_eq!(analysis.incidents.len(), 1, "{:?}", analysis.incidents);
    let html = calls_over_time(&Index::new(&analysis, Lang::En), &[0]);
    assert!(html.contains("<a href=\"#incident-1\">"), "{html}");
    assert!(html.contains("<td>2026-01-05 09:00:00</td><td>2026-01-05 09:03:00</td>"), "{html}");
    assert_eq!(calls_over_time(&Index::new(&analysis, Lang::En), &[]), "");
}

#[test]
fn a_long_time_line_stays_small() {
    let analysis = analyzed(&calls(600));
    let html = calls_over_time(&Index::new(&analysis, Lang::En), &[]);
    assert!(html.matches("<g><title>").count() <= 120);
    assert!(html.len() < 60_000, "{}", html.len());
}

#[test]
fn codes_stand_in_order_with_their_phrases() {
    let analysis = analyzed(&calls(12));
    let html = codes(&analysis.statistics, labels(Lang::En));
    let expected = [
        "200 OK",
        "6 · 50 %",
        "486 Busy Here",
        "4 · 33.3 %",
        "503 Service Unavailable",
        "2 · 16.7 %",
    ];
    assert_eq!(texts(&html), expected);
    let french = codes(&analysis.statistics, labels(Lang::Fr));
    assert!(french.contains("4 · 33,3 %"));
}

#[test]
fn delays_of_every_length_fit_one_axis() {
    let words = labels(Lang::En);
    let mut times = Delays::default();
    times.extend([Span::from_millis(20), Span::from_millis(30)]);
    assert_eq!(delays("page-chart-set-up", &times, words), "", "two are no distribution");
    times.extend((0..400).map(|at| Span::from_micros(1 << (at % 40))));
    times.add(Span::ZERO);
    let html = delays("page-chart-set-up", &times, words);
    assert!(html.contains("id=\"chart-set-up\""));
    assert!(html.matches("<g><title>").count() <= 40);
    assert!(html.len() < 20_000, "{}", html.len());
    let marks = texts(&html).into_iter().filter(|text| text.starts_with('p')).count();
    assert_eq!(marks, 3);
    assert!(!html.contains("NaN"));
}

#[test]
fn streams_that_lost_packets_are_named() {
    let script = "host alice 192.0.2.10\nhost bob 192.0.2.20\n0 alice > bob INVITE sdp\n\
        +50ms bob > alice 200 sdp\n+10ms alice > bob ACK\n1 alice > bob rtp for=8 loss=8\n\
        1 bob > alice rtp for=8\n10 alice > bob BYE\n+10ms bob > alice 200\nend 60\n";
    let analysis = analyzed(script);
    let html = quality(&Index::new(&analysis, Lang::En));
    assert!(html.contains("RTP streams: 2, with loss: 1."), "{html}");
    assert!(html.contains("<th scope=\"row\">192.0.2.10:40000 → 192.0.2.20:40002</th><td>#1</td>"));
    assert_eq!(html.matches("<th scope=\"row\">192.0.2.").count(), 1, "only the lossy one");
}

#[test]
fn every_chart_has_its_words_in_every_language() {
    let analysis = analyzed(&calls(12));
    for lang in Lang::ALL {
        let (index, words) = (Index::new(&analysis, lang), labels(lang));
        let responses = response_times(&analysis.statistics);
        for html in [
            calls_over_time(&index, &[]),
            codes(&analysis.statistics, words),
            delays("page-chart-response", &responses, words),
        ] {
            assert!(html.starts_with("<figure"), "{lang}: {html}");
            assert!(!html.contains(">page-") && !html.contains('{'), "{lang}: {html}");
        }
    }
}
