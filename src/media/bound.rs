//! Which streams belong to a call: those that go where a side of it wanted media, or come from
//! there.
//!
//! The SDP tells where a side receives. Nearly all send from there as well (symmetric RTP, RFC
//! 4961), so behind a NAT, where the announced place never shows up, the streams are found by the
//! other side's, and by the places that those come from.

use super::{Media, Stream, static_clock};
use crate::limits::STREAMS_PER_CALL_MAX;
use crate::packet::Endpoint;
use crate::sdp::RtpMap;
use crate::signaling::{Announced, Call, Side};
use crate::time::{Span, Time};

/// Media may still be under way for so long when something else was agreed.
const UNDER_WAY: Span = Span::from_secs(2);

/// Clocks of captures may differ by so much.
const CLOCKS: Span = Span::from_millis(500);

/// A stream of a call.
#[derive(Clone, Debug)]
pub struct Bound<'m, 'c> {
    /// The stream.
    pub stream: &'m Stream,
    /// Who sends it.
    pub sender: Side,
    /// How it was found.
    pub fit: Fit,
    /// What it was found by: of the receiver where it goes to the place that it announced, else of
    /// the sender.
    pub announced: Announced<'c>,
    /// The codec that most of its packets have, as far as the SDP tells.
    pub codec: Option<RtpMap<'c>>,
}

/// The streams of a call, as far as there is room.
#[derive(Clone, Debug)]
pub struct Found<'m, 'c> {
    /// In order of their first packets.
    pub list: Vec<Bound<'m, 'c>>,
    max: usize,
    /// There are no others.
    pub is_all: bool,
}

/// How a stream was found to belong to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It goes where the receiver wants media.
    Destination,
    /// It comes from where the sender wants media, and goes elsewhere: to where media of the
    /// receiver come from (latching), or astray.
    Source,
    /// It goes to where media of the receiver come from, and comes from no place that was
    /// announced.
    Latched,
}

impl Bound<'_, '_> {
    /// The clock of its timestamps: by the SDP, by its payload type, or by what fits best.
    pub fn clock(&self) -> Option<u32> {
        self.codec.map(|codec| codec.clock_rate).filter(|c| *c > 0).or_else(|| self.stream.clock())
    }

    /// The codec whose media make up most of it.
    pub fn payload_type(&self) -> Option<u8> {
        self.codec
            .map(|codec| codec.payload_type)
            .or_else(|| self.stream.payload_types().first().map(|(payload_type, _)| *payload_type))
    }
}

impl<'m> Media<'m> {
    /// The streams of a call in order of their first packets, each with the side that sends it.
    pub fn of_call<'c>(self, call: &Call<'c>) -> Vec<Bound<'m, 'c>> {
        self.of_call_up_to(STREAMS_PER_CALL_MAX, call).list
    }

    /// The same, at most so many, and whether these are all.
    pub fn of_call_up_to<'c>(self, max: usize, call: &Call<'c>) -> Found<'m, 'c> {
        let mut found = Found { list: Vec::new(), max, is_all: true };
        if self.is_empty() {
            return found;
        }
        let mut places: Vec<Place<'c>> = Vec::new();
        for announced in call.negotiations().announced() {
            if places.len() >= max {
                found.is_all = false;
                break;
            }
            places.extend(Place::of(call, announced));
        }
        for place in &places {
            let streams = self.at(place.endpoint).filter(|stream| place.is_in_time(stream));
            for stream in streams {
                let fit = match stream.destination == place.endpoint {
                    true => Fit::Destination,
                    false => Fit::Source,
                };
                take(&mut found, stream, fit, place);
            }
        }
        self.latched(&mut found);
        found.list.sort_by_key(|bound| (bound.stream.first_seen(), bound.stream.ssrc));
        found
    }

    /// Adds what goes to where a side that stands behind a NAT sends from.
    fn latched<'c>(self, found: &mut Found<'m, 'c>) {
        let is_known =
            |endpoint: Endpoint| found.list.iter().any(|bound| bound.announced.rtp == endpoint);
        let places: Vec<Place<'c>> = found
            .list
            .iter()
            .filter(|bound| bound.fit == Fit::Destination)
            .filter(|bound| !is_known(bound.stream.source))
            .map(|bound| Place {
                endpoint: bound.stream.source,
                side: bound.sender,
                from: bound.stream.first_seen().time,
                until: bound.announced.until + UNDER_WAY,
                announced: bound.announced,
            })
            .collect();
        for place in &places {
            let taken = self.at(place.endpoint).filter(|s| s.destination == place.endpoint);
            for stream in taken.filter(|stream| place.is_in_time(stream)) {
                take(found, stream, Fit::Latched, place);
            }
        }
    }
}

