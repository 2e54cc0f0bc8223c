//! What the crate promises, tested from outside.

mod build;
mod captures;
mod cli;
mod crowds;
mod cuts;
mod degraded;
mod determinism;
mod figures;
mod hostile;
mod inputs;
mod legs;
mod merged;
mod mutations;
mod oracle;
mod outcome;
mod pipes;
mod public;
mod recorded;
mod rules;
mod run;
mod shared;
mod spelling;
mod stir;
mod tidy;
mod torture;
mod transports;
