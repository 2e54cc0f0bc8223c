//! From the analysis to an output format, one file per format; no threads, no files.

pub mod calls;
pub(crate) mod catalogue;
pub mod check;
pub(crate) mod compare;
pub mod csv;
pub mod diff;
pub(crate) mod document;
mod entries;
pub(crate) mod evidence;
pub mod expect;
pub(crate) mod explain;
pub(crate) mod filter;
pub(crate) mod fingerprint;
pub mod github;
pub mod gitlab;
pub(crate) mod html;
pub(crate) mod index;
pub mod json;
pub mod jsonl;
pub mod junit;
pub(crate) mod layout;
pub mod markdown;
pub mod outcome;
pub mod page;
pub(crate) mod rules;
pub mod sarif;
pub mod schema;
mod screened;
pub(crate) mod statistics;
mod streams;
pub(crate) mod style;
pub mod text;
pub(crate) mod wav;

pub use document::Page;
pub use outcome::{Missed, Outcome};
pub use style::Style;
