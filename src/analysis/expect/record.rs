//! A first file of expectations from a capture of a good run.
//!
//! What changes from run to run is left out or has wild cards: tags, branches, Call-IDs, ports,
//! addresses, numbers in names of software, times. The rest is what the run was like, for somebody
//! to strike out what does not matter.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::glob::literal;
use super::ladder::{Brief, folded};
use super::parties::{Cast, Parties};
use super::steps;
use super::{Analysis, CallSummary, Step};
use crate::bytes::{is_harmful, printable, toml_string};
use crate::finding::Finding;
use crate::sdp::Session;
use crate::signaling::{Kind, Side};
use crate::sip::{HeaderName, Message, Uri, lws};
use crate::time::Span;

/// Fields that say what a message is for, so that they are the same in the next run.
const TELLING: [HeaderName; 4] =
    [HeaderName::Event, HeaderName::Reason, HeaderName::Require, HeaderName::ContentType];

/// Fields that must be there with whatever value.
const PRESENT: [HeaderName; 8] = [
    HeaderName::Authorization,
    HeaderName::ProxyAuthorization,
    HeaderName::WwwAuthenticate,
    HeaderName::ProxyAuthenticate,
    HeaderName::ReferTo,
    HeaderName::Replaces,
    HeaderName::RSeq,
    HeaderName::RetryAfter,
];

/// Lines before the expectations.
const HEAD: &str = "\
# What the capture must show, as a good run did. Change what matters to you and strike out the
# rest; docs/expectations.md has every key. Tags, branches, Call-IDs, ports and addresses are open.

strict = true
";

/// The file of expectations that the analysis meets; it must have kept calls, transcripts and
/// findings.
pub fn record(analysis: &Analysis) -> String {
    let mut out = HEAD.to_owned();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let mut all: BTreeMap<String, usize> = BTreeMap::new();
    for call in &analysis.calls {
        *all.entry(selection(call)).or_default() += 1;
    }
    for call in &analysis.calls {
        let selection = selection(call);
        let nth = known.entry(selection.clone()).or_default();
        *nth += 1;
        let is_alone = all.get(&selection).copied() == Some(1);
        write_call(call, &selection, (!is_alone).then_some(*nth), analysis, &mut out);
    }
    if analysis.calls.is_empty() {
        write_findings(&names(analysis.findings.iter()), "findings", &mut out);
    }
    out
}

/// The lines that select the call.
fn selection(call: &CallSummary) -> String {
    let mut lines = String::new();
    if call.kind != Kind::Call {
        line(&mut lines, "kind", &quoted(call.kind.name()));
    }
    for (key, uri) in [("from", &call.from_uri), ("to", &call.to_uri)] {
        let Some(uri) = uri else { continue };
        let parsed = Uri::parse(uri.as_bytes());
        let host = parsed.host().filter(|host| host.address().is_none());
        let pattern = match (parsed.user_text(), host) {
            (Some(user), Some(host)) => format!("{user}@{}", host.as_str()),
            (Some(user), None) => user.into_owned(),
            (None, Some(host)) => host.as_str().into_owned(),
            (None, None) => continue,
        };
        // A colon would make a whole URI of it.
        if !pattern.contains(':') {
            line(&mut lines, key, &quoted(&literal(&pattern)));
        }
    }
    lines
}

fn write_call(
    call: &CallSummary,
    selection: &str,
    nth: Option<usize>,
    analysis: &Analysis,
    out: &mut String,
) {
    out.push_str("\n[[call]]\n");
    out.push_str(selection);
    if let Some(nth) = nth {
        line(out, "nth", &nth.to_string());
    }
    if let Some(status) = call.final_status {
        line(out, "status", &status.to_string());
    }
    let findings = findings(call, analysis);
    if findings.is_empty() {
        line(out, "findings", &quoted("none"));
    }
    let steps = steps(call);
    if !steps.is_empty() {
        out.push_str("steps = [\n");
        for step in &steps {
            let _ = writeln!(out, "    {},", quoted(&step.text()));
        }
        out.push_str("]\n");
    }
    for step in &steps {
        if let Some(label) = &step.label {
            write_at(label, &step.lines, out);
        }
    }
    write_times(call, out);
    write_rtp(call, out);
    if !findings.is_empty() {
        write_findings(&findings, "call.findings", out);
    }
}

fn write_findings(names: &[String], table: &str, out: &mut String) {
    if names.is_empty() {
        line(out, table, &quoted("none"));
        return;
    }
    let _ = writeln!(out, "\n[{table}]");
    line(out, "allow", &list(names));
}

/// The names of the rules that found something in the call.
fn findings(call: &CallSummary, analysis: &Analysis) -> Vec<String> {
    let all = analysis.findings.iter();
    names(all.filter(|own| own.call_id.as_ref() == Some(&call.call_id)))
}

