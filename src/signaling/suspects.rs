//! Hosts that are refused again and again: what only many calls show of somebody who looks for
//! accounts or passwords.
//!
//! A request counts once, where its first sender sends it. What a challenge let in after all was
//! not refused. What goes through a proxy is not the proxy's, and hosts that the user trusts are
//! left out.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use foldhash::fast::RandomState;
use rustc_hash::FxHasher;

use crate::capture::FrameId;
use crate::limits::{SUSPECT_HOSTS_MAX, SUSPECT_REFUSALS_MAX};
use crate::packet::Endpoint;
use crate::signaling::call::Call;
use crate::signaling::challenge::{Chain, ChainEnd};
use crate::signaling::message::Message;
use crate::signaling::transaction::Transaction;
use crate::sip::{HeaderName, Method, Status};
use crate::time::{Span, Time};

/// Frames that are remembered of one host, or of several together.
const FRAMES_MAX: usize = 4;

/// More hosts that do the same are one matter.
const ALONE_MAX: usize = 20;

/// Of a port that tries so many users, a single device is not the reason.
const USERS_OF_GUESSING: usize = 3;

/// Who asks for the same user after so long does so again; credentials follow a challenge at once.
const AGAIN_AFTER: Span = Span::from_secs(10);

/// So many lines a telephone or a small gateway may have.
const LINES_MAX: usize = 10;

/// No device of a user is what a tool for scans sends; one or two refusals may be a test.
const TRIES_OF_TOOL: usize = 3;

/// A device that keeps trying one password makes seldom more calls of it within five minutes.
const CALLS_OF_GUESSING: usize = 60;

/// Tools that look for accounts and open lines, as they name themselves in User-Agent or From.
const TOOLS: [&str; 12] = [
    "friendly-request",
    "friendly-scanner",
    "pplsip",
    "sip-scan",
    "siparmyknife",
    "sipcli",
    "sipscan",
    "sipvicious",
    "sivus",
    "sundayddr",
    "vaxipuseragent",
    "vaxsipuseragent",
];

/// What phones call themselves, although it begins like a tool.
const NO_TOOL: &str = "sipclient";

/// The hosts that were refused, and what they were refused.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Suspects {
    hosts: HashMap<IpAddr, Suspect, RandomState>,
    /// Credentials of a host and a user that were accepted, the last time. There may be very many,
    /// and a table that doubles is half empty.
    accepted: BTreeMap<Login, Accepted>,
    /// Refusals that are kept, of all hosts.
    kept: usize,
    /// Requests that the bounds left out.
    dropped: u64,
}

/// A user or number that somebody asked for: the number itself, else a digest of the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct User(u64);

/// A user of one host, in as little room as it takes: the bytes of the number have no alignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Login {
    host: IpAddr,
    user: [u8; 8],
}

impl Login {
    fn of(host: IpAddr, User(user): User) -> Self {
        Self { host, user: user.to_be_bytes() }
    }

    fn user(self) -> User {
        User(u64::from_be_bytes(self.user))
    }
}

/// What a host asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
enum Wanted {
    Invite,
    Options,
    Register,
}

/// One host.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Suspect {
    /// Requests that were not refused.
    let_in: u64,
    refused: Vec<Refused>,
    /// The tools that it named, in order of their names.
    tools: Vec<ToolUse>,
}

/// One request that got 401, 403, 404 or 407 in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Refused {
    at: Time,
    frame: FrameId,
    client: Endpoint,
    server: Endpoint,
    /// Whose credentials it carried; else who was asked for.
    user: Option<User>,
    /// The Call-ID, as a number.
    call: u64,
    status: Status,
    wanted: Wanted,
    /// It carried credentials, and these were refused.
    has_credentials: bool,
}

/// Requests of one host in which a tool names itself.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct ToolUse {
    #[cfg_attr(feature = "parts", borsh(deserialize_with = "crate::bytes::parts::word"))]
    tool: &'static str,
    requests: u64,
    until: Time,
    /// The first ones.
    first: Vec<Sight>,
}

/// A request: when, in which frame, from where to where.
type Sight = (Time, FrameId, Endpoint, Endpoint);

/// Credentials that were accepted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Accepted {
    at: Time,
    /// The frame; its parts lie closer together than they do in one.
    capture: u16,
    number: u64,
    port: u16,
    /// How many digits the user has.
    digits: u8,
    /// The user, where it is not written as the number with so many digits; in two boxes, since
    /// there are very many and most are numbers.
    name: Option<Box<Box<[u8]>>>,
}

impl Accepted {
    fn new(at: Time, frame: FrameId, port: u16, user: &[u8]) -> Self {
        let digits = User::number(user).and(user.len().try_into().ok());
        let name = digits.is_none().then(|| Box::new(user.into()));
        let FrameId { capture, number } = frame;
        Self { at, number, capture, port, digits: digits.unwrap_or_default(), name }
    }

