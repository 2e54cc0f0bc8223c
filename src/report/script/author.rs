//! Rehearses the lines: how each is said in the shortest way, and what stands below it.

use std::net::IpAddr;

use crate::capture::script::{Author, Change, Offered};
use crate::report::script::compare::{self, Branches, Reading};
use crate::report::script::hosts::Hosts;
use crate::report::script::line::{Action, Line};
use crate::report::script::plan;

/// Ways to say one line that are tried before it is written out.
const TRIES_MAX: usize = 12;

/// From this size on a UDP message is too large for many networks, and rules say so.
const LARGE_BYTES: usize = 1300;

/// Of a message that was cut, as much is made up at most, so that it is one that was cut.
const MISSING_BYTES_MAX: usize = 16 << 10;

/// The lines while they are rehearsed.
pub(super) struct Draft<'d, 'a> {
    lines: &'d mut [Line<'a>],
    hosts: &'d Hosts,
    branches: Branches,
    /// How often the line in hand was said otherwise.
    tries: (usize, usize),
    is_revised: bool,
}

impl<'d, 'a> Draft<'d, 'a> {
    pub(super) fn new(lines: &'d mut [Line<'a>], hosts: &'d Hosts) -> Self {
        let branches = Branches::default();
        Self { lines, hosts, branches, tries: (0, 0), is_revised: false }
    }

    /// A line is said otherwise than the rehearsed script had it.
    pub(super) fn is_revised(&self) -> bool {
        self.is_revised
    }

    /// Says a line otherwise, and gives it to the reader by itself.
    fn revise(&mut self, index: usize, revise: impl FnOnce(&mut Line<'a>)) -> Change {
        self.is_revised = true;
        self.tries = match self.tries {
            (line, tries) if line == index => (line, tries + 1),
            _ => (index, 1),
        };
        let is_hopeless = self.tries.1 > TRIES_MAX;
        let Some(line) = self.lines.get_mut(index) else { return Change::default() };
        revise(line);
        if is_hopeless {
            line.action = Action::Raw;
        }
        let call = self.hosts.call_line(line.call, true);
        let text = format!("{}{call}\n0 {}\n", self.hosts.text(), line.head(self.hosts));
        Change { instead: Some(text), ..Change::default() }
    }

    /// The bytes of a message as the script has to have them.
    fn raw(&mut self, index: usize) -> Change {
        let Some(line) = self.lines.get(index) else { return Change::default() };
        let mut bytes = self.branches.renamed_message(&line.step.bytes);
        if line.step.is_cut {
            let message = line.step.message();
            let counted = message.content_length().and_then(Result::ok).unwrap_or(0);
            let counted = usize::try_from(counted).unwrap_or(usize::MAX);
            let missing = counted.saturating_sub(message.bytes_after_headers());
            let length = bytes.len() + missing.clamp(1, MISSING_BYTES_MAX);
            bytes.resize(length, b'.');
        }
        Change { raw: Some(bytes), ..Change::default() }
    }

    /// What has to be said on the line before what it sends can be compared.
    fn on_the_line(
        &mut self,
        index: usize,
        made: &Reading<'_>,
        wanted: &Reading<'_>,
    ) -> Option<Change> {
        let line = self.lines.get(index)?;
        let (action, options) = (line.action.clone(), line.options.clone());
        let (own, offered) = (wanted.cseq(), made.cseq());
        let is_odd = made.is_request != wanted.is_request || own.is_none();
        if is_odd {
            return Some(self.revise(index, |line| line.action = Action::Raw));
        }
        match action {
            Action::Forward { is_picked } => {
                let follows = own == offered && self.is_after(made, wanted);
                let is_same = made.subject == wanted.subject || wanted.is_request;
                (!follows || (!is_same && !wanted.is_request)).then(|| {
                    self.revise(index, |line| {
                        line.action = match is_picked {
                            false => Action::Forward { is_picked: true },
                            true => plan::own(&line.step.message()),
                        }
                    })
                })
            }
            Action::Request => self.request(index, made, wanted),
            Action::Response => {
                let top =
                    |reading: &Reading<'_>| reading.branches().first().map(|s| (*s).to_owned());
                let (branch, offered_branch) = (top(wanted)?, top(made)?);
                if own != offered || !self.branches.fits(&branch, &offered_branch) {
                    let (number, method) = own?;
                    return Some(self.revise(index, |line| {
                        if line.options.answers.is_some() {
                            line.action = Action::Raw;
                        }
                        line.options.cseq = Some(number);
                        line.options.answers = Some(method.to_owned());
                    }));
                }
                if made.subject != wanted.subject {
                    let phrase = wanted.subject;
                    let cannot = options.phrase.is_some() || phrase.contains('"');
                    return Some(self.revise(index, |line| match cannot {
                        true => line.action = Action::Raw,
                        false => line.options.phrase = Some(phrase.to_owned()),
                    }));
                }
                let is_reliable = !wanted.one("RSeq").is_empty() && made.one("RSeq").is_empty();
                if is_reliable && wanted.one("Require") == "100rel" && !options.is_reliable {
                    return Some(self.revise(index, |line| line.options.is_reliable = true));
                }
                self.tag(index, made, wanted)
            }
            Action::Again { .. } | Action::Raw => None,
        }
    }

    /// A message that is handed on has the Vias of the one that came.
    fn is_after(&self, made: &Reading<'_>, wanted: &Reading<'_>) -> bool {
        let skipped = usize::from(wanted.is_request);
        let (own, offered) = (wanted.branches(), made.branches());
        own.len() == offered.len()
            && own
                .iter()
                .zip(&offered)
                .skip(skipped)
                .all(|(own, made)| self.branches.fits(own, made))
    }

    fn request(
        &mut self,
        index: usize,
        made: &Reading<'_>,
        wanted: &Reading<'_>,
    ) -> Option<Change> {
        let options = self.lines.get(index)?.options.clone();
        if made.subject != wanted.subject {
            let uri = wanted.subject;
            let schemes = ["sip:", "sips:", "tel:", "urn:"];
            let is_uri = schemes.iter().any(|scheme| uri.starts_with(scheme));
            let is_word = !uri.contains([' ', '"', '#']);
            let is_sayable = is_uri && is_word && options.uri.is_none();
            return Some(self.revise(index, |line| match is_sayable {
                true => line.options.uri = Some(uri.to_owned()),
                false => line.action = Action::Raw,
            }));
        }
        let (number, method) = wanted.cseq()?;
        if made.cseq()?.0 != number && options.cseq.is_none() && method != "CANCEL" {
            return Some(self.revise(index, |line| line.options.cseq = Some(number)));
        }
        let (tag, offered) = (wanted.address("To").1, made.address("To").1);
        let is_outside = tag.is_none() && offered.is_some();
        if is_outside && !options.is_new && !matches!(method, "ACK" | "CANCEL") {
            return Some(self.revise(index, |line| line.options.is_new = true));
        }
        self.tag(index, made, wanted)
    }

    /// The tag that the line has to name: of a response the To-tag, of a request that of the
    /// dialog, outside of one the From-tag.
    fn tag(&mut self, index: usize, made: &Reading<'_>, wanted: &Reading<'_>) -> Option<Change> {
        let options = &self.lines.get(index)?.options;
        let is_inside = wanted.address("To").1.is_some();
        let side = if wanted.is_request && !is_inside { "From" } else { "To" };
        let ((own, tag), (offered, offered_tag)) = (wanted.address(side), made.address(side));
        if tag == offered_tag {
            return None;
        }
        if options.tag.is_some() {
            // It names no dialog that the script knows.
            return Some(self.revise(index, |line| {
                line.options.tag = None;
                line.options.tried_tag = true;
            }));
        }
        let tag = tag.filter(|tag| is_tag(tag) && own == offered && !options.tried_tag)?.to_owned();
        Some(self.revise(index, |line| line.options.tag = Some(tag)))
    }

    /// What stands below the line.
    fn below(&mut self, index: usize, made: &Reading<'_>, wanted: &Reading<'_>) -> Change {
        let Some(line) = self.lines.get(index) else { return Change::default() };
        let host = self.hosts.get(line.ends[0]);
        let kind = wanted.one("Content-Type");
        let is_same = made.body == wanted.body;
        let kind = match kind {
            "" => "text/plain",
            kind if kind.contains([' ', '"', '#']) => "application/octet-stream",
            kind => kind,
        };
        let body = (!is_same).then(|| (kind.to_owned(), wanted.body.to_vec()));
        let description = body
            .as_ref()
            .filter(|(kind, _)| kind == "application/sdp")
            .and_then(|(_, body)| description(body, host.address, line.ends[0]));
        let body_kind = body.as_ref().map(|(kind, _)| kind.as_str());
        let lines = compare::lines(made, wanted, body_kind, &mut self.branches);
        Change { lines, body, description, ..Change::default() }
    }

    fn changed(&mut self, index: usize, offered: Option<Offered<'_>>) -> Change {
        let Some(line) = self.lines.get(index) else { return Change::default() };
        let step = line.step;
        if line.action == Action::Raw {
            return match offered {
                Some(offered) if !self.is_on_hop(index, offered) => self.hop(index),
                _ => self.raw(index),
            };
        }
        let Some(offered) = offered else {
            return self.revise(index, |line| line.action = Action::Raw);
        };
        if !self.is_on_hop(index, offered) {
            return self.hop(index);
        }
        if let Action::Again { of, is_picked } = line.action {
            if self.lines.get(of).is_some_and(|line| line.sent == offered.bytes) {
                return Change::default();
            }
            let own = plan::own(&step.message());
            return self.revise(index, |line| {
                line.action = match is_picked {
                    false => Action::Again { of, is_picked: true },
                    true => own,
                }
            });
        }
        let (Some(wanted), Some(made)) = (Reading::of(&step.bytes), Reading::of(offered.bytes))
        else {
            return self.revise(index, |line| line.action = Action::Raw);
        };
        if let Some(change) = self.on_the_line(index, &made, &wanted) {
            return change;
        }
        let is_sipfrag = line_sipfrag(self.lines.get(index)) && made.body != wanted.body;
        if is_sipfrag {
            return self.revise(index, |line| line.options.sipfrag = None);
        }
        self.below(index, &made, &wanted)
    }

    fn is_on_hop(&self, index: usize, offered: Offered<'_>) -> bool {
        self.lines.get(index).is_some_and(|line| {
            let ports = [line.step.source.port, line.step.destination.port];
            offered.ports == ports && offered.is_tcp == line.is_tcp()
        })
    }

    /// Names ports, then the transport.
    fn hop(&mut self, index: usize) -> Change {
        self.revise(index, |line| {
            line.options.has_transport = line.options.has_ports;
            line.options.has_ports = true;
        })
    }

    /// The message that a line sends is the one that was captured.
    fn is_faithful(&mut self, index: usize, bytes: &[u8]) -> bool {
        let Some(line) = self.lines.get(index) else { return false };
        match line.action {
            Action::Raw | Action::Again { .. } => return true,
            Action::Request | Action::Response | Action::Forward { .. } => {}
        }
        let step = line.step;
        let is_large = |bytes: &[u8]| bytes.len() > LARGE_BYTES;
        if !line.is_tcp() && is_large(bytes) != is_large(&step.bytes) {
            return false;
        }
        let (Some(wanted), Some(made)) = (Reading::of(&step.bytes), Reading::of(bytes)) else {
            return false;
        };
        let differs = made.subject != wanted.subject
            || made.body != wanted.body
            || !compare::lines(&made, &wanted, None, &mut self.branches).is_empty();
        for (own, made) in wanted.branches().into_iter().zip(made.branches()) {
            self.branches.bind(own, made);
        }
        !differs
    }
}

