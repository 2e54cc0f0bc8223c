//! `siptrace extract`: what is inside a capture, as files of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::analysis::{Analysis, Keep, StreamSummary};
use crate::capture;
use crate::cli::config::Config;
use crate::finding::Severity;
use crate::limits::CALLS_MAX;
use crate::media::RtpFlow;
use crate::media::audio::{AudioCodec, AudioPacket, Playout};
use crate::pipeline::{self, Picked};
use crate::report::wav::Wav;
use crate::rules::Profile;
use crate::time::Time;
use crate::transport::KeyLog;

/// Files that are open at a time; more streams take another pass over the captures.
const OPEN_MAX: usize = 128;

/// Characters of a Call-ID in the name of a file.
const NAME_CHARS_MAX: usize = 80;

/// Write what is inside a capture to files of its own
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  siptrace extract --audio sound call.pcap

Exit codes:
  0  at least one file was written
  2  wrong usage, input missing or unreadable, nothing to write")]
pub(super) struct ExtractArgs {
    /// Captures, as `analyze` takes them; they are read twice, so standard input is none
    #[arg(value_name = "CAPTURE", required = true)]
    captures: Vec<PathBuf>,
    /// Write each RTP stream of G.711 or G.722 to this folder as WAV, named by call, side and SSRC
    #[arg(long, value_name = "DIR", required = true)]
    audio: PathBuf,
}

/// Why nothing was written; the exit code is 2.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExtractError {
    /// An input could not be opened.
    #[error(transparent)]
    Capture(#[from] capture::Error),
    /// An input could not be read on.
    #[error(transparent)]
    Pipeline(#[from] pipeline::Error),
    /// Standard input cannot be read twice.
    #[error("could not read standard input twice")]
    Pipe,
    /// There is nothing that could be written.
    #[error("found no RTP stream of G.711 or G.722")]
    Nothing,
    /// A file could not be written.
    #[error("could not write {path:?}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ExtractError {
    /// What the user may do, for the line after `hint:`.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Capture(error) | Self::Pipeline(pipeline::Error::Capture(error)) => error.hint(),
            Self::Pipe => Some("write it to a file first".to_owned()),
            Self::Nothing => {
                Some("`siptrace analyze --format json` lists the streams with codecs".to_owned())
            }
            Self::Pipeline(_) | Self::Write { .. } => None,
        }
    }
}

/// A stream on its way into a file.
struct Track {
    path: PathBuf,
    flow: RtpFlow,
    codec: AudioCodec,
    /// The payload type that the codec has by the SDP.
    payload_type: Option<u8>,
    first: Time,
}

/// Runs the command.
///
/// # Errors
///
/// When the captures could not be read, or nothing was written.
pub(super) fn extract(args: &ExtractArgs, config: &Config) -> Result<(), ExtractError> {
    if args.captures.iter().any(|path| path == Path::new("-")) {
        return Err(ExtractError::Pipe);
    }
    let options = pipeline::Options {
        profile: Profile { rules: Vec::new(), settings: config.settings.clone() },
        keep: Keep { calls: CALLS_MAX, min_severity: Severity::Error, ..Keep::default() },
        media: true,
        keys: KeyLog::default(),
        threads: None,
    };
    let analysis = pipeline::run(capture::open(&args.captures)?, &options, &|_| ())?;
    let tracks = tracks(&analysis, &args.audio);
    if tracks.is_empty() {
        return Err(ExtractError::Nothing);
    }
    let failed = |source| ExtractError::Write { path: args.audio.clone(), source };
    fs::create_dir_all(&args.audio).map_err(failed)?;
    for tracks in tracks.chunks(OPEN_MAX) {
        write(&args.captures, tracks)?;
        for track in tracks {
            // Whoever closes the pipe has read enough.
            let _ = writeln!(io::stdout(), "{}", track.path.display());
        }
    }
    Ok(())
}

/// The streams that can be written, each with the name of its file; tells of those that cannot.
fn tracks(analysis: &Analysis, folder: &Path) -> Vec<Track> {
    let mut tracks = Vec::new();
    let mut names = BTreeSet::new();
    let mut encrypted = 0_u64;
    let mut others: BTreeMap<&str, u64> = BTreeMap::new();
    let of_calls = analysis.calls.iter().flat_map(|call| {
        let name = call.call_id.as_str();
        call.streams.iter().map(move |stream| (name, stream))
    });
    let alone = analysis.streams.iter().map(|stream| ("no-call", stream));
    for (call, stream) in of_calls.chain(alone) {
        let name = stream.codec.as_deref().unwrap_or("unknown");
        match AudioCodec::of(name) {
            _ if stream.is_encrypted => encrypted += 1,
            Some(codec) => {
                let name = file_name(call, stream, &mut names);
                tracks.push(Track::of(stream, codec, folder.join(name)));
            }
            None => *others.entry(name).or_default() += 1,
        }
    }
    let mut stderr = io::stderr().lock();
    if encrypted > 0 {
        let _ = writeln!(stderr, "siptrace: streams not written, as they are SRTP: {encrypted}");
    }
    for (codec, count) in others {
        let _ =
            writeln!(stderr, "siptrace: streams not written, as their codec is {codec}: {count}");
    }
    tracks
}

