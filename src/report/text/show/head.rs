//! What became of the calls of a ladder, and who takes part in it.

use std::io;

use crate::analysis::CallSummary;
use crate::analysis::flow::Party;
use crate::catalogue;
use crate::report::document::Cell;
use crate::report::layout;
use crate::report::show::Shown;
use crate::report::style::Role;
use crate::report::text::diagnosis::fact;
use crate::report::text::finding::leg;
use crate::report::text::ladder::INDENT;
use crate::report::text::lifelines::letter;
use crate::report::text::scene::Scene;
use crate::report::text::sheet::Sheet;
use crate::report::text::show::BAD;
use crate::sip::Status;

/// Ports of one address that are told.
const PORTS_MAX: usize = 6;

/// Other legs of a call that are named.
const LEGS_MAX: usize = 8;

/// Writes what became of each call.
pub(super) fn write(scene: &Scene<'_>, shown: &Shown<'_>, sheet: &mut Sheet<'_>) -> io::Result<()> {
    for (at, (place, call)) in shown.calls.iter().enumerate() {
        if at > 0 {
            sheet.blank()?;
        }
        let words = scene.words;
        let number = words.fill(
            "show-number",
            &[
                ("number", &(place + 1).to_string()),
                ("count", &words.count(shown.analysis.calls.len() as u64)),
            ],
        );
        let mut title = vec![number, words.kind(call.kind.name()), words.state(call.fate())];
        title.extend(call.final_status.map(|status| answer(scene, status)));
        let role = match call.fate() {
            "failed" | "unanswered" | "timed-out" => BAD,
            _ => Role::Title,
        };
        sheet.text(role, 0, &title.join(" · "))?;
        sheet.facts(INDENT, &facts(scene, call))?;
    }
    Ok(())
}

/// `503 Service Unavailable`
fn answer(scene: &Scene<'_>, status: Status) -> String {
    let text = catalogue::status(status.code(), scene.lang);
    format!("{status} {}", text.phrase).trim_end().to_owned()
}

fn facts(scene: &Scene<'_>, call: &CallSummary) -> Vec<(String, String)> {
    let words = scene.words;
    let mut facts = vec![fact("Call-ID", call.call_id.as_str())];
    facts.extend(call.from_uri.iter().map(|uri| fact(words.get("from"), uri.as_str())));
    facts.extend(call.to_uri.iter().map(|uri| fact(words.get("to"), uri.as_str())));
    let time = words.fill(
        "time-span",
        &[
            ("first", &crate::report::text::clock::Clock::full(call.start)),
            ("last", &crate::report::text::clock::Clock::from(Some(call.start)).time(call.end)),
            ("duration", &words.duration(call.end.since(call.start))),
        ],
    );
    facts.push(fact(words.get("time"), time));
    let spans = [("post-dial-delay", call.pdd), ("ring-time", call.ring), ("talk-time", call.talk)];
    let spans: Vec<String> = spans
        .into_iter()
        .filter_map(|(key, span)| Some(words.pair(words.get(key), &words.duration(span?))))
        .collect();
    if !spans.is_empty() {
        facts.push(fact(words.get("show-timing"), spans.join(" · ")));
    }
    facts.push(fact(words.get("messages"), messages(scene, call)));
    for linked in call.linked.iter().take(LEGS_MAX) {
        facts.push(leg(scene, linked));
    }
    facts
}

/// `12 · #3 to #438 · UDP · Retransmissions: 2`
fn messages(scene: &Scene<'_>, call: &CallSummary) -> String {
    let words = scene.words;
    let (first, last) = (scene.frame(call.first_frame), scene.frame(call.last_frame));
    let frames = match first == last {
        true => first,
        false => words.fill("range", &[("first", &first), ("last", &last)]),
    };
    let mut parts = vec![words.count(call.messages), frames];
    let mut transports: Vec<&str> = Vec::new();
    for step in &call.transcript {
        let name = step.transport.name();
        if !transports.contains(&name) {
            transports.push(name);
        }
    }
    parts.push(words.list(&transports));
    let repeats = call.transcript.iter().filter(|step| step.is_retransmission).count();
    if repeats > 0 {
        parts.push(scene.counted("retransmissions", repeats as u64));
    }
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

/// The parties with their letters, names, addresses and ports.
pub(super) fn write_parties(
    parties: &[Party],
    is_lettered: bool,
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    let letters = parties.iter().enumerate().map(|(place, _)| letter(place));
    let letters: Vec<String> =
        if is_lettered { letters.collect() } else { vec![String::new(); parties.len()] };
    let names = || parties.iter().map(|party| party.name.as_deref().unwrap_or_default());
    let letter_width = letters.iter().map(|own| layout::width(own)).max().unwrap_or_default();
    let name_width = names().map(layout::width).max().unwrap_or_default();
    let address_width = parties
        .iter()
        .flat_map(Party::addresses)
        .map(|(address, _)| layout::width(&address.to_string()))
        .max()
        .unwrap_or_default();
    let padded = |text: &str, width: usize| match width {
        0 => String::new(),
        width => format!("{}  ", layout::pad(text, width)),
    };
    for ((party, letter), name) in parties.iter().zip(&letters).zip(names()) {
        for (at, (address, ports)) in party.addresses().into_iter().enumerate() {
            let (letter, name) = if at == 0 { (letter.as_str(), name) } else { ("", "") };
            let before = [letter_width, name_width, address_width].map(|width| width + 2);
            if INDENT + before.iter().sum::<usize>() + layout::width(&listed(&ports))
                > sheet.columns
            {
                // An address that is cut off is of no use.
                let text = format!("{name} {address} {}", listed(&ports));
                sheet.marked(Role::Heading, INDENT, letter, text.trim_start())?;
                continue;
            }
            sheet.line(&[
                Cell::new(Role::Plain, " ".repeat(INDENT)),
                Cell::new(Role::Heading, padded(letter, letter_width)),
                Cell::new(Role::Name, padded(name, name_width)),
                Cell::new(Role::Plain, padded(&address.to_string(), address_width)),
                Cell::new(Role::Faint, listed(&ports)),
            ])?;
        }
    }
    Ok(())
}

/// `5060, 4000, …`
fn listed(ports: &[u16]) -> String {
    let mut listed: Vec<String> = ports.iter().take(PORTS_MAX).map(u16::to_string).collect();
    if ports.len() > PORTS_MAX {
        listed.push("…".to_owned());
    }
    listed.join(", ")
}
