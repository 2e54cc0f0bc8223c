//! What the crate promises, tested from outside.

mod bounds;
mod broken_rules;
mod build;
mod calls;
mod captures;
mod check;
mod cli;
mod crowds;
mod cuts;
mod degraded;
mod determinism;
mod diff;
mod differential;
mod expect;
mod extract;
mod faults;
mod figures;
mod filters;
mod floods;
mod flow;
mod formats;
mod hostile;
mod inputs;
mod legs;
mod library;
mod lower_bounds;
mod merged;
#[allow(unreachable_pub)]
#[path = "../../fuzz/src/mutate.rs"]
mod mutate;
mod mutations;
mod one_missing;
mod oracle;
mod ordinary;
mod origin;
mod outcome;
mod peers;
mod pipes;
mod public;
mod recorded;
mod redact;
mod report;
mod rules;
mod run;
mod safety;
mod script;
#[path = "../../fuzz/src/seeds.rs"]
mod seeds;
mod shared;
mod show;
mod sipp;
mod smoke;
mod spelling;
mod stats;
#[cfg(feature = "parts")]
mod steps;
mod stir;
#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;
mod tidy;
mod torture;
mod torture_wire;
mod transcript;
mod transports;
#[cfg(feature = "tui")]
mod tui;
mod verdicts;
#[allow(unreachable_pub)]
#[path = "../../fuzz/src/whole.rs"]
mod whole;
mod writing;
