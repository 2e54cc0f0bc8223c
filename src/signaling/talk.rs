//! How long the parties of calls talked, and who hung up: of one call, and of all calls of a host.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::capture::FrameId;
use crate::limits::{TALK_HOSTS_MAX, TALK_LENGTHS_MAX};
use crate::signaling::call::Call;
use crate::signaling::dialog::Dialog;
use crate::signaling::facts::Examples;
use crate::signaling::message::Message;
use crate::signaling::session_timer::SessionTimer;
use crate::signaling::settings::Threshold;
use crate::signaling::short_list::ShortList;
use crate::signaling::transaction::Transaction;
use crate::sip::{HeaderName, Method, Reason, timers};
use crate::time::{Span, Time};

/// A shorter talk is a sign that something was wrong with the call.
pub static SHORT_TALK: Threshold = Threshold::span("talk", Span::from_secs(3));

/// A call that a timer ends lasts this long at least: the shortest time-out of media that is usual.
const LENGTH_MIN: Span = Span::from_secs(30);

/// How exactly lengths are told apart; two that lie next to each other are within a second.
const STEP: Span = Span::from_millis(500);

/// Calls of one length that are remembered by their frame.
const FRAMES_MAX: usize = 3;

/// Recovery on timer expiry (ITU-T Q.850).
const TIMER_EXPIRY: u16 = 102;

/// No RTP or RTCP, as phones of an IMS say it in RELEASE_CAUSE (3GPP TS 24.229).
const NO_MEDIA: u16 = 2;

/// What texts of Reason headers say of a timer, in lower case; `_` counts as a blank.
const TIMER_TEXTS: [&str; 8] = [
    "timeout",
    "time out",
    "time-out",
    "timed out",
    "timer expir",
    "inactivity",
    "no rtp",
    "no media",
];

/// The time from the answer of a call to the BYE.
#[derive(Clone, Copy, Debug)]
pub struct Talk<'a, 'c> {
    /// The dialog that was ended.
    pub dialog: &'a Dialog<'c>,
    /// The hop of the INVITE whose server answered first: the farthest one.
    pub hop: &'a Transaction<'c>,
    /// The 2xx on that hop.
    pub answer: &'c Message<'c>,
    /// The first BYE, on its first hop.
    pub bye: &'c Message<'c>,
}

impl<'c> Call<'c> {
    /// How long the parties talked, if the capture has the answer and the BYE. None for a call that
    /// was handed over (REFER, Replaces), or that the caller gave up while it was answered.
    /// Of several forks the one that lasted longest counts, once all are over.
    pub fn talk(&self) -> Option<Talk<'_, 'c>> {
        let is_answered =
            |dialog: &&Dialog<'c>| dialog.method == Method::Invite && dialog.confirmed.is_some();
        let mut longest: Option<Talk<'_, 'c>> = None;
        for dialog in self.dialogs.iter().filter(is_answered) {
            let own = self.talk_in(dialog)?;
            if longest.is_none_or(|known| own.length() > known.length()) {
                longest = Some(own);
            }
        }
        longest.filter(|talk| !self.is_given_up_or_handed_over(talk))
    }

    fn talk_in<'a>(&'a self, dialog: &'a Dialog<'c>) -> Option<Talk<'a, 'c>> {
        let answer = dialog.confirmed?;
        let bye = dialog.bye(self)?.request.filter(|bye| bye.time >= answer.time)?;
        let hop = self.transactions.iter().find(|hop| {
            hop.method == Method::Invite && hop.finals.iter().any(|own| own.frame == answer.frame)
        })?;
        let is_initial = hop.request.is_some_and(|request| request.to_tag().is_none());
        is_initial.then_some(Talk { dialog, hop, answer, bye })
    }

    fn is_given_up_or_handed_over(&self, talk: &Talk<'_, 'c>) -> bool {
        let is_replacing =
            talk.hop.request.is_some_and(|request| request.has(HeaderName::Replaces));
        let mut hops = std::iter::once(talk.hop).chain(self.hops_before(talk.hop));
        is_replacing
            || hops.any(|hop| hop.upstream.is_none() && hop.cancel.is_some())
            || talk.dialog.requests(self).any(|request| request.method == Method::Refer)
    }
}