fn names<'f>(findings: impl Iterator<Item = &'f Finding>) -> Vec<String> {
    let mut names: Vec<String> = findings.map(|own| own.rule.name.to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// A message of the file.
struct RecordedStep {
    way: String,
    what: String,
    is_optional: bool,
    is_repeated: bool,
    label: Option<String>,
    /// What the message must be like.
    lines: Vec<(String, String)>,
}

impl RecordedStep {
    fn text(&self) -> String {
        let often = match (self.is_optional, self.is_repeated) {
            (true, true) => "*",
            (true, false) => "?",
            (false, true) => "+",
            (false, false) => "",
        };
        let label = self.label.as_ref().map(|label| format!("  @{label}")).unwrap_or_default();
        format!("{}  {}{often}{label}", self.way, self.what)
    }
}

fn steps(call: &CallSummary) -> Vec<RecordedStep> {
    let parties = Parties::default();
    let cast = Cast::of(call, &parties);
    let name = |host| cast.role(host).map_or("*", |role| role.name());
    let mut steps: Vec<RecordedStep> = Vec::new();
    let mut labels: BTreeMap<String, usize> = BTreeMap::new();
    for step in folded(&call.transcript) {
        let brief = Brief::of(step);
        let way = format!("{} > {}", name(step.source), name(step.destination));
        let what = brief.written();
        let before = steps.last_mut().filter(|last| last.way == way && last.what == what);
        if let Some(last) = before {
            // They need not be alike.
            (last.is_repeated, last.label) = (true, None);
            continue;
        }
        let lines = lines(step);
        let label = (!lines.is_empty()).then(|| {
            let label = brief.label();
            let count = labels.entry(label.clone()).or_default();
            *count += 1;
            if *count > 1 { format!("{label}-{count}") } else { label }
        });
        let is_optional = brief.status == Some(100);
        steps.push(RecordedStep { way, what, is_optional, is_repeated: false, label, lines });
    }
    steps
}

impl Brief {
    /// As a step has it; what no step can say is any message.
    fn written(&self) -> String {
        let method = self.sayable();
        match (self.status, method) {
            (Some(status), _) if !(100..700).contains(&status) => "any".to_owned(),
            (Some(status), Some(method)) => format!("{status} {method}"),
            (Some(status), None) => status.to_string(),
            (None, Some("INVITE")) if self.is_in_dialog() => "re-INVITE".to_owned(),
            (None, Some(method)) => method.to_owned(),
            (None, None) => "any".to_owned(),
        }
    }

    /// The method, if it is one: captured bytes may be anything.
    fn sayable(&self) -> Option<&str> {
        Some(self.method.as_str()).filter(|method| steps::method(method).is_ok())
    }

    /// A name for the message.
    fn label(&self) -> String {
        let method = self.sayable().unwrap_or("any").to_ascii_lowercase();
        match self.status {
            Some(status) => format!("{method}-{status}"),
            None => method,
        }
    }
}

/// What the message must be like: keys and values.
fn lines(step: &Step) -> Vec<(String, String)> {
    let message = step.message();
    let mut fields: Vec<String> = Vec::new();
    let sdp = message.sdp().map(|bytes| Session::parse(bytes).0);
    let text = |name: HeaderName| {
        message.header(name).map(|value| printable(&lws::unfolded(value)).into_owned())
    };
    let mut field = |name: HeaderName, value: String| {
        fields.push(format!("{} = {value}", name.as_str()));
    };
    if sdp.is_some() {
        for name in [HeaderName::UserAgent, HeaderName::Server] {
            if let Some(value) = text(name) {
                field(name, quoted(&without_numbers(&value)));
            }
        }
    }
    for name in TELLING {
        if let Some(value) = text(name) {
            let start = value.split(';').next().unwrap_or_default().trim().to_owned();
            let rest = if value.contains(';') { "*" } else { "" };
            field(name, quoted(&format!("{}{rest}", literal(&start))));
        }
    }
    if let Some(value) = text(HeaderName::SubscriptionState) {
        let start = value.split(';').next().unwrap_or_default().trim().to_owned();
        field(HeaderName::SubscriptionState, quoted(&format!("{}*", literal(&start))));
    }
    for name in PRESENT {
        if message.has(name) {
            field(name, "true".to_owned());
        }
    }
    let mut lines = Vec::new();
    if is_worth_telling(&message, sdp.is_some(), &fields) {
        lines.push(("header".to_owned(), format!("{{ {} }}", fields.join(", "))));
    }
    lines.extend(sdp.and_then(|session| Some(("sdp".to_owned(), description(&session)?))));
    lines
}

/// That a message has no more than a type of body tells nothing.
fn is_worth_telling(message: &Message<'_>, has_sdp: bool, fields: &[String]) -> bool {
    let only_type = fields.len() == 1 && message.has(HeaderName::ContentType);
    !fields.is_empty() && (has_sdp || !only_type || !message.body().is_empty())
}

/// Numbers of versions and the like as `*`.
fn without_numbers(text: &str) -> String {
    let mut pattern = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, digits) = rest.split_at(at);
        let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
        pattern.push_str(&literal(before));
        pattern.push('*');
        rest = digits.get(end..).unwrap_or_default();
    }
    pattern.push_str(&literal(rest));
    pattern
}

