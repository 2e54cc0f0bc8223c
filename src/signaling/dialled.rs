//! Calls of each host to numbers that are expensive, or that are tried with one prefix after the
//! other: what only many calls show of somebody who phones at the expense of others.
//!
//! A call counts once, as its first sender made it; what goes through a proxy is not the proxy's,
//! and hosts that the user trusts are left out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use foldhash::fast::RandomState;
use rustc_hash::FxHasher;

use crate::capture::FrameId;
use crate::limits::{DIALLED_HOSTS_MAX, DIALLED_NUMBERS_MAX};
use crate::packet::Endpoint;
use crate::signaling::call::Call;
use crate::signaling::firsts::add_first;
use crate::signaling::message::Message;
use crate::signaling::reach::Reach;
use crate::signaling::suspects::Spell;
use crate::signaling::transaction::Transaction;
use crate::sip::CountryCode;
use crate::sip::Uri;
use crate::time::Time;

/// Calls that are remembered by their frames and numbers.
const CALLS_MAX: usize = 4;

/// Ways to dial one number that are told apart.
const FORMS_MAX: usize = 64;

/// The end of a number that stays the same whatever prefix is tried.
const TAIL_DIGITS: usize = 9;

/// A number with an international prefix has as many digits at least, the prefix left out.
const NUMBER_DIGITS_MIN: usize = 8;

/// Digits of a number (ITU-T E.164 has 15), with room for prefixes.
const DIGITS_MAX: usize = 32;

/// Beginnings of numbers that cost much and are shared with those who get the calls: Inmarsat,
/// satellite and international networks, international premium rate, and the premium and personal
/// ranges of some countries.
const PREMIUM: [&[u8]; 15] = [
    b"870", b"881", b"882", b"883", b"979", b"1900", b"31900", b"3289", b"3389", b"39899",
    b"41900", b"41906", b"4470", b"449", b"49900",
];

/// What the hosts dialled.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Dialled {
    hosts: HashMap<IpAddr, Own, RandomState>,
    /// Ends of numbers that are kept, of all hosts.
    kept: usize,
    /// Calls that the bounds left out.
    dropped: u64,
}

/// One host.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Own {
    /// Calls to other countries, and to numbers that cost much.
    abroad: Dials,
    /// The same without credentials, by a host that everybody can reach.
    open: Dials,
    /// Refused calls without credentials, by the end of the number.
    tails: BTreeMap<u32, Tail>,
}

impl Own {
    /// How many calls it counts, about.
    fn calls(&self) -> u64 {
        self.abroad.count.max(self.tails.values().map(|tail| tail.calls.count).sum())
    }
}

/// Calls to numbers that end alike.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Tail {
    /// The ways to dial it, as digests.
    forms: BTreeSet<u64>,
    calls: Dials,
}

/// Some calls of one host.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Dials {
    /// How many.
    pub count: u64,
    /// Those of them that were answered.
    pub answered: u64,
    /// Those to numbers that cost much.
    pub premium: u64,
    /// The last one.
    pub until: Time,
    /// The first ones.
    pub first: Vec<Dial>,
    /// The first ones that were answered.
    pub first_answered: Vec<Dial>,
}

/// A call of a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Dial {
    /// When.
    pub at: Time,
    /// The INVITE.
    pub frame: FrameId,
    /// Who sent it.
    pub client: Endpoint,
    /// Who received it.
    pub server: Endpoint,
    /// The number as it was dialled.
    pub number: Box<str>,
}

/// The calls of a host that may be fraud.
#[derive(Clone, Debug)]
pub struct Dialling {
    /// The host.
    pub host: IpAddr,
    /// Numbers that were dialled in several ways.
    pub numbers: u64,
    /// The ways to dial these.
    pub forms: u64,
    /// The calls.
    pub calls: Dials,
}

/// A number as it was dialled.
struct Number {
    /// Its digits, as many as `count` says.
    digits: [u8; DIGITS_MAX],
    count: usize,
    /// What follows the international prefix.
    international: Option<usize>,
}

