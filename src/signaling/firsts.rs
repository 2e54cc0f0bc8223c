//! The first few of very many.

/// Puts an element among the first ones of a list in order, if it is one of so many.
///
/// Nearly all lists have one element, and there are very many lists, so they take no room in
/// advance.
pub(super) fn add_first<T: Clone + Ord>(list: &mut Vec<T>, element: &T, most: usize) {
    let place = list.partition_point(|known| known <= element);
    if place < most {
        list.truncate(most - 1);
        list.reserve_exact(1);
        list.insert(place, element.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ones_stay_in_order() {
        let mut list = Vec::new();
        let mut seen = Vec::new();
        for element in [5, 3, 9, 3, 4, 1, 2, 8] {
            add_first(&mut list, &element, 3);
            seen.push(list.clone());
            assert!(list.capacity() <= 3);
        }
        assert_eq!(seen[..4], [vec![5], vec![3, 5], vec![3, 5, 9], vec![3, 3, 5]]);
        assert_eq!(seen[4..], [vec![3, 3, 4], vec![1, 3, 3], vec![1, 2, 3], vec![1, 2, 3]]);
    }
}
