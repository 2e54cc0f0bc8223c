//! A message in full, line by line, made safe to show; nothing of it is left out but the end of a
//! large binary body.

use crate::analysis::Step;
use crate::bytes::printable;

/// Bytes of a binary body that are shown.
const BINARY_BYTES_MAX: usize = 512;

/// A line of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::report) enum RawLine {
    /// The request or status line.
    Start(String),
    /// A header: its name, and the rest with the colon.
    Header(String, String),
    /// A line of a session description: its type with the sign behind it, and the rest.
    Sdp(String, String),
    /// Another line, perhaps an empty one.
    Text(String),
    /// A body that is no text: how many bytes it has, and the first of them.
    Binary(usize, Vec<u8>),
}

impl RawLine {
    /// The line as it stands in the message; of a binary body hexadecimal digits.
    pub(in crate::report) fn text(&self) -> String {
        match self {
            Self::Start(text) | Self::Text(text) => text.clone(),
            Self::Header(name, rest) | Self::Sdp(name, rest) => format!("{name}{rest}"),
            Self::Binary(_, bytes) => {
                bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
            }
        }
    }
}

/// The lines of a message.
pub(in crate::report) fn lines(step: &Step) -> Vec<RawLine> {
    let message = step.message();
    let head_bytes = step.bytes.len().saturating_sub(message.bytes_after_headers());
    let (head, body) = step.bytes.split_at_checked(head_bytes).unwrap_or((&step.bytes, &[]));
    let mut lines: Vec<RawLine> = split(head).map(header).collect();
    if let Some(first) = lines.first_mut() {
        *first = RawLine::Start(first.text());
    }
    if body.is_empty() {
        // The empty line that ends the head tells nothing any more.
        lines.pop_if(|line| *line == RawLine::Text(String::new()));
        return lines;
    }
    if !is_text(body) {
        let first = body.get(..BINARY_BYTES_MAX).unwrap_or(body);
        lines.push(RawLine::Binary(body.len(), first.to_vec()));
        return lines;
    }
    let has_sdp = message.sdp().is_some();
    lines.extend(split(body).map(|line| body_line(line, has_sdp)));
    lines
}

/// The lines without their ends; a CR alone is none.
fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    lines.map(|line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    })
}

fn header(line: &[u8]) -> RawLine {
    let is_folded = line.first().is_some_and(u8::is_ascii_whitespace);
    let colon = line.iter().position(|byte| *byte == b':').filter(|_| !is_folded);
    match colon.and_then(|at| line.split_at_checked(at)) {
        Some((name, rest)) => {
            RawLine::Header(printable(name).into_owned(), printable(rest).into_owned())
        }
        None => RawLine::Text(printable(line).into_owned()),
    }
}

fn body_line(line: &[u8], has_sdp: bool) -> RawLine {
    match line.split_at_checked(2) {
        Some((kind @ [b'a'..=b'z', b'='], rest)) if has_sdp => {
            RawLine::Sdp(printable(kind).into_owned(), printable(rest).into_owned())
        }
        _ => RawLine::Text(printable(line).into_owned()),
    }
}

/// Text that a person can read: UTF-8 without control characters.
fn is_text(body: &[u8]) -> bool {
    let is_odd = |c: char| c.is_control() && !"\r\n\t".contains(c);
    str::from_utf8(body).is_ok_and(|text| !text.chars().any(is_odd))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::FrameId;
    use crate::packet::Endpoint;
    use crate::time::Time;
    use crate::transport::Transport;

    fn step(bytes: &[u8]) -> Step {
        let end = Endpoint { address: [192, 0, 2, 1].into(), port: 5060 };
        Step {
            frame: FrameId { capture: 0, number: 1 },
            time: Time::default(),
            source: end,
            destination: end,
            transport: Transport::Udp,
            transaction: None,
            is_retransmission: false,
            is_cut: false,
            bytes: bytes.into(),
        }
    }

    fn texts(bytes: &[u8]) -> Vec<String> {
        lines(&step(bytes)).iter().map(RawLine::text).collect()
    }

    #[test]
    fn every_line_is_there() {
        let message =
            b"INVITE sip:b@h SIP/2.0\r\nVia: a,\r\n b\r\nContent-Type: application/sdp\r\n\
            Content-Length: 12\r\n\r\nv=0\r\nm=audio";
        let lines = lines(&step(message));
        let expected = [
            RawLine::Start("INVITE sip:b@h SIP/2.0".to_owned()),
            RawLine::Header("Via".to_owned(), ": a,".to_owned()),
            RawLine::Text(" b".to_owned()),
            RawLine::Header("Content-Type".to_owned(), ": application/sdp".to_owned()),
            RawLine::Header("Content-Length".to_owned(), ": 12".to_owned()),
            RawLine::Text(String::new()),
            RawLine::Sdp("v=".to_owned(), "0".to_owned()),
            RawLine::Sdp("m=".to_owned(), "audio".to_owned()),
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn without_a_body_the_head_ends_at_its_last_header() {
        assert_eq!(texts(b"ACK sip:b@h SIP/2.0\r\nl: 0\r\n\r\n"), ["ACK sip:b@h SIP/2.0", "l: 0"]);
        assert_eq!(texts(b""), Vec::<String>::new());
    }

    #[test]
    fn nothing_harmful_is_shown() {
        let text = texts(b"SIP/2.0 200 \x1b[2J\r\nX\x07: \xe2\x80\xae\r\n\r\nhi \xc2\x9b").concat();
        assert!(text.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{text:?}");
    }

    #[test]
    fn a_binary_body_is_counted_and_its_beginning_shown() {
        let mut message = b"MESSAGE sip:b@h SIP/2.0\r\n\r\n".to_vec();
        message.extend([0_u8, 1, 255].repeat(300));
        let lines = lines(&step(&message));
        let Some(RawLine::Binary(900, first)) = lines.last() else { panic!("{lines:?}") };
        assert_eq!((first.len(), first.get(..4)), (512, Some(&[0, 1, 255, 0][..])));
    }
}
