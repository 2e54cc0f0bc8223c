//! The drawing: a head that stays in sight, below it a row for each message and stream.

use std::fmt::Write;

use crate::analysis::StreamSummary;
use crate::analysis::flow::{Content, Flow, Party, Row, Sent};
use crate::finding::Finding;
use crate::report::html::escaped;
use crate::report::index::Index;
use crate::report::layout;
use crate::report::page::ladder::kept::Kept;
use crate::report::page::ladder::plan::{self, COLUMN, Margin, Plan, ROOM_BESIDE};
use crate::report::page::svg::{Text, fitting, line, number, rect};
use crate::report::text::clock::{Clock, relative};
use crate::sip::Status;
use crate::time::{Span, Time};

/// A silence that a reader should see.
const PAUSE: Span = Span::from_secs(2);

const HEAD: f64 = 46.0;
/// From the top of a row to its arrow, and below the arrow.
const ABOVE: f64 = 24.0;
const BELOW: f64 = 8.0;
/// One more line of text.
const LINE: f64 = 14.0;
const NOTE_COLUMN: f64 = COLUMN * 0.89;
const NOTE_LINES_MAX: usize = 3;
/// Columns of a row in words; what is sent may be as long as a datagram.
const TOLD_MAX: usize = 320;

const BREAK: f64 = 26.0;
/// An arrow to where it came from.
const LOOP: f64 = 34.0;

/// A ladder that is drawn.
pub(super) struct Drawing<'d, 'a> {
    pub(super) flow: &'d Flow<'a>,
    pub(super) findings: &'d [&'d Finding],
    pub(super) id: &'d str,
    pub(super) index: &'d Index<'a>,
    pub(super) plan: &'d Plan,
    pub(super) margin: &'d Margin<'d, 'a>,
    pub(super) start: Time,
}

