//! Messages as `rsip` reads them and captures as tshark counts them, sound and damaged: where they
//! differ from this crate, a list says why they are wrong, or it is a bug.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use rsip::common::uri::Scheme;
use rsip::headers::{ToTypedHeader, UntypedHeader};
use rsip::message::HasHeaders;
use rsip::{Header, SipMessage};
use siptrace::capture::Source;
use siptrace::limits::HEADERS_PER_MESSAGE_MAX;
use siptrace::pipeline::{self, Event};
use siptrace::sip::{Address, Challenge, Credentials, HeaderName, Message, Status, Uri, Via};
use siptrace::transport::KeyLog;

use crate::mutate::{self, Capture, Random};
use crate::shared;
use crate::whole::files_below;

/// Damaged messages that are made of each one, unless `SIPTRACE_MUTANTS` says otherwise.
const MUTANTS: u64 = 3;

/// Of so many every difference is seen at least once.
const MANY: u64 = 20;

/// Every so many scripts of rules are played.
const SCRIPTS_EVERY: usize = 8;

/// Damaged datagrams of the capture that tshark reads, for each of them.
const DATAGRAMS: u64 = 1000;

/// A longer method is none here.
const METHOD_BYTES_MAX: usize = 64;

/// A longer start line is none here.
const LINE_BYTES_MAX: usize = 8192;

/// One thing that both say of a header.
#[derive(Debug)]
struct Fact {
    /// What it is of: `Via branch`.
    name: &'static str,
    /// The value of the header, as `rsip` has it.
    value: String,
    theirs: Option<String>,
    ours: Option<String>,
    head: Rc<Head>,
}

/// The header section of a message.
#[derive(Debug)]
struct Head {
    text: String,
    /// It has a CR or LF that is no part of a CR LF.
    has_lone_line_end: bool,
    /// A line begins with a blank.
    has_fold: bool,
}

/// Where `rsip` is wrong: which facts, in which values, and why.
struct Wrong {
    fits: fn(&Fact) -> bool,
    why: &'static str,
}

const WRONG: &[Wrong] = &[
    Wrong {
        fits: |fact| fact.head.has_lone_line_end,
        why: "a CR or LF alone ends no line for rsip; here it does, as with most receivers \
              (RFC 4475, section 3.1.2.1 shows what else becomes of it)",
    },
    Wrong {
        fits: |fact| {
            let runs_on = fact.theirs.as_ref().is_some_and(|theirs| theirs.contains('\n'));
            let is_nothing = fact.value.trim().is_empty() && fact.ours.is_none();
            let is_of_start = fact.name.starts_with("request-uri") || fact.name == "method";
            let is_unfinished = is_of_start && !fact.value.trim_end().ends_with("SIP/2.0");
            runs_on || is_nothing || is_unfinished || !fact.head.text.contains(fact.value.trim())
        },
        why: "the first empty line ends the header fields (RFC 3261, section 7), also one that \
              rsip takes for a part of the start line",
    },
    Wrong {
        fits: |fact| !fact.name.starts_with("Via") && user(&fact.value).contains('.'),
        why: "a user part may have dots (RFC 3261, section 25.1: mark); rsip stops at them",
    },
    Wrong {
        fits: has_blank_inside,
        why: "blanks are no part of a URI or host (RFC 3261, section 25.1); rsip leaves out what \
              is behind one, here the whole is invalid",
    },
    Wrong {
        fits: has_odd_name,
        why: "only blanks stand between a quoted name and the bracket, and a bracket in quotes \
              is none (RFC 3261, section 25.1: name-addr); rsip takes the first one",
    },
    Wrong {
        fits: |fact| fact.head.has_fold,
        why: "a line that begins with a blank goes on with the one before (RFC 3261, section \
              7.3.1); rsip drops it",
    },
    Wrong {
        fits: |fact| fact.value.contains(|c: char| c.is_whitespace() && !c.is_ascii()),
        why: "blanks are SP and HTAB alone (RFC 3261, section 25.1: LWS); rsip trims others",
    },
    Wrong {
        fits: |fact| {
            let is_digest = fact.name.starts_with("ch") || fact.name.starts_with("cr");
            is_digest && !fact.value.starts_with("Digest ")
        },
        why: "a scheme is a token (RFC 3261, section 25.1: auth-scheme); rsip takes any word",
    },
    Wrong {
        fits: |fact| fact.name.ends_with("tag") && fact.value.contains(";tag;"),
        why: "a parameter stands once (RFC 3261, section 7.3.1), and the first counts",
    },
    Wrong {
        fits: |fact| {
            fact.name.starts_with("Via") && (fact.value.contains('@') || fact.value.contains("sip"))
        },
        why: "sent-by has no scheme and no user (RFC 3261, section 25.1); rsip looks for them",
    },
    Wrong {
        fits: |fact| {
            let has_blank = |mark: &&str| fact.value.contains(*mark);
            fact.name.starts_with("Via") && [" ;", "\t;", "; ", " =", "= "].iter().any(has_blank)
        },
        why: "blanks may stand around a semicolon (RFC 3261, section 25.1: SEMI); rsip stops there",
    },
    Wrong {
        fits: |fact| {
            let is_beyond = |start: &&str| fact.value.starts_with(*start);
            fact.name == "status" && ["SIP/2.0 7", "SIP/2.0 8", "SIP/2.0 9"].iter().any(is_beyond)
        },
        why: "codes end with 699 (RFC 3261, section 21); rsip takes any number",
    },
    Wrong {
        fits: |fact| is_parameter(fact) && has_odd_parameter(fact),
        why: "rsip ends the parameters where a character is no token, without saying so; what \
              is there counts up to the next semicolon (RFC 3261, section 25.1: generic-param)",
    },
];

