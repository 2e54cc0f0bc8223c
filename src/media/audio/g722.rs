//! G.722 at 64 kbit/s: two bands of adaptive differences, a byte for two samples.
//!
//! The names are those of the blocks in ITU-T G.722, sections 4 to 6.

const WL: [i32; 8] = [-60, -30, 58, 172, 334, 538, 1198, 3042];
const RL42: [usize; 16] = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0];
const ILB: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
const WH: [i32; 3] = [0, -214, 798];
const RH2: [usize; 4] = [2, 1, 2, 1];
const QM2: [i32; 4] = [-7408, -1616, 7408, 1616];
const QM4: [i32; 16] = [
    0, -20_456, -12_896, -8968, -6288, -4240, -2584, -1200, 20_456, 12_896, 8968, 6288, 4240, 2584,
    1200, 0,
];
const QM6: [i32; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192,
    -10_232, -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168,
    -2776, -2400, -2032, -1688, -1360, -1040, -728, 24_808, 21_904, 19_008, 16_704, 14_984, 13_512,
    12_280, 11_192, 10_232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168,
    2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];
/// The filter that joins the bands.
const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// A decoder and its memory.
#[derive(Clone, Debug)]
pub(super) struct G722 {
    low: Band,
    high: Band,
    /// The latest sums and differences of the bands, the oldest first.
    joined: [i32; 24],
}

/// The predictor of one band.
#[derive(Clone, Debug, Default)]
struct Band {
    /// The prediction, and its part from the zeros.
    s: i32,
    sz: i32,
    r: [i32; 3],
    a: [i32; 3],
    p: [i32; 3],
    d: [i32; 7],
    b: [i32; 7],
    /// The logarithm of the step, and the step.
    nb: i32,
    det: i32,
}

impl Default for G722 {
    fn default() -> Self {
        Self {
            low: Band { det: 32, ..Band::default() },
            high: Band { det: 8, ..Band::default() },
            joined: [0; 24],
        }
    }
}

impl G722 {
    /// The two samples of a byte.
    pub(super) fn decode(&mut self, byte: u8) -> [i16; 2] {
        let (low, high) = (usize::from(byte & 0x3f), usize::from(byte >> 6));
        let quantized = |band: &Band, level: i32| (band.det * level) >> 15;
        let low_sum = (self.low.s + quantized(&self.low, at(&QM6, low))).clamp(-16_384, 16_383);
        let coarse = low >> 2;
        let difference = quantized(&self.low, at(&QM4, coarse));
        self.low.scale(at(&WL, at(&RL42, coarse)), 18_432, 8);
        self.low.predict(difference);
        let difference = quantized(&self.high, at(&QM2, high));
        let high_sum = (difference + self.high.s).clamp(-16_384, 16_383);
        self.high.scale(at(&WH, at(&RH2, high)), 22_528, 10);
        self.high.predict(difference);
        self.join(low_sum, high_sum)
    }

    fn join(&mut self, low: i32, high: i32) -> [i16; 2] {
        self.joined.rotate_left(2);
        let [.., sum, difference] = &mut self.joined;
        (*sum, *difference) = (low + high, low - high);
        let (mut first, mut second) = (0, 0);
        let pairs = self.joined.chunks_exact(2).zip(QMF).zip(QMF.iter().rev());
        for ((pair, forward), backward) in pairs {
            if let [even, odd] = pair {
                second += even * forward;
                first += odd * backward;
            }
        }
        [saturated(first >> 11) as i16, saturated(second >> 11) as i16]
    }
}

impl Band {
    /// LOGSCL and SCALEL, or LOGSCH and SCALEH.
    fn scale(&mut self, weight: i32, max: i32, shift: i32) {
        self.nb = (((self.nb * 127) >> 7) + weight).clamp(0, max);
        let mantissa = at(&ILB, (self.nb >> 6 & 31).unsigned_abs() as usize);
        let shift = shift - (self.nb >> 11);
        let step = if shift < 0 { mantissa << -shift } else { mantissa >> shift };
        self.det = step << 2;
    }

