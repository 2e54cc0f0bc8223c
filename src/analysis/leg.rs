//! A leg: what of one Call-ID is needed to find the other legs of its conversation.
//!
//! A back-to-back user agent gives each side a Call-ID of its own. Legs are small, because there is
//! one for every call of a capture: of values only digests are kept.

use std::hash::BuildHasher;
use std::net::IpAddr;

use foldhash::fast::FixedState;

use crate::bytes::printable;
use crate::limits::{LEG_HOSTS_MAX, LEG_MARKS_MAX};
use crate::signaling::{Attempt, Call, Kind, Message, ShortList, Transaction};
use crate::sip::{Header, HeaderName, Method, Uri};
use crate::time::Time;

/// Header fields that name the Call-ID of the leg before.
const NAMES_UPSTREAM: [&str; 2] = ["X-Call-ID", "X-CID"];

/// Header fields that hold the same value on every leg of a conversation.
const SHARED: [&str; 4] =
    ["X-BroadWorks-Correlation-Info", "Cisco-Guid", "Av-Global-Session-ID", "X-Genesys-CallUUID"];

/// Users of callers that want to stay unknown, so they are not one caller.
const NOBODY: [&str; 5] = ["anonymous", "restricted", "unavailable", "unknown", "private"];

/// Digits of a UUID as RFC 7989 writes it.
const UUID_DIGITS: usize = 32;

/// What is known of one Call-ID that was used for a call.
#[derive(Clone, Debug)]
pub(crate) struct Leg {
    /// The Call-ID, safe to show.
    pub(super) call_id: Box<str>,
    /// The digest of the Call-ID as captured.
    pub(super) id: u64,
    /// When its first message was sent: the first initial INVITE, if that was seen.
    pub(super) start: Time,
    /// When the last initial INVITE was sent; none for a call whose beginning is missing.
    pub(super) invited: Option<Time>,
    /// When the last initial INVITE got its final response.
    pub(super) settled: Option<Time>,
    /// An initial INVITE was answered.
    pub(super) is_answered: bool,
    /// The tags of its last dialog, the caller's first, as digests; none without a dialog.
    pub(super) tags: Option<(u32, u32)>,
    /// When that dialog ended.
    pub(super) ended: Option<Time>,
    /// Who sent the initial INVITE.
    pub(super) client: Place,
    /// Who received it, on the first hop and after it.
    pub(super) servers: ShortList<Place>,
    /// Whom it calls: by the request URI on the first and on the last hop, and by `To`.
    pub(super) called: [Number; 3],
    /// Who calls.
    pub(super) calling: Number,
    /// Where the offer wants media to go, as a digest; 0 if there is none.
    pub(super) media: u64,
    /// What its header fields say about other legs.
    pub(super) marks: Box<[Mark]>,
    /// It has servers that are not kept.
    pub(super) has_more_servers: bool,
    /// It has marks that are not kept.
    pub(super) has_more_marks: bool,
}

/// A host as a digest, with the port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) host: u64,
    pub(super) port: u16,
}

/// A header field that ties legs together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) role: Role,
    pub(super) reason: &'static str,
    pub(super) key: u64,
}

/// What a header field says about other legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// The leg with this Call-ID is the one before.
    NamesUpstream,
    /// The leg with this Call-ID belongs to the same conversation.
    Names,
    /// Legs with the same value are of one conversation.
    Shares,
    /// Somebody was asked to call this target.
    Refers,
    /// This target is called because somebody asked for it.
    Referred,
}

impl Role {
    /// All of them.
    pub(super) const ALL: [Self; 5] =
        [Self::NamesUpstream, Self::Names, Self::Shares, Self::Refers, Self::Referred];
}

/// A called or calling number, or else the digest of a user; 0 if there is none.
///
/// Digits stand in four bits each, as 1 to 10, the last one lowest: so numbers with and without
/// prefixes have their lowest bits in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Number(pub(super) u64);

impl Number {
    /// The last six digits: what numbers written with different prefixes have in common at least.
    const SUFFIX: u64 = 0xff_ffff;
    /// Only a user that is no number has it.
    const NAME: u64 = 0xf << 60;

    pub(super) fn of(uri: &Uri<'_>) -> Self {
        let Some(user) = uri.user() else { return Self::default() };
        let user = user.split(|byte| *byte == b';').next().unwrap_or_default();
        let is_nobody = NOBODY.iter().any(|nobody| user.eq_ignore_ascii_case(nobody.as_bytes()));
        if user.is_empty() || is_nobody {
            return Self::default();
        }
        let mut digits: u64 = 0;
        for byte in user {
            match byte {
                b'0'..=b'9' => {
                    digits = ((digits << 4) | (u64::from(byte - b'0') + 1)) & !Self::NAME;
                }
                b'+' | b'-' | b'.' | b'(' | b')' => {}
                _ => return Self(digest(&user.to_ascii_lowercase()) | Self::NAME),
            }
        }
        Self(digits)
    }