    fn frame(&self) -> FrameId {
        FrameId { capture: self.capture, number: self.number }
    }

    /// The user as it was written.
    fn user(&self, User(user): User) -> Box<[u8]> {
        let digits = usize::from(self.digits);
        match &self.name {
            None => format!("{user:0digits$}").into_bytes().into(),
            Some(name) => (**name).clone(),
        }
    }
}

/// When a host did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Spell {
    /// The first time.
    pub from: Time,
    /// The last time.
    pub until: Time,
    /// The host.
    pub host: IpAddr,
}

/// What makes requests a scan.
#[derive(Clone, Copy, Debug)]
pub struct ScanCriteria {
    /// Users or hosts that were asked for in vain.
    pub targets: usize,
    /// Within this time.
    pub within: Span,
    /// At least so many of a hundred requests of the host were refused.
    pub refused_percent: u64,
}

/// What makes rejected credentials guessing.
#[derive(Clone, Copy, Debug)]
pub struct GuessCriteria {
    /// Rejected credentials of one host.
    pub attempts: usize,
    /// Within this time.
    pub within: Span,
}

/// Requests that belong together: of one host, or of hosts that do the same.
#[derive(Clone, Debug)]
pub struct Probing {
    /// The tool that names itself.
    pub tool: Option<&'static str>,
    /// The hosts and when they were at it, in order of time.
    pub spells: Vec<Spell>,
    /// Who sent the first request.
    pub client: Endpoint,
    /// Who received it.
    pub server: Endpoint,
    /// The requests.
    pub requests: u64,
    /// Those of them that were refused.
    pub refused: u64,
    /// Users that were asked for, among the refused ones.
    pub users: usize,
    /// Hosts that were asked.
    pub servers: usize,
    /// One user after the other, or one host after the other.
    pub is_enumeration: bool,
    /// The responses.
    pub statuses: BTreeSet<Status>,
    /// The first requests.
    pub frames: Vec<(FrameId, Time)>,
    /// Users whose credentials were accepted in the end, with the requests.
    pub accepted: Vec<(Box<[u8]>, FrameId, Time)>,
}

impl Probing {
    /// The hosts, each once, the first one first.
    pub fn sources(&self) -> Vec<IpAddr> {
        let mut seen = BTreeSet::new();
        let hosts = self.spells.iter().map(|spell| spell.host);
        hosts.filter(|host| seen.insert(*host)).collect()
    }

    /// From the first request to the last one.
    pub fn length(&self) -> Option<Span> {
        let first = self.spells.iter().map(|spell| spell.from).min()?;
        let last = self.spells.iter().map(|spell| spell.until).max()?;
        Some(last.since(first))
    }
}

/// The tool that names itself in the request.
pub fn tool_of(request: &Message<'_>) -> Option<&'static str> {
    let places = [request.software(), request.header(HeaderName::From)];
    places.into_iter().flatten().find_map(tool_in)
}

/// The first tool that is named in the text, in any case.
fn tool_in(text: &[u8]) -> Option<&'static str> {
    // Asked of every request. Wherever a name begins, one of its first letters begins one of these
    // pieces, and the piece lies in the name.
    let (pieces, _) = text.as_chunks::<PIECE>();
    pieces.iter().zip((0..).step_by(PIECE)).find_map(|(piece, at)| {
        let fits = piece
            .iter()
            .zip(&FITTING)
            .fold(u64::MAX, |fitting, (letter, table)| fitting & table[usize::from(*letter)]);
        if fits == 0 {
            return None;
        }
        let begin = usize::saturating_sub(at, PIECE - 1);
        (begin..=at).find_map(|begin| tool_at(text.get(begin..)?))
    })
}

/// The tool whose name begins the text.
fn tool_at(text: &[u8]) -> Option<&'static str> {
    let begins = |name: &str| {
        text.get(..name.len()).is_some_and(|own| own.eq_ignore_ascii_case(name.as_bytes()))
    };
    let letters = text.first_chunk::<PIECE>()?.map(|letter| letter.to_ascii_lowercase());
    let mut likely = TOOLS.iter().filter(|tool| tool.as_bytes().first_chunk() == Some(&letters));
    likely.find(|tool| begins(tool)).copied().filter(|_| !begins(NO_TOOL))
}

/// Letters that are looked at at once; every name has as many again, less one.
const PIECE: usize = 3;

/// For each letter of a piece and each byte, the pieces of names, as a bit each, that have the byte
/// there in either case.
static FITTING: [[u64; 256]; PIECE] = {
    let mut tables = [[0; 256]; PIECE];
    let mut index = 0;
    while index < TOOLS.len() * PIECE {
        let (name, begin) = (TOOLS[index / PIECE].as_bytes(), index % PIECE);
        let mut place = 0;
        while place < PIECE {
            let letter = name[begin + place];
            assert!(!letter.is_ascii_uppercase());
            tables[place][letter as usize] |= 1 << index;
            tables[place][letter.to_ascii_uppercase() as usize] |= 1 << index;
            place += 1;
        }
        index += 1;
    }
    tables
};

