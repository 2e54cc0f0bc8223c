//! Pseudonyms of numbers, names and secrets: as long as these, letters for letters and digits for
//! digits, the same wherever the same stands.
//!
//! What a word means is not known here. Two words never get the same pseudonym.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::key::{Key, Place};

/// Pseudonyms that are remembered; beyond that they are worked out again.
const REMEMBERED_MAX: usize = 1 << 18;

/// Digits at the end of a number that get a pseudonym together. Those before them get it one by
/// one, by what stands behind them, so that a number stays the same one with any prefix.
const TAIL: usize = 7;

/// A number of so many digits has a country code, if it does not begin with a zero.
const INTERNATIONAL: usize = 11;

/// A number has no more digits (ITU-T E.164 has 15), with room for a prefix.
const DIGITS_MAX: usize = 18;

/// Hexadecimal texts of so many digits stay hexadecimal.
const HEXADECIMAL: usize = 12;

/// Numbers that call for help somewhere; they are nobody's.
const HELP: [&[u8]; 14] = [
    b"110", b"111", b"112", b"113", b"114", b"115", b"116117", b"117", b"118", b"119", b"911",
    b"933", b"988", b"999",
];

/// Country codes of two digits by their first, then their second one; the others have three, those
/// that begin with 1 and 7 one.
const TWO_DIGITS: [&[u8]; 10] =
    [b"", b"", b"07", b"0123469", b"013456789", b"12345678", b"0123456", b"", b"1246", b"0123458"];

/// Makes pseudonyms of words.
#[derive(Debug)]
pub(super) struct Names {
    key: Key,
    /// Digits behind the country code that stay.
    keep_prefix: usize,
    known: HashMap<Vec<u8>, Vec<u8>, RandomState>,
}

impl Names {
    pub(super) fn new(key: Key, keep_prefix: usize) -> Self {
        Self { key, keep_prefix, known: HashMap::default() }
    }

    /// Puts its pseudonym in the place of a word: letters and digits alone.
    pub(super) fn word(&mut self, word: &mut [u8]) {
        if word.iter().all(u8::is_ascii_digit) {
            return self.number(word, false);
        }
        self.remembered(word, Self::named);
    }

    /// Puts its pseudonym in the place of a number: digits alone. `is_global` where a `+` stands
    /// before it.
    pub(super) fn number(&mut self, digits: &mut [u8], is_global: bool) {
        if HELP.contains(&&*digits) || digits.is_empty() {
            return;
        }
        let kept = self.kept(digits, is_global);
        let (_, rest) = digits.split_at_mut_checked(kept).unwrap_or_default();
        let (prefix, tail) =
            rest.split_at_mut_checked(rest.len().saturating_sub(TAIL)).unwrap_or_default();
        let is_help = HELP.contains(&&*tail);
        let mut behind = tail.to_vec();
        for at in (0..prefix.len()).rev() {
            let Some(digit) = prefix.get_mut(at) else { continue };
            behind.insert(0, *digit);
            // A zero stays one: it may be a prefix of its own.
            if let value @ 1..=9 = digit.wrapping_sub(b'0') {
                let shown = behind.get(1..).unwrap_or_default();
                let stream = self.key.stream("prefix", &[shown], 1);
                let by = stream.first().map_or(0, |byte| byte % 8 + 1);
                *digit = b'1' + (value - 1 + by) % 9;
            }
        }
        self.remembered(tail, |names, tail| {
            let first = tail.first().copied();
            names.digits(tail);
            // A number does not begin with a zero if it did not before, and the other way round;
            // and none becomes a call for help.
            while (tail.first() == Some(&b'0')) != (first == Some(b'0'))
                || HELP.contains(&&*tail) && !is_help
            {
                names.digits(tail);
            }
        });
    }

    /// Hides a secret: each letter and digit becomes another one by all of the text. What was
    /// hexadecimal stays so.
    pub(super) fn secret(&self, text: &mut [u8]) {
        let stream = self.key.stream("secret", &[text], text.len());
        let is_hex =
            text.iter().filter(|byte| byte.is_ascii_alphanumeric()).all(u8::is_ascii_hexdigit);
        let is_upper = text.iter().any(u8::is_ascii_uppercase);
        for (byte, by) in text.iter_mut().zip(stream) {
            *byte = match *byte {
                b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' if is_hex => hex(by & 15, is_upper),
                b'0'..=b'9' => b'0' + by % 10,
                b'a'..=b'z' => b'a' + by % 26,
                b'A'..=b'Z' => b'A' + by % 26,
                0x80.. => b'?',
                other => other,
            };
        }
    }

