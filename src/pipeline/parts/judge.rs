//! What calls are judged by, their judgement, and what they show together.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::analysis::{Analysis, CallSummary, Keep, Tally};
use crate::bytes::printable;
use crate::capture::FrameId;
use crate::media::{Media, Streams};
use crate::pipeline::calls::{self, CallShard};
use crate::pipeline::clocks::{self, Clocks, Link};
use crate::pipeline::decode::Sighting;
use crate::pipeline::parts::flows::{Event, Found};
use crate::pipeline::parts::scan::Scanned;
use crate::pipeline::parts::{MessageRow, Unreadable, given, sealed};
use crate::pipeline::{Options, SHARDS, TLS_KEY_LOG, counts, share_of};
use crate::time::Span;
use crate::transport::{Disruptions, KeyLog};

/// What all scans found.
#[derive(Debug)]
pub struct Survey {
    tally: Tally,
    events: Vec<Event>,
    clocks: Vec<Clocks>,
    ahead: BTreeMap<u16, Span>,
    secrets: Vec<(FrameId, Vec<u8>)>,
}

impl Default for Survey {
    fn default() -> Self {
        Self {
            tally: Tally::new(Keep::default()),
            events: Vec::new(),
            clocks: Vec::new(),
            ahead: BTreeMap::new(),
            secrets: Vec::new(),
        }
    }
}

impl Survey {
    /// Adds what [`Scan::finish`](super::Scan::finish) gave, in order of the captures.
    ///
    /// # Errors
    ///
    /// When it is damaged or of another version.
    pub fn add(&mut self, scanned: &[u8]) -> Result<(), Unreadable> {
        let scanned: Scanned = given(scanned)?;
        let Scanned { capture, ahead, tally, events, clocks, secrets } = scanned;
        self.tally.absorb(tally);
        self.events.extend(events);
        self.clocks.push(clocks);
        if ahead != Span::ZERO {
            self.ahead.insert(capture, ahead);
        }
        let secrets = secrets.into_iter().filter(|secret| secret.kind == TLS_KEY_LOG);
        self.secrets
            .extend(secrets.map(|secret| (FrameId { capture, number: secret.frame }, secret.data)));
        Ok(())
    }

    /// How far the clock of each capture is ahead; none is zero. Those that were scanned with
    /// another `ahead` have to be scanned again before anything else.
    pub fn ahead(&self) -> BTreeMap<u16, Span> {
        clocks::ahead(&self.links())
    }

    /// TLS key logs of the captures and of the options.
    pub fn keys(&self, options: &Options) -> Vec<u8> {
        sealed(&self.all_keys(options))
    }

    fn all_keys(&self, options: &Options) -> KeyLog {
        let mut keys = options.keys.clone();
        for (frame, data) in &self.secrets {
            keys.add(data, Some(*frame));
        }
        keys
    }

    /// The captures that have messages in common.
    fn links(&self) -> Vec<Link> {
        let mut all = Clocks::of(self.clocks.len());
        self.clocks.iter().for_each(|own| all.merge(own));
        all.links()
    }
}

/// What all calls are judged by.
#[derive(Debug)]
pub struct Grounds {
    tally: Tally,
    events: Vec<Event>,
    disruptions: Disruptions,
    media: Vec<Streams>,
    options: Options,
}

impl Grounds {
    /// What the steps gave at their ends; of media what each table with pieces gave, with its
    /// number.
    ///
    /// # Errors
    ///
    /// When one of them is damaged or of another version.
    pub fn new(
        survey: Survey,
        mended: &[u8],
        flows: &[Vec<u8>],
        media: &[(u8, Vec<u8>)],
        options: Options,
    ) -> Result<Self, Unreadable> {
        let keys = survey.all_keys(&options);
        let links = survey.links();
        let Survey { mut tally, mut events, ahead, .. } = survey;
        for found in std::iter::once(mended).chain(flows.iter().map(Vec::as_slice)) {
            let Found { tally: own, events: own_events } = given(found)?;
            tally.absorb(own);
            events.extend(own_events);
        }
        let mut tables: Vec<Streams> =
            (0..SHARDS).map(|_| Streams::with_share_of(SHARDS)).collect();
        for (table, streams) in media {
            *tables.get_mut(usize::from(*table)).ok_or(Unreadable)? = given(streams)?;
        }
        tally.drop("key-lines", keys.dropped());
        clocks::describe(&mut tally.facts.captures, &links, &ahead);
        let apart = links.iter().filter_map(|link| link.difference(!ahead.is_empty()));
        tally.facts.clocks = apart.collect();
        events.sort_by_key(|(order, _)| *order);
        Ok(Self::of(tally, events, tables, options))
    }

    fn of(tally: Tally, events: Vec<Event>, media: Vec<Streams>, options: Options) -> Self {
        let mut disruptions = Disruptions::default();
        events.iter().for_each(|(_, turn)| disruptions.take(turn.clone()));
        Self { tally, events, disruptions, media, options }
    }

