//! Results that are told while the captures are still being read.
//!
//! A finding is told as soon as its call is judged. What falls or weakens unless a host or a way
//! shows up is held back until it does, else to the end; so is what stands only if another call
//! shows the same. So are findings that explain one that is held back, or are explained by it: one
//! fault is told once. Findings on the capture come at the end. Where nothing was told until then,
//! the findings are those of a report at the end. Else all in all the same ones are told, with
//! three differences: what a rule adds when it compares calls is what the calls up to then show,
//! legs of one conversation are known to each other where they are over at about the same time, and
//! what belongs to a finding on the whole capture (a scan, an overload) was told before that one,
//! which counts it. Of what was told only as much is kept as incidents and comparisons need, and no
//! more than a bound.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use crate::analysis::leg::Leg;
use crate::analysis::links::Links;
use crate::analysis::{BySeverity, CallSummary, Keep, Tally, replaced, roots};
use crate::finding::{Check, Finding, Visibility};
use crate::limits::{COMPARED_FINDINGS_MAX, LEGS_TOLD_MAX};
use crate::rules;
use crate::signaling::{Facts, Settings};

/// What became known since the last time, each list in order of the first frame.
#[derive(Debug, Default)]
pub struct Batch {
    /// Calls that are over. The same Call-ID may come again, when it was used again later.
    pub calls: Vec<CallSummary>,
    /// Findings on them and on earlier ones.
    pub findings: Vec<Finding>,
}

impl Batch {
    /// Nothing new.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.findings.is_empty()
    }
}

/// What was told and what is held back.
#[derive(Debug)]
pub struct Telling {
    keep: Keep,
    /// There are several captures, and between them may be a pause.
    is_several: bool,
    held: Vec<Finding>,
    /// Hosts and ways that were known when `held` was looked through.
    known: usize,
    /// The latest ones told of rules that compare calls, as they were before.
    compared: VecDeque<Finding>,
    /// The latest calls, to be linked with those to come.
    legs: Vec<Leg>,
    told: Told,
}

/// What is remembered of findings that were told.
#[derive(Debug, Default)]
pub struct Told {
    /// How many.
    pub counts: BySeverity,
    /// The findings without what only their own report needs.
    pub findings: Vec<Finding>,
    /// What a bound dropped, by the name of the bound.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Rules that panicked when they compared calls, with the number of calls.
    pub failed_rules: BTreeMap<&'static str, u64>,
}

impl Told {
    fn drop(&mut self, bound: &'static str, count: u64) {
        if count > 0 {
            *self.dropped.entry(bound).or_default() += count;
        }
    }

    /// Links legs and counts what bounds keep out of that. Most legs are linked again with later
    /// ones, so the counts of several times are not added up.
    pub(super) fn linked(&mut self, legs: Vec<Leg>) -> Links {
        let links = Links::of(legs);
        let cut = links.legs().iter().filter(|leg| leg.is_cut()).count() as u64;
        for (bound, count) in [("links", links.dropped()), ("leg-values", cut)] {
            if count > 0 {
                let known = self.dropped.entry(bound).or_default();
                *known = count.max(*known);
            }
        }
        links
    }
}

impl Telling {
    /// Nothing told yet.
    pub fn new(keep: Keep, is_several: bool) -> Self {
        Self {
            keep,
            is_several,
            held: Vec::new(),
            known: 0,
            compared: VecDeque::new(),
            legs: Vec::new(),
            told: Told::default(),
        }
    }

    /// No finding was told, so the end of the captures judges all of them side by side.
    pub fn has_told_nothing(&self) -> bool {
        self.told.counts.sum() == 0
    }

    /// Takes what the tallies have gathered, and gives what can be told of it.
    pub fn batch(
        &mut self,
        tallies: &mut [&mut Tally],
        facts: &Facts,
        settings: &Settings,
    ) -> Batch {
        let mut batch = Batch::default();
        let mut fresh = Vec::new();
        for tally in tallies.iter_mut() {
            batch.calls.append(&mut tally.calls);
            fresh.extend(std::mem::take(&mut tally.findings));
            self.legs.extend(std::mem::take(&mut tally.legs));
        }
        batch.calls.sort_by_key(|call| call.first_frame);
        let is_same = self.held.is_empty() || facts.seen() == self.known;
        if batch.calls.is_empty() && fresh.is_empty() && is_same {
            return batch;
        }
        self.known = facts.seen();
        fresh.append(&mut self.held);
        let links = self.told.linked(std::mem::take(&mut self.legs));
        links.complete_calls(&mut batch.calls);
        let known = Known { facts, tallies, settings, is_several: self.is_several };
        batch.findings = self.sift(fresh, &links, &known);
        roots::settle(&links, &mut batch.findings);
        replaced::complete(links.legs(), &mut batch.findings);
        links.complete_findings(&mut batch.findings);
        self.legs = links.into_legs();
        let excess = self.legs.len().saturating_sub(LEGS_TOLD_MAX);
        self.legs.drain(..excess);
        self.told.drop("legs-told", excess as u64);
        for finding in &batch.findings {
            self.told.counts.add(finding.severity);
            if self.told.findings.len() < self.keep.findings {
                self.told.findings.push(gist(finding));
            }
        }
        batch.findings.sort_by(|a, b| {
            (a.frames.first(), a.rule.code, &a.frames).cmp(&(
                b.frames.first(),
                b.rule.code,
                &b.frames,
            ))
        });
        batch
    }