/// Where a side of the call takes media.
struct Place<'c> {
    endpoint: Endpoint,
    side: Side,
    /// Streams that began earlier belong to an earlier call.
    from: Time,
    until: Time,
    announced: Announced<'c>,
}

impl<'c> Place<'c> {
    /// The announced place, and those of its candidates.
    fn of(call: &Call<'c>, announced: Announced<'c>) -> impl Iterator<Item = Self> {
        // Of a call whose beginning was not captured, media may be older than what is known of it.
        let is_whole = call.messages.first().is_some_and(|first| first.to_tag().is_none());
        let from = match is_whole {
            true => announced.message.time - CLOCKS,
            false => Time::from_nanos(i64::MIN),
        };
        let candidates = announced.media.candidate_addresses().map(Endpoint::from);
        let endpoints = std::iter::once(announced.rtp).chain(candidates);
        endpoints.map(move |endpoint| Self {
            endpoint,
            side: announced.side,
            from,
            until: announced.until + UNDER_WAY,
            announced,
        })
    }

    fn is_in_time(&self, stream: &Stream) -> bool {
        let first = stream.first_seen().time;
        self.from <= first && first <= self.until
            || (self.from == Time::from_nanos(i64::MIN) && stream.is_active(self.from, self.until))
    }
}

/// Keeps what the stream was found by, unless it was found by something better.
fn take<'m, 'c>(found: &mut Found<'m, 'c>, stream: &'m Stream, fit: Fit, place: &Place<'c>) {
    let announced = place.announced;
    let codec = codec(stream, &announced);
    // Its own announcement tells of the side that takes media there.
    let sender = match fit {
        Fit::Destination => place.side.other(),
        Fit::Source => place.side,
        Fit::Latched => place.side.other(),
    };
    let bound = Bound { stream, sender, fit, announced, codec };
    let rank = |bound: &Bound<'_, '_>| {
        let first = bound.stream.first_seen().time;
        let Announced { message, until, .. } = bound.announced;
        let is_current = message.time <= first && first <= until;
        (bound.fit, bound.codec.is_none(), !is_current)
    };
    let is_full = found.list.len() >= found.max;
    match found.list.iter_mut().find(|known| std::ptr::eq(known.stream, stream)) {
        Some(known) if rank(&bound) < rank(known) => *known = bound,
        Some(_) => {}
        None if is_full => found.is_all = false,
        None => found.list.push(bound),
    }
}

