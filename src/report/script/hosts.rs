//! Who takes part in a script: names, addresses, and what each says of itself in every message.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::analysis::flow::{Flow, FlowOptions, Party};
use crate::analysis::{Analysis, CallSummary, Step};
use crate::packet::Endpoint;
use crate::report::script::compare::is_plain_value;
use crate::sip::{HeaderName, Via};

/// Names for those who call and are called, in order of appearance.
const NAMES: [&str; 10] =
    ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"];

/// The port of a host that names none.
const PORT_DEFAULT: u16 = 5060;

/// The hosts and calls of a script.
#[derive(Debug)]
pub(super) struct Hosts {
    list: Vec<Host>,
    parties: Vec<Party>,
    /// Name and Call-ID of each call.
    calls: Vec<(String, String)>,
}

/// Somebody who takes part.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) address: std::net::IpAddr,
    pub(super) port: u16,
    /// `user=1001 agent="Phone 1.0"`, with a blank before each.
    options: String,
}

impl Hosts {
    pub(super) fn of(analysis: &Analysis, calls: &[&CallSummary]) -> Self {
        let flow = Flow::of(calls, &[], &BTreeMap::new(), &FlowOptions::default());
        let mut hosts = Self { list: Vec::new(), parties: flow.parties, calls: names(calls) };
        let mut names = BTreeSet::new();
        for place in 0..hosts.parties.len() {
            let host = hosts.host(place, analysis, calls, &mut names);
            hosts.list.extend(host);
        }
        hosts
    }

    /// The place of whoever has this address and port.
    pub(super) fn place(&self, end: Endpoint) -> usize {
        let exact = self.parties.iter().position(|party| party.ends.contains(&end));
        let by_address = || {
            self.parties
                .iter()
                .position(|party| party.ends.iter().any(|own| own.address == end.address))
        };
        exact.or_else(by_address).unwrap_or(0)
    }

    /// The host at a place.
    pub(super) fn get(&self, place: usize) -> &Host {
        const NOBODY: &Host = &Host {
            name: String::new(),
            address: std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
            port: PORT_DEFAULT,
            options: String::new(),
        };
        self.list.get(place).unwrap_or(NOBODY)
    }

    /// `call NAME`, with the Call-ID the first time.
    pub(super) fn call_line(&self, place: usize, is_first: bool) -> String {
        match self.calls.get(place) {
            Some((name, id)) if is_first && id_of(name) != *id => format!("call {name} id={id}"),
            Some((name, _)) => format!("call {name}"),
            None => String::new(),
        }
    }

    /// The `host` lines.
    pub(super) fn text(&self) -> String {
        let width = self.list.iter().map(|host| host.name.len()).max().unwrap_or(0);
        let mut text = String::new();
        for Host { name, address, port, options } in &self.list {
            let address = match port {
                &PORT_DEFAULT => address.to_string(),
                port => SocketAddr::new(*address, *port).to_string(),
            };
            let _ = writeln!(text, "host {name:<width$} {address}{options}");
        }
        text
    }

    fn host(
        &self,
        place: usize,
        analysis: &Analysis,
        calls: &[&CallSummary],
        names: &mut BTreeSet<String>,
    ) -> Option<Host> {
        let party = self.parties.get(place)?;
        let end = *party.ends.first()?;
        let steps = || calls.iter().flat_map(|call| &call.transcript);
        let is_proxy = hands_on(self, place, calls);
        let given = analysis.hosts.get(&end.address.to_canonical()).and_then(|name| plain(name));
        let role = || match is_proxy {
            true => "proxy".to_owned(),
            false => role(self, place, calls, names),
        };
        let name = free(&given.unwrap_or_else(role), names);
        let port = port(self, place, steps()).unwrap_or(end.port);
        let port = if port == 0 { PORT_DEFAULT } else { port };
        let own = SocketAddr::new(end.address, port);
        let options = Sayings::of(self, (place, is_proxy), &name, steps()).text(&name, own);
        Some(Host { name, address: end.address, port, options })
    }
}

/// The Call-ID that a call of that name has by itself.
fn id_of(name: &str) -> String {
    if name.contains('@') { name.to_owned() } else { format!("{name}@script.invalid") }
}