    /// Both are written for the same subscriber, as far as six digits at the end can tell.
    pub(super) fn is_same(self, other: Self) -> bool {
        self.key().is_some() && self.key() == other.key()
    }

    /// What numbers of the same subscriber have in common.
    pub(super) fn key(self) -> Option<u64> {
        let is_name = self.0 & Self::NAME == Self::NAME;
        let is_long = self.0 & 0xf0_0000 != 0;
        match self.0 {
            0 => None,
            number if is_name || !is_long => Some(number),
            number => Some(number & Self::SUFFIX),
        }
    }
}

impl Place {
    fn client_of(hop: &Transaction<'_>) -> Self {
        Self { host: host(hop.client.address), port: hop.client.port }
    }

    fn server_of(hop: &Transaction<'_>) -> Self {
        Self { host: host(hop.server.address), port: hop.server.port }
    }
}

impl Leg {
    /// What a call shows of its place in a conversation; `None` for a Call-ID that was used for
    /// something else.
    pub(super) fn of(call: &Call<'_>) -> Option<Self> {
        if call.kind() != Kind::Call {
            return None;
        }
        let mut marks = Vec::new();
        named(call, &mut |call_id, reason| {
            let role = match NAMES_UPSTREAM.contains(&reason) {
                true => Role::NamesUpstream,
                false => Role::Names,
            };
            marks.push(Mark { role, reason, key: digest(call_id) });
        });
        let first = call.attempts.first();
        let last = call.attempts.last();
        let hop = first.and_then(|attempt| attempt.transactions(call).next());
        let invite = hop.and_then(|hop| hop.request);
        let (called, calling) = numbers(call, invite);
        if let Some(invite) = invite {
            shared(invite, &mut marks);
        }
        referred(call, invite, &mut marks);
        let (servers, has_more_servers) = servers(call);
        let (marks, has_more_marks) = bounded(marks);
        let last_hop = last.and_then(|attempt| attempt.first_hop(call));
        let final_response = last_hop.and_then(Transaction::final_response);
        let dialog = call.dialogs.iter().rev().find(|dialog| dialog.method == Method::Invite);
        let begun = || call.messages.iter().map(|message| message.time).min();
        Some(Self {
            call_id: printable(call.call_id).into(),
            id: digest(call.call_id),
            start: invite.map(|invite| invite.time).or_else(begun)?,
            invited: last.and_then(|attempt| attempt.transactions(call).next()?.started()),
            settled: final_response.map(|response| response.time),
            is_answered: call.attempts.iter().any(Attempt::is_answered),
            tags: dialog.map(|dialog| (tag(dialog.caller_tag), tag(dialog.callee_tag))),
            ended: dialog.and_then(|dialog| dialog.farewell(call)).map(|end| end.time),
            client: hop.map(Place::client_of).unwrap_or_default(),
            servers,
            called,
            calling,
            media: invite
                .and_then(Message::audio_endpoint)
                .map_or(0, |endpoint| FixedState::default().hash_one(endpoint)),
            marks,
            has_more_servers,
            has_more_marks,
        })
    }

    /// Its INVITE went to who sends from there. On the host that sent it, only the port tells one
    /// element from another.
    pub(super) fn is_received_by(&self, client: Place) -> bool {
        match self.client.host == client.host {
            true => self.client != client && self.servers.contains(&client),
            false => self.servers.iter().any(|server| server.host == client.host),
        }
    }

    /// It has more servers or marks than are kept.
    pub(super) const fn is_cut(&self) -> bool {
        self.has_more_servers || self.has_more_marks
    }

    /// It asked for targets that may not be among its marks: those go first.
    pub(super) fn may_have_asked_more(&self) -> bool {
        let last = self.marks.last().map(|mark| mark.role);
        self.has_more_marks && last != Some(Role::Referred)
    }

    /// Takes in what the same Call-ID showed later.
    pub(super) fn merge(&mut self, later: Self) {
        let is_later = self.invited.is_none() || self.invited <= later.invited;
        if later.invited.is_some() && is_later {
            self.settled = later.settled;
            self.invited = later.invited;
        }
        if self.servers.is_empty() {
            (self.client, self.servers) = (later.client, later.servers);
            (self.called, self.calling, self.media) = (later.called, later.calling, later.media);
        }
        if later.tags.is_some() {
            (self.tags, self.ended) = (later.tags, later.ended);
        }
        self.start = self.start.min(later.start);
        self.is_answered |= later.is_answered;
        let mut marks = std::mem::take(&mut self.marks).into_vec();
        marks.extend(later.marks);
        let (marks, has_more_marks) = bounded(marks);
        self.marks = marks;
        self.has_more_servers |= later.has_more_servers;
        self.has_more_marks |= later.has_more_marks || has_more_marks;
    }
}

