//! The readable capture: a `.sip` script that says who sends what to whom, played into frames.
//!
//! `syntax` reads lines, `player` plays them: `memory` knows what a message needs from those
//! before it, `wire` puts it into packets. `docs/sip-script.md` describes the language. What a
//! script asks for is made as it says, wrong or not; what it leaves open is filled in rightly.
//! Knows nothing of how the frames are read again.

mod dialog;
mod error;
mod expectation;
mod forward;
mod ip;
mod media;
mod memory;
mod message;
mod offer;
mod options;
mod payload;
mod player;
mod reason;
mod rehearsal;
mod request;
mod response;
mod sdp;
mod syntax;
mod tcp;
mod tls;
mod wire;
mod word;

pub use error::Error;
pub use expectation::Expectation;
pub(crate) use message::is_same_name;
pub use payload::payload_lines;
pub(crate) use rehearsal::{Author, Change, Offered, rehearse};

use crate::capture::LinkType;
use crate::time::Time;

/// Lines of one script: far above what a person writes, enough for one that a program wrote.
const LINES_MAX: usize = 400_000;

/// Bytes of one script.
const TEXT_BYTES_MAX: usize = 64 << 20;

/// Hosts of one script.
const HOSTS_MAX: usize = 1000;

/// Frames that one script makes; a line with `rtp` can ask for millions.
const FRAMES_MAX: usize = 100_000;

/// Bytes of all frames and remembered messages of one script.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// Messages or lines looked through, back or ahead, for the one that a line refers to.
const LOOK_MAX: usize = 300;

/// Header lines below one message.
const EDITS_MAX: usize = 256;

/// One frame that a script makes, complete from its IP header on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptFrame {
    /// When it was captured.
    pub time: Time,
    /// What its first header is: always raw IP.
    pub link: LinkType,
    /// The captured bytes.
    pub data: Vec<u8>,
    /// Length on the wire; more than `data` where `cut=` shortened it.
    pub original_length: u32,
}

/// The frames of a script, sorted by time.
pub fn frames(text: &str) -> Result<Vec<ScriptFrame>, Error> {
    let script = syntax::parse(text)?;
    Ok(player::play(&script)?.frames)
}

/// The messages that a script sends, in the order of its lines, those that are sent again left out.
pub(crate) fn messages(text: &str) -> Result<Vec<Vec<u8>>, Error> {
    let script = syntax::parse(text)?;
    player::messages(&script)
}

/// What the `^` lines of a script expect, with labels already replaced by frame numbers.
pub fn expectations(text: &str) -> Result<Vec<Expectation>, Error> {
    let script = syntax::parse(text)?;
    let played = player::play(&script)?;
    expectation::resolve(&script, &played)
}

/// The comment lines that a script begins with, joined: what the case is about. Empty without any.
pub fn title(text: &str) -> String {
    let lines = text.trim_start_matches('\u{feff}').lines();
    let comments = lines.map_while(|line| line.trim().strip_prefix('#'));
    comments.map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
