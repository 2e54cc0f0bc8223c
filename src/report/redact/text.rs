//! Pseudonyms in a text, where it stands: addresses, numbers and words of it, one by one.
//!
//! A word stays only if it is one of the protocol's, and only where the caller says that such words
//! are to be expected. Signs between words stay, so that what is read of the text later is read in
//! the same way.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;
use std::sync::LazyLock;

use super::address::Addresses;
use super::key::Key;
use super::names::Names;

/// Words of the protocols, in lower case.
static VOCABULARY: LazyLock<HashSet<&'static [u8]>> = LazyLock::new(|| {
    let lines = include_str!("vocabulary.txt").lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_ascii_whitespace).map(str::as_bytes).collect()
});

/// The longest of them.
const WORD_MAX: usize = 24;

/// Words that stay wherever they stand, because they are put in the place of a name (RFC 3323,
/// section 4.1; RFC 2606) or name none.
const NOBODY: [&[u8]; 6] =
    [b"anonymous", b"invalid", b"localhost", b"unavailable", b"restricted", b"unknown"];

/// What branches begin with (RFC 3261, section 8.1.1.7).
const COOKIE: &[u8] = b"z9hg4bk";

/// A word that is longer is a secret or no word.
const NAME_MAX: usize = 128;

/// What the table has room for.
const TABLE_MAX: usize = 1 << 20;

/// Digits that are a number of somebody, where other digits are to be expected.
const NUMBER_MIN: usize = 5;

/// What may stay of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stays {
    /// Signs.
    Nothing,
    /// Words of the protocol, and small numbers that stand alone.
    Words,
    /// Words of the protocol and any number.
    Figures,
    /// All but addresses, and what looks like a number of somebody or of a device.
    Product,
    /// The same, with any number.
    Codec,
}

/// What stands for what.
pub type Table = BTreeMap<String, String>;

/// How much was replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// SIP messages.
    pub messages: u64,
    /// IP and MAC addresses, in headers and texts.
    pub addresses: u64,
    /// Telephone numbers and other numbers.
    pub numbers: u64,
    /// Names, parts of hosts and of identifiers.
    pub words: u64,
    /// Digests, keys, tokens.
    pub secrets: u64,
    /// Bytes of media and of what is not understood, put to zero.
    pub blanked: u64,
}

/// Puts pseudonyms in the place of what must not be told.
#[derive(Debug)]
pub(super) struct Pseudonyms {
    pub(super) names: Names,
    pub(super) addresses: Addresses,
    pub(super) counts: Counts,
    /// What stands for what, where that is asked for.
    pub(super) table: Option<Table>,
}

/// The part of a text; empty where it has none such.
pub(super) fn part(text: &mut [u8], range: Range<usize>) -> &mut [u8] {
    text.get_mut(range).unwrap_or_default()
}

impl Pseudonyms {
    pub(super) fn new(key: Key, keep_prefix: usize) -> Self {
        Self {
            names: Names::new(key.clone(), keep_prefix),
            addresses: Addresses::new(key),
            counts: Counts::default(),
            table: None,
        }
    }

    /// The pseudonym of an address in a header below SIP.
    pub(super) fn address(&mut self, address: IpAddr) -> IpAddr {
        self.counts.addresses += 1;
        let other = self.addresses.of(address);
        self.tabulate(|| (address.to_string(), other.to_string()));
        other
    }

    fn tabulate(&mut self, pair: impl FnOnce() -> (String, String)) {
        if let Some(table) = self.table.as_mut().filter(|table| table.len() < TABLE_MAX) {
            let (original, other) = pair();
            table.insert(original, other);
        }
    }

    /// Hides a secret.
    pub(super) fn secret(&mut self, text: &mut [u8]) {
        self.counts.secrets += 1;
        self.names.secret(text);
    }

    /// Puts bytes to zero.
    pub(super) fn blank(&mut self, bytes: &mut [u8]) {
        self.counts.blanked += bytes.len() as u64;
        bytes.fill(0);
    }

