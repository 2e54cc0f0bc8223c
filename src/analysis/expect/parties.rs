//! Who is who in a call: roles, and the names that a file gives to hosts.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::glob::Glob;
use super::reader::{Fields, Value, unknown_name};
use super::steps::{Wrong, is_name};
use crate::analysis::{CallSummary, Step, TransactionSummary};
use crate::packet::Endpoint;
use crate::sip::HeaderName;
use crate::transport::Transport;

/// What a host does in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// Sent the first request.
    Caller,
    /// Got it and did not hand it on.
    Callee,
    /// Got it and handed it on.
    Proxy,
}

impl Role {
    /// All of them, in the order in which they are looked for.
    pub(super) const ALL: [Self; 3] = [Self::Caller, Self::Callee, Self::Proxy];

    /// The word of the file.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
            Self::Proxy => "proxy",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// A name and who has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Party {
    name: String,
    role: Option<Role>,
    addresses: Vec<Glob>,
    user_agents: Vec<Glob>,
}

/// The names of the file, after which come the roles.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Parties {
    parties: Vec<Party>,
}

impl Parties {
    /// `alice = "192.0.2.10"`, `bob = { user-agent = "Example*" }`, `sbc = "proxy"`.
    pub(super) fn parse(fields: Fields<'_, '_>) -> Result<Self, Wrong> {
        let mut parties = Vec::new();
        for (key, value) in fields.entries() {
            if !is_name(key.name) {
                return Err((key.at, format!("`{}` is no name of a party", key.name)));
            }
            parties.push(Party::parse(key.name, value)?);
        }
        Ok(Self { parties })
    }

    /// Whether a step may use the name.
    pub(super) fn check_name(&self, name: &str) -> Result<(), String> {
        let roles = Role::ALL.iter().map(|role| role.name());
        let known: Vec<&str> =
            self.parties.iter().map(|party| party.name.as_str()).chain(roles).collect();
        match known.contains(&name) {
            true => Ok(()),
            false => Err(unknown_name("party", name, &known)),
        }
    }
}

impl Party {
    fn parse(name: &str, value: Value<'_, '_>) -> Result<Self, Wrong> {
        let mut party =
            Self { name: name.to_owned(), role: None, addresses: vec![], user_agents: vec![] };
        let globs = |value: Value<'_, '_>| -> Result<Vec<Glob>, Wrong> {
            Ok(value.words()?.iter().map(|word| Glob::new(word.text)).collect())
        };
        if !value.is_table() {
            let words = value.words().map_err(|_| {
                value
                    .expected("an address, a role, or a table with `address`, `user-agent`, `role`")
            })?;
            match words.as_slice() {
                [one] if Role::of(one.text).is_some() => party.role = Role::of(one.text),
                words => {
                    if let Some(wrong) = words.iter().find(|word| !is_address(word.text)) {
                        let problem = "expected an address such as \"192.0.2.1\" or \
                                       \"192.0.2.*:5060\", or \"caller\", \"callee\" or \"proxy\"";
                        return Err((wrong.at, problem.to_owned()));
                    }
                    party.addresses = globs(value)?;
                }
            }
            return Ok(party);
        }
        let fields = value.table()?.with_keys(&["address", "user-agent", "role"])?;
        party.addresses = fields.read("address", globs)?.unwrap_or_default();
        party.user_agents = fields.read("user-agent", globs)?.unwrap_or_default();
        party.role = fields.read("role", |value| {
            let word = value.word()?;
            let names: Vec<_> = Role::ALL.iter().map(|role| role.name()).collect();
            Role::of(word.text).ok_or_else(|| (word.at, unknown_name("role", word.text, &names)))
        })?;
        match party.addresses.is_empty() && party.user_agents.is_empty() && party.role.is_none() {
            true => Err((value.at(), "expected `address`, `user-agent` or `role`".to_owned())),
            false => Ok(party),
        }
    }
}

/// Digits, dots, colons and wild cards: what an address with or without a port may be made of.
fn is_address(text: &str) -> bool {
    let may_be = |c: char| c.is_ascii_hexdigit() || ".:[]*?".contains(c);
    !text.is_empty() && text.chars().all(may_be)
}

/// Who is who in one call.
#[derive(Debug)]
pub(super) struct Cast<'c> {
    parties: &'c [Party],
    /// The hosts of each role, by address and port.
    roles: BTreeMap<Role, BTreeSet<Endpoint>>,
    /// No two roles share an address, so that the port says nothing.
    by_address: bool,
    /// What hosts say of themselves.
    user_agents: BTreeMap<Endpoint, BTreeSet<String>>,
}

