//! A capture without personal data: frames as they were, with pseudonyms in the place of numbers,
//! names, addresses and secrets, and without media.
//!
//! Every pseudonym is as long as what it stands for, so messages stay where they lie in the frames,
//! and sequence numbers and lengths stay true. What is not understood is put to zero, or cut off as
//! the snap length of a capture does. Knows nothing of files, nor of what the messages lead to.

mod address;
mod body;
mod checksum;
mod frame;
mod internet;
mod key;
mod layout;
mod media;
mod message;
mod names;
mod patches;
mod sdp;
mod text;
mod tls;
mod uri;

use std::collections::BTreeMap;

use crate::capture::{Frame, FrameId, LinkType};
use crate::packet::{Endpoint, Packet, Piece, Reassembled};
use crate::transport::Transport;

pub use key::Key;
pub use text::{Counts, Table};

use patches::Patches;
use text::Pseudonyms;
use tls::Sessions;

/// Takes what must not be told out of frames. Sees them twice: first it is told of messages and
/// packets that lie in several frames, then it is given every frame.
#[derive(Debug)]
pub struct Redactor {
    pseudonyms: Pseudonyms,
    patches: Patches,
    sessions: Sessions,
}

/// A frame that tells nothing of anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted {
    /// What its first header is.
    pub link: LinkType,
    /// Its bytes.
    pub data: Vec<u8>,
    /// Its length on the wire.
    pub original_length: u32,
}

/// A message of a stream and where its bytes lie.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'s> {
    /// Its number in the pass.
    pub number: u64,
    /// The frame that completed it.
    pub frame: FrameId,
    /// Between whom.
    pub ends: (Endpoint, Endpoint),
    /// What carried it.
    pub transport: Transport,
    /// Its bytes.
    pub bytes: &'s [u8],
    /// Where they lie.
    pub pieces: &'s [Piece],
    /// Where the WebSocket frame lies that carries it.
    pub unit: &'s [Piece],
    /// What they are masked with in the frames.
    pub mask: Option<[u8; 4]>,
}

impl Redactor {
    /// With a key, and so many digits behind the country code that numbers keep. `has_table` where
    /// the owner wants to know what stands for what.
    pub fn new(key: Key, keep_prefix: usize, has_table: bool) -> Self {
        let mut pseudonyms = Pseudonyms::new(key, keep_prefix);
        pseudonyms.table = has_table.then(BTreeMap::new);
        Self { pseudonyms, patches: Patches::default(), sessions: Sessions::default() }
    }

    /// Learns a message of a stream, in both passes.
    pub fn learn(&mut self, sent: &Sent<'_>) {
        self.patches.learn(&mut self.pseudonyms, sent);
    }

    /// Learns that bytes of a message were captured again, in the first pass.
    pub fn learn_again(&mut self, number: u64, pieces: &[Piece]) {
        self.patches.learn_again(number, pieces);
    }

    /// Learns a packet that came in fragments, in the first pass.
    pub fn learn_whole(&mut self, whole: &Reassembled) {
        let mut data = whole.data.clone();
        let ends = (whole.path.source.address, whole.path.destination.address);
        self.whole(ends, whole.protocol, &mut data, whole.is_cut);
        self.patches.add(whole.pieces(&whole.data), &data);
    }

    /// The frame without what must not be told. `packet` is what it carries.
    pub fn frame(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) -> Redacted {
        let patches = self.patches.take(frame.id);
        self.redacted(frame, packet, &patches)
    }

    /// The second pass begins, in which every frame is given.
    pub fn begin(&mut self) {
        self.pseudonyms.counts = Counts::default();
        self.patches.begin();
    }

    /// How much was replaced in the second pass, each time counted.
    pub const fn counts(&self) -> Counts {
        self.pseudonyms.counts
    }

    /// Frames of which parts had to be put to zero, as too much was to be remembered.
    pub fn dropped(&self) -> u64 {
        self.patches.dropped()
    }

    /// What stands for what, in order, if it was asked for; for the owner of the capture alone.
    pub const fn table(&self) -> Option<&Table> {
        self.pseudonyms.table.as_ref()
    }
}

/// Bytes that take the place of others in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Patch {
    /// Where they begin in the captured bytes of the frame.
    offset: usize,
    length: usize,
    /// None where the bytes stay.
    bytes: Option<Vec<u8>>,
}
