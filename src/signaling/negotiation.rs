//! Offers and answers of a call: for each dialog, on each hop, in order.
//!
//! A request that crosses several hops is negotiated on each of them: a proxy hands descriptions
//! on, a back-to-back user agent or a NAT helper puts other addresses into them. So each hop has a
//! [`Negotiation`] of its own, and an [`ExchangeId`] that tells what is the same on all of them. A
//! forked INVITE has one negotiation for each To-tag.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::packet::Endpoint;
use crate::sdp::Media;
use crate::signaling::call::Call;
use crate::signaling::dialog::Dialog;
use crate::signaling::exchange::{
    Acknowledgements, Exchange, ExchangeId, Side, forks, has_no_offer, of_invite, of_request,
};
use crate::signaling::message::Message;
use crate::signaling::period::Period;
use crate::signaling::table::Table;
use crate::signaling::transaction::Transaction;
use crate::sip::Method;
use crate::time::Time;

/// The offers and answers of a call.
#[derive(Debug, Default)]
pub struct Negotiations<'c> {
    all: Vec<Negotiation<'c>>,
    /// Negotiation and exchange by their places, for each exchange with all its hops.
    sightings: Vec<Vec<(usize, usize)>>,
}

/// One exchange on one hop.
pub type Sighting<'a, 'c> = (&'a Negotiation<'c>, &'a Exchange<'c>);

/// The offers and answers of one dialog on one hop, in order.
#[derive(Debug)]
pub struct Negotiation<'c> {
    /// The tag of the caller.
    pub caller_tag: &'c [u8],
    /// The tag of the callee; none for an INVITE that nobody took up.
    pub callee_tag: Option<&'c [u8]>,
    /// The end of the hop that is nearer to the caller.
    pub near: Endpoint,
    /// The end that is nearer to the callee.
    pub far: Endpoint,
    /// Offers with their answers.
    pub exchanges: Vec<Exchange<'c>>,
    /// What was in force when. Two may overlap by the time that an answer takes from hop to hop.
    pub periods: Vec<Period<'c>>,
    /// When the 2xx to the INVITE came over this hop; what is agreed before is early media.
    pub answered: Option<Time>,
    /// The first negotiation of the same dialog, nearer to the caller, with the same exchanges and
    /// the same addresses of media: nothing between them changed the descriptions.
    pub mirrors: Option<usize>,
}

/// A place where a side said that it wants RTP, whether that was agreed or not.
#[derive(Clone, Copy, Debug)]
pub struct Announced<'c> {
    /// The negotiation, by index.
    pub negotiation: usize,
    /// Who wants it.
    pub side: Side,
    /// Where RTP shall go.
    pub rtp: Endpoint,
    /// Where RTCP shall go if it does not share the port.
    pub rtcp: Option<Endpoint>,
    /// The media as that side describes them.
    pub media: Media<'c>,
    /// The place of the media in the description.
    pub line: usize,
    /// The message that said it first.
    pub message: &'c Message<'c>,
    /// Something else was agreed, the offer was refused, or the call or the capture ended.
    pub until: Time,
}

impl<'c> Negotiations<'c> {
    /// Finds every offer and answer in the call.
    pub(super) fn of(call: &Call<'c>) -> Self {
        // Most messages have no body, and most Call-IDs are no calls.
        if !call.messages.iter().any(|message| message.sdp().is_some()) {
            return Self::default();
        }
        let book = Book::of(call);
        let mut found = Self::default();
        let mut places = Table::default();
        for hop in &call.transactions {
            for (callee_tag, exchange) in book.exchanges(hop) {
                found.take(hop, &book, callee_tag, exchange, &mut places);
            }
        }
        found.set_ends(&book, call.observed_until());
        found.find_mirrors();
        found.find_sightings();
        found
    }

