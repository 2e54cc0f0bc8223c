//! Transactions and time-outs.

pub(crate) mod invite_no_response;
pub(crate) mod long_ringing_no_answer;
pub(crate) mod no_100_trying;
pub(crate) mod request_no_response;
pub(crate) mod request_retransmitted;
pub(crate) mod slow_post_dial_delay;
pub(crate) mod timer_c_expiry;
pub(crate) mod trying_then_server_failure;
pub(crate) mod trying_then_silence;
