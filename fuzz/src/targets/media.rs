//! RTP, RTCP and what goes with them: each packet by itself, then all as streams.

use siptrace::capture::FrameId;
use siptrace::media::{
    Beside, Columns, Feed, FlowNames, Media, RtpFlow, RtpPacket, Stream, Streams, static_clock,
};
use siptrace::packet::Endpoint;
use siptrace::rtp::{Header, Kind, rtcp};
use siptrace::time::{Span, Time};

use super::Input;

/// Packets of one input.
const PACKETS_MAX: usize = 512;

/// Packets between two endpoints, each behind a word for the time that passes, a byte for its way
/// and its length.
pub fn rtp(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut names = FlowNames::<1>::new(1);
    let mut streams = Streams::with_share_of(1);
    let mut now = Time::from_parts(1_700_000_000, 0);
    for number in 1..=PACKETS_MAX as u64 {
        if input.is_empty() {
            break;
        }
        let frame = FrameId { capture: 0, number };
        now = now + Span::from_micros(i64::from(input.word() as i16) * 100);
        let way = input.byte();
        let end = |last: u8| Endpoint {
            address: [192, 0, 2, last].into(),
            port: 4000 + u16::from(way >> 4),
        };
        let (source, destination) = if way & 1 == 0 { (end(1), end(2)) } else { (end(2), end(1)) };
        let payload = input.counted();
        packet(payload);
        let kind = Kind::of(payload);
        let Some(header) = Header::parse(payload).filter(|_| kind == Kind::Rtp) else {
            streams.push_beside(&Beside { source, destination, time: now, frame, kind, payload });
            continue;
        };
        let packet = RtpPacket::new(now, frame, number as u16, &header, payload);
        assert_eq!((packet.frame(), packet.capture()), (frame, 0));
        let mut columns = Columns::<1>::default();
        columns.clear(&names);
        columns.push(names.any(RtpFlow { source, destination, ssrc: header.ssrc }, |_| 0), packet);
        if let Some(feed) = Feed::of(&columns, 0, std::slice::from_ref(&names)) {
            streams.take(feed);
        }
    }
    let all = [streams];
    let media = Media::new(&all);
    media.streams().for_each(stream);
    assert!(media.streams().count() <= PACKETS_MAX);
}

/// One payload, read as whatever it may be.
fn packet(bytes: &[u8]) {
    if let Some(header) = Header::parse(bytes) {
        assert!(bytes.get(header.payload).is_some());
    }
    for packet in rtcp::packets(bytes) {
        match packet {
            rtcp::Packet::SenderReport(report) => drop(report.blocks().count()),
            rtcp::Packet::ReceiverReport(report) => drop(report.blocks().count()),
            rtcp::Packet::SourceDescription(names) => drop(names.canonical_names()),
            rtcp::Packet::Goodbye(bye) => drop((bye.sources().count(), bye.reason())),
            rtcp::Packet::ExtendedReport(report) => drop(report.voip_metrics().count()),
            rtcp::Packet::Other { .. } => {}
        }
    }
}

/// The figures of a stream do not contradict each other.
fn stream(stream: &Stream) {
    let sequence = stream.sequence();
    assert!(stream.packets() > 0);
    assert!((0.0..=100.0).contains(&sequence.lost_percent()), "{}", sequence.lost_percent());
    assert!(sequence.lost() <= sequence.expected());
    assert_eq!(
        stream.payload_types().iter().map(|(_, count)| count).sum::<u64>(),
        stream.packets()
    );
    let (first, last) = (stream.first_seen().time, stream.last());
    let clock = stream.clock().unwrap_or(8000);
    for jitter in [8000, clock].map(|clock| stream.jitter(clock)).into_iter().flatten() {
        let _ = format!("{jitter:?}");
    }
    assert!(stream.skew_ppm(clock).is_none_or(f64::is_finite));
    let _ = (stream.longest_gap().map(|gap| gap.span()), stream.packet_ticks());
    let _ = (stream.is_active(first, last), stream.active_for(first, last));
    let _ = (stream.first_between(first, last), stream.last_between(first, last));
    let _ = (stream.seen_at(last), stream.events().len(), stream.runs().count());
    for (kind, _) in stream.payload_types() {
        assert_ne!(static_clock(kind), Some(0));
    }
}
