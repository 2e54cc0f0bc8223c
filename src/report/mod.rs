//! From the analysis to an output format, one file per format; no threads, no files.

pub(crate) mod catalogue;
pub(crate) mod compare;
pub(crate) mod document;
pub(crate) mod evidence;
pub(crate) mod explain;
pub(crate) mod filter;
pub(crate) mod html;
pub mod json;
pub mod jsonl;
pub(crate) mod layout;
pub(crate) mod rules;
pub(crate) mod statistics;
mod streams;
pub(crate) mod style;
pub mod text;
pub(crate) mod wav;

pub use document::Page;
