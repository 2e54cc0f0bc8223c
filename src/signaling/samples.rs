//! Messages for the tests of this module, in order of their frames.

use std::borrow::Cow;

use crate::capture::FrameId;
use crate::packet::Endpoint;
use crate::signaling::call::Surroundings;
use crate::signaling::coverage::Coverage;
use crate::signaling::log::CallLog;
use crate::signaling::settings::Settings;
use crate::signaling::{Call, Message};
use crate::sip;
use crate::time::{Span, Time};
use crate::transport::{Delivery, Network, Transport};

/// A message of a sample: when, from and to which last number of 192.0.2.0/24, and its text; line
/// ends may be bare.
pub(crate) type Sample<'s> = (i64, u8, u8, &'s str);

/// The log of the messages.
pub(crate) fn log(samples: &[Sample<'_>]) -> CallLog {
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
            place: None,
            bytes: Cow::Owned(bytes),
        };
        let head = sip::head(&delivery.bytes).expect("a SIP message");
        log.push(&delivery, &head);
    }
    log
}

/// Builds the call of the messages and looks at it; it was observed for an hour.
pub(crate) fn with_call<T>(samples: &[Sample<'_>], look: impl FnOnce(&Call<'_>) -> T) -> T {
    let log = log(samples);
    let messages: Vec<Message<'_>> = log.messages();
    surrounded(|surroundings| {
        let calls = Call::build(std::iter::once((&*messages, surroundings)));
        look(calls.first().expect("a call"))
    })
}

/// What is around a call that was observed for an hour.
pub(crate) fn surrounded<T>(look: impl FnOnce(Surroundings<'_>) -> T) -> T {
    let settings = Settings::default();
    let observed_until = Time::default() + Span::from_secs(3600);
    let coverage = Coverage::default();
    look(Surroundings {
        observed_until,
        coverage: &coverage,
        settings: &settings,
        network: Network::default(),
    })
}

fn endpoint(last: u8) -> Endpoint {
    Endpoint { address: [192, 0, 2, last].into(), port: 5060 }
}

/// Who sends a message inside the dialog of [`with_dialog`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Caller,
    Callee,
}

/// A message inside one dialog: second, sender, method or status, number, and more header lines,
/// with the CSeq of a response among them.
pub(super) type Line<'s> = (i64, Side, &'s str, u32, &'s str);

/// The same as [`with_call`] for messages inside one dialog.
pub(super) fn with_dialog<T>(lines: &[Line<'_>], look: impl FnOnce(&Call<'_>) -> T) -> T {
    let texts: Vec<_> = lines.iter().map(text).collect();
    let samples: Vec<_> = lines
        .iter()
        .zip(&texts)
        .map(|((second, side, ..), text)| match side {
            Side::Caller => (second * 1000, 10, 20, text.as_str()),
            Side::Callee => (second * 1000, 20, 10, text.as_str()),
        })
        .collect();
    with_call(&samples, look)
}

fn text((_, side, what, number, headers): &Line<'_>) -> String {
    let is_response = what.chars().all(|character| character.is_ascii_digit());
    let start = match is_response {
        true => format!("SIP/2.0 {what} Text"),
        false => format!("{what} sip:b@example.com SIP/2.0\nCSeq: {number} {what}"),
    };
    // A response has the From and To of its request, which came from the other side.
    let is_from_caller = (*side == Side::Caller) != is_response;
    let (from, to) = if is_from_caller { ("a", "b") } else { ("b", "a") };
    let to_tag = if *what == "INVITE" { String::new() } else { format!(";tag={to}") };
    format!(
        "{start}\nVia: SIP/2.0/UDP h;branch=z9hG4bK{from}{number}\n\
         From: <sip:{from}@example.com>;tag={from}\nTo: <sip:{to}@example.com>{to_tag}\n\
         Call-ID: sample\n{headers}Content-Length: 0\n\n"
    )
}
