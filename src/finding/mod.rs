//! What a rule reports, and how a rule is described.
//!
//! A finding holds numbers, names and frames, never sentences: the words are the catalogue's.

mod gate;
mod rule;
mod value;
mod report;

pub use gate::Gate;
pub use report::{
    Direction, Ending, Finding, Findings, LadderLine, Linked, Report, Sign, Visibility,
};
pub use rule::{Check, Confidence, Family, Rule, Severity};
pub use value::Value;