impl Suspects {
    /// Takes what the hosts of a call asked for, and what they got.
    pub(super) fn add_call(&mut self, call: &Call<'_>) {
        let mut chains = None;
        for hop in &call.transactions {
            let Some(request) = hop.request.filter(|_| hop.upstream.is_none()) else { continue };
            let Some(wanted) = Wanted::of(hop.method).filter(|_| hop.is_initial()) else {
                continue;
            };
            if is_passed_on(request) || call.settings().is_trusted(hop.client.address) {
                continue;
            }
            if let Some(tool) = tool_of(request)
                && let Some(own) = self.suspect(hop.client.address)
            {
                own.add_tool(tool, sight(hop, request));
            }
            let Some(status) = hop.final_status() else { continue };
            let outcome = match status.code() {
                401 | 403 | 407 => refusal(hop, chains.get_or_insert_with(|| call.chains()), call),
                404 => Outcome::Refused { has_credentials: false },
                _ => Outcome::LetIn,
            };
            match outcome {
                Outcome::Step => {}
                Outcome::LetIn => self.add_let_in(hop, request),
                Outcome::Refused { has_credentials } => self.add_refused(Refused {
                    at: request.time,
                    frame: request.frame,
                    client: hop.client,
                    server: hop.server,
                    user: user_of(request, has_credentials).map(User::of),
                    call: digest(call.call_id),
                    status,
                    wanted,
                    has_credentials,
                }),
            }
        }
    }

    fn add_refused(&mut self, refused: Refused) {
        if self.kept >= SUSPECT_REFUSALS_MAX {
            self.dropped += 1;
        } else if let Some(own) = self.suspect(refused.client.address) {
            // Most hosts have one or two, and there may be very many hosts.
            own.refused.reserve_exact(usize::from(own.refused.len() < 2));
            own.refused.push(refused);
            self.kept += 1;
        }
    }

    fn add_let_in(&mut self, hop: &Transaction<'_>, request: &Message<'_>) {
        if let Some(own) = self.suspect(hop.client.address) {
            own.let_in += 1;
        }
        let is_accepted =
            hop.first_success().is_some() && request.credentials().any(|own| own.is_digest());
        if !is_accepted {
            return;
        }
        let Some(user) = user_of(request, true) else { return };
        let key = Login::of(hop.client.address, User::of(&user));
        if self.accepted.len() >= SUSPECT_HOSTS_MAX && !self.accepted.contains_key(&key) {
            self.dropped += 1;
            return;
        }
        let (at, frame, port) = (request.time, request.frame, hop.client.port);
        self.add_last(key, Accepted::new(at, frame, port, &user));
    }

    fn suspect(&mut self, host: IpAddr) -> Option<&mut Suspect> {
        if self.hosts.len() >= SUSPECT_HOSTS_MAX && !self.hosts.contains_key(&host) {
            self.dropped += 1;
            return None;
        }
        Some(self.hosts.entry(host).or_default())
    }

    fn add_last(&mut self, key: Login, accepted: Accepted) {
        match self.accepted.entry(key) {
            Entry::Vacant(place) => {
                place.insert(accepted);
            }
            Entry::Occupied(mut known) if *known.get() < accepted => {
                known.insert(accepted);
            }
            Entry::Occupied(_) => {}
        }
    }

    /// Adds what another part of the run took.
    pub(super) fn merge(&mut self, other: Self) {
        self.dropped += other.dropped;
        // All that is new in a part is taken or left, so that the order of a table does not matter.
        let is_full = self.hosts.len() >= SUSPECT_HOSTS_MAX;
        let has_refusals = self.kept >= SUSPECT_REFUSALS_MAX;
        for (host, other) in other.hosts {
            if is_full && !self.hosts.contains_key(&host) {
                self.dropped += other.let_in + other.refused.len() as u64;
                continue;
            }
            let own = self.hosts.entry(host).or_default();
            own.let_in += other.let_in;
            if has_refusals {
                self.dropped += other.refused.len() as u64;
            } else {
                self.kept += other.refused.len();
                // Most hosts have one or two, and there may be very many hosts.
                own.refused.reserve_exact(other.refused.len() * usize::from(own.refused.len() < 2));
                own.refused.extend(other.refused);
            }
            other.tools.into_iter().for_each(|tool| own.merge_tool(tool));
        }
        let is_full = self.accepted.len() >= SUSPECT_HOSTS_MAX;
        for (key, accepted) in other.accepted {
            match is_full && !self.accepted.contains_key(&key) {
                true => self.dropped += 1,
                false => self.add_last(key, accepted),
            }
        }
    }

