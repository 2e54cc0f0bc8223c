//! Compressed captures, told by their first bytes.

#[cfg(feature = "lz4")]
use std::io::BufRead;
use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

#[cfg(feature = "xz")]
use crate::limits::XZ_DECODER_BYTES_MAX;

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

    /// What is inside. Members that follow one another are one input.
    pub(super) fn decoder(self, input: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
        let input = BufReader::with_capacity(INPUT_BYTES, input);
        match self {
            Self::None => Ok(Box::new(input)),
            Self::Gzip => Ok(Box::new(MultiGzDecoder::new(input))),
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
