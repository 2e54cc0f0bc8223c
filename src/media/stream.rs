//! The packets of one synchronization source on one way, reduced to figures.
//!
//! A stream costs the same for a second and for an hour.

use super::event::{self, Events};
use super::gaps;
use super::jitter::Jitters;
use super::sequence::Turn;
use super::{Jitter, RtpFlow, RtpPacket, Sequence, TelephoneEvent};
use crate::capture::FrameId;
use crate::limits::{RTP_RUNS_MAX, RTP_SPELLS_MAX};
use crate::packet::Endpoint;
use crate::time::{Span, Time};

/// A pause that ends a spell of activity.
const PAUSE: Span = Span::from_millis(500);

/// After such a pause, numbers that do not go on are another stream: a later call with the same
/// addresses and SSRC, as those that play a recording have.
const ANOTHER_USE: Span = Span::from_secs(5);

/// The same packet again within this time is a capture copy.
const COPY_WINDOW: Span = Span::from_millis(2);

/// The same packet with the same IP identification within this time is a capture copy.
const COPY_WINDOW_SAME_ID: Span = Span::from_millis(50);

/// Copies after which a stream may be captured twice as a whole.
const COPIES_MIN: u64 = 8;

/// Clocks that differ by more than a hundredth are none: the timestamps jumped.
const SKEW_PPM_MAX: f64 = 10_000.0;

/// Packets looked back at for a copy; a power of two.
const COPY_LOOK_BACK: usize = 4;

/// Comfort noise (RFC 3389), by its number of today or by its former one.
const fn is_comfort_noise(payload_type: u8) -> bool {
    matches!(payload_type, 13 | 19)
}

/// A packet of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Seen {
    /// When it was captured.
    pub time: Time,
    /// Its frame.
    pub frame: FrameId,
}

impl Seen {
    #[inline]
    pub(super) fn of(packet: &RtpPacket) -> Self {
        Self { time: packet.time, frame: packet.frame() }
    }
}

/// Packets of one payload type, one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Run {
    /// 0 to 127.
    pub payload_type: u8,
    /// How many.
    pub packets: u64,
    /// The first one.
    pub first: Seen,
    /// The last one.
    pub last: Seen,
}

/// A time without packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Gap {
    /// When the packet before it came.
    pub from: Time,
    /// The packet after it.
    pub to: Seen,
}

impl Gap {
    /// How long it was.
    pub fn span(&self) -> Span {
        self.to.time.since(self.from)
    }
}

/// The packets of one synchronization source on one way.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Stream {
    /// The sender.
    pub source: Endpoint,
    /// The receiver.
    pub destination: Endpoint,
    /// The synchronization source.
    pub ssrc: u32,
    /// Another stream of the same addresses and SSRC came after it.
    is_superseded: bool,
    /// First and last time of the latest spell without a pause.
    spell: (Time, Time),
    /// The spells before it; bounded.
    spells: Vec<(Time, Time)>,
    sequence: Sequence,
    /// The latest packets of one payload type.
    run: Run,
    /// The runs before it; bounded.
    runs: Vec<Run>,
    events: Option<Box<Events>>,
    jitters: Jitters,
    octets: u64,
    markers: u32,
    copies: u64,
    /// The capture whose packets are measured; those that only another one has do not count as
    /// lost.
    capture: u16,
    longest_gap: Option<Gap>,
    latest: Latest,
    drift: Drift,
    step: Step,
    /// Spells and runs that were not told apart.
    joined: [u32; 2],
}

/// What the next packet is compared with.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Latest {
    /// The latest packet with media in order of its number.
    time: Time,
    timestamp: u32,
    payload_type: u8,
    /// The latest ones, by their number.
    few: [(u16, u16, Time); COPY_LOOK_BACK],
}

/// How far the clock of the sender and that of the capture came within spells without a pause.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Drift {
    ticks: i64,
    nanos: i64,
}

/// The step of the timestamp from packet to packet that most have.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Step {
    ticks: u32,
    votes: u32,
}

