//! Security, overload, identity, emergency calls.

pub(crate) mod identity_required;
