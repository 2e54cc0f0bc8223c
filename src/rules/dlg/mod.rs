//! Dialogs and what happens inside them.

pub(crate) mod missing_ack_2xx;
pub(crate) mod ack_2xx_late_recovered;
pub(crate) mod ack_non2xx_missing;
pub(crate) mod ack_mismatch;
pub(crate) mod ack_sent_to_wrong_place;
pub(crate) mod late_final_after_timeout;
pub(crate) mod cancel_without_487;
pub(crate) mod cancel_crosses_answer;
pub(crate) mod cancel_unmatched_481;
pub(crate) mod bye_no_response;
pub(crate) mod bye_rejected;
pub(crate) mod short_call;
pub(crate) mod fixed_interval_drop;
pub(crate) mod in_dialog_481;
pub(crate) mod reinvite_glare;
pub(crate) mod reinvite_rejected;
pub(crate) mod session_interval_too_small;
pub(crate) mod session_refresh_missing;
pub(crate) mod session_refresh_rejected;
pub(crate) mod cseq_out_of_order;
pub(crate) mod prack_failure;
pub(crate) mod extension_required_missing;