impl Stream {
    pub(super) fn new(flow: RtpFlow, packet: &RtpPacket) -> Self {
        let RtpFlow { source, destination, ssrc } = flow;
        let seen = Seen::of(packet);
        let mut stream = Self {
            source,
            destination,
            ssrc,
            is_superseded: false,
            spell: (packet.time, packet.time),
            spells: Vec::new(),
            sequence: Sequence::new(packet.sequence),
            run: Run { payload_type: packet.payload_type, packets: 1, first: seen, last: seen },
            runs: Vec::new(),
            events: None,
            jitters: Jitters::new(static_clock(packet.payload_type)),
            octets: u64::from(packet.octets),
            markers: u32::from(packet.marker),
            copies: 0,
            capture: packet.capture(),
            longest_gap: None,
            latest: Latest {
                time: packet.time,
                timestamp: packet.timestamp,
                payload_type: packet.payload_type,
                few: [(0, 0, Time::from_nanos(i64::MIN)); COPY_LOOK_BACK],
            },
            drift: Drift::default(),
            step: Step::default(),
            joined: [0; 2],
        };
        stream.remember(packet);
        if event::is_event(packet) {
            stream.events.get_or_insert_default().push(packet);
        }
        stream
    }

    /// The packet belongs to a later use of the same addresses and SSRC.
    #[inline]
    pub(super) fn is_over(&self, packet: &RtpPacket) -> bool {
        self.is_superseded
            || packet.time.since(self.last()) > ANOTHER_USE && !self.goes_on_with(packet.sequence)
    }

    /// A later use of the same addresses and SSRC has begun.
    pub(super) fn supersede(&mut self) {
        self.is_superseded = true;
    }

    #[cold]
    fn goes_on_with(&self, number: u16) -> bool {
        gaps::is_gap(number, self.due()) || number == self.due()
    }

    /// The number that comes next.
    #[inline]
    pub(super) fn due(&self) -> u16 {
        (self.sequence.highest() as u16).wrapping_add(1)
    }

    /// Takes the next packet.
    #[inline]
    pub(super) fn push(&mut self, packet: &RtpPacket) {
        let turn = self.sequence.push(packet.sequence);
        if turn == Turn::Again && self.is_copy(packet) {
            self.sequence.withdraw_duplicate();
            self.copies += 1;
            return;
        }
        self.remember(packet);
        self.octets += u64::from(packet.octets);
        self.markers = self.markers.saturating_add(u32::from(packet.marker));
        self.extend(packet);
        if packet.capture() == self.capture {
            self.measure(packet, turn);
        }
    }

    #[inline]
    fn remember(&mut self, packet: &RtpPacket) {
        let at = usize::from(packet.sequence) % COPY_LOOK_BACK;
        if let Some(place) = self.latest.few.get_mut(at) {
            *place = (packet.sequence, packet.ip_id, packet.time);
        }
    }

    #[cold]
    fn is_copy(&self, packet: &RtpPacket) -> bool {
        if packet.capture() != self.capture {
            return true;
        }
        // Where most packets are captured twice, the slower ones among them are as well.
        let is_doubled = self.copies >= COPIES_MIN && self.copies * 2 >= self.packets();
        self.latest.few.iter().any(|(sequence, ip_id, time)| {
            let passed = packet.time.since(*time).abs();
            let is_same_id = *ip_id == packet.ip_id && *ip_id != 0;
            let is_wide = is_same_id || is_doubled;
            let window = if is_wide { COPY_WINDOW_SAME_ID } else { COPY_WINDOW };
            *sequence == packet.sequence && passed <= window
        })
    }

    /// Lets the spell and the run go on, or begins the next ones.
    #[inline]
    fn extend(&mut self, packet: &RtpPacket) {
        let (time, seen) = (packet.time, Seen::of(packet));
        if time.since(self.spell.1) <= PAUSE {
            self.spell.1 = time.max(self.spell.1);
        } else {
            self.begin_spell(time);
        }
        if self.run.payload_type == packet.payload_type {
            self.run.packets += 1;
            self.run.last = seen;
        } else {
            self.begin_run(packet.payload_type, seen);
        }
    }

    #[cold]
    fn begin_spell(&mut self, time: Time) {
        if self.spells.len() + 1 < RTP_SPELLS_MAX {
            self.spells.push(std::mem::replace(&mut self.spell, (time, time)));
        } else {
            self.spell.1 = time.max(self.spell.1);
            self.joined[0] = self.joined[0].saturating_add(1);
        }
    }

