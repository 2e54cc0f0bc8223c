//! Calls, findings, messages or streams as a table for a spreadsheet or a script.
//!
//! RFC 4180: fields apart by commas, lines by CRLF, the names of the columns in the first line, the
//! same as in the JSON. Text that a spreadsheet would take for a formula has an apostrophe before
//! it, which spreadsheets do not show; numbers have none. So has what follows a semicolon, where
//! spreadsheets of many countries begin another cell.

use std::io::{self, Write};

use serde_json::json;

use crate::analysis::{Analysis, CallSummary, Step, StreamSummary};
use crate::bytes::{printable, printable_str};
use crate::capture::FrameId;
use crate::catalogue::Lang;
use crate::finding::Finding;
use crate::report::filter::display_filter;
use crate::report::index::Index;
use crate::report::streams::{millis, rounded};
use crate::signaling::Side;
use crate::sip::{CSeq, HeaderName, Status};
use crate::time::{Span, Time};

/// What the lines of the table are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Table {
    /// A Call-ID each.
    Calls,
    /// A finding each.
    #[default]
    Findings,
    /// A SIP message each, of the calls whose transcript was kept.
    Messages,
    /// An RTP stream each.
    Streams,
}

/// Writes the table.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn csv(analysis: &Analysis, table: Table, lang: Lang, out: &mut dyn Write) -> io::Result<()> {
    let index = Index::new(analysis, lang);
    match table {
        Table::Calls => calls(&index, out),
        Table::Findings => findings(&index, out),
        Table::Messages => messages(&index, out),
        Table::Streams => streams(&index, out),
    }
}

/// A line, put together field by field.
#[derive(Default)]
pub(super) struct Row {
    line: String,
}

impl Row {
    /// A field of words or of captured text.
    pub(super) fn text(self, text: impl AsRef<str>) -> Self {
        let safe = printable_str(text.as_ref());
        if !safe.split(';').any(is_formula) {
            return self.field(&safe);
        }
        let mark = |part: &str| if is_formula(part) { format!("'{part}") } else { part.to_owned() };
        self.field(&safe.split(';').map(mark).collect::<Vec<_>>().join(";"))
    }

    fn maybe(self, text: Option<impl AsRef<str>>) -> Self {
        match text {
            Some(text) => self.text(text),
            None => self.field(""),
        }
    }

    /// A field that is a number and may have a sign.
    pub(super) fn number(self, number: impl ToString) -> Self {
        self.field(&number.to_string())
    }

    fn maybe_number(self, number: Option<impl ToString>) -> Self {
        self.field(&number.map(|number| number.to_string()).unwrap_or_default())
    }

    fn field(mut self, field: &str) -> Self {
        let is_plain = !field.contains([',', '"', '\r', '\n'])
            && !field.starts_with(' ')
            && !field.ends_with(' ');
        match is_plain {
            true => self.line.push_str(field),
            false => {
                self.line.push('"');
                self.line.push_str(&field.replace('"', "\"\""));
                self.line.push('"');
            }
        }
        self.line.push(',');
        self
    }

    pub(super) fn write(mut self, out: &mut dyn Write) -> io::Result<()> {
        self.line.pop();
        out.write_all(self.line.as_bytes())?;
        out.write_all(b"\r\n")
    }
}

/// What spreadsheets begin to reckon with, full-width forms and leading blanks included.
fn is_formula(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'])
}

pub(super) fn head(columns: &[&str], out: &mut dyn Write) -> io::Result<()> {
    let row = columns.iter().fold(Row::default(), Row::text);
    row.write(out)
}

/// Numbers apart by spaces; with several captures `2#7` is frame 7 of the second one.
pub(super) fn frames(frames: &[FrameId], analysis: &Analysis) -> String {
    let is_several = analysis.captures.len() > 1;
    let name = |frame: &FrameId| match is_several {
        true => format!("{}#{}", u32::from(frame.capture) + 1, frame.number),
        false => frame.number.to_string(),
    };
    frames.iter().map(name).collect::<Vec<_>>().join(" ")
}

fn ms(span: Option<Span>) -> Option<f64> {
    span.map(millis)
}

fn time(time: Time) -> String {
    time.to_string()
}

/// The first line of the table of calls.
pub(super) fn calls_head(out: &mut dyn Write) -> io::Result<()> {
    head(
        &[
            "call_id",
            "kind",
            "state",
            "from_uri",
            "to_uri",
            "capture",
            "first_frame",
            "last_frame",
            "start",
            "end",
            "final_status",
            "pdd_ms",
            "ring_ms",
            "talk_ms",
            "messages",
            "dialogs",
            "linked",
            "findings",
        ],
        out,
    )
}

