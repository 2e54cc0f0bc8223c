//! The header fields that a message must have, and those that it lacks.

use crate::signaling::message::Message;
use crate::sip::{Anomaly, Class, HeaderName, Method};

/// Header fields that a message may have to have.
const NAMES: [HeaderName; 18] = [
    HeaderName::Via,
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::MaxForwards,
    HeaderName::Contact,
    HeaderName::SubscriptionState,
    HeaderName::Event,
    HeaderName::ReferTo,
    HeaderName::RSeq,
    HeaderName::RAck,
    HeaderName::WwwAuthenticate,
    HeaderName::ProxyAuthenticate,
    HeaderName::Allow,
    HeaderName::Unsupported,
    HeaderName::MinExpires,
    HeaderName::MinSe,
];

/// Some of the header fields that messages may have to have, as bits in the order of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needed(u32);

impl Needed {
    /// Without these a server cannot answer, and a client cannot tell what is answered.
    pub const ALWAYS: Self =
        Self::of(&[HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CSeq]);

    /// `Max-Forwards` alone.
    pub const MAX_FORWARDS: Self = Self::of(&[HeaderName::MaxForwards]);

    const NONE: Self = Self(0);

    const fn of(names: &[HeaderName]) -> Self {
        let mut bits = 0;
        let mut place = 0;
        while place < names.len() {
            bits |= bit(names[place]);
            place += 1;
        }
        Self(bits)
    }

    /// None of them.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Some field is in both.
    pub const fn has_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The names of the fields.
    pub fn names(self) -> impl Iterator<Item = HeaderName> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let name = NAMES.get(left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some(*name)
        })
    }
}

const fn bit(name: HeaderName) -> u32 {
    let mut place = 0;
    while place < NAMES.len() {
        if NAMES[place] as u8 == name as u8 {
            return 1 << place;
        }
        place += 1;
    }
    0
}

/// Whoever rejects with one kind of challenge needs no other.
const CHALLENGES: [HeaderName; 2] = [HeaderName::WwwAuthenticate, HeaderName::ProxyAuthenticate];

impl Message<'_> {
    /// What the message lacks; nothing of one that the capture cut (guard G5).
    pub fn lacks(&self) -> Needed {
        let is_there = |name: &HeaderName| self.has(*name);
        let is_another_there =
            |name: &HeaderName| CHALLENGES.contains(name) && CHALLENGES.iter().any(is_there);
        let is_met = |name: &HeaderName| is_there(name) || is_another_there(name);
        let missing = needed_in(self).names().filter(|name| !is_met(name));
        let missing = missing.fold(0, |bits, name| bits | bit(name));
        let is_partial = self.is_cut
            || self.anomalies.contains(Anomaly::HeadersUnfinished)
            || self.anomalies.contains(Anomaly::TooManyHeaders);
        Needed(if is_partial { 0 } else { missing })
    }
}

/// What a message needs besides what every message needs.
macro_rules! besides {
    ($($name:ident),*) => {
        const { Needed(Needed::ALWAYS.0 | Needed::of(&[$(HeaderName::$name),*]).0) }
    };
}

/// RFC 3261, sections 8.1.1, 8.2.6 and 21 with table 2; RFC 3262, 3515, 4028 and 6665.
fn needed_in(message: &Message<'_>) -> Needed {
    let method = message.method();
    let Some(status) = message.status() else {
        return match method {
            _ if !message.is_request() => Needed::NONE,
            Method::Invite => besides!(MaxForwards, Contact),
            Method::Notify => besides!(MaxForwards, Event, SubscriptionState),
            Method::Subscribe => besides!(MaxForwards, Event),
            Method::Refer => besides!(MaxForwards, ReferTo),
            Method::Prack => besides!(MaxForwards, RAck),
            _ => besides!(MaxForwards),
        };
    };
    let is_reliable = || message.has_option(HeaderName::Require, "100rel");
    match (status.code(), status.class()) {
        (401, _) => besides!(WwwAuthenticate),
        (407, _) => besides!(ProxyAuthenticate),
        (405, _) => besides!(Allow),
        (420, _) => besides!(Unsupported),
        (422, _) => besides!(MinSe),
        (423, _) => besides!(MinExpires),
        (_, Class::Success) if method == Method::Invite => besides!(Contact),
        (101.., Class::Provisional) if is_reliable() => besides!(RSeq),
        _ => Needed::ALWAYS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::samples::with_call;

    fn lacks(line: &str, headers: &str) -> Vec<HeaderName> {
        let text = format!(
            "{line}\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\nFrom: <sip:a@h>;tag=a\n{headers}\n\n"
        );
        with_call(&[(0, 1, 2, &text)], |call| {
            call.messages.iter().flat_map(|message| message.lacks().names()).collect()
        })
    }

    #[test]
    fn what_is_needed_depends_on_method_and_status() {
        use HeaderName as H;
        let rest = "To: <sip:b@h>\nCall-ID: 1\nCSeq: 1 INVITE";
        assert_eq!(lacks("INVITE sip:b@h SIP/2.0", rest), [H::MaxForwards, H::Contact]);
        assert_eq!(lacks("SIP/2.0 401 Unauthorized", rest), [H::WwwAuthenticate]);
        let other = format!("{rest}\nProxy-Authenticate: Digest realm=\"r\"");
        assert_eq!(lacks("SIP/2.0 401 Unauthorized", &other), []);
        assert_eq!(lacks("SIP/2.0 180 Ringing", rest), []);
        assert_eq!(lacks("SIP/2.0 180 Ringing", &format!("{rest}\nRequire: 100rel")), [H::RSeq]);
    }
}
