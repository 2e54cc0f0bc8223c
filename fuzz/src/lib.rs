//! Hostile input for siptrace: seeded mutation of whole captures.

pub mod mutate;
pub mod whole;