fn calls(index: &Index<'_>, out: &mut dyn Write) -> io::Result<()> {
    calls_head(out)?;
    let mut codes = vec![Vec::new(); index.analysis.calls.len()];
    for finding in &index.analysis.findings {
        let place = index.place(finding);
        if let Some(codes) = place.and_then(|place| codes.get_mut(place)) {
            codes.push(finding.rule.code);
        }
    }
    let rows = index.analysis.calls.iter().zip(codes);
    rows.into_iter().try_for_each(|(call, codes)| of_call(index, call, &codes).write(out))
}

pub(super) fn of_call(index: &Index<'_>, call: &CallSummary, codes: &[&str]) -> Row {
    let linked: Vec<&str> = call.linked.iter().map(|linked| linked.call_id.as_str()).collect();
    Row::default()
        .text(&call.call_id)
        .text(call.kind.name())
        .text(call.state.name())
        .maybe(call.from_uri.as_ref())
        .maybe(call.to_uri.as_ref())
        .text(index.path(usize::from(call.first_frame.capture)))
        .text(frames(&[call.first_frame], index.analysis))
        .text(frames(&[call.last_frame], index.analysis))
        .text(time(call.start))
        .text(time(call.end))
        .maybe_number(call.final_status.map(Status::code))
        .maybe_number(ms(call.pdd))
        .maybe_number(ms(call.ring))
        .maybe_number(ms(call.talk))
        .number(call.messages)
        .number(call.dialogs)
        .text(linked.join(" "))
        .text(codes.join(" "))
}

fn findings(index: &Index<'_>, out: &mut dyn Write) -> io::Result<()> {
    head(
        &[
            "code",
            "rule",
            "severity",
            "confidence",
            "time",
            "capture",
            "frames",
            "call_id",
            "client",
            "server",
            "statuses",
            "title",
            "message",
            "evidence",
            "display_filter",
        ],
        out,
    )?;
    let mut rows = index.analysis.findings.iter();
    rows.try_for_each(|finding| of_finding(index, finding).write(out))
}

fn of_finding(index: &Index<'_>, finding: &Finding) -> Row {
    let evidence = finding.evidence.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
    let evidence = serde_json::Value::Object(evidence.collect());
    let statuses: Vec<String> = finding.statuses.iter().map(ToString::to_string).collect();
    Row::default()
        .text(finding.rule.code)
        .text(finding.rule.name)
        .text(finding.severity.name())
        .text(finding.confidence.name())
        .maybe(finding.time.map(time))
        .text(index.path(index.capture(finding)))
        .text(frames(&finding.frames, index.analysis))
        .maybe(finding.call_id.as_ref())
        .maybe(finding.client.map(|client| client.to_string()))
        .maybe(finding.server.map(|server| server.to_string()))
        .text(statuses.join(" "))
        .text(&index.rule(finding).entry.title)
        .text(index.message(finding))
        .text(evidence.to_string())
        .maybe(display_filter(finding))
}

fn messages(index: &Index<'_>, out: &mut dyn Write) -> io::Result<()> {
    head(
        &[
            "capture",
            "frame",
            "time",
            "source",
            "destination",
            "transport",
            "call_id",
            "method",
            "status",
            "reason",
            "cseq",
            "cseq_method",
            "request_uri",
            "from",
            "to",
            "user_agent",
            "sdp",
            "bytes",
            "retransmission",
            "cut",
        ],
        out,
    )?;
    let calls = index.analysis.calls.iter();
    let mut steps: Vec<(&CallSummary, &Step)> =
        calls.flat_map(|call| call.transcript.iter().map(move |step| (call, step))).collect();
    let is_several = index.analysis.captures.len() > 1;
    steps.sort_by_key(|(_, step)| (is_several.then_some(step.time), step.frame));
    steps.into_iter().try_for_each(|(call, step)| of_step(index, call, step).write(out))
}

