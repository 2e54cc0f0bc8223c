//! Bytes of what goes from one machine to another: results of the steps of a run.
//!
//! Both sides are the same version of the program. Bytes that are damaged, or of another version,
//! are told apart by a digest before anything is read of them; even without it, reading fails and
//! never panics, takes room only for what is there, and gives words of ours as the words they were.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest, Sha256};

/// Bytes of the digest.
const DIGEST_BYTES: usize = 16;

/// Words that are remembered; the program has fewer.
const WORDS_MAX: usize = 4096;

/// Bytes of the longest word.
const WORD_BYTES_MAX: usize = 128;

/// The bytes of a value, behind their digest.
///
/// There are none, and so none that could be read, where a list is longer than can be said of it.
pub(crate) fn to_bytes<T: BorshSerialize>(value: &T) -> Vec<u8> {
    let mut bytes = vec![0; DIGEST_BYTES];
    if value.serialize(&mut bytes).is_err() {
        return Vec::new();
    }
    let (place, own) = bytes.split_at_mut(DIGEST_BYTES);
    place.copy_from_slice(&digest(own));
    bytes
}

/// What [`to_bytes`] of the same version wrote; nothing of other bytes.
pub(crate) fn from_bytes<T: BorshDeserialize>(bytes: &[u8]) -> Option<T> {
    let (place, own) = bytes.split_first_chunk::<DIGEST_BYTES>()?;
    if *place != digest(own) {
        return None;
    }
    borsh::from_slice(own).ok()
}

fn digest(bytes: &[u8]) -> [u8; DIGEST_BYTES] {
    let version = concat!("siptrace ", env!("CARGO_PKG_VERSION"), "\n");
    let whole = Sha256::new().chain_update(version).chain_update(bytes).finalize();
    let mut digest = [0; DIGEST_BYTES];
    digest.iter_mut().zip(whole).for_each(|(own, byte)| *own = byte);
    digest
}

/// Says that bytes are not what was written.
pub(crate) fn damaged() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

/// A word of ours, such as the name of a rule: there is one of each, and it stays.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Word(&'static str);

/// The words that were read; each takes its room once.
static KNOWN: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);

impl BorshDeserialize for Word {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        let length = u32::deserialize_reader(reader)? as usize;
        let mut bytes = [0; WORD_BYTES_MAX];
        let bytes = bytes.get_mut(..length).ok_or_else(damaged)?;
        reader.read_exact(bytes)?;
        let text = str::from_utf8(bytes).map_err(|_| damaged())?;
        // A panic elsewhere leaves the set as it was.
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        one_of(known.get_or_insert_default(), text).map(Self).ok_or_else(damaged)
    }
}

/// The same word, for good; nothing where there are too many.
fn one_of(known: &mut HashSet<&'static str>, text: &str) -> Option<&'static str> {
    if let Some(word) = known.get(text) {
        return Some(word);
    }
    if known.len() >= WORDS_MAX {
        return None;
    }
    let word: &'static str = Box::leak(Box::from(text));
    known.insert(word);
    Some(word)
}

/// Reads a word.
pub(crate) fn word<R: Read>(reader: &mut R) -> io::Result<&'static str> {
    Word::deserialize_reader(reader).map(|Word(word)| word)
}

/// Reads a word, or that there is none.
pub(crate) fn maybe_word<R: Read>(reader: &mut R) -> io::Result<Option<&'static str>> {
    Ok(Option::<Word>::deserialize_reader(reader)?.map(|Word(word)| word))
}

/// Reads several words.
pub(crate) fn words<R: Read>(reader: &mut R) -> io::Result<Vec<&'static str>> {
    let words = Vec::<Word>::deserialize_reader(reader)?;
    Ok(words.into_iter().map(|Word(word)| word).collect())
}

