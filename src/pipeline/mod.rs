//! From opened captures to the analysis; the only module that starts threads.
//!
//! Captures are taken in windows of whole blocks. The blocks of a window are decoded in parallel;
//! streams are sharded by flow and calls by Call-ID, each shard in order of the frames. While a
//! window is worked on, the next one is read. What comes out is the same for any number of threads:
//! a window of a file is the same number of bytes, a call belongs to one shard, and results are
//! folded in order of the frames. A window of a pipe is what its frames say (`pace`).

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use rayon::prelude::*;

use crate::analysis::{Analysis, Batch, Keep, Tally, Telling};
use crate::capture::{self, FrameId, Secret, Source};
use crate::limits::{FINDINGS_PER_SHARD_MIN, WINDOWS_PER_JUDGEMENT};
use crate::packet::Defragmenter;
use crate::rules::Profile;
use crate::time::Time;
use crate::transport::KeyLog;

mod calls;
mod clocks;
mod counts;
#[cfg(all(test, feature = "parts"))]
mod crossing;
mod decode;
mod desks;
mod excerpt;
mod extract;
mod flows;
mod merge;
mod origin;
mod pace;
#[cfg(feature = "parts")]
pub mod parts;
mod shards;

use calls::CallShard;
use clocks::{Clocks, Link};
use decode::{Decoded, Decoder};
use desks::Desks;
use merge::{Merge, Round};
use pace::Pace;
use shards::{Shards, Window};

pub use excerpt::{Content, Group, Kept, Stretch, Wanted, excerpt};
pub use extract::{Picked, pick};
pub use origin::{Event, Origin, Seen, origins};

/// Tables that flows and calls are spread over; fixed, so that results do not depend on the number
/// of threads.
pub(crate) const SHARDS: usize = 16;

/// The kind of secrets that is a TLS key log.
const TLS_KEY_LOG: u32 = 0x544c_534b;