impl Author for Draft<'_, '_> {
    fn change(&mut self, index: usize, offered: Option<Offered<'_>>) -> Change {
        let change = self.changed(index, offered);
        if let (None, Some(line)) = (&change.instead, self.lines.get_mut(index)) {
            line.change = change.clone();
        }
        change
    }

    fn settle(&mut self, index: usize, bytes: &[u8], is_described: bool) {
        if let Some(line) = self.lines.get_mut(index) {
            line.is_described = is_described;
            line.sent = bytes.to_vec();
        }
        if !self.is_faithful(index, bytes)
            && let Some(line) = self.lines.get_mut(index)
        {
            line.action = Action::Raw;
            self.is_revised = true;
        }
    }
}

fn line_sipfrag(line: Option<&Line<'_>>) -> bool {
    line.is_some_and(|line| line.options.sipfrag.is_some())
}

/// A tag as a line can name it.
fn is_tag(tag: &str) -> bool {
    !tag.is_empty() && tag.chars().all(|c| c.is_ascii_graphic() && !"\"#=".contains(c))
}

/// The words behind `sdp` that a description could come from; whether they give it, the reader
/// says.
fn description(body: &[u8], address: IpAddr, host: usize) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let value = |key: &str| text.lines().find_map(|line| line.trim_end().strip_prefix(key));
    if value("s=") != Some("-") {
        return None;
    }
    let mut words = Vec::new();
    let mut media = value("m=audio ")?.split(' ');
    let port: usize = media.next()?.parse().ok()?;
    let payload_types: Vec<&str> = media.skip(1).collect();
    let directions = ["sendonly", "recvonly", "inactive"];
    let attributes: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("a=")).collect();
    words.extend(
        directions.iter().filter(|own| attributes.contains(*own)).map(|own| (*own).to_owned()),
    );
    if port != 40_000 + 2 * host {
        words.push(format!("port={port}"));
    }
    if payload_types != ["0", "8", "101"] {
        let codec = |number: &&str| {
            let map = attributes.iter().find_map(|own| {
                own.strip_prefix("rtpmap:")?.strip_prefix(number)?.strip_prefix(' ')
            })?;
            Some(format!("{}/{number}", map.split('/').next()?))
        };
        let codecs: Option<Vec<String>> = payload_types.iter().map(codec).collect();
        words.push(format!("codecs={}", codecs?.join(",")));
    }
    let own = value("c=IN ")?.split(' ').nth(1)?;
    if own != address.to_string() {
        words.push(format!("address={own}"));
    }
    let time = attributes.iter().find_map(|own| own.strip_prefix("ptime:"));
    words.extend(time.map(|time| format!("ptime={time}")));
    let is_word = |word: &String| sip_safe(word);
    words.iter().all(is_word).then(|| words.join(" "))
}

fn sip_safe(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_graphic() && c != '"' && c != '#')
}
