//! Another pass over captures, for the RTP packets themselves.

use std::collections::HashMap;
use std::ops::ControlFlow;

use foldhash::fast::RandomState;

use crate::capture::{Frame, Source};
use crate::media::RtpFlow;
use crate::packet::{self, Packet, Reassembled};
use crate::pipeline::merge::Merge;
use crate::pipeline::{Error, Progress};
use crate::rtp;
use crate::time::Time;

/// A packet of a stream that was asked for.
#[derive(Clone, Debug)]
pub struct Picked<'p> {
    /// Which stream, by its place in the list.
    pub stream: usize,
    /// When it was captured.
    pub time: Time,
    /// Its header.
    pub header: rtp::Header,
    /// Its media.
    pub media: &'p [u8],
}

/// Gives every RTP packet of the streams, in order of the frames, until `pick` wants no more.
/// Packets that came in fragments of IP are put together.
///
/// # Errors
///
/// When an input cannot be read.
pub fn pick(
    sources: Vec<Source>,
    streams: &[RtpFlow],
    progress: &Progress<'_>,
    pick: &mut dyn FnMut(&Picked<'_>) -> ControlFlow<()>,
) -> Result<(), Error> {
    let known = streams.iter().zip(0..).map(|(flow, place)| (*flow, place));
    let known: HashMap<RtpFlow, usize, RandomState> = known.collect();
    let mut defragmenter = packet::Defragmenter::default();
    let mut merge = Merge::new(sources).map_err(Error::Reader)?;
    while let Some(round) = merge.next()? {
        for part in &round.parts {
            for frame in part.block.frames_in(part.frames.clone()) {
                let (packet, whole): (_, Option<Reassembled>);
                packet = match packet::decode(&frame) {
                    Packet::Fragment(fragment) => {
                        whole = defragmenter.push(&frame, fragment);
                        whole.as_ref().map(Reassembled::packet)
                    }
                    packet => Some(packet),
                };
                let picked = packet.and_then(|packet| picked(&frame, packet, &known));
                if picked.is_some_and(|picked| pick(&picked).is_break()) {
                    return Err(Error::Stopped);
                }
            }
        }
        merge.recycle(round);
        progress(merge.bytes());
    }
    Ok(())
}

fn picked<'p>(
    frame: &Frame<'_>,
    packet: Packet<'p>,
    known: &HashMap<RtpFlow, usize, RandomState>,
) -> Option<Picked<'p>> {
    let Packet::Udp { path, payload, .. } = packet else { return None };
    let header = rtp::Header::parse(payload)?;
    let packet::Path { source, destination, .. } = path;
    let stream = *known.get(&RtpFlow { source, destination, ssrc: header.ssrc })?;
    let media = payload.get(header.payload.clone())?;
    Some(Picked { stream, time: frame.time, header, media })
}
