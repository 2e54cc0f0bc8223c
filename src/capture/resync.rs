//! The way back to the records after damage.

/// Records that must follow one another before an offset is believed. By chance one header in some
/// hundred million offsets looks sane, so eight of them are no accident.
pub(super) const CHAIN: usize = 8;

/// The same where the file ends inside the last of them.
const CHAIN_AT_CUT_END: usize = 3;

/// What lies at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A sane record, and where the next one begins.
    Next(usize),
    /// No record.
    No,
    /// The bytes read so far do not tell.
    Beyond,
}

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Records go on here.
    At(usize),
    /// Up to here there are none; here more bytes are needed to tell.
    Undecided(usize),
    /// There are none up to the end.
    Nowhere,
}

/// The first offset from `from` on at which `chain` records are sane, or fewer up to the end.
///
/// `step` judges one offset; its second argument is the offset of the record before it in the
/// chain, if any.
pub(super) fn search(
    length: usize,
    from: usize,
    at_end: bool,
    chain: usize,
    step: impl Fn(usize, Option<usize>) -> Step,
) -> Found {
    for start in from..length {
        match follow(length, start, at_end, chain, &step) {
            Step::Next(_) => return Found::At(start),
            Step::No => {}
            Step::Beyond => return Found::Undecided(start),
        }
    }
    if at_end { Found::Nowhere } else { Found::Undecided(length) }
}

fn follow(
    length: usize,
    start: usize,
    at_end: bool,
    chain: usize,
    step: &impl Fn(usize, Option<usize>) -> Step,
) -> Step {
    let mut at = start;
    let mut previous = None;
    for sane in 0..chain {
        match step(at, previous) {
            Step::Next(next) => {
                previous = Some(at);
                at = next;
            }
            Step::No => return Step::No,
            Step::Beyond if !at_end => return Step::Beyond,
            Step::Beyond => {
                let is_enough = (sane > 0 && at == length) || sane >= CHAIN_AT_CUT_END;
                return if is_enough { Step::Next(at) } else { Step::No };
            }
        }
    }
    Step::Next(at)
}
