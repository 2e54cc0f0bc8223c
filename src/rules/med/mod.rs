//! Media.

pub(crate) mod icmp_unreachable;
pub(crate) mod no_rtp;
pub(crate) mod one_way_rtp;
