//! Captures by the terabyte: tables of SIP messages, calls, findings and streams, made by the core
//! of siptrace on DataFusion, on one machine or on a cluster of Ballista.

use std::process::ExitCode;

mod captures;
mod cli;
mod cluster;
mod engine;
mod fault;
mod ingest;
mod manifest;
mod output;
mod plans;
mod progress;
mod query;
mod report;
mod roles;
mod rows;
mod show;
mod signals;
mod size;
mod stack;
mod step;
mod steps;
mod store;
mod tables;
mod writer;

/// Rows are made on one thread and freed on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match stack::again_with_room() {
        Some(code) => code,
        None => cli::run(std::env::args_os()),
    }
}