    /// Requests that the bounds left out.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Who looks for accounts or hosts: each tool that names itself with all its hosts, then each
    /// other host in order of the addresses; many of these are one matter.
    pub fn scans(&self, criteria: &ScanCriteria) -> Vec<Probing> {
        let mut by_tool: BTreeMap<&'static str, Gathering> = BTreeMap::new();
        let mut alone: Vec<Gathering> = Vec::new();
        for (host, own) in self.in_order() {
            let refused = own.sorted();
            let runs = own.enumerations(&refused, criteria);
            match own.tools.first() {
                Some(tool) => {
                    let gathering = by_tool.entry(tool.tool).or_default();
                    own.tools.iter().for_each(|tool| gathering.add_tool(host, tool));
                    gathering.add_refused(refused.iter().copied());
                    gathering.is_enumeration |= !runs.is_empty();
                }
                None if runs.is_empty() => {}
                None => {
                    let mut gathering = Gathering { is_enumeration: true, ..Gathering::default() };
                    runs.into_iter().for_each(|run| gathering.add_run(host, run));
                    alone.push(gathering);
                }
            }
        }
        if alone.len() > ALONE_MAX {
            alone = vec![alone.into_iter().fold(Gathering::default(), Gathering::with)];
        }
        let named = by_tool.into_iter().filter_map(|(tool, own)| own.finish(Some(tool)));
        named.chain(alone.into_iter().filter_map(|own| own.finish(None))).collect()
    }

    /// Who guesses passwords, in order of the addresses.
    pub fn guesses(&self, criteria: &GuessCriteria) -> Vec<Probing> {
        let mut found = Vec::new();
        for (host, own) in self.in_order() {
            let users = LazyCell::new(|| self.let_in(host).count());
            let mut tried = Tried::default();
            let rejected: Vec<_> =
                own.sorted().into_iter().filter(|refused| refused.has_credentials).collect();
            let mut gathering = Gathering::default();
            for run in runs(&rejected, criteria.within) {
                let is_told = !own.tools.is_empty() && run.len() >= TRIES_OF_TOOL;
                let serves_users = || self.serves_users(host, *users, run);
                if is_told || (is_guessing(run, criteria) && !serves_users()) {
                    gathering.add_run(host, run);
                    tried.add(run);
                }
            }
            gathering.accepted = tried.accepted(self.let_in(host));
            found.extend(gathering.finish(own.tools.first().map(|tool| tool.tool)));
        }
        found
    }

    /// The host stands for many subscribers, as a trunk or proxy does: more of its users got in
    /// than did not. Who guesses is mostly wrong.
    fn serves_users(&self, host: IpAddr, let_in: usize, run: &[Refused]) -> bool {
        let rejected: BTreeSet<_> = run.iter().filter_map(|own| own.user).collect();
        let known =
            rejected.iter().filter(|user| self.accepted.contains_key(&Login::of(host, **user)));
        let_in.saturating_sub(known.count()) > rejected.len()
    }

    /// The users of a host whose credentials were accepted.
    fn let_in(&self, host: IpAddr) -> impl Iterator<Item = (User, &Accepted)> {
        let [first, last] = [User(0), User(u64::MAX)].map(|user| Login::of(host, user));
        self.accepted.range(first..=last).map(|(key, accepted)| (key.user(), accepted))
    }

    fn in_order(&self) -> Vec<(IpAddr, &Suspect)> {
        let mut hosts: Vec<_> = self.hosts.iter().map(|(host, own)| (*host, own)).collect();
        hosts.sort_unstable_by_key(|(host, _)| *host);
        hosts
    }
}

/// Users and ports of one host with rejected credentials, from the first time on.
#[derive(Default)]
struct Tried {
    users: BTreeMap<User, Time>,
    ports: BTreeMap<u16, Time>,
}

impl Tried {
    fn add(&mut self, run: &[Refused]) {
        let Some(first) = run.first() else { return };
        for own in run {
            // The runs come in order of time.
            self.ports.entry(own.client.port).or_insert(first.at);
            if let Some(user) = own.user {
                self.users.entry(user).or_insert(first.at);
            }
        }
    }

    /// The credentials that were accepted after others were not: of one of the users, or from one
    /// of the ports.
    fn accepted<'a>(
        &self,
        let_in: impl Iterator<Item = (User, &'a Accepted)>,
    ) -> Vec<(Accepted, User)> {
        let is_later = |since: Option<&Time>, at: Time| since.is_some_and(|since| at > *since);
        let is_own = |(user, own): &(User, &Accepted)| {
            is_later(self.users.get(user), own.at) || is_later(self.ports.get(&own.port), own.at)
        };
        let mut found: Vec<_> =
            let_in.filter(is_own).map(|(user, own)| (own.clone(), user)).collect();
        found.sort_unstable();
        found
    }
}

/// What a host got for a request.
enum Outcome {
    /// A challenge on the way to something else.
    Step,
    LetIn,
    Refused {
        has_credentials: bool,
    },
}