fn description(session: &Session<'_>) -> Option<String> {
    let live: Vec<_> = session.media.iter().filter(|media| !media.is_rejected()).collect();
    let kinds: Vec<String> = live.iter().map(|media| escaped(media.kind)).collect();
    let mut parts = vec![format!("media = {}", list(&kinds))];
    let audio = session.media.iter().find(|media| media.is("audio") && !media.is_rejected());
    let media = audio.or_else(|| live.first().copied().filter(|own| !own.is("audio")))?;
    if audio.is_none() {
        parts.push(format!("of = {}", quoted(&printable(media.kind))));
    }
    let mut codecs: Vec<String> = Vec::new();
    for codec in media.codecs() {
        let name = escaped(codec.encoding);
        if !codecs.contains(&name) {
            codecs.push(name);
        }
    }
    if !codecs.is_empty() {
        parts.push(format!("codecs = {}", list(&codecs)));
    }
    parts.push(format!("direction = {}", quoted(media.direction().name())));
    if let Some(millis) = media.ptime() {
        parts.push(format!("ptime = {millis}"));
    }
    Some(format!("{{ {} }}", parts.join(", ")))
}

fn escaped(bytes: &[u8]) -> String {
    literal(&printable(bytes))
}

fn write_at(label: &str, lines: &[(String, String)], out: &mut String) {
    let _ = writeln!(out, "\n[call.at.{}]", key(label));
    for (key, value) in lines {
        line(out, key, value);
    }
}

/// Times as a hint: how long something may take is not for one run to say.
fn write_times(call: &CallSummary, out: &mut String) {
    let answer = call.final_status.filter(|status| status.is_success());
    let answer = answer.and(call.pdd).map(|pdd| pdd + call.ring.unwrap_or_default());
    let times = [("pdd", call.pdd), ("answer", answer), ("talk", call.talk)];
    let known = times.iter().filter_map(|(key, span)| Some((*key, (*span)?)));
    for (number, (key, span)) in known.enumerate() {
        if number == 0 {
            out.push_str("\n# [call.time]\n");
        }
        let millis = span.nanos().max(0) / 1_000_000;
        let _ = writeln!(out, "# {key} = \"< {}s\"  # {millis} ms", roof(span));
    }
}

/// More than twice as long, in whole seconds.
fn roof(span: Span) -> i64 {
    span.nanos().max(0) / 500_000_000 + 1
}

fn write_rtp(call: &CallSummary, out: &mut String) {
    let of = |side: Side| call.streams.iter().filter(move |own| own.sender == Some(side));
    let (caller, callee) = (of(Side::Caller).count() > 0, of(Side::Callee).count() > 0);
    let from = match (caller, callee) {
        (true, true) => "both",
        (true, false) => "caller",
        (false, true) => "callee",
        (false, false) => return,
    };
    out.push_str("\n[call.rtp]\n");
    line(out, "from", &quoted(from));
    let streams = || call.streams.iter().filter(|stream| stream.sender.is_some());
    let mut codecs: Vec<String> =
        streams().filter_map(|own| own.codec.as_deref()).map(literal).collect();
    codecs.sort_unstable();
    codecs.dedup();
    if streams().all(|stream| stream.codec.is_some()) {
        line(out, "codec", &list(&codecs));
    }
    if streams().all(|stream| stream.lost == 0) {
        line(out, "loss", &quoted("< 1%"));
    }
}

fn line(out: &mut String, key: &str, value: &str) {
    let _ = writeln!(out, "{key} = {value}");
}

fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    format!("[{}]", items.join(", "))
}

/// A key, quoted where it must be.
fn key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(is_bare) { name.to_owned() } else { quoted(name) }
}

/// A string of TOML. The user of a URI has its `%` escapes undone, so any character may be in it.
fn quoted(text: &str) -> String {
    let needs_escapes = text.contains('\'') || text.contains(is_harmful);
    match text.contains(['"', '\\']) && !needs_escapes {
        true => format!("'{text}'"),
        false => toml_string(text),
    }
}
