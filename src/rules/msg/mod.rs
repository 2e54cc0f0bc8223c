//! Message syntax.

use crate::finding::Value;
use crate::signaling::Message;

pub(crate) mod bad_request_explained;
pub(crate) mod content_length_mismatch;
pub(crate) mod cseq_invalid;
pub(crate) mod duplicate_singleton_header;
pub(crate) mod message_sanity;
pub(crate) mod missing_mandatory_header;
pub(crate) mod via_branch_invalid;

/// What a message is, for the evidence: `INVITE`, `200 OK`.
fn title(message: &Message<'_>) -> Value {
    match message.status() {
        Some(status) => {
            let phrase = message.reason_phrase().unwrap_or_default();
            Value::quoted(format!("{} {phrase}", status.code()).trim_end().as_bytes())
        }
        None => Value::quoted(message.method().as_bytes()),
    }
}
