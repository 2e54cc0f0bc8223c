//! G.711: a byte a sample, compressed by a law of logarithms.

/// A sample of 16 bits from one of mu-law.
pub(super) fn of_mu_law(byte: u8) -> i16 {
    const BIAS: i16 = 0x84;
    let byte = !byte;
    let magnitude = (i16::from(byte & 0x0f) << 3 | BIAS) << (byte >> 4 & 7);
    let magnitude = magnitude - BIAS;
    if byte & 0x80 == 0 { magnitude } else { -magnitude }
}

/// A sample of 16 bits from one of A-law.
pub(super) fn of_a_law(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let segment = byte >> 4 & 7;
    let magnitude = i16::from(byte & 0x0f) << 4 | 8;
    let magnitude = match segment {
        0 => magnitude,
        segment => (magnitude | 0x100) << (segment - 1),
    };
    if byte & 0x80 == 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_the_loudest_samples() {
        assert_eq!((of_mu_law(0xff), of_mu_law(0x7f)), (0, 0));
        assert_eq!((of_mu_law(0x80), of_mu_law(0x00)), (32_124, -32_124));
        assert_eq!((of_mu_law(0xf0), of_mu_law(0xe0)), (120, 372));
        assert_eq!((of_a_law(0xd5), of_a_law(0x55)), (8, -8));
        assert_eq!((of_a_law(0xaa), of_a_law(0x2a)), (32_256, -32_256));
        assert_eq!((of_a_law(0xc5), of_a_law(0xf5)), (264, 528));
    }

    #[test]
    fn both_laws_grow_with_their_codes() {
        let rising = |samples: Vec<i16>| samples.is_sorted_by(|a, b| a < b);
        assert!(rising((0x80..=0xff).rev().map(of_mu_law).collect()));
        assert!(rising((0x80_u8..=0xff).map(|code| of_a_law(code ^ 0x55)).collect()));
    }
}