impl<'c> Talk<'_, 'c> {
    /// From the answer to the BYE.
    pub fn length(&self) -> Span {
        self.bye.time.since(self.answer.time)
    }

    /// The caller hung up.
    pub fn is_ended_by_caller(&self) -> bool {
        self.bye.from_tag() == Some(self.dialog.caller_tag)
    }

    /// The timer of the session, if half of its interval had passed since it was set, so that
    /// somebody ought to have refreshed it.
    pub fn due_session_timer(&self, call: &Call<'c>) -> Option<SessionTimer<'c>> {
        let timer = self.dialog.session_timer(call)?;
        let after = self.bye.time.since(timer.granted.time);
        (after >= timers::session_refresh(timer.interval)).then_some(timer)
    }

    /// A Reason header of the BYE that says that a timer ran out.
    pub fn timer_reason(&self) -> Option<&'c [u8]> {
        self.bye.values(HeaderName::Reason).find(|value| is_of_timer(value))
    }
}

/// A Reason that names a timer: recovery on timer expiry, or a text that says so.
fn is_of_timer(value: &[u8]) -> bool {
    let Some(reason) = Reason::parse(value) else { return false };
    let text = reason.text().unwrap_or_default().to_ascii_lowercase().replace('_', " ");
    (reason.is("Q.850") && reason.cause == Some(TIMER_EXPIRY))
        || (reason.is("RELEASE_CAUSE") && reason.cause == Some(NO_MEDIA))
        || TIMER_TEXTS.iter().any(|known| text.contains(known))
}

/// How long the calls of each host lasted.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Talks {
    answered: HashMap<IpAddr, Answered, RandomState>,
    ended: HashMap<IpAddr, Ended, RandomState>,
    /// Lengths told apart, of all hosts.
    lengths: usize,
    /// Calls that the bounds left out.
    dropped: u64,
}

/// The calls that a host answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Answered {
    /// All of them.
    pub calls: u64,
    /// The short ones that the caller ended.
    pub short_by_caller: Examples,
    /// The short ones that the callee ended.
    pub short_by_callee: Examples,
}

/// The calls that a host ended.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Ended {
    calls: u64,
    /// Those of some length, in order of the steps.
    lengths: Vec<(u32, Length)>,
}

/// Calls of about the same length.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Length {
    calls: u64,
    /// Those of them whose BYE says that a timer ran out.
    told: u64,
    shortest: Span,
    first: ShortList<(FrameId, Time)>,
}

/// The calls of one host of which most lasted equally long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SameLength {
    /// Who ended them.
    pub host: IpAddr,
    /// All calls that it ended.
    pub calls: u64,
    /// Those that lasted as long as the others, give or take a second.
    pub same: u64,
    /// Those of them whose BYE says that a timer ran out.
    pub told: u64,
    /// The shortest of them.
    pub length: Span,
    /// The BYEs of the first ones.
    pub first: Vec<(FrameId, Time)>,
}

impl SameLength {
    /// Those of the same length among a hundred.
    pub fn percent(&self) -> u64 {
        percent(self.same, self.calls)
    }
}

impl Answered {
    /// The short ones that the same side ended, the side that ended more of them: the caller or
    /// not.
    pub fn short(&self) -> (&Examples, bool) {
        match self.short_by_caller.count >= self.short_by_callee.count {
            true => (&self.short_by_caller, true),
            false => (&self.short_by_callee, false),
        }
    }

    /// The short ones that the same side ended among a hundred.
    pub fn short_percent(&self) -> u64 {
        percent(self.short().0.count, self.calls)
    }
}

impl Talks {
    /// Counts a call that was answered.
    pub(super) fn add_call(&mut self, call: &Call<'_>) {
        let Some(talk) = call.talk() else {
            self.add_unfinished(call);
            return;
        };
        let length = talk.length();
        let is_short = length < call.settings().span(&SHORT_TALK);
        let Some(own) = self.answered(talk.hop.server.address) else { return };
        own.calls += 1;
        if is_short {
            let short = match talk.is_ended_by_caller() {
                true => &mut own.short_by_caller,
                false => &mut own.short_by_callee,
            };
            short.add(talk.bye.frame, talk.bye.time, call.call_id);
        }
        // What lacks its ACK, or a refresh of the session, has a timer of its own.
        if !talk.dialog.acks.is_empty() && talk.due_session_timer(call).is_none() {
            let told = talk.timer_reason().is_some();
            self.add_length(talk.bye.source.address, length, told, (talk.bye.frame, talk.bye.time));
        }
    }

    /// Counts a call that was answered and is not known to be over.
    fn add_unfinished(&mut self, call: &Call<'_>) {
        let success = |hop: &Transaction<'_>| hop.first_success().is_some();
        for attempt in call.attempts.iter().filter(|attempt| attempt.is_answered()) {
            let Some(hop) = attempt.farthest(call, success) else { continue };
            if let Some(own) = self.answered(hop.server.address) {
                own.calls += 1;
            }
        }
    }

    fn answered(&mut self, host: IpAddr) -> Option<&mut Answered> {
        if self.answered.len() >= TALK_HOSTS_MAX && !self.answered.contains_key(&host) {
            self.dropped += 1;
            return None;
        }
        Some(self.answered.entry(host).or_default())
    }

