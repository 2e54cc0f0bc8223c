//! Which packets of a stream came, by their numbers (RFC 3550, appendix A.1).
//!
//! Numbers of 16 bits are extended by their wraps. A window of the latest 64 tells a packet that
//! came twice from one that came late.

/// Numbers that may be skipped; more is a new beginning (`MAX_DROPOUT`).
const DROPOUT_MAX: u16 = 3000;

/// How late a packet may be; more is a new beginning (`MAX_MISORDER`).
const MISORDER_MAX: u16 = 100;

/// Numbers that the window reaches back.
const WINDOW: u16 = 64;

/// The numbers of the packets of one stream.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Sequence {
    /// The first number, extended, since the last new beginning.
    base: u64,
    /// The highest number, extended.
    highest: u64,
    /// Bit n is set if the number n below the highest came.
    window: u64,
    /// Numbers that were due before the last new beginning.
    before: u64,
    /// Packets, however often they came.
    packets: u64,
    duplicates: u32,
    reordered: u32,
    restarts: u32,
    /// Places where packets are missing.
    gaps: u32,
    /// Packets with a number that fits nowhere, and that no other one followed.
    strays: u32,
    /// The number that would make the latest stray a new beginning.
    suspect: Option<u16>,
}

/// What a number is in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It follows the one before.
    Next,
    /// So many before it are missing.
    After(u16),
    /// It comes after one with a higher number.
    Late,
    /// It came before.
    Again,
    /// It fits nowhere.
    Stray,
    /// It is the second of a new beginning.
    Restart,
}

/// Extended numbers begin here, so that one before the first is still above 0.
const ORIGIN: u64 = 1 << 16;

impl Sequence {
    pub(super) fn new(first: u16) -> Self {
        let base = ORIGIN | u64::from(first);
        Self {
            base,
            highest: base,
            window: 1,
            before: 0,
            packets: 1,
            duplicates: 0,
            reordered: 0,
            restarts: 0,
            gaps: 0,
            strays: 0,
            suspect: None,
        }
    }

    #[inline]
    pub(super) fn push(&mut self, number: u16) -> Turn {
        self.packets += 1;
        let ahead = number.wrapping_sub(self.highest as u16);
        if ahead == 1 {
            self.highest += 1;
            self.window = self.window << 1 | 1;
            return Turn::Next;
        }
        self.out_of_turn(number, ahead)
    }

    /// A packet that was captured twice does not count.
    pub(super) fn withdraw_duplicate(&mut self) {
        self.packets = self.packets.saturating_sub(1);
        self.duplicates = self.duplicates.saturating_sub(1);
    }

    #[cold]
    fn out_of_turn(&mut self, number: u16, ahead: u16) -> Turn {
        let behind = ahead.wrapping_neg();
        match ahead {
            0 => self.again(),
            1..DROPOUT_MAX => {
                self.highest += u64::from(ahead);
                self.window = self.window.checked_shl(u32::from(ahead)).unwrap_or_default() | 1;
                self.gaps = self.gaps.saturating_add(1);
                Turn::After(ahead - 1)
            }
            _ if behind < WINDOW && self.window >> behind & 1 == 1 => self.again(),
            _ if behind < MISORDER_MAX => {
                self.window |= 1_u64.checked_shl(u32::from(behind)).unwrap_or_default();
                self.base = self.base.min(self.highest.saturating_sub(u64::from(behind)));
                self.reordered = self.reordered.saturating_add(1);
                Turn::Late
            }
            _ if self.suspect == Some(number) => {
                self.before += self.highest - self.base + 1;
                self.base = ORIGIN | u64::from(number.wrapping_sub(1));
                self.highest = self.base + 1;
                self.window = 0b11;
                self.restarts = self.restarts.saturating_add(1);
                self.strays = self.strays.saturating_sub(1);
                self.suspect = None;
                Turn::Restart
            }
            _ => {
                self.suspect = Some(number.wrapping_add(1));
                self.strays = self.strays.saturating_add(1);
                Turn::Stray
            }
        }
    }