/// A blank stands in the middle of a URI, or of what should be a host.
fn has_blank_inside(fact: &Fact) -> bool {
    let mark = if fact.name.starts_with("Via") { " " } else { "sip" };
    let (_, rest) = fact.value.split_once(mark).unwrap_or_default();
    let place = rest.split([';', '>', '?']).next().unwrap_or_default();
    place.trim().contains([' ', '\t'])
}

/// Something that no URI begins with stands before it, or its bracket stands in quotes.
fn has_odd_name(fact: &Fact) -> bool {
    let Some((name, _)) = fact.value.split_once('<') else { return false };
    let is_quoted = name.starts_with('"') && name.trim_end().ends_with('"') && name.len() > 1;
    let is_of_address = ["From", "To", "Contact"].iter().any(|of| fact.name.starts_with(of));
    is_of_address && name.contains('"') && !is_quoted
}

fn is_parameter(fact: &Fact) -> bool {
    ["tag", "branch", "received", "expires"].iter().any(|name| fact.name.ends_with(name))
}

/// What stands before the last `@`.
fn user(value: &str) -> &str {
    value.rsplit_once('@').map_or("", |(user, _)| user)
}

/// The parameters have what is neither a token nor a mark between them.
fn has_odd_parameter(fact: &Fact) -> bool {
    let address = fact.value.rsplit_once('>').filter(|_| !fact.name.starts_with("Via"));
    let value = address.map_or(fact.value.as_str(), |(_, parameters)| parameters);
    let parameters = value.split_once(';').map_or("", |(_, parameters)| parameters);
    let is_odd = |c: char| !c.is_ascii_alphanumeric() && !"-.!%*_+`'~;=".contains(c);
    let has_two_values = |parameter: &str| parameter.matches('=').count() > 1;
    parameters.contains(is_odd) || parameters.split(';').any(has_two_values)
}

