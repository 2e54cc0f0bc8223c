//! How each line says its message at first: what repeats or hands on which earlier one.

use std::collections::BTreeMap;

use crate::analysis::{CallSummary, Step};
use crate::capture::script::Change;
use crate::report::script::hosts::Hosts;
use crate::report::script::line::{Action, Line, Options};
use crate::sip::{self, HeaderName, Start};
use crate::time::Span;

/// Messages before this one among which that is looked for which it repeats or hands on.
const DISTANCE_MAX: usize = 250;

/// Frames of several interfaces may stand in a capture so much later than they came.
const DISORDER_MAX: Span = Span::from_millis(500);

/// The lines of these calls, in the order in which the messages were sent.
pub(super) fn lines<'a>(calls: &[&'a CallSummary], hosts: &Hosts) -> Vec<Line<'a>> {
    let mut steps: Vec<(usize, &'a Step)> = Vec::new();
    for (call, place) in calls.iter().zip(0..) {
        steps.extend(call.transcript.iter().map(|step| (place, step)));
    }
    if is_in_order_of_times(&mut steps) {
        steps.sort_by_key(|(_, step)| (step.time, step.frame));
    }
    let mut lines: Vec<Line<'a>> = Vec::with_capacity(steps.len());
    let mut by_call: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (call, step) in steps {
        let before = by_call.entry(call).or_default();
        let line = line(step, call, &lines, before, hosts);
        before.push(lines.len());
        lines.push(line);
    }
    lines
}

/// Times tell the order better than frames, unless a clock was set back. Sorts by frames.
fn is_in_order_of_times(steps: &mut [(usize, &Step)]) -> bool {
    steps.sort_by_key(|(_, step)| step.frame);
    let mut latest: Option<&Step> = None;
    for (_, step) in steps.iter() {
        let before = latest.filter(|latest| latest.frame.capture == step.frame.capture);
        if before.is_some_and(|latest| latest.time.since(step.time) > DISORDER_MAX) {
            return false;
        }
        latest = Some(before.filter(|latest| latest.time > step.time).unwrap_or(step));
    }
    true
}

fn line<'a>(
    step: &'a Step,
    call: usize,
    lines: &[Line<'a>],
    before: &[usize],
    hosts: &Hosts,
) -> Line<'a> {
    let message = step.message();
    let word = match message.start() {
        Start::Request { method, .. } => String::from_utf8_lossy(method.as_bytes()).into_owned(),
        Start::Response { code, .. } => String::from_utf8_lossy(code).into_owned(),
        Start::Invalid(_) => String::new(),
    };
    let ends = [hosts.place(step.source), hosts.place(step.destination)];
    let is_known = match message.start() {
        Start::Request { .. } => is_method(&word),
        Start::Response { status, .. } => status.is_some(),
        Start::Invalid(_) => false,
    };
    let mut recent = before
        .iter()
        .rev()
        .take(DISTANCE_MAX)
        .filter_map(|at| lines.get(*at).map(|line| (*at, line)));
    let same = recent.clone().find(|(_, line)| line.ends == ends && line.step.bytes == step.bytes);
    let action = match same {
        _ if step.is_cut => Action::Raw,
        Some((of, _)) => {
            let newest = recent.find(|(_, line)| line.ends == ends);
            Action::Again { of, is_picked: newest.is_none_or(|(at, _)| at != of) }
        }
        None if !is_known => Action::Raw,
        None => match recent.find(|(_, line)| hands_on(&message, ends[0], line)) {
            Some(_) => Action::Forward { is_picked: false },
            None => own(&message),
        },
    };
    let options = Options {
        sipfrag: message.sipfrag_status().map(sip::Status::code).filter(|_| word == "NOTIFY"),
        ..Options::default()
    };
    Line {
        step,
        call,
        ends,
        word,
        action,
        options,
        change: Change::default(),
        is_described: false,
        sent: Vec::new(),
        is_labelled: false,
    }
}

/// The action that makes a message anew.
pub(super) fn own(message: &sip::Message<'_>) -> Action {
    match message.is_request() {
        true => Action::Request,
        false => Action::Response,
    }
}

/// A method as a script can have it.
fn is_method(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-')
}

/// The host at `here` got that message before and hands it on: the same, one Via apart.
fn hands_on(message: &sip::Message<'_>, here: usize, line: &Line<'_>) -> bool {
    if line.ends[1] != here {
        return false;
    }
    let got = line.step.message();
    let vias = |message: &sip::Message<'_>| -> Vec<Vec<u8>> {
        let branch = |via| sip::Via::of(via).branch().unwrap_or_default().to_vec();
        message.values(HeaderName::Via).map(branch).collect()
    };
    let (own, earlier) = (vias(message), vias(&got));
    let is_same = got.header(HeaderName::CSeq) == message.header(HeaderName::CSeq);
    let is_next = match (message.is_request(), got.is_request()) {
        (true, true) => own.get(1..) == Some(earlier.as_slice()),
        (false, false) => {
            let is_status = message.status() == got.status() && !own.is_empty();
            is_status && earlier.get(1..) == Some(own.as_slice())
        }
        _ => false,
    };
    is_same && is_next
}