    /// One for each dialog on each hop, in order of the first message.
    pub fn iter(&self) -> impl Iterator<Item = &Negotiation<'c>> + Clone {
        self.all.iter()
    }

    /// The negotiation with this index.
    pub fn get(&self, index: usize) -> Option<&Negotiation<'c>> {
        self.all.get(index)
    }

    /// Those of one dialog, a hop each, the first sender's first.
    pub fn of_dialog<'a>(
        &'a self,
        dialog: &'a Dialog<'c>,
    ) -> impl Iterator<Item = &'a Negotiation<'c>> {
        self.all.iter().filter(|negotiation| {
            negotiation.callee_tag == Some(dialog.callee_tag)
                && negotiation.caller_tag == dialog.caller_tag
        })
    }

    /// Those that show other addresses of media than the hops before them.
    pub fn distinct(&self) -> impl Iterator<Item = &Negotiation<'c>> {
        self.all.iter().filter(|negotiation| negotiation.mirrors.is_none())
    }

    /// Every exchange, each with all the hops that it was seen on: that of the side that offers
    /// first, that of the side that answers last.
    pub fn exchanges(&self) -> impl Iterator<Item = Vec<Sighting<'_, 'c>>> {
        self.sightings
            .iter()
            .map(|places| places.iter().filter_map(|place| self.sighting(*place)).collect())
    }

    /// What `look` finds in the exchanges, on the hop nearest to the side that answers, once for
    /// each dialog: who does something wrong does it in every refresh.
    pub fn first_in_each_dialog<'a, T>(
        &'a self,
        look: impl Fn(Sighting<'a, 'c>) -> Option<T>,
    ) -> Vec<(&'a Exchange<'c>, T)> {
        let mut known: HashSet<Option<&[u8]>, RandomState> = HashSet::default();
        let mut all = Vec::new();
        for places in &self.sightings {
            let sightings = || places.iter().filter_map(|place| self.sighting(*place));
            // The same of all dialogs that the exchange is handed on in.
            let dialog = || sightings().filter_map(|(own, _)| own.callee_tag).min();
            if !known.is_empty() && known.contains(&dialog()) {
                continue;
            }
            let found = sightings().rev().find_map(|own| Some((own.1, look(own)?)));
            if let Some(found) = found {
                known.insert(dialog());
                all.push(found);
            }
        }
        all
    }

    fn sighting(&self, (negotiation, exchange): (usize, usize)) -> Option<Sighting<'_, 'c>> {
        let negotiation = self.all.get(negotiation)?;
        Some((negotiation, negotiation.exchanges.get(exchange)?))
    }

    /// Every place where somebody wanted RTP, on every hop, from offers that were refused and
    /// answers that another one followed as well.
    pub fn announced(&self) -> impl Iterator<Item = Announced<'c>> + '_ {
        self.all.iter().enumerate().flat_map(|(negotiation, own)| {
            own.exchanges.iter().flat_map(move |exchange| announced(negotiation, exchange))
        })
    }

    fn take(
        &mut self,
        hop: &Transaction<'c>,
        book: &Book<'c>,
        callee_tag: Option<&'c [u8]>,
        exchange: Exchange<'c>,
        places: &mut Table<Key<'c>, usize>,
    ) {
        let (near, far) = match exchange.id.0 {
            Side::Caller => (hop.client, hop.server),
            Side::Callee => (hop.server, hop.client),
        };
        let caller_tag = book.caller_tag(hop, exchange.id.0);
        let key = (caller_tag, callee_tag, way(near, far));
        let place = *places.or_insert(key, self.all.len());
        if place == self.all.len() {
            self.all.push(Negotiation {
                caller_tag,
                callee_tag,
                near,
                far,
                exchanges: Vec::new(),
                periods: Vec::new(),
                answered: None,
                mirrors: None,
            });
        }
        let Some(negotiation) = self.all.get_mut(place) else { return };
        if exchange.id.1 == Method::Invite && negotiation.answered.is_none() {
            negotiation.answered = exchange.success.map(|success| success.time);
        }
        negotiation.exchanges.push(exchange);
    }

    /// Tells of each exchange how long it was in force, and from that the periods.
    fn set_ends(&mut self, book: &Book<'c>, observed_until: Time) {
        let mut agreed: Table<_, Vec<(Time, ExchangeId<'c>)>> = Table::default();
        for negotiation in &self.all {
            let tags = (negotiation.caller_tag, negotiation.callee_tag);
            let own = agreed.or_insert(tags, Vec::new());
            own.extend(negotiation.exchanges.iter().filter_map(|e| Some((e.agreed()?, e.id))));
        }
        agreed.values_mut().for_each(|own| own.sort_by_key(|(time, _)| *time));
        for negotiation in &mut self.all {
            let tags = (negotiation.caller_tag, negotiation.callee_tag);
            let end = tags.1.and_then(|callee| book.ends.get(&(tags.0, callee)).copied());
            let next = agreed.get(&tags).map(Vec::as_slice).unwrap_or_default();
            for (place, exchange) in negotiation.exchanges.iter_mut().enumerate() {
                let from = exchange.agreed().unwrap_or_else(|| exchange.started());
                let at = next.partition_point(|(time, _)| *time <= from);
                let follower = next.iter().skip(at).find(|(_, id)| *id != exchange.id);
                let ends = [end, exchange.closed, follower.map(|(time, _)| *time)];
                let until = ends.into_iter().flatten().min().unwrap_or(observed_until);
                exchange.until = until.max(exchange.started());
                negotiation.periods.extend(periods(place, exchange));
            }
        }
    }

    fn find_mirrors(&mut self) {
        let tags = |own: &Negotiation<'c>| (own.caller_tag, own.callee_tag);
        let mut hops: Table<_, Vec<usize>> = Table::default();
        for (index, negotiation) in self.all.iter().enumerate() {
            hops.or_insert(tags(negotiation), Vec::new()).push(index);
        }
        // Most dialogs were seen on one hop, which cannot be like another one.
        for hops in hops.values_mut().filter(|hops| hops.len() > 1) {
            let mut known = HashMap::with_hasher(RandomState::default());
            for index in hops {
                let Some(negotiation) = self.all.get_mut(*index) else { continue };
                let first = *known.entry(ways_of_media(negotiation)).or_insert(*index);
                negotiation.mirrors = (first != *index).then_some(first);
            }
        }
    }
}

