//! Security, overload, identity, emergency calls.

pub(crate) mod call_blocked;
pub(crate) mod emergency_call_failed;
pub(crate) mod identity_required;
