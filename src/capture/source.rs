//! An input, opened and recognised, that gives its frames block by block.

use std::fs::{self, File};
use std::io::{self, Cursor, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::capture::block::Record;
use crate::capture::compression::{Bomb, Compression};
use crate::capture::ledger::Ledger;
use crate::capture::part::{Found, Guess, Part};
use crate::capture::pcap::{self, Pcap, Window};
use crate::capture::pcapng::Pcapng;
use crate::capture::snoop::{self, Snoop};
use crate::capture::{
    Block, Description, Error, Frame, FrameId, Looks, Name, Note, Secret, script,
};
use crate::limits;
use crate::time::{Span, Time};

/// Bytes asked of a pipe at a time: as much as it holds.
const PIPE_BYTES: usize = 64 << 10;

/// Bytes at the beginning that tell what a file is: up to the mark of a TAR archive.
const HEAD: usize = 512;

/// Bytes of a text script, which is read as a whole.
const SCRIPT_BYTES_MAX: u64 = 64 << 20;

/// Bytes that tell a capture: the longest file header that is looked at.
const CAPTURE_HEAD: usize = pcap::HEADER;

/// A capture that is read from its beginning to its end.
#[derive(Debug)]
pub struct Source {
    input: Input,
    format: Format,
    ledger: Ledger,
    index: u16,
    /// Bytes read and not given out: the unfinished record at the end of the last block.
    rest: Vec<u8>,
    /// Where `rest` begins, in bytes of the uncompressed capture.
    offset: u64,
    is_done: bool,
    /// The file, where parts of it can be read by themselves.
    parts: Option<Parts>,
    /// Room for the records of the next block.
    records_before: usize,
    /// A file that can be opened once more.
    is_reopened: bool,
    /// Closed until a block is asked for.
    is_asleep: bool,
    /// The time of the first frame, as far as it is known before it is read.
    begins: Option<Time>,
    /// What its clock is ahead of the others.
    ahead: Span,
    /// Notes on the input that do not come from its bytes.
    notes: Vec<Note>,
}

/// A plain pcap file in parts.
#[derive(Debug)]
struct Parts {
    file: Arc<File>,
    /// Bytes it had when it was opened.
    length: u64,
    /// Parts read, and those of them that were guessed wrong.
    read: u64,
    wrong: u64,
    /// The reader is elsewhere in the file.
    is_reader_astray: bool,
}

#[derive(Debug)]
enum Format {
    Pcap(Pcap),
    Pcapng(Box<Pcapng>),
    Snoop(Snoop),
    /// Frames that were made, not read.
    Made(Option<Block>),
}

/// Where bytes come from.
struct Input {
    path: PathBuf,
    reader: Box<dyn Read + Send>,
    /// A regular file: waiting for more bytes costs no time.
    is_file: bool,
    /// Bytes to expect, where that is known.
    expected: Option<u64>,
    compression: Compression,
    is_at_end: bool,
    failure: Option<io::Error>,
    /// Bytes read, after decompression.
    given: u64,
}

impl Source {
    /// Opens a capture; `-` is standard input. Frames carry `index` as the number of the capture.
    pub fn open(path: &Path, index: u16) -> Result<Self, Error> {
        if path.as_os_str() == "-" {
            return match standard_input() {
                Ok((reader, is_file)) => Self::start(path, reader, is_file, None, index),
                Err(source) => Err(Error::Open { path: path.to_owned(), source }),
            };
        }
        let owned = || path.to_owned();
        let opened = fs::metadata(path).map(|about| (File::open(path), about));
        let (file, about) = match opened {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::NotFound { path: owned() });
            }
            Err(source) => return Err(Error::Open { path: owned(), source }),
            Ok((_, about)) if about.is_dir() => return Err(Error::Directory { path: owned() }),
            Ok((Err(source), _)) => return Err(Error::Open { path: owned(), source }),
            Ok((Ok(file), about)) => (file, about),
        };
        let expected = about.is_file().then_some(about.len());
        let file = Arc::new(file);
        let reader = Box::new(Arc::clone(&file));
        let mut source = Self::start(path, reader, about.is_file(), expected, index)?;
        source.is_reopened = about.is_file();
        let is_plain = source.input.compression == Compression::None;
        if matches!(source.format, Format::Pcap(_)) && is_plain {
            source.parts = expected.map(|length| Parts::new(file, length));
        }
        Ok(source)
    }

    /// Reads a capture from anything; `name` stands for its path. Blocks come as soon as a read
    /// completed a record.
    pub fn from_reader(
        name: &str,
        reader: Box<dyn Read + Send>,
        index: u16,
    ) -> Result<Self, Error> {
        Self::start(Path::new(name), reader, false, None, index)
    }

    /// A capture of frames that were made, not read: of the format named. Their numbers are given
    /// here.
    pub fn from_frames<'a>(
        path: &Path,
        format: &'static str,
        frames: impl IntoIterator<Item = Frame<'a>>,
        index: u16,
    ) -> Self {
        let mut ledger = Ledger::new(path, format, Compression::None.name());
        let (mut buffer, mut records) = (Vec::new(), Vec::new());
        for Frame { time, link, data, original_length, .. } in frames {
            let (offset, length) = (buffer.len() as u32, data.len() as u32);
            buffer.extend_from_slice(data);
            records.push(Record { time, offset, length, original_length, link, interface: 0 });
            ledger.frame(time, link);
        }
        let (bytes, first) = (buffer.len(), FrameId { capture: index, number: 1 });
        let block = Block::new(buffer, bytes, records, first);
        let begins = block.first_time();
        let input = Input::new(path, Box::new(io::empty()), true, Some(0));
        let made = Self::new(input, Format::Made(Some(block)), ledger, index);
        Self { begins, ..made }
    }

    fn new(input: Input, format: Format, ledger: Ledger, index: u16) -> Self {
        Self {
            input,
            format,
            ledger,
            index,
            rest: Vec::new(),
            offset: 0,
            is_done: false,
            parts: None,
            records_before: 0,
            is_reopened: false,
            is_asleep: false,
            begins: None,
            ahead: Span::ZERO,
            notes: Vec::new(),
        }
    }

    fn start(
        path: &Path,
        reader: Box<dyn Read + Send>,
        is_file: bool,
        expected: Option<u64>,
        index: u16,
    ) -> Result<Self, Error> {
        let mut input = Input::new(path, reader, is_file, expected);
        let mut head = Vec::new();
        input.fill_to(&mut head, Compression::HEAD);
        if head.is_empty() {
            return Err(input.error_at_start());
        }
        input.decompress(&mut head)?;
        input.fill_to(&mut head, CAPTURE_HEAD);
        let Some((format, name, used)) = Format::of(&head) else {
            if head.is_empty() {
                return Err(input.error_at_start());
            }
            if path.extension().is_some_and(|extension| extension == "sip") {
                return Self::script(path, head, input, index);
            }
            if is_file {
                input.fill_to(&mut head, HEAD);
            }
            let looks = match is_capture_start(&head) && head.len() < CAPTURE_HEAD {
                true => Looks::CutHeader,
                false => Looks::like(path, &head),
            };
            return Err(Error::NotACapture { path: path.to_owned(), looks });
        };
        if let Format::Pcapng(pcapng) = &format
            && let Some((major, minor)) = pcapng.version(&head)
            && major != 1
        {
            let looks = Looks::Version(major, minor);
            return Err(Error::NotACapture { path: path.to_owned(), looks });
        }
        input.fill_to(&mut head, used);
        head.drain(..used.min(head.len()));
        let ledger = Ledger::new(path, name, input.compression.name());
        let source = Self::new(input, format, ledger, index);
        Ok(Self { rest: head, offset: used as u64, ..source })
    }

    /// A text script, played into frames.
    fn script(path: &Path, head: Vec<u8>, mut input: Input, index: u16) -> Result<Self, Error> {
        let mut text = head;
        // One byte more than a script may have: the player says that it is too long.
        let rest = (&mut input.reader).take(SCRIPT_BYTES_MAX + 1).read_to_end(&mut text);
        rest.map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let frames = script::frames(&String::from_utf8_lossy(&text))
            .map_err(|error| Error::Script { path: path.to_owned(), source: error.into() })?;
        let frames = frames.iter().map(|made| Frame {
            id: FrameId::default(),
            time: made.time,
            link: made.link,
            data: &made.data,
            original_length: made.original_length,
        });
        Ok(Self::from_frames(path, "sip", frames, index))
    }

    /// The next whole records, or nothing at the end. `spare` becomes the buffer of the block; give
    /// it that of a block that is done with.
    pub fn next_block(&mut self, spare: Vec<u8>) -> Result<Option<Block>, Error> {
        if self.is_asleep {
            self.rewind()?;
        }
        let is_made = matches!(self.format, Format::Made(_));
        let before = self.ledger.description.last_time.filter(|_| !is_made);
        let block = self.block_of(limits::BLOCK_BYTES, spare)?;
        Ok(block.map(|block| block.on_clock(self.ahead, before, None)))
    }

    /// The next parts of the file, at most so many, to be read by any threads and then given to
    /// [`Source::join`]. There are none where the capture has to be read from its beginning, and
    /// none of its last bytes: then ask [`Source::next_block`].
    pub fn parts(&mut self, count: usize, spare: &mut Vec<Vec<u8>>) -> Vec<Part> {
        let (Format::Pcap(pcap), Some(parts), false) =
            (&self.format, &mut self.parts, self.is_asleep || self.is_done)
        else {
            return Vec::new();
        };
        if pcap.is_lost() {
            return Vec::new();
        }
        const BYTES: u64 = limits::BLOCK_BYTES as u64;
        let left = parts.length.saturating_sub(self.offset + limits::RECORD_BYTES_MAX as u64);
        let count = (left / BYTES).min(count as u64);
        if count == 0 || parts.is_not_worth_it() {
            return Vec::new();
        }
        parts.read += count;
        parts.is_reader_astray = true;
        let part = |index: u64| Part {
            file: Arc::clone(&parts.file),
            pcap: pcap.clone(),
            from: self.offset + index * BYTES,
            is_exact: index == 0,
            limit: self.offset + (index + 1) * BYTES,
            buffer: spare.pop().unwrap_or_default(),
            records_hint: self.records_before,
        };
        (0..count).map(part).collect()
    }

    /// The blocks of the parts that were asked for, in their order; what was guessed wrong is read
    /// again. They may end before the last part does.
    pub fn join(
        &mut self,
        guesses: Vec<Guess>,
        spare: &mut Vec<Vec<u8>>,
    ) -> Result<Vec<Block>, Error> {
        let mut blocks = Vec::new();
        for guess in guesses {
            let Some(guess) = self.right(guess) else {
                // What is odd is looked at from where a record is known to begin.
                blocks.extend(self.next_block(spare.pop().unwrap_or_default())?);
                break;
            };
            let Guess { part, records, found: Some(found) } = guess else { continue };
            let first = FrameId { capture: self.index, number: self.ledger.numbered + 1 };
            let before = self.ledger.description.last_time;
            self.ledger.frames(&found.stretch, &records, part.pcap.link());
            self.offset = found.end;
            if records.is_empty() {
                spare.push(part.buffer);
                continue;
            }
            self.records_before = records.len() + records.len() / 8;
            let block = Block::new(part.buffer, found.used, records, first);
            let until = self.ledger.description.last_time;
            blocks.push(block.on_clock(self.ahead, before, until));
        }
        Ok(blocks)
    }

    /// How many parts were read, and how many of them were guessed wrong.
    #[cfg(test)]
    pub(super) fn guesses(&self) -> (u64, u64) {
        self.parts.as_ref().map_or((0, 0), |parts| (parts.read, parts.wrong))
    }

    /// The part as it is read from where it truly begins; nothing where something is odd in it.
    fn right(&mut self, guess: Guess) -> Option<Guess> {
        if self.is_right(&guess) {
            return Some(guess);
        }
        let parts = self.parts.as_mut()?;
        parts.wrong += 1;
        let part = Part { from: self.offset, is_exact: true, ..guess.part };
        Some(part.read()).filter(|again| self.is_right(again))
    }

    fn is_right(&self, guess: &Guess) -> bool {
        let follows = |found: &Found| {
            found.start == self.offset
                && guess.part.pcap.follows(&found.stretch, self.ledger.last_time())
        };
        guess.found.as_ref().is_some_and(follows)
    }

    /// A block of about so many bytes.
    fn block_of(&mut self, bytes_max: usize, spare: Vec<u8>) -> Result<Option<Block>, Error> {
        if let Format::Made(block) = &mut self.format {
            return Ok(block.take().filter(|block| block.frames_count() > 0));
        }
        if self.is_done {
            return Ok(None);
        }
        self.bring_reader_back()?;
        let mut buffer = spare;
        let mut filled = self.take_rest(&mut buffer);
        // Blocks of one capture have about as many records, each.
        let mut records = Vec::with_capacity(self.records_before);
        let first = self.ledger.numbered + 1;
        loop {
            filled = self.input.fill(&mut buffer, filled, filled + bytes_max);
            let bytes = buffer.get(..filled).unwrap_or_default();
            let used = self.scan(bytes, &mut records);
            self.offset += used as u64;
            if self.input.is_at_end {
                self.finish()?;
            } else if records.is_empty() {
                // A block of many bytes takes many reads.
                if used > 0 {
                    buffer.copy_within(used..filled, 0);
                    filled -= used;
                }
                continue;
            }
            self.rest.extend_from_slice(buffer.get(used..filled).unwrap_or_default());
            filled = used;
            break;
        }
        if records.is_empty() {
            return Ok(None);
        }
        self.records_before = records.len() + records.len() / 8;
        let first = FrameId { capture: self.index, number: first };
        Ok(Some(Block::new(buffer, filled, records, first)))
    }

    /// A pipe, which may make its reader wait: what it has given should be worked on at once.
    pub fn is_live(&self) -> bool {
        !self.input.is_file
    }

    /// Closes the file until its first block is asked for. Afterwards, [`Source::begins`] is known.
    /// What cannot be opened once more stays open.
    pub(super) fn sleep(&mut self) -> Result<(), Error> {
        if !self.is_reopened || self.is_asleep || matches!(self.format, Format::Made(_)) {
            return Ok(());
        }
        let first = self.block_of(PIPE_BYTES, Vec::new())?;
        self.begins = first.and_then(|block| block.first_time());
        self.input.reader = Box::new(io::empty());
        self.parts = None;
        self.rest = Vec::new();
        let Description { path, format, compression, .. } = &self.ledger.description;
        self.ledger = Ledger::new(path, format, compression);
        self.is_asleep = true;
        Ok(())
    }

    /// Lets the reader go on behind the parts that were read without it.
    fn bring_reader_back(&mut self) -> Result<(), Error> {
        let Some(parts) = self.parts.as_mut().filter(|parts| parts.is_reader_astray) else {
            return Ok(());
        };
        parts.is_reader_astray = false;
        let sought = (&*parts.file).seek(SeekFrom::Start(self.offset));
        sought.map_err(|source| Error::Read { path: self.input.path.clone(), source })?;
        self.input.expected = Some(parts.length.saturating_sub(self.offset)).filter(|n| *n > 0);
        self.rest.clear();
        Ok(())
    }

    /// Goes back to the first frame.
    fn rewind(&mut self) -> Result<(), Error> {
        let again = Self::open(&self.input.path, self.index)?;
        let notes = std::mem::take(&mut self.notes);
        *self = Self { notes, ahead: self.ahead, begins: self.begins, ..again };
        Ok(())
    }

    /// The same file once more, from its beginning, if there is one; closed until it is read.
    pub fn reopened(&self) -> Option<Self> {
        if !self.is_reopened {
            return None;
        }
        let input = Input::new(&self.input.path, Box::new(io::empty()), true, None);
        let Description { path, format, compression, .. } = &self.ledger.description;
        let ledger = Ledger::new(path, format, compression);
        let again = Self::new(input, Format::Made(None), ledger, self.index);
        let notes = self.notes.clone();
        Some(Self { is_reopened: true, is_asleep: true, begins: self.begins, notes, ..again })
    }

    /// It takes no file handle and no memory until it is read.
    pub fn is_asleep(&self) -> bool {
        self.is_asleep
    }

    /// The time of the first frame by the clock of the run, if it is known before it is read.
    pub fn begins(&self) -> Option<Time> {
        self.begins.map(|begins| begins - self.ahead)
    }

    /// Tells by how much the clock of this capture is ahead of that of the run. Its frames, and
    /// what [`Source::describe`] says, get the time of the run.
    pub fn set_ahead(&mut self, ahead: Span) {
        self.ahead = ahead;
    }

    /// The capture by itself, of which nothing was read so far: its frames carry 0, and nobody
    /// waits with it for the time of its first frame.
    #[must_use]
    pub fn alone(self) -> Self {
        match self.reopened().filter(|_| self.index > 0) {
            Some(again) => Self { index: 0, begins: None, ..again },
            None => Self { index: 0, begins: None, ..self },
        }
    }

    /// The number of the capture that its frames carry.
    pub fn index(&self) -> u16 {
        self.index
    }

    /// What is known of the capture so far; everything, when it has been read to its end.
    pub fn describe(&self) -> Description {
        let mut description = self.ledger.description.clone();
        if let Format::Pcapng(pcapng) = &self.format {
            description.interfaces.clone_from(&pcapng.described);
        }
        description.notes.splice(0..0, self.notes.iter().cloned());
        description.first_time = description.first_time.map(|time| time - self.ahead);
        description.last_time = description.last_time.map(|time| time - self.ahead);
        description
    }

    /// Adds a note on the input as a whole.
    pub fn add_note(&mut self, note: Note) {
        self.notes.push(note);
    }

    /// The same file was named once more.
    pub(super) fn note_given_again(&mut self) {
        for note in &mut self.notes {
            if let Note::GivenAgain { times } = note {
                *times += 1;
                return;
            }
        }
        self.notes.push(Note::GivenAgain { times: 1 });
    }

    /// Secrets that the capture has carried so far.
    pub fn secrets(&self) -> &[Secret] {
        match &self.format {
            Format::Pcapng(pcapng) => &pcapng.secrets,
            Format::Pcap(_) | Format::Snoop(_) | Format::Made(_) => &[],
        }
    }

    /// Names of addresses that the capture has carried so far.
    pub fn names(&self) -> &[Name] {
        match &self.format {
            Format::Pcapng(pcapng) => &pcapng.names,
            Format::Pcap(_) | Format::Snoop(_) | Format::Made(_) => &[],
        }
    }

    /// Puts the bytes left over at the beginning of the buffer; returns how many there are.
    fn take_rest(&mut self, buffer: &mut Vec<u8>) -> usize {
        let length = self.rest.len();
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        if let Some(start) = buffer.get_mut(..length) {
            start.copy_from_slice(&self.rest);
        }
        self.rest.clear();
        length
    }

    fn scan(&mut self, bytes: &[u8], records: &mut Vec<Record>) -> usize {
        let window = Window {
            bytes,
            offset: self.offset,
            at_end: self.input.is_at_end,
            is_eager: !self.input.is_file,
        };
        match &mut self.format {
            Format::Pcap(pcap) => pcap.scan(window, records, &mut self.ledger),
            Format::Pcapng(pcapng) => pcapng.scan(window, records, &mut self.ledger),
            Format::Snoop(snoop) => snoop.scan(window, records, &mut self.ledger),
            Format::Made(_) => bytes.len(),
        }
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.is_done = true;
        let path = || self.input.path.clone();
        match self.input.failure.take() {
            Some(source) if Bomb::is_cause_of(&source) && self.ledger.description.frames == 0 => {
                let compression = self.input.compression.name();
                return Err(Error::Unfolds { path: path(), compression, source });
            }
            Some(failure) if self.input.compression != Compression::None => {
                let offset = self.input.given;
                self.ledger.note(match Bomb::is_cause_of(&failure) {
                    true => Note::ExpansionLimit { offset },
                    false => Note::DamagedCompression { offset },
                });
            }
            Some(source) => return Err(Error::Read { path: path(), source }),
            None => {}
        }
        if let Some(bytes) = self.input.expected {
            self.ledger.note(Note::Shrank { bytes });
        }
        let description = &self.ledger.description;
        let is_damaged = |note: &Note| {
            matches!(note, Note::EndsInsideRecord { .. } | Note::Damaged { .. })
                || matches!(note, Note::DamagedCompression { .. } | Note::Shrank { .. })
        };
        if description.frames == 0 && description.notes.iter().any(is_damaged) {
            return Err(Error::NoRecord { path: path() });
        }
        Ok(())
    }
}