    /// Gives the findings that stand by what is known, and holds the others back.
    fn sift(&mut self, fresh: Vec<Finding>, links: &Links, known: &Known<'_>) -> Vec<Finding> {
        let compared = self.compare(&fresh, known);
        let stands = |(finding, compared): (&Finding, &Compared)| match compared {
            Compared::Alone => known.settles(finding),
            Compared::Judged(judged) => known.settles(judged),
            Compared::Broken => false,
        };
        let waits: Vec<bool> = fresh.iter().zip(&compared).map(|own| !stands(own)).collect();
        let waits = roots::waiting(links, &fresh, &waits);
        let mut tell = Vec::new();
        for ((finding, compared), waits) in fresh.into_iter().zip(compared).zip(waits) {
            match (compared, waits) {
                (Compared::Broken, _) => {
                    *self.told.failed_rules.entry(finding.rule.name).or_default() += 1;
                    // The end of the captures judges what takes its place.
                    finding.fallback.into_iter().for_each(|fallback| self.hold(*fallback));
                }
                (Compared::Alone | Compared::Judged(_), true) => self.hold(finding),
                (Compared::Alone, false) => tell.push(finding),
                (Compared::Judged(judged), false) => {
                    tell.push(*judged);
                    self.compared.push_back(finding);
                }
            }
        }
        let excess = self.compared.len().saturating_sub(COMPARED_FINDINGS_MAX);
        self.compared.drain(..excess);
        self.told.drop("findings-compared", excess as u64);
        tell
    }

    /// Findings side by side with those told before.
    fn compare(&self, found: &[Finding], known: &Known<'_>) -> Vec<Compared> {
        let is_asked = |finding: &Finding| is_compared(finding) && known.shows(finding);
        let own: Vec<&Finding> = found.iter().filter(|finding| is_asked(finding)).collect();
        if own.is_empty() {
            return found.iter().map(|_| Compared::Alone).collect();
        }
        let mut judged: Vec<Finding> = self.compared.iter().chain(own).cloned().collect();
        let broken = rules::compare(&mut judged, known.settings);
        let mut judged = judged.into_iter().skip(self.compared.len());
        let compared = |finding: &Finding| match is_asked(finding).then(|| judged.next()).flatten()
        {
            None => Compared::Alone,
            Some(judged) if broken.contains(&judged.rule.code) => Compared::Broken,
            Some(judged) => Compared::Judged(Box::new(judged)),
        };
        found.iter().map(compared).collect()
    }

    fn hold(&mut self, finding: Finding) {
        match self.held.len() < self.keep.findings {
            true => self.held.push(finding),
            false => self.told.drop("findings", 1),
        }
    }

    /// What is held back, to be judged with what is left; the latest legs; and what was told.
    pub(super) fn finish(self) -> (Vec<Finding>, Vec<Leg>, Told) {
        (self.held, self.legs, self.told)
    }
}

/// What incidents need of a finding.
pub(super) fn gist(finding: &Finding) -> Finding {
    Finding {
        call_id: finding.call_id.clone(),
        frames: finding.frames.clone(),
        statuses: finding.statuses.clone(),
        evidence: Vec::new(),
        propagated: Vec::new(),
        related: Vec::new(),
        linked: Vec::new(),
        owns: Vec::new(),
        fallback: None,
        ladder: Vec::new(),
        ..*finding
    }
}

/// What came of a finding beside those of other calls.
#[derive(Debug)]
enum Compared {
    /// It is not compared, or not yet.
    Alone,
    /// As it is beside the others.
    Judged(Box<Finding>),
    /// Its rule panicked.
    Broken,
}

