//! Media.

pub(crate) mod icmp_unreachable;