    /// A text of any kind.
    pub(super) fn text(&mut self, text: &mut [u8], stays: Stays) {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let before = at.checked_sub(1).and_then(|at| text.get(at)).copied();
            let length = match rest {
                [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    let is_sign = is_escaped_sign(*high, *low);
                    // A letter that is written so is part of a word that is not seen as one.
                    if !is_sign && let [_, high, low, ..] = part(text, at..at + 3) {
                        (*high, *low) = (b'7', b'E');
                    }
                    3
                }
                [first, ..] if first.is_ascii_alphanumeric() || *first == b':' => {
                    let is_within = before.is_some_and(|byte| byte.is_ascii_alphanumeric());
                    match address_length(rest).filter(|_| !is_within) {
                        Some(length) => {
                            self.address_text(part(text, at..at + length));
                            length + port_length(text.get(at + length..).unwrap_or_default())
                        }
                        None => self.run(text, at, before, stays),
                    }
                }
                [0x80..=0xff, ..] => {
                    let length = rest.iter().take_while(|byte| **byte >= 0x80).count();
                    self.counts.words += 1;
                    self.names.foreign(part(text, at..at + length));
                    length
                }
                _ => 1,
            };
            at += length.max(1);
        }
    }

    /// The word that begins there; gives its length.
    fn run(&mut self, text: &mut [u8], at: usize, before: Option<u8>, stays: Stays) -> usize {
        let rest = text.get(at..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let after = rest.get(length).copied();
        let word = part(text, at..at + length);
        if !remains(word, (before, after), stays) {
            self.word(word, before == Some(b'+'));
        }
        length
    }

    /// Letters and digits.
    fn word(&mut self, word: &mut [u8], is_global: bool) {
        let start = word.get(..COOKIE.len()).unwrap_or_default();
        let word = match start.eq_ignore_ascii_case(COOKIE) {
            true => part(word, COOKIE.len()..word.len()),
            false => word,
        };
        if word.is_empty() {
        } else if word.len() > NAME_MAX {
            self.secret(word);
        } else {
            let original = self.table.is_some().then(|| shown(word));
            if word.iter().all(u8::is_ascii_digit) {
                self.counts.numbers += 1;
                self.names.number(word, is_global);
            } else {
                self.counts.words += 1;
                self.names.word(word);
            }
            let plus = if is_global { "+" } else { "" };
            let pair = |original| (format!("{plus}{original}"), format!("{plus}{}", shown(word)));
            if let Some(original) = original {
                self.tabulate(|| pair(original));
            }
        }
    }

    /// A number with visual separators: its digits alone, in their places.
    pub(super) fn number(&mut self, text: &mut [u8]) {
        let is_global = text.first() == Some(&b'+');
        let mut digits: Vec<u8> = text.iter().copied().filter(u8::is_ascii_digit).collect();
        match digits.len() > NAME_MAX {
            true => self.secret(&mut digits),
            false => self.word(&mut digits, is_global),
        }
        let places = text.iter_mut().filter(|byte| byte.is_ascii_digit());
        places.zip(digits).for_each(|(place, digit)| *place = digit);
    }

    /// An address of one of the kinds that [`address_length`] tells.
    fn address_text(&mut self, text: &mut [u8]) {
        let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse::<Ipv6Addr>().ok());
        if let Some(address) = parsed {
            if let IpAddr::V6(other) = self.address(address.into()) {
                write_v6(text, other);
            }
        } else if let Some(octets) = quad(text) {
            if let IpAddr::V4(other) = self.address(octets.into()) {
                write_v4(text, other.octets());
            }
        } else if let Some(mac) = pairs(text).and_then(|pairs| <[u8; 6]>::try_from(pairs).ok()) {
            self.counts.addresses += 1;
            write_pairs(text, self.addresses.mac(mac));
        } else {
            self.secret(text);
        }
    }
}

fn shown(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

/// The word needs no pseudonym.
fn remains(word: &[u8], beside: (Option<u8>, Option<u8>), stays: Stays) -> bool {
    let is_number = word.iter().all(u8::is_ascii_digit);
    let lower = word.to_ascii_lowercase();
    let is_known = || word.len() <= WORD_MAX && VOCABULARY.contains(lower.as_slice());
    let joined = |sign: Option<u8>| sign.is_some_and(|sign| b"-._+*#@".contains(&sign));
    match stays {
        _ if NOBODY.contains(&lower.as_slice()) => true,
        Stays::Nothing => false,
        Stays::Words if is_number => word.len() <= 3 && !joined(beside.0) && !joined(beside.1),
        Stays::Figures if is_number => beside.0 != Some(b'+'),
        Stays::Words | Stays::Figures => is_known(),
        Stays::Product if is_number => word.len() < NUMBER_MIN,
        Stays::Codec if is_number => true,
        Stays::Product | Stays::Codec => {
            let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
            digits < NUMBER_MIN && !(word.len() >= 8 && is_hexadecimal(word) && digits > 0)
        }
    }
}

fn is_hexadecimal(word: &[u8]) -> bool {
    word.iter().all(u8::is_ascii_hexdigit)
}

/// `%40` and the like: no letter, no digit, nothing outside ASCII.
fn is_escaped_sign(high: u8, low: u8) -> bool {
    let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0);
    let byte = value(high) * 16 + value(low);
    byte < 0x80 && !u8::try_from(byte).is_ok_and(|byte| byte.is_ascii_alphanumeric())
}