impl<'a> Drawing<'_, 'a> {
    /// The names of the parties.
    pub(super) fn head(&self, out: &mut String) {
        let width = number(self.plan.width);
        let _ = write!(
            out,
            "<svg class=\"ladder-head\" viewBox=\"0 0 {width} {HEAD}\" width=\"{width}\" \
             height=\"{HEAD}\" aria-hidden=\"true\">"
        );
        for (party, at) in Kept::parties(self.flow).iter().zip(0..) {
            let (x, room) = (self.plan.x(at), self.plan.name_room());
            let all: Vec<String> =
                party.addresses().iter().map(|(address, _)| address.to_string()).collect();
            let told = escaped(&format!("{} ({})", party.label(), self.index.words.list(&all)));
            let _ = write!(out, "<g><title>{told}</title>");
            rect([x - room / 2.0, 3.0, room, HEAD - 7.0], "party", out);
            let [first, second] = plan::head(party);
            let y = if second.is_empty() { 28.0 } else { 20.0 };
            Text { x, y, class: "party-name mid", text: &first }.draw(out);
            if !second.is_empty() {
                let is_address = party.name.is_some();
                let class = if is_address { "party-address mid" } else { "party-name mid" };
                Text { x, y: 35.0, class, text: &second }.draw(out);
            }
            out.push_str("</g>");
        }
        out.push_str("</svg>\n");
    }

    /// The rows between the lines of the parties.
    pub(super) fn rows(&self, kept: &Kept, out: &mut String) {
        // The ground of evidence lies below the lines of the parties.
        let (mut ground, mut body) = (String::new(), String::new());
        let mut y = 4.0;
        let mut before = self.start;
        let mut next = 0;
        for (place, row) in kept.rows(self.flow) {
            let pause = row.time.since(before);
            if place > next {
                let count = self.index.words.count((place - next) as u64);
                let text = self.index.words.fill("page-ladder-left-out", &[("count", &count)]);
                y += self.draw_break(&text, y, &mut body);
            } else if pause >= PAUSE {
                y += self.draw_break(&self.index.words.duration(pause), y, &mut body);
            }
            next = place + 1;
            before = before.max(last_of(row));
            let height = self.draw_row(place, row, y, &mut body);
            if !row.evidence_of.is_empty() {
                rect([0.0, y, self.plan.width, height], "evidence", &mut ground);
            }
            y += height;
        }
        let height = y + 8.0;
        let (width, tall) = (number(self.plan.width), number(height));
        let id = self.id;
        let title = escaped(self.index.words.get("ladder"));
        let _ = write!(
            out,
            "<svg class=\"ladder-rows\" viewBox=\"0 0 {width} {tall}\" width=\"{width}\" \
             height=\"{tall}\" role=\"group\" aria-labelledby=\"{id}-title\">\
             <title id=\"{id}-title\">{title}</title>"
        );
        out.push_str(&ground);
        for at in 0..Kept::parties(self.flow).len() {
            let x = self.plan.x(at);
            line([x, 0.0, x, height], "life", out);
        }
        out.push_str(&body);
        out.push_str("</svg>\n");
    }

    /// Silence, or rows that are not shown: the lines of the parties break.
    fn draw_break(&self, text: &str, y: f64, out: &mut String) -> f64 {
        rect([0.0, y + 4.0, self.plan.width, BREAK - 8.0], "break", out);
        let middle =
            (self.plan.x(0) + self.plan.x(Kept::parties(self.flow).len().max(1) - 1)) / 2.0;
        for at in 0..Kept::parties(self.flow).len() {
            let x = self.plan.x(at);
            line([x, y + 4.0, x, y + BREAK - 4.0], "life-break", out);
        }
        Text { x: middle, y: y + BREAK / 2.0 + 4.0, class: "break-label mid", text }.draw(out);
        BREAK
    }

    fn draw_row(&self, place: usize, row: &Row<'a>, y: f64, out: &mut String) -> f64 {
        let room = self.room(row);
        let columns = (room / NOTE_COLUMN) as usize;
        let mut notes: Vec<String> = Vec::new();
        for note in self.notes(row) {
            // What is as long as a line is cut; the whole stands in the title.
            let lines = layout::wrap(&note, columns, 0);
            notes.extend(lines.lines().take(NOTE_LINES_MAX).map(|line| layout::cut(line, columns)));
        }
        let height = ABOVE + BELOW + LINE * notes.len() as f64;
        self.draw_margin(row, y, out);
        let proof = if row.evidence_of.is_empty() { "" } else { " is-evidence" };
        match &row.content {
            Content::Message(sent) => {
                let id = self.id;
                let told = escaped(&self.told(row, &sent.label));
                let class = format!("{}{proof}", class_of(sent));
                let _ = write!(
                    out,
                    "<a href=\"#{id}-m{place}\" class=\"arrow {class}\" aria-label=\"{told}\">\
                     <title>{told}</title>"
                );
                // The whole row can be hit, not only what is drawn of it.
                let left = self.plan.time_end + 6.0;
                rect([left, y + 1.0, self.plan.width - left - 34.0, height - 2.0], "hit", out);
                self.draw_arrow(row, &sent.label, &notes, y, out);
                out.push_str("</a>\n");
            }
            Content::Stream(stream) => {
                let label = self.stream_label(stream);
                let told = self.told(row, &label);
                let _ = write!(out, "<g class=\"stream{proof}\"><title>{}</title>", escaped(&told));
                self.draw_arrow(row, &label, &notes, y, out);
                out.push_str("</g>\n");
            }
        }
        self.draw_marks(row, y, out);
        height
    }

    fn draw_margin(&self, row: &Row<'_>, y: f64, out: &mut String) {
        let y = y + ABOVE;
        let (frame, time) = self.margin.of(row);
        Text { x: self.plan.frame_end, y, class: "frame end", text: &frame }.draw(out);
        let absolute = escaped(&Clock::full(row.time));
        let _ = write!(out, "<g><title>{absolute} UTC</title>");
        Text { x: self.plan.time_end, y, class: "time end", text: &time }.draw(out);
        out.push_str("</g>");
    }

    fn draw_arrow(&self, row: &Row<'_>, label: &str, notes: &[String], y: f64, out: &mut String) {
        let (from, to) = (self.plan.x(row.from), self.plan.x(row.to));
        let is_band = matches!(row.content, Content::Stream(_));
        let at = y + ABOVE;
        let is_loop = row.from == row.to;
        let (left, right) = if is_loop { (from, from) } else { (from.min(to), from.max(to)) };
        let middle = if is_loop { from } else { f64::midpoint(left, right) };
        match is_loop {
            true => {
                let (x, far, below) = (number(from), number(from + LOOP), number(at + 5.0));
                let _ = write!(
                    out,
                    "<path d=\"M{x} {} H{far} V{below} H{x}\" class=\"shaft\"/>",
                    number(at - 5.0)
                );
                head([from, at + 5.0], -1.0, is_band, out);
            }
            false => {
                let way = if to > from { 1.0 } else { -1.0 };
                let tip = if is_band { 12.0 } else { 7.0 };
                line([from, at, to - tip * way, at], "shaft", out);
                head([to, at], way, is_band, out);
            }
        }
        let text = fitting(label, self.room(row), COLUMN);
        Text { x: middle, y: at - 7.0, class: "label mid", text: &text }.draw(out);
        for (note, line) in notes.iter().zip(1..) {
            let y = at + LINE * f64::from(line);
            Text { x: middle, y, class: "note mid", text: note }.draw(out);
        }
    }

    /// What texts at the arrow of a row may take.
    fn room(&self, row: &Row<'_>) -> f64 {
        match row.from.abs_diff(row.to) {
            0 => self.plan.name_room(),
            _ => (self.plan.x(row.to) - self.plan.x(row.from)).abs() - ROOM_BESIDE,
        }
    }

    /// Numbers of the findings that are told here.
    fn draw_marks(&self, row: &Row<'_>, y: f64, out: &mut String) {
        // More marks than fit beside each other stand on each other's edge.
        for (place, at) in row.findings.iter().zip(0..3) {
            let Some(finding) = self.findings.get(*place) else { continue };
            let (x, y) = (self.plan.mark() - 12.0 * f64::from(at), y + ABOVE - 4.0);
            let title = escaped(&self.index.title(finding));
            let severity = finding.severity.name();
            let (cx, cy) = (number(x), number(y));
            let _ = write!(
                out,
                "<g class=\"finding {severity}\"><title>{title}</title>\
                 <circle cx=\"{cx}\" cy=\"{cy}\" r=\"9\"/>"
            );
            let text = (place + 1).to_string();
            Text { x, y: y + 4.0, class: "mid", text: &text }.draw(out);
            out.push_str("</g>");
        }
    }

    /// The lines below an arrow: its SDP, and how often it was sent again; of a stream its jitter.
    fn notes(&self, row: &Row<'_>) -> Vec<String> {
        let words = self.index.words;
        let mut notes = Vec::new();
        let sent = match &row.content {
            Content::Message(sent) => sent,
            Content::Stream(stream) => {
                if let (Some(mean), Some(max)) = (stream.jitter, stream.jitter_max) {
                    let [mean, max] = [mean, max].map(|span| words.duration(span));
                    let jitter = words.fill("stream-jitter", &[("mean", &mean), ("max", &max)]);
                    // A number stays with its unit.
                    notes.push(jitter.replace(" ms", "\u{a0}ms"));
                }
                return notes;
            }
        };
        notes.extend(sent.sdp.clone());
        if let Some(last) = sent.last_repeat() {
            let count = words.count(sent.repeats.len() as u64);
            let until = relative(last.since(self.start));
            notes.push(words.fill("ladder-repeats", &[("count", &count), ("time", &until)]));
        }
        notes
    }

    /// The row in words, for those who hear it and for those who point at it.
    fn told(&self, row: &Row<'_>, label: &str) -> String {
        let name =
            |party: usize| self.flow.parties.get(party).map(Party::label).unwrap_or_default();
        let (frame, after) = self.margin.of(row);
        let mut told = format!("{frame} {after} {} → {}: {label}", name(row.from), name(row.to));
        for note in self.notes(row) {
            let _ = write!(told, " · {note}");
        }
        layout::cut(&told, TOLD_MAX)
    }

    /// `RTP PCMU · 250 packets · 1.2 % lost`.
    fn stream_label(&self, stream: &StreamSummary) -> String {
        let words = self.index.words;
        let kind = if stream.is_encrypted { "SRTP" } else { "RTP" };
        let name = stream.codec.as_ref().map_or(kind.to_owned(), |codec| format!("{kind} {codec}"));
        let packets = words.count(stream.packets);
        let mut parts = vec![name, words.fill("stream-packets", &[("count", &packets)])];
        if stream.lost > 0 {
            let percent = words.decimal(stream.lost_percent, 1);
            parts.push(words.fill("stream-lost", &[("percent", &percent)]));
        }
        parts.join(" · ")
    }
}

/// The head of an arrow that points to `x`.
fn head([x, y]: [f64; 2], way: f64, is_band: bool, out: &mut String) {
    // A band is wider than a line, and so is its head.
    let (long, half) = if is_band { (13.0, 8.0) } else { (9.0, 4.5) };
    let back = number(x - long * way);
    let _ = write!(
        out,
        "<path d=\"M{} {} L{back} {} V{} Z\" class=\"point\"/>",
        number(x - way),
        number(y),
        number(y - half),
        number(y + half)
    );
}

/// What an arrow is: a request, or a response by what it means.
fn class_of(sent: &Sent<'_>) -> &'static str {
    let message = sent.step.message();
    match message.status().map(Status::code) {
        None => "request",
        Some(100..=199) => "provisional",
        Some(200..=299) => "good",
        Some(300..=399 | 401 | 407) => "plain",
        Some(_) => "bad",
    }
}

/// When the last frame of a row was captured, as far as silence goes.
fn last_of(row: &Row<'_>) -> Time {
    match &row.content {
        Content::Message(sent) => sent.last_repeat().unwrap_or(row.time).max(row.time),
        Content::Stream(_) => row.time,
    }
}
