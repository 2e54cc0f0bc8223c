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
        let first = self.periods.get(start)?;
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