/// The length of the address that the text begins with: IPv4, IPv6, or pairs of hexadecimal digits
/// as in MAC addresses and fingerprints.
fn address_length(text: &[u8]) -> Option<usize> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    match text.get(digits) {
        Some(b'.') if (1..=3).contains(&digits) => quad_length(text),
        Some(b':' | b'-') if digits <= 4 => {
            let is_part = |byte: &&u8| byte.is_ascii_hexdigit() || b":.".contains(byte);
            let length = text.iter().take_while(is_part).count();
            let is_v6 = |length: &usize| {
                let text = text.get(..*length).and_then(|text| std::str::from_utf8(text).ok());
                text.is_some_and(|text| text.parse::<Ipv6Addr>().is_ok())
            };
            let whole = Some(length).filter(is_v6);
            // A sentence or a port may follow.
            whole.or_else(|| length.checked_sub(1).filter(is_v6)).or_else(|| pairs_length(text))
        }
        _ => None,
    }
}

/// The length of `:5060` behind an address.
fn port_length(text: &[u8]) -> usize {
    let (sign, rest) = match text {
        [b':', rest @ ..] => (1, rest),
        [b']', b':', rest @ ..] => (2, rest),
        _ => return 0,
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if (1..=5).contains(&digits) { digits + sign } else { 0 }
}

/// Four numbers below 256 with dots between, and nothing that makes it more than that.
fn quad_length(text: &[u8]) -> Option<usize> {
    let is_part = |byte: &&u8| byte.is_ascii_digit() || **byte == b'.';
    let mut length = text.iter().take_while(is_part).count();
    // The full stop of a sentence.
    while text.get(..length)?.ends_with(b".") {
        length -= 1;
    }
    let is_word = text.get(length).is_some_and(u8::is_ascii_alphabetic);
    (!is_word && quad(text.get(..length)?).is_some()).then_some(length)
}

fn quad(text: &[u8]) -> Option<[u8; 4]> {
    let mut octets = [0; 4];
    let mut parts = text.split(|byte| *byte == b'.');
    for octet in &mut octets {
        let part = parts.next().filter(|part| (1..=3).contains(&part.len()))?;
        *octet = std::str::from_utf8(part).ok()?.parse().ok()?;
    }
    parts.next().is_none().then_some(octets)
}

fn write_v4(text: &mut [u8], octets: [u8; 4]) {
    for (place, octet) in text.split_mut(|byte| *byte == b'.').zip(octets) {
        let width = place.len();
        let digits = format!("{octet:0width$}");
        place.iter_mut().zip(digits.bytes()).for_each(|(place, digit)| *place = digit);
    }
}

/// Writes an address in the form that stands there: groups, their zeros, a gap, four octets.
fn write_v6(text: &mut [u8], address: Ipv6Addr) {
    let is_upper = text.iter().any(u8::is_ascii_uppercase);
    let has_octets = text.contains(&b'.');
    let gap = text.windows(2).position(|pair| pair == b"::");
    let count =
        |text: &[u8]| text.split(|byte| *byte == b':').filter(|group| !group.is_empty()).count();
    let behind = gap.and_then(|gap| text.get(gap..)).map_or(0, count) + usize::from(has_octets);
    let first_behind = 8 - behind.min(8);
    let groups = address.segments();
    let mut at = 0;
    let mut start = 0;
    for group in text.split_mut(|byte| *byte == b':') {
        if gap.is_some_and(|gap| start > gap && at < first_behind) {
            at = first_behind;
        }
        start += group.len() + 1;
        if group.contains(&b'.') {
            let [.., a, b, c, d] = address.octets();
            write_v4(group, [a, b, c, d]);
        } else if let Some(value) = groups.get(at).filter(|_| !group.is_empty()) {
            let width = group.len();
            let digits = match is_upper {
                true => format!("{value:0width$X}"),
                false => format!("{value:0width$x}"),
            };
            group.iter_mut().zip(digits.bytes()).for_each(|(place, digit)| *place = digit);
            at += 1;
        }
    }
}

/// The length of six pairs or more of hexadecimal digits, with one sign between all of them.
fn pairs_length(text: &[u8]) -> Option<usize> {
    let sign = *text.get(2)?;
    let is_pair = |at: usize| {
        let pair = text.get(at..at + 2);
        pair.is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit))
    };
    let mut length = 2;
    while text.get(length) == Some(&sign) && is_pair(length + 1) {
        length += 3;
    }
    let is_word = text.get(length).is_some_and(u8::is_ascii_alphanumeric);
    (is_pair(0) && length >= 17 && !is_word).then_some(length)
}

