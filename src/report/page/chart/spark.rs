//! A line of tiny bars to stand in a table, beside the numbers that say the same.

use crate::report::page::svg::{number, rect};

/// Bars of a line; more values share one.
const BARS_MAX: usize = 32;

const STEP: f64 = 3.0;
const HEIGHT: f64 = 18.0;

/// The values as bars, the highest as high as the line; empty where all are 0.
pub(in crate::report::page) fn spark(values: &[u64]) -> String {
    let together = values.len().div_ceil(BARS_MAX).max(1);
    let sums: Vec<u64> = values.chunks(together).map(|part| part.iter().sum()).collect();
    let most = sums.iter().copied().max().unwrap_or_default();
    if most == 0 {
        return String::new();
    }
    let (width, height) = (number(STEP * sums.len() as f64), number(HEIGHT));
    let mut out = format!(
        "<svg class=\"spark\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" aria-hidden=\"true\">"
    );
    for (sum, at) in sums.iter().zip(0..) {
        if *sum > 0 {
            let bar = (HEIGHT * *sum as f64 / most as f64).max(1.0);
            rect([STEP * f64::from(at), HEIGHT - bar, STEP - 1.0, bar], "bar-plain", &mut out);
        }
    }
    out.push_str("</svg>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_fills_the_line() {
        let drawn = spark(&[0, 1, 2]);
        assert!(drawn.contains("width=\"9\" height=\"18\" aria-hidden=\"true\""), "{drawn}");
        assert_eq!(drawn.matches("<rect").count(), 2);
        assert!(drawn.contains("y=\"9\" width=\"2\" height=\"9\""), "{drawn}");
        assert_eq!(spark(&[0, 0]), "");
        assert_eq!(spark(&[]), "");
        assert!(spark(&vec![1; 10_000]).len() < 4000);
    }
}
