//! Findings of a part of the run, kept small until the end.
//!
//! There may be one for every call of a very large capture, and of most of them a report shows no
//! more than that they are there. So they wait as bytes, in the order in which they came.

use std::collections::VecDeque;
use std::net::IpAddr;

use rustc_hash::FxHashMap;

use crate::analysis::packed::{
    Blocks, Entries, read_array, read_bytes, read_number, read_signed, write_number, write_signed,
};
use crate::capture::FrameId;
use crate::finding::{
    Confidence, Ending, Finding, LadderLine, Rule, Severity, Sign, Value, Visibility,
};
use crate::packet::Endpoint;
use crate::sip::Status;
use crate::time::{Span, Time};
use crate::transport::Transport;

#[cfg(feature = "parts")]
mod parts;

/// Values and findings that lie in others; none is written that has more.
const DEPTH_MAX: usize = 8;

/// Findings in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    blocks: Blocks,
    count: usize,
    /// Those that have more than is written; they are few.
    full: VecDeque<Finding>,
    words: Words,
    /// The one that is written.
    scratch: Vec<u8>,
}

/// What is not captured and so need not be written again and again.
#[derive(Clone, Debug, Default)]
struct Words {
    rules: Vec<&'static Rule>,
    texts: Vec<&'static str>,
    places: FxHashMap<(usize, usize), usize>,
    /// Rare ones.
    visibilities: Vec<Visibility>,
}

impl Kept {
    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// Adds one at the end.
    pub(super) fn push(&mut self, finding: Finding) {
        self.scratch.clear();
        let mut writer = Writer { bytes: &mut self.scratch, words: &mut self.words };
        if is_full(&finding) {
            writer.byte(FULL);
            self.full.push_back(finding);
        } else {
            writer.byte(WRITTEN);
            writer.finding(&finding);
        }
        self.blocks.push(&self.scratch);
        self.count += 1;
    }
}

impl IntoIterator for Kept {
    type Item = Finding;
    type IntoIter = Unpacked;

    fn into_iter(self) -> Unpacked {
        let Self { blocks, full, words, .. } = self;
        Unpacked { entries: blocks.into_entries(), full, words }
    }
}

/// Gives the findings back.
#[derive(Debug)]
pub(super) struct Unpacked {
    entries: Entries,
    full: VecDeque<Finding>,
    words: Words,
}

impl Iterator for Unpacked {
    type Item = Finding;

    fn next(&mut self) -> Option<Finding> {
        let Self { entries, full, words } = self;
        entries.next(|bytes| {
            let mut reader = Reader { bytes, words, depth: 0 };
            match reader.byte()? {
                WRITTEN => reader.finding(),
                _ => full.pop_front(),
            }
        })
    }
}

const WRITTEN: u8 = 0;
const FULL: u8 = 1;

/// It has what is not written.
fn is_full(finding: &Finding) -> bool {
    !finding.linked.is_empty()
        || !finding.owns.is_empty()
        || finding.fallback.as_deref().is_some_and(is_full)
}

impl Words {
    fn text(&mut self, text: &'static str) -> usize {
        let next = self.texts.len();
        let place = *self.places.entry((text.as_ptr().addr(), text.len())).or_insert(next);
        if place == next {
            self.texts.push(text);
        }
        place
    }

    fn rule(&mut self, rule: &'static Rule) -> usize {
        let next = self.rules.len();
        let place = *self.places.entry((std::ptr::from_ref(rule).addr(), 0)).or_insert(next);
        if place == next {
            self.rules.push(rule);
        }
        place
    }
}

/// Writes what [`Reader`] reads.
struct Writer<'w> {
    bytes: &'w mut Vec<u8>,
    words: &'w mut Words,
}

