//! Messages in full: with their header names, one alone or all of a call one below the other.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;

use crate::analysis::{Step, StreamSummary};
use crate::bytes::printable;
use crate::catalogue::Labels;
use crate::report::layout;
use crate::report::style::Role;
use crate::sip::Class;
use crate::time::Span;
use crate::tui::canvas::{Canvas, FAINT, HEADING, Line, Look, NAME, PLAIN, piece};
use crate::tui::clock;
use crate::tui::input::{Edit, Input};
use crate::tui::pager::Pager;
use crate::tui::store::Store;

/// Messages that are shown one below the other.
const RAW_MAX: usize = 2000;

/// What a page of text asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Nothing,
    /// The message before or after in the ladder.
    Turn(bool),
    /// The key is not for the page.
    Other,
}

/// A page of text that can be searched.
#[derive(Debug)]
pub(crate) struct TextPage {
    title: String,
    pager: Pager,
    input: Option<Input>,
    searched: String,
    /// Nothing was found.
    is_missed: bool,
    /// The message, for going to the ones beside it.
    pub(crate) of: Option<(usize, usize)>,
}

impl TextPage {
    fn new(title: String, lines: Vec<Line>) -> Self {
        let pager = Pager::new(lines);
        Self { title, pager, input: None, searched: String::new(), is_missed: false, of: None }
    }

    /// One message.
    pub(crate) fn message(store: &Store, call: usize, step: usize) -> Self {
        let known = store.calls.get(call).and_then(|own| own.transcript.get(step));
        let title = known.map(|step| heading(store, step)).unwrap_or_default();
        let lines = known.map(|step| lines(&step.bytes)).unwrap_or_default();
        Self { of: Some((call, step)), ..Self::new(title, lines) }
    }

    /// These messages one below the other.
    pub(crate) fn raw(store: &Store, steps: &[(usize, usize)], title: String) -> Self {
        let mut all = Vec::new();
        for (call, step) in steps.iter().take(RAW_MAX) {
            let known = store.calls.get(*call).and_then(|own| own.transcript.get(*step));
            let Some(known) = known else { continue };
            all.push(vec![piece(Look::Role(Role::Changed), heading(store, known))]);
            all.extend(lines(&known.bytes));
            all.push(Line::new());
        }
        if steps.len() > RAW_MAX {
            all.push(vec![piece(FAINT, "…")]);
        }
        Self::new(title, all)
    }

    pub(crate) fn is_writing(&self) -> bool {
        self.input.is_some()
    }

    /// What is searched for stays from one message to the next.
    pub(crate) fn with_search_of(mut self, other: &Self) -> Self {
        self.searched.clone_from(&other.searched);
        self.pager.search(&self.searched);
        self
    }

    pub(crate) fn key(&mut self, key: KeyEvent) -> Asked {
        if let Some(input) = &mut self.input {
            let edit = input.key(key);
            self.searched.clone_from(&input.text);
            self.pager.search(&self.searched);
            let is_found = !self.pager.is_searching() || self.pager.find(true, true);
            self.is_missed = !is_found;
            if matches!(edit, Edit::Done | Edit::Cancelled) {
                self.input = None;
            }
            return Asked::Nothing;
        }
        if self.pager.scroll.go(key.code) {
            return Asked::Nothing;
        }
        match key.code {
            KeyCode::Char('/') | KeyCode::F(3) => self.input = Some(Input::of("")),
            KeyCode::Char('n') if self.pager.is_searching() => {
                self.pager.find(true, false);
            }
            KeyCode::Char('N') if self.pager.is_searching() => {
                self.pager.find(false, false);
            }
            KeyCode::Left | KeyCode::Char('p') => return Asked::Turn(false),
            KeyCode::Right | KeyCode::Char('n') => return Asked::Turn(true),
            _ => return Asked::Other,
        }
        Asked::Nothing
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, words: Labels) {
        let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        self.pager.draw(canvas, below);
        let mut title = vec![piece(HEADING, self.title.clone())];
        if let Some(input) = &self.input {
            let look = if self.is_missed { Look::Wrong } else { PLAIN };
            title.push(piece(NAME, format!("  {} ", words.get("browse-search"))));
            title.push(piece(look, input.text.clone()));
            title.push(piece(Look::Hit, " "));
        } else if self.pager.is_searching() {
            let look = if self.is_missed { Look::Wrong } else { NAME };
            title.push(piece(look, format!("  /{}", self.searched)));
        }
        canvas.line(area, 0, &title);
        let percent = format!(" {} % ", self.pager.percent(below.height));
        let at = usize::from(area.width).saturating_sub(layout::width(&percent));
        canvas.pieces(area, 0, u16::try_from(at).unwrap_or(u16::MAX), &[piece(FAINT, percent)]);
    }
}

/// `#5 06:03:03.224 203.0.113.5:5060 → 198.51.100.20:5060 UDP`.
pub(crate) fn heading(store: &Store, step: &Step) -> String {
    let (from, to) = (store.endpoint(step.source), store.endpoint(step.destination));
    let time = clock::clock(step.time);
    format!("{} {time} {from} → {to} {}", store.frame(step.frame), step.transport.name())
}

/// A message as text to scroll.
pub(crate) fn pager(store: &Store, call: usize, step: usize) -> Pager {
    let known = store.calls.get(call).and_then(|own| own.transcript.get(step));
    Pager::new(known.map(|step| lines(&step.bytes)).unwrap_or_default())
}

