//! One line of a script: how it is said so far, and how that is written.

use std::fmt::Write as _;

use crate::analysis::Step;
use crate::capture::script::{Change, payload_lines};
use crate::report::script::hosts::Hosts;
use crate::time::Span;
use crate::transport::Transport;

/// Before the lines below a message.
const INDENT: &str = "       ";

/// How a line says its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// A request made by its sender.
    Request,
    /// A response made by its sender.
    Response,
    /// What the sender got, handed on.
    Forward { is_picked: bool },
    /// What was sent by the line at that place.
    Again { of: usize, is_picked: bool },
    /// The bytes.
    Raw,
}

/// A message and how it is said.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    pub(super) step: &'a Step,
    /// The call, as a place among those of the script.
    pub(super) call: usize,
    /// The sender and the receiver, as places among the hosts.
    pub(super) ends: [usize; 2],
    /// The method of a request, or the status of a response.
    pub(super) word: String,
    pub(super) action: Action,
    pub(super) options: Options,
    /// What stands below it.
    pub(super) change: Change,
    /// Its body is the description that the change asks for.
    pub(super) is_described: bool,
    /// What it sends.
    pub(super) sent: Vec<u8>,
    pub(super) is_labelled: bool,
}

/// What a line says besides its action.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) uri: Option<String>,
    pub(super) phrase: Option<String>,
    pub(super) tag: Option<String>,
    /// A tag was of no use.
    pub(super) tried_tag: bool,
    pub(super) cseq: Option<u32>,
    /// The method that is answered.
    pub(super) answers: Option<String>,
    pub(super) sipfrag: Option<u16>,
    pub(super) is_new: bool,
    pub(super) is_reliable: bool,
    /// Ports are written even if they are those of the hosts.
    pub(super) has_ports: bool,
    /// The transport is written even if the line would have it.
    pub(super) has_transport: bool,
}

impl Line<'_> {
    /// Everything behind the time, without what stands below.
    pub(super) fn head(&self, hosts: &Hosts) -> String {
        let options = &self.options;
        let end = |place: usize, port: u16| {
            let host = hosts.get(place);
            match options.has_ports || host.port != port {
                true => format!("{}:{port}", host.name),
                false => host.name.clone(),
            }
        };
        let [from, to] = self.ends;
        let (from, to) = (end(from, self.step.source.port), end(to, self.step.destination.port));
        let mut text = format!("{from} > {to} {}", self.action_text());
        if self.is_tcp() && (self.begins() || options.has_transport) {
            text.push_str(" tcp");
        } else if options.has_transport {
            text.push_str(" udp");
        }
        if !matches!(self.action, Action::Request | Action::Response) {
            return text;
        }
        let mut flag = |is_set: bool, word: &str| {
            if is_set {
                text.push(' ');
                text.push_str(word);
            }
        };
        flag(options.is_new, "new");
        flag(options.is_reliable, "reliable");
        if let Some(tag) = &options.tag {
            let _ = write!(text, " tag={tag}");
        }
        if let Some(cseq) = options.cseq {
            let _ = write!(text, " cseq={cseq}");
        }
        if let Some(method) = &options.answers {
            let _ = write!(text, " to={method}");
        }
        if let Some(status) = options.sipfrag {
            let _ = write!(text, " sipfrag={status}");
        }
        text
    }

    fn action_text(&self) -> String {
        let picked = |word: &str, is_picked: bool| match is_picked {
            true => format!("{word} {}", self.word),
            false => word.to_owned(),
        };
        match &self.action {
            Action::Request => match &self.options.uri {
                Some(uri) => format!("{} {uri}", self.word),
                None => self.word.clone(),
            },
            Action::Response => match &self.options.phrase {
                Some(phrase) if is_plain(phrase) => format!("{} {phrase}", self.word),
                Some(phrase) => format!("{} \"{phrase}\"", self.word),
                None => self.word.clone(),
            },
            Action::Forward { is_picked } => picked("forward", *is_picked),
            Action::Again { is_picked, .. } => picked("again", *is_picked),
            Action::Raw => "raw".to_owned(),
        }
    }

    /// Its transport does not follow from an earlier line.
    fn begins(&self) -> bool {
        match self.action {
            Action::Request | Action::Raw => true,
            Action::Forward { .. } => self.is_request(),
            Action::Response | Action::Again { .. } => false,
        }
    }

    pub(super) fn is_request(&self) -> bool {
        !self.word.starts_with(|c: char| c.is_ascii_digit())
    }

    pub(super) fn is_tcp(&self) -> bool {
        self.step.transport != Transport::Udp
    }

    /// Its transport is none that scripts have.
    pub(super) fn is_other_transport(&self) -> bool {
        !matches!(self.step.transport, Transport::Udp | Transport::Tcp)
    }

    /// `@f12`; with several captures `@c1f12`.
    pub(super) fn label(&self) -> String {
        match self.step.frame.capture {
            0 => format!("@f{}", self.step.frame.number),
            capture => format!("@c{capture}f{}", self.step.frame.number),
        }
    }

    /// The line and what stands below it.
    pub(super) fn write(
        &self,
        moment: &str,
        shift: Option<Span>,
        hosts: &Hosts,
        text: &mut String,
    ) {
        let _ = write!(text, "{moment:<6} {}", self.head(hosts));
        let change = &self.change;
        let is_made = matches!(self.action, Action::Request | Action::Response);
        let description = change.description.as_deref().filter(|_| self.is_described);
        let is_short = is_made && description == Some("");
        if is_short {
            text.push_str(" sdp");
        }
        if let Some(shift) = shift {
            let _ = write!(text, " clock={}", seconds(shift));
        }
        if self.step.is_cut {
            let _ = write!(text, " cut={}", self.captured_length());
        }
        if self.is_labelled {
            let _ = write!(text, " {}", self.label());
        }
        text.push('\n');
        if let (Action::Raw, Some(raw)) = (&self.action, &change.raw) {
            indented(&payload_lines(raw), text);
            return;
        }
        for line in &change.lines {
            let _ = writeln!(text, "{INDENT}{line}");
        }
        match (description, &change.body) {
            (Some(_), _) if is_short => {}
            (Some(words), _) => {
                let _ = writeln!(text, "{}", format!("{INDENT}sdp {words}").trim_end());
            }
            (None, Some((kind, body))) => {
                let _ = writeln!(text, "{INDENT}body {kind}");
                indented(&payload_lines(body), text);
            }
            (None, None) => {}
        }
    }

    /// How much of its frame was captured.
    fn captured_length(&self) -> usize {
        let ip = if self.step.source.address.is_ipv4() { 20 } else { 40 };
        let transport = if self.is_tcp() { 20 } else { 8 };
        ip + transport + self.step.bytes.len()
    }
}