impl Writer<'_> {
    fn finding(&mut self, finding: &Finding) {
        let Finding {
            rule,
            severity,
            confidence,
            call_id,
            call_fate,
            frames,
            time,
            client,
            server,
            sender,
            statuses,
            own_status,
            evidence,
            transaction,
            visibility,
            asserts_absence,
            ending,
            propagated,
            related,
            linked: _,
            owns: _,
            needs_company,
            fallback,
            ladder,
            ladder_omitted,
            is_excused: _,
        } = finding;
        let rule = self.words.rule(rule);
        self.size(rule);
        self.byte(*severity as u8);
        self.byte(*confidence as u8);
        self.option(call_id.as_deref(), Self::text);
        self.option(*call_fate, Self::word);
        self.list(frames, |own, frame| own.frame(*frame));
        self.option(*time, Self::time);
        for end in [client, server, sender] {
            self.option(*end, Self::endpoint);
        }
        self.list(statuses, |own, status| own.status(*status));
        self.option(*own_status, Self::status);
        self.list(evidence, |own, (name, value)| {
            own.word(name);
            own.value(value);
        });
        self.option(*transaction, Self::size);
        self.visibility(*visibility);
        self.byte((*asserts_absence).into());
        self.option(*ending, |own, Ending { at, status }| {
            own.option(at, Self::time);
            own.option(status, Self::status);
        });
        self.list(propagated, Self::sign);
        self.list(related, Self::sign);
        self.byte((*needs_company).into());
        self.option(fallback.as_deref(), Self::finding);
        self.list(ladder, Self::line);
        self.size(*ladder_omitted);
    }

    fn line(&mut self, line: &LadderLine) {
        let LadderLine {
            frame,
            time,
            source,
            destination,
            transport,
            label,
            has_sdp,
            is_evidence,
            repeats,
            last_repeat,
        } = line;
        self.frame(*frame);
        self.time(*time);
        self.endpoint(*source);
        self.endpoint(*destination);
        self.byte(*transport as u8);
        self.text(label);
        self.byte((*has_sdp).into());
        self.byte((*is_evidence).into());
        self.size(*repeats);
        self.option(*last_repeat, Self::time);
    }

    fn sign(&mut self, sign: &Sign) {
        let Sign { rule, frames, client, server, status, call_id, link } = sign;
        self.word(rule);
        self.list(frames, |own, frame| own.frame(*frame));
        self.option(*client, Self::endpoint);
        self.option(*server, Self::endpoint);
        self.option(*status, Self::status);
        self.option(call_id.as_deref(), Self::text);
        self.option(*link, Self::word);
    }

    fn visibility(&mut self, visibility: Visibility) {
        match visibility {
            Visibility::Proven => self.byte(0),
            Visibility::ProvenAtEnd => self.byte(1),
            Visibility::HostElsePossible { host, peer } => self.way(2, (host, peer)),
            Visibility::HostElseNote { host, peer } => self.way(3, (host, peer)),
            Visibility::WayElseNothing(source, destination) => self.way(4, (source, destination)),
            Visibility::MediaWayElseNothing(ways) => {
                self.byte(5);
                ways.into_iter().for_each(|way| self.option(way, |own, way| own.way(0, way)));
            }
            Visibility::MediaWayElseNote(ways) => {
                self.byte(6);
                ways.into_iter().for_each(|way| self.option(way, |own, way| own.way(0, way)));
            }
            Visibility::UnlessCaptureLost { .. }
            | Visibility::UnlessInvited(_)
            | Visibility::UnlessLenient(_)
            | Visibility::UnlessClock { .. } => {
                self.byte(7);
                self.size(self.words.visibilities.len());
                self.words.visibilities.push(visibility);
            }
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Number(number) => self.tagged(0, *number),
            Value::Decimal(number) => {
                self.byte(1);
                self.bytes.extend(number.to_le_bytes());
            }
            Value::Span(span) => self.tagged(2, span.nanos()),
            Value::Text(text) => {
                self.byte(3);
                self.text(text);
            }
            Value::Word(word) => {
                self.byte(4);
                self.word(word);
            }
            Value::Endpoint(endpoint) => {
                self.byte(5);
                self.endpoint(*endpoint);
            }
            Value::Flag(flag) => {
                self.byte(6);
                self.byte((*flag).into());
            }
            Value::List(values) => {
                self.byte(7);
                self.list(values, Self::value);
            }
        }
    }

    fn tagged(&mut self, tag: u8, number: i64) {
        self.byte(tag);
        write_signed(self.bytes, number);
    }

    fn way(&mut self, tag: u8, (source, destination): (IpAddr, IpAddr)) {
        self.byte(tag);
        self.address(source);
        self.address(destination);
    }

    fn endpoint(&mut self, endpoint: Endpoint) {
        self.address(endpoint.address);
        self.bytes.extend(endpoint.port.to_le_bytes());
    }

    fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => {
                self.byte(4);
                self.bytes.extend(address.octets());
            }
            IpAddr::V6(address) => {
                self.byte(6);
                self.bytes.extend(address.octets());
            }
        }
    }

    fn time(&mut self, time: Time) {
        self.bytes.extend(time.nanos().to_le_bytes());
    }

    fn frame(&mut self, frame: FrameId) {
        self.number(frame.capture.into());
        self.number(frame.number);
    }

    fn status(&mut self, status: Status) {
        self.bytes.extend(status.code().to_le_bytes());
    }

    fn word(&mut self, word: &'static str) {
        let place = self.words.text(word);
        self.size(place);
    }

    fn text(&mut self, text: &str) {
        self.size(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn list<T>(&mut self, list: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.size(list.len());
        list.iter().for_each(|element| write(self, element));
    }

    fn option<T>(&mut self, option: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.byte(option.is_some().into());
        if let Some(value) = option {
            write(self, value);
        }
    }

    fn size(&mut self, size: usize) {
        self.number(size as u64);
    }

    fn number(&mut self, number: u64) {
        write_number(self.bytes, number);
    }

    fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }
}

