//! Indicators of RFC 6076 and what operators ask for beside them.

use crate::analysis::{CallSummary, Delays, TransactionSummary};
use crate::signaling::{Call, Outcome, Transaction};
use crate::sip::{Class, Method, Status};
use crate::time::{Span, Time};

/// The counts and times behind the indicators, of all calls or of those to one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Kpi {
    /// Attempts to set up a session, without those that were only a step on the way (guard G7) and
    /// those that ended 3xx, 401, 402 or 407.
    pub attempts: u64,
    /// Attempts answered 200.
    pub established: u64,
    /// Attempts that ended 480, 486, 600 or 603: effective as far as the network goes.
    pub effective: u64,
    /// Attempts that ended 408, 500, 503 or 504, or without any answer.
    pub ineffective: u64,
    /// Attempts that users ended before the answer: busy, declined, not answered, given up while it
    /// rang. The network did its part.
    pub user_ended: u64,
    /// Sessions ended by BYE.
    pub completed: u64,
    /// Session request delays of established sessions (RFC 6076, section 4.3.1).
    pub request_delay: Delays,
    /// Session request delays of attempts that failed (section 4.3.2).
    pub failed_request_delay: Delays,
    /// Session disconnect delays: BYE to its final response (section 4.4).
    pub disconnect_delay: Delays,
    /// Session durations (section 4.5).
    pub duration: Delays,
    /// Registration request delays: REGISTER to its 2xx (section 4.1).
    pub registration_delay: Delays,
    /// From the INVITE to the first sign of ringing, or to the answer without one.
    pub post_dial_delay: Delays,
    /// From ringing to the answer.
    pub ring_time: Delays,
}

impl Kpi {
    /// Session establishment ratio in percent (RFC 6076, section 4.6).
    pub fn ser(&self) -> Option<f64> {
        percent(self.established, self.attempts)
    }

    /// Session establishment effectiveness ratio in percent (RFC 6076, section 4.7).
    pub fn seer(&self) -> Option<f64> {
        percent(self.established + self.effective, self.attempts)
    }

    /// Ineffective session attempts in percent (RFC 6076, section 4.8).
    pub fn isa(&self) -> Option<f64> {
        percent(self.ineffective, self.attempts)
    }

    /// Session completion ratio in percent (RFC 6076, section 4.9).
    pub fn scr(&self) -> Option<f64> {
        percent(self.completed, self.attempts)
    }

    /// Answer seizure ratio in percent (ITU-T E.411): answered calls of all attempts.
    pub fn asr(&self) -> Option<f64> {
        self.ser()
    }

    /// Network effectiveness ratio in percent (ITU-T E.425): answered calls, and those that users
    /// ended, of all attempts.
    pub fn ner(&self) -> Option<f64> {
        percent(self.established + self.user_ended, self.attempts)
    }

    /// Adds what another part counted.
    pub(super) fn merge(&mut self, other: &Self) {
        self.attempts += other.attempts;
        self.established += other.established;
        self.effective += other.effective;
        self.ineffective += other.ineffective;
        self.user_ended += other.user_ended;
        self.completed += other.completed;
        for (own, other) in [
            (&mut self.request_delay, &other.request_delay),
            (&mut self.failed_request_delay, &other.failed_request_delay),
            (&mut self.disconnect_delay, &other.disconnect_delay),
            (&mut self.duration, &other.duration),
            (&mut self.registration_delay, &other.registration_delay),
            (&mut self.post_dial_delay, &other.post_dial_delay),
            (&mut self.ring_time, &other.ring_time),
        ] {
            own.merge(other);
        }
    }

