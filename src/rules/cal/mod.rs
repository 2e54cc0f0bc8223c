//! Call outcome.

pub(crate) mod progress_then_bad_gateway;
pub(crate) mod progress_without_early_media;
pub(crate) mod final_response;
