//! What is tried with any bytes: each target takes them apart, gives them to one part of siptrace
//! and asserts what must hold for all of them.
//!
//! The same functions are run by libFuzzer (`fuzz/run.sh`), over damaged fixtures by `cargo test`,
//! and over the files that a fuzz target is given without libFuzzer.

// The tests have it as a module of their own.
#![allow(unreachable_pub)]

mod files;
mod media;
mod message;
mod packet;
mod streams;
mod whole;

pub use files::{config, expect, filter, script};
pub use media::rtp;
pub use message::{sdp, sip};
pub use packet::{LINKS, container, frame, ip};
pub use streams::{hep, tcp, tls, websocket};
pub use whole::analyze;

/// Takes any bytes; panics where something does not hold.
pub type Target = fn(&[u8]);

/// Every target with its name.
pub const ALL: [(&str, Target); 15] = [
    ("analyze", analyze),
    ("config", config),
    ("container", container),
    ("expect", expect),
    ("filter", filter),
    ("frame", frame),
    ("hep", hep),
    ("ip", ip),
    ("rtp", rtp),
    ("script", script),
    ("sdp", sdp),
    ("sip", sip),
    ("tcp", tcp),
    ("tls", tls),
    ("websocket", websocket),
];

/// An input that is taken from the front; zeros behind its end.
struct Input<'i>(&'i [u8]);

impl<'i> Input<'i> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// So many bytes, or what is left.
    fn take(&mut self, length: usize) -> &'i [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Bytes behind their length, a big-endian word.
    fn counted(&mut self) -> &'i [u8] {
        let length = self.word();
        self.take(length.into())
    }
}

/// Text that is shown does not tell a terminal what to do. Line ends are our own.
fn assert_harmless(text: &[u8], what: &str) {
    let text = std::str::from_utf8(text).unwrap_or_else(|error| panic!("{what}: {error}"));
    let harmful = text.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(harmful, None, "{what} has a control character: {text:?}");
}