    /// Counts an attempt by its status, if it has one, and by what `hop` saw of it.
    pub(super) fn add_attempt(&mut self, is_answered: bool, status: Option<Status>, hop: &Setup) {
        self.attempts += 1;
        for (own, delay) in [
            (&mut self.post_dial_delay, hop.post_dial_delay),
            (&mut self.ring_time, hop.ring_time),
            (&mut self.duration, hop.talk),
        ] {
            own.extend(delay);
        }
        if is_answered {
            self.established += 1;
            self.request_delay.extend(hop.request_delay);
            return;
        }
        self.failed_request_delay.extend(hop.request_delay);
        match status.map(Status::code) {
            Some(480 | 486 | 600 | 603) => self.effective += 1,
            Some(408 | 500 | 503 | 504) => self.ineffective += 1,
            None if hop.is_unanswered => self.ineffective += 1,
            _ => {}
        }
        self.user_ended += u64::from(hop.is_user_ended);
    }

    /// Counts what became of a BYE or a REGISTER.
    pub(super) fn add_request(&mut self, transaction: &Transaction<'_>) {
        let Some(wait) = transaction.wait() else { return };
        let is_success = transaction.final_status().map(Status::class) == Some(Class::Success);
        self.add_wait(transaction.method, wait, is_success);
    }

    /// Counts how long a BYE or a REGISTER waited for its final response.
    pub(super) fn add_wait(&mut self, method: Method<'_>, wait: Span, is_success: bool) {
        match method {
            Method::Bye => self.disconnect_delay.add(wait),
            Method::Register if is_success => self.registration_delay.add(wait),
            _ => {}
        }
    }
}

/// A share in percent, where there is a whole.
pub(super) fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

/// What one hop shows of the set-up of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    /// From the INVITE to the first sign that it is worked on, or to the final response.
    request_delay: Option<Span>,
    post_dial_delay: Option<Span>,
    ring_time: Option<Span>,
    talk: Option<Span>,
    is_unanswered: bool,
    pub(super) is_user_ended: bool,
}

impl Setup {
    pub(super) fn of(call: &Call<'_>, hop: &Transaction<'_>) -> Self {
        let started = hop.started();
        let since = |time: Time| started.map(|started| time.since(started));
        let ringing = hop.ringing();
        let answer = hop.first_success();
        let worked_on = hop.progress().next().or_else(|| hop.final_response());
        let heard = ringing.or(answer);
        let ended = answer.and_then(|answer| call.dialog_of(answer)?.ended(call));
        Self {
            request_delay: worked_on.and_then(|message| since(message.time)),
            post_dial_delay: heard.and_then(|message| since(message.time)),
            ring_time: ringing.zip(answer).map(|(ring, answer)| answer.time.since(ring.time)),
            talk: answer.zip(ended).map(|(answer, ended)| ended.since(answer.time)),
            is_unanswered: call.outcome(hop) == Outcome::Unanswered,
            is_user_ended: is_user_ended(hop.final_status(), ringing.is_some()),
        }
    }

    /// The same of what reports tell; whether a 183 had SDP is not among it, so that each is taken
    /// for ringing.
    pub(super) fn of_summary(call: &CallSummary, hop: &TransactionSummary) -> Self {
        let last = hop.final_response.as_ref();
        let answer = last.filter(|last| last.status.class() == Class::Success);
        let code = |status: Status| status.code();
        let progress = || hop.provisional.iter().filter(|own| own.status != Status::TRYING);
        let ringing = progress().find(|own| matches!(code(own.status), 180..=183));
        let since = |from: Option<Span>, to: Option<Span>| from.zip(to).map(|(a, b)| b - a);
        let answered = answer.and_then(|answer| answer.after);
        Self {
            request_delay: progress().next().or(last).and_then(|own| own.after),
            post_dial_delay: ringing.or(answer).and_then(|own| own.after),
            ring_time: since(ringing.and_then(|own| own.after), answered),
            talk: answered.and(call.talk),
            is_unanswered: hop.outcome == Outcome::Unanswered.name(),
            is_user_ended: is_user_ended(last.map(|last| last.status), ringing.is_some()),
        }
    }
}

/// A person ended the attempt: the callee, or the caller when he had heard it ring.
fn is_user_ended(status: Option<Status>, has_rung: bool) -> bool {
    match status.map(Status::code) {
        Some(486 | 600 | 603) => true,
        Some(408 | 480 | 487) => has_rung,
        _ => false,
    }
}
