//! The media of a call as its parties agreed on them: who was to send to whom, hop by hop, and the
//! streams that came of it.
//!
//! A relay ends one passage and begins another, so what is missing on a passage is missing between
//! its own two ends. A stream belongs to a passage if it goes to where the receiver wants media, or
//! back to where the receiver sends from (symmetric RTP, RFC 4961), as behind a NAT.

use std::net::IpAddr;

use crate::media::{Media, Rtcp, Run, Seen, Stream};
use crate::packet::Endpoint;
use crate::sdp::{self, RtpMap};
use crate::signaling::{Call, Line, Message, Negotiation, Period, Reach, Settings, Side};
use crate::time::{Span, Time};

/// A change of the media takes effect within this time.
pub const CHANGE: Span = Span::from_secs(1);

/// More pauses than that are no accident.
const PAUSES_MAX: usize = 2;

/// Comfort noise (RFC 3389), by its number of today and by its former one.
const COMFORT_NOISE: [u8; 2] = [13, 19];

/// A farewell comes with the last packets.
const GOODBYE: Span = Span::from_secs(2);

/// The media of one line that one side was to send on one hop while one agreement was in force.
#[derive(Clone, Copy, Debug)]
pub struct Passage<'a, 'c> {
    /// The offers and answers of the hop.
    pub negotiation: &'a Negotiation<'c>,
    /// What was agreed.
    pub period: &'a Period<'c>,
    /// The media in it.
    pub line: &'a Line<'c>,
    /// Who was to send.
    pub sender: Side,
    /// Since when.
    pub from: Time,
    /// Until when.
    pub until: Time,
}

impl<'c> Call<'c> {
    /// Every passage of RTP that was agreed on, in both directions, whether the side was to send or
    /// not; without hops that show the same addresses as the one before.
    pub fn passages(&self) -> impl Iterator<Item = Passage<'_, 'c>> {
        self.negotiations().distinct().flat_map(passages)
    }

    /// The audio while the parties talked: for each dialog and each sender its passages, from the
    /// sender's own hop on. What a hop lacks, those behind it lack as well.
    pub fn talks(&self) -> Vec<Vec<Passage<'_, 'c>>> {
        let mut dialogs = Vec::new();
        for hop in self.negotiations().distinct() {
            let dialog = (hop.caller_tag, hop.callee_tag);
            if !dialogs.contains(&dialog) {
                dialogs.push(dialog);
            }
        }
        let of_dialog = |dialog| {
            let mut answering = self.talking(dialog, Side::Callee);
            answering.reverse();
            [self.talking(dialog, Side::Caller), answering]
        };
        dialogs.into_iter().flat_map(of_dialog).collect()
    }

    /// The audio of one dialog while the parties talked, the first sender's hop first. Agreements
    /// that leave the ends where they were make one passage.
    fn talking<'a>(
        &'a self,
        (caller_tag, callee_tag): (&[u8], Option<&[u8]>),
        sender: Side,
    ) -> Vec<Passage<'a, 'c>> {
        let of_dialog =
            |own: &&Negotiation<'c>| (own.caller_tag, own.callee_tag) == (caller_tag, callee_tag);
        let hops = self.negotiations().distinct().filter(of_dialog);
        hops.flat_map(|hop| joined(hop, sender)).collect()
    }
}

fn passages<'a, 'c>(
    negotiation: &'a Negotiation<'c>,
) -> impl Iterator<Item = Passage<'a, 'c>> + use<'a, 'c> {
    negotiation.periods.iter().flat_map(move |period| {
        let lines = period.lines.iter().filter(|line| line.is_rtp());
        lines.flat_map(move |line| {
            [Side::Caller, Side::Callee].map(|sender| {
                let (from, until) = (period.from, period.until);
                Passage { negotiation, period, line, sender, from, until }
            })
        })
    })
}