/// What became of a request that got 401, 403 or 407.
fn refusal(hop: &Transaction<'_>, chains: &[Chain<'_>], call: &Call<'_>) -> Outcome {
    let ends_here = |chain: &&Chain<'_>| chain.end(call) == ChainEnd::Refused(hop.index);
    if hop.final_status().is_some_and(|status| status.code() == 403) {
        return Outcome::Refused { has_credentials: chains.iter().any(|own| ends_here(&own)) };
    }
    let is_of = |chain: &&Chain<'_>| chain.rounds.iter().any(|own| own.transaction == hop.index);
    let Some(chain) = chains.iter().find(is_of) else { return Outcome::Step };
    let own = chain.rounds.iter().enumerate().find(|(_, own)| own.transaction == hop.index);
    let Some((place, own)) = own else { return Outcome::Step };
    // Whoever gets in at last may have tried several passwords.
    let earlier = chain.rounds.get(..place).unwrap_or_default();
    if chain.end(call) == ChainEnd::Passed && !own.is_refused(earlier) {
        return Outcome::Step;
    }
    Outcome::Refused { has_credentials: own.has_credentials() && !own.is_stale() }
}

/// A proxy or an edge in front of many users has sent it.
fn is_passed_on(request: &Message<'_>) -> bool {
    (!request.has_one_via() && request.vias().nth(1).is_some()) || request.has(HeaderName::Path)
}

fn user_of<'c>(request: &Message<'c>, has_credentials: bool) -> Option<Cow<'c, [u8]>> {
    let mut own = request.credentials().filter(|own| own.is_digest() && has_credentials);
    own.find_map(|own| own.username()).or_else(|| {
        let user = match request.method() {
            Method::Register => request.to()?.uri.user(),
            _ => request.request_uri()?.user(),
        };
        user.map(Cow::Borrowed)
    })
}

fn sight(hop: &Transaction<'_>, request: &Message<'_>) -> Sight {
    (request.time, request.frame, hop.client, hop.server)
}

fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    bytes.hash(&mut hasher);
    hasher.finish()
}

impl User {
    const NAME: u64 = 1 << 63;

    fn of(user: impl AsRef<[u8]>) -> Self {
        let user = user.as_ref();
        Self(Self::number(user).unwrap_or_else(|| digest(user) | Self::NAME))
    }

    fn number(user: &[u8]) -> Option<u64> {
        let is_number = user.len() <= 18 && user.iter().all(u8::is_ascii_digit);
        str::from_utf8(user).ok().filter(|_| is_number)?.parse().ok()
    }

    fn follows(self, before: Self) -> bool {
        self.0 < Self::NAME && self.0 == before.0 + 1
    }
}

impl Wanted {
    fn of(method: Method<'_>) -> Option<Self> {
        match method {
            Method::Invite => Some(Self::Invite),
            Method::Options => Some(Self::Options),
            Method::Register => Some(Self::Register),
            _ => None,
        }
    }
}

impl Suspect {
    fn add_tool(&mut self, tool: &'static str, sight: Sight) {
        self.merge_tool(ToolUse { tool, requests: 1, until: sight.0, first: vec![sight] });
    }

    fn merge_tool(&mut self, other: ToolUse) {
        match self.tools.binary_search_by_key(&other.tool, |own| own.tool) {
            Ok(place) => {
                let Some(own) = self.tools.get_mut(place) else { return };
                own.requests += other.requests;
                own.until = own.until.max(other.until);
                add_first(&mut own.first, other.first);
            }
            Err(place) => {
                self.tools.reserve_exact(1);
                self.tools.insert(place, other);
            }
        }
    }

    fn sorted(&self) -> Vec<Refused> {
        let mut refused = self.refused.clone();
        refused.sort_unstable();
        refused
    }

    /// The requests one soon after the other by which the host went through users or hosts.
    fn enumerations<'a>(
        &self,
        refused: &'a [Refused],
        criteria: &ScanCriteria,
    ) -> Vec<&'a [Refused]> {
        let all = self.let_in + refused.len() as u64;
        if (refused.len() as u64) * 100 < all * criteria.refused_percent {
            return Vec::new();
        }
        let is_enumeration = |run: &&[Refused]| {
            let enough = |seen: usize| seen >= criteria.targets;
            enough(users_within(run, criteria.within)) || enough(hosts_within(run, criteria.within))
        };
        runs(refused, criteria.within).filter(is_enumeration).collect()
    }
}