    fn add_length(&mut self, host: IpAddr, length: Span, told: bool, bye: (FrameId, Time)) {
        if self.ended.len() >= TALK_HOSTS_MAX && !self.ended.contains_key(&host) {
            self.dropped += 1;
            return;
        }
        let own = self.ended.entry(host).or_default();
        own.calls += 1;
        let Some(step) = step_of(length) else { return };
        if self.lengths >= TALK_LENGTHS_MAX && own.length(step).is_none() {
            self.dropped += 1;
            return;
        }
        let one =
            Length { calls: 1, told: told.into(), shortest: length, first: ShortList::one(bye) };
        self.lengths += usize::from(own.add(step, one));
    }

    /// Adds what another part of the run counted.
    pub(super) fn merge(&mut self, other: Self) {
        self.dropped += other.dropped;
        // All that is new in a part is taken or left, so that the order of a table does not matter.
        let is_full = self.answered.len() >= TALK_HOSTS_MAX;
        for (host, other) in other.answered {
            if is_full && !self.answered.contains_key(&host) {
                self.dropped += other.calls;
                continue;
            }
            let own = self.answered.entry(host).or_default();
            own.calls += other.calls;
            own.short_by_caller.merge(&other.short_by_caller);
            own.short_by_callee.merge(&other.short_by_callee);
        }
        let is_full = self.ended.len() >= TALK_HOSTS_MAX;
        let has_lengths = self.lengths >= TALK_LENGTHS_MAX;
        for (host, other) in other.ended {
            if is_full && !self.ended.contains_key(&host) {
                self.dropped += other.calls;
                continue;
            }
            let own = self.ended.entry(host).or_default();
            own.calls += other.calls;
            for (step, other) in other.lengths {
                if has_lengths && own.length(step).is_none() {
                    self.dropped += other.calls;
                    continue;
                }
                self.lengths += usize::from(own.add(step, other));
            }
        }
    }

    /// Calls that the bounds left out.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The hosts that answered calls of which some were short, in order of their addresses.
    pub fn short(&self) -> impl Iterator<Item = (IpAddr, &Answered)> {
        let is_short = |own: &Answered| own.short().0.count > 0;
        let mut hosts: Vec<_> = self
            .answered
            .iter()
            .filter(|(_, own)| is_short(own))
            .map(|(host, own)| (*host, own))
            .collect();
        hosts.sort_unstable_by_key(|(host, _)| *host);
        hosts.into_iter()
    }

    /// Of each host that ended calls, the length that most of them have, in order of the addresses.
    /// Short calls have no length.
    pub fn same_lengths(&self) -> impl Iterator<Item = SameLength> {
        let mut found: Vec<_> =
            self.ended.iter().filter_map(|(host, own)| own.same_length(*host)).collect();
        found.sort_unstable_by_key(|own| own.host);
        found.into_iter()
    }
}

impl Ended {
    fn length(&self, step: u32) -> Option<&Length> {
        let place = self.lengths.binary_search_by_key(&step, |(own, _)| *own).ok()?;
        self.lengths.get(place).map(|(_, own)| own)
    }

    /// Adds calls of a length; true if there were none of it before.
    fn add(&mut self, step: u32, other: Length) -> bool {
        match self.lengths.binary_search_by_key(&step, |(own, _)| *own) {
            Ok(place) => {
                if let Some((_, own)) = self.lengths.get_mut(place) {
                    own.merge(other);
                }
                false
            }
            Err(place) => {
                // Most hosts have one or two, and there may be very many hosts.
                self.lengths.reserve_exact(usize::from(self.lengths.len() < 2));
                self.lengths.insert(place, (step, other));
                true
            }
        }
    }

    fn same_length(&self, host: IpAddr) -> Option<SameLength> {
        let pairs = self.lengths.iter().map(|(step, own)| {
            let mut sum = own.clone();
            if let Some(next) = self.length(step.saturating_add(1)) {
                sum.merge(next.clone());
            }
            sum
        });
        // The shortest of those with the most calls.
        let most = pairs.reduce(|most, own| if own.calls > most.calls { own } else { most })?;
        Some(SameLength {
            host,
            calls: self.calls,
            same: most.calls,
            told: most.told,
            length: most.shortest,
            first: most.first.to_vec(),
        })
    }
}

impl Length {
    fn merge(&mut self, other: Self) {
        self.shortest = match self.calls {
            0 => other.shortest,
            _ => self.shortest.min(other.shortest),
        };
        self.calls += other.calls;
        self.told += other.told;
        other.first.iter().for_each(|own| self.first.add_first(*own, FRAMES_MAX));
    }
}