/// The audio after the answer, with agreements that change neither ends nor directions as one. A
/// fax is no talk, and parts what was before it from what comes after.
pub(super) fn joined<'a, 'c>(
    negotiation: &'a Negotiation<'c>,
    sender: Side,
) -> Vec<Passage<'a, 'c>> {
    let Some(answered) = negotiation.answered else { return Vec::new() };
    let mut joined: Vec<Passage<'_, '_>> = Vec::new();
    let mut is_parted = false;
    for period in negotiation.periods.iter().filter(|period| period.until > answered) {
        let talk = period.audio().filter(|line| line.is_rtp() && !period.has_fax());
        let Some(line) = talk else {
            is_parted = true;
            continue;
        };
        let (from, until) = (period.from, period.until);
        let passage = Passage { negotiation, period, line, sender, from, until };
        match joined.last_mut() {
            Some(last) if last.is_like(&passage) && !is_parted => {
                last.until = last.until.max(passage.until);
                last.line = passage.line;
            }
            _ => joined.push(Passage { from: passage.from.max(answered), ..passage }),
        }
        is_parted = false;
    }
    joined
}

impl<'a, 'c> Passage<'a, 'c> {
    /// Who was to receive.
    pub fn receiver(&self) -> Side {
        self.sender.other()
    }

    /// The other direction.
    #[must_use]
    pub fn back(self) -> Self {
        Self { sender: self.receiver(), ..self }
    }

    /// The side was to send.
    pub fn is_due(&self) -> bool {
        self.line.sends(self.sender)
    }

    /// The passage less its beginning; none if nothing of it is left.
    pub fn without_begin(self, length: Span) -> Option<Self> {
        let from = self.from + length;
        (from < self.until).then_some(Self { from, ..self })
    }

    /// How long it lasted.
    pub fn length(&self) -> Span {
        self.until.since(self.from)
    }

    /// Where the sender wants media itself, and usually sends from.
    pub fn source(&self) -> Option<Endpoint> {
        self.line.rtp(self.sender)
    }

    /// Where the receiver wants media.
    pub fn destination(&self) -> Option<Endpoint> {
        self.line.rtp(self.receiver())
    }

    /// The SIP element at the end of the hop where the sender is.
    pub fn signaling_end(&self) -> Endpoint {
        match self.sender {
            Side::Caller => self.negotiation.near,
            Side::Callee => self.negotiation.far,
        }
    }

    /// The message that agreed on it.
    pub fn answer(&self) -> Option<&'c Message<'c>> {
        let exchange = self.negotiation.exchange_of(self.period)?;
        Some(exchange.answers.get(self.period.answer)?.message)
    }

    /// The other side takes media in a place that cannot be reached, so whoever sends to it goes by
    /// where its packets come from (RFC 4961), which only those packets tell.
    pub fn is_to_hidden(&self, settings: &Settings) -> bool {
        let ways = self.ways(settings).map(|(_, host)| host);
        ways != self.destination().map(|end| end.address)
    }

    /// Media of the sender came on another hop nearer to the receiver, meanwhile: then they came
    /// over this hop before that, whether the capture shows them or not.
    pub fn is_handed_on(&self, later: &[Self], media: Media<'_>) -> bool {
        let is_other = |own: &&Self| {
            !std::ptr::eq(own.negotiation, self.negotiation)
                && own.is_due()
                && own.until > self.from
                && own.from < self.until
        };
        later.iter().filter(is_other).any(|own| !own.streams(media).is_empty())
    }

    /// Where both sides want media: by their descriptions, or by ICE.
    pub fn places(&self) -> Vec<Endpoint> {
        let mut places = self.places_of(Side::Caller);
        places.extend(self.places_of(Side::Callee));
        places
    }

