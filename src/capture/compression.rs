//! Compressed captures, told by their first bytes.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::{Decompress, FlushDecompress, Status};

#[cfg(feature = "xz")]
use crate::limits::XZ_DECODER_BYTES_MAX;
use crate::limits::{EXPANDED_BYTES_FREE, EXPANSION_MAX};

/// The largest window of a gzip member, as a power of two (RFC 1951, section 2).
const GZIP_WINDOW_BITS: u8 = 15;

/// Input bytes handed to a decoder at a time.
const INPUT_BYTES: usize = 128 << 10;

/// How a capture is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
    Lz4,
    Xz,
    Bzip2,
}

impl Compression {
    /// Bytes that tell all kinds apart.
    pub(super) const HEAD: usize = 6;

    /// What the first bytes of a file say.
    pub(super) fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or one to be skipped before it.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Lz4,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => Self::Bzip2,
            _ => Self::None,
        }
    }

    /// The name as it stands in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        }
    }

    /// What is inside. Members that follow one another are one input. Reading fails with [`Bomb`]
    /// where that is far more than any capture.
    pub(super) fn decoder(self, input: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
        let taken = Arc::new(AtomicU64::new(0));
        let decoder = self.unbounded(Counted { input, taken: Arc::clone(&taken) })?;
        Ok(Box::new(Bounded { decoder, taken, given: 0, free: EXPANDED_BYTES_FREE }))
    }

    fn unbounded(self, input: Counted) -> io::Result<Box<dyn Read + Send>> {
        let input = BufReader::with_capacity(INPUT_BYTES, input);
        match self {
            Self::None => Ok(Box::new(input)),
            Self::Gzip => Ok(Box::new(Gzip { input, member: None, failure: None })),
            #[cfg(feature = "zstd")]
            Self::Zstd => Ok(Box::new(zstd::stream::read::Decoder::with_buffer(input)?)),
            #[cfg(feature = "lz4")]
            Self::Lz4 => Ok(Box::new(Lz4(lz4_flex::frame::FrameDecoder::new(input)))),
            #[cfg(feature = "xz")]
            Self::Xz => {
                let flags = liblzma::stream::CONCATENATED;
                let stream =
                    liblzma::stream::Stream::new_auto_decoder(XZ_DECODER_BYTES_MAX, flags)?;
                Ok(Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream)))
            }
            #[cfg(feature = "bzip2")]
            Self::Bzip2 => Ok(Box::new(bzip2::bufread::MultiBzDecoder::new(input))),
            #[allow(unreachable_patterns, reason = "which kinds are left depends on features")]
            _ => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("this build of siptrace reads no {}", self.name()),
            )),
        }
    }
}

/// Why reading stops: the data unfold to more than a capture does.
#[derive(Debug, thiserror::Error)]
#[error("the compressed data unfold to more than {EXPANSION_MAX} times their size")]
pub(super) struct Bomb;

impl Bomb {
    /// It is why reading failed.
    pub(super) fn is_cause_of(error: &io::Error) -> bool {
        matches!(error.get_ref(), Some(cause) if cause.is::<Self>())
    }
}

/// Counts the bytes that a decoder takes.
struct Counted {
    input: Box<dyn Read + Send>,
    taken: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(into)?;
        self.taken.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// A decoder that stops before it has given too much for what it took.
struct Bounded {
    decoder: Box<dyn Read + Send>,
    taken: Arc<AtomicU64>,
    given: u64,
    free: u64,
}

impl Read for Bounded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let is_over = self.given > self.free
            && self.given / EXPANSION_MAX > self.taken.load(Ordering::Relaxed);
        if is_over {
            return Err(io::Error::other(Bomb));
        }
        let length = self.decoder.read(into)?;
        self.given += length as u64;
        Ok(length)
    }
}