impl Track {
    fn of(stream: &StreamSummary, codec: AudioCodec, path: PathBuf) -> Self {
        let StreamSummary { source, destination, ssrc, payload_type, first, .. } = *stream;
        let flow = RtpFlow { source, destination, ssrc };
        Self { path, flow, codec, payload_type, first: first.time }
    }

    /// The codec of a packet; none for comfort noise and events.
    fn codec_of(&self, payload_type: u8) -> Option<AudioCodec> {
        let own = self.payload_type.filter(|own| *own == payload_type).map(|_| self.codec);
        own.or_else(|| AudioCodec::of_static(payload_type))
    }
}

/// `<call>-<side>-<ssrc>.wav`, with a number where that is taken; nothing in it can lead out of the
/// folder.
fn file_name(call: &str, stream: &StreamSummary, names: &mut BTreeSet<String>) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_@".contains(c);
    let safe = |c: char| if is_plain(c) { c } else { '_' };
    let call: String = call.chars().take(NAME_CHARS_MAX).map(safe).collect();
    let side = stream.sender.map_or("unknown", |side| side.word());
    let base = format!("{call}-{side}-{:08x}", stream.ssrc);
    let numbered = (2..).map(|number| format!("{base}-{number}"));
    let mut free = std::iter::once(base.clone()).chain(numbered);
    let name = free.find(|name| !names.contains(name)).unwrap_or(base);
    names.insert(name.clone());
    format!("{name}.wav")
}

/// A file that is being written.
struct Writer<'t> {
    track: &'t Track,
    playout: Playout,
    wav: Wav<BufWriter<File>>,
    sound: Vec<i16>,
}

impl<'t> Writer<'t> {
    fn new(track: &'t Track) -> Result<Self, ExtractError> {
        let failed = |source| ExtractError::Write { path: track.path.clone(), source };
        let file = File::create(&track.path).map_err(failed)?;
        let wav = Wav::new(BufWriter::new(file), track.codec.rate()).map_err(failed)?;
        Ok(Self { track, playout: Playout::new(track.codec), wav, sound: Vec::new() })
    }

    fn push(&mut self, picked: &Picked<'_>) -> io::Result<()> {
        let after = picked.time.since(self.track.first).nanos() / 1_000_000;
        let packet = AudioPacket {
            sequence: picked.header.sequence,
            timestamp: picked.header.timestamp,
            codec: self.track.codec_of(picked.header.payload_type),
            media: picked.media.to_vec(),
            millis: u64::try_from(after).unwrap_or_default(),
        };
        self.playout.push(packet, &mut self.sound);
        self.wav.write(&self.sound)?;
        self.sound.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<(), ExtractError> {
        self.playout.flush(&mut self.sound);
        let written = self.wav.write(&self.sound).and_then(|()| self.wav.finish());
        let path = &self.track.path;
        written.map(|_| ()).map_err(|source| ExtractError::Write { path: path.clone(), source })
    }
}

/// Reads the captures once more and writes the streams.
fn write(captures: &[PathBuf], tracks: &[Track]) -> Result<(), ExtractError> {
    let mut writers = tracks.iter().map(Writer::new).collect::<Result<Vec<_>, _>>()?;
    let mut flows: Vec<RtpFlow> = Vec::new();
    let mut of_flow: Vec<Vec<usize>> = Vec::new();
    for (at, track) in tracks.iter().enumerate() {
        match flows.iter().position(|flow| *flow == track.flow) {
            Some(known) => of_flow.get_mut(known).into_iter().for_each(|own| own.push(at)),
            None => {
                flows.push(track.flow);
                of_flow.push(vec![at]);
            }
        }
    }
    let mut failure = None;
    let mut take = |picked: &Picked<'_>| {
        let own = of_flow.get(picked.stream).map(Vec::as_slice).unwrap_or_default();
        // A flow may have been used several times; each use goes on until the next one begins.
        let begun = |at: &&usize| tracks.get(**at).is_some_and(|t| t.first <= picked.time);
        let latest = own.iter().filter(begun).filter_map(|at| tracks.get(*at)).map(|t| t.first);
        let latest = latest.max();
        for writer in own.iter().filter_map(|at| {
            tracks.get(*at).filter(|track| Some(track.first) == latest).map(|_| *at)
        }) {
            let Some(writer) = writers.get_mut(writer) else { continue };
            if let Err(source) = writer.push(picked) {
                failure = Some(ExtractError::Write { path: writer.track.path.clone(), source });
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    };
    let read = pipeline::pick(capture::open(captures)?, &flows, &|_| (), &mut take);
    if let Some(failure) = failure {
        return Err(failure);
    }
    read?;
    writers.into_iter().try_for_each(Writer::finish)
}
