//! The messages of a call around the evidence of a finding.

use crate::bytes::{printable, printable_str};
use crate::capture::FrameId;
use crate::finding::LadderLine;
use crate::signaling::{Call, Message};
use crate::sip::{self, ContentType, Method, Start, Status};
use crate::time::Time;

/// Lines that a ladder has at the most.
const LINES_MAX: usize = 32;

/// Characters of a request URI that a ladder shows.
const URI_CHARS: usize = 60;

/// A line that is not written yet; most of a long call are left out.
struct Row<'m, 'c> {
    message: &'m Message<'c>,
    /// The first message of the same frame.
    first: &'m Message<'c>,
    is_evidence: bool,
    repeats: usize,
    last_repeat: Option<Time>,
}

/// The ladder of a call with the evidence marked and repeats folded, and how many lines were left
/// out.
pub(crate) fn ladder(call: &Call<'_>, evidence: &[FrameId]) -> (Vec<LadderLine>, usize) {
    let mut rows: Vec<Row<'_, '_>> = Vec::with_capacity(call.messages.len().min(LINES_MAX));
    let mut first: Option<&Message<'_>> = None;
    for message in call.messages {
        let first = *first.insert(match first {
            Some(first) if first.frame == message.frame => first,
            _ => message,
        });
        let is_evidence = evidence.contains(&message.frame);
        let known = rows.iter_mut().rev().take(LINES_MAX).find(|row| row.is_repeated_by(message));
        match known {
            Some(known) => {
                known.repeats += 1;
                known.last_repeat = Some(message.time);
                known.is_evidence |= is_evidence;
            }
            None => rows.push(Row { message, first, is_evidence, repeats: 0, last_repeat: None }),
        }
    }
    let all = rows.len();
    if all > LINES_MAX {
        thin_out(&mut rows);
    }
    let omitted = all - rows.len();
    (rows.iter().map(Row::line).collect(), omitted)
}

impl Row<'_, '_> {
    /// The message says the same on the same way, and belongs to the same branch.
    fn is_repeated_by(&self, message: &Message<'_>) -> bool {
        self.message.source == message.source
            && self.message.destination == message.destination
            && is_repeat(message, self.first)
            && (self.message.bytes() == message.bytes() || label(self.message) == label(message))
    }

    fn line(&self) -> LadderLine {
        let message = self.message;
        LadderLine {
            frame: message.frame,
            time: message.time,
            source: message.source,
            destination: message.destination,
            transport: message.transport,
            label: label(message),
            has_sdp: message.sdp().is_some(),
            is_evidence: self.is_evidence,
            repeats: self.repeats,
            last_repeat: self.last_repeat,
        }
    }
}

/// Keeps the evidence and, as far as there is room, the lines next to it.
fn thin_out(lines: &mut Vec<Row<'_, '_>>) {
    let mut keep = vec![false; lines.len()];
    let mut room = LINES_MAX;
    for distance in 0..lines.len() {
        for (index, line) in lines.iter().enumerate() {
            if !line.is_evidence {
                continue;
            }
            for near in [index.checked_sub(distance), index.checked_add(distance)] {
                let Some(kept) = near.and_then(|near| keep.get_mut(near)) else { continue };
                if room > 0 && !*kept {
                    *kept = true;
                    room -= 1;
                }
            }
        }
        if room == 0 {
            break;
        }
    }
    let mut kept = keep.into_iter();
    lines.retain(|_| kept.next().unwrap_or(false));
}

/// The message repeats the other one: same kind of message on the same branch.
fn is_repeat(message: &Message<'_>, known: &Message<'_>) -> bool {
    known.status() == message.status()
        && known.cseq().map(|cseq| cseq.number) == message.cseq().map(|cseq| cseq.number)
        && known.method() == message.method()
        && known.branch() == message.branch()
        && known.to_tag() == message.to_tag()
}

/// `INVITE sip:bob@example.com`, `183 Session Progress`, `NOTIFY … (sipfrag 503)`; safe to show.
pub(super) fn label(message: &sip::Message<'_>) -> String {
    let method = printable(message.method().as_bytes());
    if let Some(status) = message.status() {
        let phrase = message.reason_phrase().unwrap_or_default();
        let mut label = status.to_string();
        for part in [" ", &printable_str(&phrase)] {
            label.push_str(part);
        }
        // What it answers, unless that goes without saying: a 200 to a BYE is no 200 to the INVITE.
        match message.method() == Method::Invite || status == Status::TRYING {
            true => label.truncate(label.trim_end().len()),
            false => [" (", &method, ")"].into_iter().for_each(|part| label.push_str(part)),
        }
        return label;
    }
    let uri = printable(request_uri(message));
    let (uri, dots) = match uri.char_indices().nth(URI_CHARS) {
        Some((end, _)) => (uri.get(..end).unwrap_or_default(), "…"),
        None => (&*uri, ""),
    };
    let label = [&*method, " ", uri, dots].concat();
    match sipfrag_status(message) {
        Some(status) => format!("{label} (sipfrag {status})"),
        None => label,
    }
}

/// The Request-URI as it was sent, without white space around it.
fn request_uri<'c>(message: &sip::Message<'c>) -> &'c [u8] {
    match message.start() {
        Start::Request { uri, .. } => {
            let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
            let end = uri.iter().rposition(is_text).map_or(0, |last| last + 1);
            let start = uri.iter().position(is_text).unwrap_or(end);
            uri.get(start..end).unwrap_or_default()
        }
        Start::Response { .. } | Start::Invalid(_) => b"",
    }
}

/// What a NOTIFY reports; nearly all messages have another body or none.
fn sipfrag_status(message: &sip::Message<'_>) -> Option<Status> {
    if message.bytes_after_headers() == 0 {
        return None;
    }
    let is_other = |own: &ContentType<'_>| !own.is_multipart() && !own.is("message", "sipfrag");
    match message.content_type().is_some_and(|own| is_other(&own)) {
        true => None,
        false => message.sipfrag_status(),
    }
}