/// Names and Call-IDs of the calls; a Call-ID that is short and plain is its own name.
fn names(calls: &[&CallSummary]) -> Vec<(String, String)> {
    let mut names: Vec<(String, String)> = Vec::new();
    for call in calls {
        let first = call.transcript.first();
        let id =
            first.and_then(|step| step.message().text(HeaderName::CallId).map(Cow::into_owned));
        let id = id.unwrap_or_default();
        if let Some(known) = names.iter().find(|(_, known)| *known == id).cloned() {
            names.push(known);
            continue;
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let number = format!("call-{}", names.len() + 1);
        let own = id.strip_suffix("@script.invalid").filter(|own| own.chars().all(is_name));
        names.push(match own {
            Some(own) if !own.is_empty() => (own.to_owned(), id),
            // What cannot be said stands in the messages themselves.
            _ if id.is_empty() || !is_id(&id) => (number.clone(), id_of(&number)),
            _ => (number, id),
        });
    }
    names
}

fn is_id(id: &str) -> bool {
    id.chars().all(|c| c.is_ascii_graphic() && c != '"' && c != '#')
}

/// The name that the user gave, as a script can have it.
fn plain(name: &str) -> Option<String> {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = name.chars().map(safe).take(40).collect();
    name.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(name)
}

/// It sends on what it gets, under the same Call-ID.
fn hands_on(hosts: &Hosts, place: usize, calls: &[&CallSummary]) -> bool {
    calls.iter().any(|call| {
        let requests = call.transcript.iter().filter(|step| step.message().is_request());
        let mut got = BTreeSet::new();
        requests.into_iter().any(|step| {
            let method = step.message().method().as_bytes().to_vec();
            if hosts.place(step.destination) == place {
                got.insert(method);
                return false;
            }
            hosts.place(step.source) == place && method == b"INVITE" && got.contains(&method)
        })
    })
}

/// `registrar`, or the next name of a person.
fn role(hosts: &Hosts, place: usize, calls: &[&CallSummary], names: &BTreeSet<String>) -> String {
    let from = |step: &Step| hosts.place(step.source) == place;
    let to = |step: &Step| hosts.place(step.destination) == place;
    let registers = calls.iter().flat_map(|call| &call.transcript).any(|step| {
        to(step) && step.message().is_request() && step.message().method().as_bytes() == b"REGISTER"
    });
    let speaks = calls.iter().flat_map(|call| &call.transcript).any(|step| from(step) || to(step));
    match (registers, speaks) {
        (true, _) => "registrar".to_owned(),
        (_, false) => "media".to_owned(),
        _ => {
            let free = NAMES.iter().find(|name| !names.contains(**name));
            free.map_or_else(|| "host".to_owned(), |name| (*name).to_owned())
        }
    }
}

/// The name, with a number where it is taken.
fn free(name: &str, names: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut all = std::iter::once(name.to_owned()).chain(numbered);
    let name = all.find(|name| !names.contains(name)).unwrap_or_default();
    names.insert(name.clone());
    name
}

/// Where it gets most requests, else what it sends most from.
fn port<'s>(hosts: &Hosts, place: usize, steps: impl Iterator<Item = &'s Step>) -> Option<u16> {
    let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
    for step in steps {
        if hosts.place(step.destination) == place {
            let weight = if step.message().is_request() { 100 } else { 1 };
            *counts.entry(step.destination.port).or_default() += weight;
        }
        if hosts.place(step.source) == place {
            *counts.entry(step.source.port).or_default() += 1;
        }
    }
    counts.into_iter().max_by_key(|(port, count)| (*count, std::cmp::Reverse(*port))).map(|c| c.0)
}

/// What a host says of itself.
#[derive(Default)]
struct Sayings {
    user: Option<String>,
    domain: Option<String>,
    /// Requests that ask for their port, and those that do not.
    rport: [usize; 2],
    /// The addresses in its Vias.
    sent_by: BTreeMap<SocketAddr, usize>,
    agent: Counts,
    server: Counts,
    allow: Counts,
}

/// How often a header field has which value; none where it is left out.
#[derive(Default)]
struct Counts(BTreeMap<Option<String>, usize>);

impl Counts {
    fn add(&mut self, step: &Step, name: HeaderName) {
        let value = step.message().text(name).map(|value| value.trim().to_owned());
        if value.as_deref().is_none_or(|value| is_plain_value(value) && !value.contains('"')) {
            *self.0.entry(value).or_default() += 1;
        }
    }

