//! Media.

pub(crate) mod dtmf_not_delivered;
pub(crate) mod icmp_unreachable;
pub(crate) mod media_gap;
pub(crate) mod no_rtp;
pub(crate) mod one_way_rtp;
pub(crate) mod rtp_quality;
pub(crate) mod rtp_to_unexpected_port;
pub(crate) mod unexpected_payload_type;