impl<'c> Negotiations<'c> {
    /// The hops of one exchange stand in the order in which the request went over them.
    fn find_sightings(&mut self) {
        let mut known = Table::default();
        let mut all: Vec<(usize, usize, usize)> = Vec::new();
        for (index, negotiation) in self.all.iter().enumerate() {
            let places = negotiation.exchanges.iter().enumerate();
            all.extend(places.map(|(place, exchange)| (exchange.transaction, index, place)));
        }
        all.sort_unstable();
        for (_, index, place) in all {
            let Some(negotiation) = self.all.get(index) else { continue };
            let Some(exchange) = negotiation.exchanges.get(place) else { continue };
            let key = (negotiation.caller_tag, negotiation.callee_tag, exchange.id);
            let group = *known.or_insert(key, self.sightings.len());
            if group == self.sightings.len() {
                self.sightings.push(Vec::new());
            }
            self.sightings.get_mut(group).into_iter().for_each(|group| group.push((index, place)));
        }
        for group in &mut self.sightings {
            let first = group
                .first()
                .and_then(|(index, place)| self.all.get(*index)?.exchanges.get(*place));
            if first.is_some_and(|exchange| exchange.offerer != exchange.id.0) {
                group.reverse();
            }
        }
        self.join_sightings();
    }

    /// An element that gives the dialog tags of its own hands an exchange on while it waits for the
    /// answer, so the exchange behind it lies inside the one before it.
    fn join_sightings(&mut self) {
        if self.sightings.len() < 2 {
            return;
        }
        let mut spells: Vec<_> = self
            .sightings
            .iter()
            .enumerate()
            .filter_map(|(group, places)| Some((self.spell_of(places)?, group)))
            .collect();
        spells.sort_by_key(|((from, until, _), group)| (*from, Reverse(*until), *group));
        let mut open: Vec<(Spell<'c>, usize)> = Vec::new();
        for (own, group) in spells {
            while open.last().is_some_and(|((_, until, _), _)| *until < own.0) {
                open.pop();
            }
            let outer = open.last().copied();
            let outer = outer.filter(|(outer, _)| outer.0 < own.0 && own.1 < outer.1);
            match outer.filter(|(outer, _)| outer.2.0 == own.2.0 && outer.2.1 != own.2.1) {
                Some((_, first)) => {
                    let inner = self.sightings.get_mut(group).map(std::mem::take);
                    if let Some(first) = self.sightings.get_mut(first) {
                        first.extend(inner.unwrap_or_default());
                    }
                }
                None => open.push((own, group)),
            }
        }
        self.sightings.retain(|places| !places.is_empty());
    }

    /// From the offer to the answer; none if nothing answers.
    fn spell_of(&self, places: &[(usize, usize)]) -> Option<Spell<'c>> {
        let (index, place) = places.first()?;
        let negotiation = self.all.get(*index)?;
        let exchange = negotiation.exchanges.get(*place)?;
        let offer = exchange.offer.as_ref()?.message.time;
        // A 2xx that repeats the answer of a 183 is no new answer, but ends the exchange.
        let answer = exchange.answer().map(|answer| answer.message.time);
        let end = answer.max(exchange.success.map(|success| success.time))?;
        let is_delayed = exchange.offerer != exchange.id.0;
        Some((offer, end, ((exchange.id.1, is_delayed), negotiation.caller_tag)))
    }
}

/// From when until when an exchange was under way; what those behind it share with it, and the tag
/// in which they differ.
type Spell<'c> = (Time, Time, ((Method<'c>, bool), &'c [u8]));

