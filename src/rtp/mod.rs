//! From the bytes of a UDP payload to RTP and RTCP headers (RFC 3550).
//!
//! Knows nothing of streams, of codecs, nor of who sent the packet.

mod header;
mod kind;
pub mod rtcp;

pub use header::Header;
pub use kind::Kind;
