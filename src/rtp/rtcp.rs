//! RTCP: compound packets of reports (RFC 3550, section 6; RFC 3611).

use super::kind::Kind;
use crate::bytes::{be16, be32};

/// One packet of a compound; parts that it is too short for are absent.
#[derive(Clone, Copy, Debug)]
pub enum Packet<'a> {
    /// What a sender sent, with reports about what it received.
    SenderReport(SenderReport<'a>),
    /// What a receiver received.
    ReceiverReport(ReceiverReport<'a>),
    /// Names of sources.
    SourceDescription(SourceDescription<'a>),
    /// Sources that leave.
    Goodbye(Goodbye<'a>),
    /// What a receiver knows beyond that (RFC 3611).
    ExtendedReport(ExtendedReport<'a>),
    /// Any other, for example feedback (RFC 4585).
    Other {
        /// The packet type.
        packet_type: u8,
        /// The five bits before it: a count or a format.
        count: u8,
        /// All after the first four bytes.
        body: &'a [u8],
    },
}

/// RFC 3550, section 6.4.1.
#[derive(Clone, Copy, Debug)]
pub struct SenderReport<'a> {
    /// Who reports.
    pub ssrc: u32,
    /// Its clock when it sent the report: seconds since 1900 with 32 bits of fraction.
    pub ntp_time: u64,
    /// The same moment as a timestamp of its stream.
    pub rtp_time: u32,
    /// Packets it has sent.
    pub packets: u32,
    /// Bytes of media it has sent.
    pub octets: u32,
    blocks: &'a [u8],
}

/// RFC 3550, section 6.4.2.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverReport<'a> {
    /// Who reports.
    pub ssrc: u32,
    blocks: &'a [u8],
}

/// What one source looked like at the receiver (RFC 3550, section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct ReportBlock {
    /// The source it is about.
    pub ssrc: u32,
    /// Share of packets lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost in all; negative when copies came.
    pub packets_lost: i32,
    /// The highest sequence number that came, wraps counted.
    pub highest_sequence: u32,
    /// Jitter in units of the timestamp.
    pub jitter: u32,
    /// Middle 32 bits of the clock in the last sender report; 0 if none came.
    pub last_report: u32,
    /// Time since then in 65,536ths of a second.
    pub delay: u32,
}

/// RFC 3550, section 6.5.
#[derive(Clone, Copy, Debug)]
pub struct SourceDescription<'a> {
    chunks: &'a [u8],
    count: u8,
}

/// RFC 3550, section 6.6.
#[derive(Clone, Copy, Debug)]
pub struct Goodbye<'a> {
    sources: &'a [u8],
    reason: &'a [u8],
}

/// RFC 3611, section 2.
#[derive(Clone, Copy, Debug)]
pub struct ExtendedReport<'a> {
    /// Who reports.
    pub ssrc: u32,
    blocks: &'a [u8],
}

/// What a receiver made of a stream of speech (RFC 3611, section 4.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct VoipMetrics {
    /// The source it is about.
    pub ssrc: u32,
    /// Share of packets lost since the beginning, in 256ths.
    pub loss_rate: u8,
    /// Share of packets that came too late for the jitter buffer, in 256ths.
    pub discard_rate: u8,
    /// Milliseconds there and back as the last RTCP showed it.
    pub round_trip_ms: u16,
    /// Milliseconds that the receiver itself adds.
    pub end_system_ms: u16,
    /// R factor; none where the receiver does not reckon it.
    pub r_factor: Option<u8>,
    /// Mean opinion score for listening, in tenths.
    pub mos_lq: Option<u8>,
    /// Mean opinion score for conversation, in tenths.
    pub mos_cq: Option<u8>,
    /// Nominal delay of the jitter buffer in milliseconds.
    pub jitter_buffer_ms: u16,
}

const BLOCK_BYTES: usize = 24;

/// The type of a block of VoIP metrics.
const VOIP_METRICS: u8 = 7;

/// A value that the receiver does not know.
const UNAVAILABLE: u8 = 127;

impl SenderReport<'_> {
    /// What it received of others.
    pub fn blocks(&self) -> impl Iterator<Item = ReportBlock> {
        blocks(self.blocks)
    }
}

impl ReceiverReport<'_> {
    /// What it received of others.
    pub fn blocks(&self) -> impl Iterator<Item = ReportBlock> {
        blocks(self.blocks)
    }
}

impl<'a> SourceDescription<'a> {
    /// The canonical name of each source that gives one.
    pub fn canonical_names(&self) -> Vec<(u32, &'a [u8])> {
        let mut names = Vec::new();
        let mut rest = self.chunks;
        for _ in 0..self.count {
            let Some((name, after)) = chunk(rest) else { return names };
            names.extend(name);
            rest = after;
        }
        names
    }
}