    /// The streams of the sender that were active meanwhile. Where one comes from the announced
    /// place, others that only go to the same receiver are not of this passage.
    pub fn streams<'s>(&self, media: Media<'s>) -> Vec<&'s Stream> {
        if media.is_empty() {
            return Vec::new();
        }
        let own = self.places_of(self.sender);
        let returning = self.back().direct(media, &own);
        let mut wanted = self.places_of(self.receiver());
        wanted.extend(returning.iter().map(|stream| stream.source));
        let mut streams = self.direct(media, &wanted);
        let back = self.places_of(self.receiver());
        streams.retain(|stream| !back.contains(&stream.source) || own.contains(&stream.source));
        if streams.iter().any(|stream| own.contains(&stream.source)) {
            streams.retain(|stream| own.contains(&stream.source));
        }
        streams
    }

    /// Streams of the sender to places where nobody wants them by this agreement.
    pub fn astray<'s>(&self, media: Media<'s>) -> Vec<&'s Stream> {
        if media.is_empty() {
            return Vec::new();
        }
        let own = self.places_of(self.sender);
        let bound = self.streams(media);
        let sent = own.iter().flat_map(|end| {
            media.at(*end).filter(move |stream| {
                stream.source == *end && stream.is_active(self.from, self.until)
            })
        });
        sent.filter(|stream| {
            !own.contains(&stream.destination)
                && !bound.iter().any(|known| std::ptr::eq(*known, *stream))
        })
        .collect()
    }

    /// When media of the sender first came, if they did.
    pub fn first(&self, media: Media<'_>) -> Option<Time> {
        let streams = self.streams(media).into_iter();
        streams.filter_map(|stream| stream.first_between(self.from, self.until)).min()
    }

    /// When media of the sender last came, if they did.
    pub fn last(&self, media: Media<'_>) -> Option<Time> {
        let streams = self.streams(media).into_iter();
        streams.filter_map(|stream| stream.last_between(self.from, self.until)).max()
    }

    /// The packet that came at that moment, if it is remembered.
    pub fn seen_at(&self, media: Media<'_>, time: Time) -> Option<Seen> {
        self.streams(media).into_iter().find_map(|stream| stream.seen_at(time))
    }

    /// The sender was seen to send nothing while nobody speaks, or may do so.
    pub fn leaves_out_silence(&self, media: Media<'_>) -> bool {
        let has_pauses = |stream: &&Stream| {
            let spells = stream.spells();
            let within = spells.filter(|(first, last)| *first <= self.until && *last >= self.from);
            let is_noise = |run: &Run| COMFORT_NOISE.contains(&run.payload_type);
            let count = within.count();
            count > PAUSES_MAX || (count > 1 && stream.is_whole()) || stream.runs().any(is_noise)
        };
        self.may_leave_out_silence() || self.streams(media).iter().any(has_pauses)
    }

    /// The sender said by RTCP that it leaves, when its media ended (RFC 3550, section 6.6).
    pub fn has_left(&self, media: Media<'_>) -> bool {
        self.streams(media).into_iter().any(|stream| {
            let left = |rtcp: &Rtcp| rtcp.last.time.since(stream.last()).abs() <= GOODBYE;
            reports_of(media, stream).any(|rtcp| rtcp.goodbyes > 0 && left(rtcp))
        })
    }

    /// The last RTCP of the sender, if any came: it says that the sender and the way are alive.
    pub fn last_report(&self, media: Media<'_>) -> Option<Time> {
        let streams = self.streams(media).into_iter();
        let reports = streams.flat_map(|stream| reports_of(media, stream));
        reports.map(|rtcp| rtcp.last.time).max()
    }

    /// When the keys of SRTP were ready for both sides, if they came by a handshake.
    pub fn keys_ready(&self, media: Media<'_>) -> Option<Time> {
        let ends = [self.source()?, self.destination()?];
        let contacts = ends.into_iter().flat_map(|end| media.contacts_at(end));
        let finished = contacts.filter_map(|contact| contact.dtls?.finished);
        finished.map(|seen| seen.time).filter(|time| *time <= self.until).max()
    }

    /// How long media of the sender came.
    pub fn active_for(&self, media: Media<'_>) -> Span {
        let spans = self.streams(media).into_iter();
        let spans = spans.filter_map(|stream| stream.active_for(self.from, self.until));
        spans.max().unwrap_or_default()
    }

    /// The sender may send nothing while nobody speaks: comfort noise (RFC 3389) or discontinuous
    /// transmission is agreed on by both descriptions.
    pub fn may_leave_out_silence(&self) -> bool {
        let is_agreed = |side| {
            let media = self.line.of(side);
            let has_noise = media.codecs().any(|codec| codec.is("CN"));
            let is_on = |name| media.attribute(name).is_some_and(|value| value.starts_with(b"on"));
            let has_dtx = media.fmtps().any(|fmtp| {
                let text = fmtp.parameters.to_ascii_lowercase();
                [&b"usedtx=1"[..], b"annexb=yes"]
                    .iter()
                    .any(|own| memchr::memmem::find(&text, own).is_some())
            });
            has_noise || is_on("silenceSupp") || has_dtx
        };
        is_agreed(Side::Caller) && is_agreed(Side::Callee)
    }

    /// The codec of the answer leaves out silence unless somebody says no (RFC 4856, annexes A of
    /// G.723.1 and B of G.729), and nobody does.
    pub fn has_own_silence(&self) -> bool {
        let answer = self.line.of(self.period.offerer.other());
        let is_on = |codec: RtpMap<'_>, name| {
            let both = [Side::Caller, Side::Callee].map(|side| self.line.of(side));
            codec.is(name) && both.iter().all(|media| !refuses_silence(media))
        };
        answer
            .real_codecs()
            .next()
            .is_some_and(|codec| is_on(codec, "G729") || is_on(codec, "G723"))
    }

    /// The ways from host to host that its packets may take: between the hosts of the two
    /// descriptions, or of SIP, where a description names a host that cannot be reached (guard G2).
    pub fn ways(&self, settings: &Settings) -> Option<(IpAddr, IpAddr)> {
        Some((self.host(self.source()?, settings), self.back().host(self.destination()?, settings)))
    }

    /// Where the end of the media really is, as far as SIP tells: behind a NAT that nobody told of,
    /// at the address that SIP comes from.
    fn host(&self, end: Endpoint, settings: &Settings) -> IpAddr {
        let signaling = self.signaling_end().address;
        let is_behind_nat = settings.reach(end.address) != Reach::Public
            && settings.reach(signaling) == Reach::Public;
        if is_behind_nat { signaling } else { end.address }
    }

    /// Where the side wants media: by its description, or by ICE.
    fn places_of(&self, side: Side) -> Vec<Endpoint> {
        let media = self.line.of(side);
        let candidates = media.candidate_addresses().map(Endpoint::from);
        self.line.rtp(side).into_iter().chain(candidates).collect()
    }

    /// The streams to one of these places.
    fn direct<'s>(&self, media: Media<'s>, places: &[Endpoint]) -> Vec<&'s Stream> {
        let mut streams: Vec<&Stream> = Vec::new();
        for place in places {
            let to_place = media.at(*place).filter(|stream| stream.destination == *place);
            for stream in to_place.filter(|stream| stream.is_active(self.from, self.until)) {
                if !streams.iter().any(|known| std::ptr::eq(*known, stream)) {
                    streams.push(stream);
                }
            }
        }
        streams
    }

    /// The next agreement leaves everything as it is.
    fn is_like(&self, next: &Self) -> bool {
        let ends = |passage: &Self| (passage.source(), passage.destination());
        let directions = |passage: &Self| (passage.is_due(), passage.back().is_due());
        (ends(self), directions(self)) == (ends(next), directions(next))
    }
}