    /// Adapts the predictor to a difference, and predicts the next sample.
    fn predict(&mut self, difference: i32) {
        let [_, r1, _] = self.r;
        let [_, p1, p2] = self.p;
        let [_, a1, a2] = self.a;
        let r0 = saturated(self.s + difference);
        let p0 = saturated(self.sz + difference);
        let (is_same1, is_same2) = ((p0 < 0) == (p1 < 0), (p0 < 0) == (p2 < 0));
        // UPPOL2
        let turned = saturated(a1 << 2);
        let turned = if is_same1 { (-turned).min(32_767) } else { turned };
        let second = if is_same2 { 128 } else { -128 };
        let second = (second + (turned >> 7) + ((a2 * 32_512) >> 15)).clamp(-12_288, 12_288);
        // UPPOL1
        let limit = saturated(15_360 - second);
        let first = if is_same1 { 192 } else { -192 };
        let first = saturated(first + ((a1 * 32_640) >> 15)).clamp(-limit, limit);
        self.update_zeros(difference);
        // DELAYA
        self.r = [r0, r0, r1];
        self.p = [p0, p0, p1];
        self.a = [0, first, second];
        // FILTEP, FILTEZ, PREDIC
        let poles = ((first * saturated(r0 + r0)) >> 15) + ((second * saturated(r1 + r1)) >> 15);
        let zeros = self.d.iter().zip(self.b).skip(1);
        self.sz = saturated(zeros.map(|(d, b)| (b * saturated(d + d)) >> 15).sum());
        self.s = saturated(saturated(poles) + self.sz);
    }

    /// UPZERO, and the delay of the differences.
    fn update_zeros(&mut self, difference: i32) {
        let step = if difference == 0 { 0 } else { 128 };
        let mut updated = [0; 7];
        let older = self.b.iter().zip(self.d).skip(1);
        for (updated, (b, d)) in updated.iter_mut().skip(1).zip(older) {
            let turn = if (d < 0) == (difference < 0) { step } else { -step };
            *updated = saturated(turn + ((b * 32_640) >> 15));
        }
        self.b = updated;
        // The first place is that of the sample to come.
        let [next, ..] = &mut self.d;
        *next = difference;
        self.d.rotate_right(1);
    }
}

fn at<T: Copy + Default>(table: &[T], index: usize) -> T {
    table.get(index).copied().unwrap_or_default()
}

fn saturated(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three tones, encoded by the reference implementation of another hand.
    const CODES: [u8; 64] = [
        0xb7, 0x12, 0x26, 0x8c, 0x2c, 0xa0, 0xa0, 0xa0, 0x20, 0x20, 0xab, 0xa4, 0x37, 0x37, 0xb8,
        0x8d, 0x1b, 0x0e, 0x4e, 0x9a, 0xcd, 0x3e, 0xdd, 0x9a, 0xa9, 0x3a, 0x2b, 0xac, 0xb9, 0x29,
        0x7d, 0xfb, 0xb6, 0x4d, 0x3f, 0xd0, 0xcf, 0x7d, 0x0d, 0x7d, 0xbe, 0x57, 0x2a, 0x7f, 0xee,
        0xec, 0x3b, 0x6a, 0xbe, 0xdf, 0x73, 0x0e, 0xfd, 0x94, 0x4e, 0x7d, 0xcf, 0xff, 0xfb, 0x16,
        0x6b, 0xbd, 0x71, 0x6b,
    ];

    /// What that implementation decodes them to.
    const SAMPLES: [i16; 128] = [
        0, -1, -1, 0, 0, -1, -1, 1, 0, -4, 0, 9, -4, -22, 2, 18, 21, -36, -39, -12, 54, 90, 122,
        143, 368, 896, 1016, 1153, 3348, 6273, 6303, 4543, 7048, 12_345, 11_870, 5974, 2346, 2887,
        5395, 5607, 871, -4984, -6147, -2298, -1363, -6699, -10_597, -11_754, -8709, -4975, -7109,
        -11_250, -11_489, -6732, -2175, -3100, -5532, -5583, -2194, 5411, 5663, 1721, 2504, 4850,
        10_811, 11_729, 6808, 6914, 5691, 10_020, 13_808, 5659, 3391, 3271, 3909, 8185, 600, -4080,
        -4039, -4560, 793, -5234, -11_191, -9978, -9638, -4800, -5073, -13_414, -10_069, -8535,
        -3930, -548, -7544, -6008, -1616, 1226, 8109, 746, 670, 5870, 7507, 12_657, 8958, 3158,
        8842, 9619, 12_190, 10_294, 858, 4592, 4920, 5930, 5452, -6052, -3716, -1902, -3142, -616,
        -11_192, -11_716, -7511, -7648, -4233, -10_798, -13_480, -6379, -5631, -2114,
    ];

    #[test]
    fn decodes_to_the_bit() {
        let mut decoder = G722::default();
        let decoded: Vec<i16> = CODES.iter().flat_map(|code| decoder.decode(*code)).collect();
        assert_eq!(decoded, SAMPLES);
    }

    #[test]
    fn any_bytes_are_sound() {
        let mut decoder = G722::default();
        for turn in 0..2000_u32 {
            let byte = (turn.wrapping_mul(2_654_435_761) >> 24) as u8;
            decoder.decode(byte);
            decoder.decode([0x00, 0xff, 0x1f, 0xdf][turn as usize % 4]);
        }
    }
}
