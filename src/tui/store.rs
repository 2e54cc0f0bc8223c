//! What is known of the captures so far: calls and findings, found by number and by Call-ID.
//!
//! Grows while the captures are read, up to the bounds of a report; a call keeps its place, only
//! its number changes when an earlier one comes late.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use foldhash::fast::RandomState;

use crate::analysis::{Analysis, Batch, CallSummary, Host};
use crate::capture::FrameId;
use crate::catalogue::{self, Lang, RuleText};
use crate::finding::{Finding, Severity};
use crate::limits::{CALLS_MAX, FINDINGS_MAX};
use crate::packet::Endpoint;

/// What the reader tells.
#[derive(Debug)]
pub enum News {
    /// More calls and findings.
    Batch(Batch),
    /// Everything was read; what was not told before.
    Done(Box<Analysis>),
    /// The reading broke off, for this reason.
    Failed(String),
    /// Calls whose messages were read again.
    Loaded(Vec<CallSummary>),
    /// The messages could not be read again.
    NotLoaded,
}

/// How far the reading is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reading {
    #[default]
    UnderWay,
    Done,
    Failed(String),
}

/// The findings of one call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// Places among the findings, in order of arrival.
    pub(crate) findings: Vec<u32>,
    pub(crate) worst: Option<u32>,
}

/// Calls and findings.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) calls: Vec<CallSummary>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) reading: Reading,
    /// Everything else, once all is read.
    pub(crate) rest: Option<Box<Analysis>>,
    pub(crate) hosts: BTreeMap<Host, String>,
    pub(crate) is_several: bool,
    lang: Lang,
    /// RTP streams of calls.
    streams: usize,
    places: HashMap<String, u32, RandomState>,
    found: Vec<Found>,
    /// Places in order of the first frames.
    order: Vec<u32>,
    /// The number of each call, from 1.
    numbers: Vec<u32>,
    rules: RefCell<BTreeMap<&'static str, Rc<RuleText>>>,
    /// What there was no room for, by the name of the bound.
    dropped: BTreeMap<&'static str, u64>,
}

impl Store {
    pub(crate) fn new(lang: Lang, is_several: bool, hosts: BTreeMap<Host, String>) -> Self {
        Self { lang, is_several, hosts, ..Self::default() }
    }

    /// Takes what the reader tells, but for messages that were read again.
    pub(crate) fn add(&mut self, batch: Batch) {
        self.add_within(batch, CALLS_MAX, FINDINGS_MAX);
    }

    fn add_within(&mut self, batch: Batch, calls_max: usize, findings_max: usize) {
        for call in batch.calls {
            self.add_call(call, calls_max);
        }
        for finding in batch.findings {
            self.add_finding(finding, findings_max);
        }
        self.arrange();
    }

    pub(crate) fn finish(&mut self, mut analysis: Box<Analysis>) {
        let calls = std::mem::take(&mut analysis.calls);
        let findings = std::mem::take(&mut analysis.findings);
        self.add(Batch { calls, findings });
        for (bound, count) in std::mem::take(&mut self.dropped) {
            *analysis.dropped.entry(bound).or_default() += count;
        }
        self.rest = Some(analysis);
        self.reading = Reading::Done;
    }

    /// Gives calls their messages; true if one of them had none before.
    pub(crate) fn complete(&mut self, calls: Vec<CallSummary>) -> bool {
        let mut is_new = false;
        for call in calls {
            let place = self.place(&call.call_id);
            let known = place.and_then(|place| self.calls.get_mut(place));
            if let Some(known) = known
                && known.transcript.is_empty()
                && !call.transcript.is_empty()
            {
                known.transcript = call.transcript;
                is_new = true;
            }
        }
        is_new
    }

    fn add_call(&mut self, call: CallSummary, calls_max: usize) {
        if let Some(place) = self.place(&call.call_id) {
            if let Some(known) = self.calls.get_mut(place) {
                known.go_on_with(call);
            }
            return;
        }
        let Ok(place) = u32::try_from(self.calls.len()) else { return };
        if self.calls.len() >= calls_max {
            *self.dropped.entry("calls").or_default() += 1;
        } else {
            self.places.insert(call.call_id.clone(), place);
            self.found.push(Found::default());
            self.streams += call.streams.len();
            self.calls.push(call);
        }
    }

    fn add_finding(&mut self, finding: Finding, findings_max: usize) {
        let Ok(own) = u32::try_from(self.findings.len()) else { return };
        if self.findings.len() >= findings_max {
            *self.dropped.entry("findings").or_default() += 1;
            return;
        }
        let place = finding.call_id.as_deref().and_then(|call_id| self.place(call_id));
        if let Some(found) = place.and_then(|place| self.found.get_mut(place)) {
            let is_worse = |worst: u32| {
                let worst = self.findings.get(worst as usize);
                worst.is_none_or(|worst| finding.severity > worst.severity)
            };
            if found.worst.is_none_or(is_worse) {
                found.worst = Some(own);
            }
            found.findings.push(own);
        }
        self.findings.push(finding);
    }