impl Parts {
    fn new(file: Arc<File>, length: u64) -> Self {
        Self { file, length, read: 0, wrong: 0, is_reader_astray: false }
    }

    /// So many guesses were wrong that reading from the beginning is faster.
    fn is_not_worth_it(&self) -> bool {
        self.wrong >= 8 && self.wrong * 4 > self.read
    }
}

impl Format {
    /// The format, its name, and how many bytes its file header takes.
    fn of(head: &[u8]) -> Option<(Self, &'static str, usize)> {
        if let Some(pcap) = Pcap::recognise(head) {
            let used = pcap.header_bytes();
            return Some((Self::Pcap(pcap), "pcap", used));
        }
        if let Some(pcapng) = Pcapng::recognise(head) {
            return Some((Self::Pcapng(Box::new(pcapng)), "pcapng", 0));
        }
        Snoop::recognise(head).map(|snoop| (Self::Snoop(snoop), "snoop", snoop::HEADER))
    }
}

/// The bytes could go on as a capture.
fn is_capture_start(head: &[u8]) -> bool {
    let padded: Vec<u8> = head.iter().copied().chain([0; CAPTURE_HEAD]).collect();
    let is_section = head.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]);
    head.len() >= 4 && (is_section || Format::of(&padded).is_some())
}