/// How many users were asked for within the time at most. Phones behind one address use a port
/// each, a gateway registers its own users again and again, and a trunk asks for whatever number
/// was dialled, if it does not ask for one after the other.
fn users_within(run: &[Refused], within: Span) -> usize {
    let is_sequence = || {
        let numbers: BTreeSet<_> = run.iter().filter_map(|own| own.user).collect();
        let next = numbers.iter().zip(numbers.iter().skip(1));
        next.filter(|(before, own)| own.follows(**before)).count() * 2 >= numbers.len()
    };
    let calls_count = run.iter().any(|own| own.wanted == Wanted::Invite) && is_sequence();
    let pings_count = !asks_each_at_its_place(run);
    let counted = || {
        run.iter().filter(|own| match own.wanted {
            Wanted::Invite => calls_count,
            Wanted::Options => pings_count,
            Wanted::Register => true,
        })
    };
    let users: BTreeSet<_> = counted().filter_map(|own| own.user).collect();
    let ports: BTreeSet<_> = counted().map(|own| own.client.port).collect();
    let asked = counted().filter(|own| !own.has_credentials).count();
    let are_own = asked >= users.len() * 2 || come_again(counted()) * 2 > users.len();
    if ports.len() * 2 > users.len() || are_own {
        return 0;
    }
    distinct_within(counted().filter_map(|own| Some((own.at, own.user?))), within)
}

/// How many users were asked for once more after a while.
fn come_again<'a>(asked: impl Iterator<Item = &'a Refused>) -> usize {
    let mut first: BTreeMap<User, Time> = BTreeMap::new();
    let again = asked.filter_map(|own| {
        let user = own.user?;
        let since = *first.entry(user).or_insert(own.at);
        (own.at.since(since) >= AGAIN_AFTER).then_some(user)
    });
    again.collect::<BTreeSet<_>>().len()
}

/// How many hosts were asked within the time at most. Who asks the same ones again watches them.
fn hosts_within(run: &[Refused], within: Span) -> usize {
    let pings_count = !asks_each_at_its_place(run);
    let counted = || {
        let is_counted = |own: &&Refused| match own.wanted {
            Wanted::Invite => false,
            Wanted::Options => pings_count,
            Wanted::Register => true,
        };
        run.iter().filter(is_counted).filter(|own| own.user.is_some())
    };
    let servers: BTreeSet<_> = counted().map(|own| own.server.address).collect();
    if counted().count() > servers.len() * 2 {
        return 0;
    }
    distinct_within(counted().map(|own| (own.at, own.server.address)), within)
}

/// OPTIONS go to users each of whom has an address or port of its own: a registrar asks its phones
/// whether they are there, and these need not know themselves by the user in their contact.
fn asks_each_at_its_place(run: &[Refused]) -> bool {
    let pings = || run.iter().filter(|own| own.wanted == Wanted::Options);
    let users: BTreeSet<_> = pings().filter_map(|own| own.user).collect();
    let places: BTreeSet<_> = pings().map(|own| own.server).collect();
    users.len() * 2 > places.len() && places.len() * 2 > users.len()
}

/// Many rejected credentials, and more than one device with one password would send.
fn is_guessing(run: &[Refused], criteria: &GuessCriteria) -> bool {
    let mut users: BTreeMap<u16, BTreeSet<User>> = BTreeMap::new();
    let mut calls: BTreeMap<User, Vec<(Time, u64)>> = BTreeMap::new();
    for own in run {
        let Some(user) = own.user else { continue };
        users.entry(own.client.port).or_default().insert(user);
        calls.entry(user).or_default().push((own.at, own.call));
    }
    let has_several = users
        .values()
        .any(|users| users.len() >= USERS_OF_GUESSING && !are_lines(users, &calls, criteria));
    let is_fast = |calls: &Vec<(Time, u64)>| {
        distinct_within(calls.iter().copied(), criteria.within) >= CALLS_OF_GUESSING
    };
    let attempts = distinct_within(run.iter().map(|own| (own.at, own.frame)), criteria.within);
    attempts >= criteria.attempts && (has_several || calls.values().any(is_fast))
}

/// The users are lines of one device: each keeps its Call-ID (RFC 3261, section 10.2.4) and tries
/// again under it, now and then. Who guesses begins anew each time, or goes on to the next user.
fn are_lines(
    users: &BTreeSet<User>,
    calls: &BTreeMap<User, Vec<(Time, u64)>>,
    criteria: &GuessCriteria,
) -> bool {
    let tries = || users.iter().filter_map(|user| calls.get(user));
    let keeps_call = |own: &Vec<(Time, u64)>| {
        let times = own.iter().zip(0_usize..).map(|((at, _), number)| (*at, number));
        own.iter().all(|(_, call)| Some(*call) == own.first().map(|(_, first)| *first))
            && distinct_within(times, criteria.within) < CALLS_OF_GUESSING
    };
    let comes_again = |own: &Vec<(Time, u64)>| own.len() > 1;
    tries().all(keeps_call) && (users.len() < LINES_MAX || tries().all(comes_again))
}

/// Parts in which the next one comes within the time.
fn runs(refused: &[Refused], within: Span) -> impl Iterator<Item = &[Refused]> {
    refused.chunk_by(move |before, own| own.at.since(before.at) <= within)
}