impl<'c> Call<'c> {
    /// Somebody may have offered or answered something else between the two moments, and the
    /// capture does not show all of it: an answer or an offer is missing, or the numbers of a side
    /// tell of a request that was not captured (guard G3). What was agreed before is in doubt then.
    pub fn misses_agreement(&self, own: &Negotiation<'_>, (from, until): (Time, Time)) -> bool {
        let is_within = |time: Time| time > from && time < until;
        let tags = (own.caller_tag, own.callee_tag);
        // An INVITE without a response in the capture has no tag of the callee.
        let is_tag = |tag: Option<&[u8]>| tag == tags.1 || tag.is_none();
        let is_of_dialog = |o: &&Negotiation<'_>| o.caller_tag == tags.0 && is_tag(o.callee_tag);
        let hops = self.negotiations().iter().filter(is_of_dialog);
        let is_half = |exchange: &Exchange<'c>| {
            exchange.pair().is_none() && exchange.refusal.is_none() && is_within(exchange.started())
        };
        if hops.flat_map(|hop| &hop.exchanges).any(is_half) {
            return true;
        }
        let is_open = |hop: &Transaction<'c>| {
            matches!(hop.method, Method::Invite | Method::Update)
                && hop.finals.is_empty()
                && is_within(hop.first_time())
        };
        let mut dialogs = self.dialogs.iter();
        let dialog = dialogs.find(|o| (o.caller_tag, Some(o.callee_tag)) == tags);
        dialog.is_some_and(|dialog| {
            let mut hops = self.transactions.iter().filter(|hop| is_open(hop));
            let is_own = |hop: &Transaction<'c>| hop.messages().any(|one| dialog.holds(one));
            // An ACK tells of an INVITE that nothing else tells of.
            let mut acks = self.acks().filter(|ack| is_within(ack.time) && dialog.holds(ack));
            hops.any(is_own)
                || acks.any(|ack| !self.transactions.iter().any(|hop| is_invite_of(hop, ack)))
                || self.misses_request(dialog, (from, until))
        })
    }
}

/// The ACK is about this INVITE, on whichever hop it was seen.
fn is_invite_of(hop: &Transaction<'_>, ack: &Message<'_>) -> bool {
    hop.method == Method::Invite
        && ack.cseq().is_some_and(|own| own.number == hop.cseq)
        && hop.messages().next().is_some_and(|first| first.from_tag() == ack.from_tag())
}

impl<'c> Negotiation<'c> {
    /// What was in force at `time`; the newest, where the answers cross.
    pub fn period_at(&self, time: Time) -> Option<&Period<'c>> {
        self.periods.iter().rev().find(|period| period.covers(time))
    }

    /// The exchange that a period comes from.
    pub fn exchange_of(&self, period: &Period<'c>) -> Option<&Exchange<'c>> {
        self.exchanges.get(period.exchange)
    }
}

/// What the exchanges of a call need to know of each other.
#[derive(Default)]
struct Book<'c> {
    /// By the tags of From and To of the INVITE.
    acknowledgements: Table<Tags<'c>, Acknowledgements<'c>>,
    none: Acknowledgements<'c>,
    /// The tags of those who called.
    callers: Table<&'c [u8], ()>,
    /// Tag and number of the INVITEs without an offer.
    delayed: Table<(&'c [u8], u32), ()>,
    /// When a dialog ended by BYE.
    ends: Table<Tags<'c>, Time>,
}

/// The tags of From and To.
type Tags<'c> = (&'c [u8], &'c [u8]);

/// Two hosts, with their ports where both have one address.
type Way = ((IpAddr, u16), (IpAddr, u16));

type Key<'c> = (&'c [u8], Option<&'c [u8]>, Way);

impl<'c> Book<'c> {
    fn of(call: &Call<'c>) -> Self {
        let mut book = Self::default();
        for hop in call.transactions.iter().filter(|hop| hop.method == Method::Invite) {
            let from = tags(hop).0;
            if hop.is_initial() {
                book.callers.or_insert(from, ());
            }
            if hop.request.is_some_and(has_no_offer) {
                book.delayed.or_insert((from, hop.cseq), ());
            }
        }
        for hop in &call.transactions {
            book.note_dialog(hop);
        }
        for ack in call.acks() {
            if let (Some(from), Some(to)) = (ack.from_tag(), ack.to_tag()) {
                book.acknowledgements_of((from, to)).acks.push(ack);
            }
        }
        book
    }

    fn note_dialog(&mut self, hop: &Transaction<'c>) {
        let (from, Some(to)) = tags(hop) else { return };
        if !self.callers.contains(&from) && !self.callers.contains(&to) {
            self.callers.or_insert(from, ());
        }
        let Some(first) = hop.messages().next() else { return };
        match hop.method {
            Method::Bye if !hop.final_status().is_some_and(|s| matches!(s.code(), 401 | 407)) => {
                for tags in [(from, to), (to, from)] {
                    self.ends.or_insert(tags, first.time);
                }
            }
            Method::Prack | Method::Update => {
                let request = hop.request.filter(|request| request.sdp().is_some());
                for tags in [(from, to), (to, from)] {
                    let known = self.acknowledgements_of(tags);
                    known.renegotiated = known.renegotiated.or(request.map(|own| own.time));
                }
                if hop.method == Method::Prack {
                    let known = self.acknowledgements_of((from, to));
                    match hop.request {
                        Some(prack) => known.pracks.push(prack),
                        None => known.add_unseen_prack(hop.cseq),
                    }
                }
            }
            _ => {}
        }
    }

