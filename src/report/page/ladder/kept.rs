//! Which rows a ladder shows where there are too many: those with findings, evidence, and what
//! stands next to them. Knows nothing of how they are drawn.

use crate::analysis::flow::{Flow, Party, Row};

/// Rows of one ladder: more than a reader follows, few enough for a page with many ladders.
const ROWS_MAX: usize = 150;

/// Parties of one ladder, the first ones: a call that forks to more is an attack or a test.
const PARTIES_MAX: usize = 24;

/// Rows kept at the beginning, where the call is set up.
const FIRST: usize = 10;

/// The rows that are shown, as places among those of the flow, in their order.
pub(super) struct Kept {
    places: Vec<usize>,
}

impl Kept {
    pub(super) fn of(flow: &Flow<'_>) -> Self {
        let has_room = |row: &Row<'_>| row.from.max(row.to) < PARTIES_MAX;
        let rows: Vec<(usize, &Row<'_>)> =
            (0..).zip(&flow.rows).filter(|(_, row)| has_room(row)).collect();
        let count = rows.len();
        if count <= ROWS_MAX {
            return Self { places: rows.into_iter().map(|(place, _)| place).collect() };
        }
        let with = |is_it: fn(&Row<'_>) -> bool| {
            (0..).zip(&rows).filter(move |(_, (_, row))| is_it(row)).map(|(at, _)| at)
        };
        // Where findings are told comes first: evidence may be very much.
        let told = with(|row| !row.findings.is_empty());
        let proofs: Vec<usize> = told.chain(with(|row| !row.evidence_of.is_empty())).collect();
        let mut keep = vec![false; count];
        keep.iter_mut().take(FIRST).for_each(|kept| *kept = true);
        let mut room = ROWS_MAX - FIRST;
        // The rows next to a proof come before those farther away, and the beginning is next to
        // nothing.
        let around = proofs.iter().copied().chain([FIRST]);
        'all: for distance in 0..count {
            for at in around.clone() {
                for near in [at.checked_sub(distance), at.checked_add(distance)] {
                    let Some(kept) = near.and_then(|near| keep.get_mut(near)) else { continue };
                    if !*kept {
                        *kept = true;
                        room -= 1;
                    }
                    if room == 0 {
                        break 'all;
                    }
                }
            }
        }
        let kept = rows.into_iter().zip(keep).filter(|(_, kept)| *kept);
        Self { places: kept.map(|((place, _), _)| place).collect() }
    }

    /// The parties that have a line.
    pub(super) fn parties<'f>(flow: &'f Flow<'_>) -> &'f [Party] {
        flow.parties.get(..PARTIES_MAX).unwrap_or(&flow.parties)
    }

    /// The rows with their places.
    pub(super) fn rows<'f, 'a>(
        &'f self,
        flow: &'f Flow<'a>,
    ) -> impl Iterator<Item = (usize, &'f Row<'a>)> {
        self.places.iter().filter_map(|place| Some((*place, flow.rows.get(*place)?)))
    }

    /// How many are not shown.
    pub(super) fn left_out(&self, flow: &Flow<'_>) -> usize {
        flow.rows.len() - self.places.len()
    }
}
