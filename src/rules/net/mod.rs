//! Addresses, transport and size.

pub(crate) mod stream_closed_mid_transaction;
pub(crate) mod tcp_connect_failed;
