//! From SIP messages to transactions, attempts, dialogs and calls.
//!
//! Messages of one Call-ID are kept in a [`CallLog`] while they come in. When the call is over,
//! [`Call::build`] makes the whole picture of it in a pure step, which the rules then judge.
//! Knows nothing of rules.

mod accounts;
mod ack;
mod attempt;
mod bounded;
mod call;
mod challenge;
mod clock;
mod coverage;
mod defects;
mod dialled;
mod dialog;
mod digest;
mod emergency;
mod evidence;
mod exchange;
mod facts;
mod firsts;

mod hold;
mod in_dialog;
mod lately;
mod load;
mod log;
mod lookup;
mod losses;
mod message;
mod nat;
mod needed;
mod negotiation;
mod objection;
mod period;
mod pings;
mod reach;
mod registration;
mod registrations;
mod route;
#[cfg(test)]
pub(crate) mod samples;
mod session_timer;
mod network;
mod settings;
mod short_list;
mod silence;
mod state;
mod stir;
mod subscription;
mod suspects;
mod table;
mod talk;
mod traffic;
mod traits;
mod transaction;
mod uses;
mod witnesses;

pub use accounts::{Accounts, NotAnAccount};
pub use ack::{Answer, Field};
pub use attempt::Attempt;
pub use call::{Call, Kind, State as CallState, Surroundings};
pub use challenge::{Chain, ChainEnd, Refusal, Round};
pub use clock::Dates;
pub use coverage::Coverage;
pub use defects::{Batch, Defect, Defects, Harm};
pub use dialled::{Dial, Dialled, Dialling, Dials};
pub use dialog::Dialog;
pub use emergency::{Emergency, EmergencyNumber, NotAnEmergencyNumber};
pub use exchange::{Description, Exchange, ExchangeId, Side};
pub use facts::{
    ClockDifference, Examples, Facts, MediaWays, OneSided, PackedWays, Silence, SipEvidence, Target,
};
pub use hold::Hold;
pub use in_dialog::Mismatch;
pub use load::{Loads, Storm, StormCriteria, Trouble};
pub use log::{CallLog, Pushed};
pub use losses::{Loss, LossKind, Losses};
pub use message::Message;
pub use nat::{SentBy, may_mean};
pub use needed::Needed;
pub use negotiation::{Announced, Negotiation, Negotiations, Sighting};
pub use objection::Objection;
pub use period::{Line, Period};
pub use pings::{Outage, Pings, Watch};
pub use reach::{Net, NotANet, Reach};
pub use registration::{AddressOfRecord, Binding, FailedRegisters};
pub use registrations::{Lapse, Moving, Registrations, Term};
pub use route::{Route, address_in, routes};
pub use session_timer::SessionTimer;
pub use settings::{Amount, Settings, Stir, Threshold};
pub use short_list::ShortList;
pub use state::{Event, Oddity, State, TransactionKind};
pub use stir::{
    Certificate, Certificates, Discrepancy, IdentityObjection, NotACertificate, Signed, Turn,
    Verdict,
};
pub use subscription::Subscription;
pub use suspects::{GuessCriteria, Probing, ScanCriteria, Spell, Suspects, tool_of};
pub use talk::{Answered, SHORT_TALK, SameLength, Talk, Talks};
pub use traffic::{Repeating, Traffic};
pub use traits::Traits;
pub use transaction::{Outcome, Transaction};
pub use uses::{is_used_again, uses};
