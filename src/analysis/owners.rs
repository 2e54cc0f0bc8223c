//! One fault, one finding, over all calls of a host.
//!
//! What only many calls show together (a scan, an overload) has one finding, and what each of the
//! calls shows of it is a sign of that one. Which finding owns what is a table; the first one that
//! fits has it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::finding::{Finding, Sign, Value};
use crate::signaling::Spell;
use crate::time::{Span, Time};

/// Findings of one rule that are named as signs; all are counted.
const SIGNS_MAX: usize = 3;

/// What a call shows begins before the request that counted, or after it: 64*T1 either way.
const AROUND: Span = Span::from_secs(32);

/// How many findings on single calls belong to it.
const COUNT: &str = "single_findings";

/// What owns findings on single calls.
struct Owner {
    rule: &'static str,
    of: Party,
    /// Rules whose findings on the same hosts it takes over, with all that they own.
    wholes: &'static [&'static str],
    /// Rules whose findings on single calls are signs of it.
    signs: &'static [&'static str],
}

/// Whose host the spells of the owner name.
#[derive(Clone, Copy)]
enum Party {
    /// Who sent the request first.
    Sender,
    /// Who had to answer it, and did so with one of these or with nothing.
    Server(&'static [u16]),
}

/// The most specific first.
const OWNERS: [Owner; 3] = [
    Owner {
        rule: "credential-brute-force",
        of: Party::Sender,
        wholes: &["scanner"],
        signs: &REFUSED,
    },
    Owner { rule: "scanner", of: Party::Sender, wholes: &[], signs: &REFUSED },
    Owner { rule: "overload-storm", of: Party::Server(&[500, 503]), wholes: &[], signs: &FAILED },
];

/// Says that a server did not do its work.
const FAILED: [&str; 9] = [
    "failover-exhausted",
    "failure-after-progress",
    "final-response",
    "invite-no-response",
    "register-rejected",
    "request-no-response",
    "request-retransmitted",
    "trying-then-server-failure",
    "trying-then-silence",
];

/// What becomes of requests that nobody has to answer, and that are seldom well made.
const REFUSED: [&str; 22] = [
    "ack-non2xx-missing",
    "auth-challenge-unanswered",
    "auth-credentials-rejected",
    "auth-loop",
    "auth-parameter-mismatch",
    "auth-stale-nonce-loop",
    "bad-request-explained",
    "cseq-invalid",
    "duplicate-singleton-header",
    "final-response",
    "icmp-unreachable",
    "invite-no-response",
    "message-sanity",
    "method-not-supported",
    "missing-mandatory-header",
    "register-rejected",
    "request-no-response",
    "request-retransmitted",
    "status-q850-conflict",
    "tcp-connect-failed",
    "unregistered-status-code",
    "via-branch-invalid",
];

/// The spells of all owners of one kind, by host.
type Spells = HashMap<IpAddr, Vec<(Time, Time, usize)>, RandomState>;

/// Turns what belongs to an owner into signs of it, and counts what was told of it before.
pub(super) fn settle(findings: &mut Vec<Finding>, told: &[Finding]) {
    for owner in OWNERS.iter().filter(|owner| !owner.wholes.is_empty()) {
        let spells = spells(findings, owner);
        absorb(owner, findings, |finding| takes_over(owner, &spells, finding));
    }
    for owner in &OWNERS {
        let spells = spells(findings, owner);
        let roots = told.iter().filter_map(|finding| owned_by(owner, &spells, finding));
        for root in roots.collect::<Vec<_>>() {
            if let Some(root) = findings.get_mut(root) {
                count(root);
            }
        }
        absorb(owner, findings, |finding| owned_by(owner, &spells, finding));
    }
}

/// Moves each finding that has a root, by its place, into that one.
fn absorb(owner: &Owner, findings: &mut Vec<Finding>, root_of: impl Fn(&Finding) -> Option<usize>) {
    let roots: Vec<Option<usize>> = findings.iter().map(root_of).collect();
    if roots.iter().all(Option::is_none) {
        return;
    }
    let all = std::mem::take(findings);
    let mut moved: BTreeMap<usize, Vec<Finding>> = BTreeMap::new();
    let mut kept = Vec::new();
    for (place, (finding, root)) in all.into_iter().zip(roots).enumerate() {
        match root {
            Some(root) => moved.entry(root).or_default().push(finding),
            None => kept.push((place, finding)),
        }
    }
    for (place, root) in &mut kept {
        for finding in moved.remove(place).unwrap_or_default() {
            take(owner, root, finding);
        }
    }
    findings.extend(kept.into_iter().map(|(_, finding)| finding));
}

fn take(owner: &Owner, root: &mut Finding, mut finding: Finding) {
    if owner.signs.contains(&finding.rule.name) {
        count(root);
    }
    let own = root.related.iter().filter(|known| known.rule == finding.rule.name);
    if own.count() < SIGNS_MAX {
        root.related.push(sign_of(&finding));
    }
    root.owns.append(&mut finding.owns);
}

fn spells(findings: &[Finding], owner: &Owner) -> Spells {
    let mut spells = Spells::default();
    for (place, finding) in findings.iter().enumerate() {
        if finding.rule.name != owner.rule {
            continue;
        }
        for Spell { from, until, host } in &finding.owns {
            spells.entry(*host).or_default().push((*from - AROUND, *until + AROUND, place));
        }
    }
    spells
}

/// The place of the finding that owns this one.
fn owned_by(owner: &Owner, spells: &Spells, finding: &Finding) -> Option<usize> {
    if !owner.signs.contains(&finding.rule.name) {
        return None;
    }
    let end = match owner.of {
        Party::Sender => finding.sender,
        Party::Server(codes) => finding.server.filter(|_| {
            let mut finals = finding.statuses.iter().filter(|status| status.is_final());
            finals.all(|status| codes.contains(&status.code()))
        }),
    };
    let (host, time) = (end?.address, finding.time?);
    let is_then = |(from, until, _): &&(Time, Time, usize)| *from <= time && time <= *until;
    spells.get(&host)?.iter().find(is_then).map(|(.., place)| *place)
}

/// The place of the finding that is about all hosts of this one.
fn takes_over(owner: &Owner, spells: &Spells, finding: &Finding) -> Option<usize> {
    if !owner.wholes.contains(&finding.rule.name) {
        return None;
    }
    let places = |host: &IpAddr| spells.get(host).into_iter().flatten().map(|(.., place)| *place);
    let place = places(&finding.owns.first()?.host).next()?;
    let is_about = |spell: &Spell| places(&spell.host).any(|own| own == place);
    finding.owns.iter().all(is_about).then_some(place)
}

fn count(root: &mut Finding) {
    match root.evidence.iter_mut().find(|(name, _)| *name == COUNT) {
        Some((_, Value::Number(count))) => *count += 1,
        _ => root.evidence.push((COUNT, Value::Number(1))),
    }
}

fn sign_of(finding: &Finding) -> Sign {
    Sign {
        rule: finding.rule.name,
        frames: finding.frames.clone(),
        client: finding.client,
        server: finding.server,
        status: finding.statuses.last().copied(),
        call_id: finding.call_id.clone(),
        link: None,
    }
}
