//! One fault, one finding, over all legs of a conversation.
//!
//! Where a call failed because a leg behind it had failed before, the finding on that leg is the
//! root, and the one on the call becomes a sign of it. Nothing moves where the leg behind was
//! answered or failed later.

use std::collections::BTreeMap;

use crate::analysis::leg::host;
use crate::analysis::links::{Link, Links};
use crate::finding::{Confidence, Ending, Finding, Sign, Value};
use crate::sip::{Class, Status};
use crate::time::Time;

/// The finding that explains another one.
#[derive(Clone, Copy, Debug)]
struct Root {
    place: usize,
    link: &'static str,
    confidence: Confidence,
}

/// How well a failure explains another one.
type Rank = (bool, bool, Option<Time>);

/// Turns findings on calls that failed by a leg behind them into signs of the finding there.
pub(super) fn settle(links: &Links, findings: &mut Vec<Finding>) {
    let roots = roots(links, findings);
    if roots.is_empty() {
        return;
    }
    // There may be very many, of which few are moved.
    let mut moved: Vec<(usize, Root)> = Vec::new();
    let mut places = 0..;
    let is_moved = |_: &mut Finding| {
        let root = places.next().and_then(|place| Some((place, last_root(&roots, place)?)));
        moved.extend(root);
        root.is_some()
    };
    let taken: Vec<Finding> = findings.extract_if(.., is_moved).collect();
    for ((_, root), finding) in moved.iter().zip(taken) {
        // What stands before it was moved, too.
        let Err(before) = moved.binary_search_by_key(&root.place, |(place, _)| *place) else {
            continue;
        };
        if let Some(own) = root.place.checked_sub(before).and_then(|at| findings.get_mut(at)) {
            absorb(own, finding, *root);
        }
    }
}

/// For each finding whether it waits, or one that it may explain or be explained by: these are told
/// together, whichever of them waits.
pub(super) fn waiting(links: &Links, findings: &[Finding], waits: &[bool]) -> Vec<bool> {
    let mut groups: Vec<usize> = (0..findings.len()).collect();
    each_candidate(links, findings, |place, root, _| {
        let (one, other) = (first_of(&mut groups, place), first_of(&mut groups, root));
        if let Some(group) = groups.get_mut(one.max(other)) {
            *group = one.min(other);
        }
    });
    let mut waiting = vec![false; findings.len()];
    let own: Vec<usize> = (0..findings.len()).map(|place| first_of(&mut groups, place)).collect();
    for (group, waits) in own.iter().zip(waits) {
        if let Some(is_waiting) = waiting.get_mut(*group) {
            *is_waiting |= waits;
        }
    }
    own.iter().map(|group| waiting.get(*group).copied().unwrap_or(false)).collect()
}

/// The first finding of the group that one is in. Makes the way there shorter for the next time.
fn first_of(groups: &mut [usize], place: usize) -> usize {
    let mut at = place;
    while let Some(before) = groups.get(at).copied().filter(|before| *before != at) {
        let first = groups.get(before).copied().unwrap_or(before);
        if let Some(group) = groups.get_mut(at) {
            *group = first;
        }
        at = first;
    }
    at
}

/// Follows the roots to the one that has none, with the least sure of the links on the way.
fn last_root(roots: &BTreeMap<usize, Root>, place: usize) -> Option<Root> {
    let mut root = *roots.get(&place)?;
    for _ in 0..=roots.len() {
        match roots.get(&root.place) {
            Some(next) => {
                root.place = next.place;
                if next.confidence < root.confidence {
                    (root.link, root.confidence) = (next.link, next.confidence);
                }
            }
            None => break,
        }
    }
    Some(root)
}

/// The finding on the next leg that explains each finding, where there is one.
fn roots(links: &Links, findings: &[Finding]) -> BTreeMap<usize, Root> {
    let mut best: BTreeMap<usize, (Rank, Root)> = BTreeMap::new();
    each_candidate(links, findings, |place, root, (rank, link)| {
        let root = Root { place: root, link: link.reason, confidence: link.confidence };
        let is_less = |(known, other): &(Rank, Root)| (*known, other.place) <= (rank, root.place);
        if best.get(&place).is_none_or(is_less) {
            best.insert(place, (rank, root));
        }
    });
    best.into_iter().map(|(place, (_, root))| (place, root)).collect()
}

