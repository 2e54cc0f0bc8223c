//! Calls in which the parties talked, and of which no RTP at all is in the capture.

use crate::media::passage::joined;
use crate::media::{Media, Passage};
use crate::signaling::{Call, MediaWays, Side, Threshold};
use crate::time::Span;

/// A shorter talk may be over before media come.
pub static SILENT_TALK: Threshold = Threshold::span("talk", Span::from_secs(3));

/// A talk without RTP.
#[derive(Clone, Copy, Debug)]
pub struct Silence<'a, 'c> {
    /// The first passage that was to have media, on the hop nearest to the caller.
    pub passage: Passage<'a, 'c>,
    /// How long media were due.
    pub talk: Span,
    /// Where they would have been seen, on the first two hops.
    pub ways: MediaWays,
}

/// The talk of the call, if media were due long enough and none of them are in the capture, on no
/// hop and at no time.
pub fn silence<'a, 'c>(call: &'a Call<'c>, media: Media<'_>) -> Option<Silence<'a, 'c>> {
    let least = call.settings().span(&SILENT_TALK);
    let mut longest: Option<Silence<'a, 'c>> = None;
    for hop in call.negotiations().distinct() {
        for sender in [Side::Caller, Side::Callee] {
            let talk = joined(hop, sender);
            let own = talk.iter().filter(|passage| passage.is_due());
            let talk = own.clone().fold(Span::ZERO, |sum, passage| sum + passage.length());
            let Some(passage) = own.copied().next().filter(|_| talk >= least) else { continue };
            if !call.is_observed(passage.from, least) {
                continue;
            }
            if longest.is_none_or(|known| talk > known.talk) {
                longest = Some(Silence { passage, talk, ways: MediaWays::default() });
            }
        }
    }
    let found = longest?;
    let is_heard = |passage: &Passage<'_, '_>| {
        !passage.streams(media).is_empty() || !passage.astray(media).is_empty()
    };
    // Where a hop lacks an answer, nothing was agreed on it, and media flow there all the same.
    let is_at_place = || {
        let (from, until) = (found.passage.from, found.passage.until);
        let mut places = call.negotiations().announced().map(|own| own.rtp);
        places.any(|place| media.at(place).any(|stream| stream.is_active(from, until)))
    };
    let is_any_heard = || call.passages().any(|passage| is_heard(&passage)) || is_at_place();
    if !media.is_empty() && is_any_heard() {
        return None;
    }
    // Before it, media went where only a description that was not captured says (guard G3).
    let negotiation = found.passage.negotiation;
    let is_partly_seen = negotiation.exchanges.iter().any(|exchange| {
        exchange.pair().is_none()
            && exchange.refusal.is_none()
            && exchange.started() < found.passage.from
    });
    (!is_partly_seen).then(|| Silence { ways: ways(call), ..found })
}

/// Both directions on the first two hops that show addresses of their own.
fn ways(call: &Call<'_>) -> MediaWays {
    let hops = call.negotiations().distinct();
    let talks = hops.filter_map(|hop| joined(hop, Side::Caller).into_iter().next());
    let ways =
        talks.flat_map(|talk| [talk.ways(call.settings()), talk.back().ways(call.settings())]);
    let mut found = MediaWays::default();
    for (place, way) in found.iter_mut().zip(ways) {
        *place = way;
    }
    found
}
