//! Chosen calls as captures of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::analysis::{Analysis, CallSummary};
use crate::capture::{self, Note};
use crate::cli::extract::{ExtractArgs, ExtractError, Made, Meant, file_name};
use crate::cli::files::{Files, is_enough, is_stdout};
use crate::cli::output::{OutputArgs, Stream};
use crate::cli::run::RunError;
use crate::media::RtpFlow;
use crate::pipeline::{self, Content, Group, Kept, Stretch, Wanted};
use crate::report::excerpt::{Alone, Excerpt, Notes};
use crate::time::{Span, Time};

/// Files that are open at a time; more calls take more passes over the captures.
const OPEN_MAX: usize = 128;

/// A file and the calls that go into it.
struct Target<'a> {
    /// None for standard output.
    path: Option<PathBuf>,
    calls: Vec<&'a CallSummary>,
}

/// Writes all the calls to one file.
pub(super) fn together(
    meant: &Meant<'_>,
    path: &Path,
    made: &mut Made,
) -> Result<(), ExtractError> {
    let is_stdout = is_stdout(path);
    if is_stdout && io::stdout().is_terminal() {
        return Err(ExtractError::Terminal);
    }
    let path = (!is_stdout).then(|| path.to_owned());
    write_all(meant, vec![Target { path, calls: calls(meant).collect() }], made)
}

/// Writes each call to a file of its own.
pub(super) fn apart(meant: &Meant<'_>, folder: &Path, made: &mut Made) -> Result<(), ExtractError> {
    let digits = meant.analysis.calls.len().to_string().len();
    // The number is that by which the call can be named.
    let name = |place: usize, call: &CallSummary| {
        format!("{:0digits$}-{}.pcapng", place + 1, file_name(&call.call_id))
    };
    let mut targets: Vec<Target<'_>> = Vec::new();
    let mut known = BTreeSet::new();
    for (place, call) in meant.places.iter().copied().zip(calls(meant)) {
        if known.insert(call.call_id.as_str()) {
            let path = Some(folder.join(name(place, call)));
            targets.push(Target { path, calls: vec![call] });
        }
    }
    write_all(meant, targets, made)
}

fn calls<'m>(meant: &'m Meant<'_>) -> impl Iterator<Item = &'m CallSummary> {
    meant.places.iter().filter_map(|place| meant.analysis.calls.get(*place))
}

fn write_all(
    meant: &Meant<'_>,
    mut targets: Vec<Target<'_>>,
    made: &mut Made,
) -> Result<(), ExtractError> {
    let all = targets.iter().flat_map(|target| &target.calls);
    let names: BTreeSet<&str> = all.map(|call| call.call_id.as_str()).collect();
    let notes = Notes::new(&meant.analysis, &names, meant.lang);
    while !targets.is_empty() {
        let rest = targets.split_off(targets.len().min(OPEN_MAX));
        write(meant, &targets, &notes, &mut made.files)?;
        made.names.extend(targets.into_iter().filter_map(|target| target.path));
        targets = rest;
    }
    Ok(())
}