/// The real codec with the most packets, else any.
fn codec<'c>(stream: &Stream, announced: &Announced<'c>) -> Option<RtpMap<'c>> {
    let types = stream.payload_types();
    let media = &announced.media;
    let is_listed = |payload_type: u8| media.payload_types().any(|own| own == payload_type);
    let codecs = types.iter().filter_map(|(payload_type, _)| {
        let codec = media.codec(*payload_type)?;
        (is_listed(*payload_type) || static_clock(*payload_type).is_some()).then_some(codec)
    });
    codecs.clone().find(RtpMap::is_real).or_else(|| codecs.clone().next())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Sample, streams};
    use super::super::{Streams, samples};
    use super::*;
    use crate::signaling::samples::with_call;

    /// A message with a description that wants audio on a port of 192.0.2.1.
    fn message(start: &str, cseq: &str, tag: &str, port: u16) -> String {
        let body = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0 96\r\na=rtpmap:96 opus/48000/2\r\n"
        );
        format!(
            "{start}\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\nFrom: <sip:a@example.com>;tag=a\n\
             To: <sip:b@example.com>{tag}\nCall-ID: bound\nCSeq: 1 {cseq}\n\
             Contact: <sip:h@192.0.2.1>\nContent-Type: application/sdp\n\
             Content-Length: {}\n\n{body}",
            body.len()
        )
    }

    /// Sender, receiver, side, fit and codec of the streams of a call whose caller wants audio on
    /// port 9 and whose callee wants it on port 8. It was set up in the first second.
    fn bound(streams: Streams) -> Vec<(u16, u16, Side, Fit, Option<String>)> {
        let invite = message("INVITE sip:b@example.com SIP/2.0", "INVITE", "", 9);
        let answer = message("SIP/2.0 200 OK", "INVITE", ";tag=b", 8);
        let call = [(0, 10, 20, invite.as_str()), (1000, 20, 10, answer.as_str())];
        with_call(&call, |call| {
            let shards = [streams];
            let found = Media::new(&shards).of_call(call);
            let name = |codec: RtpMap<'_>| String::from_utf8_lossy(codec.encoding).into_owned();
            let of = |b: &Bound<'_, '_>| {
                let Stream { source, destination, .. } = *b.stream;
                (source.port, destination.port, b.sender, b.fit, b.codec.map(name))
            };
            found.iter().map(of).collect()
        })
    }

    fn sample(port: u16, to: u16, millis: i64) -> Sample {
        Sample { port, to, millis, ..Sample::default() }
    }

    #[test]
    fn by_where_it_goes_and_where_it_comes_from() {
        let opus = Sample { payload_type: 96, ..sample(9, 8, 1300) };
        let found = bound(streams([sample(8, 9, 1200), opus, sample(9, 77, 1400)]));
        let codec = |name: &str| Some(name.to_owned());
        assert_eq!(
            found,
            [
                (8, 9, Side::Callee, Fit::Destination, codec("PCMU")),
                (9, 8, Side::Caller, Fit::Destination, codec("opus")),
                (9, 77, Side::Caller, Fit::Source, codec("PCMU")),
            ]
        );
    }

    #[test]
    fn behind_a_nat_by_the_place_that_the_other_side_learned() {
        // The callee sends from port 66 and gets its audio there.
        let found = bound(streams([sample(66, 9, 1200), sample(5, 66, 1300)]));
        assert_eq!(
            found.first().map(|f| (f.0, f.2, f.3)),
            Some((66, Side::Callee, Fit::Destination))
        );
        assert_eq!(found.get(1).map(|f| (f.0, f.2, f.3)), Some((5, Side::Caller, Fit::Latched)));
    }

    #[test]
    fn the_streams_of_a_call_are_bounded_and_it_is_said() {
        let invite = message("INVITE sip:b@example.com SIP/2.0", "INVITE", "", 9);
        let answer = message("SIP/2.0 200 OK", "INVITE", ";tag=b", 8);
        let call = [(0, 10, 20, invite.as_str()), (1000, 20, 10, answer.as_str())];
        let found = |count: u16, max: usize| {
            let senders = (100..100 + count).map(|port| sample(port, 9, 1200 + i64::from(port)));
            let shards = [streams(senders)];
            with_call(&call, |call| {
                let found = Media::new(&shards).of_call_up_to(max, call);
                let ports: Vec<u16> = found.list.iter().map(|b| b.stream.source.port).collect();
                (ports, found.is_all)
            })
        };
        assert_eq!(found(3, 3), (vec![100, 101, 102], true));
        assert_eq!(found(5, 3), (vec![100, 101, 102], false));
        // The caller wants media in one place, the callee in another.
        assert_eq!(found(1, 1), (vec![100], false));
    }

    #[test]
    fn not_by_another_call_on_the_same_port() {
        let mut earlier = streams([sample(8, 9, -60_000)]);
        samples::push(&mut earlier, [sample(3, 4, 1500)]);
        assert_eq!(bound(earlier), []);
    }
}
