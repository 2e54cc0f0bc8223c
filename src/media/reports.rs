//! What RTCP says of media: who sent how much, and how it came to the other side.

use super::contact::Beside;
use super::{Seen, Stream};
use crate::limits::RTCP_SOURCES_MAX;
use crate::packet::Endpoint;
use crate::rtp::rtcp::{self, Packet, ReportBlock, SenderReport, VoipMetrics};
use crate::time::{Span, Time};

/// Sender reports of one source that a receiver may still refer to.
const REPORTS_KEPT: usize = 4;

/// RTCP from one endpoint to another.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Rtcp {
    /// The first packet.
    pub first: Seen,
    /// The last packet.
    pub last: Seen,
    /// Packets, each a compound.
    pub packets: u64,
    /// Sender reports.
    pub sender_reports: u64,
    /// Receiver reports.
    pub receiver_reports: u64,
    /// Extended reports.
    pub extended_reports: u64,
    /// Sources that left.
    pub goodbyes: u64,
    senders: Vec<Sender>,
    receptions: Vec<Reception>,
    /// Reports of sources, and about them, for which there was no room.
    pub(super) dropped: u64,
}

/// What a source says that it sent.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Sender {
    /// The source.
    pub ssrc: u32,
    /// Packets it has sent, by its last report.
    pub packets: u32,
    /// Bytes of media it has sent, by its last report.
    pub octets: u32,
    /// The middle of the clock in the latest reports, and when they were captured.
    latest: [(u32, Time); REPORTS_KEPT],
    next: usize,
}

/// What a receiver says of a source.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Reception {
    /// The source.
    pub ssrc: u32,
    /// Reports about it.
    pub reports: u64,
    /// The last one.
    pub last: ReportBlock,
    /// When it was captured.
    pub seen: Seen,
    /// The largest share of packets lost between two reports, in 256ths.
    pub fraction_lost_max: u8,
    /// The largest jitter in units of the timestamp.
    pub jitter_max: u32,
    /// From the capture to the receiver and back.
    pub round_trip: Option<RoundTrip>,
    /// What the receiver says of speech.
    pub voip: Option<VoipMetrics>,
}

/// From the capture to a receiver and back, by a sender report that the receiver refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct RoundTrip {
    /// By the last report.
    pub last: Span,
    /// The shortest.
    pub min: Span,
    /// The longest.
    pub max: Span,
}

/// Longer ones are a wrong clock.
const ROUND_TRIP_MAX: Span = Span::from_secs(10);

impl Rtcp {
    /// What its sources say that they sent.
    pub fn senders(&self) -> &[Sender] {
        &self.senders
    }

    /// What it says of the sources of the other side.
    pub fn receptions(&self) -> &[Reception] {
        &self.receptions
    }

    /// Takes a compound; `back` is what went the other way.
    pub(super) fn push(&mut self, packet: &Beside<'_>, back: Option<&Self>) {
        let seen = Seen { time: packet.time, frame: packet.frame };
        if self.packets == 0 {
            self.first = seen;
        }
        self.last = seen;
        self.packets += 1;
        for part in rtcp::packets(packet.payload) {
            match part {
                Packet::SenderReport(report) => {
                    self.sender_reports += 1;
                    self.note_sender(&report, packet.time);
                    report.blocks().for_each(|block| self.note_block(block, seen, back));
                }
                Packet::ReceiverReport(report) => {
                    self.receiver_reports += 1;
                    report.blocks().for_each(|block| self.note_block(block, seen, back));
                }
                Packet::ExtendedReport(report) => {
                    self.extended_reports += 1;
                    report.voip_metrics().for_each(|metrics| self.note_metrics(metrics));
                }
                Packet::Goodbye(goodbye) => self.goodbyes += goodbye.sources().count() as u64,
                Packet::SourceDescription(_) | Packet::Other { .. } => {}
            }
        }
    }

