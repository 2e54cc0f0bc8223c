//! The messages of a call around the evidence of a finding.

use crate::bytes::{printable, printable_str};
use crate::capture::FrameId;
use crate::finding::LadderLine;
use crate::signaling::{Call, Message};
use crate::sip::{Method, Status};

/// Lines that a ladder has at the most.
const LINES_MAX: usize = 32;

/// Characters of a request URI that a ladder shows.
const URI_CHARS: usize = 60;

/// The ladder of a call with the evidence marked and repeats folded, and how many lines were left
/// out.
pub(crate) fn ladder(call: &Call<'_>, evidence: &[FrameId]) -> (Vec<LadderLine>, usize) {
    let mut lines: Vec<LadderLine> = Vec::new();
    for message in call.messages {
        let line = line(message, evidence);
        let known = lines.iter_mut().rev().take(LINES_MAX).find(|known| {
            known.source == line.source
                && known.destination == line.destination
                && known.label == line.label
                && is_repeat(call, message, known.frame)
        });
        match known {
            Some(known) => {
                known.repeats += 1;
                known.last_repeat = Some(line.time);
                known.is_evidence |= line.is_evidence;
            }
            None => lines.push(line),
        }
    }
    let all = lines.len();
    if all > LINES_MAX {
        thin_out(&mut lines);
    }
    let omitted = all - lines.len();
    (lines, omitted)
}

/// Keeps the evidence and, as far as there is room, the lines next to it.
fn thin_out(lines: &mut Vec<LadderLine>) {
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

/// The message repeats the one in the other frame: same kind of message on the same branch.
fn is_repeat(call: &Call<'_>, message: &Message<'_>, earlier: FrameId) -> bool {
    call.messages.iter().find(|known| known.frame == earlier).is_some_and(|known| {
        known.branch() == message.branch()
            && known.cseq().map(|cseq| cseq.number) == message.cseq().map(|cseq| cseq.number)
            && known.status() == message.status()
            && known.to_tag() == message.to_tag()
            && known.method() == message.method()
    })
}

fn line(message: &Message<'_>, evidence: &[FrameId]) -> LadderLine {
    LadderLine {
        frame: message.frame,
        time: message.time,
        source: message.source,
        destination: message.destination,
        transport: message.transport,
        label: label(message),
        has_sdp: message.sdp().is_some(),
        is_evidence: evidence.contains(&message.frame),
        repeats: 0,
        last_repeat: None,
    }
}

/// `INVITE sip:bob@example.com`, `183 Session Progress`, `NOTIFY … (sipfrag 503)`; safe to show.
fn label(message: &Message<'_>) -> String {
    if let Some(status) = message.status() {
        let phrase = message.reason_phrase().unwrap_or_default();
        let phrase = printable_str(&phrase);
        let answered = message.method();
        // What it answers, unless that goes without saying: a 200 to a BYE is no 200 to the INVITE.
        return match answered == Method::Invite || status == Status::TRYING {
            true => format!("{status} {phrase}").trim_end().to_owned(),
            false => format!("{status} {phrase} ({})", printable(answered.as_bytes())),
        };
    }
    let method = message.method();
    let method = printable(method.as_bytes());
    let uri = printable(message.request_uri().map(|uri| uri.as_bytes()).unwrap_or_default());
    let uri = match uri.char_indices().nth(URI_CHARS) {
        Some((end, _)) => format!("{}…", uri.get(..end).unwrap_or_default()),
        None => uri.into_owned(),
    };
    match message.sipfrag_status() {
        Some(status) => format!("{method} {uri} (sipfrag {status})"),
        None => format!("{method} {uri}"),
    }
}
