//! Key logs: the secrets that a TLS endpoint wrote down, one a line (RFC 9850).

use rustc_hash::FxHashMap;

use crate::capture::FrameId;
use crate::limits::KEY_LINES_MAX;

/// The longest secret: 64 bytes would be a hash of 512 bits.
const SECRET_BYTES_MAX: usize = 64;

/// Secrets by the random number of the ClientHello.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct KeyLog {
    lines: FxHashMap<[u8; 32], Vec<Line>>,
    count: usize,
    max: usize,
    dropped: u64,
}

impl Default for KeyLog {
    fn default() -> Self {
        Self::with_room_for(KEY_LINES_MAX)
    }
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Line {
    label: Label,
    secret: Vec<u8>,
    /// It counts from this frame on, of this capture only.
    from: Option<FrameId>,
}

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub(super) enum Label {
    /// The master secret of TLS 1.2.
    Master,
    /// What the client sends in the handshake of TLS 1.3.
    ClientHandshake,
    /// What the server sends in it.
    ServerHandshake,
    /// What the client sends after the handshake of TLS 1.3.
    ClientTraffic,
    /// What the server sends after it.
    ServerTraffic,
}

impl Label {
    fn of(word: &[u8]) -> Option<Self> {
        match word {
            b"CLIENT_RANDOM" => Some(Self::Master),
            b"CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Some(Self::ClientHandshake),
            b"SERVER_HANDSHAKE_TRAFFIC_SECRET" => Some(Self::ServerHandshake),
            b"CLIENT_TRAFFIC_SECRET_0" => Some(Self::ClientTraffic),
            b"SERVER_TRAFFIC_SECRET_0" => Some(Self::ServerTraffic),
            _ => None,
        }
    }
}

impl KeyLog {
    /// A log of so many lines at most.
    pub fn with_room_for(max: usize) -> Self {
        Self { lines: FxHashMap::default(), count: 0, max, dropped: 0 }
    }

    /// Takes the lines of a key log and returns how many keys there were. Those that a capture
    /// carries count for its frames from the one named on.
    ///
    /// Keys of early data and of exporters are counted, not kept. Other lines are passed over.
    pub fn add(&mut self, text: &[u8], from: Option<FrameId>) -> usize {
        let mut keys = 0;
        for line in text.split(|byte| matches!(byte, b'\n' | b'\r')) {
            let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            let (Some(word), Some(random), Some(secret)) =
                (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let (Some(random), Some(secret)) = (bytes_of(random), bytes_of(secret)) else {
                continue;
            };
            let Ok(random) = <[u8; 32]>::try_from(random) else { continue };
            keys += 1;
            let Some(label) = Label::of(word) else { continue };
            if self.count < self.max {
                self.count += 1;
                self.lines.entry(random).or_default().push(Line { label, secret, from });
            } else {
                self.dropped += 1;
            }
        }
        keys
    }

    /// Lines for which there was no room.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// There is no secret that could be of use.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The secret of a connection, as far as it is known at a frame.
    pub(super) fn find(&self, random: &[u8; 32], label: Label, at: FrameId) -> Option<&[u8]> {
        let is_known = |line: &&Line| {
            line.label == label
                && line
                    .from
                    .is_none_or(|from| from.capture == at.capture && from.number <= at.number)
        };
        let lines = self.lines.get(random)?;
        lines.iter().find(is_known).map(|line| line.secret.as_slice())
    }
}

/// The bytes of hexadecimal digits.
fn bytes_of(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_chunks::<2>();
    let is_sound = rest.is_empty() && !pairs.is_empty() && pairs.len() <= SECRET_BYTES_MAX;
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    if is_sound { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_of_use() {
        let random = "0a".repeat(32);
        let text = format!(
            "# a comment\r\nCLIENT_RANDOM {random} {}\r\nSERVER_TRAFFIC_SECRET_0 {random} FFee\n\
             EXPORTER_SECRET {random} 00\nCLIENT_RANDOM {random}\nCLIENT_RANDOM 0a0b 00\n\
             CLIENT_RANDOM {random} 0g\nRSA 0102030405060708 00\n\nnoise \u{e9}\n",
            "01".repeat(48)
        );
        let mut keys = KeyLog::default();
        assert_eq!(keys.add(text.as_bytes(), None), 3);
        let at = FrameId::default();
        assert_eq!(keys.find(&[10; 32], Label::Master, at), Some(&[1; 48][..]));
        assert_eq!(keys.find(&[10; 32], Label::ServerTraffic, at), Some(&[255, 238][..]));
        assert_eq!(keys.find(&[10; 32], Label::ClientTraffic, at), None);
        assert_eq!(keys.find(&[11; 32], Label::Master, at), None);
    }

    #[test]
    fn the_log_is_bounded_and_says_so() {
        let mut keys = KeyLog::with_room_for(3);
        for number in 0..5 {
            let line = format!("CLIENT_RANDOM {} 0{number}", format!("{number:02}").repeat(32));
            assert_eq!(keys.add(line.as_bytes(), None), 1);
        }
        let find = |random: u8| keys.find(&[random; 32], Label::Master, FrameId::default());
        assert_eq!([find(0), find(2), find(3)], [Some(&[0][..]), Some(&[2][..]), None]);
        assert_eq!(keys.dropped(), 2);
    }

    #[test]
    fn keys_of_a_capture_count_where_they_stand() {
        let mut keys = KeyLog::default();
        let line = format!("CLIENT_RANDOM {} 00", "0a".repeat(32));
        keys.add(line.as_bytes(), Some(FrameId { capture: 1, number: 7 }));
        let find = |capture, number| {
            keys.find(&[10; 32], Label::Master, FrameId { capture, number }).is_some()
        };
        assert_eq!([find(1, 6), find(1, 7), find(1, 8), find(0, 9)], [false, true, true, false]);
    }
}
