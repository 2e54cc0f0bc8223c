//! Which addresses of record were registered from when to when, over all calls: a device that is
//! restarted refreshes under another Call-ID.
//!
//! What is kept of a device is spells of time in which it was bound. They are joined, so a device
//! that refreshes in time takes the room of one, and it does not matter in which order they come.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;

use crate::capture::FrameId;
use crate::limits::REGISTRATIONS_MAX;
use crate::packet::Endpoint;
use crate::signaling::call::Call;
use crate::signaling::registration::{AddressOfRecord, Binding};
use crate::signaling::transaction::Transaction;
use crate::sip::{Address, Host, Method, Status, Uri};
use crate::time::{Span, Time};

/// A longer name is not remembered.
const NAME_BYTES_MAX: usize = 128;

/// Spells of one address of record that are compared; a test or an attack makes more.
const COMPARED_MAX: usize = 1024;

/// Changes of address that are remembered of one device.
const MOVES_MAX: usize = 16;

/// Every registration, within a bound.
#[derive(Clone, Debug, Default)]
pub struct Registrations {
    names: BTreeMap<Name, Record>,
    /// Requests to an address of record that were answered by 404 or 480.
    refused: BTreeMap<Name, BTreeMap<(Time, FrameId), Status>>,
    /// Devices, by address of record and Call-ID, with the address that they had last.
    moving: BTreeMap<(Name, u64), Moving>,
    kept: usize,
    dropped: u64,
}

/// User and host of an address of record.
type Name = Box<[u8]>;

/// What is known of one address of record.
#[derive(Clone, Debug, Default)]
struct Record {
    spells: BTreeMap<Device, Vec<Term>>,
    /// When a device, or all, were removed.
    removed: BTreeSet<(Time, Option<Device>)>,
    /// When a REGISTER failed.
    failed: BTreeSet<Time>,
}

/// One device of an address of record: its instance and flow, else its contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Device {
    has_instance: bool,
    digest: u64,
}

/// A time in which a device was bound without a pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// When it was bound first.
    pub start: Time,
    /// When it was bound no more, unless it was removed before.
    pub end: Time,
    /// The last 2xx to a REGISTER.
    pub last: (Time, FrameId),
    /// How long that bound it.
    pub granted: Span,
    /// The contact, as the REGISTER names it.
    pub contact: Box<[u8]>,
    /// Who sent the last REGISTER.
    pub client: Endpoint,
    /// Who answered it.
    pub registrar: Endpoint,
}

/// The end of a spell, without a sign that anybody wanted it.
#[derive(Clone, Debug)]
pub struct Lapse<'r> {
    /// User and host.
    pub name: &'r [u8],
    /// What ended.
    pub spell: &'r Term,
    /// When the device was bound again.
    pub again: Option<Time>,
    /// Requests meanwhile that were answered by 404 or 480.
    pub refused: Vec<(Time, FrameId, Status)>,
    device: Device,
}

/// A device that registers from one address and then from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moving {
    /// The contacts that it had, the first and the last one.
    pub contacts: [Box<[u8]>; 2],
    /// Who sent its last REGISTER.
    pub client: Endpoint,
    /// Who answered it.
    pub registrar: Endpoint,
    /// The 2xx to each REGISTER with another address than the one before, the first ones.
    pub moves: Vec<(FrameId, Time)>,
    address: u64,
    last: Time,
}

impl Registrations {
    /// Takes what a call shows of registrations, and of requests that missed one.
    pub(super) fn add_call(&mut self, call: &Call<'_>) {
        for hop in &call.transactions {
            match hop.method {
                Method::Register if hop.upstream.is_none() => self.add_register(call, hop),
                Method::Register | Method::Ack | Method::Cancel => {}
                _ => self.add_refused(hop),
            }
        }
        for binding in call.bindings() {
            self.add_binding(call, &binding);
        }
    }

    /// A REGISTER that removes everything, or fails.
    fn add_register(&mut self, call: &Call<'_>, hop: &Transaction<'_>) {
        let Some(request) = hop.request else { return };
        let Some(name) = request.to().and_then(|to| name_of(&to.uri)) else { return };
        match hop.first_success() {
            Some(answer) if request.contacts().any(|contact| contact.is_star()) => {
                self.with_record(name, |record| record.removed.insert((answer.time, None)));
            }
            None if !call.got_through(hop) => {
                self.with_record(name, |record| record.failed.insert(request.time));
            }
            Some(_) | None => {}
        }
    }