/// Gives each finding with each one on a next leg that may explain it.
fn each_candidate(
    links: &Links,
    findings: &[Finding],
    mut take: impl FnMut(usize, usize, (Rank, &Link)),
) {
    let mut of_leg: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (place, finding) in findings.iter().enumerate() {
        let call_id = finding.call_id.as_ref().filter(|_| finding.ending.is_some());
        if let Some(leg) = call_id.and_then(|call_id| links.place(call_id)) {
            of_leg.entry(leg).or_default().push(place);
        }
    }
    for (leg, own) in &of_leg {
        // One that is not known may have been answered.
        if !links.knows_all_below(*leg) {
            continue;
        }
        for place in own {
            let Some(finding) = findings.get(*place) else { continue };
            let Some(ending) = finding.ending else { continue };
            let below: Vec<&Link> =
                links.below(*leg).filter(|link| is_behind(links, link, finding)).collect();
            let is_answered =
                |link: &&Link| links.leg(link.lower).is_some_and(|leg| leg.is_answered);
            if below.iter().any(is_answered) {
                continue;
            }
            for link in below {
                for root in of_leg.get(&link.lower).into_iter().flatten() {
                    let other = findings.get(*root).and_then(|own| Some((own, own.ending?)));
                    let rank = other.and_then(|(own, below)| rank(finding, ending, own, below));
                    if let Some(rank) = rank {
                        take(*place, *root, (rank, link));
                    }
                }
            }
        }
    }
}

/// The finding is about the host that made the leg behind.
fn is_behind(links: &Links, link: &Link, finding: &Finding) -> bool {
    let (Some(above), Some(below)) = (links.leg(link.upper), links.leg(link.lower)) else {
        return false;
    };
    let server = finding.server.map(|server| host(server.address));
    // Where the next leg comes from another address of the same host, nobody can tell.
    !above.is_received_by(below.client) || server == Some(below.client.host)
}

/// How well the failure of the leg behind explains this one; `None` where it does not. Silence
/// lasts until the host in the middle gives up; the same status was handed on; of several the last
/// one counts.
fn rank(finding: &Finding, ending: Ending, other: &Finding, below: Ending) -> Option<Rank> {
    let failed = ending.at?;
    let is_cancelled = |ending: Ending| ending.status == Status::new(487);
    let is_earlier = match below.at {
        None => true,
        // Who cancels is told so at once, before the leg behind is.
        Some(_) if is_cancelled(ending) && is_cancelled(below) => {
            other.rule.name == finding.rule.name
        }
        Some(at) => at <= failed,
    };
    is_earlier.then_some((ending.status == below.status, below.at.is_none(), below.at))
}

/// Takes in a finding on a leg before; the root is as bad as what it explains.
fn absorb(root: &mut Finding, moved: Finding, link: Root) {
    root.severity = root.severity.max(moved.severity);
    let is_final = |status: &&Status| status.class() != Class::Provisional;
    for status in moved.statuses.iter().filter(is_final) {
        if !root.statuses.contains(status) {
            root.statuses.push(*status);
        }
    }
    let is_new = root.value("leg_link").is_none();
    if link.confidence < Confidence::Certain && is_new {
        root.evidence.push(("leg_link", Value::Word(link.link)));
    }
    let of_call = |mut sign: Sign| {
        sign.link = sign.link.or(Some(link.link));
        sign.call_id = sign.call_id.or_else(|| moved.call_id.clone());
        sign
    };
    root.propagated.push(of_call(Sign {
        rule: moved.rule.name,
        frames: moved.frames,
        client: moved.client,
        server: moved.server,
        status: moved.ending.and_then(|ending| ending.status),
        call_id: None,
        link: None,
    }));
    root.propagated.extend(moved.propagated.into_iter().map(of_call));
    root.related.extend(moved.related.into_iter().map(of_call));
}
