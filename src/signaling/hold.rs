//! Calls on hold: audio that flowed both ways, until one side wanted that no longer (RFC 3264,
//! section 8.4).

use crate::sdp::Direction;
use crate::signaling::exchange::{Exchange, Side};
use crate::signaling::negotiation::Negotiation;
use crate::signaling::period::{Line, Period};
use crate::time::Time;

/// The hold that a negotiation ends with.
#[derive(Clone, Debug)]
pub struct Hold<'a, 'c> {
    /// The exchange that began it.
    pub begun: &'a Exchange<'c>,
    /// Who put the other one on hold.
    pub holder: Side,
    /// Both sides hold.
    pub is_mutual: bool,
    /// The last exchange in which the holder wanted both ways again, and did not get them.
    pub resume: Option<&'a Exchange<'c>>,
    /// When it began.
    pub from: Time,
    /// The end of the call, or of what was seen of it.
    pub until: Time,
}

impl<'c> Negotiation<'c> {
    /// The hold that was in force at the end.
    pub fn last_hold(&self) -> Option<Hold<'_, 'c>> {
        let held = self.periods.iter().rev().take_while(|period| is_held(period)).count();
        let start = self.periods.len().checked_sub(held).filter(|_| held > 0)?;
        // What never flowed both ways is no hold.
        let before = self.periods.get(start.checked_sub(1)?)?;
        before.audio().filter(|line| line.sends(Side::Caller) && line.sends(Side::Callee))?;
        // Nor is what the 2xx says after a 183.
        let first = self.periods.get(start).filter(|first| first.exchange != before.exchange)?;
        let begun = self.exchange_of(first)?;
        let is_offered = offered(begun).is_some_and(|direction| direction != Direction::SendRecv);
        let holder = if is_offered { begun.offerer } else { begun.offerer.other() };
        let later = self.exchanges.get(first.exchange..).unwrap_or_default();
        let offers = || later.iter().filter(|exchange| exchange.agreed().is_some());
        let is_two_way = |exchange: &&Exchange<'c>| offered(exchange) == Some(Direction::SendRecv);
        Some(Hold {
            begun,
            holder,
            is_mutual: offers().any(|own| own.offerer != holder && !is_two_way(&own)),
            resume: offers().filter(|own| own.offerer == holder).rfind(is_two_way),
            from: first.from,
            until: self.periods.last()?.until,
        })
    }
}

/// Audio was agreed on, and one side at least must not send.
fn is_held(period: &Period<'_>) -> bool {
    let is_both = |line: &Line<'_>| line.sends(Side::Caller) && line.sends(Side::Callee);
    period.audio().is_some_and(|line| !is_both(line))
}

/// The direction of the audio in the offer; an unspecified address stands for hold.
fn offered(exchange: &Exchange<'_>) -> Option<Direction> {
    let media = exchange.offer.as_ref()?.session.audio()?;
    let is_nowhere = media.connection.is_some_and(|connection| connection.is_unspecified());
    match (media.direction(), is_nowhere) {
        (Direction::SendRecv, true) => Some(Direction::SendOnly),
        (direction, _) => Some(direction),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::samples::with_call;

    /// The last hold of a call whose offers by `a` or `b` and answers have these directions.
    fn last_hold(exchanges: &[(&str, &str, &str)]) -> Option<(Side, bool, bool)> {
        let mut texts = Vec::new();
        for ((from, offer, answer), number) in exchanges.iter().zip(1_u8..) {
            let to = if *from == "a" { "b" } else { "a" };
            let to_tag = if number == 1 { String::new() } else { format!(";tag={to}") };
            let text = |line: &str, to_tag: &str, direction: &str| {
                format!(
                    "{line}\nVia: SIP/2.0/UDP h;branch=z9hG4bK{number}\n\
                     From: <sip:{from}@h>;tag={from}\nTo: <sip:{to}@h>{to_tag}\nCall-ID: 1\n\
                     CSeq: {number} INVITE\nContent-Type: application/sdp\n\nv=0\n\
                     c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\na={direction}\n"
                )
            };
            texts.push((*from == "a", text("INVITE sip:x@h SIP/2.0", &to_tag, offer)));
            let to_tag = format!(";tag={to}");
            texts.push((*from != "a", text("SIP/2.0 200 OK", &to_tag, answer)));
        }
        let samples = texts.iter().zip(0..).map(|((is_by_caller, text), second)| {
            let (from, to) = if *is_by_caller { (1, 2) } else { (2, 1) };
            (second * 1000, from, to, text.as_str())
        });
        with_call(&samples.collect::<Vec<_>>(), |call| {
            let negotiation = call.negotiations().iter().next().expect("a negotiation");
            let hold = negotiation.last_hold()?;
            Some((hold.holder, hold.is_mutual, hold.resume.is_some()))
        })
    }

    #[test]
    fn a_hold_has_a_holder_and_an_end() {
        let (both, hold, held) = ("sendrecv", "sendonly", "recvonly");
        let up = ("a", both, both);
        assert_eq!(last_hold(&[up]), None);
        assert_eq!(last_hold(&[("a", both, hold)]), None);
        let by_callee = last_hold(&[up, ("b", hold, held)]);
        assert_eq!(by_callee, Some((Side::Callee, false, false)));
        assert_eq!(last_hold(&[up, ("a", hold, held), up]), None);
        let refused = last_hold(&[up, ("a", hold, held), ("a", both, held)]);
        assert_eq!(refused, Some((Side::Caller, false, true)));
        let mutual = last_hold(&[up, ("a", hold, held), ("b", "inactive", "inactive")]);
        assert_eq!(mutual, Some((Side::Caller, true, false)));
    }
}