impl Input {
    fn new(
        path: &Path,
        reader: Box<dyn Read + Send>,
        is_file: bool,
        expected: Option<u64>,
    ) -> Self {
        Self {
            path: path.to_owned(),
            reader,
            is_file,
            expected,
            compression: Compression::None,
            is_at_end: false,
            failure: None,
            given: 0,
        }
    }

    /// Puts the decoder in between, if the bytes are compressed.
    fn decompress(&mut self, head: &mut Vec<u8>) -> Result<(), Error> {
        self.compression = Compression::of(head);
        if self.compression == Compression::None {
            return Ok(());
        }
        let rest = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        let whole = Box::new(Cursor::new(std::mem::take(head)).chain(rest));
        match self.compression.decoder(whole) {
            Ok(reader) => self.reader = reader,
            Err(source) => {
                self.failure = Some(source);
                return Err(self.error_at_start());
            }
        }
        (self.is_at_end, self.expected, self.given) = (false, None, 0);
        Ok(())
    }

    fn error_at_start(&mut self) -> Error {
        let path = self.path.clone();
        let compression = self.compression.name();
        match self.failure.take() {
            None => Error::Empty { path },
            Some(source) if self.compression == Compression::None => Error::Read { path, source },
            Some(source) => Error::Decompress { path, compression, source },
        }
    }

