//! Who takes part in two calls, and who of the one is who of the other.

use std::net::IpAddr;

use crate::analysis::diff::sent::Sent;
use crate::packet::Endpoint;

/// Somebody who takes part in one of two calls, or in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// Where it is in the first capture; none if it is only in the second.
    pub left: Option<Endpoint>,
    /// Where it is in the second capture; none if it is only in the first.
    pub right: Option<Endpoint>,
}

/// The parties of one call in order of appearance, each with its number among those of both calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cast {
    ends: Vec<(Endpoint, usize)>,
    /// One host may be several parties.
    by_port: bool,
}

impl Cast {
    /// The parties of a call by themselves, numbered in order.
    pub(super) fn of(sent: &[Sent<'_>]) -> Self {
        let by_port =
            sent.iter().any(|sent| sent.step.source.address == sent.step.destination.address);
        let mut cast = Self { ends: Vec::new(), by_port };
        for end in sent.iter().flat_map(|sent| [sent.step.source, sent.step.destination]) {
            if cast.number(end).is_none() {
                cast.ends.push((end, cast.ends.len()));
            }
        }
        cast
    }

    /// The same parties with the numbers of those of `known` that have the same address, the others
    /// in order.
    pub(super) fn by_address(&self, known: &Self) -> Self {
        let mut cast = self.clone();
        let mut free: Vec<usize> = (0..known.ends.len().max(self.ends.len())).collect();
        let mut is_named = vec![false; cast.ends.len()];
        for exactly in [true, false] {
            for ((end, number), named) in cast.ends.iter_mut().zip(&mut is_named) {
                let is_it = |(other, number): &&(Endpoint, usize)| {
                    let is_same = if exactly { other == end } else { other.address == end.address };
                    is_same && free.contains(number)
                };
                let found = known.ends.iter().find(is_it).map(|(_, number)| *number);
                if let Some(found) = found.filter(|_| !*named) {
                    free.retain(|number| *number != found);
                    (*number, *named) = (found, true);
                }
            }
        }
        let mut free = free.into_iter();
        for ((_, number), named) in cast.ends.iter_mut().zip(&is_named) {
            if !*named {
                *number = free.next().unwrap_or(*number);
            }
        }
        cast
    }

    /// The number of a party.
    pub(super) fn number(&self, end: Endpoint) -> Option<usize> {
        let is_it = |(known, _): &&(Endpoint, usize)| {
            known.address == end.address && (!self.by_port || known.port == end.port)
        };
        self.ends.iter().find(is_it).map(|(_, number)| *number)
    }

    /// The number of the party with that address, at that port where one host is several parties.
    pub(super) fn at(&self, address: IpAddr, port: Option<u16>) -> Option<usize> {
        let exact = port.and_then(|port| self.number(Endpoint { address, port }));
        exact.or_else(|| {
            let is_it = |(known, _): &&(Endpoint, usize)| known.address == address;
            self.ends.iter().find(is_it).map(|(_, number)| *number)
        })
    }

    /// The parties of both calls, by their numbers.
    pub(super) fn parties(left: &Self, right: &Self) -> Vec<Party> {
        let numbers = left.ends.iter().chain(&right.ends).map(|(_, number)| number + 1).max();
        let end = |cast: &Self, number: usize| {
            cast.ends.iter().find(|(_, own)| *own == number).map(|(end, _)| *end)
        };
        let party = |number| Party { left: end(left, number), right: end(right, number) };
        (0..numbers.unwrap_or_default()).map(party).collect()
    }
}

/// `A` to `Z`, then `AA` and on.
pub(crate) fn letter(number: usize) -> String {
    let last = char::from(b'A' + u8::try_from(number % 26).unwrap_or_default());
    match number / 26 {
        0 => last.to_string(),
        more => letter(more - 1) + &last.to_string(),
    }
}