impl<'c> Cast<'c> {
    /// Who is who in this call.
    pub(super) fn of(call: &CallSummary, parties: &'c Parties) -> Self {
        let roles = roles(call);
        let mut of_address: BTreeMap<IpAddr, BTreeSet<Role>> = BTreeMap::new();
        for (role, hosts) in &roles {
            for host in hosts {
                of_address.entry(host.address).or_default().insert(*role);
            }
        }
        let by_address = of_address.values().all(|roles| roles.len() == 1);
        let mut cast =
            Self { parties: &parties.parties, roles, by_address, user_agents: BTreeMap::new() };
        cast.note_user_agents(&call.transcript);
        cast
    }

    /// A proxy hands on what others say of themselves, so it counts only where the message has
    /// one Via and began there.
    fn note_user_agents(&mut self, steps: &[Step]) {
        for step in steps {
            let message = step.message();
            let began_here = message.values(HeaderName::Via).take(2).count() == 1;
            let is_proxy = self.has_role(step.source, Role::Proxy);
            let is_own = if message.is_request() { began_here } else { !is_proxy };
            if !is_own {
                continue;
            }
            let own = self.user_agents.entry(step.source).or_default();
            let names = [HeaderName::UserAgent, HeaderName::Server];
            own.extend(names.iter().filter_map(|name| message.text(*name)).map(Cow::into_owned));
        }
    }

    fn has_role(&self, host: Endpoint, role: Role) -> bool {
        let is_it = |own: &Endpoint| match self.by_address {
            true => own.address == host.address,
            false => *own == host,
        };
        self.roles.get(&role).is_some_and(|hosts| hosts.iter().any(is_it))
    }

    /// The role of a host.
    pub(super) fn role(&self, host: Endpoint) -> Option<Role> {
        Role::ALL.into_iter().find(|role| self.has_role(host, *role))
    }

    /// Whether the host is the party of that name.
    pub(super) fn is(&self, host: Endpoint, name: &str) -> bool {
        match self.parties.iter().find(|party| party.name == name) {
            Some(party) => self.is_party(host, party),
            None => Role::of(name).is_some_and(|role| self.has_role(host, role)),
        }
    }

    fn is_party(&self, host: Endpoint, party: &Party) -> bool {
        let (address, whole) = (host.address.to_string(), host.to_string());
        let has_address = party.addresses.is_empty()
            || party.addresses.iter().any(|glob| glob.fits(&address) || glob.fits(&whole));
        let says = |glob: &Glob| {
            let own = self.user_agents.iter().filter(|(other, _)| match self.by_address {
                true => other.address == host.address,
                false => **other == host,
            });
            own.flat_map(|(_, names)| names).any(|name| glob.fits(name))
        };
        let is_user_agent = party.user_agents.is_empty() || party.user_agents.iter().any(says);
        let has_role = party.role.is_none_or(|role| self.has_role(host, role));
        has_address && is_user_agent && has_role
    }

    /// The name of the host: that of the file, else its role, else its address.
    pub(super) fn name(&self, host: Endpoint) -> String {
        match self.parties.iter().find(|party| self.is_party(host, party)) {
            Some(party) => party.name.clone(),
            None => self.role(host).map_or_else(|| host.to_string(), |role| role.name().to_owned()),
        }
    }
}

/// The hosts of each role: who sent the first request, who got that on the last hop, and who was
/// between.
fn roles(call: &CallSummary) -> BTreeMap<Role, BTreeSet<Endpoint>> {
    let mut roles: BTreeMap<Role, BTreeSet<Endpoint>> = BTreeMap::new();
    let Some(first) = call.transactions.first() else { return roles };
    let initial = |own: &&TransactionSummary| own.method == first.method;
    let hops: Vec<_> = call.transactions.iter().filter(initial).collect();
    roles.entry(Role::Caller).or_default().insert(first.client);
    for hop in &hops {
        // Requests in the other direction belong to the dialog that the first one made.
        let is_back = hop.server.address == first.client.address
            && hop.client.address != first.client.address;
        let was_asked = hops.iter().any(|own| own.server == hop.client);
        if hop.server == first.client || is_back || (hop.client != first.client && !was_asked) {
            continue;
        }
        let role = if is_forwarded(call, hop) { Role::Proxy } else { Role::Callee };
        roles.entry(role).or_default().insert(hop.server);
    }
    // Who hands on once is a proxy, whatever else it answers by itself.
    if let Some(proxies) = roles.get(&Role::Proxy).cloned()
        && let Some(callees) = roles.get_mut(&Role::Callee)
    {
        callees.retain(|host| !proxies.contains(host));
    }
    roles
}

/// The same request went on from there; over a stream perhaps from another port.
fn is_forwarded(call: &CallSummary, hop: &TransactionSummary) -> bool {
    call.transactions.iter().any(|other| {
        let is_its_own = other.client == hop.server
            || (other.transport != Transport::Udp && other.client.address == hop.server.address);
        let is_same = other.method == hop.method && other.cseq == hop.cseq;
        is_its_own && is_same && other.branch != hop.branch && other.server != hop.client
    })
}
