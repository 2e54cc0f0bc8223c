//! Legs of a part of the run, kept small until the end.
//!
//! There is one for every call of a capture, and only the end tells which of them belong together.
//! Most of their numbers are near each other or the same, so they wait as bytes.

use crate::analysis::leg::{Leg, Mark, Number, Place, Role, digest};
use crate::analysis::packed::{
    Blocks, Entries, read_array, read_bytes, read_number, read_signed, write_number, write_signed,
};
use crate::signaling::ShortList;
use crate::time::Time;

#[cfg(feature = "parts")]
mod parts;

/// Legs in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Legs {
    blocks: Blocks,
    count: usize,
    /// What reasons marks have; there are a few.
    reasons: Vec<&'static str>,
    /// The one that is written.
    scratch: Vec<u8>,
}

impl Legs {
    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// Adds one at the end.
    pub(super) fn push(&mut self, leg: &Leg) {
        self.scratch.clear();
        Writer { bytes: &mut self.scratch, reasons: &mut self.reasons }.leg(leg);
        self.blocks.push(&self.scratch);
        self.count += 1;
    }
}

impl IntoIterator for Legs {
    type Item = Leg;
    type IntoIter = Unpacked;

    fn into_iter(self) -> Unpacked {
        let Self { blocks, reasons, .. } = self;
        Unpacked { entries: blocks.into_entries(), reasons }
    }
}

/// Gives the legs back.
#[derive(Debug)]
pub(super) struct Unpacked {
    entries: Entries,
    reasons: Vec<&'static str>,
}

impl Iterator for Unpacked {
    type Item = Leg;

    fn next(&mut self) -> Option<Leg> {
        let Self { entries, reasons } = self;
        entries.next(|bytes| Reader { bytes, reasons }.leg())
    }
}

/// Writes what [`Reader`] reads.
struct Writer<'w> {
    bytes: &'w mut Vec<u8>,
    reasons: &'w mut Vec<&'static str>,
}

impl Writer<'_> {
    fn leg(&mut self, leg: &Leg) {
        let Leg {
            call_id,
            id,
            start,
            invited,
            settled,
            is_answered,
            tags,
            ended,
            client,
            servers,
            called,
            calling,
            media,
            marks,
            has_more_servers,
            has_more_marks,
        } = leg;
        write_number(self.bytes, call_id.len() as u64);
        self.bytes.extend_from_slice(call_id.as_bytes());
        // It is another one only where the Call-ID is not shown as it was captured.
        let id = Some(*id).filter(|id| *id != digest(call_id.as_bytes()));
        self.option(id, |own, id| own.bytes.extend(id.to_le_bytes()));
        self.bytes.extend(start.nanos().to_le_bytes());
        for time in [invited, settled, ended] {
            self.option(*time, |own, time| {
                write_signed(own.bytes, time.nanos().wrapping_sub(start.nanos()));
            });
        }
        for flag in [*is_answered, *has_more_servers, *has_more_marks] {
            self.bytes.push(flag.into());
        }
        self.option(*tags, |own, (caller, callee)| {
            own.bytes.extend([caller.to_le_bytes(), callee.to_le_bytes()].as_flattened());
        });
        self.place(*client);
        write_number(self.bytes, servers.len() as u64);
        servers.iter().for_each(|server| self.place(*server));
        let [first, last, to] = *called;
        write_number(self.bytes, first.0);
        for other in [last, to] {
            self.option(Some(other.0).filter(|_| other != first), |own, other| {
                write_number(own.bytes, other);
            });
        }
        write_number(self.bytes, calling.0);
        self.bytes.extend(media.to_le_bytes());
        write_number(self.bytes, marks.len() as u64);
        marks.iter().for_each(|mark| self.mark(mark));
    }

    fn place(&mut self, Place { host, port }: Place) {
        self.bytes.extend(host.to_le_bytes());
        self.bytes.extend(port.to_le_bytes());
    }

    fn mark(&mut self, Mark { role, reason, key }: &Mark) {
        self.bytes.push(*role as u8);
        let known = self.reasons.iter().position(|known| known == reason);
        let place = known.unwrap_or_else(|| {
            self.reasons.push(reason);
            self.reasons.len() - 1
        });
        write_number(self.bytes, place as u64);
        self.bytes.extend(key.to_le_bytes());
    }

    fn option<T>(&mut self, option: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.bytes.push(option.is_some().into());
        if let Some(value) = option {
            write(self, value);
        }
    }
}

/// Reads what [`Writer`] wrote.
struct Reader<'r, 'b> {
    bytes: &'r mut &'b [u8],
    reasons: &'r [&'static str],
}

impl Reader<'_, '_> {
    fn leg(&mut self) -> Option<Leg> {
        let length = self.size()?;
        let call_id: Box<str> = str::from_utf8(read_bytes(self.bytes, length)?).ok()?.into();
        let id = self.option(Self::digest)?.unwrap_or_else(|| digest(call_id.as_bytes()));
        let start = i64::from_le_bytes(read_array(self.bytes)?);
        let mut time = || {
            self.option(|own| {
                let after = read_signed(own.bytes)?;
                Some(Time::from_nanos(start.wrapping_add(after)))
            })
        };
        let [invited, settled, ended] = [time()?, time()?, time()?];
        let [is_answered, has_more_servers, has_more_marks] =
            [self.flag()?, self.flag()?, self.flag()?];
        let tags = self.option(|own| {
            let [caller, callee] = [read_array(own.bytes)?, read_array(own.bytes)?];
            Some((u32::from_le_bytes(caller), u32::from_le_bytes(callee)))
        })?;
        let client = self.place()?;
        let mut servers = ShortList::default();
        for _ in 0..self.size()? {
            servers.push(self.place()?);
        }
        let first = Number(read_number(self.bytes)?);
        let mut other = || self.option(|own| read_number(own.bytes).map(Number));
        let called = [first, other()?.unwrap_or(first), other()?.unwrap_or(first)];
        let calling = Number(read_number(self.bytes)?);
        let media = self.digest()?;
        let marks: Option<Vec<Mark>> = (0..self.size()?).map(|_| self.mark()).collect();
        Some(Leg {
            call_id,
            id,
            start: Time::from_nanos(start),
            invited,
            settled,
            is_answered,
            tags,
            ended,
            client,
            servers,
            called,
            calling,
            media,
            marks: marks?.into(),
            has_more_servers,
            has_more_marks,
        })
    }

