//! Two sequences laid side by side so that what belongs together is worth the most.
//!
//! Weights are sums, so the best sum is found by dynamic programming. A table that is too large is
//! searched in a band around its diagonal only, after what is the same at both ends.

use crate::limits::DIFF_CELLS_MAX;

/// What stands beside what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// These two belong together.
    Both(usize, usize),
    /// Only the first sequence has it.
    Left(usize),
    /// Only the second sequence has it.
    Right(usize),
}

/// Both sequences side by side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Alignment {
    /// Every element of both once, in order; between two pairs the left ones first.
    pub(super) rows: Vec<Row>,
    /// Not every alignment was tried.
    pub(super) is_narrow: bool,
    /// The weights of the pairs.
    pub(super) weight: u64,
}

/// How much a pair is worth; `None` for elements that never belong together.
pub(super) type Weight<'w> = dyn Fn(usize, usize) -> Option<u64> + 'w;

/// The alignment of sequences of that many elements whose pairs are worth the most; of two that are
/// worth the same, the one whose pairs stand later.
///
/// A pair that is worth `full` or more is taken without a search where the table is too large and
/// the pair stands at the beginning or the end of both.
pub(super) fn align(left: usize, right: usize, full: u64, weight: &Weight<'_>) -> Alignment {
    if cells(left, right) <= DIFF_CELLS_MAX {
        return within(left, right, usize::MAX, weight);
    }
    let is_full = |a: usize, b: usize| weight(a, b).is_some_and(|own| own >= full);
    let shorter = left.min(right);
    let head = (0..shorter).take_while(|at| is_full(*at, *at)).count();
    let rest = shorter - head;
    let tail = (1..=rest).take_while(|back| is_full(left - back, right - back)).count();
    let (middle_left, middle_right) = (left - head - tail, right - head - tail);
    let longer = middle_left.max(middle_right).max(1);
    let half = match cells(middle_left, middle_right) <= DIFF_CELLS_MAX {
        true => usize::MAX,
        false => (DIFF_CELLS_MAX / longer / 2).max(1),
    };
    let inner = |a: usize, b: usize| weight(a + head, b + head);
    let middle = within(middle_left, middle_right, half, &inner);
    let ends = (0..head).map(|at| (at, at));
    let ends = ends.chain((1..=tail).rev().map(|back| (left - back, right - back)));
    let worth: u64 = ends.clone().filter_map(|(a, b)| weight(a, b)).sum();
    let mut rows: Vec<Row> = ends.clone().take(head).map(|(a, b)| Row::Both(a, b)).collect();
    rows.extend(middle.rows.into_iter().map(|row| match row {
        Row::Both(a, b) => Row::Both(a + head, b + head),
        Row::Left(a) => Row::Left(a + head),
        Row::Right(b) => Row::Right(b + head),
    }));
    rows.extend(ends.skip(head).map(|(a, b)| Row::Both(a, b)));
    Alignment { rows, is_narrow: middle.is_narrow, weight: worth + middle.weight }
}

fn cells(left: usize, right: usize) -> usize {
    left.saturating_add(1).saturating_mul(right.saturating_add(1))
}

/// The best alignment whose pairs lie at most `half` beside the diagonal.
fn within(left: usize, right: usize, half: usize, weight: &Weight<'_>) -> Alignment {
    // The rows of the table are the longer side, so that the diagonal never steps over a column.
    let is_turned = right > left;
    let (rows, columns) = if is_turned { (right, left) } else { (left, right) };
    let half = half.min(columns);
    let turned = |row: usize, column: usize| match is_turned {
        true => weight(column, row),
        false => weight(row, column),
    };
    let table = Table::fill(rows, columns, half, &turned);
    let mut alignment =
        Alignment { rows: table.walk(is_turned), is_narrow: half < columns, weight: table.weight };
    left_first(&mut alignment.rows);
    alignment
}

