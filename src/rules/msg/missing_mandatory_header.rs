#![doc = include_str!("missing_mandatory_header.md")]

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::rules::msg::title;
use crate::signaling::{Call, Message, Needed, Traits, Transaction};
use crate::sip::{Class, HeaderName, Status};

pub(crate) static RULE: Rule = Rule {
    code: "MSG101",
    name: "missing-mandatory-header",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("missing_mandatory_header.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::LACKS_FIELD]),
    check: Check::Call(check),
};

/// Kinds of defective messages that are told apart in one call.
const GROUPS_MAX: usize = 16;

/// Frames of one kind that a finding names.
const FRAMES_MAX: usize = 11;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for message in call.messages {
        let missing = message.lacks();
        if missing.is_empty() {
            continue;
        }
        let is_full = groups.len() >= GROUPS_MAX;
        match groups.iter_mut().find(|group| group.holds(message, missing)) {
            Some(group) => group.messages.push(message),
            None if is_full => {}
            None => groups.push(Group { missing, messages: vec![message] }),
        }
    }
    for group in &groups {
        group.report(call, findings);
    }
}

/// Messages of one kind that lack the same: sent again, or passed on from hop to hop.
struct Group<'c> {
    missing: Needed,
    messages: Vec<&'c Message<'c>>,
}

impl<'c> Group<'c> {
    fn holds(&self, message: &Message<'c>, missing: Needed) -> bool {
        // One device leaves Max-Forwards out of all its requests.
        let is_habit = missing == Needed::MAX_FORWARDS;
        self.missing == missing
            && self.messages.first().is_some_and(|first| {
                if is_habit && first.source.address == message.source.address {
                    return true;
                }
                (first.is_request(), first.method(), first.status())
                    == (message.is_request(), message.method(), message.status())
                    && first.from_tag() == message.from_tag()
            })
    }

    fn report(&self, call: &Call<'c>, findings: &mut Findings<'_>) {
        // Who sent it first left the header out; the others passed it on (guard G9).
        let Some(first) = self.messages.first().copied() else { return };
        let hop = hop_of(call, first);
        let (harm, report) = match hop {
            Some(hop) => match harm(call, hop, first, self.missing) {
                Harm::Outcome => (Severity::Error, Report::on(hop).at(hop.request)),
                Harm::Some => (Severity::Error, Report::beside(hop).at(hop.request)),
                Harm::None => (Severity::Warn, Report::beside(hop)),
            },
            None => {
                (Severity::Error, Report::on_capture().between(first.source, first.destination))
            }
        };
        let severity = match self.missing == Needed::MAX_FORWARDS {
            true => Severity::Warn,
            false => harm,
        };
        let own = self.messages.iter().filter(|message| message.source == first.source);
        let names: Vec<_> = self.missing.names().map(HeaderName::as_str).collect();
        let after = hop.and_then(Transaction::started).map(|sent| first.time.since(sent));
        let report = match first.status() {
            Some(status) => report.status(status),
            None => report,
        };
        findings.report(
            report
                .at(self.messages.iter().copied().take(FRAMES_MAX))
                .severity(severity)
                .with("header", Value::Text(names.join(", ")))
                .with("message", title(first))
                .with("sender", first.source)
                .with("times", own.count())
                .with_some("after_ms", after.filter(|_| first.is_response())),
        );
    }
}

/// The transaction of the message; of a response that cannot be matched, the one that waited for
/// it.
fn hop_of<'a, 'c>(call: &'a Call<'c>, message: &Message<'c>) -> Option<&'a Transaction<'c>> {
    let is_it = |other: &Message<'c>| std::ptr::eq(other, message);
    let waits = |hop: &&Transaction<'c>| call.unmatched_responses(hop).any(is_it);
    let holds = |hop: &&Transaction<'c>| hop.request.is_some() && hop.messages().any(is_it);
    call.transactions.iter().find(holds).or_else(|| call.transactions.iter().find(waits))
}

/// What the gap did.
enum Harm {
    /// It explains how the transaction ended.
    Outcome,
    /// Something must have failed because of it.
    Some,
    /// The other side took the message all the same.
    None,
}

fn harm(call: &Call<'_>, hop: &Transaction<'_>, message: &Message<'_>, missing: Needed) -> Harm {
    let attempt = call.attempts.iter().find(|attempt| attempt.hops.contains(&hop.index));
    let is_resolved = match attempt {
        Some(attempt) => attempt.is_resolved(call),
        None => call.got_through(hop) || is_repeated_with_success(call, hop),
    };
    match message.status() {
        _ if is_resolved => Harm::None,
        None => harm_of_request(call, hop, missing),
        Some(status) if is_response_taken(call, hop, message, status, missing) => Harm::None,
        Some(status) if status.class() == Class::Provisional => Harm::Some,
        Some(_) => Harm::Outcome,
    }
}

/// The client sent another request of the kind, and that one got a 2xx (guard G7).
fn is_repeated_with_success(call: &Call<'_>, hop: &Transaction<'_>) -> bool {
    let Some(request) = hop.request else { return false };
    call.transactions.iter().skip(hop.index).any(|other| {
        other.method == hop.method
            && other.cseq > hop.cseq
            && other.first_success().is_some()
            && other.request.is_some_and(|own| own.from_tag() == request.from_tag())
    })
}

/// A request that was refused as a bad one, or that nobody answered, failed because of it.
fn harm_of_request(call: &Call<'_>, hop: &Transaction<'_>, missing: Needed) -> Harm {
    // Without these a server cannot even answer.
    let may_be_dropped = missing.has_any(Needed::ALWAYS);
    match hop.final_status().map(Status::code) {
        Some(400 | 489) => Harm::Outcome,
        Some(_) => Harm::None,
        None if !may_be_dropped || hop.has_response() || call.implies_response(hop) => Harm::None,
        None => {
            let wait = call.patience_of(hop.client);
            match hop.started().is_some_and(|started| call.is_observed(started, wait)) {
                true => Harm::Outcome,
                false => Harm::Some,
            }
        }
    }
}

fn is_response_taken(
    call: &Call<'_>,
    hop: &Transaction<'_>,
    message: &Message<'_>,
    status: Status,
    missing: Needed,
) -> bool {
    let is_acked = !hop.acks.is_empty() || call.implies_answer(hop) || call.is_acknowledged(hop);
    if missing.has_any(Needed::ALWAYS) {
        // The client acts on it, or on a better one.
        let is_better = |other: &Message<'_>| !std::ptr::eq(other, message);
        return is_acked
            || hop.finals.iter().any(|other| is_better(other) && other.lacks().is_empty());
    }
    match status.code() {
        // What the caller cannot make good is no loss.
        405 => true,
        101..=199 => hop.first_success().is_some(),
        200..=299 => is_acked || !call.is_observed(message.time, call.patience()),
        _ => false,
    }
}