    fn arrange(&mut self) {
        let known = self.order.len();
        let fresh = (known..self.calls.len()).filter_map(|place| u32::try_from(place).ok());
        self.order.extend(fresh);
        let (calls, is_several) = (&self.calls, self.is_several);
        self.order.sort_by_key(|place| {
            let call = calls.get(*place as usize);
            call.map(|call| (is_several.then_some(call.start), call.first_frame))
        });
        self.numbers.resize(self.calls.len(), 0);
        for (place, number) in self.order.iter().zip(1..) {
            if let Some(own) = self.numbers.get_mut(*place as usize) {
                *own = number;
            }
        }
    }

    /// RTP streams, of calls and alone.
    pub(crate) fn streams(&self) -> usize {
        self.streams + self.rest.as_ref().map_or(0, |rest| rest.streams.len())
    }

    /// The calls in order, as places.
    pub(crate) fn order(&self) -> &[u32] {
        &self.order
    }

    /// The number of a call in the list.
    pub(crate) fn number(&self, place: usize) -> u32 {
        self.numbers.get(place).copied().unwrap_or_default()
    }

    /// The place of the call with that Call-ID.
    pub(crate) fn place(&self, call_id: &str) -> Option<usize> {
        self.places.get(call_id).map(|place| *place as usize)
    }

    /// The findings of a call.
    pub(crate) fn found(&self, place: usize) -> &[u32] {
        self.found.get(place).map(|found| found.findings.as_slice()).unwrap_or_default()
    }

    /// The worst finding of a call.
    pub(crate) fn worst(&self, place: usize) -> Option<&Finding> {
        let worst = self.found.get(place)?.worst?;
        self.findings.get(worst as usize)
    }

    /// The other calls of a conversation: those that the call is linked with, and theirs.
    pub(crate) fn conversation(&self, place: usize) -> Vec<usize> {
        const LEGS_MAX: usize = 16;
        let mut all = vec![place];
        let mut next = 0;
        while let Some(call) = all.get(next).and_then(|place| self.calls.get(*place)) {
            next += 1;
            let linked = call.linked.iter().map(|linked| linked.call_id.as_str());
            let of_findings = self.found(self.place(&call.call_id).unwrap_or_default());
            let told = of_findings.iter().filter_map(|own| self.findings.get(*own as usize));
            let told = told.flat_map(|finding| &finding.linked).map(|l| l.call_id.as_str());
            let back = self
                .calls
                .iter()
                .filter(|other| other.linked.iter().any(|linked| linked.call_id == call.call_id));
            let back = back.map(|other| other.call_id.as_str());
            for call_id in linked.chain(told).chain(back) {
                if let Some(other) = self.place(call_id)
                    && !all.contains(&other)
                    && all.len() < LEGS_MAX
                {
                    all.push(other);
                }
            }
        }
        all.sort_by_key(|place| self.number(*place));
        all
    }

    /// The words on the rule of a finding, looked up once.
    pub(crate) fn rule(&self, finding: &Finding) -> Rc<RuleText> {
        let mut rules = self.rules.borrow_mut();
        let text = rules.entry(finding.rule.code);
        Rc::clone(text.or_insert_with(|| Rc::new(catalogue::rule(finding.rule, self.lang))))
    }

    /// Findings of a severity.
    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// `#12`; with several captures `2#12` is a frame of the second one.
    pub(crate) fn frame(&self, frame: FrameId) -> String {
        match self.is_several {
            true => format!("{}#{}", u32::from(frame.capture) + 1, frame.number),
            false => format!("#{}", frame.number),
        }
    }

    /// An address and port, with the name that the user gives to the host.
    pub(crate) fn endpoint(&self, end: Endpoint) -> String {
        match self.hosts.get(&end.address.to_canonical()) {
            Some(name) => format!("{name}:{}", end.port),
            None => end.to_string(),
        }
    }

    /// An address, or the name that the user gives to the host.
    pub(crate) fn host(&self, host: Host) -> String {
        self.hosts.get(&host.to_canonical()).cloned().unwrap_or_else(|| host.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{Keep, Tally};
    use crate::media::Media;
    use crate::rules::{self, Profile};
    use crate::signaling::samples::{log, surrounded};

    #[test]
    fn calls_and_findings_beyond_the_bounds_are_counted() {
        let rule = rules::find("invite-no-response").expect("a rule");
        let mut tally = Tally::new(Keep { calls: 10, findings: 10, ..Keep::default() });
        for call in 0..5 {
            let invite = format!(
                "INVITE sip:b@h SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\n\
                 From: <sip:a@h>;tag=a\nTo: <sip:b@h>\nCall-ID: {call}\nCSeq: 1 INVITE\n\n"
            );
            let log = log(&[(0, 1, 2, &invite)]);
            surrounded(|own| tally.judge(&log, own, Media::new(&[]), &[rule], false));
        }
        let Analysis { calls, findings, .. } = Tally::finish(vec![tally], &Profile::default());
        assert_eq!((calls.len(), findings.len()), (5, 5));
        let mut store = Store::default();
        store.add_within(Batch { calls, findings }, 3, 4);
        assert_eq!((store.calls.len(), store.findings.len()), (3, 4));
        store.finish(Box::default());
        let dropped = store.rest.as_ref().map(|rest| rest.dropped.clone());
        assert_eq!(dropped, Some(BTreeMap::from([("calls", 2), ("findings", 1)])));
    }
}