/// The marks, each once, the surest first; and whether there are more than are kept.
fn bounded(mut marks: Vec<Mark>) -> (Box<[Mark]>, bool) {
    marks.sort_unstable();
    marks.dedup();
    let has_more = marks.len() > LEG_MARKS_MAX;
    marks.truncate(LEG_MARKS_MAX);
    (marks.into(), has_more)
}

/// Gives every other Call-ID that header fields of this call name, and the name of the field.
pub(super) fn named(call: &Call<'_>, add: &mut dyn FnMut(&[u8], &'static str)) {
    let mut add = |other: &[u8], reason| {
        let other = other.trim_ascii();
        if !other.is_empty() && other != call.call_id {
            add(other, reason);
        }
    };
    for message in call.messages.iter().filter(|message| message.is_request()) {
        let may_name =
            |header: &Header<'_>| matches!(header.name, HeaderName::Other | HeaderName::InReplyTo);
        for header in message.headers().iter().filter(may_name) {
            let is = |name: &&str| header.spelled.eq_ignore_ascii_case(name.as_bytes());
            if let Some(name) = NAMES_UPSTREAM.into_iter().chain(["In-Reply-To"]).find(is) {
                add(header.value, name);
            }
        }
        if message.method() == Method::Invite
            && let Some(replaces) = message.header(HeaderName::Replaces)
        {
            add(before_parameters(replaces), "Replaces");
        }
        if message.method() == Method::Refer
            && let Some(target) = message.refer_to()
            && let Some(replaces) = target.uri.header("Replaces")
        {
            add(before_parameters(&replaces), "Refer-To");
        }
    }
}

fn before_parameters(value: &[u8]) -> &[u8] {
    value.split(|byte| *byte == b';').next().unwrap_or_default()
}

/// Values that the INVITE shares with the other legs of its conversation.
fn shared(invite: &Message<'_>, marks: &mut Vec<Mark>) {
    let mut add = |reason, value: &[u8]| {
        let value = value.trim_ascii();
        if !value.is_empty() {
            let key = digest(&value.to_ascii_lowercase());
            marks.push(Mark { role: Role::Shares, reason, key });
        }
    };
    for header in invite.headers().iter() {
        let is = |name: &str| header.spelled.eq_ignore_ascii_case(name.as_bytes());
        if is("Session-ID") {
            let value = before_parameters(header.value).trim_ascii();
            // The nil UUID stands for nobody (RFC 7989, section 5).
            if value.len() == UUID_DIGITS && value.iter().any(|digit| *digit != b'0') {
                add("session-id", value);
            }
        } else if is("P-Charging-Vector") {
            let parts = header.value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            for part in parts {
                if let Some((name, icid)) = part.split_at_checked("icid-value=".len())
                    && name.eq_ignore_ascii_case(b"icid-value=")
                {
                    add("icid", icid.strip_prefix(b"\"").unwrap_or(icid));
                }
            }
        } else if let Some(reason) = SHARED.into_iter().find(|name| is(name)) {
            add(reason, header.value);
        }
    }
}

/// The targets that REFERs of this call ask for, and that its own INVITE calls for one.
fn referred(call: &Call<'_>, invite: Option<&Message<'_>>, marks: &mut Vec<Mark>) {
    let mut add = |role, uri: &Uri<'_>| {
        if let Some(key) = target(uri) {
            marks.push(Mark { role, reason: "Referred-By", key });
        }
    };
    for refer in call.transactions.iter().filter(|t| t.method == Method::Refer) {
        if let Some(target) = refer.request.and_then(|request| request.refer_to()) {
            add(Role::Refers, &target.uri);
        }
    }
    if let Some(invite) = invite
        && invite.header(HeaderName::ReferredBy).is_some()
        && let Some(uri) = invite.request_uri()
    {
        add(Role::Referred, &uri);
    }
}

/// User and host of a URI, as a digest.
fn target(uri: &Uri<'_>) -> Option<u64> {
    let mut text = uri.user()?.to_vec();
    text.push(b'@');
    text.extend(uri.host()?.to_string().to_ascii_lowercase().bytes());
    Some(digest(&text))
}

fn numbers(call: &Call<'_>, invite: Option<&Message<'_>>) -> ([Number; 3], Number) {
    let Some(invite) = invite else { return Default::default() };
    let last = call.attempts.first().and_then(|attempt| attempt.transactions(call).next_back());
    let of = |uri: Option<Uri<'_>>| uri.map(|uri| Number::of(&uri)).unwrap_or_default();
    let first = of(invite.request_uri());
    let last = match last.and_then(|hop| hop.request) {
        // Most hops leave the URI as it is.
        Some(last) if last.start() == invite.start() => first,
        last => of(last.and_then(|last| last.request_uri())),
    };
    let called = [first, last, of(invite.to().map(|to| to.uri))];
    (called, of(invite.from().map(|from| from.uri)))
}

