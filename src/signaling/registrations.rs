//! Which addresses of record were registered from when to when, over all calls: a device that is
//! restarted refreshes under another Call-ID.
//!
//! What is kept of a device is spells of time in which it was bound. They are joined, so a device
//! that refreshes in time takes the room of one, and it does not matter in which order they come.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use foldhash::fast::FixedState;
use rustc_hash::{FxHashMap, FxHasher};

use crate::capture::FrameId;
use crate::limits::REGISTRATIONS_MAX;
use crate::packet::Endpoint;
use crate::signaling::call::Call;
use crate::signaling::facts::in_lower_case;
use crate::signaling::message::Message;
use crate::signaling::registration::{AddressOfRecord, Binding};
use crate::signaling::short_list::ShortList;
use crate::signaling::transaction::Transaction;
use crate::sip::{Host, Method, Status, Uri};
use crate::time::{Span, Time};

/// A longer name is not remembered.
const NAME_BYTES_MAX: usize = 128;

/// Spells of one address of record that are compared; a test or an attack makes more.
const COMPARED_MAX: usize = 1024;

/// Changes of address that are remembered of one device.
const MOVES_MAX: usize = 16;

/// Every registration, within a bound.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Registrations {
    names: BTreeMap<Name, Record>,
    /// Requests to an address of record that were answered by 404 or 480.
    refused: BTreeMap<Name, Vec<Refused>>,
    /// Devices, by a digest of address of record, Call-ID and instance, with the address that they
    /// had last.
    places: FxHashMap<u64, Place>,
    kept: usize,
    dropped: u64,
    /// Spells of addresses of record that have too many to be compared.
    crowded: u64,
}

/// User and host of an address of record.
type Name = Box<[u8]>;

/// When a request was sent that was answered so.
type Refused = ((Time, FrameId), Status);

/// What is known of one address of record. Lists are in order, and nearly all have one element.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Record {
    spells: Vec<(Device, Term)>,
    /// When a REGISTER failed, as the first one does that is challenged, or when one succeeded
    /// that was not captured: who knows what it bound or removed.
    failed: ShortList<Time>,
    /// When a device, or all, were removed; few are.
    removed: Option<Box<Removals>>,
    /// Some of its spells are not known, so neither is the end of one.
    is_open: bool,
}

/// When a device was removed, or all.
type Removed = (Time, Option<Device>);

/// When devices of one address of record were removed, in order.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Removals(Vec<Removed>);

/// One device of an address of record: its instance and flow, else its contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Device {
    has_instance: bool,
    digest: u64,
}

/// A time in which a device was bound without a pause.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
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
    pub contact: Arc<[u8]>,
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
    /// Requests meanwhile that were answered by 404 or 480, in order.
    pub refused: &'r [((Time, FrameId), Status)],
    device: Device,
}

/// A device that registers from one address and then from another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Moving {
    /// The contacts that it had, the first and the last one.
    pub contacts: [Arc<[u8]>; 2],
    /// Who sent its last REGISTER.
    pub client: Endpoint,
    /// Who answered it.
    pub registrar: Endpoint,
    /// The 2xx to each REGISTER with another address than the one before, the first ones.
    pub moves: Vec<(FrameId, Time)>,
    name: Name,
    /// What tells it from other devices of the same name.
    device: u64,
}

