//! From the bytes of a session description to media, addresses and attributes (RFC 8866).
//!
//! Walks lines and keeps slices; an attribute is looked for when it is asked for. Never fails: a
//! line that makes no sense is passed over and noted. Knows nothing of offers and answers.

mod anomaly;
pub mod attribute;
pub mod line;
pub mod media;
mod session;

pub use anomaly::{Anomalies, Anomaly};
pub use attribute::{Direction, Fmtp, Precondition, RtpMap, Setup};
pub use media::Media;
pub use session::{Connection, Origin, Session};