    /// Hides characters outside ASCII: each becomes another letter of as many bytes.
    pub(super) fn foreign(&self, text: &mut [u8]) {
        let stream = self.key.stream("foreign", &[text], text.len() * 2);
        let (pairs, _) = stream.as_chunks::<2>();
        let mut at = 0;
        while let Some(rest) = text.get_mut(at..).filter(|rest| !rest.is_empty()) {
            let valid = match std::str::from_utf8(rest) {
                Ok(valid) => valid,
                Err(error) => {
                    let valid = rest.get(..error.valid_up_to()).unwrap_or_default();
                    std::str::from_utf8(valid).unwrap_or_default()
                }
            };
            let Some(length) = valid.chars().next().map(char::len_utf8) else {
                // What was no character stays none.
                if let Some(byte) = rest.first_mut() {
                    *byte = 0xff;
                }
                at += 1;
                continue;
            };
            if length == 1 {
                at += 1;
                continue;
            }
            let by = pairs.get(at).map_or(0, |pair| u32::from(u16::from_be_bytes(*pair)));
            let other = match length {
                2 => 0x100 + by % 0x80,
                3 => 0x4e00 + by % 0x5000,
                _ => 0x2_0000 + by % 0xa000,
            };
            let mut bytes = [0; 4];
            let other = char::from_u32(other).unwrap_or('?').encode_utf8(&mut bytes);
            for (place, byte) in rest.iter_mut().take(length).zip(other.bytes()) {
                *place = byte;
            }
            at += length;
        }
    }

    /// Leading digits that stay: prefixes and the country code.
    fn kept(&self, digits: &[u8], is_global: bool) -> usize {
        let prefix = match digits {
            _ if digits.len() > DIGITS_MAX => return 0,
            _ if is_global => 0,
            [b'0', b'0', b'1'..=b'9', ..] if digits.len() > TAIL => 2,
            [b'0', b'1', b'1', b'1'..=b'9', ..] if digits.len() > INTERNATIONAL => 3,
            [b'0', ..] => return 1 + self.keep_prefix.min(digits.len() - 1),
            _ if digits.len() >= INTERNATIONAL => 0,
            _ => return self.keep_prefix.min(digits.len()),
        };
        let number = digits.get(prefix..).unwrap_or_default();
        (prefix + country_code(number) + self.keep_prefix).min(digits.len())
    }

    fn remembered(&mut self, word: &mut [u8], make: impl FnOnce(&Self, &mut [u8])) {
        match self.known.get(word) {
            Some(other) => word.copy_from_slice(other),
            None => {
                let original = word.to_vec();
                make(self, word);
                if self.known.len() < REMEMBERED_MAX {
                    self.known.insert(original, word.to_vec());
                }
            }
        }
    }

    fn digits(&self, digits: &mut [u8]) {
        let place = |digit: &u8| Place { value: u16::from(digit.wrapping_sub(b'0')), bound: 10 };
        let mut places: Vec<Place> = digits.iter().map(place).collect();
        self.key.permute("number", &mut places);
        for (digit, place) in digits.iter_mut().zip(places) {
            *digit = b'0' + place.value as u8;
        }
    }

    /// Upper and lower case stay where they were, and two spellings of a word stay two.
    fn named(&self, word: &mut [u8]) {
        let has = |is: fn(&u8) -> bool| word.iter().any(is);
        let is_hex = word.len() >= HEXADECIMAL && word.iter().all(u8::is_ascii_hexdigit);
        let is_mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
        if is_hex && !is_mixed {
            return self.hexadecimal(word);
        }
        let place = |byte: &u8| match byte {
            b'0'..=b'9' => Place { value: u16::from(byte - b'0'), bound: 10 },
            letter => {
                let letter = letter.to_ascii_lowercase().wrapping_sub(b'a');
                Place { value: u16::from(letter % 26), bound: 26 }
            }
        };
        let mut places: Vec<Place> = word.iter().map(place).collect();
        self.key.permute("word", &mut places);
        for (byte, place) in word.iter_mut().zip(places) {
            *byte = match *byte {
                b'0'..=b'9' => b'0' + place.value as u8,
                b'A'..=b'Z' => b'A' + place.value as u8,
                _ => b'a' + place.value as u8,
            };
        }
    }

