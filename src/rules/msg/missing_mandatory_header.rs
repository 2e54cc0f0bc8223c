#![doc = include_str!("missing_mandatory_header.md")]

use crate::finding::{Check, Findings, Report, Rule, Severity, Value};
use crate::rules::msg::title;
use crate::signaling::{Call, Message, Transaction};
use crate::sip::{Anomaly, Class, HeaderName, Method, Status};

pub(crate) static RULE: Rule = Rule {
    code: "MSG101",
    name: "missing-mandatory-header",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("missing_mandatory_header.md"),
    thresholds: &[],
    check: Check::Call(check),
};

/// Kinds of defective messages that are told apart in one call.
const GROUPS_MAX: usize = 16;

/// Frames of one kind that a finding names.
const FRAMES_MAX: usize = 11;

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for message in call.messages {
        let missing = missing_in(message);
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

/// Header fields that are not there, as bits in the order of [`NAMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Missing(u32);

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

impl Missing {
    const ALWAYS: Self =
        Self::of(&[HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CSeq]);
    const MAX_FORWARDS: Self = Self::of(&[HeaderName::MaxForwards]);

    const fn of(names: &[HeaderName]) -> Self {
        let mut bits = 0;
        let mut place = 0;
        while place < names.len() {
            bits |= Self::bit(names[place]);
            place += 1;
        }
        Self(bits)
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

    const fn is_empty(self) -> bool {
        self.0 == 0
    }

    const fn has_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    fn names(self) -> impl Iterator<Item = HeaderName> {
        NAMES.into_iter().filter(move |name| self.0 & Self::bit(*name) != 0)
    }
}

/// The bit of each header field by its number, so that a message costs one look for each field.
const BITS: [u32; 256] = {
    let mut bits = [0; 256];
    let mut place = 0;
    while place < NAMES.len() {
        bits[NAMES[place] as usize] = 1 << place;
        place += 1;
    }
    bits
};

/// What a message lacks; nothing of one that the capture cut (guard G5).
fn missing_in(message: &Message<'_>) -> Missing {
    let mut present = 0;
    for header in message.headers() {
        present |= BITS.get(header.name as usize).copied().unwrap_or(0);
    }
    // Whoever rejects with one kind of challenge needs no other.
    let challenges = Missing::of(&[HeaderName::WwwAuthenticate, HeaderName::ProxyAuthenticate]);
    if present & challenges.0 != 0 {
        present |= challenges.0;
    }
    let missing = needed_in(message).0 & !present;
    let is_partial = message.is_cut
        || message.anomalies.contains(Anomaly::HeadersUnfinished)
        || message.anomalies.contains(Anomaly::TooManyHeaders);
    Missing(if is_partial { 0 } else { missing })
}

/// RFC 3261, sections 8.1.1, 8.2.6 and 21 with table 2; RFC 3262, 3515, 4028 and 6665.
fn needed_in(message: &Message<'_>) -> Missing {
    use HeaderName as H;
    let method = message.method();
    let more: &[H] = match message.status() {
        None if !message.is_request() => return Missing(0),
        None => match method {
            Method::Invite => &[H::MaxForwards, H::Contact],
            Method::Notify => &[H::MaxForwards, H::Event, H::SubscriptionState],
            Method::Subscribe => &[H::MaxForwards, H::Event],
            Method::Refer => &[H::MaxForwards, H::ReferTo],
            Method::Prack => &[H::MaxForwards, H::RAck],
            _ => &[H::MaxForwards],
        },
        Some(status) => match (status.code(), status.class()) {
            (401, _) => &[H::WwwAuthenticate],
            (407, _) => &[H::ProxyAuthenticate],
            (405, _) => &[H::Allow],
            (420, _) => &[H::Unsupported],
            (422, _) => &[H::MinSe],
            (423, _) => &[H::MinExpires],
            (_, Class::Success) if method == Method::Invite => &[H::Contact],
            (101.., Class::Provisional) if message.has_option(H::Require, "100rel") => &[H::RSeq],
            _ => &[],
        },
    };
    Missing(Missing::ALWAYS.0 | Missing::of(more).0)
}

/// Messages of one kind that lack the same: sent again, or passed on from hop to hop.
struct Group<'c> {
    missing: Missing,
    messages: Vec<&'c Message<'c>>,
}

impl<'c> Group<'c> {
    fn holds(&self, message: &Message<'c>, missing: Missing) -> bool {
        // One device leaves Max-Forwards out of all its requests.
        let is_habit = missing == Missing::MAX_FORWARDS;
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
        let severity = match self.missing == Missing::MAX_FORWARDS {
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

fn harm(call: &Call<'_>, hop: &Transaction<'_>, message: &Message<'_>, missing: Missing) -> Harm {
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
fn harm_of_request(call: &Call<'_>, hop: &Transaction<'_>, missing: Missing) -> Harm {
    // Without these a server cannot even answer.
    let may_be_dropped = missing.has_any(Missing::ALWAYS);
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
    missing: Missing,
) -> bool {
    let is_acked = !hop.acks.is_empty() || call.implies_answer(hop) || call.is_acknowledged(hop);
    if missing.has_any(Missing::ALWAYS) {
        // The client acts on it, or on a better one.
        let is_better = |other: &Message<'_>| !std::ptr::eq(other, message);
        return is_acked
            || hop.finals.iter().any(|other| is_better(other) && missing_in(other).is_empty());
    }
    match status.code() {
        // What the caller cannot make good is no loss.
        405 => true,
        101..=199 => hop.first_success().is_some(),
        200..=299 => is_acked || !call.is_observed(message.time, call.patience()),
        _ => false,
    }
}