    fn again(&mut self) -> Turn {
        self.duplicates = self.duplicates.saturating_add(1);
        Turn::Again
    }

    /// Packets, those that came twice counted twice.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Packets that should have come, by the numbers of those that did.
    pub fn expected(&self) -> u64 {
        self.before + (self.highest - self.base + 1)
    }

    /// Packets that did not come.
    pub fn lost(&self) -> u64 {
        let unique = self.packets.saturating_sub(u64::from(self.duplicates));
        self.expected().saturating_sub(unique.saturating_sub(u64::from(self.strays)))
    }

    /// Packets that did not come, of a hundred.
    pub fn lost_percent(&self) -> f64 {
        self.lost() as f64 * 100.0 / self.expected() as f64
    }

    /// Packets that came again on the network; copies that only the capture made are none.
    pub fn duplicates(&self) -> u64 {
        u64::from(self.duplicates)
    }

    /// Packets that came after one with a higher number.
    pub fn reordered(&self) -> u64 {
        u64::from(self.reordered)
    }

    /// Places where packets were missing when the next one came.
    pub fn gaps(&self) -> u64 {
        u64::from(self.gaps)
    }

    /// How often the numbers began anew.
    pub fn restarts(&self) -> u64 {
        u64::from(self.restarts)
    }

    /// The latest number, extended by its wraps.
    pub fn highest(&self) -> u64 {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(numbers: impl IntoIterator<Item = u16>) -> Sequence {
        let mut numbers = numbers.into_iter();
        let mut sequence = Sequence::new(numbers.next().unwrap_or_default());
        numbers.for_each(|number| {
            sequence.push(number);
        });
        sequence
    }

    /// Packets, expected, lost, duplicates, reordered, restarts.
    fn figures(numbers: impl IntoIterator<Item = u16>) -> [u64; 6] {
        let sequence = sequence(numbers);
        [
            sequence.packets(),
            sequence.expected(),
            sequence.lost(),
            sequence.duplicates(),
            sequence.reordered(),
            sequence.restarts(),
        ]
    }

    #[test]
    fn all_came() {
        assert_eq!(figures(10..20), [10, 10, 0, 0, 0, 0]);
        assert_eq!(figures([7]), [1, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn numbers_wrap() {
        let numbers = (0..200_000_u32).map(|n| (n + 65_000) as u16);
        assert_eq!(figures(numbers), [200_000, 200_000, 0, 0, 0, 0]);
        assert_eq!(figures([65_534, 1, 65_535, 0]), [4, 4, 0, 0, 2, 0]);
    }

    #[test]
    fn missing_ones_are_lost() {
        assert_eq!(figures([1, 2, 5, 6, 10]), [5, 10, 5, 0, 0, 0]);
        assert_eq!(figures([1, 2000]), [2, 2000, 1998, 0, 0, 0]);
    }

    #[test]
    fn late_ones_are_not_lost_and_may_come_before_the_first() {
        assert_eq!(figures([1, 3, 2, 4]), [4, 4, 0, 0, 1, 0]);
        assert_eq!(figures([2, 1, 3]), [3, 3, 0, 0, 1, 0]);
        assert_eq!(figures([1, 90, 2]), [3, 90, 87, 0, 1, 0]);
    }

    #[test]
    fn the_same_again_is_no_gain() {
        assert_eq!(figures([1, 1, 2, 4, 4, 2]), [6, 4, 1, 3, 0, 0]);
    }

    #[test]
    fn a_new_beginning_needs_two() {
        assert_eq!(figures([1, 2, 30_000, 30_001, 30_002]), [5, 5, 0, 0, 0, 1]);
        assert_eq!(figures([1, 2, 30_000, 3, 4]), [5, 4, 0, 0, 0, 0]);
        assert_eq!(figures([500, 501, 1, 2, 4]), [5, 6, 1, 0, 0, 1]);
    }
}