/// Reads what [`Writer`] wrote.
struct Reader<'r, 'b> {
    bytes: &'r mut &'b [u8],
    words: &'r Words,
    /// How many findings and values lie around what is read.
    depth: usize,
}

impl Reader<'_, '_> {
    fn finding(&mut self) -> Option<Finding> {
        Some(Finding {
            rule: self.words.rules.get(self.size()?)?,
            severity: self.severity()?,
            confidence: self.confidence()?,
            call_id: self.option(Self::text)?,
            call_fate: self.option(Self::word)?,
            frames: self.list(Self::frame)?,
            time: self.option(Self::time)?,
            client: self.option(Self::endpoint)?,
            server: self.option(Self::endpoint)?,
            sender: self.option(Self::endpoint)?,
            statuses: self.list(Self::status)?,
            own_status: self.option(Self::status)?,
            evidence: self.list(|own| Some((own.word()?, own.value()?)))?,
            transaction: self.option(Self::size)?,
            visibility: self.visibility()?,
            asserts_absence: self.flag()?,
            ending: self.option(|own| {
                Some(Ending { at: own.option(Self::time)?, status: own.option(Self::status)? })
            })?,
            propagated: self.list(Self::sign)?,
            related: self.list(Self::sign)?,
            linked: Vec::new(),
            owns: Vec::new(),
            needs_company: self.flag()?,
            fallback: self.option(|own| own.deeper(Self::finding).map(Box::new))?,
            ladder: self.list(Self::line)?,
            ladder_omitted: self.size()?,
            is_excused: false,
        })
    }