/// Reads values by words.
pub(crate) fn by_word<R, V, C>(reader: &mut R) -> io::Result<C>
where
    R: Read,
    V: BorshDeserialize,
    C: FromIterator<(&'static str, V)>,
{
    let all = Vec::<(Word, V)>::deserialize_reader(reader)?;
    Ok(all.into_iter().map(|(Word(word), value)| (word, value)).collect())
}

/// Reads values by two words.
pub(crate) fn by_words<R, V, C>(reader: &mut R) -> io::Result<C>
where
    R: Read,
    V: BorshDeserialize,
    C: FromIterator<((&'static str, &'static str), V)>,
{
    let all = Vec::<((Word, Word), V)>::deserialize_reader(reader)?;
    Ok(all.into_iter().map(|((Word(one), Word(other)), value)| ((one, other), value)).collect())
}

/// Writes a path as it is.
pub(crate) fn write_path<W: Write>(path: &Path, writer: &mut W) -> io::Result<()> {
    path.as_os_str().as_encoded_bytes().serialize(writer)
}

/// Reads a path; where file names are text, what is none of it is replaced.
pub(crate) fn path<R: Read>(reader: &mut R) -> io::Result<PathBuf> {
    let bytes = Vec::<u8>::deserialize_reader(reader)?;
    #[cfg(unix)]
    let path = <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes).into();
    #[cfg(not(unix))]
    let path = String::from_utf8_lossy(&bytes).into_owned().into();
    Ok(path)
}

/// What damage makes of bytes, the same in every run: beginnings of them, and bytes that are
/// others. At most so many of each.
#[cfg(test)]
pub(crate) fn damages(bytes: &[u8], most: usize) -> impl Iterator<Item = Vec<u8>> {
    let step = bytes.len() / most + 1;
    let cut = (0..bytes.len()).step_by(step).map(|end| bytes.iter().take(end).copied().collect());
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let flipped = (0..most.min(bytes.len() * 8)).map(move |_| {
        let mut own = bytes.to_vec();
        let place = (next() % own.len() as u64) as usize;
        let byte = [0, 0xff, next() as u8][(next() % 3) as usize];
        own[place] = if own[place] == byte { !byte } else { byte };
        own
    });
    cut.chain(flipped)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_word_is_read_as_the_same_word() {
        let bytes = borsh::to_vec(&["acme-word", "acme-word"].as_slice()).expect("it fits");
        let words = words(&mut bytes.as_slice()).expect("they are words");
        assert_eq!(words, ["acme-word"; 2]);
        assert!(std::ptr::eq(words[0], words[1]));
        let counts = BTreeMap::from([("one", 1_u64), ("two", 2)]);
        let bytes = borsh::to_vec(&counts).expect("it fits");
        assert_eq!(by_word(&mut bytes.as_slice()).ok(), Some(counts));
    }

    #[test]
    fn what_is_no_word_is_not_read() {
        let long = "a".repeat(WORD_BYTES_MAX + 1);
        for text in [long.as_bytes(), b"\xff"] {
            let bytes = borsh::to_vec(text).expect("it fits");
            assert!(word(&mut bytes.as_slice()).is_err());
        }
        assert!(word(&mut &b"\xff\xff\xff\xffa"[..]).is_err());
    }

    #[test]
    fn words_have_a_bound() {
        let mut known = HashSet::new();
        for number in 0..WORDS_MAX {
            assert!(one_of(&mut known, &number.to_string()).is_some());
        }
        assert_eq!(one_of(&mut known, "one more"), None);
        assert_eq!((one_of(&mut known, "7"), known.len()), (Some("7"), WORDS_MAX));
    }

    #[test]
    fn damage_is_seen() {
        let value = (7_u64, vec!["text".to_owned()]);
        let bytes = to_bytes(&value);
        assert_eq!(from_bytes(&bytes), Some(value));
        for length in 0..bytes.len() {
            assert!(from_bytes::<(u64, Vec<String>)>(&bytes[..length]).is_none(), "{length}");
        }
        for place in 0..bytes.len() {
            let mut other = bytes.clone();
            other[place] ^= 1;
            assert!(from_bytes::<(u64, Vec<String>)>(&other).is_none(), "{place}");
        }
    }

    #[test]
    fn paths_are_read_as_they_were() {
        let own = Path::new("/captures/a\u{e4}.pcap");
        let mut bytes = Vec::new();
        write_path(own, &mut bytes).expect("it fits");
        assert_eq!(path(&mut bytes.as_slice()).expect("a path"), own);
    }
}
