//! RTP streams as `rtp` lines, as far as figures tell of them.

use std::fmt::Write as _;

use crate::analysis::StreamSummary;
use crate::report::script::hosts::Hosts;
use crate::report::script::line::seconds;
use crate::time::Span;

/// Between two packets of a stream that does not say.
const EVERY_DEFAULT: Span = Span::from_millis(20);

/// A stream may end earlier or later by this part of its length.
const NEAR: i64 = 20;

/// Rate of the timestamps where a line does not say.
const RATE_DEFAULT: u32 = 8000;

/// It has ports, and figures that a line can have.
pub(super) fn can_be_said(stream: &StreamSummary) -> bool {
    stream.packets > 0 && stream.source.port > 0 && stream.destination.port > 0
}

/// Packets that its line makes, lost ones included.
pub(super) fn packets(stream: &StreamSummary) -> u64 {
    stream.expected.max(stream.packets)
}

/// The line behind its time.
pub(super) fn line(stream: &StreamSummary, hosts: &Hosts) -> String {
    let name = |end| &hosts.get(hosts.place(end)).name;
    let (from, to) = (name(stream.source), name(stream.destination));
    let mut text = format!("{from} > {to} rtp");
    let packets = i64::try_from(packets(stream)).unwrap_or(i64::MAX).max(1);
    let length = stream.last.time.since(stream.first.time);
    // The end of a stream says more than the time of its packets, where both cannot be had.
    let even = |every: Span| every.times(packets - 1);
    let is_near = |every: &Span| {
        let drift = (length - even(*every)).abs().nanos();
        every.nanos() > 0 && drift <= length.nanos() / NEAR
    };
    let every = match packets {
        1 => EVERY_DEFAULT,
        packets => stream.packet_time.filter(is_near).unwrap_or_else(|| {
            Span::from_nanos((length.nanos() / (packets - 1) / 1000 * 1000).max(1000))
        }),
    };
    if packets > 1 {
        let _ = write!(text, " for={}", seconds(every.times(packets)));
    }
    if every != EVERY_DEFAULT {
        let _ = write!(text, " every={}", seconds(every));
    }
    let (source, destination) = (stream.source.port, stream.destination.port);
    let _ = write!(text, " from={source} to={destination}");
    let common = stream.payload_types.first().map(|(kind, _)| *kind);
    if let Some(kind) = stream.payload_type.or(common) {
        let _ = write!(text, " pt={kind}");
    }
    let _ = write!(text, " ssrc={:#010x}", stream.ssrc);
    if let Some(clock) = stream.clock.filter(|clock| *clock != RATE_DEFAULT) {
        let _ = write!(text, " rate={clock}");
    }
    let loss = stream.lost_percent.round();
    if (1.0..=100.0).contains(&loss) {
        let _ = write!(text, " loss={loss}");
    }
    text
}