fn of_step(index: &Index<'_>, call: &CallSummary, step: &Step) -> Row {
    let message = step.message();
    let cseq = message.header(HeaderName::CSeq).and_then(CSeq::parse);
    let is_request = message.is_request();
    let method = message.method();
    let agent = message.text(HeaderName::UserAgent).or(message.text(HeaderName::Server));
    let uri = message.request_uri();
    Row::default()
        .text(index.path(usize::from(step.frame.capture)))
        .text(frames(&[step.frame], index.analysis))
        .text(time(step.time))
        .text(step.source.to_string())
        .text(step.destination.to_string())
        .text(step.transport.name())
        .text(&call.call_id)
        .maybe(is_request.then(|| printable(method.as_bytes())))
        .maybe_number(message.status().map(Status::code))
        .maybe(message.reason_phrase())
        .maybe_number(cseq.map(|cseq| cseq.number))
        .maybe(cseq.map(|cseq| printable(cseq.method.as_bytes()).into_owned()))
        .maybe(uri.as_ref().map(|uri| printable(uri.as_bytes())))
        .maybe(message.text(HeaderName::From))
        .maybe(message.text(HeaderName::To))
        .maybe(agent)
        .number(message.sdp().is_some())
        .number(step.bytes.len())
        .number(step.is_retransmission)
        .number(step.is_cut)
}

fn streams(index: &Index<'_>, out: &mut dyn Write) -> io::Result<()> {
    head(
        &[
            "call_id",
            "source",
            "destination",
            "ssrc",
            "sender",
            "codec",
            "payload_type",
            "encrypted",
            "clock_rate",
            "capture",
            "first_frame",
            "last_frame",
            "start",
            "end",
            "packets",
            "octets",
            "expected",
            "lost",
            "lost_percent",
            "duplicates",
            "reordered",
            "jitter_ms",
            "max_jitter_ms",
            "max_gap_ms",
            "ptime_ms",
            "mos",
            "digits",
        ],
        out,
    )?;
    let of_calls = index.analysis.calls.iter();
    let of_calls =
        of_calls.flat_map(|call| call.streams.iter().map(|stream| (Some(&call.call_id), stream)));
    let alone = index.analysis.streams.iter().map(|stream| (None, stream));
    let mut rows = of_calls.chain(alone);
    rows.try_for_each(|(call, stream)| of_stream(index, call, stream).write(out))
}

fn of_stream(index: &Index<'_>, call: Option<&String>, stream: &StreamSummary) -> Row {
    let digits: String = stream.digits.iter().filter_map(|digit| digit.key).collect();
    Row::default()
        .maybe(call)
        .text(stream.source.to_string())
        .text(stream.destination.to_string())
        .text(format!("0x{:08x}", stream.ssrc))
        .maybe(stream.sender.map(Side::word))
        .maybe(stream.codec.as_ref())
        .maybe_number(stream.payload_type)
        .number(stream.is_encrypted)
        .maybe_number(stream.clock)
        .text(index.path(usize::from(stream.first.frame.capture)))
        .text(frames(&[stream.first.frame], index.analysis))
        .text(frames(&[stream.last.frame], index.analysis))
        .text(time(stream.first.time))
        .text(time(stream.last.time))
        .number(stream.packets)
        .number(stream.octets)
        .number(stream.expected)
        .number(stream.lost)
        .number(rounded(stream.lost_percent))
        .number(stream.duplicates)
        .number(stream.reordered)
        .maybe_number(ms(stream.jitter))
        .maybe_number(ms(stream.jitter_max))
        .maybe_number(ms(stream.gap_max))
        .maybe_number(ms(stream.packet_time))
        .maybe_number(stream.estimate.map(|estimate| (estimate.mos * 100.0).round() / 100.0))
        .text(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(row: Row) -> String {
        let mut out = Vec::new();
        row.write(&mut out).expect("a vector takes all");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let row = Row::default().text("a,b").text("say \"hi\"").text(" blank").text("").text("c");
        assert_eq!(line(row), "\"a,b\",\"say \"\"hi\"\"\",\" blank\",,c\r\n");
    }

    #[test]
    fn no_text_is_a_formula() {
        for evil in ["=1+1", "+49", "-2", "@SUM(A1)", "  =1", "＝1", "\u{a0}=1"] {
            let shown = line(Row::default().text(evil));
            assert!(shown.trim_start_matches('"').starts_with('\''), "{evil}: {shown}");
        }
        assert_eq!(line(Row::default().text("sip:a;b=1;=1; @x")), "sip:a;b=1;'=1;' @x\r\n");
        // Controls arrive as what they are written as.
        assert_eq!(line(Row::default().text("\t=1\r\n")), "\\t=1\\r\\n\r\n");
        assert_eq!(line(Row::default().number(-2.5)), "-2.5\r\n");
    }
}
