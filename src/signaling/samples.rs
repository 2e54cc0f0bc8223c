//! Messages for the tests of this module, in order of their frames.

use std::borrow::Cow;

use crate::capture::FrameId;
use crate::packet::Endpoint;
use crate::signaling::call::Surroundings;
use crate::signaling::log::CallLog;
use crate::signaling::settings::Settings;
use crate::signaling::{Call, Message};
use crate::sip;
use crate::time::{Span, Time};
use crate::transport::{Delivery, Transport};

/// A message of a sample: when, from and to which last number of 192.0.2.0/24, and its text; line
/// ends may be bare.
pub(super) type Sample<'s> = (i64, u8, u8, &'s str);

/// Builds the call of the messages and looks at it; it was observed for an hour.
pub(super) fn with_call<T>(samples: &[Sample<'_>], look: impl FnOnce(&Call<'_>) -> T) -> T {
    let mut log = CallLog::new(Time::default());
    for ((millis, from, to, text), number) in samples.iter().zip(1..) {
        let bytes = text.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes();
        let delivery = Delivery {
            frame: FrameId { capture: 0, number },
            time: Time::default() + Span::from_millis(*millis),
            source: endpoint(*from),
            destination: endpoint(*to),
            transport: Transport::Udp,
            ip_id: 0,
            is_cut: false,
            is_fragmented: false,
            bytes: Cow::Owned(bytes),
        };
        let head = sip::head(&delivery.bytes).expect("a SIP message");
        log.push(&delivery, &head);
    }
    let messages: Vec<Message<'_>> = log.messages();
    let settings = Settings::default();
    let observed_until = Time::default() + Span::from_secs(3600);
    look(&Call::build(&messages, Surroundings { observed_until, settings: &settings }))
}

fn endpoint(last: u8) -> Endpoint {
    Endpoint { address: [192, 0, 2, last].into(), port: 5060 }
}