/// How many different ones there are within the time at most, of those in order of time.
fn distinct_within<K: Copy + Ord>(all: impl Iterator<Item = (Time, K)>, within: Span) -> usize {
    let all: Vec<_> = all.collect();
    let mut counts: BTreeMap<K, usize> = BTreeMap::new();
    let mut most = 0;
    let mut oldest = all.iter().peekable();
    for (at, key) in &all {
        *counts.entry(*key).or_default() += 1;
        while let Some((_, gone)) = oldest.next_if(|(since, _)| at.since(*since) > within) {
            if let Some(count) = counts.get_mut(gone) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(gone);
                }
            }
        }
        most = most.max(counts.len());
    }
    most
}

fn add_first(first: &mut Vec<Sight>, more: impl IntoIterator<Item = Sight>) {
    first.extend(more);
    first.sort_unstable();
    first.truncate(FRAMES_MAX);
}

/// What belongs to one finding.
#[derive(Debug, Default)]
struct Gathering {
    spells: Vec<Spell>,
    requests: u64,
    refused: u64,
    users: BTreeSet<User>,
    servers: BTreeSet<IpAddr>,
    statuses: BTreeSet<Status>,
    first: Vec<Sight>,
    accepted: Vec<(Accepted, User)>,
    is_enumeration: bool,
}

impl Gathering {
    fn add_tool(&mut self, host: IpAddr, tool: &ToolUse) {
        let from = tool.first.first().map(|(at, ..)| *at).unwrap_or_default();
        self.spells.push(Spell { from, until: tool.until, host });
        self.requests += tool.requests;
        self.servers.extend(tool.first.iter().map(|(.., server)| server.address));
        add_first(&mut self.first, tool.first.iter().copied());
    }

