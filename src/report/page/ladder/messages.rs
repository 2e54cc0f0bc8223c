//! The raw messages below a ladder: line by line, safe to show, names of headers marked, each in a
//! box of its own that opens without a script.

use std::fmt::Write;

use crate::analysis::Step;
use crate::analysis::flow::{Content, Flow, Party, Sent};
use crate::bytes::printable;
use crate::report::html::escaped;
use crate::report::index::{Index, name_of};
use crate::report::layout;
use crate::report::page::ladder::kept::Kept;
use crate::report::text::clock::{Clock, relative};
use crate::time::Time;

/// Bytes shown of one message: an INVITE with a large SDP and many Via has four thousand.
const MESSAGE_BYTES_MAX: usize = 8 << 10;

/// Bytes shown of all messages of a ladder.
const LADDER_BYTES_MAX: usize = 96 << 10;

/// Columns of the first line in the title of a message.
const LABEL_MAX: usize = 120;

/// Bytes shown of one line: a header that is longer is an attack or a certificate.
const LINE_BYTES_MAX: usize = 1 << 10;

/// The messages of one ladder.
pub(super) struct Messages<'m, 'a> {
    pub(super) id: &'m str,
    pub(super) index: &'m Index<'a>,
    pub(super) start: Time,
}

impl Messages<'_, '_> {
    /// Writes those that are shown as arrows.
    pub(super) fn write(&self, flow: &Flow<'_>, kept: &Kept, out: &mut String) {
        let words = self.index.words;
        let summary = escaped(words.get("page-ladder-messages"));
        let _ = writeln!(out, "<details class=\"ladder-messages\"><summary>{summary}</summary>");
        let mut room = LADDER_BYTES_MAX;
        for (place, row) in kept.rows(flow) {
            let Content::Message(sent) = &row.content else { continue };
            let is_evidence = !row.evidence_of.is_empty();
            let ends = [row.from, row.to]
                .map(|party| flow.parties.get(party).map(Party::label).unwrap_or_default());
            self.write_message(place, sent, &ends, is_evidence, &mut room, out);
        }
        out.push_str("</details>\n");
    }

    fn write_message(
        &self,
        place: usize,
        sent: &Sent<'_>,
        [from, to]: &[String; 2],
        is_evidence: bool,
        room: &mut usize,
        out: &mut String,
    ) {
        let (step, words, id) = (sent.step, self.index.words, self.id);
        let frame = name_of(step.frame, self.index.analysis);
        let after = relative(step.time.since(self.start));
        let label = layout::cut(&sent.label, LABEL_MAX);
        let title = format!("{frame}  {after}  {from} → {to}  {label}");
        let class = if is_evidence { " class=\"is-evidence\"" } else { "" };
        let _ = write!(
            out,
            "<details{class}><summary>{}</summary>\n<div id=\"{id}-m{place}\">\
             <p class=\"ladder-way\">{} → {} {} · {} UTC</p>\n<pre>",
            escaped(&title),
            escaped(&step.source.to_string()),
            escaped(&step.destination.to_string()),
            step.transport,
            Clock::full(step.time),
        );
        let shown = step.bytes.len().min(MESSAGE_BYTES_MAX).min(*room);
        *room -= shown;
        write_raw(step.bytes.get(..shown).unwrap_or_default(), out);
        out.push_str("</pre>\n");
        let missing = step.bytes.len() - shown;
        if missing > 0 {
            let count = words.count(missing as u64);
            let note = words.fill("page-ladder-cut", &[("count", &count)]);
            let _ = writeln!(out, "<p class=\"ladder-note\">{}</p>", escaped(&note));
        }
        if step.is_cut {
            let note = escaped(words.get("page-ladder-incomplete"));
            let _ = writeln!(out, "<p class=\"ladder-note\">{note}</p>");
        }
        self.write_repeats(&sent.repeats, out);
        out.push_str("</div></details>\n");
    }

    fn write_repeats(&self, repeats: &[&Step], out: &mut String) {
        if repeats.is_empty() {
            return;
        }
        let words = self.index.words;
        let frames: Vec<_> = repeats.iter().map(|step| step.frame).collect();
        let frames = self.index.frames(&frames);
        let note = words.fill("page-ladder-again", &[("frames", &frames)]);
        let _ = writeln!(out, "<p class=\"ladder-note\">{}</p>", escaped(&note));
    }
}

/// The bytes line by line; what stands before the colon of a header is marked.
fn write_raw(bytes: &[u8], out: &mut String) {
    let mut in_head = true;
    for (line, at) in bytes.split(|byte| *byte == b'\n').zip(0..) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if at > 0 {
            out.push('\n');
        }
        in_head &= !line.is_empty();
        let (line, dots) = match line.get(..LINE_BYTES_MAX) {
            Some(cut) if line.len() > LINE_BYTES_MAX => (cut, "…"),
            _ => (line, ""),
        };
        let name = line.iter().position(|byte| *byte == b':').filter(|_| in_head && at > 0);
        match name.and_then(|end| line.split_at_checked(end)) {
            Some((name, value)) => {
                let (name, value) = (escaped(&printable(name)), escaped(&printable(value)));
                let _ = write!(out, "<b>{name}</b>{value}{dots}");
            }
            None if at == 0 => {
                let _ = write!(out, "<strong>{}</strong>{dots}", escaped(&printable(line)));
            }
            None => {
                let _ = write!(out, "{}{dots}", escaped(&printable(line)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_bytes_are_safe_and_names_are_marked() {
        let mut out = String::new();
        let bytes = b"INVITE sip:<b> SIP/2.0\r\nVia: a\r\nX\x1b: \xe2\x80\xae&\r\n\r\nv=0\r\na:b";
        write_raw(bytes, &mut out);
        let expected = "<strong>INVITE sip:&lt;b&gt; SIP/2.0</strong>\n<b>Via</b>: a\n\
            <b>X\\u{1b}</b>: \\u{202e}&amp;\n\nv=0\na:b";
        assert_eq!(out, expected);
    }

    #[test]
    fn a_long_line_is_cut() {
        let mut out = String::new();
        write_raw(&[b'a'; 5000], &mut out);
        assert!(out.len() < 1200);
        assert!(out.contains('…'));
    }
}
