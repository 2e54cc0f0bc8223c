//! What the tables of a run tell a tally: frames, fragments, streams.

use rustc_hash::FxHashSet;

use crate::analysis::Tally;
use crate::capture::{Description, FrameId};
use crate::media::{Media, Streams as RtpStreams};
use crate::packet::{Defragmenter, Lost};
use crate::pipeline::decode::Decoded;
use crate::pipeline::flows::Flows;
use crate::signaling::{Loss, LossKind};
use crate::sip;
use crate::time::Time;
use crate::transport::{self, Disruptions, Hole};

/// The number of UDP among the IP protocols.
const UDP: u8 = 17;

/// The frames of blocks; gives the latest time of one.
pub(crate) fn frames(tally: &mut Tally, decoded: &[Decoded<'_>]) -> Time {
    let mut until = Time::from_nanos(i64::MIN);
    for part in decoded {
        tally.add_frames(part.frames);
        for (reason, count) in &part.unread {
            *tally.unread.entry(*reason).or_default() += count;
        }
        tally.facts.unparsed.merge(&part.unparsed);
        tally.facts.cut_rtp.merge(&part.cut_rtp);
        for (source, destination) in &part.ways {
            tally.facts.saw_way(*source, *destination);
        }
        until = until.max(part.until);
        tally.facts.coverage.merge(&part.coverage);
    }
    tally.facts.last_time = tally.facts.last_time.max(until);
    until
}

/// What the inputs turned out to be.
pub(crate) fn captures(tally: &mut Tally, captures: Vec<Description>) {
    for (bound, count) in captures.iter().flat_map(|capture| &capture.dropped) {
        tally.drop(bound, *count);
    }
    tally.facts.captures = captures;
}

/// The datagrams that never became whole and may be SIP.
pub(crate) fn fragments(tally: &mut Tally, defragmenter: &mut Defragmenter) {
    defragmenter.finish();
    let incomplete = defragmenter.incomplete();
    tally.facts.later_fragments = incomplete.later;
    tally.drop("fragmented-packets", incomplete.evicted);
    tally.drop("fragments", incomplete.unkept);
    let unlisted = incomplete.unlisted_from.map(|from| (from, LossKind::FragmentOfAny));
    tally.facts.losses.add_unlisted(incomplete.unlisted(), unlisted);
    for lost in &incomplete.lost {
        let kind = match lost.beginning.is_empty() {
            true => LossKind::FragmentOfAny,
            false if transport::message_in_datagram(&lost.beginning).is_some() => {
                LossKind::Fragment
            }
            false => continue,
        };
        if lost.protocol != UDP {
            continue;
        }
        let Lost { source, destination, frame, time, ref beginning, .. } = *lost;
        let message = sip::Message::lex(beginning).0;
        let call_id = message.call_id().unwrap_or_default().into();
        let method = message.method().as_bytes().into();
        let loss = Loss { kind, source, destination, call_id, method, frame, time };
        tally.facts.losses.add(loss);
    }
}

/// The TCP and SCTP flows of a shard.
pub(crate) fn flows(tally: &mut Tally, flows: &Flows) {
    let counts = flows.tcp.counts();
    tally.drop("sctp-flows", flows.sctp.evicted());
    tally.drop("sctp-unfinished", flows.sctp.unfinished());
    tally.drop("tcp-flows", counts.evicted);
    tally.drop("tcp-gaps", counts.gaps);
    tally.drop("tcp-unfinished", counts.unfinished);
    tally.drop("tcp-unread", counts.relieved);
    tally.drop("encrypted-peers", counts.unlisted);
    tally.drop("tcp-too-long", counts.too_long);
    for encrypted in flows.tcp.encrypted() {
        tally.facts.saw_encrypted(encrypted.clone());
    }
    for (server, client, own) in flows.tcp.handshakes() {
        tally.facts.saw_handshakes(server, client, own.clone());
    }
    tally.facts.stream_copies += counts.copies;
    let (holes, bytes, listed) = flows.tcp.holes();
    let losses = &mut tally.facts.losses;
    losses.holes += holes;
    losses.bytes = losses.bytes.saturating_add(bytes);
    let unlisted = flows.tcp.holes_unlisted_from().map(|from| (from, LossKind::Segment));
    losses.add_unlisted(holes - listed.len() as u64, unlisted);
    for Hole { source, destination, frame, time, .. } in listed {
        let (source, destination, kind) = (*source, *destination, LossKind::Segment);
        let (call_id, method) = (Box::default(), Box::default());
        let (frame, time) = (*frame, *time);
        let loss = Loss { kind, source, destination, call_id, method, frame, time };
        tally.facts.losses.add(loss);
    }
}

/// The RTP streams of all shards; `claimed` are those that calls have. Losses are complete by then.
pub(crate) fn streams(tally: &mut Tally, rtp: &[RtpStreams], claimed: &[&FxHashSet<FrameId>]) {
    let media = Media::new(rtp);
    tally.drop("losses", tally.facts.losses.unlisted());
    tally.facts.losses.moments = media.common_gaps();
    tally.add_streams(media, claimed);
    for streams in rtp {
        tally.add_rtp_streams(streams.count());
        tally.facts.rtp_streams += streams.count();
        tally.drop("rtp-streams", streams.evicted());
        tally.drop("media-contacts", streams.contacts_dropped());
        let dropped = streams.dropped();
        tally.drop("rtp-spells", dropped.spells);
        tally.drop("rtp-runs", dropped.runs);
        tally.drop("telephone-events", dropped.events);
        tally.drop("gap-moments", dropped.gaps);
        tally.drop("rtcp-sources", dropped.rtcp);
        for (source, destination, packets) in streams.ways() {
            tally.facts.saw_media_way(source, destination, packets);
        }
    }
}

/// What the network said of packets that did not arrive.
pub(crate) fn disruptions(tally: &mut Tally, disruptions: &Disruptions) {
    tally.drop("disruptions", disruptions.evicted());
    for failed in disruptions.failed_connects() {
        tally.facts.saw_failed_connect(failed.clone());
    }
}