/// Everybody who received the initial INVITE, each host once; and whether there are more than are
/// kept.
fn servers(call: &Call<'_>) -> (ShortList<Place>, bool) {
    let (mut servers, mut has_more) = (ShortList::default(), false);
    for hop in call.attempts.iter().flat_map(|attempt| attempt.transactions(call)) {
        let server = Place::server_of(hop);
        if servers.contains(&server) {
            continue;
        }
        match servers.len() < LEG_HOSTS_MAX {
            true => servers.push(server),
            false => has_more = true,
        }
    }
    (servers, has_more)
}

/// A host as a digest.
pub(super) fn host(address: IpAddr) -> u64 {
    FixedState::default().hash_one(address)
}

/// A tag as a digest.
pub(super) fn tag(bytes: &[u8]) -> u32 {
    digest(bytes) as u32
}

/// The same for the same bytes, on every machine.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    FixedState::default().hash_one(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::samples::with_call;

    fn number(uri: &str) -> Number {
        Number::of(&Uri::parse(uri.as_bytes()))
    }

    #[test]
    fn numbers_are_the_same_whatever_their_prefix() {
        let national = number("sip:030123456@example.com");
        for same in ["sip:+49-30-123456@b", "tel:+4930123456", "sip:90049030123456;npdi@b"] {
            assert!(national.is_same(number(same)), "{same}");
        }
        for other in ["sip:123457@b", "sip:3456@b", "sip:alice@b", "sip:b", "sip:x030123456@b"] {
            assert!(!national.is_same(number(other)), "{other}");
        }
    }

    #[test]
    fn a_million_legs_fit_into_memory() {
        assert!(size_of::<Leg>() <= 192, "{}", size_of::<Leg>());
    }

    #[test]
    fn short_numbers_and_names_are_compared_as_a_whole() {
        assert!(number("sip:1001@a").is_same(number("sip:1001@b")));
        assert!(!number("sip:1001@a").is_same(number("sip:91001@b")));
        assert!(number("sip:Bob@a").is_same(number("sip:bob@b")));
        assert!(!number("sip:bob@a").is_same(number("sip:bob2@b")));
        assert!(!number("sip:anonymous@a").is_same(number("sip:anonymous@a")));
        assert!(!number("sip:a").is_same(number("sip:a")));
    }

    fn invite(hop: u8, more: &str) -> String {
        format!(
            "INVITE sip:b@h SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK{hop}\n\
             From: <sip:a@h>;tag=a\nTo: <sip:b@h>\nCall-ID: 1\nCSeq: 1 INVITE\n{more}\n"
        )
    }

    #[test]
    fn receivers_of_an_invite_have_a_bound() {
        let leg_of = |hops: usize| {
            let hops = 1..=u8::try_from(hops).expect("some");
            let texts: Vec<_> = hops.map(|hop| (hop, invite(hop, ""))).collect();
            let row = texts.iter().map(|(hop, text)| (i64::from(*hop), *hop, hop + 1, &**text));
            let samples: Vec<_> = row.collect();
            with_call(&samples, |call| Leg::of(call).expect("a call"))
        };
        let whole = leg_of(LEG_HOSTS_MAX);
        assert!(whole.servers.len() == LEG_HOSTS_MAX && !whole.is_cut());
        let cut = leg_of(LEG_HOSTS_MAX + 1);
        assert!(cut.servers.len() == LEG_HOSTS_MAX && cut.has_more_servers && cut.is_cut());
    }

    #[test]
    fn marks_of_a_call_have_a_bound() {
        let leg_of = |marks: usize| {
            let named: String = (0..marks).map(|call| format!("X-CID: other{call}\n")).collect();
            with_call(&[(0, 1, 2, &invite(1, &named))], |call| Leg::of(call).expect("a call"))
        };
        let mut whole = leg_of(LEG_MARKS_MAX);
        assert!(whole.marks.len() == LEG_MARKS_MAX && !whole.is_cut());
        let cut = leg_of(LEG_MARKS_MAX + 1);
        assert!(cut.marks.len() == LEG_MARKS_MAX && cut.is_cut() && cut.may_have_asked_more());
        let others = Mark { role: Role::Shares, reason: "icid", key: 1 };
        whole.merge(Leg { marks: [others].into(), ..whole.clone() });
        assert!(whole.marks.len() == LEG_MARKS_MAX && whole.is_cut(), "put together, too");
    }
}