/// What a run does.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Options {
    /// What is judged by.
    pub profile: Profile,
    /// How much is kept for the report.
    pub keep: Keep,
    /// Follow RTP. Without it, rules that need media see none.
    pub media: bool,
    /// Secrets that open encrypted connections, besides those that captures carry.
    pub keys: KeyLog,
    /// Threads to use. By default one for each core, or the caller's where it is in a pool of rayon
    /// of one thread.
    pub threads: Option<usize>,
}

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An input could not be read.
    #[error(transparent)]
    Capture(#[from] capture::Error),
    /// The threads could not be started.
    #[error("could not start the worker threads")]
    Threads(#[source] rayon::ThreadPoolBuildError),
    /// The thread that reads a pipe could not be started.
    #[error("could not start the thread that reads the pipe")]
    Reader(#[source] std::io::Error),
    /// Whoever was given the results wants no more.
    #[error("stopped before the end of the captures")]
    Stopped,
}

/// Is told how many bytes of the captures have been read so far.
pub type Progress<'p> = dyn Fn(u64) + Sync + 'p;

/// Is given results on the way; breaks when it wants no more.
pub type Tell<'t> = dyn FnMut(Batch) -> ControlFlow<()> + Send + 't;

/// Reads the captures to their end and says what went wrong in them. Several captures are one,
/// merged by time.
///
/// # Errors
///
/// When an input cannot be read at all; damage in the middle is a note in the result, not an error.
pub fn run(
    sources: Vec<Source>,
    options: &Options,
    progress: &Progress<'_>,
) -> Result<Analysis, Error> {
    on_threads(options, || compared(sources, options, progress, &mut Teller::Silent))
}

/// The same, and `tell` is given calls and findings while the captures are still being read; the
/// analysis returned has only those that it was not given. Of several files everything comes at
/// the end.
///
/// # Errors
///
/// As [`run`], and when `tell` wants no more.
pub fn follow(
    sources: Vec<Source>,
    options: &Options,
    progress: &Progress<'_>,
    tell: &mut Tell<'_>,
) -> Result<Analysis, Error> {
    // The clock of one file may have to be corrected by another.
    let is_waiting = sources.len() > 1 && sources.iter().all(|source| !source.is_live());
    let mut teller = match is_waiting {
        true => Teller::Silent,
        false => {
            let telling = Telling::new(options.keep.clone(), sources.len() > 1);
            Teller::Telling(Box::new(telling), tell)
        }
    };
    on_threads(options, || compared(sources, options, progress, &mut teller))
}

fn on_threads(
    options: &Options,
    run: impl FnOnce() -> Result<Analysis, Error> + Send,
) -> Result<Analysis, Error> {
    // A caller that is in a pool of one thread wants no others. In a larger pool a thread that
    // waits for a part of this run might begin something of the caller's that waits for this run.
    let is_alone = rayon::current_thread_index().is_some() && rayon::current_num_threads() == 1;
    if options.threads.is_none() && is_alone {
        return run();
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads.unwrap_or(0))
        .thread_name(|index| format!("siptrace-{index}"));
    pool.build().map_err(Error::Threads)?.install(run)
}

/// Whether results are told on the way.
enum Teller<'t, 's> {
    Silent,
    Telling(Box<Telling>, &'t mut Tell<'s>),
}

/// Runs, and once more by one clock where the captures show that their clocks differ.
fn compared(
    mut sources: Vec<Source>,
    options: &Options,
    progress: &Progress<'_>,
    teller: &mut Teller<'_, '_>,
) -> Result<Analysis, Error> {
    let again: Option<Vec<Source>> = match sources.len() {
        0 | 1 => None,
        _ => sources.iter().map(Source::reopened).collect(),
    };
    let mut outcome = Run::new(sources.len(), options).drive(sources, progress, teller, None)?;
    let ahead = clocks::ahead(&outcome.links);
    let is_corrected = !ahead.is_empty() && again.is_some();
    if is_corrected {
        sources = again.unwrap_or_default();
        for (source, index) in sources.iter_mut().zip(0..) {
            source.set_ahead(ahead.get(&index).copied().unwrap_or_default());
        }
        let run = Run::new(sources.len(), options);
        outcome = run.drive(sources, progress, teller, Some(outcome.links))?;
    }
    let mut analysis = outcome.analysis;
    let ahead = if is_corrected { ahead } else { BTreeMap::new() };
    clocks::describe(&mut analysis.captures, &outcome.links, &ahead);
    Ok(analysis)
}

/// What a run gave.
struct Outcome {
    analysis: Analysis,
    /// Captures that have messages in common.
    links: Vec<Link>,
}

/// A run under way.
struct Run<'o> {
    options: &'o Options,
    is_several: bool,
    defragmenter: Defragmenter,
    shards: Shards<'o>,
    tally: Tally,
    clocks: Clocks,
    desks: Desks,
    hash: foldhash::fast::FixedState,
}

impl<'o> Run<'o> {
    fn new(captures: usize, options: &'o Options) -> Self {
        let findings = share_of(options.keep.findings);
        let keep = Keep { findings, ..options.keep.clone() };
        let hash = foldhash::fast::FixedState::default();
        Self {
            options,
            is_several: captures > 1,
            defragmenter: Defragmenter::default(),
            shards: Shards::new(options, &keep, &hash),
            tally: Tally::new(options.keep.clone()),
            clocks: Clocks::of(captures),
            desks: Desks::default(),
            hash,
        }
    }

    fn drive(
        mut self,
        sources: Vec<Source>,
        progress: &Progress<'_>,
        teller: &mut Teller<'_, '_>,
        corrected: Option<Vec<Link>>,
    ) -> Result<Outcome, Error> {
        let mut merge = Merge::new(sources).map_err(Error::Reader)?;
        let is_live = merge.is_live();
        let mut pace = Pace::default();
        let mut ahead = merge.next()?;
        let mut windows = 0;
        let mut over = None;
        while let Some(mut round) = ahead.take() {
            // What a pipe gave is worked on, and told, before anybody waits for more of it.
            if is_live {
                let rounds = match self.is_several {
                    true => vec![round],
                    false => pace.rounds(&mut round),
                };
                for round in rounds {
                    let reached = self.work(&round, None);
                    self.close_calls(reached);
                    self.tell(teller)?;
                    merge.recycle(round);
                }
                progress(merge.bytes());
                ahead = merge.next()?;
            } else {
                let work = || self.work(&round, over.take());
                let (next, reached) = rayon::join(|| merge.next(), work);
                ahead = next?;
                windows += 1;
                let is_due = windows % WINDOWS_PER_JUDGEMENT == 0;
                // At the end, calls wait for what the streams still hold.
                over = Some(reached)
                    .filter(|_| ahead.is_some() && (is_due || self.shards.is_look_cheap()));
                if let Teller::Telling(..) = teller
                    && let Some(reached) = over.take()
                {
                    self.close_calls(reached);
                    if is_due {
                        self.tell(teller)?;
                    }
                }
                merge.recycle(round);
                progress(merge.bytes());
            }
        }
        if let Some(rest) = pace.rest() {
            self.work(&rest, None);
        }
        counts::captures(&mut self.tally, merge.into_descriptions());
        self.tally.drop("key-lines", self.shards.keys.dropped());
        let is_corrected = corrected.is_some();
        let links = corrected.unwrap_or_else(|| self.clocks.links());
        let apart = links.iter().filter_map(|link| link.difference(is_corrected));
        self.tally.facts.clocks = apart.collect();
        self.finish_calls();
        // What nothing was told of before is judged as a whole.
        if !matches!(teller, Teller::Telling(telling, _) if telling.has_told_nothing()) {
            self.tell(teller)?;
        }
        Ok(Outcome { analysis: self.finish(teller), links })
    }

    /// Tells what is new.
    fn tell(&mut self, teller: &mut Teller<'_, '_>) -> Result<(), Error> {
        let Teller::Telling(telling, tell) = teller else { return Ok(()) };
        let mut tallies = self.shards.tallies();
        let batch = telling.batch(&mut tallies, &self.tally.facts, &self.options.profile.settings);
        match batch.is_empty() || tell(batch).is_continue() {
            true => Ok(()),
            false => Err(Error::Stopped),
        }
    }

    /// Works on one round and returns the moment at or before which nothing can come any more.
    /// Before it, judges the calls that were `over` by then.
    fn work(&mut self, round: &Round, over: Option<Time>) -> Time {
        let Self { is_several, ref hash, ref desks, ref mut shards, ref mut tally, .. } = *self;
        let decoder = Decoder { media: self.options.media, is_several, hash, desks };
        let known = &tally.facts.coverage;
        let (given, decoded) = rayon::join(
            || over.map_or_else(Vec::new, |reached| shards.close(reached, known)),
            || -> Vec<Decoded<'_>> {
                round.parts.par_iter().map(|part| decoder.part(part)).collect()
            },
        );
        take_secrets(&mut shards.keys, &round.secrets);
        for (part, of) in decoded.iter().zip(&round.parts) {
            if !part.samples.is_empty() {
                self.clocks.add(of.block.first().capture, &part.samples);
            }
        }
        let mut coverage = known.clone();
        decoded.iter().for_each(|part| coverage.merge(&part.coverage));
        let whole = decoder.reassemble(&mut self.defragmenter, &decoded);
        let whole = decoder.packets(&whole);
        // What calls show of the capture is put into tables that no call asks; of the coverage they
        // have their own.
        let (until, ()) = rayon::join(
            || {
                tally.gather(given);
                counts::frames(tally, &decoded)
            },
            || {
                let window = Window { parts: &decoded, whole: &whole };
                shards.take(window, decoder, desks, &coverage);
            },
        );
        let parts = decoded.into_iter().chain([whole]);
        desks.clear(parts.map(|part| part.rtp));
        round.reached.unwrap_or(until)
    }

    /// Judges the calls that are over.
    fn close_calls(&mut self, reached: Time) {
        let given = self.shards.close(reached, &self.tally.facts.coverage);
        self.tally.gather(given);
    }

    /// Judges the calls that are open at the end.
    fn finish_calls(&mut self) {
        let Self { shards, tally, .. } = self;
        shards.drain(&tally.facts.coverage);
        counts::fragments(tally, &mut self.defragmenter);
        let given = shards.finish(tally.facts.last_time, &tally.facts.coverage);
        tally.gather(given);
        shards.flows.iter().for_each(|flows| counts::flows(tally, flows));
        let mut tallies: Vec<_> = shards.calls.iter_mut().map(CallShard::tally).collect();
        let claimed: Vec<_> = tallies.iter_mut().map(|tally| tally.claimed()).collect();
        counts::streams(tally, &shards.rtp, &claimed);
        counts::disruptions(tally, &shards.disruptions);
        tally.facts.is_media_ignored = !self.options.media;
    }

    fn finish(self, teller: &mut Teller<'_, '_>) -> Analysis {
        let mut parts = vec![self.tally];
        parts.extend(self.shards.calls.into_iter().map(CallShard::into_tally));
        match teller {
            Teller::Silent => Tally::finish(parts, &self.options.profile),
            Teller::Telling(telling, _) => {
                let telling = std::mem::replace(
                    &mut **telling,
                    Telling::new(self.options.keep.clone(), false),
                );
                Tally::finish_after(parts, &self.options.profile, telling)
            }
        }
    }
}