    fn place(&mut self) -> Option<Place> {
        let host = self.digest()?;
        Some(Place { host, port: u16::from_le_bytes(read_array(self.bytes)?) })
    }

    fn mark(&mut self) -> Option<Mark> {
        let [role] = read_array(self.bytes)?;
        let role = Role::ALL.into_iter().find(|known| *known as u8 == role)?;
        let reason = self.size()?;
        Some(Mark { role, reason: self.reasons.get(reason)?, key: self.digest()? })
    }

    fn digest(&mut self) -> Option<u64> {
        read_array(self.bytes).map(u64::from_le_bytes)
    }

    fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.flag()? {
            true => read(self).map(Some),
            false => Some(None),
        }
    }

    fn flag(&mut self) -> Option<bool> {
        let [flag] = read_array(self.bytes)?;
        Some(flag != 0)
    }

    fn size(&mut self) -> Option<usize> {
        usize::try_from(read_number(self.bytes)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(host: u64) -> Place {
        Place { host, port: 5060 }
    }

    fn at(nanos: i64) -> Time {
        Time::from_nanos(nanos)
    }

    /// A leg as most calls leave it.
    fn plain(number: i64) -> Leg {
        let call_id = format!("6e5b-{number:010}@192.0.2.100");
        let start = 1_700_000_000_000_000_000 + number * 10_000_000;
        Leg {
            id: digest(call_id.as_bytes()),
            call_id: call_id.into(),
            start: at(start),
            invited: Some(at(start)),
            settled: Some(at(start + 8_000_000_000)),
            is_answered: true,
            tags: Some((u32::MAX, 7)),
            ended: Some(at(start + 90_000_000_000)),
            client: place(u64::MAX),
            servers: ShortList::one(place(1 << 63)),
            called: [Number(0x4931_2345_6789); 3],
            calling: Number(0x1_5550_1234),
            media: u64::MAX,
            marks: [].into(),
            has_more_servers: false,
            has_more_marks: false,
        }
    }

    /// Legs of all kinds.
    fn varied(count: i64) -> Vec<Leg> {
        let mut all: Vec<Leg> = (0..count).map(plain).collect();
        for leg in all.iter_mut().step_by(3) {
            (leg.id, leg.start, leg.settled) = (7, at(i64::MIN), Some(at(i64::MAX)));
            (leg.invited, leg.ended, leg.tags) = (None, None, None);
            (leg.is_answered, leg.servers) = (false, ShortList::default());
            (leg.has_more_servers, leg.has_more_marks) = (leg.start.nanos() % 2 == 0, true);
            leg.called = [Number(0), Number(u64::MAX), Number(1)];
        }
        for (leg, role) in all.iter_mut().step_by(7).zip(Role::ALL.into_iter().cycle()) {
            leg.servers.push(place(9));
            let mark = |reason| Mark { role, reason, key: u64::MAX };
            leg.marks = [mark("icid"), mark("Replaces")].into();
        }
        all
    }

    fn legs(all: &[Leg]) -> Legs {
        let mut legs = Legs::default();
        all.iter().for_each(|leg| legs.push(leg));
        legs
    }

    fn text(all: &[Leg]) -> String {
        format!("{all:?}")
    }

    #[test]
    fn gives_back_what_it_was_given_in_order() {
        let all = varied(2000);
        let legs = legs(&all);
        assert_eq!(legs.len(), all.len());
        assert!(legs.blocks.len() > 2);
        assert_eq!(text(&legs.into_iter().collect::<Vec<_>>()), text(&all));
    }

    #[test]
    #[cfg(feature = "parts")]
    fn gives_back_on_another_machine_what_it_was_given() {
        let mut all = varied(2000);
        let bytes = borsh::to_vec(&legs(&all)).expect("it fits");
        let mut back: Legs = borsh::from_slice(&bytes).expect("legs");
        assert_eq!(back.len(), all.len());
        // It goes on there.
        back.push(&plain(7));
        all.push(plain(7));
        assert_eq!(text(&back.into_iter().collect::<Vec<_>>()), text(&all));
    }

    #[test]
    #[cfg(feature = "parts")]
    fn damage_is_an_error_or_leaves_legs_that_can_be_read() {
        let bytes = borsh::to_vec(&legs(&varied(40))).expect("it fits");
        for own in crate::bytes::parts::damages(&bytes, 1500) {
            let Ok(back) = borsh::from_slice::<Legs>(&own) else { continue };
            let count = back.len();
            assert_eq!(back.into_iter().count(), count);
        }
    }

    #[test]
    fn a_leg_takes_little_more_than_its_call_id() {
        let mut legs = Legs::default();
        let leg = plain(1);
        legs.push(&leg);
        let own = legs.scratch.len() - leg.call_id.len();
        assert!(own <= 96, "{own}");
    }
}
