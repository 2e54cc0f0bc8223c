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

    /// Bytes that are still to be read, of a file that is read as it stands, or of frames that were
    /// made.
    pub(crate) fn left(&self) -> Option<u64> {
        match &self.format {
            Format::Made(block) => block.as_ref().map(|block| block.bytes() as u64),
            Format::Pcap(_) | Format::Pcapng(_) | Format::Snoop(_) => self.input.expected,
        }
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
mod tests;