    fn add_run(&mut self, host: IpAddr, run: &[Refused]) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return };
        self.spells.push(Spell { from: first.at, until: last.at, host });
        self.requests += run.len() as u64;
        let sights = run.iter().take(FRAMES_MAX);
        add_first(&mut self.first, sights.map(|own| (own.at, own.frame, own.client, own.server)));
        self.add_refused(run.iter().copied());
    }

    fn add_refused(&mut self, refused: impl Iterator<Item = Refused>) {
        for own in refused {
            self.refused += 1;
            self.users.extend(own.user);
            self.servers.insert(own.server.address);
            self.statuses.insert(own.status);
        }
    }

    fn with(mut self, other: Self) -> Self {
        self.spells.extend(other.spells);
        self.requests += other.requests;
        self.refused += other.refused;
        self.users.extend(other.users);
        self.servers.extend(other.servers);
        self.statuses.extend(other.statuses);
        add_first(&mut self.first, other.first);
        self.accepted.extend(other.accepted);
        self.is_enumeration |= other.is_enumeration;
        self
    }

    fn finish(mut self, tool: Option<&'static str>) -> Option<Probing> {
        let (_, _, client, server) = *self.first.first()?;
        self.spells.sort_unstable();
        let own = self.accepted.into_iter();
        Some(Probing {
            tool,
            spells: self.spells,
            client,
            server,
            requests: self.requests,
            refused: self.refused,
            users: self.users.len(),
            servers: self.servers.len(),
            is_enumeration: self.is_enumeration,
            statuses: self.statuses,
            frames: self.first.into_iter().map(|(at, frame, ..)| (frame, at)).collect(),
            accepted: own.map(|(own, user)| (own.user(user), own.frame(), own.at)).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(last: u8) -> Endpoint {
        Endpoint { address: [192, 0, 2, last].into(), port: 5060 }
    }

    /// Refused REGISTERs of one host, one each second from `frame` on, for these users.
    fn part(frame: u32, users: &[&str]) -> Suspects {
        let mut suspects = Suspects::default();
        for (user, number) in users.iter().zip(frame..) {
            suspects.add_refused(Refused {
                at: Time::default() + Span::from_secs(number.into()),
                frame: FrameId { capture: 0, number: number.into() },
                client: host(10),
                server: host(20),
                user: Some(User::of(user)),
                call: number.into(),
                status: Status::new(404).expect("a status"),
                wanted: Wanted::Register,
                has_credentials: false,
            });
        }
        suspects
    }

    const CRITERIA: ScanCriteria =
        ScanCriteria { targets: 3, within: Span::from_secs(10), refused_percent: 80 };

    #[test]
    fn tools_are_found_in_any_text() {
        let cases = [
            ("friendly-scanner", Some("friendly-scanner")),
            ("\"SipVicious\" <sip:100@1.1.1.1>", Some("sipvicious")),
            ("x VaxSIPUserAgent/3.1", Some("vaxsipuseragent")),
            ("sip:sipsipcli", Some("sipcli")),
            ("sipcl", None),
            ("MySipClient 2.1", None),
            ("Asterisk PBX 18", None),
            ("", None),
        ];
        for (text, tool) in cases {
            assert_eq!(tool_in(text.as_bytes()), tool, "{text}");
        }
    }

    #[test]
    fn scans_are_the_same_in_any_order() {
        let parts = [part(1, &["a", "b"]), part(5, &["1001"]), part(60, &["x", "y", "x"])];
        let mut sums = [Suspects::default(), Suspects::default()];
        let [one, other] = &mut sums;
        parts.iter().for_each(|part| one.merge(part.clone()));
        parts.iter().rev().for_each(|part| other.merge(part.clone()));
        let told = |suspects: &Suspects| {
            let scans = suspects.scans(&CRITERIA).into_iter();
            scans.map(|own| (own.spells, own.users, own.frames)).collect::<Vec<_>>()
        };
        assert_eq!(told(one), told(other));
        let [(spells, users, frames)] = &told(one)[..] else { panic!("one scan") };
        assert_eq!((spells.len(), *users, frames.len()), (1, 3, 3));
        assert_eq!(one.kept, 6);
    }

    #[test]
    fn hosts_have_a_bound() {
        let mut suspects = Suspects::default();
        for host in (0_u32..).take(SUSPECT_HOSTS_MAX + 2) {
            suspects.suspect(host.to_be_bytes().into());
        }
        assert!(suspects.suspect([0, 0, 0, 0].into()).is_some());
        assert_eq!((suspects.hosts.len(), suspects.dropped()), (SUSPECT_HOSTS_MAX, 2));
    }

    #[test]
    fn credentials_that_were_accepted_after_others_are_told_once() {
        let let_in = |user: &str, second: i64, port: u16| {
            let (at, frame) = (Time::from_parts(second, 0), FrameId::default());
            (User::of(user), Accepted::new(at, frame, port, user.as_bytes()))
        };
        let all = [let_in("a", 5, 1), let_in("b", 50, 1), let_in("c", 50, 2), let_in("a", 60, 3)];
        let borrowed = all.iter().map(|(user, own)| (*user, own));
        let run = part(1, &["a", "x"]);
        let mut run = run.hosts.values().next().expect("one").refused.clone();
        for own in &mut run {
            (own.at, own.client.port) = (Time::from_parts(10, 0), 1);
        }
        let mut tried = Tried::default();
        tried.add(&run);
        tried.add(&run);
        let found = tried.accepted(borrowed);
        let told = |place: usize| (all[place].1.clone(), all[place].0);
        assert_eq!(found, [told(1), told(3)], "by its port, by its user");
    }

    #[test]
    fn users_are_told_as_they_were_written() {
        assert!(size_of::<Accepted>() <= 32);
        for user in ["0", "0049", "15550001234", "alice", "+49", "", "1234567890123456789"] {
            let own = Accepted::new(Time::default(), FrameId::default(), 1, user.as_bytes());
            let bytes = own.user(User::of(user));
            assert_eq!(&*bytes, user.as_bytes());
        }
    }

    #[test]
    fn the_users_of_a_host_are_found_among_those_of_others() {
        let mut suspects = Suspects::default();
        let users = ["0", "1001", "alice"];
        for (last, user) in (1..=3).flat_map(|last| users.map(|user| (last, user))) {
            let (at, frame, user) = (Time::default(), FrameId::default(), user.as_bytes());
            let accepted = Accepted::new(at, frame, 5060, user);
            suspects.add_last(Login::of(host(last).address, User::of(user)), accepted);
        }
        let found: Vec<_> = suspects.let_in(host(2).address).map(|(user, _)| user).collect();
        assert_eq!(found, users.map(User::of));
        assert_eq!(suspects.let_in(host(4).address).count(), 0);
    }

    #[test]
    fn users_have_a_bound() {
        let mut suspects = Suspects::default();
        for _ in 0..SUSPECT_REFUSALS_MAX / 2 + 1 {
            suspects.merge(part(1, &["a", "b"]));
        }
        assert_eq!((suspects.kept, suspects.dropped()), (SUSPECT_REFUSALS_MAX, 2));
        suspects.add_refused(part(1, &["c"]).hosts.values().next().expect("one").refused[0]);
        assert_eq!(suspects.dropped(), 3);
    }

    #[test]
    fn different_ones_are_counted_within_the_time() {
        let at = |second| Time::default() + Span::from_secs(second);
        let seen = [(at(0), 'a'), (at(1), 'b'), (at(2), 'a'), (at(11), 'c'), (at(12), 'd')];
        let most = |within| distinct_within(seen.into_iter(), Span::from_secs(within));
        assert_eq!((most(0), most(1), most(10), most(12)), (1, 2, 3, 4));
        assert!(User::of("1002").follows(User::of("1001")));
        assert!(!User::of("alice").follows(User::of("alicd")));
    }
}
