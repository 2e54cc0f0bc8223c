//! Where the columns of a ladder stand.

use crate::analysis::flow::{Flow, Party};
use crate::report::layout;

/// The width of a narrow character of a label, and of the names in the head.
pub(super) const COLUMN: f64 = 7.3;

/// Room for `#12345` and `+12345.678` left of the ladder.
pub(super) const FRAME_END: f64 = 58.0;
pub(super) const TIME_END: f64 = 138.0;
const MARGIN: f64 = 150.0;

/// Room right of the last party, for the marks of findings.
const RIGHT: f64 = 34.0;

/// What the ladder takes where it need not be wider.
const WIDTH: f64 = 900.0;

/// Between two parties: room for `100 Trying`, and no more than the eye follows.
const SPACING_MIN: f64 = 150.0;
const SPACING_MAX: f64 = 420.0;

/// What a name takes before it is cut: that of most hosts and an IPv6 address of four groups.
const NAME_MAX: f64 = 240.0;

/// The columns of the parties.
pub(super) struct Plan {
    pub(super) width: f64,
    first: f64,
    spacing: f64,
}

impl Plan {
    pub(super) fn new(flow: &Flow<'_>) -> Self {
        let gaps = flow.parties.len().saturating_sub(1).max(1) as f64;
        let widest = flow.parties.iter().map(name_width).fold(0.0, f64::max).min(NAME_MAX);
        let side = (widest / 2.0).max(24.0);
        let natural = (WIDTH - MARGIN - RIGHT - 2.0 * side) / gaps;
        let spacing = natural.clamp(SPACING_MIN.max(widest + 16.0), SPACING_MAX);
        let width = MARGIN + 2.0 * side + spacing * gaps + RIGHT;
        Self { width, first: MARGIN + side, spacing }
    }

    /// Where the line of a party stands.
    pub(super) fn x(&self, party: usize) -> f64 {
        self.first + self.spacing * party as f64
    }

    /// What the name of a party may take.
    pub(super) fn name_room(&self) -> f64 {
        (self.spacing - 14.0).min(NAME_MAX)
    }

    /// Where marks of findings stand.
    pub(super) fn mark(&self) -> f64 {
        self.width - RIGHT / 2.0
    }
}

/// The second line of a head: the addresses behind a name.
pub(super) fn addresses(party: &Party) -> String {
    let all = party.addresses();
    match (&party.name, all.first()) {
        (Some(_), Some((first, _))) if all.len() == 1 => first.to_string(),
        (Some(_), Some((first, _))) => format!("{first} +{}", all.len() - 1),
        _ => String::new(),
    }
}

fn name_width(party: &Party) -> f64 {
    let widest = layout::width(&party.label()).max(layout::width(&addresses(party)));
    widest as f64 * COLUMN + 16.0
}