    /// A request that the registrar's domain has nobody for.
    fn add_refused(&mut self, hop: &Transaction<'_>) {
        let Some((request, answer)) = hop.request.zip(hop.final_response()) else { return };
        let status = answer.status().filter(|status| matches!(status.code(), 404 | 480));
        let Some(status) = status.filter(|_| hop.downstream.is_empty()) else { return };
        if request.to_tag().is_some() {
            return;
        }
        let named = request.request_uri().and_then(|uri| name_of(&uri));
        let meant =
            request.to().and_then(|to| name_of(&to.uri)).filter(|to| Some(to) != named.as_ref());
        for name in named.into_iter().chain(meant) {
            if self.has_room() {
                let own = self.refused.entry(name).or_default();
                let is_new = own.insert((request.time, request.frame), status).is_none();
                self.kept += usize::from(is_new);
            }
        }
    }

    fn add_binding(&mut self, call: &Call<'_>, binding: &Binding<'_>) {
        let Some(name) = name(&binding.aor) else { return };
        let Some(hop) = call.transactions.get(binding.transaction) else { return };
        let device = Device::of(binding);
        if binding.is_removed() {
            let removed = (binding.at, Some(device));
            self.with_record(name, |record| record.removed.insert(removed));
            return;
        }
        let spell = Term {
            start: binding.at,
            end: binding.expires_at(),
            last: (binding.at, binding.answer.frame),
            granted: binding.granted,
            contact: binding.contact.uri.as_bytes().into(),
            client: hop.client,
            registrar: hop.server,
        };
        self.add_address(name.clone(), call.call_id, hop, &spell, &binding.contact);
        self.add_spell(name, device, spell);
    }

    fn add_spell(&mut self, name: Name, device: Device, spell: Term) {
        let is_known = self.names.get(&name).is_some_and(|own| {
            own.spells.get(&device).is_some_and(|own| own.iter().any(|own| own.touches(&spell)))
        });
        if !is_known && !self.has_room() {
            return;
        }
        let record = self.names.entry(name).or_default();
        let own = record.spells.entry(device).or_default();
        let before = own.len();
        join(own, spell);
        self.kept = (self.kept + own.len()).saturating_sub(before);
    }

    /// One Call-ID lies in one part of the run, in order (RFC 3261, section 10.2: a client keeps it
    /// for all its REGISTERs).
    fn add_address(
        &mut self,
        name: Name,
        call_id: &[u8],
        hop: &Transaction<'_>,
        spell: &Term,
        contact: &Address<'_>,
    ) {
        let mut digest = FxHasher::default();
        (call_id, contact.parameters.value("+sip.instance")).hash(&mut digest);
        contact.parameters.value("reg-id").hash(&mut digest);
        let key = (name, digest.finish());
        // A stream has another port each time that it is opened.
        let is_stream = hop.transport.is_reliable();
        let port = |port: u16| if is_stream { 0 } else { port };
        let mut address = FxHasher::default();
        contact.uri.host().map(|host| host.as_bytes().to_ascii_lowercase()).hash(&mut address);
        contact.uri.port().map(port).hash(&mut address);
        (spell.client.address, port(spell.client.port)).hash(&mut address);
        let address = address.finish();
        if let Some(known) = self.moving.get_mut(&key) {
            known.go_on(address, spell);
        } else if self.has_room() {
            self.kept += 1;
            self.moving.insert(key, Moving::new(address, spell));
        }
    }

    fn with_record(&mut self, name: Name, add: impl FnOnce(&mut Record) -> bool) {
        if self.has_room() {
            self.kept += usize::from(add(self.names.entry(name).or_default()));
        }
    }

    /// There is room for one more, which is counted as dropped otherwise.
    fn has_room(&mut self) -> bool {
        let has_room = self.kept < REGISTRATIONS_MAX;
        self.dropped += u64::from(!has_room);
        has_room
    }

