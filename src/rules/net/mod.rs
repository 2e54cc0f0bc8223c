//! Addresses, transport and size.

pub(crate) mod loop_detected;
pub(crate) mod max_forwards_trouble;
pub(crate) mod private_contact_from_public;
pub(crate) mod record_route_unreachable;
pub(crate) mod response_path_mismatch;
pub(crate) mod route_set_ignored;
pub(crate) mod sip_alg_rewrite;
pub(crate) mod message_too_large;
pub(crate) mod stream_closed_mid_transaction;
pub(crate) mod tcp_connect_failed;
pub(crate) mod tls_handshake_failed;
pub(crate) mod udp_fragment_lost;