    fn note_sender(&mut self, report: &SenderReport<'_>, time: Time) {
        let known = self.senders.iter().position(|sender| sender.ssrc == report.ssrc);
        let index = known.unwrap_or(self.senders.len());
        if known.is_none() {
            if self.senders.len() >= RTCP_SOURCES_MAX {
                self.dropped += 1;
                return;
            }
            self.senders.push(Sender {
                ssrc: report.ssrc,
                packets: 0,
                octets: 0,
                latest: [(0, Time::default()); REPORTS_KEPT],
                next: 0,
            });
        }
        let Some(sender) = self.senders.get_mut(index) else { return };
        (sender.packets, sender.octets) = (report.packets, report.octets);
        let middle = (report.ntp_time >> 16) as u32;
        if let Some(place) = sender.latest.get_mut(sender.next) {
            *place = (middle, time);
            sender.next = (sender.next + 1) % REPORTS_KEPT;
        }
    }

    fn note_block(&mut self, block: ReportBlock, seen: Seen, back: Option<&Self>) {
        let round_trip = back.and_then(|back| back.round_trip(&block, seen.time));
        let known = self.receptions.iter_mut().find(|known| known.ssrc == block.ssrc);
        if let Some(known) = known {
            known.reports += 1;
            (known.last, known.seen) = (block, seen);
            known.fraction_lost_max = known.fraction_lost_max.max(block.fraction_lost);
            known.jitter_max = known.jitter_max.max(block.jitter);
            known.round_trip = RoundTrip::merged(known.round_trip, round_trip);
        } else if self.receptions.len() < RTCP_SOURCES_MAX {
            self.receptions.push(Reception {
                ssrc: block.ssrc,
                reports: 1,
                last: block,
                seen,
                fraction_lost_max: block.fraction_lost,
                jitter_max: block.jitter,
                round_trip: RoundTrip::merged(None, round_trip),
                voip: None,
            });
        } else {
            self.dropped += 1;
        }
    }

    fn note_metrics(&mut self, metrics: VoipMetrics) {
        if let Some(known) = self.receptions.iter_mut().find(|known| known.ssrc == metrics.ssrc) {
            known.voip = Some(metrics);
        }
    }

    /// What passed since the report of one of its sources that the block refers to, less what the
    /// receiver kept it.
    fn round_trip(&self, block: &ReportBlock, time: Time) -> Option<Span> {
        if block.last_report == 0 {
            return None;
        }
        let sender = self.senders.iter().find(|sender| sender.ssrc == block.ssrc)?;
        let (_, sent) = sender.latest.iter().find(|(middle, _)| *middle == block.last_report)?;
        let kept = (u64::from(block.delay) * 1_000_000_000) >> 16;
        let kept = Span::from_nanos(kept.cast_signed());
        let passed = time.since(*sent) - kept;
        (Span::ZERO <= passed && passed < ROUND_TRIP_MAX).then_some(passed)
    }
}

impl RoundTrip {
    fn merged(known: Option<Self>, next: Option<Span>) -> Option<Self> {
        match (known, next) {
            (known, None) => known,
            (None, Some(last)) => Some(Self { last, min: last, max: last }),
            (Some(Self { min, max, .. }), Some(last)) => {
                Some(Self { last, min: min.min(last), max: max.max(last) })
            }
        }
    }
}

/// What RTCP says of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reported<'m> {
    /// What its source says.
    pub sender: Option<&'m Sender>,
    /// What its receiver says.
    pub reception: Option<&'m Reception>,
    /// From the capture to its receiver and back, and to its sender and back.
    pub round_trip: Option<Span>,
}

impl<'m> super::Media<'m> {
    /// What RTCP says of a stream, on the port of its source or on the next one.
    pub fn reported(self, stream: &Stream) -> Reported<'m> {
        let mut reported = Reported::default();
        let mut to_sender = None;
        let next = stream.source.port.checked_add(1);
        let ports = std::iter::once(stream.source.port).chain(next);
        for end in ports.map(|port| Endpoint { port, ..stream.source }) {
            for contact in self.contacts_at(end) {
                let Some(rtcp) = contact.rtcp.as_deref() else { continue };
                if contact.source == end {
                    let own = rtcp.senders().iter().find(|sender| sender.ssrc == stream.ssrc);
                    reported.sender = reported.sender.or(own);
                    let trips = rtcp.receptions().iter().filter_map(|own| own.round_trip);
                    to_sender = to_sender.or(trips.map(|trip| trip.last).next());
                } else {
                    let own =
                        rtcp.receptions().iter().find(|reception| reception.ssrc == stream.ssrc);
                    reported.reception = reported.reception.or(own);
                }
            }
        }
        let to_receiver = reported.reception.and_then(|own| own.round_trip);
        reported.round_trip = to_receiver.zip(to_sender).map(|(there, here)| there.last + here);
        reported
    }
}

