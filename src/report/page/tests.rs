//! The page as a browser would take it apart: what stands in it, how large it gets, and that
//! nothing captured becomes markup.

use std::net::{IpAddr, Ipv4Addr};

use sha2::{Digest, Sha256};

use super::{page, story};
use crate::analysis::{Analysis, CallSummary, Totals};
use crate::capture::{Description, FrameId};
use crate::catalogue::Lang;
use crate::finding::{Finding, Findings, Report, Severity, Value};
use crate::packet::Endpoint;
use crate::report::Outcome;
use crate::rules;
use crate::signaling::{CallState, Kind, Settings};
use crate::sip::Status;
use crate::time::{Span, Time};

const START: Time = Time::from_nanos(1_795_224_855_944_869_000);

/// What would be markup, a link or the end of a script.
const NASTY: &str = "</script><script>alert(1)</script><b onload='x'>\"&<!--]]>|`*_[x](http://x)";

fn html(analysis: &Analysis, lang: Lang, title: Option<&str>) -> String {
    let mut out = Vec::new();
    page(&Outcome::of(analysis), lang, title, &mut out).expect("a vector takes all");
    String::from_utf8(out).expect("UTF-8")
}

fn call(place: u64, call_id: String, state: CallState, status: u16) -> CallSummary {
    let frame = FrameId { capture: 0, number: place + 1 };
    CallSummary {
        call_id,
        kind: Kind::Call,
        state,
        from_uri: Some(format!("sip:alice-{place}@atlanta.example.com;user=phone")),
        to_uri: Some("sip:bob@host-of-a-customer.example.com".to_owned()),
        first_frame: frame,
        last_frame: frame,
        start: START + Span::from_millis(place as i64 * 10),
        end: START + Span::from_millis(place as i64 * 10 + 5000),
        final_status: Status::new(status),
        pdd: Some(Span::from_millis(124)),
        ring: None,
        talk: Some(Span::from_millis(65_300)),
        messages: 6,
        dialogs: 0,
        linked: Vec::new(),
        streams: Vec::new(),
        transactions: Vec::new(),
        transcript: Vec::new(),
    }
}

fn finding(call: &CallSummary) -> Finding {
    let server = Endpoint { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), port: 5060 };
    let report = Report::on_capture()
        .frames([(call.first_frame, call.start)])
        .to(server)
        .status(Status::new(503).expect("a status code"))
        .with("status", 503_u16)
        .with("phrase", Value::quoted(NASTY.as_bytes()));
    let rule = rules::find("final-response").expect("a rule");
    let mut found = Vec::new();
    Findings::new(rule, &Settings::default(), &mut found).report(report);
    let found = found.pop().expect("a finding");
    Finding { call_id: Some(call.call_id.clone()), call_fate: Some("failed"), ..found }
}

/// Many calls, every third one refused, as a large capture has them.
fn many(count: u64) -> Analysis {
    let mut analysis = Analysis {
        captures: vec![Description { path: "busy.pcap".into(), ..Description::default() }],
        ..Analysis::default()
    };
    for place in 0..count {
        let (state, status) = match place % 3 {
            0 => (CallState::Failed, 503),
            _ => (CallState::Completed, 200),
        };
        let own = call(place, format!("{place}-5f2c7e0a9b1d@198.51.100.7"), state, status);
        if state == CallState::Failed {
            analysis.findings.push(finding(&own));
            *analysis.statistics.fates.entry("failed").or_default() += 1;
        }
        analysis.calls.push(own);
    }
    analysis.totals =
        Totals { sip_messages: count * 6, call_ids: count, calls: count, ..Totals::default() };
    analysis
}

/// The data of the script that sorts and filters.
fn data(page: &str) -> serde_json::Value {
    let from = "id=\"calls-data\">";
    let data = page.split(from).nth(1).and_then(|rest| rest.split("</script>").next());
    serde_json::from_str(data.expect("data")).expect("JSON")
}

#[test]
fn a_page_of_very_many_calls_is_bounded_and_says_so() {
    let page = html(&many(200_000), Lang::En, None);
    assert!(page.len() < 10_000_000, "{} bytes", page.len());
    assert_eq!(data(&page)["rows"].as_array().map(Vec::len), Some(5000));
    assert!(page.contains("Listed here: 5000 of 200,000 Call-IDs"));
    assert!(page.contains("66,667 of the 200,000 calls in the capture failed (33.3 %)."));
    // Those that failed come first.
    let rows = data(&page)["rows"].clone();
    let is_failed = |row: &serde_json::Value| row["s"] == "error" && row["c"][6] == "503";
    assert!(rows.as_array().expect("rows").iter().all(is_failed));
    let mut out = Vec::new();
    story(&Outcome::of(&many(20_000)), Lang::Fr, None, &mut out).expect("a vector takes all");
    assert!(out.len() < 500_000, "{} bytes", out.len());
}