    /// The bytes of it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { tally, events, media, options, .. } = self;
        sealed(&(tally, events, media, options))
    }

    /// Those that [`Self::to_bytes`] gave.
    ///
    /// # Errors
    ///
    /// When they are damaged or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        let (tally, events, media, options) = given(bytes)?;
        Ok(Self::of(tally, events, media, options))
    }

    /// The same, and what is judged by them keeps so much.
    #[must_use]
    pub fn keeping(mut self, keep: Keep) -> Self {
        self.options.keep = keep;
        self
    }

    fn borrowed(&self) -> calls::Grounds<'_> {
        calls::Grounds {
            media: Media::new(&self.media),
            network: self.disruptions.network(),
            profile: &self.options.profile,
            coverage: &self.tally.facts.coverage,
        }
    }
}

/// Judges calls.
#[derive(Debug)]
pub struct Judge<'g> {
    grounds: &'g Grounds,
    calls: CallShard,
    /// The Call-ID under way, as it is shown.
    call_id: Option<String>,
}

impl<'g> Judge<'g> {
    /// Nothing judged yet.
    pub fn new(grounds: &'g Grounds) -> Self {
        Self { grounds, calls: CallShard::new(part_of(&grounds.options)), call_id: None }
    }

    /// Takes the next message; those with the same [`Gist::call_id`](super::Gist::call_id) come
    /// one after another, in order.
    pub fn push(&mut self, message: &MessageRow) {
        let sighting = Sighting::seen(message.delivery.borrowed(), message.place());
        let head = sighting.head();
        let call_id = head.and_then(|head| head.call_id).map(printable);
        if self.call_id.as_deref() != call_id.as_deref() {
            self.close();
            self.call_id = call_id.map(Cow::into_owned);
        }
        self.calls.push(&sighting, self.grounds.borrowed());
    }

    fn close(&mut self) {
        self.calls.finish(self.grounds.tally.facts.last_time, self.grounds.borrowed());
        self.calls.forget();
    }

    /// The calls judged since the last time.
    pub fn take_calls(&mut self) -> Vec<CallSummary> {
        self.calls.tally().take_calls()
    }

    /// What it found; what [`Self::take_calls`] gave is not in it.
    pub fn finish(mut self) -> Judged {
        self.close();
        Judged(self.calls.into_tally())
    }
}

/// What a judge found.
#[derive(Debug)]
pub struct Judged(Tally);

impl Judged {
    /// The bytes of it for [`Conclusion::add_bytes`], without the calls.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    /// The calls that [`Judge::take_calls`] did not give; they are no longer in it.
    pub fn take_calls(&mut self) -> Vec<CallSummary> {
        self.0.take_calls()
    }

    /// The calls and nothing that counts, beside what a judge of the same calls found before.
    #[must_use]
    pub fn calls_only(mut self) -> Self {
        Self(Tally::of_calls(self.0.take_calls()))
    }
}

/// What a part of the run keeps.
fn part_of(options: &Options) -> Keep {
    Keep { findings: share_of(options.keep.findings), ..options.keep.clone() }
}

/// Folds what the judges found, one after another, so that there is one table of hosts.
#[derive(Debug)]
pub struct Conclusion {
    tally: Tally,
    disruptions: Disruptions,
    media: Vec<Streams>,
    options: Options,
    parts: Vec<Tally>,
}

impl Conclusion {
    /// Nothing folded yet.
    pub fn new(grounds: Grounds) -> Self {
        let Grounds { mut tally, disruptions, media, options, .. } = grounds;
        tally.set_keep(options.keep.clone());
        Self { tally, disruptions, media, options, parts: Vec::new() }
    }

    /// Adds what a judge found.
    pub fn add(&mut self, judged: Judged) {
        let Judged(mut part) = judged;
        self.tally.gather([part.hand_over()]);
        self.parts.push(part);
    }

    /// Adds what [`Judged::to_bytes`] gave.
    ///
    /// # Errors
    ///
    /// When it is damaged or of another version.
    pub fn add_bytes(&mut self, judged: &[u8]) -> Result<(), Unreadable> {
        let part = Tally::from_bytes(judged, part_of(&self.options)).ok_or(Unreadable)?;
        self.add(Judged(part));
        Ok(())
    }

    /// The analysis. Its calls are those that nobody took from the judges.
    pub fn finish(self) -> Analysis {
        let Self { mut tally, disruptions, media, options, parts } = self;
        let claimed: Vec<_> = parts.iter().map(Tally::claimed).collect();
        counts::streams(&mut tally, &media, &claimed);
        counts::disruptions(&mut tally, &disruptions);
        tally.facts.is_media_ignored = !options.media;
        Tally::finish(std::iter::once(tally).chain(parts).collect(), &options.profile)
    }
}
