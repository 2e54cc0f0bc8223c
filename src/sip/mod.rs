//! From bytes to a typed SIP message and what is wrong with it.
//!
//! Parsing never fails: whatever the bytes are, there is a message and a set of anomalies. Nothing
//! is copied; typed values are made when asked for. Knows nothing of time, frames and files,
//! nor of any other message.

mod address;
pub mod anomaly;
pub(crate) mod base64;
mod body;
mod cseq;
mod dialog_id;
mod digest;
mod fields;
mod head;
mod header_name;
mod host;
mod identity;
mod inspection;
mod lexer;
pub(crate) mod lws;
mod message;
mod method;
mod number;
mod passport;
pub(crate) mod quoted;
mod reason;
mod seconds;
mod start;
mod status;
mod subscription;
pub mod timers;
mod uri;
mod values;
mod via;

pub use address::Address;
pub(crate) use address::tag_of;
pub use anomaly::{Anomalies, Anomaly, Flag, Set as AnomalySet};
pub use body::{ContentType, Part};
pub use cseq::{CSeq, NUMBER_END as CSEQ_END, RAck};
pub use dialog_id::DialogId;
pub use digest::{Challenge, Credentials, Fields};
pub(crate) use fields::Names;
pub use head::{Head, head};
pub(crate) use head::{HeadPlaces, head_of_message};
pub use header_name::HeaderName;
pub use host::Host;
pub use identity::Identity;
pub use lexer::Header;
pub use message::{Message, NotANumber};
pub use method::Method;
pub use number::{CountryCode, Likeness, NotACountryCode, Number};
pub use passport::{Party, Passport, PassportAnomalies, PassportAnomaly, rebuilt};
pub use quoted::Parameters;
pub use reason::{Reason, Warning};
pub use seconds::{Refresher, RetryAfter, SessionExpires};
pub use start::Start;
pub use status::{Class, Status};
pub use subscription::{Event, SubscriptionStage, SubscriptionState};
pub use uri::{Scheme, Uri};
pub(crate) use via::plain_branch;
pub use via::{COOKIE, Rport, Via};

pub use crate::transport::start_line::is_start;