impl Number {
    /// The number of a URI; none if a name is called.
    fn of(uri: &Uri<'_>) -> Option<Self> {
        let user = match uri.user() {
            Some(user) => user,
            None => uri
                .as_bytes()
                .get(..4)
                .filter(|own| own.eq_ignore_ascii_case(b"tel:"))
                .and(uri.as_bytes().get(4..))?,
        };
        let user = user.split(|byte| *byte == b';').next()?;
        let has_plus = user.first() == Some(&b'+');
        let own = user.get(usize::from(has_plus)..)?;
        let (mut digits, mut count) = ([0; DIGITS_MAX], 0);
        for byte in own {
            match byte {
                b'0'..=b'9' => *digits.get_mut(count)? = *byte,
                b'-' | b'.' | b'(' | b')' => continue,
                _ => return None,
            }
            count += 1;
        }
        let prefix = match (has_plus, digits.get(..count)?) {
            (_, []) => return None,
            (true, _) => Some(0),
            (false, [b'0', b'0', ..]) => Some(2),
            (false, [b'0', b'1', b'1', ..]) => Some(3),
            (false, _) => None,
        };
        let international = prefix.filter(|prefix| count >= prefix + NUMBER_DIGITS_MIN);
        Some(Self { digits, count, international })
    }

    fn digits(&self) -> &[u8] {
        self.digits.get(..self.count).unwrap_or_default()
    }

    /// What follows the international prefix.
    fn abroad(&self) -> Option<&[u8]> {
        self.digits().get(self.international?..)
    }

    fn is_premium(&self) -> bool {
        let begins = |own: &[u8]| PREMIUM.iter().any(|prefix| own.starts_with(prefix));
        self.abroad().is_some_and(begins)
    }

    fn is_abroad(&self, home: Option<&CountryCode>) -> bool {
        self.abroad().is_some_and(|own| !home.is_some_and(|home| home.begins(own)))
    }

    /// The end of a number that has a prefix before it.
    fn tail(&self) -> Option<u32> {
        let at = self.count.checked_sub(TAIL_DIGITS).filter(|at| *at >= 2)?;
        str::from_utf8(self.digits().get(at..)?).ok()?.parse().ok()
    }
}

impl Dials {
    fn one(dial: Dial, is_answered: bool, is_premium: bool) -> Self {
        Self {
            count: 1,
            answered: is_answered.into(),
            premium: is_premium.into(),
            until: dial.at,
            first_answered: if is_answered { vec![dial.clone()] } else { Vec::new() },
            first: vec![dial],
        }
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.answered += other.answered;
        self.premium += other.premium;
        self.until = self.until.max(other.until);
        for (own, other) in
            [(&mut self.first, &other.first), (&mut self.first_answered, &other.first_answered)]
        {
            other.iter().for_each(|dial| add_first(own, dial, CALLS_MAX));
        }
    }

    /// The time from the first call to the last one.
    pub fn spell(&self) -> Option<Spell> {
        let first = self.first.first()?;
        Some(Spell { from: first.at, until: self.until, host: first.client.address })
    }
}

impl Dialled {
    /// Takes what a call dialled.
    pub(super) fn add_call(&mut self, call: &Call<'_>) {
        let Some(attempt) = call.attempts.last() else { return };
        let Some(hop) = attempt.first_hop(call).filter(|hop| hop.upstream.is_none()) else {
            return;
        };
        let is_first = |own: &&Message<'_>| own.has_one_via() || own.vias().nth(1).is_none();
        let Some(request) = hop.request.filter(is_first) else { return };
        let (host, settings) = (hop.client.address, call.settings());
        let Some(uri) = request.request_uri().filter(|_| !settings.is_trusted(host)) else {
            return;
        };
        let Some(number) = Number::of(&uri) else { return };
        let is_open = !request.credentials().any(|own| own.is_digest());
        let tail = number.tail().filter(|_| is_open && is_refused(hop));
        let is_abroad = number.is_abroad(settings.home_cc.as_ref()) || number.is_premium();
        if !is_abroad && tail.is_none() {
            return;
        }
        let dial = Dial {
            at: request.time,
            frame: request.frame,
            client: hop.client,
            server: hop.server,
            number: uri.as_str().into(),
        };
        let dials = Dials::one(dial, attempt.is_answered(), number.is_premium());
        let is_stranger = is_open && settings.reach(host) == Reach::Public;
        self.add(host, dials, (is_abroad, is_stranger), tail.zip(Some(digest(number.digits()))));
    }

