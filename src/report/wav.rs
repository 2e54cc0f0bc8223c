//! Sound as a WAV file: one channel, 16 bits.

use std::io::{self, Seek, SeekFrom, Write};

/// Bytes before the samples.
const HEADER_BYTES: u32 = 44;

/// A WAV file that is being written; its header is made when it is finished.
#[derive(Debug)]
pub(crate) struct Wav<W> {
    out: W,
    rate: u32,
    bytes: u32,
}

impl<W: Write + Seek> Wav<W> {
    /// Begins a file of so many samples a second.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written to.
    pub(crate) fn new(mut out: W, rate: u32) -> io::Result<Self> {
        out.write_all(&header(rate, 0))?;
        Ok(Self { out, rate, bytes: 0 })
    }

    /// Adds samples; what a WAV file has no room for (4 GiB) is left out.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written to.
    pub(crate) fn write(&mut self, samples: &[i16]) -> io::Result<()> {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        match self.bytes.checked_add(length).filter(|sum| *sum < u32::MAX - HEADER_BYTES) {
            Some(sum) => self.bytes = sum,
            None => return Ok(()),
        }
        self.out.write_all(&bytes)
    }

    /// Writes how long it became, and gives the file back.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written to.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&header(self.rate, self.bytes))?;
        self.out.flush()?;
        Ok(self.out)
    }
}

fn header(rate: u32, bytes: u32) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(b"RIFF");
    header.extend((bytes + HEADER_BYTES - 8).to_le_bytes());
    header.extend(b"WAVEfmt ");
    header.extend(16_u32.to_le_bytes());
    // PCM, one channel.
    header.extend(1_u16.to_le_bytes());
    header.extend(1_u16.to_le_bytes());
    header.extend(rate.to_le_bytes());
    header.extend((rate * 2).to_le_bytes());
    header.extend(2_u16.to_le_bytes());
    header.extend(16_u16.to_le_bytes());
    header.extend(b"data");
    header.extend(bytes.to_le_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_tells_the_length() {
        let mut wav = Wav::new(io::Cursor::new(Vec::new()), 8000).expect("memory");
        wav.write(&[1, -1]).expect("memory");
        let file = wav.finish().expect("memory").into_inner();
        assert_eq!(file.len(), 48);
        assert_eq!(file.get(4..8), Some(&40_u32.to_le_bytes()[..]));
        assert_eq!(file.get(40..), Some(&[4, 0, 0, 0, 1, 0, 255, 255][..]));
    }
}