impl<'a> Goodbye<'a> {
    /// The sources that leave.
    pub fn sources(&self) -> impl Iterator<Item = u32> {
        self.sources.chunks_exact(4).filter_map(|bytes| be32(bytes, 0))
    }

    /// Why, if it says so.
    pub const fn reason(&self) -> Option<&'a [u8]> {
        if self.reason.is_empty() { None } else { Some(self.reason) }
    }
}

impl ExtendedReport<'_> {
    /// What it says of streams of speech.
    pub fn voip_metrics(&self) -> impl Iterator<Item = VoipMetrics> {
        let mut rest = self.blocks;
        std::iter::from_fn(move || {
            let kind = *rest.first()?;
            let length = usize::from(be16(rest, 2)?).checked_mul(4)?.checked_add(4)?;
            let (block, after) = rest.split_at_checked(length)?;
            rest = after;
            Some((kind, block))
        })
        .filter_map(|(kind, block)| if kind == VOIP_METRICS { voip_metrics(block) } else { None })
    }
}

/// The packets of a compound; empty if `payload` is no RTCP. Ends where a length makes no sense.
pub fn packets(payload: &[u8]) -> impl Iterator<Item = Packet<'_>> {
    let mut rest = if Kind::of(payload) == Kind::Rtcp { payload } else { &[] };
    std::iter::from_fn(move || {
        let (packet, after) = packet(rest)?;
        rest = after;
        Some(packet)
    })
}

fn packet(bytes: &[u8]) -> Option<(Packet<'_>, &[u8])> {
    let [first, packet_type, ..] = bytes else { return None };
    if first >> 6 != 2 {
        return None;
    }
    let count = first & 0x1f;
    let length = usize::from(be16(bytes, 2)?).checked_mul(4)?.checked_add(4)?;
    let (own, after) = bytes.split_at_checked(length)?;
    let body = own.get(4..)?;
    let other = Packet::Other { packet_type: *packet_type, count, body };
    let known = match packet_type {
        200 => sender_report(body, count),
        201 => receiver_report(body, count),
        202 => Some(Packet::SourceDescription(SourceDescription { chunks: body, count })),
        203 => goodbye(body, count),
        207 => extended_report(body),
        _ => None,
    };
    Some((known.unwrap_or(other), after))
}

fn sender_report(body: &[u8], count: u8) -> Option<Packet<'_>> {
    Some(Packet::SenderReport(SenderReport {
        ssrc: be32(body, 0)?,
        ntp_time: u64::from(be32(body, 4)?) << 32 | u64::from(be32(body, 8)?),
        rtp_time: be32(body, 12)?,
        packets: be32(body, 16)?,
        octets: be32(body, 20)?,
        blocks: first_blocks(body.get(24..)?, count),
    }))
}

fn receiver_report(body: &[u8], count: u8) -> Option<Packet<'_>> {
    let blocks = first_blocks(body.get(4..)?, count);
    Some(Packet::ReceiverReport(ReceiverReport { ssrc: be32(body, 0)?, blocks }))
}

fn extended_report(body: &[u8]) -> Option<Packet<'_>> {
    let blocks = body.get(4..)?;
    Some(Packet::ExtendedReport(ExtendedReport { ssrc: be32(body, 0)?, blocks }))
}

fn voip_metrics(block: &[u8]) -> Option<VoipMetrics> {
    let known = |at: usize| block.get(at).copied().filter(|value| *value != UNAVAILABLE);
    Some(VoipMetrics {
        ssrc: be32(block, 4)?,
        loss_rate: *block.get(8)?,
        discard_rate: *block.get(9)?,
        round_trip_ms: be16(block, 16)?,
        end_system_ms: be16(block, 18)?,
        r_factor: known(24),
        mos_lq: known(26),
        mos_cq: known(27),
        jitter_buffer_ms: be16(block, 30)?,
    })
}

fn goodbye(body: &[u8], count: u8) -> Option<Packet<'_>> {
    let (sources, rest) = body.split_at_checked(usize::from(count).checked_mul(4)?)?;
    let reason = match rest {
        [length, text @ ..] => text.get(..usize::from(*length)).unwrap_or_default(),
        [] => &[],
    };
    Some(Packet::Goodbye(Goodbye { sources, reason }))
}

/// As many blocks as are counted, as far as they are there; profiles may add bytes after them.
fn first_blocks(bytes: &[u8], count: u8) -> &[u8] {
    bytes.get(..usize::from(count).saturating_mul(BLOCK_BYTES)).unwrap_or(bytes)
}