    fn add(
        &mut self,
        host: IpAddr,
        dials: Dials,
        (is_abroad, is_open): (bool, bool),
        tail: Option<(u32, u64)>,
    ) {
        if self.hosts.len() >= DIALLED_HOSTS_MAX && !self.hosts.contains_key(&host) {
            self.dropped += 1;
            return;
        }
        let own = self.hosts.entry(host).or_default();
        if is_abroad {
            own.abroad.merge(&dials);
        }
        if is_abroad && is_open {
            own.open.merge(&dials);
        }
        let Some((tail, form)) = tail else { return };
        let is_known = own.tails.contains_key(&tail);
        if self.kept >= DIALLED_NUMBERS_MAX && !is_known {
            self.dropped += 1;
            return;
        }
        self.kept += usize::from(!is_known);
        own.tails.entry(tail).or_default().merge(&Tail { forms: [form].into(), calls: dials });
    }

    /// Adds what another part of the run took.
    pub(super) fn merge(&mut self, other: Self) {
        self.dropped += other.dropped;
        // All that is new in a part is taken or left, so that the order of a table does not matter.
        let is_full = self.hosts.len() >= DIALLED_HOSTS_MAX;
        let has_numbers = self.kept >= DIALLED_NUMBERS_MAX;
        for (host, other) in other.hosts {
            if is_full && !self.hosts.contains_key(&host) {
                self.dropped += other.calls();
                continue;
            }
            let own = self.hosts.entry(host).or_default();
            own.abroad.merge(&other.abroad);
            own.open.merge(&other.open);
            let known = own.tails.len();
            for (number, tail) in other.tails {
                if has_numbers && !own.tails.contains_key(&number) {
                    self.dropped += tail.calls.count;
                    continue;
                }
                own.tails.entry(number).or_default().merge(&tail);
            }
            self.kept += own.tails.len() - known;
        }
    }

    /// Calls that the bounds left out.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The hosts that dialled a number in so many ways and were refused, with these calls and those
    /// of their calls abroad that were answered; in order of the addresses.
    pub fn variants(&self, forms: usize) -> Vec<Dialling> {
        let of_host = |(host, own): (IpAddr, &Own)| {
            let mut found = Dialling { host, numbers: 0, forms: 0, calls: Dials::default() };
            for tail in own.tails.values().filter(|tail| tail.forms.len() >= forms) {
                found.numbers += 1;
                found.forms += tail.forms.len() as u64;
                found.calls.merge(&tail.calls);
            }
            found.calls.answered = own.open.answered;
            found.calls.first_answered.clone_from(&own.open.first_answered);
            (found.numbers > 0).then_some(found)
        };
        self.in_order().into_iter().filter_map(of_host).collect()
    }

    /// The calls of a host to other countries and to numbers that cost much.
    pub fn abroad(&self, host: IpAddr) -> Option<&Dials> {
        self.hosts.get(&host).map(|own| &own.abroad).filter(|own| own.count > 0)
    }

    /// The same of all hosts that sent no credentials and that everybody can reach, in order of the
    /// addresses.
    pub fn open(&self) -> Vec<(IpAddr, &Dials)> {
        let own = self.in_order().into_iter().map(|(host, own)| (host, &own.open));
        own.filter(|(_, dials)| dials.count > 0).collect()
    }

    fn in_order(&self) -> Vec<(IpAddr, &Own)> {
        let mut hosts: Vec<_> = self.hosts.iter().map(|(host, own)| (*host, own)).collect();
        hosts.sort_unstable_by_key(|(host, _)| *host);
        hosts
    }
}