    /// Reads until the buffer has so many bytes or the input ends.
    fn fill_to(&mut self, buffer: &mut Vec<u8>, wanted: usize) {
        let mut filled = buffer.len();
        while filled < wanted && !self.is_at_end {
            buffer.resize(wanted, 0);
            filled += self.read(buffer.get_mut(filled..).unwrap_or_default());
        }
        buffer.truncate(filled);
    }

    /// Reads on after the first `filled` bytes: from a file until `wanted` bytes are there, from a
    /// pipe what one read gives. Returns how many bytes are there.
    fn fill(&mut self, buffer: &mut Vec<u8>, filled: usize, wanted: usize) -> usize {
        let wanted = match (self.is_file, self.expected) {
            (false, _) => filled + PIPE_BYTES,
            // One byte more, so that the end is seen.
            (true, Some(left)) => wanted.min(filled.saturating_add(left as usize + 1)),
            (true, None) => wanted,
        };
        if buffer.len() < wanted {
            buffer.resize(wanted, 0);
        }
        let mut filled = filled;
        while filled < wanted && !self.is_at_end {
            filled += self.read(buffer.get_mut(filled..wanted).unwrap_or_default());
            if !self.is_file {
                break;
            }
        }
        filled
    }

    fn read(&mut self, into: &mut [u8]) -> usize {
        loop {
            match self.reader.read(into) {
                Ok(0) => self.is_at_end = true,
                Ok(length) => {
                    self.given += length as u64;
                    let left = self.expected.map(|left| left.saturating_sub(length as u64));
                    // A file that grows while it is read has more than was expected.
                    self.expected = left.filter(|left| *left > 0);
                    return length;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.failure = Some(error);
                    self.is_at_end = true;
                }
            }
            return 0;
        }
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Standard input without a buffer of its own, and whether it is a file.
#[cfg(unix)]
fn standard_input() -> io::Result<(Box<dyn Read + Send>, bool)> {
    use std::os::fd::AsFd;

    let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let is_file = file.metadata().is_ok_and(|about| about.is_file());
    Ok((Box::new(file), is_file))
}

#[cfg(not(unix))]
fn standard_input() -> io::Result<(Box<dyn Read + Send>, bool)> {
    Ok((Box::new(io::stdin()), false))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;

    use super::*;
    use crate::capture::LinkType;
    use crate::capture::samples::{
        Order, Random, Scratch, block, drain, from_file, from_pipe, interface, packet, payload,
        pcap, pcap_record, read, section,
    };

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes all")
    }

    fn pcapng(count: u32) -> Vec<u8> {
        let order = Order::Little;
        let packets = (0..count).map(|n| packet(order, 0, n.into(), &payload(n)));
        let head = [section(order), interface(order, 1, 0, &[])];
        head.into_iter().chain(packets).collect::<Vec<_>>().concat()
    }

    #[test]
    fn says_what_it_cannot_read() {
        let cases: [(&[u8], &str, Option<&str>); 11] = [
            (b"", "it is empty", Some("flushed")),
            (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer", Some("git lfs")),
            (b"GMBU\x00\x02", "Microsoft Network Monitor", Some("editcap")),
            (b"INVITE sip:a@b SIP/2.0\r\n", "begins with \"INVITE sip:a@b SIP/2.0\"", Some(".sip")),
            (b"  <!DOCTYPE HTML><html>", "a web page", Some("login")),
            (b"\x7fELF\x02\x01\x01", "a program (ELF)", None),
            (b"PK\x03\x04....", "a ZIP archive", Some("unpack")),
            (b"\xd4\xc3\xb2\xa1\x02\x00", "ends inside its file header", Some("again")),
            (&[0; 64], "nothing but zero bytes", Some("again")),
            (&[9, 0xc0, 0xff], "no capture format begins with 09 c0 ff", None),
            (&[0x1f, 0x8b, 8, 0, 0], "gzip data are damaged from the start", Some("copy it again")),
        ];
        for (bytes, message, hint) in cases {
            let error = from_file(bytes).expect_err(message);
            assert!(error.to_string().contains(message), "{error}");
            match (error.hint(), hint) {
                (None, None) => {}
                (Some(ours), Some(hint)) => assert!(ours.contains(hint), "{ours}"),
                (ours, hint) => panic!("{message}: {ours:?} {hint:?}"),
            }
        }
        assert!(matches!(from_file(&gzip(b"")), Err(Error::Empty { .. })));
    }

    #[test]
    fn says_what_it_cannot_open() {
        let missing = Source::open(Path::new("/nonexistent/trace.pcap"), 0);
        let message = "could not open \"/nonexistent/trace.pcap\": there is no such file";
        assert_eq!(missing.expect_err(message).to_string(), message);
        let directory = Source::open(&std::env::temp_dir(), 0);
        assert!(matches!(directory, Err(Error::Directory { .. })));
    }

    #[test]
    fn reads_compressed_captures() {
        let file = pcapng(300);
        let intact = read(&file).frames;
        let (first, second) = file.split_at(file.len() / 3);
        let members = [gzip(first), gzip(b""), gzip(second)].concat();
        let mut cases = vec![("gzip", gzip(&file)), ("gzip", members)];
        #[cfg(feature = "zstd")]
        {
            let compress = |bytes: &[u8]| zstd::encode_all(bytes, 3).expect("memory takes all");
            cases.push(("zstd", compress(&file)));
            cases.push(("zstd", [compress(first), compress(second)].concat()));
        }
        #[cfg(feature = "lz4")]
        {
            let compress = |bytes: &[u8]| {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(bytes).expect("memory takes all");
                encoder.finish().expect("memory takes all")
            };
            cases.push(("lz4", compress(&file)));
            cases.push(("lz4", [compress(first), compress(second)].concat()));
        }
        #[cfg(feature = "xz")]
        {
            let compress = |bytes: &[u8]| {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
                encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes all")
            };
            cases.push(("xz", compress(&file)));
            cases.push(("xz", [compress(first), compress(second)].concat()));
        }
        #[cfg(feature = "bzip2")]
        {
            let compress = |bytes: &[u8]| {
                let level = bzip2::Compression::fast();
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes all")
            };
            cases.push(("bzip2", compress(&file)));
            cases.push(("bzip2", [compress(first), compress(second)].concat()));
        }
        for (name, bytes) in cases {
            let outcome = read(&bytes);
            assert_eq!(outcome.description.compression, name);
            assert!(outcome.frames == intact, "{name} {}", outcome.frames.len());
            assert!(outcome.notes.is_empty(), "{name} {:?}", outcome.notes);
        }
    }

    #[cfg(feature = "xz")]
    #[test]
    fn a_file_that_asks_for_more_memory_than_any_is_refused() {
        let compress = |dictionary: u32| {
            let mut options = liblzma::stream::LzmaOptions::new_preset(0).expect("a preset");
            options.dict_size(dictionary);
            let mut filters = liblzma::stream::Filters::new();
            filters.lzma2(&options);
            let check = liblzma::stream::Check::None;
            let stream = liblzma::stream::Stream::new_stream_encoder(&filters, check);
            let stream = stream.expect("an encoder");
            let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
            encoder.write_all(&pcap(3)).and_then(|()| encoder.finish()).expect("memory takes all")
        };
        assert_eq!(read(&compress(8 << 20)).frames.len(), 3);
        // The encoder would take as much, so only the claim is made: it is a byte in the header
        // of the block, and the check of that header is behind it.
        let mut claims = compress(4 << 10);
        let header = 12..12 + (usize::from(claims[12]) + 1) * 4;
        let size = claims[header.clone()].iter().position(|byte| *byte == 0x21).expect("LZMA2") + 2;
        claims[12 + size] = 37;
        let body = header.start..header.end - 4;
        let check = crc32(&claims[body]).to_le_bytes();
        claims[header.end - 4..header.end].copy_from_slice(&check);
        let error = from_file(&claims).expect_err("too much");
        assert!(matches!(error, Error::Decompress { compression: "xz", .. }), "{error:?}");
    }

    /// The check of an xz header.
    #[cfg(feature = "xz")]
    fn crc32(bytes: &[u8]) -> u32 {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum()
    }

    #[test]
    fn uses_what_came_out_of_damaged_compression() {
        let mut random = Random(0x5eed_0002);
        let mut file = pcap(0);
        let noise: Vec<u8> = (0..60_000).map(|_| random.below(256) as u8).collect();
        for (data, micros) in noise.chunks(300).zip(0..) {
            file.extend(pcap_record(Order::Little, 1000, micros, data));
        }
        let intact = read(&file).frames;
        let bytes = gzip(&file);
        let mut last = 0;
        for cut in (0..bytes.len()).step_by(997) {
            let Ok(outcome) = from_file(&bytes[..cut]) else {
                assert_eq!(last, 0);
                continue;
            };
            let count = outcome.frames.len();
            assert!(count >= last && outcome.frames[..] == intact[..count]);
            assert!(matches!(outcome.notes.last(), Some(Note::DamagedCompression { .. })));
            last = count;
        }
        assert!(last > 190, "{last}");

        let mut corrupt = bytes.clone();
        let at = corrupt.len() - 5;
        corrupt[at] ^= 0x55;
        assert_eq!(from_file(&corrupt).expect("a capture").frames, intact);
    }

    /// Gives one record, and must not be asked again before it was served.
    struct Live {
        parts: Vec<Vec<u8>>,
        is_served: Arc<std::sync::atomic::AtomicBool>,
    }

    impl Read for Live {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            use std::sync::atomic::Ordering;

            let Some(part) = self.parts.last_mut() else { return Ok(0) };
            if part.is_empty() {
                assert!(self.is_served.swap(false, Ordering::Relaxed), "would wait");
                self.parts.pop();
                return self.read(into);
            }
            let length = part.len().min(into.len());
            into[..length].copy_from_slice(&part[..length]);
            part.drain(..length);
            Ok(length)
        }
    }

    #[test]
    fn serves_a_pipe_that_never_ends() {
        use std::sync::atomic::{AtomicBool, Ordering};

        for file in [pcap(6), pcapng(6)] {
            let ends = match file.first() {
                Some(0x0a) => vec![28 + 20 + 52, 28 + 20 + 52 + 56],
                _ => vec![24 + 36, 24 + 36 + 39],
            };
            let parts = vec![file[ends[0]..ends[1]].to_vec(), file[..ends[0]].to_vec()];
            let is_served = Arc::new(AtomicBool::new(false));
            let live = Live { parts, is_served: is_served.clone() };
            let mut source = Source::from_reader("-", Box::new(live), 0).expect("a capture");
            for number in 1..=2 {
                let block = source.next_block(Vec::new()).expect("no error").expect("a block");
                assert_eq!((block.frames_count(), block.first().number), (1, number));
                is_served.store(true, Ordering::Relaxed);
            }
        }
    }

    /// A snoop record (RFC 1761).
    fn snoop_record(seconds: u32, data: &[u8]) -> Vec<u8> {
        let length = data.len() as u32;
        let numbers = [length, length, length + 24, 0, seconds, 0].map(u32::to_be_bytes);
        [numbers.as_flattened(), data].concat()
    }

    #[test]
    fn one_sane_record_inside_damage_is_no_way_back_however_it_is_read() {
        let order = Order::Little;
        let numbers = [u32::from_be_bytes(*b"snoo"), u32::from_be_bytes(*b"p\0\0\0"), 2, 4];
        let head = numbers.map(u32::to_be_bytes).as_flattened().to_vec();
        let snoop = |n: u32| snoop_record(n, &payload(n));
        let cases = [
            (pcap(2), pcap_record(order, 1000, 9, &payload(9)), pcap(10).split_off(24)),
            (pcapng(2), packet(order, 0, 9, &payload(9)), pcapng(10).split_off(48)),
            (
                [head, snoop(1), snoop(2)].concat(),
                snoop(9),
                (1..=10).flat_map(snoop).collect::<Vec<u8>>(),
            ),
        ];
        for (before, inside, after) in cases {
            let (some, more) = (vec![0xff; 50], vec![0xff; 90]);
            let damaged = some.len() + inside.len() + more.len();
            let outcome =
                read(&[&before, &some, &inside, &more, &after].map(Vec::as_slice).concat());
            assert_eq!(outcome.frames.len(), 12, "{}", outcome.description.format);
            let (offset, bytes) = (before.len() as u64, damaged as u64);
            assert_eq!(outcome.notes.first(), Some(&Note::Damaged { offset, bytes }));
        }
    }

    #[test]
    fn serves_frames_that_were_made() {
        let data = payload(5);
        let frame = |micros: i64| Frame {
            id: FrameId::default(),
            time: Time::from_nanos(micros * 1000),
            link: LinkType::RAW,
            data: &data,
            original_length: 77,
        };
        let frames = [frame(1), frame(2)];
        let source = Source::from_frames(Path::new("case.sip"), "sip", frames, 4);
        let outcome = drain(source).expect("no error");
        assert_eq!(outcome.frames.len(), 2);
        assert_eq!(outcome.frames[1].number, 2);
        assert_eq!((outcome.frames[1].original_length, &outcome.frames[1].data), (77, &data));
        assert_eq!((outcome.description.format, outcome.description.frames), ("sip", 2));
        let none = Source::from_frames(Path::new("empty.sip"), "sip", [], 4);
        assert!(drain(none).expect("no error").frames.is_empty());
    }

    #[test]
    fn reads_snoop() {
        let mut file = b"snoop\0\0\0\0\0\0\x02\0\0\0\x04".to_vec();
        for number in 0..3_u32 {
            let data = payload(number);
            let length = data.len() as u32;
            let record = (length + 24).next_multiple_of(4);
            let header = [1500, length, record, number, 100 + number, 7];
            file.extend_from_slice(header.map(u32::to_be_bytes).as_flattened());
            file.extend(&data);
            file.extend(vec![0; (record - 24 - length) as usize]);
        }
        let outcome = read(&file);
        assert_eq!(outcome.description.format, "snoop");
        assert_eq!(outcome.frames.len(), 3);
        assert_eq!(outcome.frames[2].nanos, 102_000_007_000);
        assert_eq!((&outcome.frames[2].data, outcome.frames[2].link), (&payload(2), 1));
        assert_eq!(outcome.notes, [Note::Dropped { packets: 2 }]);
    }

    #[test]
    fn survives_damaged_files() {
        let mut random = Random(0x5eed_0003);
        let custom = block(Order::Little, 0x0bad, &[0; 40]);
        let files = [pcap(12), pcapng(12), [pcapng(4), custom, pcapng(4)].concat(), gzip(&pcap(9))];
        for _ in 0..10_000 {
            let mut file = files[random.below(files.len())].clone();
            for _ in 0..random.below(5) {
                let at = random.below(file.len());
                file[at] = random.below(256) as u8;
            }
            if random.below(3) == 0 {
                file.truncate(random.below(file.len()));
            }
            if random.below(3) == 0 {
                let at = random.below(file.len());
                let more = vec![random.below(256) as u8; random.below(300)];
                file.splice(at..at, more);
            }
            let at_a_time = 1 + random.below(2000);
            let (Ok(_) | Err(_)) = from_pipe(&file, at_a_time);
        }
        let scratch = Scratch::new(&pcap(3));
        assert_eq!(
            drain(Source::open(scratch.path(), 0).expect("a capture")).map(|o| o.frames.len()).ok(),
            Some(3)
        );
    }
}
