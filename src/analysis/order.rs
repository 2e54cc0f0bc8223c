//! Long lists of large elements, put in order without a second list of them.

use std::cmp::Ordering;

/// Sorts by keys, then by `rest`, then by where the elements stood. Only places and keys are moved
/// about; each element goes to its place at once.
pub(super) fn sort_by<T, K: Ord>(
    list: &mut [T],
    key: impl Fn(&T) -> K,
    rest: impl Fn(&T, &T) -> Ordering,
) {
    let compare = |a: &T, b: &T| key(a).cmp(&key(b)).then_with(|| rest(a, b));
    if list.is_sorted_by(|a, b| compare(a, b).is_le()) {
        return;
    }
    let mut keys: Vec<(K, usize)> = list.iter().map(key).zip(0..).collect();
    keys.sort_unstable_by(|(a, at), (b, other)| {
        a.cmp(b)
            .then_with(|| {
                list.get(*at).zip(list.get(*other)).map_or(Ordering::Equal, |(a, b)| rest(a, b))
            })
            .then(at.cmp(other))
    });
    let mut order: Vec<usize> = keys.into_iter().map(|(_, from)| from).collect();
    arrange(list, &mut order);
}

/// Puts each element to the place that names it.
fn arrange<T>(list: &mut [T], order: &mut [usize]) {
    for start in 0..order.len() {
        let mut at = start;
        while let Some(from) = order.get_mut(at).map(|from| std::mem::replace(from, at))
            && from != start
            && from != at
        {
            list.swap(at, from);
            at = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_order_is_that_of_a_stable_sort(
            list in prop::collection::vec((0..5u8, 0..5u8, any::<u8>()), 0..50),
        ) {
            let mut sorted = list.clone();
            sorted.sort_by_key(|(key, rest, _)| (*key, *rest));
            let mut own = list;
            sort_by(&mut own, |(key, ..)| *key, |a, b| a.1.cmp(&b.1));
            prop_assert_eq!(own, sorted);
        }
    }
}