    fn acknowledgements_of(&mut self, tags: Tags<'c>) -> &mut Acknowledgements<'c> {
        self.acknowledgements.or_insert(tags, Acknowledgements::default())
    }

    /// The exchanges that a transaction carries, with the tag of the callee.
    fn exchanges(&self, hop: &Transaction<'c>) -> Vec<(Option<&'c [u8]>, Exchange<'c>)> {
        let (from, to) = tags(hop);
        let side = self.side_of(from, to);
        let callee_tag = |to: Option<&'c [u8]>| match side {
            Side::Caller => to,
            Side::Callee => Some(from),
        };
        let exchange = match hop.method {
            Method::Invite if hop.is_initial() || hop.request.is_none() => {
                let forks = forks(hop).into_iter().filter_map(|(to, responses)| {
                    let exchange = of_invite(hop, side, &responses, self.acks_of(from, to))?;
                    Some((callee_tag(to), exchange))
                });
                return forks.collect();
            }
            Method::Invite => {
                let responses: Vec<_> = forks(hop).into_iter().flat_map(|(_, own)| own).collect();
                of_invite(hop, side, &responses, self.acks_of(from, to))
            }
            Method::Prack if self.is_answer(hop) => None,
            Method::Prack | Method::Update => of_request(hop, side),
            _ => None,
        };
        exchange.map(|exchange| (callee_tag(to), exchange)).into_iter().collect()
    }

    fn acks_of(&self, from: &'c [u8], to: Option<&'c [u8]>) -> &Acknowledgements<'c> {
        to.and_then(|to| self.acknowledgements.get(&(from, to))).unwrap_or(&self.none)
    }

    /// The PRACK answers the offer in a reliable response and makes none itself.
    fn is_answer(&self, prack: &Transaction<'c>) -> bool {
        let rack = prack.request.and_then(|request| request.rack());
        rack.is_some_and(|rack| self.delayed.contains(&(tags(prack).0, rack.cseq.number)))
            && !prack.finals.iter().any(|response| response.sdp().is_some())
    }

    fn side_of(&self, from: &'c [u8], to: Option<&'c [u8]>) -> Side {
        let is_of_callee =
            !self.callers.contains(&from) && to.is_some_and(|to| self.callers.contains(&to));
        if is_of_callee { Side::Callee } else { Side::Caller }
    }

    fn caller_tag(&self, hop: &Transaction<'c>, requester: Side) -> &'c [u8] {
        match (requester, tags(hop)) {
            (Side::Caller, (from, _)) => from,
            (Side::Callee, (from, to)) => to.unwrap_or(from),
        }
    }
}

fn tags<'c>(hop: &Transaction<'c>) -> (&'c [u8], Option<&'c [u8]>) {
    let first = hop.messages().next();
    let from = first.and_then(Message::from_tag).unwrap_or_default();
    (from, first.and_then(Message::to_tag))
}

/// Other ports lead to the same host, unless a host talks to itself.
fn way(near: Endpoint, far: Endpoint) -> Way {
    match near.address == far.address {
        true => ((near.address, near.port), (far.address, far.port)),
        false => ((near.address, 0), (far.address, 0)),
    }
}

fn periods<'c>(place: usize, exchange: &Exchange<'c>) -> Vec<Period<'c>> {
    if exchange.agreed().is_none() {
        return Vec::new();
    }
    let until = |answer: usize| {
        let next = exchange.answers.get(answer + 1).map(|next| next.message.time);
        next.map_or(exchange.until, |next| next.min(exchange.until))
    };
    let answers = 0..exchange.answers.len();
    answers.filter_map(|answer| Period::of(exchange, place, answer, until(answer))).collect()
}

/// The addresses of media of every period, with what it was that agreed on them.
fn ways_of_media<'c>(
    negotiation: &Negotiation<'c>,
) -> Vec<(ExchangeId<'c>, Vec<Option<Endpoint>>)> {
    let mut ways = Vec::new();
    for exchange in &negotiation.exchanges {
        for (_, description) in exchange.descriptions() {
            let media = description.session.media.iter();
            let ends = media.map(|media| media.rtp_endpoint().map(Into::into));
            ways.push((exchange.id, ends.collect()));
        }
    }
    ways
}

