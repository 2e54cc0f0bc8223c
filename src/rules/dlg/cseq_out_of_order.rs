#![doc = include_str!("cseq_out_of_order.md")]

use std::collections::HashMap;

use rustc_hash::{FxBuildHasher, FxHashSet};

use crate::finding::{Check, Findings, Gate, Report, Rule, Severity, Value};
use crate::signaling::{Call, Message, Traits, Transaction};
use crate::sip::{Method, Status};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "DLG306",
    name: "cseq-out-of-order",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("cseq_out_of_order.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::INSIDE]),
    check: Check::Call(check),
};

/// Packets that overtake each other in the network do so within this time.
const REORDERED_WITHIN: Span = Span::from_millis(50);

/// Server Internal Error, which refuses a request that came too soon.
const OVERLAPPED: u16 = 500;

/// Who counts: one side of a dialog. What a proxy makes by itself has no Via but its own, and is
/// another side.
type Side<'c> = (&'c [u8], &'c [u8], &'c [u8]);

/// How far a side has counted.
struct Count<'c> {
    highest: &'c Message<'c>,
    /// On later hops a request comes again.
    seen: FxHashSet<(u32, Method<'c>)>,
}

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    if call.dialogs.is_empty() {
        return;
    }
    out_of_order(call, findings);
    overlapping(call, findings);
}

/// A number that is not higher than the one before.
fn out_of_order(call: &Call<'_>, findings: &mut Findings<'_>) {
    let mut sides: HashMap<Side<'_>, Count<'_>, FxBuildHasher> = HashMap::default();
    // A side that counts wrong once goes on so.
    let mut told: FxHashSet<Side<'_>> = FxHashSet::default();
    for hop in call.transactions.iter().filter(|hop| hop.method != Method::Cancel) {
        let Some((request, side)) = hop.request.and_then(|own| Some((own, side(own)?))) else {
            continue;
        };
        let count = sides.entry(side).or_insert_with(|| Count {
            highest: opening(call, request).unwrap_or(request),
            seen: FxHashSet::default(),
        });
        if !count.seen.insert((hop.cseq, hop.method)) {
            continue;
        }
        let highest = count.highest;
        let known = highest.cseq().map_or(0, |cseq| cseq.number);
        let order = match hop.cseq.cmp(&known) {
            std::cmp::Ordering::Less => {
                let is_overtaken = request.time.since(highest.time) <= REORDERED_WITHIN;
                (!is_overtaken).then_some("lower")
            }
            // The same number and method again are the same request on another way.
            std::cmp::Ordering::Equal => (hop.method != highest.method()).then_some("same"),
            std::cmp::Ordering::Greater => {
                count.highest = request;
                None
            }
        };
        if let Some(order) = order.filter(|_| told.insert(side)) {
            report(hop, highest, order, findings);
        }
    }
}

fn side<'c>(request: &'c Message<'c>) -> Option<Side<'c>> {
    Some((request.from_tag()?, request.to_tag()?, maker(request)?))
}

/// Who made the request: the host in its first Via, which is the last one of the list.
fn maker<'c>(request: &'c Message<'c>) -> Option<&'c [u8]> {
    request.vias().last().map(|via| via.host.as_bytes())
}

/// The INVITE that opened the dialog: its side counts on from there.
fn opening<'c>(call: &Call<'c>, request: &Message<'c>) -> Option<&'c Message<'c>> {
    let own =
        call.attempts.iter().rev().filter(|attempt| request.from_tag() == Some(attempt.from_tag));
    own.filter_map(|attempt| attempt.first_hop(call)?.request).find(|invite| {
        invite.time <= request.time
            && invite.vias().last().map(|via| via.host.as_bytes()) == maker(request)
    })
}

/// A change that met an open INVITE of its own side (RFC 3261, section 14.2).
fn overlapping(call: &Call<'_>, findings: &mut Findings<'_>) {
    let refused = call.transactions.iter().filter(|hop| {
        matches!(hop.method, Method::Invite | Method::Update)
            && !hop.is_initial()
            && hop.final_status().map(Status::code) == Some(OVERLAPPED)
    });
    for hop in refused.filter(|hop| !call.fails_behind(hop)) {
        let Some(request) = hop.request else { continue };
        let open = call.transactions.iter().find(|other| {
            other.index != hop.index
                && other.method == Method::Invite
                && other.cseq < hop.cseq
                && (other.client, other.server) == (hop.client, hop.server)
                && other.request.is_some_and(|own| {
                    own.time <= request.time
                        && own.from_tag() == request.from_tag()
                        && own.to_tag() == request.to_tag()
                })
                && other.final_response().is_some_and(|answer| answer.time > request.time)
        });
        if let Some(open) = open.and_then(|open| open.request) {
            report(hop, open, "overlapping", findings);
        }
    }
}

fn report(
    hop: &Transaction<'_>,
    before: &Message<'_>,
    order: &'static str,
    findings: &mut Findings<'_>,
) {
    let answer = hop.final_response();
    let mut report = Report::on(hop).at([before]).at(hop.request).at(answer);
    if let Some(status) = answer.and_then(Message::status) {
        report = report.status(status);
    }
    findings.report(
        report
            .with("method", Value::quoted(hop.method.as_bytes()))
            .with("cseq", hop.cseq)
            .with("order", Value::Word(order))
            .with("method_before", Value::quoted(before.method().as_bytes()))
            .with("cseq_before", before.cseq().map_or(0, |cseq| cseq.number)),
    );
}
