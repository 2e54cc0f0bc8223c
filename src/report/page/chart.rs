//! The charts of the incident report, drawn as SVG: nothing runs, nothing is loaded, and what they
//! show stands beside them as a table.
//!
//! Empty where there is nothing to draw. Knows nothing of the page around them.

mod calls;
mod codes;
mod delays;
mod quality;
mod scale;
mod spark;

#[cfg(test)]
mod tests;

pub(super) use calls::calls_over_time;
pub(super) use codes::codes;
pub(super) use delays::{delays, response_times};
pub(super) use quality::quality;
pub(super) use spark::spark;

/// The width of a chart, of which two stand beside each other on a wide page.
const WIDTH: f64 = 560.0;

/// The width of a narrow character of a label.
const COLUMN: f64 = 6.7;