fn announced<'c>(
    negotiation: usize,
    exchange: &Exchange<'c>,
) -> impl Iterator<Item = Announced<'c>> {
    let until = exchange.until;
    exchange.descriptions().flat_map(move |(side, description)| {
        let message = description.message;
        description.session.media.iter().enumerate().filter_map(move |(line, media)| {
            let rtp = media.rtp_endpoint().filter(|rtp| !rtp.ip().is_unspecified())?;
            Some(Announced {
                negotiation,
                side,
                rtp: rtp.into(),
                rtcp: media.rtcp_endpoint_alone().map(Into::into),
                media: *media,
                line,
                message,
                until: until.max(message.time),
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::samples::{Sample, with_call};
    use crate::time::Span;

    /// Port of audio at 192.0.2.1 in a description.
    type Port = Option<u16>;

    /// A message: milliseconds, from, to, what it is, its number, more header lines, the port.
    type Step<'s> = (i64, u8, u8, &'s str, u32, &'s str, Port);

    fn text((_, from, to, what, number, headers, port): &Step<'_>) -> String {
        let (status, method) = match what.split_once(' ') {
            Some((status, method)) => (Some(status), method),
            None => (None, *what),
        };
        let start = match status {
            Some(status) => format!("SIP/2.0 {status} Text"),
            None => format!("{method} sip:b@example.com SIP/2.0"),
        };
        let tag = match headers.split_once("tag=") {
            Some((_, tag)) => tag.lines().next().unwrap_or_default(),
            None => "b",
        };
        let is_first = method == "INVITE" && *number == 1;
        let to_tag =
            if is_first && status.is_none() { String::new() } else { format!(";tag={tag}") };
        let hop = if status.is_some() { to.min(from) } else { from };
        let body = port.map(|port| {
            format!(
                "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n\
                 m=audio {port} RTP/AVP 0\n"
            )
        });
        let kind = if body.is_some() { "Content-Type: application/sdp\n" } else { "" };
        let headers = headers.split("tag=").next().unwrap_or_default();
        format!(
            "{start}\nVia: SIP/2.0/UDP h;branch=z9hG4bK{method}{number}{hop}\n\
             From: <sip:a@example.com>;tag=a\nTo: <sip:b@example.com>{to_tag}\nCall-ID: 1\n\
             CSeq: {number} {method}\n{headers}{kind}\n{}",
            body.unwrap_or_default()
        )
    }

    fn with_steps<T>(steps: &[Step<'_>], look: impl FnOnce(&Negotiations<'_>) -> T) -> T {
        with_call_of(steps, |call| look(call.negotiations()))
    }

    fn with_call_of<T>(steps: &[Step<'_>], look: impl FnOnce(&Call<'_>) -> T) -> T {
        let texts: Vec<_> = steps.iter().map(text).collect();
        let samples: Vec<Sample<'_>> = steps
            .iter()
            .zip(&texts)
            .map(|((millis, from, to, ..), text)| (*millis, *from, *to, text.as_str()))
            .collect();
        with_call(&samples, look)
    }

    fn at(millis: i64) -> Time {
        Time::default() + Span::from_millis(millis)
    }

    /// From, until and the ports of caller and callee, for each period.
    fn ports(negotiation: &Negotiation<'_>) -> Vec<(Time, Time, u16, u16)> {
        let audio = |period: &Period<'_>, side| period.audio().map_or(0, |line| line.of(side).port);
        let of = |period: &Period<'_>| {
            let ports = (audio(period, Side::Caller), audio(period, Side::Callee));
            (period.from, period.until, ports.0, ports.1)
        };
        negotiation.periods.iter().map(of).collect()
    }

    const RELIABLE: &str = "Require: 100rel\nRSeq: 1\n";

    #[test]
    fn an_answer_that_the_2xx_repeats_is_one() {
        let steps = [
            (0, 1, 2, "INVITE", 1, "", Some(1000)),
            (100, 2, 1, "183 INVITE", 1, "", Some(2000)),
            (200, 2, 1, "200 INVITE", 1, "", Some(2000)),
            (300, 1, 2, "ACK", 1, "", None),
            (5000, 1, 2, "BYE", 2, "", None),
        ];
        with_steps(&steps, |found| {
            let all: Vec<_> = found.iter().collect();
            let [own] = all.as_slice() else { panic!("one negotiation in {all:#?}") };
            assert_eq!(ports(own), [(at(100), at(5000), 1000, 2000)]);
            assert_eq!(own.answered, Some(at(200)));
            assert!(own.period_at(at(99)).is_none() && own.period_at(at(5000)).is_none());
        });
    }

    #[test]
    fn another_answer_in_the_2xx_follows_the_first_one() {
        let steps = [
            (0, 1, 2, "INVITE", 1, "", Some(1000)),
            (100, 2, 1, "183 INVITE", 1, "", Some(2000)),
            (200, 2, 1, "200 INVITE", 1, "", Some(3000)),
        ];
        with_steps(&steps, |found| {
            let periods: Vec<_> = found.iter().flat_map(ports).collect();
            assert_eq!(
                periods,
                [(at(100), at(200), 1000, 2000), (at(200), at(3_600_000), 1000, 3000)]
            );
        });
    }

    #[test]
    fn each_fork_has_its_own() {
        let steps = [
            (0, 1, 2, "INVITE", 1, "", Some(1000)),
            (100, 2, 1, "183 INVITE", 1, "tag=x", Some(2000)),
            (200, 2, 1, "183 INVITE", 1, "tag=y", Some(3000)),
            (300, 2, 1, "200 INVITE", 1, "tag=y", Some(3000)),
        ];
        with_steps(&steps, |found| {
            let tags: Vec<_> = found.iter().map(|own| (own.callee_tag, ports(own))).collect();
            let expected = [
                (Some(&b"x"[..]), vec![(at(100), at(300), 1000, 2000)]),
                (Some(&b"y"[..]), vec![(at(200), at(3_600_000), 1000, 3000)]),
            ];
            assert_eq!(tags, expected);
        });
    }

    #[test]
    fn a_refused_change_leaves_what_was() {
        let steps = [
            (0, 1, 2, "INVITE", 1, "", Some(1000)),
            (200, 2, 1, "200 INVITE", 1, "", Some(2000)),
            (1000, 1, 2, "INVITE", 2, "", Some(1002)),
            (1100, 2, 1, "488 INVITE", 2, "", None),
            (2000, 1, 2, "UPDATE", 3, "", Some(1004)),
            (2100, 2, 1, "200 UPDATE", 3, "", Some(2004)),
        ];
        with_steps(&steps, |found| {
            let periods: Vec<_> = found.iter().flat_map(ports).collect();
            let expected = [(at(200), at(2100), 1000, 2000), (at(2100), at(3_600_000), 1004, 2004)];
            assert_eq!(periods, expected);
            let announced: Vec<_> =
                found.announced().map(|own| (own.rtp.port, own.side, own.until)).collect();
            let (caller, callee, end) = (Side::Caller, Side::Callee, at(3_600_000));
            let expected = [
                (1000, caller, at(2100)),
                (2000, callee, at(2100)),
                (1002, caller, at(1100)),
                (1004, caller, end),
                (2004, callee, end),
            ];
            assert_eq!(announced, expected);
        });
    }

    #[test]
    fn what_was_agreed_is_in_doubt_where_something_is_missing() {
        let misses = |later: &[Step<'_>]| {
            let mut steps = vec![
                (0, 1, 2, "INVITE", 1, "", Some(1000)),
                (200, 2, 1, "200 INVITE", 1, "", Some(2000)),
                (300, 1, 2, "ACK", 1, "", None),
            ];
            steps.extend(later);
            with_call_of(&steps, |call| {
                let own = call.negotiations().iter().next().expect("a negotiation");
                call.misses_agreement(own, (at(400), at(5000)))
            })
        };
        let (offer, answer) = (
            (1000, 1, 2, "INVITE", 2, "", Some(1002)),
            (1100, 2, 1, "200 INVITE", 2, "", Some(2002)),
        );
        let bye = |number| (4000, 1, 2, "BYE", number, "", None);
        let refusal = (1100, 2, 1, "488 INVITE", 2, "", None);
        assert!(!misses(&[bye(2)]) && !misses(&[offer, answer, bye(3)]));
        assert!(!misses(&[offer, refusal, bye(3)]), "all of a change in vain");
        assert!(misses(&[bye(3)]), "a number");
        assert!(misses(&[offer, bye(3)]), "an answer");
        assert!(misses(&[answer, bye(3)]), "an offer");
        assert!(misses(&[(1200, 1, 2, "ACK", 2, "", None), bye(3)]), "offer and answer");
        let late = (5500, 1, 2, "INVITE", 2, "", Some(1002));
        assert!(!misses(&[late]), "it was sent after the spell");
    }

    #[test]
    fn a_delayed_offer_may_be_said_before_the_2xx() {
        let steps = [
            (0, 1, 2, "INVITE", 1, "", None),
            (100, 2, 1, "183 INVITE", 1, "", Some(2000)),
            (200, 2, 1, "200 INVITE", 1, "", Some(2000)),
            (300, 1, 2, "ACK", 1, "", Some(1000)),
        ];
        with_steps(&steps, |found| {
            let periods: Vec<_> = found.iter().flat_map(ports).collect();
            assert_eq!(periods, [(at(300), at(3_600_000), 1000, 2000)]);
        });
    }

    #[test]
    fn an_offer_may_come_in_a_response() {
        let steps = [
            (0, 1, 2, "INVITE", 1, "", None),
            (200, 2, 1, "200 INVITE", 1, "", Some(2000)),
            (300, 1, 2, "ACK", 1, "", Some(1000)),
        ];
        with_steps(&steps, |found| {
            let periods: Vec<_> = found.iter().flat_map(ports).collect();
            assert_eq!(periods, [(at(300), at(3_600_000), 1000, 2000)]);
        });
    }

    #[test]
    fn a_prack_answers_or_offers() {
        let prack = "RAck: 1 1 INVITE\n";
        let answering = [
            (0, 1, 2, "INVITE", 1, "", None),
            (100, 2, 1, "183 INVITE", 1, RELIABLE, Some(2000)),
            (200, 1, 2, "PRACK", 2, prack, Some(1000)),
            (250, 2, 1, "200 PRACK", 2, "", None),
            (400, 2, 1, "200 INVITE", 1, "", Some(2000)),
        ];
        with_steps(&answering, |found| {
            let periods: Vec<_> = found.iter().flat_map(ports).collect();
            assert_eq!(periods, [(at(200), at(3_600_000), 1000, 2000)]);
        });
        let offering = [
            (0, 1, 2, "INVITE", 1, "", Some(1000)),
            (100, 2, 1, "183 INVITE", 1, RELIABLE, Some(2000)),
            (200, 1, 2, "PRACK", 2, prack, Some(1002)),
            (250, 2, 1, "200 PRACK", 2, "", Some(2002)),
            (400, 2, 1, "200 INVITE", 1, "", Some(2000)),
        ];
        with_steps(&offering, |found| {
            let periods: Vec<_> = found.iter().flat_map(ports).collect();
            let expected = [(at(100), at(250), 1000, 2000), (at(250), at(3_600_000), 1002, 2002)];
            assert_eq!(periods, expected);
        });
    }

    #[test]
    fn tags_of_its_own_do_not_hide_what_an_element_hands_on() {
        let text = |line: &str, from: &str, number: u32, port: u16| {
            format!(
                "{line}\nVia: SIP/2.0/UDP h;branch=z9hG4bK{from}\nFrom: <sip:a@h>;tag={from}\n\
                 To: <sip:b@h>{}\nCall-ID: 1\nCSeq: {number} INVITE\n\
                 Content-Type: application/sdp\n\nv=0\nc=IN IP4 192.0.2.1\n\
                 m=audio {port} RTP/AVP 0\n",
                if line.starts_with("SIP") { ";tag=to" } else { "" }
            )
        };
        let invite = "INVITE sip:b@h SIP/2.0";
        let texts = [
            (0, 1, 2, text(invite, "outer", 1, 1000)),
            (5, 2, 3, text(invite, "inner", 7, 5000)),
            (90, 3, 2, text("SIP/2.0 183 Progress", "inner", 7, 2000)),
            (95, 2, 1, text("SIP/2.0 183 Progress", "outer", 1, 6000)),
            (190, 3, 2, text("SIP/2.0 200 OK", "inner", 7, 2002)),
            (195, 2, 1, text("SIP/2.0 200 OK", "outer", 1, 6000)),
        ];
        let samples = texts.iter().map(|(time, from, to, text)| (*time, *from, *to, text.as_str()));
        with_call(&samples.collect::<Vec<_>>(), |call| {
            let exchanges: Vec<_> = call.negotiations().exchanges().collect();
            let tags: Vec<Vec<_>> = exchanges
                .iter()
                .map(|sightings| sightings.iter().map(|(own, _)| own.caller_tag).collect())
                .collect();
            assert_eq!(tags, [[&b"outer"[..], b"inner"]]);
        });
    }

    #[test]
    fn hops_with_the_same_addresses_mirror_each_other() {
        let steps = [
            (0, 1, 2, "INVITE", 1, "", Some(1000)),
            (10, 2, 3, "INVITE", 1, "", Some(1000)),
            (20, 3, 4, "INVITE", 1, "", Some(7000)),
            (100, 4, 3, "200 INVITE", 1, "", Some(2000)),
            (110, 3, 2, "200 INVITE", 1, "", Some(8000)),
            (120, 2, 1, "200 INVITE", 1, "", Some(8000)),
        ];
        with_steps(&steps, |found| {
            let mirrors: Vec<_> = found.iter().map(|own| own.mirrors).collect();
            assert_eq!(mirrors, [None, Some(0), None]);
            let distinct: Vec<_> = found.distinct().flat_map(ports).collect();
            let end = at(3_600_000);
            assert_eq!(distinct, [(at(120), end, 1000, 8000), (at(100), end, 7000, 2000)]);
        });
    }
}