fn pairs(text: &[u8]) -> Option<Vec<u8>> {
    let value = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    text.chunks(3).map(|chunk| value(chunk.get(..2)?)).collect()
}

fn write_pairs(text: &mut [u8], bytes: [u8; 6]) {
    let is_upper = text.iter().any(u8::is_ascii_uppercase);
    for (place, byte) in text.chunks_mut(3).zip(bytes) {
        let digits = if is_upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
        place.iter_mut().zip(digits.bytes()).for_each(|(place, digit)| *place = digit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(text: &str, stays: Stays) -> String {
        let mut pseudonyms = Pseudonyms::new(Key::of(b"test"), 0);
        let mut bytes = text.as_bytes().to_vec();
        pseudonyms.text(&mut bytes, stays);
        assert_eq!(bytes.len(), text.len());
        String::from_utf8(bytes).expect("characters")
    }

    #[test]
    fn nothing_but_signs_stays_of_a_name() {
        let text = replaced("Alice O'Hara (Zoë) <+49 30 1234567>", Stays::Nothing);
        for gone in ["Alice", "Hara", "Zo", "ë", "1234567"] {
            assert!(!text.contains(gone), "{text}");
        }
        assert_eq!(text.find("O'"), None, "{text}");
        assert!(text.contains('\'') && text.contains(" (") && text.contains("<+49 "), "{text}");
        assert_eq!(
            replaced("Anonymous@anonymous.invalid", Stays::Nothing).to_lowercase(),
            "anonymous@anonymous.invalid"
        );
    }

    #[test]
    fn addresses_are_the_same_in_every_text() {
        let mut pseudonyms = Pseudonyms::new(Key::of(b"test"), 0);
        let v4 = pseudonyms.address([192, 168, 17, 5].into());
        let v6 = pseudonyms.address("2001:db8::a:1".parse::<Ipv6Addr>().expect("v6").into());
        let text = replaced(
            "at 192.168.17.5:5060, [2001:db8::a:1]:5061 2001:0DB8:0::0A:1. 192.168.17.5. v1.2.3.4",
            Stays::Words,
        );
        assert!(text.starts_with(&format!("at {v4}:5060, [{v6}]:5061 ")), "{text}");
        assert!(text.contains(&format!(" {v4}. ")), "{text}");
        assert!(!text.contains("DB8") && text.contains(":0::0"), "{text}");
        let mapped = replaced("::ffff:192.168.17.5", Stays::Nothing);
        assert_eq!(mapped, format!("::ffff:{v4}"));
    }

    #[test]
    fn pairs_are_one_thing() {
        let mac = replaced("00:1B:2c:03:04:05", Stays::Words);
        assert!(mac.starts_with("02:") && !mac.contains("1B"), "{mac}");
        let print = replaced("hash AB:CD:EF:01:23:45:67:89 10:30:00", Stays::Words);
        assert!(print.starts_with("hash ") && !print.contains("AB:CD"), "{print}");
        assert!(print.ends_with(" 10:30:00"), "{print}");
    }

    #[test]
    fn words_of_the_protocol_stay_where_they_may() {
        assert_eq!(replaced("Busy Here (486)", Stays::Words), "Busy Here (486)");
        let text = replaced("Busy at acme trunk 4711, ip-10-0-0-5", Stays::Words);
        assert!(text.starts_with("Busy at ") && text.contains(" trunk "), "{text}");
        assert!(!text.contains("acme") && !text.contains("4711"), "{text}");
        assert!(!text.contains("-10-0-0-5"), "{text}");
        assert_ne!(replaced("Busy", Stays::Nothing), "Busy");
        assert_eq!(replaced("314159 INVITE", Stays::Figures), "314159 INVITE");
        let agent =
            replaced("Yealink SIP-T46S 66.84.0.15 001565aBcd01 (Asterisk 18.2)", Stays::Product);
        assert!(agent.starts_with("Yealink SIP-T46S ") && agent.ends_with(" (Asterisk 18.2)"));
        assert!(!agent.contains("001565"), "{agent}");
    }

    #[test]
    fn escapes_hide_nothing() {
        let text = replaced("%61lice%40host%3Btag", Stays::Nothing);
        assert!(text.starts_with("%7E") && text.contains("%40") && text.contains("%3B"), "{text}");
        assert!(!text.contains("host"), "{text}");
        let branch = replaced("z9hG4bKabc123", Stays::Nothing);
        assert!(branch.starts_with("z9hG4bK") && !branch.ends_with("abc123"), "{branch}");
    }
}
