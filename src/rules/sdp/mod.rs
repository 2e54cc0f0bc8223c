//! Offer and answer.

pub(crate) mod answer_codec_not_offered;
pub(crate) mod answer_mline_mismatch;
pub(crate) mod direction_conflict;
pub(crate) mod ice_or_rtcp_mux_mismatch;
pub(crate) mod media_rejected;
pub(crate) mod no_common_codec;
pub(crate) mod offer_unanswered;
pub(crate) mod private_sdp_from_public;
pub(crate) mod ptime_mismatch;
pub(crate) mod srtp_profile_mismatch;
pub(crate) mod telephone_event_mismatch;