/// Puts what only the left has before what only the right has, between any two pairs.
fn left_first(rows: &mut [Row]) {
    let is_pair = |row: &Row| matches!(row, Row::Both(..));
    for alone in rows.split_mut(is_pair) {
        alone.sort_by_key(|row| match *row {
            Row::Both(..) => (false, 0),
            Row::Left(at) => (false, at),
            Row::Right(at) => (true, at),
        });
    }
}

/// Where the best way into a cell comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum From {
    /// Both elements are a pair.
    #[default]
    Pair,
    /// The element of the row stands alone.
    Row,
    /// The element of the column stands alone.
    Column,
}

/// The cells of a band around the diagonal.
struct Table {
    rows: usize,
    columns: usize,
    half: usize,
    stride: usize,
    from: Vec<From>,
    weight: u64,
}

impl Table {
    fn fill(rows: usize, columns: usize, half: usize, weight: &Weight<'_>) -> Self {
        let stride = half.saturating_mul(2).saturating_add(1).min(columns + 1);
        let from = vec![From::Pair; stride * (rows + 1)];
        let mut table = Self { rows, columns, half, stride, from, weight: 0 };
        let mut before: Vec<u64> = Vec::new();
        let mut before_low = 0;
        for row in 0..=rows {
            let (low, high) = table.band(row);
            let mut own: Vec<u64> = Vec::with_capacity(high - low + 1);
            for column in low..=high {
                let above = |column: usize| before.get(column.checked_sub(before_low)?).copied();
                let (best, from) = best(row, column, &above, own.last().copied(), weight);
                own.push(best);
                table.set(row, column, from);
            }
            (before, before_low) = (own, low);
        }
        table.weight = before.last().copied().unwrap_or_default();
        table
    }

    /// The first and last column of a row.
    fn band(&self, row: usize) -> (usize, usize) {
        if self.half >= self.columns {
            return (0, self.columns);
        }
        let middle = row * self.columns / self.rows.max(1);
        let low = middle.saturating_sub(self.half).min(self.columns + 1 - self.stride);
        (low, low + self.stride - 1)
    }

    fn place(&self, row: usize, column: usize) -> usize {
        row * self.stride + column.saturating_sub(self.band(row).0)
    }

    fn set(&mut self, row: usize, column: usize, from: From) {
        let place = self.place(row, column);
        if let Some(cell) = self.from.get_mut(place) {
            *cell = from;
        }
    }

    /// The way from the last cell to the first one, turned round.
    fn walk(&self, is_turned: bool) -> Vec<Row> {
        let (mut row, mut column) = (self.rows, self.columns);
        let mut way = Vec::with_capacity(row.max(column));
        while row > 0 || column > 0 {
            let from = self.from.get(self.place(row, column)).copied().unwrap_or_default();
            let from = match (row, column) {
                (0, _) => From::Column,
                (_, 0) => From::Row,
                _ => from,
            };
            row -= usize::from(from != From::Column);
            column -= usize::from(from != From::Row);
            way.push(match (from, is_turned) {
                (From::Pair, false) => Row::Both(row, column),
                (From::Pair, true) => Row::Both(column, row),
                (From::Row, false) => Row::Left(row),
                (From::Row, true) => Row::Right(row),
                (From::Column, false) => Row::Right(column),
                (From::Column, true) => Row::Left(column),
            });
        }
        way.reverse();
        way
    }
}