    #[cold]
    fn begin_run(&mut self, payload_type: u8, seen: Seen) {
        let run = Run { payload_type, packets: 1, first: seen, last: seen };
        let done = std::mem::replace(&mut self.run, run);
        if self.runs.len() + 1 < RTP_RUNS_MAX {
            self.runs.push(done);
            return;
        }
        self.joined[1] = self.joined[1].saturating_add(1);
        // Events beside the sound change the payload type with every packet. What is known of both
        // types is still right if the run goes to the last one of its type.
        match self.runs.iter_mut().rfind(|own| own.payload_type == done.payload_type) {
            Some(own) => {
                own.packets += done.packets;
                own.last = done.last;
            }
            None => {
                self.run = Run { packets: done.packets + 1, last: seen, ..done };
            }
        }
    }

    /// Reckons jitter, gap and drift against the packet before.
    #[inline]
    fn measure(&mut self, packet: &RtpPacket, turn: Turn) {
        if event::is_event(packet) {
            // Their timestamp stands still while they last (RFC 4733, section 2.2.1).
            self.events.get_or_insert_default().push(packet);
            self.jitters.pass_over();
            return;
        }
        let elapsed = packet.time.since(self.latest.time);
        let ticks = packet.timestamp.wrapping_sub(self.latest.timestamp).cast_signed();
        let is_noise =
            is_comfort_noise(packet.payload_type) || is_comfort_noise(self.latest.payload_type);
        // By number, since the timestamp of a sender may be put right backwards.
        let is_late = turn == Turn::Late;
        let is_regular = !is_late && !packet.marker && !is_noise;
        if matches!(turn, Turn::Stray | Turn::Restart) {
            self.jitters.pass_over();
        } else {
            self.jitters.push(elapsed, ticks, is_regular);
        }
        if is_regular && self.longest_gap.is_none_or(|gap| elapsed > gap.span()) {
            self.longest_gap = Some(Gap { from: self.latest.time, to: Seen::of(packet) });
        }
        if turn == Turn::Next && elapsed.abs() <= PAUSE {
            self.drift.ticks += i64::from(ticks);
            self.drift.nanos += elapsed.nanos();
            if is_regular {
                self.step.vote(ticks.cast_unsigned());
            }
        }
        self.latest.payload_type = packet.payload_type;
        if !is_late && turn != Turn::Stray {
            self.latest.time = packet.time;
            self.latest.timestamp = packet.timestamp;
        }
    }
}

impl Step {
    /// The majority vote of Boyer and Moore.
    #[inline]
    fn vote(&mut self, ticks: u32) {
        if self.ticks == ticks {
            self.votes = self.votes.saturating_add(1);
        } else if self.votes == 0 {
            *self = Self { ticks, votes: 1 };
        } else {
            self.votes -= 1;
        }
    }
}

/// What is known of a stream.
impl Stream {
    /// Packets seen, without copies that only the capture made.
    pub fn packets(&self) -> u64 {
        self.sequence.packets()
    }

    /// Bytes of media in them.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// By their numbers nothing is missing, so the sender made the pauses between them.
    pub fn is_whole(&self) -> bool {
        self.sequence.gaps() == 0 && self.sequence.restarts() == 0
    }

    /// What their numbers tell: lost, duplicates, reordered, restarts.
    pub fn sequence(&self) -> &Sequence {
        &self.sequence
    }

    /// Packets that were captured more than once.
    pub fn copies(&self) -> u64 {
        self.copies
    }

    /// Packets with the marker bit.
    pub fn markers(&self) -> u64 {
        u64::from(self.markers)
    }

    /// The first packet.
    pub fn first_seen(&self) -> Seen {
        self.runs.first().unwrap_or(&self.run).first
    }

    /// The last packet.
    pub fn last_seen(&self) -> Seen {
        self.run.last
    }

    /// The time of the last packet.
    #[inline]
    pub fn last(&self) -> Time {
        self.spell.1
    }

    /// Its payload types one after another; bounded, then the last one of each type grows.
    pub fn runs(&self) -> impl DoubleEndedIterator<Item = &Run> + Clone {
        self.runs.iter().chain([&self.run])
    }