/// Reads the captures for some files and writes these.
fn write(
    meant: &Meant<'_>,
    targets: &[Target<'_>],
    notes: &Notes,
    files: &mut Files,
) -> Result<(), ExtractError> {
    let Meant { args, analysis, .. } = meant;
    let mut drafts = Vec::with_capacity(targets.len());
    for target in targets {
        drafts.push(open(meant, target, notes)?);
    }
    let wanted = wanted(analysis, targets, args.run.follows_media());
    let keys = args.run.keys().map_err(RunError::from)?;
    let ahead = ahead(analysis);
    let sources = || -> Result<Vec<capture::Source>, pipeline::Error> {
        let mut sources = capture::open(&args.run.captures)?;
        for source in &mut sources {
            source.set_ahead(ahead.get(&source.index()).copied().unwrap_or_default());
        }
        Ok(sources)
    };
    let progress = args.run.progress();
    let mut failure = None;
    let take = &mut |group: usize, kept: Kept<'_>| {
        let written = drafts.get_mut(group).map_or(Ok(()), |file| put(file, &kept));
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some((group, error));
                ControlFlow::Break(())
            }
        }
    };
    let read = pipeline::excerpt(&sources, &wanted, &keys, &|b| progress.reached(b), take);
    progress.finish();
    let error = |group: usize, source: io::Error| match targets.get(group) {
        _ if is_enough(&source) => Ok(()),
        Some(target) => Err(output(args, target).error(source).into()),
        None => Err(pipeline::Error::Stopped.into()),
    };
    if let Some((group, source)) = failure {
        return error(group, source);
    }
    read?;
    for (draft, group) in drafts.into_iter().zip(0..) {
        let closed = draft.finish().and_then(|out| out.close(files));
        closed.or_else(|source| error(group, source))?;
    }
    Ok(())
}

fn output(args: &ExtractArgs, target: &Target<'_>) -> OutputArgs {
    let output = target.path.clone();
    OutputArgs { output, force: args.force, ..OutputArgs::default() }
}

fn open<'m>(
    meant: &'m Meant<'_>,
    target: &Target<'_>,
    notes: &'m Notes,
) -> Result<Excerpt<'m, Stream>, ExtractError> {
    let output = output(meant.args, target);
    let names: Vec<&str> = target.calls.iter().map(|call| call.call_id.as_str()).collect();
    let begun = Excerpt::new(output.stream()?, &meant.analysis, &names, notes, meant.lang);
    Ok(begun.map_err(|source| output.error(source))?)
}

fn put(file: &mut Excerpt<'_, Stream>, kept: &Kept<'_>) -> io::Result<()> {
    let at = (kept.frame, kept.time);
    match &kept.content {
        Content::Frame { interface, link, data, original_length, is_cut } => {
            file.frame(at, (*interface, *link), (data, *original_length), *is_cut)
        }
        Content::Message { source, destination, transport, bytes } => {
            let (source, destination, transport) = (*source, *destination, *transport);
            file.message(at, Alone { source, destination, transport, bytes })
        }
    }
}

fn wanted(analysis: &Analysis, targets: &[Target<'_>], media: bool) -> Wanted {
    let mut evidence: BTreeMap<&str, Vec<capture::FrameId>> = BTreeMap::new();
    for finding in &analysis.findings {
        if let Some(call) = finding.call_id.as_deref() {
            evidence.entry(call).or_default().extend(&finding.frames);
        }
    }
    let group = |target: &Target<'_>| {
        let streams = target.calls.iter().flat_map(|call| &call.streams).map(|stream| Stretch {
            flow: RtpFlow {
                source: stream.source,
                destination: stream.destination,
                ssrc: stream.ssrc,
            },
            from: stream.first.time,
            until: stream.last.time,
        });
        let own = target.calls.iter().filter_map(|call| evidence.get(call.call_id.as_str()));
        Group {
            calls: target.calls.iter().map(|call| call.call_id.clone()).collect(),
            streams: streams.collect(),
            evidence: own.flatten().copied().collect(),
            until: target.calls.iter().map(|call| call.end).max().unwrap_or_else(Time::default),
        }
    };
    Wanted { groups: targets.iter().map(group).collect(), media }
}

/// What the clocks of the captures are ahead, where the analysis has corrected them.
fn ahead(analysis: &Analysis) -> BTreeMap<u16, Span> {
    let mut all: BTreeMap<u16, Span> = BTreeMap::new();
    for (capture, index) in analysis.captures.iter().zip(0..) {
        for note in &capture.notes {
            if let Note::ClockOffset { from, ahead, is_corrected: true } = note {
                // The other one is earlier in the order given.
                let before = all.get(from).copied().unwrap_or_default();
                all.insert(index, before + *ahead);
            }
        }
    }
    all
}