/// The step of a length that a timer may have set.
fn step_of(length: Span) -> Option<u32> {
    // A timer that is due at 30 s may fire a little early by the clock of the capture.
    let is_long = length + STEP >= LENGTH_MIN;
    u32::try_from(length.nanos() / STEP.nanos()).ok().filter(|_| is_long)
}

fn percent(part: u64, whole: u64) -> u64 {
    part.saturating_mul(100) / whole.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::samples::{Line, Side, with_dialog};

    const INVITE: Line<'_> = (0, Side::Caller, "INVITE", 1, "");
    const ANSWER: Line<'_> = (2, Side::Callee, "200", 1, "CSeq: 1 INVITE\r\n");
    const ACK: Line<'_> = (2, Side::Caller, "ACK", 1, "");

    fn host(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    /// Calls that one host ended, by their lengths in milliseconds.
    fn part(lengths: &[i64], frame: u64) -> Talks {
        let mut talks = Talks::default();
        for (length, number) in lengths.iter().zip(frame..) {
            let bye = (FrameId { capture: 0, number }, Time::default());
            talks.add_length(host(1), Span::from_millis(*length), false, bye);
        }
        talks
    }

    #[test]
    fn talk_is_from_answer_to_bye() {
        let bye = (4, Side::Callee, "BYE", 1, "Reason: Q.850;cause=16;text=\"RTP_TIMEOUT\"\r\n");
        with_dialog(&[INVITE, ANSWER, ACK, bye], |call| {
            let talk = call.talk().expect("it was answered and ended");
            assert_eq!(talk.length(), Span::from_secs(2));
            assert!(!talk.is_ended_by_caller() && talk.timer_reason().is_some());
            let mut talks = Talks::default();
            talks.add_call(call);
            let (answered, own) = talks.short().next().expect("a short call");
            assert_eq!((answered, own.calls, own.short_percent()), (host(20), 1, 100));
            assert!(!own.short().1);
        });
        let refer = (3, Side::Caller, "REFER", 2, "");
        with_dialog(&[INVITE, ANSWER, ACK, refer, bye], |call| assert!(call.talk().is_none()));
        with_dialog(&[INVITE, ANSWER, ACK], |call| {
            let mut talks = Talks::default();
            talks.add_call(call);
            assert!(call.talk().is_none() && talks.short().next().is_none());
            assert_eq!(talks.answered.get(&host(20)).map(|own| own.calls), Some(1));
        });
    }

    #[test]
    fn reasons_name_timers() {
        let timers =
            ["Q.850;cause=102", "RELEASE_CAUSE;cause=2", "SIP;cause=200;text=\"Media Timeout\""];
        assert!(timers.iter().all(|value| is_of_timer(value.as_bytes())));
        let others = ["Q.850;cause=16", "SIP;cause=102", "", "Q.850;cause=16;text=\"Normal\""];
        assert!(!others.iter().any(|value| is_of_timer(value.as_bytes())));
    }

    #[test]
    fn lengths_are_the_same_in_any_order() {
        let parts = [part(&[60_010, 9_000], 1), part(&[60_480, 75_000], 10), part(&[59_990], 20)];
        let mut sums = [Talks::default(), Talks::default()];
        let [one, other] = &mut sums;
        parts.iter().for_each(|part| one.merge(part.clone()));
        parts.iter().rev().for_each(|part| other.merge(part.clone()));
        let found: Vec<_> = one.same_lengths().collect();
        assert_eq!(found, other.same_lengths().collect::<Vec<_>>());
        assert_eq!(one.lengths, 3);
        let [own] = found.as_slice() else { panic!("one host: {found:?}") };
        assert_eq!((own.calls, own.same, own.percent()), (5, 3, 60));
        assert_eq!(own.length, Span::from_millis(59_990));
        let frames: Vec<_> = own.first.iter().map(|(frame, _)| frame.number).collect();
        assert_eq!(frames, [1, 10, 20]);
    }

    #[test]
    fn hosts_and_lengths_have_bounds() {
        let mut talks = Talks::default();
        let frame = (FrameId { capture: 0, number: 1 }, Time::default());
        for step in (0..).take(TALK_LENGTHS_MAX + 2) {
            let length = Span::from_secs(40) + Span::from_millis(500 * step);
            talks.add_length(host(1), length, false, frame);
        }
        assert_eq!((talks.lengths, talks.dropped()), (TALK_LENGTHS_MAX, 2));
        for number in (0_u32..).take(TALK_HOSTS_MAX + 2) {
            talks.answered(IpAddr::V4(number.into()));
        }
        assert_eq!((talks.answered.len(), talks.dropped()), (TALK_HOSTS_MAX, 4));
    }
}