/// The lines of a message, header names in a colour of their own; binary bodies as escapes.
pub(crate) fn lines(bytes: &[u8]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut is_body = false;
    for own in bytes.split(|byte| *byte == b'\n') {
        let own = own.strip_suffix(b"\r").unwrap_or(own);
        let text = printable(own).into_owned();
        if lines.is_empty() {
            lines.push(vec![piece(start_look(bytes), text)]);
        } else if is_body {
            lines.push(body_line(text));
        } else if own.is_empty() {
            is_body = true;
            lines.push(Line::new());
        } else {
            lines.push(match text.split_once(':') {
                Some((name, value)) if !name.starts_with(char::is_whitespace) => {
                    vec![piece(NAME, name), piece(PLAIN, format!(":{value}"))]
                }
                _ => vec![piece(PLAIN, text)],
            });
        }
    }
    while lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    lines
}

fn start_look(bytes: &[u8]) -> Look {
    match crate::sip::Message::lex(bytes).0.status().map(crate::sip::Status::class) {
        None => Look::Request,
        Some(Class::Provisional) => Look::Provisional,
        Some(Class::Success) => Look::Success,
        Some(_) => Look::Failure,
    }
}

/// `m=audio …` and its like stand out.
fn body_line(text: String) -> Line {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some('m'), Some('=')) => vec![piece(HEADING, text)],
        _ if text.is_empty() => Line::new(),
        _ => vec![piece(PLAIN, text)],
    }
}

/// What is known of a stream, for the place beside the ladder.
pub(crate) fn stream_pager(store: &Store, call: usize, stream: usize, words: Labels) -> Pager {
    let known = store.calls.get(call).and_then(|own| own.streams.get(stream));
    Pager::new(known.map(|stream| stream_lines(stream, words)).unwrap_or_default())
}

/// The figures of a stream, each behind its name.
pub(crate) fn stream_lines(stream: &StreamSummary, words: Labels) -> Vec<Line> {
    let span = |span: Option<Span>| span.map_or("-".to_owned(), |span| words.duration(span));
    let types = stream.payload_types.iter().take(8);
    let types = types.map(|(own, packets)| format!("{own} ({})", words.count(*packets)));
    let codec = stream.codec.clone().unwrap_or_default();
    let clock_rate = stream.clock.map_or(String::new(), |clock| format!("/{clock}"));
    let ran = [clock::clock(stream.first.time), clock::clock(stream.last.time)];
    let lost = format!("{} ({} %)", words.count(stream.lost), percent(stream, words));
    let [packets, expected] = [stream.packets, stream.expected].map(|count| words.count(count));
    let again = [stream.duplicates, stream.reordered].map(|count| words.count(count));
    let mut facts = vec![
        ("SSRC", format!("0x{:08x}", stream.ssrc)),
        (words.get("browse-codec"), format!("{codec}{clock_rate}")),
        (words.get("browse-payloads"), types.collect::<Vec<_>>().join(" ")),
        (words.get("time"), ran.join(" - ")),
        (words.get("browse-packets"), format!("{packets} / {expected}")),
        (words.get("browse-loss"), lost),
        (words.get("browse-again"), again.join(" / ")),
        (
            words.get("browse-jitter"),
            format!("{} / {}", span(stream.jitter), span(stream.jitter_max)),
        ),
        (words.get("browse-gap"), span(stream.gap_max)),
        ("ptime", span(stream.packet_time)),
    ];
    if let Some(estimate) = stream.estimate {
        let [mos, rating] = [(estimate.mos, 2), (estimate.rating, 1)]
            .map(|(value, decimals)| words.decimal(value, decimals));
        facts.push(("MOS", format!("{mos} (R {rating}, G.107)")));
    }
    if let Some(rtcp) = &stream.rtcp {
        let sent = rtcp.sent.map_or("-".to_owned(), |sent| words.count(sent.into()));
        let lost = rtcp.lost.map_or("-".to_owned(), |lost| lost.to_string());
        let values = [
            ("sent", &*sent),
            ("lost", &lost),
            ("jitter", &span(rtcp.jitter)),
            ("trip", &span(rtcp.round_trip)),
        ];
        facts.push(("RTCP", words.fill("browse-rtcp", &values)));
    }
    let digits: String = stream.digits.iter().filter_map(|digit| digit.key).take(64).collect();
    if !digits.is_empty() {
        facts.push(("DTMF", digits));
    }
    let widest = facts.iter().map(|(name, _)| layout::width(name)).max().unwrap_or_default();
    let kind = if stream.is_encrypted { "SRTP" } else { "RTP" };
    let title = format!("{kind} {} → {}", stream.source, stream.destination);
    let mut lines = vec![vec![piece(HEADING, title)]];
    for (name, value) in facts {
        let name = layout::pad(name, widest);
        lines.push(vec![piece(NAME, format!("{name}  ")), piece(PLAIN, value)]);
    }
    lines
}

fn percent(stream: &StreamSummary, words: Labels) -> String {
    words.decimal(stream.lost_percent, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_names_are_told_from_values_and_bodies() {
        let lines =
            lines(b"INVITE sip:b SIP/2.0\r\nVia: x\r\n y\r\n\r\nv=0\r\nm=audio 1 RTP/AVP 0\r\n");
        let looks: Vec<Vec<Look>> =
            lines.iter().map(|line| line.iter().map(|piece| piece.look).collect()).collect();
        assert_eq!(
            looks,
            [
                vec![Look::Request],
                vec![NAME, PLAIN],
                vec![PLAIN],
                vec![],
                vec![PLAIN],
                vec![HEADING]
            ]
        );
    }

    #[test]
    fn hostile_bytes_are_escapes() {
        let lines = lines(b"INVITE sip:\x1b[2J SIP/2.0\r\nVia: \xff\x00\r\n");
        let text: String = lines.concat().iter().map(|piece| piece.text.clone()).collect();
        assert!(!text.contains(|c: char| c.is_control()), "{text:?}");
    }
}