fn blocks(bytes: &[u8]) -> impl Iterator<Item = ReportBlock> {
    bytes.chunks_exact(BLOCK_BYTES).filter_map(|block| {
        let lost = be32(block, 4)?;
        let [fraction_lost, _, _, _] = lost.to_be_bytes();
        Some(ReportBlock {
            ssrc: be32(block, 0)?,
            fraction_lost,
            // The sign of the lower 24 bits.
            packets_lost: (lost << 8).cast_signed() >> 8,
            highest_sequence: be32(block, 8)?,
            jitter: be32(block, 12)?,
            last_report: be32(block, 16)?,
            delay: be32(block, 20)?,
        })
    })
}

type Named<'a> = Option<(u32, &'a [u8])>;

/// The name in one chunk of a source description, and the chunks after it.
fn chunk(bytes: &[u8]) -> Option<(Named<'_>, &[u8])> {
    const CANONICAL_NAME: u8 = 1;
    let ssrc = be32(bytes, 0)?;
    let mut name = None;
    let mut at = 4_usize;
    loop {
        let kind = *bytes.get(at)?;
        if kind == 0 {
            let end = at.checked_add(4)? & !3;
            return Some((name, bytes.get(end..)?));
        }
        let from = at.checked_add(2)?;
        let end = from.checked_add(usize::from(*bytes.get(at.checked_add(1)?)?))?;
        let text = bytes.get(from..end)?;
        if kind == CANONICAL_NAME {
            name = Some((ssrc, text));
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPOUND: &[u8] =
        b"\x81\xc8\0\x0c\0\0\0\x01\xe0\0\0\0\x80\0\0\0\0\0\x10\0\0\0\0\x64\0\0\x3e\x80\
          \0\0\0\x02\x40\xff\xff\xfe\0\x01\0\x05\0\0\0\x08\0\0\0\0\0\0\0\0\
          \x81\xca\0\x04\0\0\0\x01\x01\x07a@b.com\0\0\0\
          \x81\xcb\0\x02\0\0\0\x01\x03bye";

    #[test]
    fn compound_of_all_kinds() {
        let found: Vec<_> = packets(COMPOUND).collect();
        let [Packet::SenderReport(report), Packet::SourceDescription(names), Packet::Goodbye(bye)] =
            found.as_slice()
        else {
            panic!("three packets, not {found:?}")
        };
        assert_eq!((report.ssrc, report.packets, report.octets), (1, 100, 16_000));
        assert_eq!((report.ntp_time, report.rtp_time), (0xe000_0000_8000_0000, 4096));
        let block = report.blocks().next();
        assert_eq!(block.map(|b| (b.ssrc, b.fraction_lost, b.packets_lost)), Some((2, 64, -2)));
        assert_eq!(block.map(|b| (b.highest_sequence, b.jitter)), Some((65_541, 8)));
        assert_eq!(names.canonical_names(), [(1, &b"a@b.com"[..])]);
        assert_eq!((bye.sources().collect::<Vec<_>>(), bye.reason()), (vec![1], Some(&b"bye"[..])));
    }

    #[test]
    fn extended_reports_have_scores() {
        let report = b"\x80\xcf\0\x0d\0\0\0\x01\x04\0\0\x02\0\0\0\0\0\0\0\0\
            \x07\0\0\x08\0\0\0\x02\x08\x02\0\0\0\0\0\0\0\x28\0\x3c\0\0\0\x10\
            \x5a\x7f\x29\x28\0\0\0\x1e\0\x3c\0\x64";
        let found: Vec<_> = packets(report).collect();
        let [Packet::ExtendedReport(report)] = found.as_slice() else {
            panic!("one report, not {found:?}")
        };
        let metrics: Vec<_> = report.voip_metrics().collect();
        let [metrics] = metrics.as_slice() else { panic!("one block, not {metrics:?}") };
        assert_eq!((report.ssrc, metrics.ssrc), (1, 2));
        assert_eq!((metrics.loss_rate, metrics.discard_rate), (8, 2));
        assert_eq!((metrics.round_trip_ms, metrics.end_system_ms), (40, 60));
        assert_eq!(
            (metrics.r_factor, metrics.mos_lq, metrics.mos_cq),
            (Some(90), Some(41), Some(40))
        );
        assert_eq!(metrics.jitter_buffer_ms, 30);
    }

    #[test]
    fn ends_where_it_makes_no_sense() {
        for end in 0..COMPOUND.len() {
            let cut = COMPOUND.get(..end).unwrap_or_default();
            assert!(packets(cut).count() < 3);
        }
        assert_eq!(packets(b"\x80\x00\0\x01\0\0\0\x01\0\0\0\x01").count(), 0);
    }

    #[test]
    fn short_and_unknown_packets_are_kept() {
        let found: Vec<_> = packets(b"\x81\xc8\0\x01\0\0\0\x01\x80\xce\0\0").collect();
        assert!(matches!(
            found.as_slice(),
            [
                Packet::Other { packet_type: 200, count: 1, .. },
                Packet::Other { packet_type: 206, .. }
            ]
        ));
    }
}