    fn hexadecimal(&self, word: &mut [u8]) {
        let is_upper = word.iter().any(u8::is_ascii_uppercase);
        let value = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or(0) as u16;
        let mut places: Vec<Place> =
            word.iter().map(|byte| Place { value: value(byte), bound: 16 }).collect();
        self.key.permute("hexadecimal", &mut places);
        for (byte, place) in word.iter_mut().zip(places) {
            *byte = hex(place.value as u8, is_upper);
        }
    }
}

const fn hex(value: u8, is_upper: bool) -> u8 {
    match value {
        0..=9 => b'0' + value,
        _ if is_upper => b'A' + value - 10,
        _ => b'a' + value - 10,
    }
}

/// How many digits the country code has that a global number begins with (ITU-T E.164).
fn country_code(digits: &[u8]) -> usize {
    match digits {
        [b'1' | b'7', ..] => 1,
        [first @ b'0'..=b'9', second, ..] => {
            let seconds = TWO_DIGITS.get(usize::from(first - b'0')).copied().unwrap_or_default();
            if seconds.contains(second) { 2 } else { 3.min(digits.len()) }
        }
        _ => digits.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new(Key::of(b"test"), 0)
    }

    fn number(names: &mut Names, text: &str) -> String {
        let (plus, digits) = match text.strip_prefix('+') {
            Some(digits) => ("+", digits),
            None => ("", text),
        };
        let mut bytes = digits.as_bytes().to_vec();
        names.number(&mut bytes, !plus.is_empty());
        format!("{plus}{}", String::from_utf8_lossy(&bytes))
    }

    fn word(names: &mut Names, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        names.word(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[test]
    fn a_number_stays_the_same_one_with_any_prefix() {
        let mut names = names();
        let global = number(&mut names, "+493012345678");
        assert!(global.starts_with("+49") && global.len() == 13 && global != "+493012345678");
        let national = &global[3..];
        assert_eq!(number(&mut names, "00493012345678"), format!("0049{national}"));
        assert_eq!(number(&mut names, "493012345678"), format!("49{national}"));
        assert_eq!(number(&mut names, "03012345678"), format!("0{national}"));
        assert_eq!(number(&mut names, "3012345678"), national);
        assert!(!national.starts_with('0'));
        assert_eq!(number(&mut names, "+12125551212")[..2], *"+1");
        assert_eq!(number(&mut names, "+358401234567")[..4], *"+358");
    }

    #[test]
    fn calls_for_help_stay_and_prefixes_where_asked_for() {
        let mut names = names();
        assert_eq!(number(&mut names, "112"), "112");
        assert_ne!(number(&mut names, "4711"), "4711");
        let mut names = Names::new(Key::of(b"test"), 2);
        assert_eq!(number(&mut names, "+493012345678")[..5], *"+4930");
        assert_eq!(number(&mut names, "03012345678")[..3], *"030");
    }

    #[test]
    fn words_keep_their_shape_and_case() {
        let mut names = names();
        let alice = word(&mut names, "alice");
        assert!(alice.len() == 5 && alice != "alice" && alice.is_ascii());
        let capital = word(&mut names, "Alice");
        assert_eq!(capital.to_lowercase(), alice);
        assert_ne!(capital, alice);
        let mixed = word(&mut names, "line7");
        assert!(mixed.ends_with(|last: char| last.is_ascii_digit()));
        let hash = word(&mut names, "0123456789abcdef");
        assert!(hash.bytes().all(|byte| byte.is_ascii_hexdigit()) && hash != "0123456789abcdef");
    }

    #[test]
    fn secrets_and_other_scripts_keep_their_length() {
        let names = names();
        let mut secret = *b"AB:CD:EF:01:23";
        names.secret(&mut secret);
        assert_eq!(secret.iter().filter(|byte| **byte == b':').count(), 4);
        assert!(secret != *b"AB:CD:EF:01:23" && !secret.iter().any(u8::is_ascii_lowercase));
        let mut text = "Zoë 花子".as_bytes().to_vec();
        names.foreign(&mut text[2..4]);
        names.foreign(&mut text[5..]);
        let text = String::from_utf8(text).expect("characters");
        assert_eq!(text.chars().count(), 6);
        assert!(!text.contains(['ë', '花', '子']), "{text}");
        let mut broken = [0xc3, 0x28, 0xff];
        names.foreign(&mut broken);
        assert_eq!(broken, [0xff, 0x28, 0xff]);
    }
}