#[test]
fn what_a_capture_holds_never_becomes_markup() {
    let mut analysis = many(3);
    let own = &mut analysis.calls[0];
    own.call_id = NASTY.to_owned();
    own.from_uri = Some(NASTY.to_owned());
    analysis.findings[0].call_id = Some(NASTY.to_owned());
    analysis.captures[0].path = NASTY.into();
    let host = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
    analysis.hosts.insert(host, NASTY.to_owned());
    let page = html(&analysis, Lang::En, Some(NASTY));
    assert_eq!(page.matches("<script").count(), 2, "the data and the script");
    assert_eq!(page.matches("</script").count(), 2);
    assert!(!page.contains("<b onload") && !page.contains("<!--"));
    assert!(page.matches("&lt;script&gt;alert(1)").count() >= 5);
    let from = data(&page)["rows"][0]["c"][3].clone();
    assert!(from.as_str().expect("a text").starts_with("</script><script>"));
}

#[test]
fn the_policy_fits_the_script_and_nothing_is_loaded() {
    let page = html(&many(4), Lang::Ja, None);
    let script = page.rsplit("<script>").next().and_then(|rest| rest.split("</script>").next());
    let digest = Sha256::digest(script.expect("a script").as_bytes());
    assert!(page.contains(&super::policy::policy(script.expect("a script"))));
    assert_eq!(digest.len(), 32);
    for loads in [" src=", "url(", "@import", "href=\"http", "<link", "<img", "<iframe", "srcset"] {
        assert!(!page.contains(loads), "{loads}");
    }
    assert!(!page.contains(" onclick") && !page.contains("javascript:"));
}

#[test]
fn every_word_is_known_in_every_language() {
    for lang in Lang::ALL {
        let page = html(&many(60), lang, None);
        let body = page.split("<body>").nth(1).and_then(|rest| rest.split("<script").next());
        let body = body.expect("a body");
        assert!(!body.contains(">page-") && !body.contains(" page-"), "{lang}");
        assert!(!body.contains('{') && !body.contains('…'), "a place is not filled in {lang}");
        assert!(page.contains("</html>"));
    }
    assert!(html(&many(1), Lang::Pt, None).contains("<html lang=\"pt-BR\">"));
}

#[test]
fn the_lead_counts_as_people_do() {
    let lead = |analysis: &Analysis| {
        let page = html(analysis, Lang::En, None);
        let lead = page.split("<p class=\"lead\">").nth(1);
        lead.and_then(|rest| rest.split("</p>").next()).unwrap_or_default().to_owned()
    };
    assert_eq!(lead(&many(1)), "The only call in the capture failed.");
    assert_eq!(lead(&many(3)), "One of the 3 calls in the capture failed (33.3 %).");
    assert_eq!(lead(&many(4)), "2 of the 4 calls in the capture failed (50 %).");
    let mut fine = many(4);
    fine.findings.clear();
    fine.statistics.fates.clear();
    assert_eq!(lead(&fine), "None of the 4 calls in the capture failed.");
    assert_eq!(lead(&Analysis::default()), "No SIP found. Frames: 0");
}

#[test]
fn one_cause_of_several_is_not_called_the_main_one() {
    let mut analysis = many(4);
    assert_eq!(analysis.findings.len(), 2);
    for finding in &mut analysis.findings {
        finding.severity = Severity::Error;
    }
    let one = html(&analysis, Lang::En, None);
    assert!(one.contains("Main cause (certain): Call ended by a final response: 503"));
    *analysis.statistics.fates.entry("failed").or_default() += 1;
    let several = html(&analysis, Lang::En, None);
    assert!(several.contains("Among several causes, the largest (certain): Call ended by"));
}

#[test]
fn tags_are_closed_in_their_order() {
    for analysis in [many(60), many(1), Analysis::default()] {
        let page = html(&analysis, Lang::En, None);
        let mut open: Vec<String> = Vec::new();
        let mut rest = page.as_str();
        while let Some((_, after)) = rest.split_once('<') {
            let (tag, below) = after.split_once('>').expect("a tag ends");
            rest = below;
            let name = tag.split([' ', '\n', '/']).find(|part| !part.is_empty());
            let name = name.unwrap_or_default().to_owned();
            let is_void = ["!DOCTYPE", "meta", "br", "input"].contains(&name.as_str());
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !is_void && !tag.ends_with('/') {
                if name == "script" || name == "style" {
                    rest = rest.split_once(&format!("</{name}>")).expect("it ends").1;
                } else {
                    open.push(name);
                }
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }
}