/// The best sum up to a cell, and where it comes from.
fn best(
    row: usize,
    column: usize,
    above: &dyn Fn(usize) -> Option<u64>,
    beside: Option<u64>,
    weight: &Weight<'_>,
) -> (u64, From) {
    let mut best: Option<(u64, From)> = None;
    if let (Some(row), Some(column)) = (row.checked_sub(1), column.checked_sub(1))
        && let Some(before) = above(column)
        && let Some(own) = weight(row, column)
    {
        best = Some((before.saturating_add(own), From::Pair));
    }
    let alone = [(above(column), From::Row), (beside, From::Column)];
    for (sum, from) in alone {
        if let Some(sum) = sum
            && best.is_none_or(|(known, _)| sum > known)
        {
            best = Some((sum, from));
        }
    }
    best.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FULL: u64 = 1 << 20;

    fn aligned(left: &[u8], right: &[u8]) -> Alignment {
        align(left.len(), right.len(), FULL, &weigher(left, right))
    }

    /// The same is worth the most; the same but for its lowest bit is worth a little.
    fn weigher<'w>(left: &'w [u8], right: &'w [u8]) -> impl Fn(usize, usize) -> Option<u64> + 'w {
        |a, b| match (left.get(a)?, right.get(b)?) {
            (a, b) if a == b => Some(FULL + 1),
            (a, b) if a / 2 == b / 2 => Some(3),
            _ => None,
        }
    }

    fn pairs(alignment: &Alignment) -> Vec<(usize, usize)> {
        let pair = |row: &Row| match *row {
            Row::Both(a, b) => Some((a, b)),
            Row::Left(_) | Row::Right(_) => None,
        };
        alignment.rows.iter().filter_map(pair).collect()
    }

    fn holds(alignment: &Alignment, left: usize, right: usize) {
        let lefts = alignment.rows.iter().filter_map(|row| match *row {
            Row::Both(at, _) | Row::Left(at) => Some(at),
            Row::Right(_) => None,
        });
        let rights = alignment.rows.iter().filter_map(|row| match *row {
            Row::Both(_, at) | Row::Right(at) => Some(at),
            Row::Left(_) => None,
        });
        assert_eq!(lefts.collect::<Vec<_>>(), (0..left).collect::<Vec<_>>());
        assert_eq!(rights.collect::<Vec<_>>(), (0..right).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_new_stands_alone() {
        let alignment = aligned(b"INVITE", b"INXVITE");
        let expected = [(0, 0), (1, 1), (2, 3), (3, 4), (4, 5), (5, 6)];
        assert_eq!(pairs(&alignment), expected);
        assert_eq!(alignment.rows.get(2), Some(&Row::Right(2)));
    }

    #[test]
    fn what_is_like_it_is_a_change() {
        assert_eq!(pairs(&aligned(&[2, 40, 6], &[2, 41, 6])), [(0, 0), (1, 1), (2, 2)]);
        let other = aligned(&[2, 40, 6], &[2, 90, 6]);
        let expected = [Row::Both(0, 0), Row::Left(1), Row::Right(1), Row::Both(2, 2)];
        assert_eq!(other.rows, expected);
    }

    #[test]
    fn of_two_alike_the_later_one_belongs_to_it() {
        assert_eq!(pairs(&aligned(b"ab", b"aab")), [(0, 1), (1, 2)]);
    }

    #[test]
    fn long_sequences_are_aligned_in_a_band() {
        let left: Vec<u8> = (0..3000_u32).map(|at| (at % 251) as u8).collect();
        let mut right = left.clone();
        right.remove(1500);
        right.insert(1000, 255);
        right.insert(2000, 255);
        let alignment = aligned(&left, &right);
        holds(&alignment, left.len(), right.len());
        assert_eq!(pairs(&alignment).len(), 2999);
        assert!(!aligned(&left, &left).is_narrow);
        let other = vec![255; 2500];
        let alignment = aligned(&left, &other);
        holds(&alignment, left.len(), other.len());
        assert!(alignment.is_narrow);
    }

    proptest! {
        #[test]
        fn every_element_is_there_once_and_both_ways_count_the_same(
            left in prop::collection::vec(0_u8..12, 0..40),
            right in prop::collection::vec(0_u8..12, 0..40),
        ) {
            let one = aligned(&left, &right);
            holds(&one, left.len(), right.len());
            let other = aligned(&right, &left);
            holds(&other, right.len(), left.len());
            prop_assert_eq!(one.weight, other.weight);
            let same = aligned(&left, &left);
            prop_assert_eq!(pairs(&same).len(), left.len());
        }

        #[test]
        fn a_band_holds_every_element(
            left in prop::collection::vec(0_u8..6, 0..60),
            right in prop::collection::vec(0_u8..6, 0..60),
            half in 1_usize..9,
        ) {
            let weight = weigher(&left, &right);
            holds(&within(left.len(), right.len(), half, &weight), left.len(), right.len());
        }
    }
}
