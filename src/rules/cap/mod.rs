//! Capture quality.

pub(crate) mod call_id_reused;
pub(crate) mod capture_one_sided;
pub(crate) mod capture_truncated_messages;
pub(crate) mod capture_partial_dialogs;
pub(crate) mod capture_duplicate_packets;
pub(crate) mod capture_packet_loss;
pub(crate) mod capture_time_disorder;
pub(crate) mod encrypted_signalling;
pub(crate) mod unparsed_sip_like_payload;