    /// Adds what another part of the run took.
    pub(super) fn merge(&mut self, other: Self) {
        self.kept += other.kept;
        self.dropped += other.dropped;
        for (name, other) in other.names {
            let own = self.names.entry(name).or_default();
            for (device, spells) in other.spells {
                let known = own.spells.entry(device).or_default();
                spells.into_iter().for_each(|spell| join(known, spell));
            }
            own.removed.extend(other.removed);
            own.failed.extend(other.failed);
        }
        for (name, other) in other.refused {
            self.refused.entry(name).or_default().extend(other);
        }
        for (key, other) in other.moving {
            let own = self.moving.entry(key).or_insert_with(|| other.clone());
            if (own.last, own.moves.len()) < (other.last, other.moves.len()) {
                *own = other;
            }
        }
    }

    /// What the bound left out.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Each end of a registration that nobody asked for and that no other device of the address of
    /// record stands in for, in order of the names and devices. Within `grace` a device may still
    /// refresh it, unless a request was refused before it did.
    pub fn lapses(&self, grace: Span) -> impl Iterator<Item = Lapse<'_>> {
        let records =
            self.names.iter().filter(|(_, record)| record.spells().count() <= COMPARED_MAX);
        records.flat_map(move |(name, record)| {
            let refused = self.refused.get(name);
            record.spells().filter_map(move |own| record.lapse(name, own, refused, grace))
        })
    }

    /// Devices that have moved from one address to another, in order of the names.
    pub fn moving(&self) -> impl Iterator<Item = (&[u8], &Moving)> {
        let moved = self.moving.iter().filter(|(_, own)| !own.moves.is_empty());
        moved.map(|((name, _), own)| (&**name, own))
    }
}

impl Lapse<'_> {
    /// Both are of one device of one address of record.
    pub fn is_same_device(&self, other: &Self) -> bool {
        (self.name, self.device) == (other.name, other.device)
    }
}

impl Record {
    fn spells(&self) -> impl Iterator<Item = (Device, &Term)> {
        self.spells.iter().flat_map(|(of, own)| own.iter().map(move |own| (*of, own)))
    }

    fn lapse<'r>(
        &'r self,
        name: &'r [u8],
        (device, spell): (Device, &'r Term),
        refused: Option<&BTreeMap<(Time, FrameId), Status>>,
        grace: Span,
    ) -> Option<Lapse<'r>> {
        let (from, until) = (spell.last.0, spell.end + grace);
        let is_own = |of: &Option<Device>| of.is_none_or(|of| of == device);
        let removed = self.removed.iter().any(|(at, of)| (from..=until).contains(at) && is_own(of));
        let failed = self.failed.iter().any(|at| (from..=until).contains(at));
        // Devices that do not tell their name are one, which may have got another address.
        let stands_in = |other: &Device| {
            other.has_instance == device.has_instance && (!device.has_instance || *other == device)
        };
        let others: Vec<_> =
            self.spells().filter(|(_, own)| *own != spell && own.end > spell.end).collect();
        let is_served = |at: Time| others.iter().any(|(_, own)| own.start <= at);
        let refused = refused.into_iter().flatten();
        let refused = refused.filter(|((time, _), _)| *time > spell.end && !is_served(*time));
        let refused: Vec<_> =
            refused.map(|((time, frame), status)| (*time, *frame, *status)).collect();
        let again = others.iter().filter(|(of, _)| stands_in(of)).map(|(_, own)| own.start).min();
        let is_in_time = again.is_some_and(|again| again <= until) && refused.is_empty();
        if removed || failed || is_in_time {
            return None;
        }
        Some(Lapse { name, spell, again, refused, device })
    }
}

impl Device {
    fn of(binding: &Binding<'_>) -> Self {
        let mut digest = FxHasher::default();
        match binding.instance {
            Some(instance) => (instance, binding.reg_id).hash(&mut digest),
            None => {
                let uri = &binding.contact.uri;
                let host = uri.host().map(|host| host.as_bytes().to_ascii_lowercase());
                (uri.user(), host, uri.port()).hash(&mut digest);
            }
        }
        Self { has_instance: binding.instance.is_some(), digest: digest.finish() }
    }
}

impl Term {
    fn touches(&self, other: &Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    /// The whole of both.
    fn join(self, other: Self) -> Self {
        let (start, end) = (self.start.min(other.start), self.end.max(other.end));
        let latest = if self.last >= other.last { self } else { other };
        Self { start, end, ..latest }
    }
}

impl Moving {
    fn new(address: u64, spell: &Term) -> Self {
        Self {
            contacts: [spell.contact.clone(), spell.contact.clone()],
            client: spell.client,
            registrar: spell.registrar,
            moves: Vec::new(),
            address,
            last: spell.last.0,
        }
    }