fn is_compared(finding: &Finding) -> bool {
    match finding.rule.check {
        Check::Call(_) | Check::Media(_) | Check::Both { .. } | Check::Capture(_) => false,
        Check::Calls { .. } | Check::MediaCalls { .. } => true,
    }
}

/// What is known of the captures at the moment.
struct Known<'k> {
    facts: &'k Facts,
    tallies: &'k [&'k mut Tally],
    settings: &'k Settings,
    is_several: bool,
}

impl Known<'_> {
    /// The finding stands by what is known; else the end of the captures decides.
    fn settles(&self, finding: &Finding) -> bool {
        self.shows(finding) && !finding.needs_company
    }

    /// What the finding needs of the captures has shown up.
    fn shows(&self, finding: &Finding) -> bool {
        match finding.visibility {
            Visibility::Proven => true,
            _ if self.is_several => false,
            Visibility::HostElsePossible { host, peer }
            | Visibility::HostElseNote { host, peer } => self.has_whole_way(host, peer),
            Visibility::WayElseNothing(source, destination) => {
                self.has_whole_way(source, destination)
            }
            Visibility::ProvenAtEnd
            | Visibility::MediaWayElseNothing(_)
            | Visibility::MediaWayElseNote(_)
            | Visibility::UnlessCaptureLost { .. }
            | Visibility::UnlessInvited(_)
            | Visibility::UnlessLenient(_)
            | Visibility::UnlessClock { .. } => false,
        }
    }

    /// Packets went this way, and there is none among them of which the call is not known.
    fn has_whole_way(&self, source: IpAddr, destination: IpAddr) -> bool {
        self.facts.has_way(source, destination)
            && !self.facts.has_unplaced(source, destination)
            && !self.tallies.iter().any(|t| t.facts.has_unplaced(source, destination))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Findings, Report};
    use crate::media::Media;
    use crate::rules::Profile;
    use crate::signaling::samples::{log, surrounded};

    fn keep() -> Keep {
        Keep { calls: 10, findings: 10, ..Keep::default() }
    }

    /// What a tally has of one call.
    fn tally() -> Tally {
        let invite = "INVITE sip:b@h SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\n\
            From: <sip:a@h>;tag=a\nTo: <sip:b@h>\nCall-ID: 1\nCSeq: 1 INVITE\n\n";
        let mut tally = Tally::new(keep());
        surrounded(|own| tally.judge(&log(&[(0, 1, 2, invite)]), own, Media::new(&[]), &[], false));
        tally
    }

    #[test]
    fn legs_of_calls_that_were_told_have_a_bound() {
        let mut tally = tally();
        let own = std::mem::take(&mut tally.legs).into_iter().next().expect("a leg");
        let later = |number: u64| Leg {
            id: number,
            call_id: number.to_string().into(),
            start: own.start + crate::time::Span::from_secs(number.cast_signed()),
            ..own.clone()
        };
        (0..LEGS_TOLD_MAX as u64 + 5).map(later).for_each(|leg| tally.legs.push(&leg));
        let mut telling = Telling::new(keep(), false);
        let batch = telling.batch(&mut [&mut tally], &Facts::default(), &Settings::default());
        assert_eq!(batch.calls.len(), 1);
        assert_eq!(telling.legs.len(), LEGS_TOLD_MAX);
        assert_eq!(telling.legs.first().map(|leg| leg.id), Some(5), "the latest ones are kept");
        let analysis = Tally::finish_after(vec![tally], &Profile::default(), telling);
        assert_eq!(analysis.dropped.get("legs-told"), Some(&5));
    }

    #[test]
    fn findings_that_later_ones_are_compared_with_have_a_bound() {
        let rule = rules::find("auth-loop").expect("a rule");
        let mut found = Vec::new();
        Findings::new(rule, &Settings::default(), &mut found).report(Report::on_capture());
        let finding = found.pop().expect("a finding");
        assert!(is_compared(&finding));
        let mut tally = Tally::new(keep());
        (0..COMPARED_FINDINGS_MAX + 7).for_each(|_| tally.findings.push(finding.clone()));
        let mut telling = Telling::new(keep(), false);
        let batch = telling.batch(&mut [&mut tally], &Facts::default(), &Settings::default());
        assert_eq!(batch.findings.len(), COMPARED_FINDINGS_MAX + 7, "all are told");
        assert_eq!(telling.compared.len(), COMPARED_FINDINGS_MAX);
        let analysis = Tally::finish_after(Vec::new(), &Profile::default(), telling);
        assert_eq!(analysis.dropped.get("findings-compared"), Some(&7));
    }
}