/// All members of a gzip file (RFC 1952). What comes out before the damage is given before the
/// error, which the readers of the library do not: they lose what they had when they met it.
struct Gzip<R> {
    input: R,
    /// Nothing between two members.
    member: Option<Decompress>,
    /// What comes after the bytes given last.
    failure: Option<io::Error>,
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            let input = self.input.fill_buf()?;
            let is_at_end = input.is_empty();
            if into.is_empty() || (is_at_end && self.member.is_none()) {
                return Ok(0);
            }
            let member = self.member.get_or_insert_with(|| Decompress::new_gzip(GZIP_WINDOW_BITS));
            let (taken, given) = (member.total_in(), member.total_out());
            let outcome = member.decompress(input, into, FlushDecompress::None);
            let taken = (member.total_in() - taken) as usize;
            let given = (member.total_out() - given) as usize;
            self.input.consume(taken);
            match outcome {
                Ok(Status::StreamEnd) => self.member = None,
                Ok(_) if taken > 0 || given > 0 => {}
                Ok(_) => self.failure = Some(io::ErrorKind::UnexpectedEof.into()),
                Err(damage) => {
                    self.failure = Some(io::Error::new(io::ErrorKind::InvalidData, damage));
                }
            }
            if given > 0 {
                return Ok(given);
            }
        }
    }
}

/// All frames of an lz4 file; the decoder stops after each.
#[cfg(feature = "lz4")]
struct Lz4<R: Read>(lz4_flex::frame::FrameDecoder<R>);

#[cfg(feature = "lz4")]
impl<R: BufRead> Read for Lz4<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.0.read(into)?;
            if length > 0 || into.is_empty() || self.0.get_mut().fill_buf()?.is_empty() {
                return Ok(length);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(data).expect("memory can be written");
        encoder.finish().expect("memory can be written")
    }

    /// What comes out of so many members with this content, and whether that was too much.
    fn unfold(content: &[u8], members: usize, free: u64) -> (u64, bool) {
        let taken = Arc::new(AtomicU64::new(0));
        let packed = Cursor::new(gzip(content).repeat(members));
        let input = Counted { input: Box::new(packed), taken: Arc::clone(&taken) };
        let decoder = Compression::Gzip.unbounded(input).expect("a decoder");
        let mut bounded = Bounded { decoder, taken, given: 0, free };
        let outcome = io::copy(&mut bounded, &mut io::sink());
        (bounded.given, outcome.is_err_and(|error| Bomb::is_cause_of(&error)))
    }

    /// Gives so many bytes at a time.
    struct Trickle<'b>(&'b [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let length = into.len().min(self.1);
            self.0.read(&mut into[..length])
        }
    }

    /// What comes out, and how it ended.
    fn unpacked(packed: &[u8], step: usize) -> (Vec<u8>, Option<io::ErrorKind>) {
        let input = BufReader::with_capacity(INPUT_BYTES, Trickle(packed, step));
        let mut out = Vec::new();
        let end = Gzip { input, member: None, failure: None }.read_to_end(&mut out);
        (out, end.err().map(|error| error.kind()))
    }

    #[test]
    fn damage_takes_nothing_of_what_came_before_it() {
        let content: Vec<u8> =
            (0..1_u32 << 16).flat_map(|own| (own / 7).wrapping_mul(own).to_le_bytes()).collect();
        let whole = gzip(&content);
        let two = [whole.clone(), whole.clone()].concat();
        for step in [1, 1000, usize::MAX] {
            assert_eq!(unpacked(&two, step), (content.repeat(2), None));
            let (cut, end) = unpacked(&two[..two.len() - 9], step);
            assert!(cut == content.repeat(2) && end == Some(io::ErrorKind::UnexpectedEof));
        }
        let mut damaged = two;
        let place = whole.len() + whole.len() / 2;
        damaged[place..place + 40].fill(0xff);
        let (all, end) = unpacked(&damaged, usize::MAX);
        assert_eq!(end, Some(io::ErrorKind::InvalidData));
        assert!(all.starts_with(&content) && all.len() > content.len() * 4 / 3, "{}", all.len());
        assert!([1, 1000].into_iter().all(|step| unpacked(&damaged, step).0 == all));
    }

    #[test]
    fn stops_where_much_comes_of_little() {
        let (zeros, free) = (vec![0; 1 << 20], 20 << 20);
        assert_eq!(unfold(&zeros, 20, free), (20 << 20, false));
        // What is read ahead counts as taken.
        let (given, is_bomb) = unfold(&zeros, 200, free);
        assert!(is_bomb && (free..64 << 20).contains(&given), "{given}");
        let ordinary: Vec<u8> =
            (0..1_u32 << 18).flat_map(|own| own.wrapping_mul(own).to_le_bytes()).collect();
        assert_eq!(unfold(&ordinary, 40, free), (40 << 20, false));
    }
}
