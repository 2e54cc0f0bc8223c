//! The browser in the terminal: calls, ladders, messages, findings, streams, statistics.
//!
//! [`App`] is a state machine that is drawn on the cells of a screen; [`Reader`] reads the captures
//! in the background. The terminal itself is the business of `cli`.

mod app;
mod calls;
mod canvas;
mod clock;
mod cursor;
mod difference;
mod figures;
mod findings;
mod help;
mod input;
mod ladder;
mod message;
mod pager;
mod plan;
mod query;
mod reader;
mod store;
mod streams;

pub use app::{App, Command, Setup};
pub use canvas::Theme;
pub use reader::{Job, Reader};
pub use store::News;