/// The address that a device had last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Place {
    address: u64,
    last: Time,
    /// The contact that it had first, mostly that of its spell.
    contact: Arc<[u8]>,
    moved: Option<Box<Moving>>,
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

    /// Messages of a call of which later ones were not kept: whoever registers there may have gone
    /// on.
    pub(super) fn add_part(&mut self, messages: &[Message<'_>]) {
        let is_own = |message: &&Message<'_>| message.method() == Method::Register;
        for message in messages.iter().filter(is_own).filter(|message| message.is_request()) {
            let name = message.to().and_then(|to| name_of(&to.uri)).map(Name::from);
            let Some(name) = name else { continue };
            if let Some(record) = self.names.get_mut(&name) {
                record.is_open = true;
            } else if self.has_room() {
                self.kept += 1;
                self.names.insert(name, Record { is_open: true, ..Record::default() });
            }
        }
    }

    /// A REGISTER that removes everything, fails, or was not captured.
    fn add_register(&mut self, call: &Call<'_>, hop: &Transaction<'_>) {
        let Some(request) = hop.request else {
            if let Some(answer) = hop.first_success() {
                let name = answer.to().and_then(|to| name_of(&to.uri));
                self.with_record(name, |record| record.failed.insert(answer.time));
            }
            return;
        };
        let name = || request.to().and_then(|to| name_of(&to.uri));
        match hop.first_success() {
            Some(answer) if request.contacts().any(|contact| contact.is_star()) => {
                self.with_record(name(), |record| record.remove((answer.time, None)));
            }
            None if !call.got_through(hop) => {
                self.with_record(name(), |record| record.failed.insert(request.time));
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
        let meant = request.to().and_then(|to| name_of(&to.uri));
        let meant = meant.filter(|to| Some(&**to) != named.as_deref());
        for name in named.into_iter().chain(meant) {
            if self.has_room() {
                let own = self.refused.entry(name.into()).or_default();
                let is_new = insert_by(own, ((request.time, request.frame), status), |own| own.0);
                self.kept += usize::from(is_new);
            }
        }
    }

    fn add_binding(&mut self, call: &Call<'_>, binding: &Binding<'_>) {
        let Some(name) = Spelled::of(&binding.aor) else { return };
        let Some(hop) = call.transactions.get(binding.transaction) else { return };
        let device = Device::of(binding);
        if binding.is_removed() {
            let removed = (binding.at, Some(device));
            self.with_record(Some(name), |record| record.remove(removed));
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
        self.add_address(&name, call.call_id, hop, &spell, binding);
        self.add_spell(&name, device, spell);
    }

    fn add_spell(&mut self, name: &[u8], device: Device, spell: Term) {
        let known = self.names.get_mut(name);
        let is_touching =
            |own: &&mut Record| own.of(device).iter().any(|(_, own)| own.touches(&spell));
        if let Some(record) = known.filter(is_touching) {
            let before = record.spells.len();
            self.crowded += record.join(device, spell);
            self.kept = (self.kept + record.spells.len()).saturating_sub(before);
        } else if self.has_room() {
            let record = match self.names.get_mut(name) {
                Some(record) => record,
                None => self.names.entry(name.into()).or_default(),
            };
            let before = record.spells.len();
            self.crowded += record.join(device, spell);
            self.kept = (self.kept + record.spells.len()).saturating_sub(before);
        }
    }

    /// One Call-ID lies in one part of the run, in order (RFC 3261, section 10.2: a client keeps it
    /// for all its REGISTERs).
    fn add_address(
        &mut self,
        name: &[u8],
        call_id: &[u8],
        hop: &Transaction<'_>,
        spell: &Term,
        binding: &Binding<'_>,
    ) {
        let mut device = FxHasher::default();
        (call_id, binding.instance).hash(&mut device);
        binding.reg_id.hash(&mut device);
        let device = device.finish();
        // A stream has another port each time that it is opened.
        let is_stream = hop.transport.is_reliable();
        let port = |port: u16| if is_stream { 0 } else { port };
        let uri = &binding.contact.uri;
        let mut address = FxHasher::default();
        uri.host().map(|host| in_lower_case(host.as_bytes())).hash(&mut address);
        uri.port().map(port).hash(&mut address);
        (spell.client.address, port(spell.client.port)).hash(&mut address);
        let address = address.finish();
        let key = FixedState::default().hash_one((name, device));
        if let Some(known) = self.places.get_mut(&key) {
            known.go_on(address, spell, || (name.into(), device));
        } else if self.has_room() {
            self.kept += 1;
            let (last, contact) = (spell.last.0, spell.contact.clone());
            self.places.insert(key, Place { address, last, contact, moved: None });
        }
    }

    fn with_record(&mut self, name: Option<Spelled>, add: impl FnOnce(&mut Record) -> bool) {
        if let Some(name) = name
            && self.has_room()
        {
            self.kept += usize::from(add(self.names.entry(name.into()).or_default()));
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
        self.crowded += other.crowded;
        for (name, other) in other.names {
            let own = match self.names.entry(name) {
                Entry::Occupied(own) => own.into_mut(),
                Entry::Vacant(place) => {
                    place.insert(other);
                    continue;
                }
            };
            for (device, spell) in other.spells {
                self.crowded += own.join(device, spell);
            }
            if let Some(other) = other.removed {
                let all = &mut own.removed.get_or_insert_default().0;
                all.extend(other.0);
                all.sort();
                all.dedup();
            }
            own.failed.insert_all(other.failed);
            own.is_open |= other.is_open;
        }
        for (name, other) in other.refused {
            let own = self.refused.entry(name).or_default();
            own.extend(other);
            own.sort_by_key(|own| own.0);
            own.dedup_by_key(|own| own.0);
        }
        for (key, other) in other.places {
            let own = self.places.entry(key).or_insert_with(|| other.clone());
            if (own.last, own.moves()) < (other.last, other.moves()) {
                *own = other;
            }
        }
    }

    /// What the bound left out.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Spells of addresses of record that have too many of them: of these none is a lapse.
    pub fn crowded(&self) -> u64 {
        self.crowded
    }

    /// Each end of a registration that nobody asked for and that no other device of the address of
    /// record stands in for, in order of the names and devices. Within `grace` a device may still
    /// refresh it, unless a request was refused before it did.
    pub fn lapses(&self, grace: Span) -> impl Iterator<Item = Lapse<'_>> {
        let records = self.names.iter().filter(|(_, record)| !record.is_open);
        records.flat_map(move |(name, record)| {
            let refused = self.refused.get(name).map(Vec::as_slice).unwrap_or_default();
            record.spells().filter_map(move |own| record.lapse(name, own, refused, grace))
        })
    }

    /// Devices that have moved from one address to another, in order of the names.
    pub fn moving(&self) -> impl Iterator<Item = (&[u8], &Moving)> {
        let mut moved: Vec<_> =
            self.places.values().filter_map(|own| own.moved.as_deref()).collect();
        moved.sort_unstable_by_key(|own| (&own.name, own.device));
        moved.into_iter().map(|own| (&*own.name, own))
    }
}

impl Lapse<'_> {
    /// Both are of one device of one address of record.
    pub fn is_same_device(&self, other: &Self) -> bool {
        (self.name, self.device) == (other.name, other.device)
    }
}

impl Record {
    /// Remembers that a device, or all, were removed; false if that is known.
    fn remove(&mut self, removed: Removed) -> bool {
        insert(&mut self.removed.get_or_insert_default().0, removed)
    }

    fn spells(&self) -> impl Iterator<Item = (Device, &Term)> {
        self.spells.iter().map(|(of, own)| (*of, own))
    }

    /// The spells of one device.
    fn of(&self, device: Device) -> &[(Device, Term)] {
        let start = self.spells.partition_point(|(of, _)| *of < device);
        let own = self.spells.get(start..).unwrap_or_default();
        own.get(..own.partition_point(|(of, _)| *of == device)).unwrap_or_default()
    }

    /// Puts a spell among those of a device, joined with what it touches. Gives how many spells
    /// were given up, because there are too many.
    fn join(&mut self, device: Device, mut spell: Term) -> u64 {
        if self.is_open {
            return 1;
        }
        let mut at = self.spells.partition_point(|(of, _)| *of < device);
        while let Some((_, own)) = self.spells.get(at).filter(|(of, _)| *of == device) {
            match own.touches(&spell) {
                true => spell = spell.join(self.spells.remove(at).1),
                false => at += 1,
            }
        }
        let place =
            self.spells.partition_point(|(of, own)| (*of, own.start) < (device, spell.start));
        // Most have one, and there are very many.
        self.spells.reserve_exact(usize::from(self.spells.len() < 2));
        self.spells.insert(place, (device, spell));
        if self.spells.len() <= COMPARED_MAX {
            return 0;
        }
        self.is_open = true;
        std::mem::take(&mut self.spells).len() as u64
    }

    fn lapse<'r>(
        &'r self,
        name: &'r [u8],
        (device, spell): (Device, &'r Term),
        refused: &'r [Refused],
        grace: Span,
    ) -> Option<Lapse<'r>> {
        let (from, until) = (spell.last.0, spell.end + grace);
        let is_own = |of: &Option<Device>| of.is_none_or(|of| of == device);
        let mut removed = self.removed.iter().flat_map(|all| &all.0);
        let removed = removed.any(|(at, of)| (from..=until).contains(at) && is_own(of));
        let failed = self.failed.iter().any(|at| (from..=until).contains(at));
        // Devices that do not tell their name are one, which may have got another address.
        let stands_in = |other: &Device| {
            other.has_instance == device.has_instance && (!device.has_instance || *other == device)
        };
        let others = || self.spells().filter(|(_, own)| *own != spell && own.end > spell.end);
        // Nobody served them until another device did.
        let served = others().map(|(_, own)| own.start).min();
        let from_end = refused.partition_point(|((time, _), _)| *time <= spell.end);
        let to_served =
            refused.partition_point(|((time, _), _)| served.is_none_or(|served| *time < served));
        let refused = refused.get(from_end..to_served).unwrap_or_default();
        let again = others().filter(|(of, _)| stands_in(of)).map(|(_, own)| own.start).min();
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
                let host = uri.host().map(|host| in_lower_case(host.as_bytes()));
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

impl Place {
    /// How often it changed.
    fn moves(&self) -> usize {
        self.moved.as_ref().map_or(0, |own| own.moves.len())
    }

    /// Takes the next REGISTER of the device, which `of` names.
    fn go_on(&mut self, address: u64, spell: &Term, of: impl FnOnce() -> (Name, u64)) {
        if address != self.address {
            let contact = &self.contact;
            let moved = self.moved.get_or_insert_with(|| {
                let (name, device) = of();
                Box::new(Moving {
                    contacts: [contact.clone(), Arc::default()],
                    client: spell.client,
                    registrar: spell.registrar,
                    moves: Vec::new(),
                    name,
                    device,
                })
            });
            let (time, frame) = spell.last;
            if moved.moves.len() < MOVES_MAX {
                moved.moves.push((frame, time));
            }
            let [_, last] = &mut moved.contacts;
            last.clone_from(&spell.contact);
        }
        (self.address, self.last) = (address, spell.last.0);
        if let Some(moved) = &mut self.moved {
            (moved.client, moved.registrar) = (spell.client, spell.registrar);
        }
    }
}

/// Puts an element in its place; false where it is there.
fn insert<T: Ord + Copy>(list: &mut Vec<T>, element: T) -> bool {
    insert_by(list, element, |own| *own)
}

/// The same as [`insert`] by a key, for the last one that has it.
fn insert_by<T, K: Ord>(list: &mut Vec<T>, element: T, key: impl Fn(&T) -> K) -> bool {
    match list.binary_search_by_key(&key(&element), &key) {
        Ok(place) => {
            if let Some(own) = list.get_mut(place) {
                *own = element;
            }
            false
        }
        Err(place) => {
            // Most have one, and there are very many.
            list.reserve_exact(usize::from(list.len() < 2));
            list.insert(place, element);
            true
        }
    }
}

/// A name that is not kept yet.
struct Spelled {
    bytes: [u8; NAME_BYTES_MAX],
    length: usize,
}

impl Spelled {
    /// User and host, the host in small letters; none without a host, or where both are too long.
    fn of(aor: &AddressOfRecord<'_>) -> Option<Self> {
        let mut own = Self { bytes: [0; NAME_BYTES_MAX], length: 0 };
        let is_sound = !aor.host.is_empty() && aor.user.len() + aor.host.len() < NAME_BYTES_MAX;
        for part in [aor.user, b"@", aor.host].into_iter().filter(|_| is_sound) {
            let end = own.length + part.len();
            own.bytes.get_mut(own.length..end)?.copy_from_slice(part);
            own.length = end;
        }
        own.bytes.get_mut(aor.user.len()..)?.make_ascii_lowercase();
        is_sound.then_some(own)
    }
}

impl Deref for Spelled {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl From<Spelled> for Name {
    fn from(own: Spelled) -> Self {
        (*own).into()
    }
}

fn name_of(uri: &Uri<'_>) -> Option<Spelled> {
    let host = uri.host().map(Host::as_bytes).unwrap_or_default();
    Spelled::of(&AddressOfRecord { user: uri.user().unwrap_or_default(), host })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::samples::with_call;

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
                contact: Arc::default(),
                client: end_of(1),
                registrar: end_of(2),
            };
            part.add_spell(b"a@b", device(*digest), spell);
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
    fn of_an_address_with_too_many_spells_no_end_is_known() {
        let most = COMPARED_MAX as u64;
        let spells = |from: u64, to: u64| -> Vec<_> {
            (from..to).map(|own| (own, 0, 60 + i64::try_from(own).unwrap_or_default())).collect()
        };
        let full = part(&spells(0, most));
        assert_eq!((full.kept, full.crowded(), ends(&full).len()), (COMPARED_MAX, 0, COMPARED_MAX));
        let crowded = part(&spells(0, most + 3));
        assert_eq!((crowded.kept, crowded.crowded(), crowded.dropped()), (0, most + 3, 0));
        assert!(ends(&crowded).is_empty());
        let mut sum = full;
        sum.merge(part(&spells(most, most + 2)));
        assert_eq!((sum.crowded(), ends(&sum).len()), (most + 2, 0));
    }

    #[test]
    fn whoever_may_have_gone_on_has_no_end() {
        let register = "REGISTER sip:b SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\n\
            From: <sip:a@b>;tag=a\nTo: <sip:a@b>\nCall-ID: 1\nCSeq: 1 REGISTER\n\n";
        let mut own = part(&[(1, 0, 60)]);
        assert_eq!(ends(&own).len(), 1);
        with_call(&[(0, 10, 20, register)], |call| own.add_part(call.messages));
        assert!(ends(&own).is_empty());
        let mut sum = part(&[(1, 0, 60)]);
        sum.merge(own);
        assert!(ends(&sum).is_empty());
    }

    #[test]
    fn requests_were_refused_from_the_end_until_somebody_was_there() {
        let mut own = part(&[(1, 0, 60), (2, 100, 200)]);
        let refused =
            |second| ((at(second), FrameId::default()), Status::new(404).expect("a code"));
        own.refused.insert((*b"a@b").into(), [50, 60, 61, 99, 100, 150, 250].map(refused).to_vec());
        let found: Vec<_> = own
            .lapses(Span::from_secs(30))
            .map(|lapse| lapse.refused.iter().map(|((time, _), _)| *time).collect::<Vec<_>>())
            .collect();
        assert_eq!(found, [vec![at(61), at(99)], vec![at(250)]]);
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
        let mut own = part(&[(1, 0, 60)]);
        let (device, spell) = own.names.values().next().expect("one").spells.clone().remove(0);
        for number in 0..REGISTRATIONS_MAX + 1 {
            own.add_spell(format!("{number}@b").as_bytes(), device, spell.clone());
        }
        assert_eq!((own.kept, own.dropped()), (REGISTRATIONS_MAX, 2));
        assert_eq!(own.lapses(Span::ZERO).count(), REGISTRATIONS_MAX);
    }
}
