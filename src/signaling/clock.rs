//! How far the clocks of those who speak are from that of the capture, by their `Date` headers.

use std::collections::BTreeMap;

use crate::limits::CLOCK_OFFSETS_MAX;
use crate::signaling::call::Call;
use crate::signaling::message::Message;
use crate::sip::HeaderName;
use crate::time::{Span, Time};

/// Messages of one call that are looked at.
const LOOKED_AT: usize = 32;

/// What the clocks of those who signed nothing say, a call at a time.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Dates {
    /// Calls by whole seconds that the clock of a speaker is ahead of the capture.
    calls: BTreeMap<i64, u64>,
    dropped: u64,
}

impl Message<'_> {
    /// `Date` (RFC 3261, section 20.17).
    pub fn date(&self) -> Option<Time> {
        let text = str::from_utf8(self.header(HeaderName::Date)?).ok()?;
        let parser = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true);
        let moment = parser.parse_timestamp(text.trim()).ok()?;
        Some(Time::from_parts(moment.as_second(), 0))
    }
}

impl Call<'_> {
    /// How far the clock of somebody who has signed no identity is ahead of that of the capture;
    /// none if nobody tells the time.
    pub fn clock_offset(&self) -> Option<Span> {
        let messages = || self.messages.iter().take(LOOKED_AT);
        let mut dated = messages().filter(|message| message.has(HeaderName::Date)).peekable();
        dated.peek()?;
        let signs = |host| {
            let mut own = messages().filter(|message| message.source.address == host);
            own.any(|message| message.has(HeaderName::Identity))
        };
        let mut others = dated.filter(|message| !signs(message.source.address));
        others.find_map(|message| Some(message.date()?.since(message.time)))
    }
}

impl Dates {
    /// Takes in what one call shows.
    pub(crate) fn add_call(&mut self, call: &Call<'_>) {
        let Some(offset) = call.clock_offset() else { return };
        let seconds = offset.nanos().div_euclid(1_000_000_000);
        if self.calls.len() < CLOCK_OFFSETS_MAX || self.calls.contains_key(&seconds) {
            *self.calls.entry(seconds).or_default() += 1;
        } else {
            self.dropped += 1;
        }
    }

    /// Calls whose clock the bound left out.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Adds what another part of the run found.
    pub(crate) fn merge(&mut self, other: Self) {
        let is_full = self.calls.len() >= CLOCK_OFFSETS_MAX;
        for (seconds, count) in other.calls {
            if !is_full || self.calls.contains_key(&seconds) {
                *self.calls.entry(seconds).or_default() += count;
            }
        }
        self.dropped += other.dropped;
    }

    /// How far most clocks are ahead of that of the capture: the median; none if nobody tells the
    /// time.
    pub fn offset(&self) -> Option<Span> {
        let all: u64 = self.calls.values().sum();
        let mut before = 0;
        let middle = self.calls.iter().find(|(_, count)| {
            before += **count;
            before * 2 >= all
        });
        middle.map(|(seconds, _)| Span::from_secs(*seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::samples::with_call;

    fn offset(invite: &str, answer: &str) -> Option<f64> {
        let request = format!(
            "INVITE sip:b@example.com SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\n\
             From: <sip:a@example.com>;tag=a\nTo: <sip:b@example.com>\nCall-ID: sample\n\
             CSeq: 1 INVITE\n{invite}Content-Length: 0\n\n"
        );
        let response = format!(
            "SIP/2.0 100 Trying\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\n\
             From: <sip:a@example.com>;tag=a\nTo: <sip:b@example.com>\nCall-ID: sample\n\
             CSeq: 1 INVITE\n{answer}Content-Length: 0\n\n"
        );
        with_call(&[(0, 10, 20, &request), (0, 20, 10, &response)], |call| {
            call.clock_offset().map(Span::secs)
        })
    }

    #[test]
    fn the_clock_of_the_signer_does_not_count() {
        let date = "Date: Thu, 01 Jan 1970 00:01:00 GMT\n";
        let other = "Date: Thu, 01 Jan 1970 00:00:05 GMT\n";
        assert_eq!(offset(date, ""), Some(60.0));
        let signed = format!("{date}Identity: ..AA\n");
        assert_eq!(offset(&signed, other), Some(5.0));
        assert_eq!(offset(&signed, "Date: yesterday\n"), None);
    }

    #[test]
    fn a_clock_beyond_the_bound_is_counted() {
        let calls = (0..).zip([1; CLOCK_OFFSETS_MAX]).collect();
        let mut dates = Dates { calls, ..Dates::default() };
        let dated = |date: &str| {
            format!(
                "INVITE sip:b@h SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\n\
                 From: <sip:a@h>;tag=a\nTo: <sip:b@h>\nCall-ID: 1\nCSeq: 1 INVITE\nDate: {date}\n\n"
            )
        };
        let other = dated("Thu, 01 Jan 1970 12:00:00 GMT");
        let known = dated("Thu, 01 Jan 1970 00:00:05 GMT");
        with_call(&[(0, 10, 20, &other)], |call| dates.add_call(call));
        with_call(&[(0, 10, 20, &known)], |call| dates.add_call(call));
        assert_eq!((dates.calls.len(), dates.dropped()), (CLOCK_OFFSETS_MAX, 1));
        assert_eq!(dates.calls.get(&5), Some(&2));
        let mut sum = Dates::default();
        sum.merge(dates.clone());
        sum.merge(dates);
        assert_eq!(sum.dropped(), 2);
    }

    #[test]
    fn the_median_counts() {
        let mut dates = Dates::default();
        assert_eq!(dates.offset(), None);
        for seconds in [-3600, 1, 1, 2, 900] {
            *dates.calls.entry(seconds).or_default() += 1;
        }
        dates.merge(Dates { calls: [(1, 4)].into_iter().collect(), dropped: 0 });
        assert_eq!(dates.offset(), Some(Span::from_secs(1)));
    }
}