    /// Reads what lies in another one, unless that would be endless.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.depth = Some(self.depth + 1).filter(|depth| *depth <= DEPTH_MAX)?;
        let own = read(self)?;
        self.depth -= 1;
        Some(own)
    }

    fn sign(&mut self) -> Option<Sign> {
        Some(Sign {
            rule: self.word()?,
            frames: self.list(Self::frame)?,
            client: self.option(Self::endpoint)?,
            server: self.option(Self::endpoint)?,
            status: self.option(Self::status)?,
            call_id: self.option(Self::text)?,
            link: self.option(Self::word)?,
        })
    }

    fn line(&mut self) -> Option<LadderLine> {
        Some(LadderLine {
            frame: self.frame()?,
            time: self.time()?,
            source: self.endpoint()?,
            destination: self.endpoint()?,
            transport: self.transport()?,
            label: self.text()?,
            has_sdp: self.flag()?,
            is_evidence: self.flag()?,
            repeats: self.size()?,
            last_repeat: self.option(Self::time)?,
        })
    }

    fn transport(&mut self) -> Option<Transport> {
        let transport = self.byte()?;
        Transport::ALL.into_iter().find(|known| *known as u8 == transport)
    }

    fn severity(&mut self) -> Option<Severity> {
        let all = [Severity::Info, Severity::Warn, Severity::Error];
        all.get(usize::from(self.byte()?)).copied()
    }

    fn confidence(&mut self) -> Option<Confidence> {
        let all = [Confidence::Possible, Confidence::Likely, Confidence::Certain];
        all.get(usize::from(self.byte()?)).copied()
    }

    fn visibility(&mut self) -> Option<Visibility> {
        Some(match self.byte()? {
            0 => Visibility::Proven,
            1 => Visibility::ProvenAtEnd,
            2 => Visibility::HostElsePossible { host: self.address()?, peer: self.address()? },
            3 => Visibility::HostElseNote { host: self.address()?, peer: self.address()? },
            4 => Visibility::WayElseNothing(self.address()?, self.address()?),
            5 => Visibility::MediaWayElseNothing(self.ways()?),
            6 => Visibility::MediaWayElseNote(self.ways()?),
            _ => *self.words.visibilities.get(self.size()?)?,
        })
    }

    fn ways(&mut self) -> Option<[Option<(IpAddr, IpAddr)>; 4]> {
        let mut ways = [None; 4];
        for way in &mut ways {
            *way = self.option(|own| own.byte().and(Some((own.address()?, own.address()?))))?;
        }
        Some(ways)
    }

    fn value(&mut self) -> Option<Value> {
        Some(match self.byte()? {
            0 => Value::Number(self.signed()?),
            1 => Value::Decimal(f64::from_le_bytes(self.array()?)),
            2 => Value::Span(Span::from_nanos(self.signed()?)),
            3 => Value::Text(self.text()?),
            4 => Value::Word(self.word()?),
            5 => Value::Endpoint(self.endpoint()?),
            6 => Value::Flag(self.flag()?),
            _ => Value::List(self.deeper(|own| own.list(Self::value))?),
        })
    }

    fn signed(&mut self) -> Option<i64> {
        read_signed(self.bytes)
    }

    fn endpoint(&mut self) -> Option<Endpoint> {
        let address = self.address()?;
        Some(Endpoint { address, port: u16::from_le_bytes(self.array()?) })
    }

    fn address(&mut self) -> Option<IpAddr> {
        Some(match self.byte()? {
            4 => IpAddr::from(self.array::<4>()?),
            _ => IpAddr::from(self.array::<16>()?),
        })
    }

    fn time(&mut self) -> Option<Time> {
        Some(Time::from_nanos(i64::from_le_bytes(self.array()?)))
    }

    fn frame(&mut self) -> Option<FrameId> {
        let capture = u16::try_from(self.number()?).ok()?;
        Some(FrameId { capture, number: self.number()? })
    }

    fn status(&mut self) -> Option<Status> {
        Status::new(u16::from_le_bytes(self.array()?))
    }

    fn word(&mut self) -> Option<&'static str> {
        self.words.texts.get(self.size()?).copied()
    }

    fn text(&mut self) -> Option<String> {
        let length = self.size()?;
        String::from_utf8(read_bytes(self.bytes, length)?.to_vec()).ok()
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let length = self.size()?;
        let mut list = Vec::with_capacity(length.min(self.bytes.len()));
        for _ in 0..length {
            list.push(read(self)?);
        }
        Some(list)
    }

    fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.flag()? {
            true => read(self).map(Some),
            false => Some(None),
        }
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.byte()? != 0)
    }

    fn size(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn number(&mut self) -> Option<u64> {
        read_number(self.bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        read_array(self.bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        let [byte] = self.array()?;
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::packed::BLOCK_BYTES;
    use crate::rules;

    fn sign() -> Sign {
        Sign {
            rule: "final-response",
            frames: vec![FrameId { capture: 1, number: 300 }],
            client: None,
            server: Some(endpoint("2001:db8::7")),
            status: Status::new(503),
            call_id: None,
            link: Some("session-id"),
        }
    }

    fn endpoint(address: &str) -> Endpoint {
        Endpoint { address: address.parse().expect("an address"), port: 5060 }
    }

    fn finding(number: u64) -> Finding {
        let values = [
            Value::Number(-1),
            Value::Number(i64::MIN),
            Value::Decimal(12.5),
            Value::Span(Span::from_millis(-70_000)),
            Value::Text("Zoë".to_owned()),
            Value::Word("timer-c"),
            Value::Endpoint(endpoint("192.0.2.1")),
            Value::List(vec![Value::Flag(true), Value::List(Vec::new())]),
        ];
        Finding {
            rule: rules::ALL[number as usize % rules::ALL.len()],
            severity: Severity::Warn,
            confidence: Confidence::Likely,
            call_id: Some(format!("call-{number}")),
            call_fate: Some("failed"),
            frames: vec![FrameId { capture: 0, number }, FrameId { capture: 7, number: u64::MAX }],
            time: Some(Time::from_nanos(-1)),
            client: Some(endpoint("192.0.2.1")),
            server: None,
            sender: Some(endpoint("2001:db8::1")),
            statuses: Status::new(100).into_iter().chain(Status::new(699)).collect(),
            own_status: Status::new(100),
            evidence: values.into_iter().map(|value| ("name", value)).collect(),
            transaction: Some(3),
            visibility: Visibility::Proven,
            asserts_absence: true,
            ending: Some(Ending { at: None, status: Status::new(486) }),
            propagated: vec![sign(), sign()],
            related: vec![sign()],
            linked: Vec::new(),
            owns: Vec::new(),
            needs_company: true,
            fallback: None,
            ladder: Vec::new(),
            ladder_omitted: 2,
            is_excused: false,
        }
    }

    fn line(transport: Transport) -> LadderLine {
        LadderLine {
            frame: FrameId { capture: 1, number: 1 << 40 },
            time: Time::from_nanos(i64::MIN),
            source: endpoint("192.0.2.1"),
            destination: endpoint("2001:db8::1"),
            transport,
            label: "INVITE sip:zo\u{eb}@example.com".to_owned(),
            has_sdp: true,
            is_evidence: false,
            repeats: 300,
            last_repeat: Some(Time::from_nanos(7)),
        }
    }

    fn visibilities() -> Vec<Visibility> {
        let (host, peer) = (endpoint("192.0.2.1").address, endpoint("2001:db8::1").address);
        let ways = [Some((host, peer)), None, None, Some((peer, host))];
        vec![
            Visibility::Proven,
            Visibility::ProvenAtEnd,
            Visibility::HostElsePossible { host, peer },
            Visibility::HostElseNote { host, peer },
            Visibility::WayElseNothing(host, peer),
            Visibility::MediaWayElseNothing(ways),
            Visibility::MediaWayElseNote(ways),
            Visibility::UnlessLenient(host),
            Visibility::UnlessClock { age: Span::from_secs(-1), limit: Span::from_secs(60) },
        ]
    }

    /// Findings of all kinds.
    fn varied(count: u64) -> Vec<Finding> {
        let mut all: Vec<Finding> = (0..count).map(finding).collect();
        for (finding, visibility) in all.iter_mut().zip(visibilities().into_iter().cycle()) {
            finding.visibility = visibility;
        }
        for (own, transport) in all.iter_mut().step_by(5).zip(Transport::ALL.into_iter().cycle()) {
            let mut line = line(transport);
            own.ladder.push(line.clone());
            (line.has_sdp, line.is_evidence, line.last_repeat) = (false, true, None);
            own.ladder.push(line);
        }
        for own in all.iter_mut().step_by(7) {
            own.fallback = Some(Box::new(finding(1)));
            own.owns.push(crate::signaling::Spell {
                from: Time::default(),
                until: Time::default(),
                host: endpoint("192.0.2.1").address,
            });
        }
        all
    }

    fn kept(all: &[Finding]) -> Kept {
        let mut kept = Kept::default();
        all.iter().cloned().for_each(|finding| kept.push(finding));
        kept
    }

    fn text(all: &[Finding]) -> String {
        format!("{all:?}")
    }

    #[test]
    fn gives_back_what_it_was_given_in_order() {
        let all = varied(2000);
        let kept = kept(&all);
        assert_eq!(kept.len(), all.len());
        assert!(kept.blocks.len() > 2);
        assert_eq!(text(&kept.into_iter().collect::<Vec<_>>()), text(&all));
    }

    #[test]
    #[cfg(feature = "parts")]
    fn gives_back_on_another_machine_what_it_was_given() {
        let mut all = varied(2000);
        let linked = crate::finding::Linked {
            call_id: "other".to_owned(),
            reason: "session-id",
            confidence: Confidence::Likely,
            direction: Some(crate::finding::Direction::Upstream),
            after: None,
        };
        for own in all.iter_mut().step_by(3) {
            own.linked.push(linked.clone());
            own.fallback.iter_mut().for_each(|own| own.linked.push(linked.clone()));
        }
        let bytes = borsh::to_vec(&kept(&all)).expect("it fits");
        let mut back: Kept = borsh::from_slice(&bytes).expect("findings");
        assert_eq!(back.len(), all.len());
        // It goes on there.
        let more = varied(20);
        more.iter().cloned().for_each(|finding| back.push(finding));
        all.extend(more);
        assert_eq!(text(&back.into_iter().collect::<Vec<_>>()), text(&all));
    }

    #[test]
    #[cfg(feature = "parts")]
    fn damage_is_an_error_or_leaves_findings_that_can_be_read() {
        let bytes = borsh::to_vec(&kept(&varied(40))).expect("it fits");
        for own in crate::bytes::parts::damages(&bytes, 1500) {
            let Ok(back) = borsh::from_slice::<Kept>(&own) else { continue };
            let count = back.len();
            assert_eq!(back.into_iter().count(), count);
        }
    }

    #[test]
    fn values_in_values_come_to_an_end() {
        let words = Words::default();
        let value = |lists: usize| {
            let bytes = [[7, 1].repeat(lists), vec![6, 1]].concat();
            Reader { bytes: &mut bytes.as_slice(), words: &words, depth: 0 }.value()
        };
        assert_eq!(value(1), Some(Value::List(vec![Value::Flag(true)])));
        assert!(value(DEPTH_MAX).is_some());
        assert_eq!((value(DEPTH_MAX + 1), value(1_000_000)), (None, None));
    }

    #[test]
    fn a_large_finding_has_a_block_of_its_own() {
        let mut large = finding(1);
        large.call_id = Some("x".repeat(3 * BLOCK_BYTES.end()));
        let mut kept = Kept::default();
        [finding(0), large.clone(), finding(2)].into_iter().for_each(|own| kept.push(own));
        let back: Vec<_> = kept.into_iter().collect();
        let call_ids: Vec<_> = back.iter().map(|own| own.call_id.clone()).collect();
        assert_eq!(call_ids, [Some("call-0".to_owned()), large.call_id, Some("call-2".to_owned())]);
    }
}
