//! Message syntax.

pub(crate) mod missing_mandatory_header;
