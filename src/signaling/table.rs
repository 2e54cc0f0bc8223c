//! A table for a few entries, which may become many.

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;

/// So many entries are sooner looked through than hashed.
const FEW_MAX: usize = 8;

/// A table that is a list while it is short; a call mostly has one dialog on one hop.
#[derive(Debug)]
pub(super) struct Table<K, V> {
    /// Empty once there are many.
    few: Vec<(K, V)>,
    many: HashMap<K, V, RandomState>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { few: Vec::new(), many: HashMap::default() }
    }
}

impl<K: Eq + Hash, V> Table<K, V> {
    /// The value of the key.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        match self.many.is_empty() {
            true => self.few.iter().find(|(known, _)| known == key).map(|(_, value)| value),
            false => self.many.get(key),
        }
    }

    /// The key has a value.
    pub(super) fn contains(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// The value of the key, which gets this one if it has none.
    pub(super) fn or_insert(&mut self, key: K, value: V) -> &mut V {
        if !self.many.is_empty() || self.few.len() >= FEW_MAX {
            self.many.extend(self.few.drain(..));
            return self.many.entry(key).or_insert(value);
        }
        let place = self.few.iter().position(|(known, _)| *known == key);
        let place = place.unwrap_or_else(|| {
            self.few.push((key, value));
            self.few.len() - 1
        });
        &mut self.few[place].1
    }

    /// All values, in no order.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.few.iter_mut().map(|(_, value)| value).chain(self.many.values_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_are_one_table() {
        for count in [1, FEW_MAX, FEW_MAX + 1, 100] {
            let mut table = Table::default();
            for key in (0..count).chain(0..count) {
                *table.or_insert(key, 0) += key;
            }
            assert!((0..count).all(|key| table.get(&key) == Some(&(2 * key))), "{count}");
            assert!(!table.contains(&count) && table.values_mut().count() == count);
        }
    }
}
