//! Dialogs and what happens inside them.

pub(crate) mod missing_ack_2xx;