fn mutants() -> u64 {
    std::env::var("SIPTRACE_MUTANTS").map_or(MUTANTS, |said| said.parse().expect("a number"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn owned(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(text)
}

/// The messages of a capture, as the whole pipeline finds them.
fn messages(path: &Path) -> Vec<Vec<u8>> {
    let Ok(source) = Source::open(path, 0) else { return Vec::new() };
    let mut found = Vec::new();
    let _ = pipeline::origins(vec![source], &KeyLog::default(), &|_| (), &mut |event| {
        if let Event::Message(message) = event {
            found.push(message.bytes.to_vec());
        }
        ControlFlow::Continue(())
    });
    found
}

/// Messages of fixtures, and of the RFC where they are at hand.
fn corpus() -> Vec<Vec<u8>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let captures = files_below(&[fixtures.join("captures")]);
    let is_capture = |path: &&PathBuf| path.to_string_lossy().contains(".pcap");
    let mut found: Vec<_> =
        captures.iter().filter(is_capture).flat_map(|path| messages(path)).collect();
    let scripts = files_below(&[fixtures.join("rules")]);
    found.extend(scripts.iter().step_by(SCRIPTS_EVERY).flat_map(|path| messages(path)));
    if let Some(folder) = shared::path("captures/torture") {
        let is_message = |path: &&PathBuf| path.extension().is_some_and(|e| e == "dat");
        let files = files_below(&[folder]);
        found.extend(files.iter().filter(is_message).filter_map(|path| fs::read(path).ok()));
    }
    found
}

/// What both say of a message; nothing where `rsip` does not read it, or where it has more header
/// fields than are kept here.
fn facts(bytes: &[u8]) -> Option<Vec<Fact>> {
    let theirs = SipMessage::try_from(bytes).ok()?;
    if theirs.headers().iter().count() > HEADERS_PER_MESSAGE_MAX {
        return None;
    }
    let (ours, _) = Message::parse(bytes);
    let mut facts = Vec::new();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
    let head = text(&bytes[..end]);
    let has_lone_line_end = head.replace("\r\n", "").contains(['\r', '\n']);
    let has_fold = head.contains("\r\n ") || head.contains("\r\n\t");
    let head = Rc::new(Head { text: head, has_lone_line_end, has_fold });
    let mut is = |name, value: &str, theirs: Option<String>, ours: Option<String>| {
        let head = Rc::clone(&head);
        facts.push(Fact { name, value: value.to_owned(), theirs, ours, head });
    };
    let line = text(bytes.split(|byte| *byte == b'\n').next().unwrap_or_default());
    match &theirs {
        SipMessage::Request(request) => {
            let method = ours.method().to_string();
            is("method", &line, Some(request.method.to_string()), Some(method));
            let uri = ours.request_uri();
            of_uri(
                ["request-uri user", "request-uri host", "request-uri port"],
                &line,
                &request.uri,
                &uri.unwrap_or_else(|| Uri::parse(b"")),
                &mut is,
            );
        }
        SipMessage::Response(response) => {
            let code = ours.status().map(|status| Status::code(status).to_string());
            is("status", &line, Some(response.status_code.code().to_string()), code);
        }
    }
    let mut places: BTreeMap<usize, usize> = BTreeMap::new();
    for header in theirs.headers().iter() {
        let (name, value) = match header.to_string().split_once(": ") {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => continue,
        };
        let known = HeaderName::of(name.as_bytes());
        let place = places.entry(known as usize).or_default();
        let line = ours.headers().filter(|header| header.name == known).nth(*place);
        let is_first = *place == 0;
        *place += 1;
        let raw = line.map(|header| header.value);
        is(
            "line",
            &value,
            Some(value.trim().to_owned()),
            raw.map(|raw| text(raw).trim().to_owned()),
        );
        of_line(header, &value, raw.unwrap_or_default(), &mut is);
        if is_first {
            of_message(header, &value, &ours, &mut is);
        }
    }
    Some(facts)
}

/// A parameter without a value has none.
fn some(parameter: Option<&impl ToString>) -> Option<String> {
    parameter.map(ToString::to_string).filter(|value| !value.is_empty())
}

type Say<'s> = dyn FnMut(&'static str, &str, Option<String>, Option<String>) + 's;

/// What the first header of a name says of the whole message.
fn of_message(header: &Header, value: &str, message: &Message<'_>, is: &mut Say<'_>) {
    let number = |value: &str| value.parse::<u32>().ok().map(|number| number.to_string());
    let said = |name| message.number(name).and_then(Result::ok).map(|number| number.to_string());
    match header {
        Header::CSeq(cseq) => {
            let Ok(cseq) = cseq.typed() else { return };
            let ours = message.cseq();
            is(
                "CSeq number",
                value,
                Some(cseq.seq.to_string()),
                ours.map(|c| c.number.to_string()),
            );
            let method = message.cseq_method().map(|method| method.to_string());
            is("CSeq method", value, Some(cseq.method.to_string()), method);
        }
        // An empty one is none, and the next one counts.
        Header::CallId(id) if !id.value().trim().is_empty() => {
            is("Call-ID", value, Some(id.value().trim().to_owned()), owned(message.call_id()));
        }
        Header::MaxForwards(_) => {
            is("Max-Forwards", value, number(value), said(HeaderName::MaxForwards));
        }
        Header::Expires(_) => is("Expires", value, number(value), said(HeaderName::Expires)),
        Header::ContentLength(_) => {
            is("Content-Length", value, number(value), said(HeaderName::ContentLength));
        }
        _ => {}
    }
}

fn of_line(header: &Header, value: &str, raw: &[u8], is: &mut Say<'_>) {
    match header {
        Header::From(from) => {
            let Ok(from) = from.clone().typed() else { return };
            let address = Address::of(raw);
            of_uri(["From user", "From host", "From port"], value, &from.uri, &address.uri, is);
            is("From tag", value, some(from.tag()), owned(address.tag()));
        }
        Header::To(to) => {
            let Ok(to) = to.clone().typed() else { return };
            let address = Address::of(raw);
            of_uri(["To user", "To host", "To port"], value, &to.uri, &address.uri, is);
            is("To tag", value, some(to.tag()), owned(address.tag()));
        }
        Header::Contact(contact) => {
            let Ok(contact) = contact.clone().typed() else { return };
            let address = Address::of(raw);
            let names = ["Contact user", "Contact host", "Contact port"];
            of_uri(names, value, &contact.uri, &address.uri, is);
            let expires = contact.expires().and_then(|expires| expires.seconds().ok());
            let ours = address.expires().map(|seconds| seconds.to_string());
            is("Contact expires", value, expires.map(|seconds| seconds.to_string()), ours);
        }
        Header::Via(via) => of_via(via, value, raw, is),
        _ => of_digest(header, value, raw, is),
    }
}

fn of_uri(
    names: [&'static str; 3],
    value: &str,
    theirs: &rsip::Uri,
    ours: &Uri<'_>,
    is: &mut Say<'_>,
) {
    // Of other URIs rsip reads the parts as well, and there are none.
    if !matches!(theirs.scheme, Some(Scheme::Sip | Scheme::Sips)) {
        return;
    }
    let [user, host, port] = names;
    is(user, value, theirs.user().map(str::to_owned), owned(ours.user()));
    let our_host = ours.host().map(|host| host.to_string().to_ascii_lowercase());
    let their_host = some(Some(theirs.host())).map(|host| host.to_ascii_lowercase());
    is(host, value, their_host, our_host);
    let their_port = theirs.port().map(|port| port.value().to_string());
    is(port, value, their_port, ours.port().map(|port| port.to_string()));
}

fn of_via(via: &rsip::headers::Via, value: &str, raw: &[u8], is: &mut Say<'_>) {
    let Ok(via) = via.typed() else { return };
    let ours = Via::of(raw);
    let lower = |text: String| text.to_ascii_lowercase();
    is(
        "Via transport",
        value,
        Some(lower(via.transport.to_string())),
        Some(lower(text(ours.transport))),
    );
    let host = Some(lower(ours.host.to_string()));
    is("Via host", value, Some(lower(via.uri.host().to_string())), host);
    let port = via.uri.port().map(|port| port.value().to_string());
    is("Via port", value, port, ours.port.map(|port| port.to_string()));
    is("Via branch", value, some(via.branch()), owned(ours.branch()));
    let received = via.received().ok().flatten().map(|address| address.to_string());
    is("Via received", value, received, ours.received().map(|address| address.to_string()));
}

fn of_digest(header: &Header, value: &str, raw: &[u8], is: &mut Say<'_>) {
    let ours = Credentials::parse(raw).fields;
    let mut field = |name, key, theirs: Option<String>| {
        is(name, value, theirs, ours.text(key).map(String::from));
    };
    match header {
        Header::Authorization(theirs) => {
            let Ok(theirs) = theirs.typed() else { return };
            field("credentials username", "username", Some(theirs.username));
            field("credentials realm", "realm", Some(theirs.realm));
            field("credentials nonce", "nonce", Some(theirs.nonce));
            field("credentials response", "response", Some(theirs.response));
            field("credentials opaque", "opaque", theirs.opaque);
        }
        Header::ProxyAuthorization(theirs) => {
            let Ok(theirs) = theirs.typed() else { return };
            field("credentials username", "username", Some(theirs.0.username));
            field("credentials realm", "realm", Some(theirs.0.realm));
            field("credentials nonce", "nonce", Some(theirs.0.nonce));
            field("credentials response", "response", Some(theirs.0.response));
            field("credentials opaque", "opaque", theirs.0.opaque);
        }
        Header::WwwAuthenticate(theirs) => {
            let Ok(theirs) = theirs.typed() else { return };
            let ours = Challenge::parse(raw).fields;
            is("challenge realm", value, Some(theirs.realm), ours.text("realm").map(String::from));
            is("challenge nonce", value, Some(theirs.nonce), ours.text("nonce").map(String::from));
            is("challenge opaque", value, theirs.opaque, ours.text("opaque").map(String::from));
        }
        _ => {}
    }
}

#[test]
fn messages_are_read_as_rsip_reads_them() {
    let corpus = corpus();
    assert!(corpus.len() > 500, "only {} messages", corpus.len());
    let (mut read, mut same) = (0, 0);
    let mut excused: BTreeMap<&str, u64> = BTreeMap::new();
    let mut differences = BTreeMap::new();
    for (number, original) in (0..).zip(&corpus) {
        for mutant in 0..=mutants() {
            let mut bytes = original.clone();
            let mut random = Random::of(number, mutant);
            let donor = &corpus[random.below(corpus.len())];
            // The first is as it was sent.
            for _ in 0..mutant.min(4) {
                mutate::message(&mut bytes, donor, &mut random);
            }
            let Some(facts) = facts(&bytes) else { continue };
            read += 1;
            for fact in facts {
                if fact.theirs == fact.ours {
                    same += 1;
                } else if let Some(wrong) = WRONG.iter().find(|wrong| (wrong.fits)(&fact)) {
                    *excused.entry(wrong.why).or_default() += 1;
                } else {
                    differences.entry((fact.name, fact.value.clone())).or_insert(fact);
                }
            }
        }
    }
    let shown: Vec<_> = differences.values().take(40).map(|fact| format!("{fact:?}")).collect();
    assert!(shown.is_empty(), "{} differences\n{}", differences.len(), shown.join("\n"));
    assert!(read > corpus.len() && same > 10 * read, "{read} messages, {same} facts");
    let unused = WRONG.iter().filter(|wrong| !excused.contains_key(wrong.why));
    let unused: Vec<_> = unused.map(|wrong| wrong.why).collect();
    // A few mutants do not show all of them.
    assert!(unused.is_empty() || mutants() < MANY, "no longer wrong: {unused:?}");
}

/// What a frame carries: the method or status of each message.
type Carried = BTreeMap<u64, Vec<String>>;

/// What tshark says of a capture; nothing where it is not installed.
fn by_tshark(path: &Path) -> Option<Carried> {
    let output = Command::new("tshark")
        .args(["-n", "-d", "udp.port==5060,sip", "-T", "fields", "-E", "occurrence=a"])
        .args(["-e", "frame.number", "-e", "sip.Method", "-e", "sip.Status-Code", "-r"])
        .arg(path)
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows = text.lines().map(|line| {
        let mut columns = line.split('\t');
        let number = columns.next().and_then(|number| number.parse().ok()).unwrap_or_default();
        let said = columns.flat_map(|column| column.split(',')).filter(|word| !word.is_empty());
        (number, said.map(str::to_owned).collect())
    });
    Some(rows.collect())
}

/// What the pipeline finds in it.
fn by_us(path: &Path) -> Carried {
    let source = Source::open(path, 0).expect("a capture");
    let mut found = Carried::new();
    let _ = pipeline::origins(vec![source], &KeyLog::default(), &|_| (), &mut |event| {
        match event {
            Event::Packet(seen) if seen.whole.is_none() => {
                found.entry(seen.frame.id.number).or_default();
            }
            Event::Message(own) => {
                let (message, _) = Message::lex(own.bytes);
                let said = match message.status() {
                    Some(status) => Some(status.code().to_string()),
                    None => message.is_request().then(|| message.method().to_string()),
                };
                found.entry(own.frame.number).or_default().extend(said);
            }
            Event::Packet(_) | Event::Again { .. } => {}
        }
        ControlFlow::Continue(())
    });
    found
}

/// tshark cuts long values.
fn shortened(said: &[String]) -> Vec<String> {
    said.iter().map(|word| word.chars().take(200).collect()).collect()
}

/// The first line is a start line as RFC 3261, section 7, has it.
fn is_plain_start(message: &[u8]) -> bool {
    let line = message.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let Ok(line) = str::from_utf8(line) else { return false };
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
    if line.len() > LINE_BYTES_MAX || line.contains(char::is_control) {
        return false;
    }
    match line.splitn(3, ' ').collect::<Vec<_>>()[..] {
        ["SIP/2.0", code, _] => code.len() == 3 && code.starts_with(|c| ('1'..='6').contains(&c)),
        [method, uri, "SIP/2.0"] => {
            let is_method = method.len() <= METHOD_BYTES_MAX && method.chars().all(is_token);
            is_method && uri.find(':').is_some_and(|scheme| scheme > 0)
        }
        _ => false,
    }
}

#[test]
fn damaged_datagrams_are_counted_as_tshark_counts_them() {
    let corpus = corpus();
    let datagrams = DATAGRAMS * mutants();
    let damaged = (0..datagrams).map(|number| {
        let mut random = Random::of(0x7ea7, number);
        let mut bytes = corpus[random.below(corpus.len())].clone();
        let donor = &corpus[random.below(corpus.len())];
        for _ in 0..=random.below(4) {
            mutate::message(&mut bytes, donor, &mut random);
        }
        bytes
    });
    let damaged: Vec<Vec<u8>> = damaged.collect();
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("damaged-datagrams.pcap");
    let capture = Capture::datagrams(damaged.iter().map(Vec::as_slice));
    fs::write(&path, capture.pcap()).expect("written");
    let ours = by_us(&path);
    let Some(theirs) = by_tshark(&path) else { return };
    assert_eq!(ours.len() as u64, datagrams);
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    let (mut differences, mut odd) = (Vec::new(), 0);
    for (bytes, (frame, own)) in damaged.iter().zip(&ours) {
        let said = &theirs[frame];
        if shortened(own) == shortened(said) {
            continue;
        }
        // Of an odd start line this crate makes what it can, and says so; tshark has rules of its
        // own. None of them sees another message than the other.
        if !is_plain_start(bytes) && (own.is_empty() || said.is_empty()) {
            odd += 1;
            continue;
        }
        let start = text(bytes.get(..100).unwrap_or(bytes));
        differences.push(format!("{frame}: tshark {said:?}, ours {own:?}: {start:?}"));
    }
    assert!(odd < datagrams / 10, "{odd} odd start lines");
    let shown = differences.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} differences\n{shown}", differences.len());
}
