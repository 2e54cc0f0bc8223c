#![doc = include_str!("message_sanity.md")]

use std::cell::Cell;

use memchr::memchr;

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::rules::msg::title;
use crate::signaling::{Batch, Call, Defect, Defects, Message};
use crate::sip::{Address, Anomalies, Anomaly, HeaderName, Method, Start, Status};

pub(crate) static RULE: Rule = Rule {
    code: "MSG106",
    name: "message-sanity",
    severity: Severity::Info,
    since: "0.1.0",
    entry: include_str!("message_sanity.md"),
    thresholds: &[],
    gate: Gate::OPEN,
    check: Check::Call(check),
};

/// Frames that a finding names.
const FRAMES_MAX: usize = 11;

/// What of the lines of a message counts.
const LINES: [Anomaly; 6] = [
    Anomaly::MissingVersion,
    Anomaly::UnsupportedVersion,
    Anomaly::BareLineFeed,
    Anomaly::BareCarriageReturn,
    Anomaly::FoldedHeader,
    Anomaly::LineWithoutColon,
];

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let right = Cell::default();
    let batches =
        call.batches(|message| Some(wrong_in(message, &right)).filter(|own| !own.is_empty()));
    // One finding a sender, whatever it does wrong (guard G12).
    let mut senders: Vec<Vec<&Batch<'_, Defects>>> = Vec::new();
    for batch in &batches {
        let Some(first) = batch.first() else { continue };
        let is_known = |own: &&mut Vec<&Batch<'_, Defects>>| {
            let known = own.first().and_then(|own| own.first());
            known.is_some_and(|known| known.source.address == first.source.address)
        };
        match senders.iter_mut().find(is_known) {
            Some(own) => own.push(batch),
            None => senders.push(vec![batch]),
        }
    }
    senders.iter().for_each(|own| report(own, findings));
}

fn wrong_in<'c>(message: &Message<'c>, right: &Cell<Right<'c>>) -> Defects {
    if message.is_cut {
        return Defects::NONE;
    }
    let mut wrong = Defects::NONE;
    if !message.anomalies.is_empty() {
        let lines: Anomalies =
            LINES.into_iter().filter(|one| message.anomalies.contains(*one)).collect();
        wrong = Defect::all_of(lines);
    }
    tags(message, &mut wrong);
    // A response repeats the text of its request.
    if message.is_request() {
        let section = message.header_section();
        // NUL and what is no ASCII have the high bit in this, and no other byte has.
        let is_plain = section.iter().fold(0, |odd, byte| odd | byte.wrapping_sub(1) | byte) < 128;
        if !is_plain {
            wrong.insert_if(memchr(0, section).is_some(), Defect::Nul);
            wrong.insert_if(str::from_utf8(section).is_err(), Defect::Utf8);
        }
        uris(message, right, &mut wrong);
    }
    wrong
}

/// RFC 3261, sections 8.1.1.3, 8.2.6.2 and 12.1.1.
fn tags(message: &Message<'_>, wrong: &mut Defects) {
    // A response has the From of its request.
    let lacks_from = message.is_request() && message.from_tag().is_none();
    wrong.insert_if(lacks_from && message.has(HeaderName::From), Defect::FromTag);
    let is_answer = message.method() == Method::Invite
        && message.status().is_some_and(Status::is_success)
        && message.has(HeaderName::To);
    wrong.insert_if(is_answer && message.to_tag().is_none(), Defect::NoToTag);
    // A registration makes no dialog, so every REGISTER is an initial request.
    let is_initial = message.is_request() && message.method() == Method::Register;
    wrong.insert_if(is_initial && message.to_tag().is_some(), Defect::ToTag);
}

/// The fields whose URI is looked at.
const FIELDS: [HeaderName; 3] = [HeaderName::From, HeaderName::To, HeaderName::Contact];

/// What was found right in the last request; most requests of a call say the same.
#[derive(Clone, Copy, Default)]
struct Right<'c> {
    uri: Option<&'c [u8]>,
    fields: [Option<&'c [u8]>; FIELDS.len()],
}

fn uris<'c>(message: &Message<'c>, right: &Cell<Right<'c>>, wrong: &mut Defects) {
    let mut known = right.get();
    let uri = match message.start() {
        Start::Request { uri, .. } => Some(uri),
        Start::Response { .. } | Start::Invalid(_) => None,
    };
    if uri != known.uri {
        let is_valid = message.has_plain_request_uri()
            || message.request_uri().is_none_or(|uri| uri.is_valid());
        wrong.insert_if(!is_valid, Defect::RequestUri);
        known.uri = uri.filter(|_| is_valid);
    }
    for (name, known) in FIELDS.into_iter().zip(&mut known.fields) {
        let Some(line) = message.header(name) else { continue };
        // A list whose first item is empty goes on in the next line.
        let line = Some(line).filter(|line| !matches!(line, [] | [b',', ..]));
        if line.zip(*known).is_some_and(|(line, known)| has_same_uri(line, known)) {
            continue;
        }
        let is_list = line.is_none_or(|line| memchr(b',', line).is_some());
        let first = if is_list { message.values(name).next() } else { line };
        let is_wrong = first.is_some_and(is_wrong);
        wrong.insert_if(is_wrong, Defect::Uri);
        *known = line.filter(|_| !is_wrong);
    }
    right.set(known);
}

/// Both are the same, or the first one has parameters behind the URI besides: a tag.
fn has_same_uri(line: &[u8], known: &[u8]) -> bool {
    match line.strip_prefix(known) {
        Some([]) => true,
        Some([b';', ..]) => known.ends_with(b">") && memchr(b'"', line).is_none(),
        _ => false,
    }
}

fn is_wrong(value: &[u8]) -> bool {
    if Address::is_plain(value) {
        return false;
    }
    let (address, anomalies) = Address::parse(value);
    anomalies.contains(Anomaly::InvalidUri) && !address.is_star()
}

fn report(own: &[&Batch<'_, Defects>], findings: &mut Findings<'_>) {
    let Some(first) = own.first().and_then(|own| own.first()) else { return };
    let mut wrong = Defects::NONE;
    own.iter().for_each(|batch| wrong.extend(batch.fault));
    let is_tag = [Defect::FromTag, Defect::NoToTag, Defect::ToTag]
        .into_iter()
        .any(|defect| wrong.contains(defect));
    let frames = own.iter().flat_map(|batch| batch.messages.iter().copied());
    let words = wrong.iter().map(|defect| Value::Word(defect.word())).collect();
    findings.report(
        Report::on_capture()
            .between(first.source, first.destination)
            .severity(if is_tag { Severity::Warn } else { Severity::Info })
            .at(frames.take(FRAMES_MAX))
            .with("message", title(first))
            .with("sender", first.source)
            .with("faults", Value::List(words))
            .with("times", own.iter().map(|batch| batch.own()).sum::<usize>())
            .with_some("software", first.software().map(Value::quoted)),
    );
}
