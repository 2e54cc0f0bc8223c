//! A list that mostly holds one element or none.

use std::ops::Deref;

use crate::signaling::firsts::add_first;

/// Elements that are sorted without a list of their keys.
const FEW: usize = 16;

/// Elements in order; takes memory of its own only from the second one on.
///
/// Of what a transaction has several of (responses, ACKs, hops behind it), nearly every transaction
/// has one, and a capture has very many transactions.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct ShortList<T> {
    held: Held<T>,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
enum Held<T> {
    None,
    One(T),
    Several(Vec<T>),
}

impl<T> ShortList<T> {
    /// No element.
    pub(crate) const fn new() -> Self {
        Self { held: Held::None }
    }

    /// One element.
    pub(crate) const fn one(element: T) -> Self {
        Self { held: Held::One(element) }
    }

    /// Adds an element at the end.
    #[inline]
    pub(crate) fn push(&mut self, element: T) {
        self.held = match std::mem::replace(&mut self.held, Held::None) {
            Held::None => Held::One(element),
            Held::One(first) => Held::Several(vec![first, element]),
            Held::Several(mut all) => {
                all.push(element);
                Held::Several(all)
            }
        };
    }

    /// Sorts the elements by a key; equal ones keep their order.
    pub(crate) fn sort_by_key<K: Ord>(&mut self, key: impl FnMut(&T) -> K) {
        if let Held::Several(all) = &mut self.held {
            // A key may take a look at the whole call.
            match all.len() {
                ..=FEW => all.sort_by_key(key),
                _ => all.sort_by_cached_key(key),
            }
        }
    }
}

impl<T: Copy + Ord> ShortList<T> {
    /// Puts an element in its place in order; false where it is there.
    pub(super) fn insert(&mut self, element: T) -> bool {
        match &mut self.held {
            Held::None => self.held = Held::One(element),
            Held::One(one) if *one == element => return false,
            Held::One(one) => {
                let both = vec![element.min(*one), element.max(*one)];
                self.held = Held::Several(both);
            }
            Held::Several(all) => match all.binary_search(&element) {
                Ok(_) => return false,
                Err(place) => all.insert(place, element),
            },
        }
        true
    }

    /// The same for all of another list, however many they are.
    pub(super) fn insert_all(&mut self, other: Self) {
        match (&mut self.held, other.held) {
            (_, Held::None) => {}
            (_, Held::One(one)) => {
                self.insert(one);
            }
            (Held::Several(all), Held::Several(more)) => {
                all.extend(more);
                all.sort();
                all.dedup();
            }
            (Held::None | Held::One(_), several @ Held::Several(_)) => {
                let few = std::mem::replace(&mut self.held, several);
                Self { held: few }.iter().for_each(|own| {
                    self.insert(*own);
                });
            }
        }
    }

    /// Puts an element among the first ones, if it is one of so many, at least two.
    pub(super) fn add_first(&mut self, element: T, most: usize) {
        if let Held::Several(all) = &mut self.held {
            add_first(all, &element, most);
            return;
        }
        self.push(element);
        self.sort_by_key(|own| *own);
    }
}

impl<T> Default for ShortList<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for ShortList<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match &self.held {
            Held::None => &[],
            Held::One(element) => std::slice::from_ref(element),
            Held::Several(all) => all,
        }
    }
}

impl<'a, T> IntoIterator for &'a ShortList<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    #[inline]
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order_of_what_is_added() {
        let mut list = ShortList::new();
        assert!(list.is_empty());
        for number in [3, 1, 2, 1] {
            list.push(number);
        }
        assert_eq!(*list, [3, 1, 2, 1]);
        list.sort_by_key(|number| *number);
        assert_eq!(list.into_iter().copied().collect::<Vec<_>>(), [1, 1, 2, 3]);
        assert_eq!(*ShortList::one(7), [7]);
    }

    #[test]
    fn keeps_the_first_ones_in_order() {
        let mut list = ShortList::new();
        for element in [5, 3, 9, 3, 4, 8] {
            list.add_first(element, 3);
        }
        assert_eq!(*list, [3, 3, 4]);
    }

    #[test]
    fn inserts_each_element_once() {
        let mut list = ShortList::new();
        let is_new = [5, 5, 3, 9, 3, 4].map(|element| list.insert(element));
        assert_eq!(is_new, [true, false, true, true, false, true]);
        assert_eq!(*list, [3, 4, 5, 9]);
        let lists = [&[][..], &[4], &[3, 7], &[1, 3, 9]].map(|elements| {
            let mut list = ShortList::new();
            elements.iter().for_each(|own| assert!(list.insert(*own)));
            list
        });
        for (one, other) in lists.iter().flat_map(|one| lists.iter().map(move |own| (one, own))) {
            let mut all = one.clone();
            all.insert_all(other.clone());
            let expected: std::collections::BTreeSet<i32> =
                one.iter().chain(other).copied().collect();
            assert!(all.iter().eq(&expected), "{one:?} {other:?}");
        }
    }
}
