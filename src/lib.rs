//! siptrace tells what went wrong in a SIP capture, why, how it is known, and what to do about it.
//!
//! The modules are layers; each uses only those before it, in the order of ARCHITECTURE.md.
//!
//! ```
//! use std::path::Path;
//!
//! use siptrace::analysis::Keep;
//! use siptrace::capture::Source;
//! use siptrace::rules::Profile;
//! use siptrace::transport::KeyLog;
//! use siptrace::{pipeline, rules};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let capture = Source::open(Path::new("fixtures/captures/trying-then-502-tcp.pcap"), 0)?;
//! let options = pipeline::Options {
//!     profile: Profile { rules: rules::ALL.to_vec(), ..Profile::default() },
//!     keep: Keep { calls: 100, findings: 100, ladders: 10, ..Keep::default() },
//!     media: true,
//!     keys: KeyLog::default(),
//!     threads: None,
//! };
//! let analysis = pipeline::run(vec![capture], &options, &|_| ())?;
//! assert_eq!(analysis.findings[0].rule.name, "trying-then-server-failure");
//! # Ok(())
//! # }
//! ```

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
