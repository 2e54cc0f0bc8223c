//! The transactions of a call by what their messages have in common.

use rustc_hash::FxHashMap;

use crate::signaling::transaction::Transaction;
use crate::sip::Method;

/// Nearly all calls have so few transactions that looking at each costs less than tables.
const FEW: usize = 32;

/// What tells the transactions of one hop apart (RFC 3261, section 17.1.3); where a branch is used
/// on several hops, all of these have it.
pub(super) type Key<'c> = (&'c [u8], u32, Method<'c>);

/// Finds transactions; the tables are filled only for a call with many.
#[derive(Debug, Default)]
pub(super) struct Lookup<'c> {
    by_branch: FxHashMap<Key<'c>, Vec<usize>>,
    by_number: FxHashMap<(u32, Method<'c>), Vec<usize>>,
}

impl<'c> Lookup<'c> {
    /// Takes in the last one of the transactions.
    pub(super) fn add_last(&mut self, all: &[Transaction<'c>]) {
        let from = match all.len() {
            ..=FEW => return,
            length if length == FEW + 1 => 0,
            length => length - 1,
        };
        for transaction in all.get(from..).unwrap_or_default() {
            let (branch, index) = (transaction.branch, transaction.index);
            let (number, method) = (transaction.cseq, transaction.method);
            self.by_branch.entry((branch, number, method)).or_default().push(index);
            self.by_number.entry((number, method)).or_default().push(index);
        }
    }

    /// The transactions with this branch, number and method, in order.
    pub(super) fn of_branch<'a>(
        &'a self,
        all: &'a [Transaction<'c>],
        (branch, number, method): Key<'c>,
    ) -> impl Iterator<Item = &'a Transaction<'c>> {
        let listed = || self.by_branch.get(&(branch, number, method));
        let listed = if all.len() > FEW { listed() } else { None };
        let few = if all.len() > FEW { &[] } else { all };
        let is_own = move |own: &&Transaction<'c>| {
            own.cseq == number && own.method == method && own.branch == branch
        };
        let listed = listed.into_iter().flatten().filter_map(|index| all.get(*index));
        few.iter().filter(is_own).chain(listed)
    }

    /// The transactions with this number and method, in order.
    pub(super) fn of_number<'a>(
        &'a self,
        all: &'a [Transaction<'c>],
        (number, method): (u32, Method<'c>),
    ) -> impl Iterator<Item = &'a Transaction<'c>> + Clone {
        let listed = || self.by_number.get(&(number, method));
        let listed = if all.len() > FEW { listed() } else { None };
        let few = if all.len() > FEW { &[] } else { all };
        let is_own = move |own: &&Transaction<'c>| own.cseq == number && own.method == method;
        let listed = listed.into_iter().flatten().filter_map(|index| all.get(*index));
        few.iter().filter(is_own).chain(listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::samples::with_call;

    #[test]
    fn tables_find_what_looking_at_each_finds() {
        for count in [10, 40, 200] {
            let text = |number: usize| {
                format!(
                    "OPTIONS sip:b SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK{}\n\
                     From: <sip:a>;tag=a\nTo: <sip:b>\nCall-ID: many\nCSeq: {} OPTIONS\n\n",
                    number / 2,
                    number / 3
                )
            };
            let texts: Vec<_> = (0..count).map(text).collect();
            let times = (0_i64..).map(|second| second * 1000);
            let samples: Vec<_> =
                times.zip(&texts).map(|(time, text)| (time, 1, 2, text.as_str())).collect();
            with_call(&samples, |call| check(&call.transactions));
        }
    }

    fn check(all: &[Transaction<'_>]) {
        let mut lookup = Lookup::default();
        (1..=all.len()).for_each(|length| lookup.add_last(&all[..length]));
        for one in all {
            let found = lookup.of_branch(all, (one.branch, one.cseq, one.method));
            assert_eq!(found.map(|own| own.index).collect::<Vec<_>>(), [one.index]);
            let same = all.iter().filter(|own| own.cseq == one.cseq);
            let found = lookup.of_number(all, (one.cseq, one.method));
            assert!(found.map(|own| own.index).eq(same.map(|own| own.index)));
        }
    }
}
