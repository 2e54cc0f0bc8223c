//! Which legs belong to one conversation, and why.
//!
//! A header field that names another Call-ID, or a value that is given to one conversation only,
//! ties legs for certain. Else legs are weighed: who received an INVITE sends another one at once,
//! for the same number or with the same media. Only the one best fit counts; where two fit equally
//! well, there is no link.

use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;

use foldhash::fast::RandomState;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::analysis::leg::{Leg, Number, Place, Role, digest};
use crate::analysis::{CallSummary, order};
use crate::finding::{Confidence, Direction, Finding, Linked};
use crate::limits::{LEG_CANDIDATES_MAX, LEGS_PER_VALUE_MAX, LINKS_PER_LEG_MAX};
use crate::time::{Span, Time};

/// How long after an INVITE its receiver may send the next one: queries of directories and of
/// number portability, and a first destination that is tried in vain.
const NEXT_LEG: Span = Span::from_secs(10);

/// The same, where only one of the two numbers is the same.
const NEXT_LEG_ONE_NUMBER: Span = Span::from_secs(2);

/// How much earlier than its last INVITE a call may have begun: with one that was challenged.
const CHALLENGED: Span = Span::from_secs(10);

/// What the same called number, calling number and media address weigh.
const WEIGHTS: [(Trait, u32); 3] = [(Trait::Called, 3), (Trait::Calling, 2), (Trait::Media, 4)];

/// Legs with what ties them.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// In order of their start.
    legs: Vec<Leg>,
    links: Vec<Link>,
    /// The links of each leg that has some.
    of_leg: FxHashMap<u32, Vec<u32>>,
    /// Legs of which a link to one that serves them, or to one that they serve, is not kept.
    lost_below: FxHashSet<u32>,
    lost_above: FxHashSet<u32>,
    /// Links that are not kept.
    dropped: u64,
    /// The legs that have links, by Call-ID.
    places: HashMap<Box<str>, u32, RandomState>,
}

/// Two legs of one conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// The earlier one.
    pub(super) upper: u32,
    /// The later one.
    pub(super) lower: u32,
    pub(super) reason: &'static str,
    pub(super) confidence: Confidence,
    /// The later one was made to serve the earlier one, whose outcome is its own.
    pub(super) is_directed: bool,
}

/// What two legs may have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trait {
    Called,
    Calling,
    Media,
}

impl Links {
    /// Finds the links between these legs, whatever their order.
    pub(super) fn of(mut legs: Vec<Leg>) -> Self {
        order::sort_by(&mut legs, |leg| (leg.start, leg.id, leg.invited), |_, _| Ordering::Equal);
        merge_same(&mut legs);
        legs.truncate(u32::MAX as usize);
        let mut links = Self { legs, ..Self::default() };
        let mut known = FxHashSet::default();
        links.add_named(&mut known);
        links.add_shared(&mut known);
        links.add_referred(&mut known);
        links.add_weighed(&mut known);
        for leg in links.of_leg.keys() {
            if let Some(own) = links.legs.get(*leg as usize) {
                links.places.insert(own.call_id.clone(), *leg);
            }
        }
        links
    }

    /// The legs, in order of their start.
    pub(super) fn legs(&self) -> &[Leg] {
        &self.legs
    }

    /// The legs, to be linked again with later ones.
    pub(super) fn into_legs(self) -> Vec<Leg> {
        self.legs
    }

    /// Tells every call which others it is linked with.
    pub(super) fn complete_calls(&self, calls: &mut [CallSummary]) {
        if self.places.is_empty() {
            return;
        }
        for call in calls {
            for link in self.linked(&call.call_id) {
                match call.linked.iter_mut().find(|known| known.call_id == link.call_id) {
                    Some(known) => *known = link,
                    None => call.linked.push(link),
                }
            }
        }
    }

    /// Tells every finding which other calls its call is linked with.
    pub(super) fn complete_findings(&self, findings: &mut [Finding]) {
        if self.places.is_empty() {
            return;
        }
        for finding in findings {
            finding.linked = finding.call_id.as_ref().map_or_else(Vec::new, |id| self.linked(id));
        }
    }

