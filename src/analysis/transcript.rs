//! The messages of a call, kept for whoever compares, checks or shows them.

use std::collections::{HashMap, HashSet};
use std::ptr;

use crate::capture::FrameId;
use crate::packet::Endpoint;
use crate::signaling::Call;
use crate::sip;
use crate::time::Time;
use crate::transport::Transport;

/// One message of a call at one place of its way, with its bytes as they were captured.
#[derive(Clone, Debug)]
pub struct Step {
    /// The frame that completed it.
    pub frame: FrameId,
    /// When that frame was captured.
    pub time: Time,
    /// The sender.
    pub source: Endpoint,
    /// The receiver.
    pub destination: Endpoint,
    /// What carried it.
    pub transport: Transport,
    /// Its transaction, as a place in [`CallSummary::transactions`]; the ACK to a 2xx has none.
    ///
    /// [`CallSummary::transactions`]: crate::analysis::CallSummary::transactions
    pub transaction: Option<usize>,
    /// It repeats an earlier message on the same hop.
    pub is_retransmission: bool,
    /// Bytes of it are missing from the capture.
    pub is_cut: bool,
    /// The message, unsafe to show as it is.
    pub bytes: Box<[u8]>,
}

impl Step {
    /// The message, read anew.
    pub fn message(&self) -> sip::Message<'_> {
        sip::Message::lex(&self.bytes).0
    }
}

/// The messages of a call in order of capture.
pub(crate) fn transcript(call: &Call<'_>) -> Vec<Step> {
    let mut places = HashMap::new();
    let mut repeats = HashSet::new();
    for transaction in &call.transactions {
        places.extend(transaction.messages().map(|own| (ptr::from_ref(own), transaction.index)));
        repeats.extend(transaction.repeats().map(ptr::from_ref));
    }
    let steps = call.messages.iter().map(|message| Step {
        frame: message.frame,
        time: message.time,
        source: message.source,
        destination: message.destination,
        transport: message.transport,
        transaction: places.get(&ptr::from_ref(message)).copied(),
        is_retransmission: repeats.contains(&ptr::from_ref(message)),
        is_cut: message.is_cut,
        bytes: message.bytes().into(),
    });
    steps.collect()
}