/// Findings that a part of the run keeps of so many.
fn share_of(findings: usize) -> usize {
    (findings / SHARDS).max(findings.min(FINDINGS_PER_SHARD_MIN))
}

/// Takes the key logs that captures carry.
fn take_secrets(keys: &mut KeyLog, secrets: &[(u16, Secret)]) {
    for (capture, secret) in secrets.iter().filter(|(_, s)| s.kind == TLS_KEY_LOG) {
        let frame = FrameId { capture: *capture, number: secret.frame };
        keys.add(&secret.data, Some(frame));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::FINDINGS_MAX;
    use crate::media::Media;
    use crate::rules;
    use crate::signaling::samples::{log, surrounded};

    #[test]
    fn a_part_keeps_findings_for_calls_that_are_not_spread_evenly() {
        let shares = [0, 10, FINDINGS_PER_SHARD_MIN + 100, FINDINGS_MAX].map(share_of);
        assert_eq!(shares, [0, 10, FINDINGS_PER_SHARD_MIN, FINDINGS_MAX / SHARDS]);
        let invite = "INVITE sip:b@h SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\n\
            From: <sip:a@h>;tag=a\nTo: <sip:b@h>\nCall-ID: 1\nCSeq: 1 INVITE\n\n";
        let log = log(&[(0, 1, 2, invite)]);
        let rule = rules::find("invite-no-response").expect("a rule");
        let findings = share_of(FINDINGS_PER_SHARD_MIN + 100);
        let mut tally = Tally::new(Keep { findings, ..Keep::default() });
        for _ in 0..FINDINGS_PER_SHARD_MIN + 3 {
            surrounded(|own| tally.judge(&log, own, Media::new(&[]), &[rule], false));
        }
        let analysis = Tally::finish(vec![tally], &Profile::default());
        assert_eq!(analysis.findings.len(), FINDINGS_PER_SHARD_MIN);
        assert_eq!(analysis.dropped.get("findings"), Some(&3));
        assert!(!analysis.is_judged_by_all());
    }
}