    fn go_on(&mut self, address: u64, spell: &Term) {
        if address != self.address && self.moves.len() < MOVES_MAX {
            let (time, frame) = spell.last;
            self.moves.push((frame, time));
        }
        if address != self.address {
            let [_, last] = &mut self.contacts;
            last.clone_from(&spell.contact);
        }
        (self.address, self.last) = (address, spell.last.0);
        (self.client, self.registrar) = (spell.client, spell.registrar);
    }
}

/// Puts a spell among those of a device, joined with what it touches.
fn join(spells: &mut Vec<Term>, mut spell: Term) {
    let mut apart = Vec::with_capacity(spells.len() + 1);
    for own in spells.drain(..) {
        match own.touches(&spell) {
            true => spell = spell.join(own),
            false => apart.push(own),
        }
    }
    let place = apart.partition_point(|own| own.start < spell.start);
    apart.insert(place, spell);
    *spells = apart;
}

fn name_of(uri: &Uri<'_>) -> Option<Name> {
    let host = uri.host().map(Host::as_bytes).unwrap_or_default();
    name(&AddressOfRecord { user: uri.user().unwrap_or_default(), host })
}

fn name(aor: &AddressOfRecord<'_>) -> Option<Name> {
    let is_sound = !aor.host.is_empty() && aor.user.len() + aor.host.len() < NAME_BYTES_MAX;
    let name = || [aor.user, b"@", &aor.host.to_ascii_lowercase()].concat().into();
    is_sound.then(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Time {
        Time::default() + Span::from_secs(second)
    }

    fn device(digest: u64) -> Device {
        Device { has_instance: true, digest }
    }

    fn part(spells: &[(u64, i64, i64)]) -> Registrations {
        let mut part = Registrations::default();
        for (digest, start, end) in spells {
            let frame = FrameId { capture: 0, number: start.unsigned_abs() };
            let end_of = |last| Endpoint { address: [192, 0, 2, last].into(), port: 5060 };
            let spell = Term {
                start: at(*start),
                end: at(*end),
                last: (at(*start), frame),
                granted: at(*end).since(at(*start)),
                contact: Box::default(),
                client: end_of(1),
                registrar: end_of(2),
            };
            part.add_spell(b"a@b".as_slice().into(), device(*digest), spell);
        }
        part
    }

    fn ends(all: &Registrations) -> Vec<(Time, Option<Time>)> {
        all.lapses(Span::from_secs(30)).map(|lapse| (lapse.spell.end, lapse.again)).collect()
    }

    #[test]
    fn spells_are_the_same_in_any_order() {
        let parts = [
            part(&[(1, 0, 60), (1, 300, 360)]),
            part(&[(1, 50, 110), (2, 0, 900)]),
            part(&[(1, 350, 500), (1, 105, 120)]),
        ];
        let mut sums = [Registrations::default(), Registrations::default()];
        let [one, other] = &mut sums;
        parts.iter().for_each(|part| one.merge(part.clone()));
        parts.iter().rev().for_each(|part| other.merge(part.clone()));
        assert_eq!(ends(one), ends(other));
        let expected = [(at(120), Some(at(300))), (at(500), None), (at(900), None)];
        let mut found = ends(one);
        found.sort_unstable();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_device_that_refreshes_in_time_takes_the_room_of_one() {
        let spells: Vec<_> = (0..1000).map(|round| (1, round * 50, round * 50 + 60)).collect();
        let own = part(&spells);
        assert_eq!((own.kept, own.dropped()), (1, 0));
        assert_eq!(ends(&own), [(at(999 * 50 + 60), None)]);
    }

    #[test]
    fn registrations_have_a_bound() {
        let spells: Vec<_> = (0..).take(REGISTRATIONS_MAX + 2).map(|own| (own, 0, 60)).collect();
        let own = part(&spells);
        assert_eq!((own.kept, own.dropped()), (REGISTRATIONS_MAX, 2));
        // So many devices of one user are not compared with one another.
        assert_eq!(own.lapses(Span::ZERO).count(), 0);
    }
}