    /// ` agent="…"`; nothing where it says what every host says.
    fn option(&self, option: &str, usual: &str, text: &mut String) {
        let most = self.0.iter().max_by_key(|(value, count)| (**count, value.is_some()));
        let _ = match most {
            None => Ok(()),
            Some((Some(value), _)) if value == usual => Ok(()),
            Some((Some(value), _)) if !value.is_empty() && value != "-" => match value {
                value if value.contains([' ', '#']) => write!(text, " {option}=\"{value}\""),
                value => write!(text, " {option}={value}"),
            },
            Some(_) => write!(text, " {option}=-"),
        };
    }
}

impl Sayings {
    fn of<'s>(
        hosts: &Hosts,
        (place, is_proxy): (usize, bool),
        name: &str,
        steps: impl Iterator<Item = &'s Step>,
    ) -> Self {
        let mut sayings = Self::default();
        // Responses that it got: what it sends then is another host's.
        let mut got = BTreeSet::new();
        for step in steps {
            let message = step.message();
            let is_from = hosts.place(step.source) == place;
            let is_to = hosts.place(step.destination) == place;
            let is_alone = message.values(HeaderName::Via).nth(1).is_none();
            let is_invite = message.method().as_bytes() == b"INVITE";
            if is_from && message.is_request() && is_alone {
                sayings.agent.add(step, HeaderName::UserAgent);
                let via = message.value(HeaderName::Via).map(Via::of);
                let asks = via.is_some_and(|via| via.parameters.has("rport"));
                if let Some(count) = sayings.rport.get_mut(usize::from(asks)) {
                    *count += 1;
                }
                let own = via.and_then(|via| {
                    Some(SocketAddr::new(via.host.address()?, via.port_or_default()))
                });
                if let Some(own) = own {
                    *sayings.sent_by.entry(own).or_default() += 1;
                }
                if is_invite {
                    sayings.allow.add(step, HeaderName::Allow);
                }
            }
            let response = (message.status(), message.header(HeaderName::CSeq).map(<[u8]>::to_vec));
            if is_to && message.is_response() {
                got.insert(response);
            } else if is_from && message.is_response() && !got.contains(&response) {
                sayings.server.add(step, HeaderName::Server);
                if is_invite && message.status().is_some_and(|status| status.code() == 200) {
                    sayings.allow.add(step, HeaderName::Allow);
                }
            }
            let own = match (message.is_request(), is_from && is_alone, is_to) {
                (true, true, _) => HeaderName::From,
                (true, false, true) if !is_proxy => HeaderName::To,
                _ => continue,
            };
            if sayings.user.is_none()
                && let Some((user, domain)) = message.text(own).as_deref().and_then(account)
            {
                sayings.user = Some(user).filter(|user| user != name);
                sayings.domain = Some(domain).filter(|domain| domain != "example.com");
                sayings.user.get_or_insert_with(|| name.to_owned());
            }
        }
        sayings
    }

    fn text(&self, name: &str, own: SocketAddr) -> String {
        let mut text = String::new();
        if let Some(user) = self.user.as_deref().filter(|user| *user != name) {
            let _ = write!(text, " user={user}");
        }
        if let Some(domain) = &self.domain {
            let _ = write!(text, " domain={domain}");
        }
        let inside = self.sent_by.iter().max_by_key(|(_, count)| **count);
        if let Some((inside, _)) = inside.filter(|(inside, _)| inside.ip() != own.ip()) {
            let _ = write!(text, " inside={inside}");
        }
        if self.rport[1] > self.rport[0] {
            text.push_str(" rport");
        }
        let usual = format!("{name}/1.0");
        self.agent.option("agent", &usual, &mut text);
        self.server.option("server", &usual, &mut text);
        self.allow.option("allow", ALLOW, &mut text);
        text
    }
}

/// What hosts of scripts say that they support.
const ALLOW: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY, SUBSCRIBE, MESSAGE";

/// User and domain of an address that is as plain as scripts have it.
fn account(value: &str) -> Option<(String, String)> {
    let uri = value.split_once("<sip:")?.1.split_once('>')?.0;
    let (user, domain) = uri.split_once('@')?;
    let is_user = |c: char| c.is_ascii_alphanumeric() || "-._+~*".contains(c);
    let is_domain = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
    let is_plain = !user.is_empty()
        && !domain.is_empty()
        && user.chars().all(is_user)
        && domain.chars().all(is_domain);
    is_plain.then(|| (user.to_owned(), domain.to_owned()))
}