    /// First and last time of each spell without a pause; bounded, the last one grows.
    pub fn spells(&self) -> impl DoubleEndedIterator<Item = (Time, Time)> + Clone {
        self.spells.iter().chain([&self.spell]).copied()
    }

    /// Its payload types with their packets, the commonest first.
    pub fn payload_types(&self) -> Vec<(u8, u64)> {
        let mut sums: Vec<(u8, u64)> = Vec::new();
        for run in self.runs() {
            match sums.iter_mut().find(|(payload_type, _)| *payload_type == run.payload_type) {
                Some((_, packets)) => *packets += run.packets,
                None => sums.push((run.payload_type, run.packets)),
            }
        }
        sums.sort_by_key(|(_, packets)| std::cmp::Reverse(*packets));
        sums
    }

    /// What reads like telephone events, whatever payload type they have.
    pub fn events(&self) -> &[TelephoneEvent] {
        self.events.as_ref().map(|events| events.listed.as_slice()).unwrap_or_default()
    }

    /// Events beyond those that are listed.
    pub fn events_dropped(&self) -> u64 {
        self.events.as_ref().map(|events| events.dropped).unwrap_or_default()
    }

    /// Spells of activity that were not told apart, as there were too many.
    pub fn spells_dropped(&self) -> u64 {
        self.joined[0].into()
    }

    /// Runs of one payload type that were not told apart, as there were too many.
    pub fn runs_dropped(&self) -> u64 {
        self.joined[1].into()
    }

    /// How unevenly packets came, if their timestamps count by this clock; `None` for clocks that
    /// are not in common use.
    pub fn jitter(&self, clock: u32) -> Option<Jitter> {
        self.jitters.by(clock)
    }

    /// The clock of a static payload type, else that in common use which the timestamps keep best.
    pub fn clock(&self) -> Option<u32> {
        let (payload_type, _) = *self.payload_types().first()?;
        static_clock(payload_type).or_else(|| {
            let jitters = self.jitters.clocks().into_iter();
            let by = jitters.filter_map(|clock| Some((self.jitter(clock)?.mean, clock)));
            let moved = self.drift.ticks > 0;
            by.min().map(|(_, clock)| clock).filter(|_| moved)
        })
    }

    /// The longest time between two packets of which the second does not begin a spurt of talk.
    pub fn longest_gap(&self) -> Option<Gap> {
        self.longest_gap
    }

    /// The media that most packets carry, in units of their clock.
    pub fn packet_ticks(&self) -> Option<u32> {
        Some(self.step.ticks).filter(|ticks| *ticks > 0 && self.step.votes > 0)
    }

    /// How much faster the clock of the sender runs than that of the capture, in millionths; none
    /// where they differ by more than clocks do.
    pub fn skew_ppm(&self, clock: u32) -> Option<f64> {
        let Drift { ticks, nanos } = self.drift;
        let by_sender = ticks as f64 * 1e9 / f64::from(clock.max(1));
        let skew = (nanos > 0).then(|| (by_sender / nanos as f64 - 1.0) * 1e6);
        skew.filter(|skew| skew.abs() < SKEW_PPM_MAX)
    }

    /// A packet of it was seen between the two moments.
    pub fn is_active(&self, from: Time, to: Time) -> bool {
        self.spells().any(|(first, last)| first <= to && last >= from)
    }

    /// How long it was active between the two moments; `None` if it was not at all.
    pub fn active_for(&self, from: Time, to: Time) -> Option<Span> {
        let active = self.spells().filter(|(first, last)| *first <= to && *last >= from);
        let spans = active.map(|(first, last)| last.min(to).since(first.max(from)));
        spans.reduce(|sum, span| sum + span)
    }

    /// When it was first active between the two moments; `None` if it was not at all.
    pub fn first_between(&self, from: Time, to: Time) -> Option<Time> {
        let active = self.spells().filter(|(first, last)| *first <= to && *last >= from);
        active.map(|(first, _)| first.max(from)).min()
    }

