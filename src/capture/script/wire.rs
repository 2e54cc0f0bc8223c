//! From messages to frames: addresses, IP identification, fragments, copies, cut frames.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use super::error::Error;
use super::ip::{self, Envelope};
use super::memory::Hop;
use super::syntax::{Event, Script};
use super::tcp::Connection;
use super::{FRAME_BYTES_MAX, FRAMES_MAX};
use crate::time::{Span, Time};

/// Between two packets that one line makes.
pub(super) const STEP: Span = Span::from_micros(100);

/// Between a frame and its copy.
const COPY_DELAY: Span = Span::from_micros(50);

/// A frame before sorting.
#[derive(Debug)]
pub(super) struct Made {
    /// When it went over the wire: the order of the capture.
    pub(super) sent: Time,
    /// When the capture says that it did.
    pub(super) stamp: Time,
    pub(super) data: Vec<u8>,
    pub(super) original_length: u32,
}

/// Everything that has gone over the wire.
#[derive(Debug)]
pub(super) struct Wire {
    start: Time,
    pub(super) made: Vec<Made>,
    bytes: usize,
    /// The last IP identification of each host.
    ids: Vec<u16>,
    /// The last frame between two hosts, and of each host to anybody.
    last: HashMap<(usize, Option<usize>), usize>,
    pub(super) connections: Vec<Connection>,
}

/// A packet to be sent: what follows the IP header, and its protocol.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) protocol: u8,
    pub(super) bytes: Vec<u8>,
}

impl Wire {
    pub(super) fn new(script: &Script<'_>) -> Self {
        let ids = (0..script.hosts.len()).map(|host| (host as u16).wrapping_add(1) << 8).collect();
        Self {
            start: script.start,
            made: Vec::new(),
            bytes: 0,
            ids,
            last: HashMap::new(),
            connections: Vec::new(),
        }
    }

    /// Sends one UDP datagram; gives its frame, the last one if it is in fragments.
    pub(super) fn udp(
        &mut self,
        event: &Event<'_>,
        hop: Hop,
        after: Span,
        payload: &[u8],
    ) -> Result<usize, Error> {
        if payload.len() > ip::PAYLOAD_BYTES_MAX {
            let found = format!("{} bytes for one UDP datagram", payload.len());
            let expected = format!("at most {} fit", ip::PAYLOAD_BYTES_MAX);
            return Err(event.word.error(found, expected).hint("use tcp"));
        }
        let bytes = ip::udp(hop.source_socket, hop.destination_socket, payload);
        self.send(event, hop, after, &Load { protocol: ip::UDP, bytes })
    }

    /// Puts a packet on the wire, with the options of the line.
    pub(super) fn send(
        &mut self,
        event: &Event<'_>,
        hop: Hop,
        after: Span,
        load: &Load,
    ) -> Result<usize, Error> {
        let envelope = Envelope {
            source: hop.source_socket.ip(),
            destination: hop.destination_socket.ip(),
            protocol: load.protocol,
            id: self.next_id(hop.source),
        };
        let Some(size) = event.options.size("fragment") else {
            let packet = envelope.seal(&load.bytes);
            return self.put(event, hop, after, packet);
        };
        let fragments = envelope.fragments(&load.bytes, size);
        let lost = event.options.size("lose-fragment");
        if let (Some(word), Some(number)) = (event.options.word("lose-fragment"), lost)
            && (number > fragments.len() || fragments.len() == 1)
        {
            let found = format!("fragment {number} cannot be lost");
            return Err(word.error(found, format!("the packet has {}", fragments.len())));
        }
        let mut place = self.made.len();
        for (index, packet) in fragments.into_iter().enumerate() {
            if lost != Some(index + 1) {
                let delay = STEP.times(i64::try_from(index).unwrap_or(0));
                place = self.put(event, hop, after + delay, packet)?;
            }
        }
        Ok(place)
    }

    fn next_id(&mut self, host: usize) -> u16 {
        match self.ids.get_mut(host) {
            Some(id) => {
                *id = id.wrapping_add(1);
                *id
            }
            None => 1,
        }
    }

    fn put(
        &mut self,
        event: &Event<'_>,
        hop: Hop,
        after: Span,
        packet: Vec<u8>,
    ) -> Result<usize, Error> {
        let place = self.made.len();
        self.last.insert((hop.source, Some(hop.destination)), place);
        self.last.insert((hop.source, None), place);
        if event.options.has("copy") {
            self.push(event, after, packet.clone())?;
            self.push(event, after + COPY_DELAY, packet)?;
        } else {
            self.push(event, after, packet)?;
        }
        Ok(place)
    }

    fn push(&mut self, event: &Event<'_>, after: Span, mut data: Vec<u8>) -> Result<(), Error> {
        self.charge(event, data.len())?;
        let original_length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        if let Some(cut) = event.options.size("cut") {
            data.truncate(cut);
        }
        let sent = self.start + event.at + after;
        let stamp = sent + event.options.time("clock").unwrap_or(Span::ZERO);
        self.made.push(Made { sent, stamp, data, original_length });
        Ok(())
    }

    /// Counts bytes that a line makes; fails when the script makes too much.
    pub(super) fn charge(&mut self, event: &Event<'_>, bytes: usize) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.made.len() >= FRAMES_MAX {
            let found = "the script makes too many frames";
            return Err(event.word.error(found, format!("the limit is {FRAMES_MAX}")));
        }
        if self.bytes > FRAME_BYTES_MAX {
            let found = "the script makes too many bytes";
            return Err(event.word.error(found, format!("the limit is {FRAME_BYTES_MAX}")));
        }
        Ok(())
    }

    /// The last packet that a host sent to another, else to anybody.
    pub(super) fn last_packet(&self, source: usize, destination: usize) -> Option<&[u8]> {
        let place =
            self.last.get(&(source, Some(destination))).or(self.last.get(&(source, None)))?;
        self.made.get(*place).map(|made| made.data.as_slice())
    }

    /// The keep-alive between two hosts that are not in the script.
    pub(super) fn last_word(
        &mut self,
        script: &Script<'_>,
        event: &Event<'_>,
    ) -> Result<usize, Error> {
        let is_free = |address: &IpAddr| script.hosts.iter().all(|host| host.address != *address);
        let spare = (1..=254).rev().map(|last| IpAddr::from([192, 0, 2, last]));
        let mut free = spare.filter(is_free).map(|address| SocketAddr::new(address, 5060));
        let (Some(destination), Some(source)) = (free.next(), free.next()) else {
            return Err(event
                .word
                .error("no address is left for the end", "free two in 192.0.2.0/24"));
        };
        let envelope = Envelope {
            source: source.ip(),
            destination: destination.ip(),
            protocol: ip::UDP,
            id: 1,
        };
        let place = self.made.len();
        let packet = envelope.seal(&ip::udp(source, destination, b"\r\n\r\n"));
        self.push(event, Span::ZERO, packet)?;
        Ok(place)
    }
}