impl Tail {
    fn merge(&mut self, other: &Self) {
        self.forms.extend(&other.forms);
        while self.forms.len() > FORMS_MAX {
            self.forms.pop_last();
        }
        self.calls.merge(&other.calls);
    }
}

/// The server did not take the number, or not from this caller; what the callee or the caller did
/// is another matter.
fn is_refused(hop: &Transaction<'_>) -> bool {
    hop.final_status().is_some_and(|status| {
        matches!(status.code(), 400..=699)
            && !matches!(status.code(), 408 | 480 | 486 | 487 | 500..=599 | 600 | 603)
    })
}

fn digest(digits: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    digits.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(uri: &'static str) -> Option<Number> {
        Number::of(&Uri::parse(uri.as_bytes()))
    }

    #[test]
    fn numbers_are_read_as_dialled() {
        let home: CountryCode = "49".parse().expect("a country code");
        let is_abroad = |uri| number(uri).is_some_and(|own| own.is_abroad(Some(&home)));
        for uri in ["sip:+44-20-79460000@h", "sip:00442079460000@h", "tel:+442079460000;x=1"] {
            assert!(is_abroad(uri), "{uri}");
        }
        for uri in ["sip:+4930123456@h", "sip:alice@h", "sip:030123456@h", "sip:00@h", "sip:h"] {
            assert!(!is_abroad(uri), "{uri}");
        }
        assert!(number("sip:00979123456789@h").is_some_and(|own| own.is_premium()));
        assert!(!number("sip:+442079460000@h").is_some_and(|own| own.is_premium()));
        let tail = |uri| number(uri).and_then(|own| own.tail());
        assert_eq!(tail("sip:900442079460000@h"), tail("sip:+442079460000@h"));
        assert_eq!(tail("sip:2079460000@h"), None);
    }

    #[test]
    fn sums_are_the_same_in_any_order() {
        let host = IpAddr::from([192, 0, 2, 10]);
        let end = Endpoint { address: host, port: 5060 };
        let part = |frame: u32, form| {
            let at = Time::from_nanos(frame.into());
            let frame = FrameId { capture: 0, number: frame.into() };
            let dial = Dial { at, frame, client: end, server: end, number: "n".into() };
            let mut dialled = Dialled::default();
            let dials = Dials::one(dial, form == 2, false);
            dialled.add(host, dials, (true, true), Some((460_000, form)));
            dialled
        };
        let parts = [part(3, 1), part(2, 2), part(1, 1)];
        let mut sums = [Dialled::default(), Dialled::default()];
        let [one, other] = &mut sums;
        parts.iter().for_each(|part| one.merge(part.clone()));
        parts.iter().rev().for_each(|part| other.merge(part.clone()));
        let told = |dialled: &Dialled| format!("{:?}", dialled.variants(2));
        assert_eq!(told(one), told(other));
        let [found] = &one.variants(2)[..] else { panic!("one host") };
        assert_eq!((found.forms, found.calls.count, found.calls.answered), (2, 3, 1));
        assert!(one.variants(3).is_empty());
        assert_eq!(one.kept, 1);
    }

    #[test]
    fn hosts_have_a_bound() {
        let mut dialled = Dialled::default();
        let dial = |dialled: &mut Dialled, host: u32| {
            dialled.add(host.to_be_bytes().into(), Dials::default(), (true, false), None);
        };
        for host in (0..).take(DIALLED_HOSTS_MAX + 2) {
            dial(&mut dialled, host);
        }
        dial(&mut dialled, 0);
        assert_eq!((dialled.hosts.len(), dialled.dropped()), (DIALLED_HOSTS_MAX, 2));
    }

    #[test]
    fn numbers_have_a_bound() {
        let mut dialled = Dialled::default();
        for tail in (0..).take(DIALLED_NUMBERS_MAX + 2) {
            dialled.add([192, 0, 2, 10].into(), Dials::default(), (false, true), Some((tail, 0)));
        }
        assert_eq!((dialled.kept, dialled.dropped()), (DIALLED_NUMBERS_MAX, 2));
    }
}
