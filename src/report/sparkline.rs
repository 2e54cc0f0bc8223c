//! Small drawings of numbers in one line of text: a course, a bar.
//!
//! Block characters of Unicode, or ASCII for terminals that lack them. Knows nothing of what the
//! numbers are.

/// The steps of a course, from nothing to the most.
const STEPS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The same in ASCII.
const ASCII_STEPS: [char; 9] = [' ', '.', ':', '-', '=', '+', '*', '#', '@'];

/// The ends of a bar, by eighths of a column.
const ENDS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// What is drawn with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Brush {
    /// ASCII only.
    pub is_ascii: bool,
}

impl Brush {
    /// A column for each number, as high as its part of the largest one; what is not nothing can be
    /// seen.
    pub(super) fn course(self, numbers: &[u64]) -> String {
        let most = numbers.iter().copied().max().unwrap_or_default();
        let steps = if self.is_ascii { ASCII_STEPS } else { STEPS };
        let step = |number: &u64| {
            let height = match most {
                0 => 0,
                most => (u128::from(*number) * 8).div_ceil(u128::from(most)),
            };
            steps.get(height as usize).copied().unwrap_or(' ')
        };
        numbers.iter().map(step).collect()
    }

    /// A bar for a part of the most, which takes all columns; what is not nothing can be seen.
    pub(super) fn bar(self, part: u64, most: u64, columns: usize) -> String {
        if part == 0 || most == 0 {
            return String::new();
        }
        let share = part as f64 / most as f64 * columns as f64;
        if self.is_ascii {
            return "#".repeat((share.round() as usize).clamp(1, columns.max(1)));
        }
        let eighths = ((share * 8.0).round() as usize).clamp(1, columns.max(1) * 8);
        let mut bar = "█".repeat(eighths / 8);
        bar.extend(ENDS.get(eighths % 8).filter(|_| !eighths.is_multiple_of(8)));
        bar
    }
}

/// What falls into each of at most so many cells of the same width: the place of a number among all
/// to the place of its cell.
pub(super) fn cells(count: usize, columns: usize) -> (usize, usize) {
    let each = count.div_ceil(columns.max(1)).max(1);
    (each, count.div_ceil(each))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCKS: Brush = Brush { is_ascii: false };
    const ASCII: Brush = Brush { is_ascii: true };

    #[test]
    fn a_course_is_as_high_as_its_part_of_the_most() {
        assert_eq!(BLOCKS.course(&[0, 1, 50, 100]), " ▁▄█");
        assert_eq!(ASCII.course(&[0, 1, 50, 100]), " .=@");
        assert_eq!(BLOCKS.course(&[0, 0]), "  ");
        assert_eq!(BLOCKS.course(&[]), "");
        assert_eq!(BLOCKS.course(&[u64::MAX, 1]), "█▁");
    }

    #[test]
    fn a_bar_shows_the_smallest_part() {
        assert_eq!(BLOCKS.bar(0, 10, 10), "");
        assert_eq!(BLOCKS.bar(10, 10, 3), "███");
        assert_eq!(BLOCKS.bar(5, 10, 3), "█▌");
        assert_eq!(BLOCKS.bar(1, 1000, 3), "▏");
        assert_eq!(ASCII.bar(1, 1000, 3), "#");
        assert_eq!(ASCII.bar(5, 10, 4), "##");
        assert_eq!(BLOCKS.bar(3, 0, 3), "");
    }

    #[test]
    fn many_numbers_share_cells() {
        assert_eq!(cells(0, 40), (1, 0));
        assert_eq!(cells(40, 40), (1, 40));
        assert_eq!(cells(41, 40), (2, 21));
        assert_eq!(cells(1000, 40), (25, 40));
    }
}