    /// The place of a call with links.
    pub(super) fn place(&self, call_id: &str) -> Option<u32> {
        self.places.get(call_id).copied()
    }

    pub(super) fn leg(&self, place: u32) -> Option<&Leg> {
        self.legs.get(place as usize)
    }

    /// The links of a leg to those that serve it.
    pub(super) fn below(&self, place: u32) -> impl Iterator<Item = &Link> {
        self.of_place(place).filter(move |link| link.is_directed && link.upper == place)
    }

    /// All legs that serve this one are known, as far as the captures show them.
    pub(super) fn knows_all_below(&self, place: u32) -> bool {
        !self.lost_below.contains(&place)
    }

    /// Links beyond the bound of a leg.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn of_place(&self, place: u32) -> impl Iterator<Item = &Link> {
        let own = self.of_leg.get(&place).into_iter().flatten();
        own.filter_map(|link| self.links.get(*link as usize))
    }

    /// The other legs of a call, in the order in which they began.
    fn linked(&self, call_id: &str) -> Vec<Linked> {
        let Some(place) = self.place(call_id) else { return Vec::new() };
        let Some(own) = self.leg(place) else { return Vec::new() };
        let mut linked: Vec<Linked> = Vec::new();
        let mut links: Vec<&Link> = self.of_place(place).collect();
        links.sort_by_key(|link| (link.upper, link.lower));
        for link in links {
            let is_above = link.upper != place;
            let Some(other) = self.leg(if is_above { link.upper } else { link.lower }) else {
                continue;
            };
            linked.push(Linked {
                call_id: other.call_id.to_string(),
                reason: link.reason,
                confidence: link.confidence,
                direction: link.is_directed.then_some(match is_above {
                    true => Direction::Upstream,
                    false => Direction::Downstream,
                }),
                after: Some(other.start.since(own.start)),
            });
        }
        linked
    }

    fn add(&mut self, link: Link, known: &mut FxHashSet<(u32, u32)>) {
        let count = |leg| self.of_leg.get(&leg).map_or(0, Vec::len);
        let is_room = count(link.upper).max(count(link.lower)) < LINKS_PER_LEG_MAX;
        let pair = (link.upper, link.lower);
        if link.upper == link.lower || known.contains(&pair) {
            return;
        }
        if !is_room {
            self.dropped += 1;
            if link.is_directed {
                self.lost_below.insert(link.upper);
                self.lost_above.insert(link.lower);
            }
            return;
        }
        known.insert(pair);
        let Ok(index) = u32::try_from(self.links.len()) else { return };
        self.of_leg.entry(link.upper).or_default().push(index);
        self.of_leg.entry(link.lower).or_default().push(index);
        self.links.push(link);
    }

    /// Legs that name the Call-ID of another.
    fn add_named(&mut self, known: &mut FxHashSet<(u32, u32)>) {
        let names = |role| matches!(role, Role::Names | Role::NamesUpstream);
        let mut named: Vec<(u64, u32, Role, &'static str)> = Vec::new();
        for (leg, place) in self.legs.iter().zip(0..) {
            let marks = leg.marks.iter().filter(|mark| names(mark.role));
            named.extend(marks.map(|mark| (mark.key, place, mark.role, mark.reason)));
        }
        if named.is_empty() {
            return;
        }
        let wanted: FxHashSet<u64> = named.iter().map(|(key, ..)| *key).collect();
        let own = self.legs.iter().zip(0_u32..).filter(|(leg, _)| wanted.contains(&leg.id));
        let places: FxHashMap<u64, u32> = own.map(|(leg, place)| (leg.id, place)).collect();
        for (key, place, role, reason) in named {
            let Some(other) = places.get(&key).copied() else { continue };
            let (upper, lower) = (place.min(other), place.max(other));
            let is_directed =
                role == Role::NamesUpstream && other == upper && self.is_nested(upper, lower);
            let confidence = Confidence::Certain;
            self.add(Link { upper, lower, reason, confidence, is_directed }, known);
        }
    }

    /// Legs that have a value in common which only one conversation has.
    fn add_shared(&mut self, known: &mut FxHashSet<(u32, u32)>) {
        let mut shared: Vec<(Reverse<&'static str>, u64, u32)> = Vec::new();
        for (leg, place) in self.legs.iter().zip(0..) {
            let marks = leg.marks.iter().filter(|mark| mark.role == Role::Shares);
            shared.extend(marks.map(|mark| (Reverse(mark.reason), mark.key, place)));
        }
        shared.sort_unstable();
        for group in shared.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            if group.len() > LEGS_PER_VALUE_MAX {
                continue;
            }
            for (at, (Reverse(reason), _, upper)) in group.iter().enumerate() {
                for (_, _, lower) in group.iter().skip(at + 1) {
                    let (upper, lower) = (*upper, *lower);
                    let is_directed = self.is_nested(upper, lower) && !self.is_fork(upper, lower);
                    let confidence = Confidence::Certain;
                    self.add(Link { upper, lower, reason, confidence, is_directed }, known);
                }
            }
        }
    }

    /// Calls that somebody made because another leg asked for them.
    fn add_referred(&mut self, known: &mut FxHashSet<(u32, u32)>) {
        let mut targets: Vec<(u64, u32, bool)> = Vec::new();
        for (leg, place) in self.legs.iter().zip(0..) {
            for mark in &leg.marks {
                match mark.role {
                    Role::Refers => targets.push((mark.key, place, true)),
                    Role::Referred => targets.push((mark.key, place, false)),
                    Role::Names | Role::NamesUpstream | Role::Shares => {}
                }
            }
        }
        targets.sort_unstable();
        let asking = self.legs.iter().zip(0_u32..).filter(|(leg, _)| leg.may_have_asked_more());
        let unsure: Vec<u32> = asking.map(|(_, place)| place).take(2).collect();
        for group in targets.chunk_by(|a, b| a.0 == b.0) {
            let mut refers = group.iter().filter(|(_, _, is_asking)| *is_asking);
            // Of several that ask for one target nobody knows who was heard.
            let (Some((_, upper, _)), None) = (refers.next(), refers.next()) else { continue };
            // Of another leg that asked for more than is known, nobody knows whether for this.
            let is_sure = |place: &u32| !unsure.iter().any(|other| other != upper && other < place);
            let is_made = |place: &u32| place > upper && is_sure(place);
            let made = group.iter().filter(|(_, place, is_asking)| !is_asking && is_made(place));
            for (_, lower, _) in made {
                let confidence = Confidence::Likely;
                let (upper, lower, reason) = (*upper, *lower, "Referred-By");
                let link = Link { upper, lower, reason, confidence, is_directed: false };
                self.add(link, known);
            }
        }
    }

    /// Legs that fit each other best.
    fn add_weighed(&mut self, known: &mut FxHashSet<(u32, u32)>) {
        let index = Index::of(&self.legs);
        let found: Vec<Link> = (0..self.legs.len() as u32)
            .filter(|place| !self.lost_above.contains(place))
            .filter(|place| !self.of_place(*place).any(|l| l.is_directed && l.lower == *place))
            .filter_map(|lower| self.weighed(lower, &index))
            .collect();
        for link in found {
            self.add(link, known);
        }
    }

    /// The leg before this one, if one of them fits better than all others.
    fn weighed(&self, lower: u32, index: &Index) -> Option<Link> {
        let leg = self.leg(lower)?;
        leg.invited?;
        let mut candidates: Vec<u32> = Vec::new();
        let mut unknown = 0;
        for (what, weight) in WEIGHTS {
            for range in keys(leg, what).flat_map(|key| index.ranges(leg.client, what, key)) {
                if !self.collect(range, lower, &mut candidates) {
                    // Those that were not looked at may fit in this and in all that weighs less.
                    unknown = unknown.max(weight);
                }
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        let fits =
            candidates.into_iter().filter_map(|upper| Some((self.fit(upper, lower)?, upper)));
        let mut fits: Vec<(Fit, u32)> = fits.collect();
        fits.sort_by_key(|(fit, _)| Reverse((fit.weight, fit.is_same_port)));
        let mut fits = fits.into_iter();
        let (best, upper) = fits.next()?;
        let is_alone = fits.next().is_none_or(|(next, _)| {
            (next.weight, next.is_same_port) < (best.weight, best.is_same_port)
        });
        // One of the servers that are not known may have sent it.
        let is_received = self.leg(upper)?.is_received_by(leg.client);
        (is_alone && is_received && best.weight > unknown).then_some(Link {
            upper,
            lower,
            reason: if best.has_same_media { "media-address" } else { "numbers-and-time" },
            confidence: match best.weight {
                0..4 => Confidence::Possible,
                4.. => Confidence::Likely,
            },
            is_directed: true,
        })
    }

    /// Adds the legs of the range that may have begun this one; false where there are too many.
    fn collect(&self, range: &[(u64, u32)], lower: u32, candidates: &mut Vec<u32>) -> bool {
        let Some(start) = self.leg(lower).map(|leg| leg.start) else { return true };
        let earlier = range.partition_point(|(_, place)| *place < lower);
        let earlier =
            range.get(..earlier).unwrap_or_default().iter().rev().map(|(_, place)| *place);
        let recent = earlier.take_while(|place| {
            self.leg(*place).is_some_and(|leg| start.since(leg.start) <= NEXT_LEG + CHALLENGED)
        });
        let before = candidates.len();
        candidates.extend(recent.take(LEG_CANDIDATES_MAX + 1));
        let is_whole = candidates.len() - before <= LEG_CANDIDATES_MAX;
        if !is_whole {
            candidates.truncate(before);
        }
        is_whole
    }

    /// How well the later leg fits as the one that the receiver of the earlier one made.
    fn fit(&self, upper: u32, lower: u32) -> Option<Fit> {
        let (above, below) = (self.leg(upper)?, self.leg(lower)?);
        let wait = below.start.since(above.invited?);
        let is_same_port = above.servers.contains(&below.client) || above.has_more_servers;
        let may_be_received = above.is_received_by(below.client) || above.has_more_servers;
        if !may_be_received || !self.is_nested(upper, lower) || wait > NEXT_LEG {
            return None;
        }
        let has = |what| match what {
            Trait::Called => {
                let is_same = |number| below.called.iter().any(|own| own.is_same(number));
                above.called.into_iter().any(is_same)
            }
            Trait::Calling => above.calling.is_same(below.calling),
            Trait::Media => above.media != 0 && above.media == below.media,
        };
        let own = WEIGHTS.into_iter().filter(|(what, _)| has(*what));
        let weight = own.map(|(_, weight)| weight).sum();
        let is_enough = weight > 3 || (weight > 0 && wait <= NEXT_LEG_ONE_NUMBER);
        is_enough.then_some(Fit { weight, is_same_port, has_same_media: has(Trait::Media) })
    }

    /// The later leg began while the earlier one was set up.
    fn is_nested(&self, upper: u32, lower: u32) -> bool {
        let (Some(above), Some(below)) = (self.leg(upper), self.leg(lower)) else { return false };
        let is_open = |settled: Time| below.start <= settled;
        above.invited.is_some() && below.invited.is_some() && above.settled.is_none_or(is_open)
    }

    /// Both legs were made by one host, which did not receive the first one.
    fn is_fork(&self, upper: u32, lower: u32) -> bool {
        let (Some(above), Some(below)) = (self.leg(upper), self.leg(lower)) else { return false };
        above.client.host == below.client.host && !above.is_received_by(below.client)
    }
}

/// Makes one leg of what a Call-ID showed at different times.
fn merge_same(legs: &mut Vec<Leg>) {
    let mut ids: Vec<(u64, usize)> = legs.iter().map(|leg| leg.id).zip(0..).collect();
    ids.sort_unstable();
    let mut is_merged: Vec<usize> = Vec::new();
    for own in ids.chunk_by(|(id, _), (other, _)| id == other).filter(|own| own.len() > 1) {
        let mut places = own.iter().map(|(_, place)| *place);
        let Some(mut first) = places.next() else { continue };
        for place in places {
            let Some(later) = legs.get(place).cloned() else { continue };
            match legs.get_mut(first).filter(|leg| leg.call_id == later.call_id) {
                Some(leg) => {
                    leg.merge(later);
                    is_merged.push(place);
                }
                None => first = place,
            }
        }
    }
    if is_merged.is_empty() {
        return;
    }
    is_merged.sort_unstable();
    let mut place = 0..;
    legs.retain(|_| place.next().is_none_or(|place| is_merged.binary_search(&place).is_err()));
}

/// How well two legs fit.
#[derive(Clone, Copy, Debug)]
struct Fit {
    weight: u32,
    is_same_port: bool,
    has_same_media: bool,
}

/// A server that is not kept.
const ANY: Place = Place { host: 0, port: 0 };

/// Legs by who received them and what they have.
struct Index {
    /// Sorted; places in order of time.
    entries: Vec<(u64, u32)>,
    /// Some have servers that are not kept; they stand under no host as well.
    has_cut: bool,
}

impl Index {
    fn of(legs: &[Leg]) -> Self {
        let invited = || legs.iter().zip(0_u32..).filter(|(leg, _)| leg.invited.is_some());
        let clients: FxHashSet<u64> = invited().map(|(leg, _)| leg.client.host).collect();
        let mut entries = Vec::new();
        for (leg, place) in invited() {
            let known = leg.servers.iter().filter(|server| clients.contains(&server.host));
            for server in known.chain(leg.has_more_servers.then_some(&ANY)) {
                for (what, _) in WEIGHTS {
                    let own = keys(leg, what);
                    entries.extend(own.map(|key| (Self::key(*server, what, key), place)));
                }
            }
        }
        entries.sort_unstable();
        entries.dedup();
        Self { entries, has_cut: legs.iter().any(|leg| leg.has_more_servers) }
    }

    /// The legs that this client received, and those that it may have received.
    fn ranges(
        &self,
        client: Place,
        what: Trait,
        key: u64,
    ) -> impl Iterator<Item = &[(u64, u32)]> + use<'_> {
        let cut = self.has_cut.then(|| self.range(ANY, what, key));
        std::iter::once(self.range(client, what, key)).chain(cut)
    }

    fn range(&self, client: Place, what: Trait, key: u64) -> &[(u64, u32)] {
        let key = Self::key(client, what, key);
        let start = self.entries.partition_point(|(own, _)| *own < key);
        let rest = self.entries.get(start..).unwrap_or_default();
        let length = rest.partition_point(|(own, _)| *own == key);
        rest.get(..length).unwrap_or_default()
    }

    fn key(place: Place, what: Trait, key: u64) -> u64 {
        let [a, b] = [place.host, key].map(u64::to_le_bytes);
        digest(&[&a[..], &b[..], &[what as u8]].concat())
    }
}

/// What can be looked for of a leg.
fn keys(leg: &Leg, what: Trait) -> impl Iterator<Item = u64> {
    let keys = match what {
        Trait::Called => leg.called.map(Number::key),
        Trait::Calling => [leg.calling.key(), None, None],
        Trait::Media => [Some(leg.media).filter(|media| *media != 0), None, None],
    };
    let [first, second, third] = keys;
    let is_new = |key: &u64, known: &[Option<u64>]| !known.contains(&Some(*key));
    let second = second.filter(|key| is_new(key, &[first]));
    let third = third.filter(|key| is_new(key, &[first, second]));
    [first, second, third].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::leg::{Mark, host};
    use crate::signaling::ShortList;
    use crate::sip::Uri;

    /// A leg from one host to another that began so many milliseconds after the first one.
    struct Case(Leg);

    impl Case {
        fn new(call_id: &str, start: i64, client: u8, server: u8) -> Self {
            let start = Time::from_nanos(start * 1_000_000);
            Self(Leg {
                call_id: call_id.into(),
                id: digest(call_id.as_bytes()),
                start,
                invited: Some(start),
                settled: None,
                has_more_servers: false,
                has_more_marks: false,
                is_answered: false,
                tags: None,
                ended: None,
                client: place(client, 5060),
                servers: ShortList::one(place(server, 5060)),
                called: Default::default(),
                calling: Number::default(),
                media: 0,
                marks: [].into(),
            })
        }

        fn called(mut self, user: &str) -> Self {
            self.0.called = [number(user); 3];
            self
        }

        fn calling(mut self, user: &str) -> Self {
            self.0.calling = number(user);
            self
        }

        fn media(mut self, media: u64) -> Self {
            self.0.media = media;
            self
        }

        fn settled(mut self, at: i64) -> Self {
            self.0.settled = Some(Time::from_nanos(at * 1_000_000));
            self
        }

        fn mark(mut self, role: Role, reason: &'static str, value: &str) -> Self {
            self.0.marks = [Mark { role, reason, key: digest(value.as_bytes()) }].into();
            self
        }
    }

    fn place(last: u8, port: u16) -> Place {
        Place { host: host([192, 0, 2, last].into()), port }
    }

    fn number(user: &str) -> Number {
        Number::of(&Uri::parse(format!("sip:{user}@example.com").as_bytes()))
    }

    /// `a>b numbers-and-time`; `a-b X` for legs of which neither serves the other.
    fn links(cases: impl IntoIterator<Item = Case>) -> Vec<String> {
        let links = Links::of(cases.into_iter().map(|case| case.0).collect());
        let name = |place| &links.leg(place).expect("links lead to legs").call_id;
        let text = |link: &Link| {
            let arrow = if link.is_directed { '>' } else { '-' };
            format!("{}{arrow}{} {}", name(link.upper), name(link.lower), link.reason)
        };
        links.links.iter().map(text).collect()
    }

    #[test]
    fn who_receives_a_call_sends_the_next_one() {
        let a = || Case::new("a", 0, 1, 2).called("+4930123456").calling("1001");
        let b = || Case::new("b", 40, 2, 3).called("030123456").calling("0301001");
        assert_eq!(links([a(), b()]), ["a>b numbers-and-time"]);
        assert_eq!(links([b(), a()]), ["a>b numbers-and-time"]);
        let c = Case::new("c", 80, 3, 4).called("123456").calling("1001");
        assert_eq!(links([a(), b(), c]), ["a>b numbers-and-time", "b>c numbers-and-time"]);
    }

    #[test]
    fn one_number_is_enough_only_at_once() {
        let a = || Case::new("a", 0, 1, 2).called("1002").calling("1001");
        let b = |start| Case::new("b", start, 2, 3).called("1002").calling("9");
        assert_eq!(links([a(), b(1900)]), ["a>b numbers-and-time"]);
        assert!(links([a(), b(2100)]).is_empty());
        let both = |start| b(start).calling("1001");
        assert_eq!(links([a(), both(9900)]), ["a>b numbers-and-time"]);
        assert!(links([a(), both(10_100)]).is_empty());
    }

    #[test]
    fn nothing_else_is_linked() {
        let a = || Case::new("a", 0, 1, 2).called("030123456").calling("1001");
        let b = || Case::new("b", 40, 2, 3).called("030123456").calling("1001");
        let other = b().called("030123457").calling("1002");
        assert!(links([a(), other]).is_empty(), "other numbers");
        let elsewhere = Case::new("b", 40, 4, 3).called("030123456").calling("1001");
        assert!(links([a(), elsewhere]).is_empty(), "another host");
        assert!(links([a().settled(30), b()]).is_empty(), "the first one is over");
        let before = Case::new("b", -1, 2, 3).called("030123456").calling("1001");
        assert!(links([a(), before]).is_empty(), "before the first one");
    }

    #[test]
    fn two_that_fit_equally_well_are_none() {
        let a = |id, start| Case::new(id, start, 1, 2).called("030123456").calling("1001");
        let b = || Case::new("b", 40, 2, 3).called("030123456").calling("1001");
        assert!(links([a("a", 0), a("c", 10), b()]).is_empty());
        let less = a("c", 10).calling("1005");
        assert_eq!(links([a("a", 0), less, b()]), ["a>b numbers-and-time"]);
        let media = a("c", 10).media(7);
        assert_eq!(links([a("a", 0), media, b().media(7)]), ["c>b media-address"]);
    }

    #[test]
    fn one_call_may_have_several_legs_behind_it() {
        let a = Case::new("a", 0, 1, 2).called("1002").calling("1001");
        let b = |id, start, server| Case::new(id, start, 2, server).called("7").calling("1001");
        let found = links([a, b("b", 10, 3), b("c", 20, 4)]);
        assert_eq!(found, ["a>b numbers-and-time", "a>c numbers-and-time"]);
    }

    #[test]
    fn elements_on_one_host_are_told_apart_by_their_ports() {
        let leg = |id, start, client, server| {
            let mut leg = Case::new(id, start, 1, 1).called("1002").calling("1001");
            leg.0.client.port = client;
            leg.0.servers = ShortList::one(place(1, server));
            leg
        };
        let row = [leg("a", 0, 5061, 5060), leg("b", 10, 5060, 5062), leg("c", 20, 5062, 5063)];
        assert_eq!(links(row), ["a>b numbers-and-time", "b>c numbers-and-time"]);
        // A generator of calls.
        assert!(links([leg("a", 0, 5061, 5060), leg("b", 10, 5061, 5060)]).is_empty());
        assert!(links([leg("a", 0, 40_001, 5060), leg("b", 10, 40_002, 5060)]).is_empty());
        // A call that comes back to where it came from.
        let back = Case::new("b", 10, 2, 1).called("1002");
        assert_eq!(links([Case::new("a", 0, 1, 2).called("1002"), back]).len(), 1);
    }

    #[test]
    fn header_fields_link_for_certain() {
        let a = || Case::new("a", 0, 1, 2);
        // Another address of the same element.
        let b = || Case::new("b", 40, 9, 3);
        let named = b().mark(Role::NamesUpstream, "X-CID", "a");
        assert_eq!(links([a(), named]), ["a>b X-CID"]);
        let replaced = b().mark(Role::Names, "Replaces", "a");
        assert_eq!(links([a(), replaced]), ["a-b Replaces"]);
        let shared = |leg: Case| leg.mark(Role::Shares, "session-id", "ab30");
        assert_eq!(links([shared(a()), shared(b())]), ["a>b session-id"]);
        // Two branches of one call.
        let fork = |id, start| shared(Case::new(id, start, 9, 3));
        assert_eq!(links([fork("b", 0), fork("c", 10)]), ["b-c session-id"]);
        assert!(links([shared(a()), b().mark(Role::Shares, "icid", "ab30")]).is_empty());
    }

    #[test]
    fn a_value_that_many_calls_have_links_none() {
        let call = |number: u32| {
            Case::new(&number.to_string(), number.into(), 1, 2).mark(Role::Shares, "icid", "0")
        };
        assert!(links((0..1000).map(call)).is_empty());
        assert_eq!(links((0..3).map(call)).len(), 3);
    }

    #[test]
    fn a_transferred_call_is_linked_with_the_one_that_asked_for_it() {
        let asking = |id, start| {
            Case::new(id, start, 1, 2).mark(Role::Refers, "Referred-By", "carol@example.com")
        };
        let made =
            || Case::new("b", 9000, 1, 3).mark(Role::Referred, "Referred-By", "carol@example.com");
        assert_eq!(links([asking("a", 0), made()]), ["a-b Referred-By"]);
        assert!(links([asking("a", 0), asking("c", 5), made()]).is_empty());
    }

    #[test]
    fn calls_that_all_look_alike_take_no_long_time() {
        // Each of the later ones would fit each of the earlier ones.
        let calls = (0..100_000_u32).map(|number| {
            let (client, server) = if number % 2 == 0 { (1, 2) } else { (2, 3) };
            let start = i64::from(number) / 1000;
            let leg = Case::new(&number.to_string(), start, client, server);
            leg.called("030123456").calling("030123456").media(7)
        });
        assert!(links(calls).is_empty());
    }

    #[test]
    fn a_call_that_went_on_later_is_one_leg() {
        let first = Case::new("a", 0, 1, 2).called("1002").settled(400);
        let mut rest = Case::new("a", 90_000, 1, 2);
        rest.0.invited = None;
        let b = Case::new("b", 40, 2, 3).called("1002");
        assert_eq!(links([rest, b, first]), ["a>b numbers-and-time"]);
    }

    #[test]
    fn a_call_has_so_many_links_and_counts_the_others() {
        let shared = |leg: Case| leg.mark(Role::Shares, "session-id", "ab30");
        let upper = shared(Case::new("a", 0, 1, 2));
        let forks = (0..12).map(|fork| shared(Case::new(&fork.to_string(), 10 + fork, 2, 3)));
        // It fits the last of the forks as well, and might else be taken for behind another call.
        let other = Case::new("other", 5, 1, 2).called("1002");
        let cases: Vec<Leg> = [upper, other].into_iter().chain(forks).map(|case| case.0).collect();
        let links = Links::of(cases);
        assert_eq!(links.below(0).count(), LINKS_PER_LEG_MAX);
        assert!(links.of_leg.values().all(|own| own.len() <= LINKS_PER_LEG_MAX));
        let all = 13 * 12 / 2;
        assert_eq!(links.dropped(), all - links.links.len() as u64);
        assert!(!links.knows_all_below(0), "what is not known may have been answered");
        assert!((1..links.legs.len() as u32).all(|leg| links.below(leg).next().is_none()));
    }

    #[test]
    fn a_leg_whose_link_was_dropped_is_not_weighed() {
        let shared = |leg: Case| leg.mark(Role::Shares, "session-id", "ab30").called("1002");
        let all = |forks: i64| {
            let upper = shared(Case::new("a", 0, 1, 2));
            let forks =
                (0..forks).map(|fork| shared(Case::new(&fork.to_string(), 10 + fork, 2, 3)));
            let other = Case::new("other", 5, 1, 2).called("1002");
            links([upper, other].into_iter().chain(forks))
        };
        for forks in [3, 12] {
            let found = all(forks);
            assert!(found.iter().all(|link| !link.contains("other")), "{found:?}");
        }
    }

    #[test]
    fn a_receiver_that_is_not_known_leaves_nobody_certain() {
        let a = |id, server| Case::new(id, 0, 1, server).called("030123456").calling("1001");
        let b = || Case::new("b", 40, 2, 3).called("030123456").calling("1001");
        assert_eq!(links([a("a", 2), a("c", 9), b()]), ["a>b numbers-and-time"]);
        let cut = || {
            let mut leg = a("c", 9);
            leg.0.has_more_servers = true;
            leg
        };
        assert!(links([a("a", 2), cut(), b()]).is_empty(), "either may have been the one");
        assert!(links([cut(), b()]).is_empty(), "nor is it the one for that alone");
        let less = cut().calling("7");
        assert_eq!(links([a("a", 2), less, b()]), ["a>b numbers-and-time"]);
    }

    #[test]
    fn who_asked_for_more_than_is_known_may_have_asked_for_this() {
        let refers = |id, start| {
            Case::new(id, start, 1, 2).mark(Role::Refers, "Referred-By", "carol@example.com")
        };
        let made =
            || Case::new("b", 9000, 1, 3).mark(Role::Referred, "Referred-By", "carol@example.com");
        let cut = |start| {
            let mut leg = Case::new("c", start, 1, 2).mark(Role::Refers, "Referred-By", "dave@h");
            leg.0.has_more_marks = true;
            leg
        };
        assert!(links([refers("a", 0), cut(5), made()]).is_empty());
        assert_eq!(links([refers("a", 0), cut(9001), made()]), ["a-b Referred-By"]);
    }
}