/// Some codec of the media sends all the time.
fn refuses_silence(media: &sdp::Media<'_>) -> bool {
    media.fmtps().any(|fmtp| {
        let text = fmtp.parameters.to_ascii_lowercase();
        [&b"annexa=no"[..], b"annexb=no"]
            .iter()
            .any(|own| memchr::memmem::find(&text, own).is_some())
    })
}

/// What the sender of the stream said by RTCP, on the port of its media or on the next one.
fn reports_of<'s>(media: Media<'s>, stream: &Stream) -> impl Iterator<Item = &'s Rtcp> + use<'s> {
    let next = stream.source.port.saturating_add(1);
    let ends = [stream.source, Endpoint { port: next, ..stream.source }];
    let contacts = ends.into_iter().flat_map(move |end| media.contacts_at(end));
    let own = contacts.filter(move |contact| ends.contains(&contact.source));
    own.filter_map(|contact| contact.rtcp.as_deref())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Sample, streams};
    use super::*;
    use crate::media::silence;
    use crate::signaling::samples::with_call;

    /// A message of a call of the ports 9 and 8 of 192.0.2.1, with a description or without one.
    fn message(start: &str, cseq: &str, to_tag: &str, port: Option<u16>) -> String {
        let body = port.map_or_else(String::new, |port| {
            format!(
                "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                 m=audio {port} RTP/AVP 0\r\n"
            )
        });
        format!(
            "{start}\nVia: SIP/2.0/UDP h;branch=z9hG4bK{}\nFrom: <sip:a@example.com>;tag=a\n\
             To: <sip:b@example.com>{to_tag}\nCall-ID: passage\nCSeq: {cseq}\n\
             Contact: <sip:h@192.0.2.1>\nContent-Type: application/sdp\n\
             Content-Length: {}\n\n{body}",
            cseq.replace(' ', ""),
            body.len()
        )
    }

    /// Looks at a call that was answered after a second and ended after ten, with these packets.
    fn with_talk<T>(
        samples: impl IntoIterator<Item = Sample>,
        look: impl FnOnce(&Call<'_>, Media<'_>) -> T,
    ) -> T {
        let invite = message("INVITE sip:b@example.com SIP/2.0", "1 INVITE", "", Some(9));
        let answer = message("SIP/2.0 200 OK", "1 INVITE", ";tag=b", Some(8));
        let ack = message("ACK sip:b@example.com SIP/2.0", "1 ACK", ";tag=b", None);
        let bye = message("BYE sip:b@example.com SIP/2.0", "2 BYE", ";tag=b", None);
        let call = [
            (0, 10, 20, invite.as_str()),
            (1000, 20, 10, answer.as_str()),
            (1010, 10, 20, ack.as_str()),
            (10_000, 10, 20, bye.as_str()),
        ];
        let shards = [streams(samples)];
        with_call(&call, |call| look(call, Media::new(&shards)))
    }

    fn speech(port: u16, to: u16, from_millis: i64) -> impl Iterator<Item = Sample> {
        (0..100).map(move |number| {
            let own = Sample::of_speech(number);
            Sample { port, to, millis: own.millis + from_millis, ..own }
        })
    }

    /// Packets of each side, and of those that go astray.
    fn figures(samples: impl IntoIterator<Item = Sample>) -> [(usize, usize); 2] {
        with_talk(samples, |call, media| {
            [Side::Caller, Side::Callee].map(|side| {
                let talk = call.talking((b"a", Some(b"b")), side);
                let [passage] = talk.as_slice() else { panic!("one passage: {talk:?}") };
                assert!(passage.is_due() && passage.length() == Span::from_secs(9));
                (passage.streams(media).len(), passage.astray(media).len())
            })
        })
    }

    #[test]
    fn streams_belong_to_the_side_that_sends_them() {
        assert_eq!(figures([]), [(0, 0), (0, 0)]);
        assert_eq!(figures(speech(9, 8, 1500)), [(1, 0), (0, 0)]);
        assert_eq!(figures(speech(9, 8, 1500).chain(speech(8, 9, 1600))), [(1, 0), (1, 0)]);
        // Of the call before, and of the one after.
        assert_eq!(figures(speech(9, 8, 11_000)), [(0, 0), (0, 0)]);
    }

    #[test]
    fn behind_a_nat_streams_go_back_to_where_the_others_come_from() {
        assert_eq!(figures(speech(77, 8, 1500).chain(speech(8, 77, 1600))), [(1, 0), (1, 0)]);
    }

    #[test]
    fn what_nobody_wants_goes_astray() {
        assert_eq!(figures(speech(9, 8, 1500).chain(speech(8, 70, 1600))), [(1, 0), (0, 1)]);
    }

    #[test]
    fn a_talk_without_any_stream_is_silent() {
        let talk = |samples: Vec<Sample>| {
            with_talk(samples, |call, media| silence(call, media).map(|silence| silence.talk))
        };
        assert_eq!(talk(Vec::new()), Some(Span::from_secs(9)));
        assert_eq!(talk(speech(9, 8, 1500).collect()), None);
        assert_eq!(talk(speech(8, 70, 1500).collect()), None);
    }
}