    /// The packet of that moment, if it is one of those that are remembered: where the payload type
    /// changes, the stream begins or ends.
    pub fn seen_at(&self, time: Time) -> Option<Seen> {
        let mut ends = self.runs().flat_map(|run| [run.first, run.last]);
        ends.find(|seen| seen.time == time)
    }

    /// When it was last active between the two moments; `None` if it was not at all.
    pub fn last_between(&self, from: Time, to: Time) -> Option<Time> {
        let active = self.spells().filter(|(first, last)| *first <= to && *last >= from);
        active.map(|(_, last)| last.min(to)).max()
    }
}

/// The clock of a static payload type (RFC 3551, section 6).
pub fn static_clock(payload_type: u8) -> Option<u32> {
    match payload_type {
        0..=5 | 7..=9 | 12 | 13 | 15 | 18 | 19 => Some(8000),
        6 => Some(16_000),
        10 | 11 => Some(44_100),
        16 => Some(11_025),
        17 => Some(22_050),
        14 | 25 | 26 | 28 | 31..=34 => Some(90_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Sample, at, streams};
    use super::*;
    use crate::limits::TELEPHONE_EVENTS_MAX;

    fn stream(samples: impl IntoIterator<Item = Sample>) -> Stream {
        let streams = streams(samples);
        streams.streams.first().cloned().expect("there is one")
    }

    #[test]
    fn an_even_stream() {
        let stream = stream((0..100).map(Sample::of_speech));
        assert_eq!((stream.packets(), stream.octets()), (100, 500));
        assert_eq!((stream.clock(), stream.packet_ticks()), (Some(8000), Some(160)));
        assert_eq!(stream.jitter(8000).map(|jitter| jitter.max), Some(Span::ZERO));
        assert_eq!(stream.longest_gap().map(|gap| gap.span()), Some(Span::from_millis(20)));
        assert_eq!(stream.skew_ppm(8000), Some(0.0));
        assert_eq!((stream.first_seen().frame.number, stream.last_seen().frame.number), (1, 100));
    }

    #[test]
    fn a_doubled_capture_doubles_nothing() {
        let doubled = (0..100).map(Sample::of_speech).flat_map(|sample| [sample, sample]);
        let doubled = stream(doubled);
        assert_eq!((doubled.packets(), doubled.copies()), (100, 100));
        assert_eq!(doubled.sequence().duplicates(), 0);
        assert_eq!(doubled.jitter(8000).map(|jitter| jitter.max), Some(Span::ZERO));
    }

    #[test]
    fn the_same_from_two_captures_is_one() {
        let both = (0..100).map(Sample::of_speech).flat_map(|sample| {
            let other = Sample { millis: sample.millis + 7, capture: 1, ..sample };
            let is_lost = sample.sequence == 50;
            [Some(sample).filter(|_| !is_lost), Some(other)].into_iter().flatten()
        });
        let both = stream(both);
        assert_eq!((both.packets(), both.copies()), (100, 99));
        assert_eq!(both.sequence().lost(), 0);
    }

    #[test]
    fn what_the_network_repeats_is_a_duplicate() {
        let late = |sample: Sample| Sample { millis: sample.millis + 5, ip_id: 7, ..sample };
        let twice = (0..10).map(Sample::of_speech).flat_map(|sample| [sample, late(sample)]);
        let twice = stream(twice);
        assert_eq!((twice.packets(), twice.sequence().duplicates(), twice.copies()), (20, 10, 0));
    }

    #[test]
    fn a_recording_played_again_is_another_stream() {
        let first = (0..10).map(Sample::of_speech);
        let again = (0..10).map(|number| {
            let sample = Sample::of_speech(number);
            Sample { millis: sample.millis + 60_000, ..sample }
        });
        let streams = streams(first.chain(again));
        assert_eq!(streams.count(), 2);
        assert!(streams.streams.iter().all(|stream| stream.packets() == 10));
    }

    #[test]
    fn a_pause_is_neither_jitter_nor_another_stream() {
        let talk = (0..20).map(|number| {
            let sample = Sample::of_speech(number);
            let pause = if number < 10 { 0 } else { 60_000 };
            Sample { millis: sample.millis + pause, ..sample }
        });
        let stream = stream(talk);
        assert_eq!((stream.packets(), stream.spells().count()), (20, 2));
        assert_eq!(stream.jitter(8000).map(|jitter| jitter.max), Some(Span::ZERO));
        assert_eq!(stream.longest_gap().map(|gap| gap.from), Some(at(180)));
    }

    #[test]
    fn digits_are_events_and_no_jitter() {
        const TONE: &[u8] = b"\x05\x0a\x01\x40";
        const END: &[u8] = b"\x05\x8a\x01\xe0";
        let samples = (0..30).map(|number| {
            let sample = Sample::of_speech(number);
            let media = if number < 13 { TONE } else { END };
            match number {
                10..16 => Sample { payload_type: 101, timestamp: 1600, media, ..sample },
                _ => sample,
            }
        });
        let stream = stream(samples);
        let [event] = stream.events() else { panic!("one event, not {:?}", stream.events()) };
        assert_eq!((event.key(), event.duration, event.packets), (Some('5'), 480, 6));
        assert!(event.has_end);
        assert_eq!((event.first.time, event.last.time), (at(200), at(300)));
        assert_eq!(stream.jitter(8000).map(|jitter| jitter.max), Some(Span::ZERO));
        assert_eq!(stream.payload_types(), [(0, 24), (101, 6)]);
        assert_eq!(stream.runs().count(), 3);
    }

    #[test]
    fn payload_types_are_counted_however_often_they_change() {
        let samples = (0..300).map(|number| {
            let sample = Sample::of_speech(number);
            match number % 3 {
                0 => Sample { payload_type: 101, ..sample },
                _ => sample,
            }
        });
        let stream = stream(samples);
        assert_eq!(stream.payload_types(), [(0, 200), (101, 100)]);
        assert_eq!(stream.runs().count(), RTP_RUNS_MAX);
        // Every third packet begins a run of its own, and so does the one after it.
        assert_eq!(stream.runs_dropped(), 200 - RTP_RUNS_MAX as u64);
    }

    #[test]
    fn pauses_are_bounded_and_say_so() {
        let samples = (0..100).map(|number| {
            let sample = Sample::of_speech(number);
            Sample { millis: i64::from(number) * 1000, ..sample }
        });
        let stream = stream(samples);
        assert_eq!(stream.spells().count(), RTP_SPELLS_MAX);
        assert_eq!(stream.spells_dropped(), 100 - RTP_SPELLS_MAX as u64);
        assert_eq!((stream.packets(), stream.last()), (100, at(99_000)));
        assert!(stream.is_active(at(98_000), at(98_500)), "the last one grows");
    }

    #[test]
    fn events_are_bounded_and_say_so() {
        let samples = (0..200).map(|number| Sample {
            payload_type: 101,
            timestamp: u32::from(number) * 8000,
            media: b"\x05\x8a\x01\xe0",
            ..Sample::of_speech(number)
        });
        let stream = stream(samples);
        assert_eq!(stream.events().len(), TELEPHONE_EVENTS_MAX);
        assert_eq!(stream.events_dropped(), 200 - TELEPHONE_EVENTS_MAX as u64);
        assert_eq!(stream.events()[0].first.time, at(0));
    }

    #[test]
    fn a_clock_that_jumps_breaks_no_figure() {
        // Over and over from the end of the time that a capture can have to its beginning.
        let samples = (0..60_u16).map(|number| {
            let millis = if number % 2 == 0 { 9_200_000_000_000 } else { -9_200_000_000_000 };
            Sample { millis, ..Sample::of_speech(number) }
        });
        let stream = stream(samples);
        assert_eq!((stream.packets(), stream.sequence().lost()), (60, 0));
        assert_eq!(stream.skew_ppm(8000), None);
        assert_eq!(stream.jitter(8000).map(|jitter| jitter.max), Some(Span::ZERO));

        // A clock that is set back by an hour is neither skew nor another stream.
        let samples = (0..100).map(|number| {
            let sample = Sample::of_speech(number);
            let back = if number < 50 { 0 } else { 3_600_000 };
            Sample { millis: sample.millis - back, ..sample }
        });
        let stream = tests::stream(samples);
        assert_eq!((stream.packets(), stream.skew_ppm(8000)), (100, Some(0.0)));
    }
}
