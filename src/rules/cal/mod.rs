//! Call outcome.

pub(crate) mod early_media_announcement_then_failure;
pub(crate) mod failover_exhausted;
pub(crate) mod failure_after_progress;
pub(crate) mod final_response;
pub(crate) mod forked_2xx_unhandled;
pub(crate) mod method_not_supported;
pub(crate) mod progress_then_bad_gateway;
pub(crate) mod progress_without_early_media;
pub(crate) mod redirect_not_followed;
pub(crate) mod status_q850_conflict;
pub(crate) mod unregistered_status_code;
