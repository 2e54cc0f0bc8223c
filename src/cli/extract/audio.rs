//! RTP streams as sound.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::analysis::StreamSummary;
use crate::capture;
use crate::cli::extract::{ExtractArgs, ExtractError, Made, Meant, file_name as safe};
use crate::cli::files::{Draft, Files, WriteError};
use crate::media::RtpFlow;
use crate::media::audio::{AudioCodec, AudioPacket, Playout};
use crate::pipeline::{self, Picked};
use crate::report::wav::Wav;
use crate::time::Time;

/// Files that are open at a time; more streams take another pass over the captures.
const OPEN_MAX: usize = 128;

/// A stream on its way into a file.
struct Track {
    path: PathBuf,
    flow: RtpFlow,
    codec: AudioCodec,
    /// The payload type that the codec has by the SDP.
    payload_type: Option<u8>,
    first: Time,
}

/// Writes the streams of the calls that are meant; where no call is named, all that there are.
pub(super) fn write(meant: &Meant<'_>, folder: &Path, made: &mut Made) -> Result<(), ExtractError> {
    let tracks = tracks(meant, folder);
    if tracks.is_empty() {
        return Err(ExtractError::NoSound);
    }
    for tracks in tracks.chunks(OPEN_MAX) {
        write_some(meant.args, tracks, &mut made.files)?;
    }
    made.names.extend(tracks.into_iter().map(|track| track.path));
    Ok(())
}

/// The streams that can be written, each with the name of its file; tells of those that cannot.
fn tracks(meant: &Meant<'_>, folder: &Path) -> Vec<Track> {
    let Meant { args, analysis, places, .. } = meant;
    let is_all = args.chosen.is_empty() && args.filter.is_none();
    let mut tracks = Vec::new();
    let mut names = BTreeSet::new();
    let mut encrypted = 0_u64;
    let mut others: BTreeMap<&str, u64> = BTreeMap::new();
    let calls = places.iter().filter_map(|place| analysis.calls.get(*place));
    let of_calls = calls.flat_map(|call| {
        let name = call.call_id.as_str();
        call.streams.iter().map(move |stream| (name, stream))
    });
    let alone = analysis.streams.iter().filter(|_| is_all).map(|stream| ("no-call", stream));
    for (call, stream) in of_calls.chain(alone) {
        let name = stream.codec.as_deref().unwrap_or("unknown");
        match AudioCodec::of(name) {
            _ if stream.is_encrypted => encrypted += 1,
            Some(codec) => {
                let name = name_of(call, stream, &mut names);
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
fn name_of(call: &str, stream: &StreamSummary, names: &mut BTreeSet<String>) -> String {
    let call = safe(call);
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
    wav: Wav<Draft>,
    sound: Vec<i16>,
}

impl<'t> Writer<'t> {
    fn new(args: &ExtractArgs, track: &'t Track) -> Result<Self, ExtractError> {
        let failed = |source| WriteError::failed(&track.path, source);
        let draft = Draft::create(&args.wanted(&track.path))?;
        let wav = Wav::new(draft, track.codec.rate()).map_err(failed)?;
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

    fn finish(mut self, files: &mut Files) -> Result<(), ExtractError> {
        self.playout.flush(&mut self.sound);
        let written = self.wav.write(&self.sound).and_then(|()| self.wav.finish());
        let closed = written.and_then(|draft| files.add(draft));
        Ok(closed.map_err(|source| WriteError::failed(&self.track.path, source))?)
    }
}

/// Reads the captures once more and writes the streams.
fn write_some(args: &ExtractArgs, tracks: &[Track], files: &mut Files) -> Result<(), ExtractError> {
    let writers = tracks.iter().map(|track| Writer::new(args, track));
    let mut writers = writers.collect::<Result<Vec<_>, _>>()?;
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
                failure = Some(WriteError::failed(&writer.track.path, source));
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    };
    let read = pipeline::pick(capture::open(&args.run.captures)?, &flows, &|_| (), &mut take);
    if let Some(failure) = failure {
        return Err(failure.into());
    }
    read?;
    writers.into_iter().try_for_each(|writer| writer.finish(files))
}
