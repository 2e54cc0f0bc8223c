//! Transfer and subscriptions.

pub(crate) mod refer_accepted_no_notify;
pub(crate) mod refer_notify_rejected;
pub(crate) mod refer_outcome_unknown;
pub(crate) mod replaces_failed;
pub(crate) mod subscription_broken;
pub(crate) mod transfer_failed;