fn indented(lines: &str, text: &mut String) {
    for line in lines.lines() {
        let _ = writeln!(text, "{INDENT}{line}");
    }
}

/// A phrase that needs no quotes: no word of it can be an option or a label.
fn is_plain(phrase: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_uppercase())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "-'/().,".contains(c))
    };
    !phrase.is_empty() && phrase.split(' ').all(is_word)
}

/// The time of a line: from the one above, if that is near.
pub(super) fn moment(before: Span, at: Span) -> String {
    let since = at - before;
    match since.nanos() {
        _ if at == Span::ZERO => "0".to_owned(),
        0..1_000_000_000 => {
            let nanos = since.nanos();
            let text = format!("{}.{:06}", nanos / 1_000_000, nanos % 1_000_000);
            format!("+{}ms", text.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => seconds(at),
    }
}

/// `6.02`, `-0.5`.
pub(super) fn seconds(span: Span) -> String {
    let sign = if span.nanos() < 0 { "-" } else { "" };
    let nanos = span.abs().nanos();
    let text = format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
    format!("{sign}{}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_times_as_people_do() {
        let ms = Span::from_millis;
        assert_eq!(moment(Span::ZERO, Span::ZERO), "0");
        assert_eq!(moment(ms(20), ms(40)), "+20ms");
        assert_eq!(moment(ms(20), Span::from_micros(20_400)), "+0.4ms");
        assert_eq!(moment(ms(20), ms(20)), "+0ms");
        assert_eq!(moment(ms(20), ms(6020)), "6.02");
        assert_eq!(seconds(ms(-500)), "-0.5");
    }

    #[test]
    fn quotes_phrases_that_could_be_read_otherwise() {
        assert!(is_plain("Busy Here") && is_plain("Call/Transaction Does Not Exist"));
        for phrase in ["", "new", "a=b", "@x", "\u{e9}"] {
            assert!(!is_plain(phrase), "{phrase}");
        }
    }
}
