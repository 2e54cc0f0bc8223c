//! One fault, one finding, over all calls of a host.
//!
//! What only many calls show together (a scan, an overload) has one finding, and what each of the
//! calls shows of it is a sign of that one. Which finding owns what is a table; the first one that
//! fits has it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::finding::{Finding, Rule, Sign, Value, Visibility};
use crate::signaling::{self, Call, Spell};
use crate::time::{Span, Time};

/// Findings of one rule that are named as signs; all are counted.
const SIGNS_MAX: usize = 3;

/// What a call shows begins before the request that counted, or after it: 64*T1 either way.
const AROUND: Span = Span::from_secs(32);

/// How many findings on single calls belong to it.
const COUNT: &str = "single_findings";

/// The evidence that names a tool, and the rule that looks for tools.
const TOOL: &str = "tool";
const SCAN: &str = "scanner";

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
const OWNERS: [Owner; 4] = [
    Owner {
        rule: "toll-fraud-suspect",
        of: Party::Sender,
        wholes: &["credential-brute-force", SCAN],
        signs: &REFUSED,
    },
    Owner { rule: "credential-brute-force", of: Party::Sender, wholes: &[SCAN], signs: &REFUSED },
    Owner { rule: SCAN, of: Party::Sender, wholes: &[], signs: &REFUSED },
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

/// Findings on calls of a tool that names itself: there may be one for each of very many calls, and
/// they belong to the finding on the tool in any case, so they need not be kept to the end.
#[derive(Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub(super) struct NamedSigns {
    /// By tool and rule: how many, and the first ones.
    #[cfg_attr(feature = "parts", borsh(deserialize_with = "crate::bytes::parts::by_words"))]
    signs: BTreeMap<(&'static str, &'static str), (u64, Vec<Sign>)>,
}

impl NamedSigns {
    /// Counts the finding, if it is on a call of a tool.
    pub(super) fn takes(&mut self, tool: Option<&'static str>, finding: &Finding) -> bool {
        // What may still fall is left to the end.
        let is_firm = finding.visibility == Visibility::Proven && !finding.needs_company;
        let is_own = is_firm && REFUSED.contains(&finding.rule.name);
        let Some(tool) = tool.filter(|_| is_own) else { return false };
        let (count, first) = self.signs.entry((tool, finding.rule.name)).or_default();
        *count += 1;
        if first.len() < SIGNS_MAX || first.last().is_some_and(|last| finding.frames < last.frames)
        {
            add_first(first, [sign_of(finding)]);
        }
        true
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (key, (count, signs)) in other.signs {
            let (sum, first) = self.signs.entry(key).or_default();
            *sum += count;
            add_first(first, signs);
        }
    }

    /// Adds the signs to the findings on the tools.
    fn settle(self, findings: &mut [Finding]) {
        for ((tool, _), (added, signs)) in self.signs {
            let is_root = |finding: &&mut Finding| {
                matches!(finding.value(TOOL), Some(Value::Text(own)) if own == tool)
                    && OWNERS.iter().any(|owner| owner.rule == finding.rule.name)
            };
            if let Some(root) = findings.iter_mut().find(is_root) {
                count(root, added);
                root.related.extend(signs);
            }
        }
    }
}

fn add_first(first: &mut Vec<Sign>, more: impl IntoIterator<Item = Sign>) {
    first.extend(more);
    first.sort_by(|a, b| a.frames.cmp(&b.frames));
    first.truncate(SIGNS_MAX);
}

/// The tool that names itself in the first request of the call, if that is a fault to one of the
/// rules.
pub(super) fn tool_of(call: &Call<'_>, rules: &[&'static Rule]) -> Option<&'static str> {
    let request = call.messages.iter().find(|message| message.is_request())?;
    signaling::tool_of(request).filter(|_| {
        let is_looked_for = rules.iter().any(|rule| rule.name == SCAN);
        is_looked_for && !call.settings().is_trusted(request.source.address)
    })
}

/// Turns what belongs to an owner into signs of it, and counts what was told of it before.
pub(super) fn settle(findings: &mut Vec<Finding>, told: &[Finding], named: NamedSigns) {
    named.settle(findings);
    for owner in OWNERS.iter().filter(|owner| !owner.wholes.is_empty()) {
        let spells = spells(findings, owner);
        absorb(owner, findings, |finding| takes_over(owner, &spells, finding));
    }
    for owner in &OWNERS {
        let spells = spells(findings, owner);
        let roots = told.iter().filter_map(|finding| owned_by(owner, &spells, finding));
        for root in roots.collect::<Vec<_>>() {
            if let Some(root) = findings.get_mut(root) {
                count(root, 1);
            }
        }
        absorb(owner, findings, |finding| owned_by(owner, &spells, finding));
    }
}

/// Makes each finding that has a root, by its place, a sign of that one.
fn absorb(owner: &Owner, findings: &mut Vec<Finding>, root_of: impl Fn(&Finding) -> Option<usize>) {
    let roots: Vec<Option<usize>> = findings.iter().map(root_of).collect();
    if roots.iter().all(Option::is_none) {
        return;
    }
    for (place, root) in roots.iter().enumerate().filter_map(|(at, root)| Some((at, (*root)?))) {
        let Some(finding) = findings.get_mut(place) else { continue };
        let own = u64::from(owner.signs.contains(&finding.rule.name));
        let counted = match finding.value(COUNT) {
            Some(Value::Number(count)) => u64::try_from(*count).unwrap_or_default(),
            _ => 0,
        };
        let (owns, mut signs) = (std::mem::take(&mut finding.owns), vec![sign_of(finding)]);
        if !owns.is_empty() {
            signs.append(&mut finding.related);
        }
        let Some(root) = findings.get_mut(root) else { continue };
        count(root, own + counted);
        root.owns.extend(owns);
        for sign in signs {
            let known = root.related.iter().filter(|known| known.rule == sign.rule);
            if known.count() < SIGNS_MAX {
                root.related.push(sign);
            }
        }
    }
    let mut roots = roots.into_iter();
    findings.retain(|_| roots.next().flatten().is_none());
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

fn count(root: &mut Finding, added: u64) {
    let added = i64::try_from(added).unwrap_or(i64::MAX);
    match root.evidence.iter_mut().find(|(name, _)| *name == COUNT) {
        Some((_, Value::Number(count))) => *count = count.saturating_add(added),
        _ if added > 0 => root.evidence.push((COUNT, Value::Number(added))),
        _ => {}
    }
}

fn sign_of(finding: &Finding) -> Sign {
    Sign {
        rule: finding.rule.name,
        frames: finding.frames.clone(),
        client: finding.client,
        server: finding.server,
        status: finding.status(),
        call_id: finding.call_id.clone(),
        link: None,
    }
}