#[cfg(test)]
mod tests {
    use super::super::contact::Contacts;
    use super::super::samples::{at, endpoint};
    use super::*;
    use crate::capture::FrameId;
    use crate::rtp::Kind;

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// A sender report at a moment of its clock.
    fn sender_report(ssrc: u32, middle: u32) -> Vec<u8> {
        words(&[0x80c8_0006, ssrc, middle >> 16, middle << 16, 0, 100, 16_000])
    }

    /// A receiver report that refers to it, kept for so many 65,536ths of a second.
    fn receiver_report(ssrc: u32, about: u32, middle: u32, kept: u32) -> Vec<u8> {
        words(&[0x81c9_0007, ssrc, about, 0x4000_0005, 1000, 80, middle, kept])
    }

    fn push(contacts: &mut Contacts, from: u16, to: u16, time: Time, payload: &[u8]) {
        contacts.push(&Beside {
            source: endpoint(from),
            destination: endpoint(to),
            time,
            frame: FrameId { capture: 0, number: 1 },
            kind: Kind::of(payload),
            payload,
        });
    }

    fn rtcp(contacts: &Contacts, port: u16) -> Rtcp {
        let contact = contacts.at(endpoint(port)).find(|contact| contact.source.port == port);
        contact.and_then(|contact| contact.rtcp.as_deref()).expect("it reported").clone()
    }

    #[test]
    fn the_sources_of_a_way_are_bounded_and_say_so() {
        let mut contacts = Contacts::with_share_of(1);
        let many = RTCP_SOURCES_MAX as u32 + 5;
        for source in 1..=many {
            push(&mut contacts, 11, 21, at(1000), &sender_report(source, 7));
            push(&mut contacts, 21, 11, at(1001), &receiver_report(99, source, 7, 0));
        }
        // Those that are known are followed on.
        push(&mut contacts, 11, 21, at(2000), &sender_report(1, 8));
        let (sent, received) = (rtcp(&contacts, 11), rtcp(&contacts, 21));
        assert_eq!((sent.senders().len(), sent.dropped), (RTCP_SOURCES_MAX, 5));
        assert_eq!((received.receptions().len(), received.dropped), (RTCP_SOURCES_MAX, 5));
        assert_eq!(
            (sent.sender_reports, received.receiver_reports),
            (u64::from(many) + 1, many.into())
        );
        assert_eq!(contacts.rtcp_dropped(), 10);
    }

    #[test]
    fn a_clock_that_jumps_gives_no_round_trip() {
        for nanos in [i64::MIN, 0, i64::MAX] {
            let mut contacts = Contacts::with_share_of(1);
            let sent = Time::from_nanos(nanos.saturating_neg());
            push(&mut contacts, 11, 21, sent, &sender_report(7, 0x1234_5678));
            let report = receiver_report(8, 7, 0x1234_5678, u32::MAX);
            push(&mut contacts, 21, 11, Time::from_nanos(nanos), &report);
            assert_eq!(rtcp(&contacts, 21).receptions()[0].round_trip, None, "{nanos}");
        }
    }

    #[test]
    fn a_report_tells_loss_and_the_way_there_and_back() {
        let mut contacts = Contacts::with_share_of(1);
        let mut push = |from, to, millis: i64, payload: &[u8]| {
            contacts.push(&Beside {
                source: endpoint(from),
                destination: endpoint(to),
                time: at(millis),
                frame: FrameId { capture: 0, number: millis.unsigned_abs() },
                kind: Kind::of(payload),
                payload,
            });
        };
        push(11, 21, 1000, &sender_report(7, 0x1234_5678));
        push(21, 11, 1540, &receiver_report(8, 7, 0x1234_5678, 32_768));
        let contact = contacts.at(endpoint(21)).find(|contact| contact.source.port == 21);
        let rtcp = contact.and_then(|contact| contact.rtcp.as_deref()).expect("it reported");
        let [reception] = rtcp.receptions() else { panic!("one source") };
        assert_eq!((reception.ssrc, reception.last.packets_lost), (7, 5));
        assert_eq!((reception.fraction_lost_max, reception.jitter_max), (64, 80));
        assert_eq!(reception.round_trip.map(|trip| trip.last), Some(Span::from_millis(40)));
    }
}
