//! What the bounds of one message and of one call left out of sight.
//!
//! A message that is larger than its bounds is read as far as they go. What lies behind them is
//! rare, so it is only counted here, and the report names it.

use crate::limits::{HEADERS_PER_MESSAGE_MAX, IDENTITIES_PER_MESSAGE_MAX};
use crate::sdp;
use crate::signaling::call::Call;
use crate::signaling::exchange::Exchange;
use crate::signaling::message::Message;
use crate::sip::{Anomaly, HeaderName};

/// How many messages and calls have more than is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub(crate) struct Bounded {
    headers: u64,
    identities: u64,
    body_parts: u64,
    media: u64,
    formats: u64,
    subscriptions: u64,
}

impl Bounded {
    /// Takes in what one call has beyond the bounds.
    pub(super) fn add_call(&mut self, call: &Call<'_>) {
        for message in call.messages {
            self.add_message(message);
        }
        self.subscriptions += call.subscriptions_beyond();
        for negotiation in call.negotiations().iter() {
            let exchanges = negotiation.exchanges.iter();
            for (_, description) in exchanges.flat_map(Exchange::descriptions) {
                let has = |anomaly| u64::from(description.anomalies.contains(anomaly));
                self.media += has(sdp::Anomaly::TooManyMedia);
                self.formats += has(sdp::Anomaly::TooManyFormats);
            }
        }
    }

    fn add_message(&mut self, message: &Message<'_>) {
        self.headers += u64::from(message.anomalies.contains(Anomaly::TooManyHeaders));
        if message.has(HeaderName::Identity) {
            let all = message.values(HeaderName::Identity).take(HEADERS_PER_MESSAGE_MAX);
            let beyond = all.count().saturating_sub(IDENTITIES_PER_MESSAGE_MAX);
            self.identities += beyond as u64;
        }
        // Most bodies are session descriptions.
        if message.has(HeaderName::ContentType) && !message.body().starts_with(b"v=") {
            self.body_parts += u64::from(message.has_more_parts());
        }
    }

    /// Adds what another part of the run counted.
    pub(super) fn merge(&mut self, other: &Self) {
        self.headers += other.headers;
        self.identities += other.identities;
        self.body_parts += other.body_parts;
        self.media += other.media;
        self.formats += other.formats;
        self.subscriptions += other.subscriptions;
    }

    /// The counts, by the name of the bound.
    pub(super) const fn counts(&self) -> [(&'static str, u64); 6] {
        [
            ("headers-per-message", self.headers),
            ("identities-per-message", self.identities),
            ("body-parts", self.body_parts),
            ("media-per-sdp", self.media),
            ("formats-per-media", self.formats),
            ("subscriptions-per-call", self.subscriptions),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::limits::{
        BODY_PARTS_MAX, FORMATS_PER_MEDIA_MAX, MEDIA_PER_SDP_MAX, SUBSCRIPTIONS_PER_CALL_MAX,
    };
    use crate::signaling::samples::{Side, with_call, with_dialog};

    fn counted(call: &Call<'_>) -> Vec<(&'static str, u64)> {
        let mut bounded = Bounded::default();
        bounded.add_call(call);
        let mut sum = bounded;
        sum.merge(&bounded);
        let twice = bounded.counts().map(|(name, count)| (name, 2 * count));
        assert_eq!(sum.counts(), twice);
        bounded.counts().into_iter().filter(|(_, count)| *count > 0).collect()
    }

    fn of_invite(headers: &str, body: &str) -> Vec<(&'static str, u64)> {
        let invite = format!(
            "INVITE sip:b@example.com SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\n\
             From: <sip:a@example.com>;tag=a\nTo: <sip:b@example.com>\nCall-ID: sample\n\
             CSeq: 1 INVITE\n{headers}\n{body}"
        );
        with_call(&[(0, 10, 20, &invite)], counted)
    }

    const SDP: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n";

    fn of_sdp(media: &str) -> Vec<(&'static str, u64)> {
        of_invite("Content-Type: application/sdp\n", &format!("{SDP}{media}"))
    }

    #[test]
    fn a_message_as_large_as_its_bounds_is_seen_whole() {
        let headers = HEADERS_PER_MESSAGE_MAX - 5;
        assert!(of_invite(&"X: 1\n".repeat(headers), "").is_empty());
        assert!(of_invite(&"Identity: a\n".repeat(IDENTITIES_PER_MESSAGE_MAX), "").is_empty());
        assert!(of_sdp(&"m=audio 9 RTP/AVP 0\n".repeat(MEDIA_PER_SDP_MAX)).is_empty());
        let formats = " 0".repeat(FORMATS_PER_MEDIA_MAX);
        assert!(of_sdp(&format!("m=audio 9 RTP/AVP{formats}\n")).is_empty());
        let parts = "--x\n\na\n".repeat(BODY_PARTS_MAX);
        let multipart = "Content-Type: multipart/mixed;boundary=x\n";
        assert!(of_invite(multipart, &format!("{parts}--x--\n")).is_empty());
    }

    #[test]
    fn what_lies_beyond_is_counted() {
        let headers = "X: 1\n".repeat(HEADERS_PER_MESSAGE_MAX);
        assert_eq!(of_invite(&headers, ""), [("headers-per-message", 1)]);
        let identities = "Identity: a\n".repeat(IDENTITIES_PER_MESSAGE_MAX + 2);
        assert_eq!(of_invite(&identities, ""), [("identities-per-message", 2)]);
        let media = "m=audio 9 RTP/AVP 0\n".repeat(MEDIA_PER_SDP_MAX + 1);
        assert_eq!(of_sdp(&media), [("media-per-sdp", 1)]);
        let formats = " 0".repeat(FORMATS_PER_MEDIA_MAX + 1);
        let media = format!("m=audio 9 RTP/AVP{formats}\n");
        assert_eq!(of_sdp(&media), [("formats-per-media", 1)]);
        let parts = "--x\n\na\n".repeat(BODY_PARTS_MAX + 1);
        let multipart = "Content-Type: multipart/mixed;boundary=x\n";
        assert_eq!(of_invite(multipart, &format!("{parts}--x--\n")), [("body-parts", 1)]);
    }

    #[test]
    fn a_subscription_beyond_the_bound_is_counted() {
        let mut lines = Vec::new();
        let mut events = Vec::new();
        for number in 0..=SUBSCRIPTIONS_PER_CALL_MAX {
            let mut event = String::new();
            write!(event, "Event: presence;id={number}\r\n").expect("a string takes all");
            events.push(event);
        }
        for (event, number) in events.iter().zip(1..) {
            lines.push((1, Side::Caller, "SUBSCRIBE", number, event.as_str()));
        }
        with_dialog(&lines, |call| {
            assert_eq!(call.subscriptions.len(), SUBSCRIPTIONS_PER_CALL_MAX);
            assert_eq!(counted(call), [("subscriptions-per-call", 1)]);
        });
    }
}
