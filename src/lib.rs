//! siptrace tells what went wrong in a SIP capture, why, how it is known, and what to do about it.
//!
//! The modules are layers; each uses only those before it, in the order of ARCHITECTURE.md.

pub mod time;
pub mod limits;
pub mod bytes;
pub mod capture;
pub mod packet;
pub mod transport;
pub mod sip;
pub mod sdp;
pub mod rtp;
pub mod signaling;
pub mod media;
pub mod finding;
pub mod rules;
pub mod catalogue;
pub mod analysis;
pub mod report;
pub mod pipeline;
pub mod cli;
