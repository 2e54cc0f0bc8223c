//! What makes an output safe, format by format. What is not is gathered, so that one run tells all.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use pulldown_cmark::{Event, Options, Parser, Tag};
use serde_json::Value;

thread_local! {
    static FOUND: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Notes what is not as it must be.
macro_rules! must {
    ($is_so:expr, $($told:tt)+) => {
        if !$is_so {
            note(format!($($told)+));
        }
    };
}

fn note(found: String) {
    FOUND.with_borrow_mut(|all| all.push(found.chars().take(400).collect()));
}

/// Fails where anything was found, with the first ones of each output.
pub(super) fn verdict() {
    let found = FOUND.take();
    let mut told: BTreeMap<&str, usize> = BTreeMap::new();
    let lines = found.iter().filter(|line| {
        let count = told.entry(line.get(..24).unwrap_or(line)).or_default();
        *count += 1;
        *count <= 4
    });
    let lines: Vec<&str> = lines.map(String::as_str).collect();
    assert!(found.is_empty(), "{}:\n{}", found.len(), lines.join("\n"));
}

/// Whether anything was found; it is forgotten.
pub(super) fn has_found() -> bool {
    !FOUND.take().is_empty()
}

/// What no reader sees, or what tells a reader's eyes where to go.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}' | '\u{fff0}'..='\u{fffb}'
        | '\u{fffe}' | '\u{ffff}' | '\u{1fffe}' | '\u{e0000}'..='\u{e0fff}')
}

/// Nothing but text in lines.
pub(super) fn text(what: &str, text: &str) {
    for line in text.split('\n') {
        must!(!line.contains(|c: char| c.is_control() || is_hidden(c)), "{what}: {line:?}");
        let marks = line.split("\u{301}\u{300}\u{301}\u{300}\u{301}").count();
        must!(marks == 1, "{what}: {line:?}");
    }
}

/// What a command says that cannot work: no line of it is a command to somebody else.
pub(super) fn line(what: &str, said: &str) {
    text(what, said);
    let is_ours = said.starts_with("siptrace: ") || said.starts_with("error: ");
    must!(is_ours && !said.contains("\n::"), "{what}: {said}");
    must!(!said.starts_with("siptrace: ") || said.lines().count() <= 2, "{what}: {said}");
}

/// The same in colours: what is left without them is what there is without.
pub(super) fn coloured(what: &str, coloured: &str, plain: &str) {
    let mut bare = String::new();
    for (at, piece) in coloured.split('\u{1b}').enumerate() {
        if at == 0 {
            bare.push_str(piece);
            continue;
        }
        let (sequence, rest) = piece.split_once('m').expect("the end of a sequence");
        let own = sequence.strip_prefix('[').unwrap_or("?");
        must!(own.bytes().all(|b| b.is_ascii_digit() || b == b';'), "{what}: {sequence:?}");
        bare.push_str(rest);
    }
    must!(bare == plain, "{what}: colours change more than colours");
}

/// JSON whose texts are safe where they are shown and safe as they stand in the file.
pub(super) fn json(what: &str, text: &str) -> Value {
    self::text(what, text);
    let value = serde_json::from_str(text).unwrap_or_else(|error| {
        note(format!("{what}: {error}"));
        Value::Null
    });
    texts(what, &value);
    value
}

fn texts(what: &str, value: &Value) {
    match value {
        Value::String(own) => text(what, own),
        Value::Array(all) => all.iter().for_each(|own| texts(what, own)),
        Value::Object(all) => all.iter().for_each(|(key, own)| {
            text(what, key);
            texts(what, own);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Messages without links and without places for arguments.
pub(super) fn sarif(what: &str, text: &str) {
    let document = json(what, text);
    let results = document["runs"][0]["results"].as_array().expect("results");
    must!(!results.is_empty(), "{what}");
    for result in results {
        let message = result["message"]["text"].as_str().expect("a message");
        must!(!message.contains("]("), "{what}: {message}");
        let places = message.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
        for (place, _) in places {
            let is_number = !place.is_empty() && place.bytes().all(|byte| byte.is_ascii_digit());
            must!(!is_number, "{what}: {message}");
        }
    }
}

/// Rows of one length whose cells are no formulas.
pub(super) fn csv(what: &str, text: &str) {
    self::text(what, &text.replace("\r\n", "\n"));
    let rows: Vec<csv::StringRecord> = csv::Reader::from_reader(text.as_bytes())
        .into_records()
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    // Where a comma parts decimals, a semicolon parts cells.
    for cell in rows.iter().flatten().flat_map(|cell| cell.split(';')) {
        let begins = cell.trim_start().starts_with(['=', '+', '-', '@', '\t', '\r']);
        must!(!begins || cell.parse::<f64>().is_ok(), "{what}: {cell}");
    }
}

/// Each line is one of our commands, with the properties that we give.
pub(super) fn github(what: &str, text: &str) {
    self::text(what, text);
    must!(!text.is_empty(), "{what}");
    for line in text.lines() {
        let rest = line.strip_prefix("::").unwrap_or_else(|| panic!("{what}: {line}"));
        let (command, _) = rest.split_once("::").expect("a message");
        let (level, properties) = command.split_once(' ').expect("properties");
        must!(["error", "warning", "notice"].contains(&level), "{what}: {line}");
        let names: Vec<&str> = properties
            .split(',')
            .map(|own| own.split_once('=').unwrap_or_else(|| panic!("{what}: {line}")).0)
            .collect();
        must!(matches!(names[..], ["file", "title"] | ["file", "line", "title"]), "{what}: {line}");
    }
}

/// XML of our elements only.
pub(super) fn junit(what: &str, text: &str) {
    self::text(what, text);
    let document =
        roxmltree::Document::parse(text).unwrap_or_else(|e| panic!("{what}: {e}\n{text}"));
    let own = ["testsuites", "testsuite", "testcase", "failure", "skipped", "system-out"];
    for node in document.descendants() {
        must!(!node.is_comment() && !node.is_pi(), "{what}");
        must!(!node.is_element() || own.contains(&node.tag_name().name()), "{what}: {node:?}");
        node.attributes().for_each(|attribute| self::text(what, attribute.value()));
        self::text(what, node.text().unwrap_or_default());
    }
}

/// A scenario that does nothing but send, receive and wait.
pub(super) fn sipp(xml: &str) {
    // A tab is for SIPp to send, and marks stay with the letters that they were sent with.
    text("sipp", &xml.replace(['\t', '\u{300}', '\u{301}'], " "));
    let document = roxmltree::Document::parse(xml).unwrap_or_else(|error| panic!("{error}\n{xml}"));
    let own = ["scenario", "send", "recv", "pause", "action", "ereg"];
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        must!(own.contains(&node.tag_name().name()), "sipp: {node:?}");
        must!(node.attribute("command").is_none(), "sipp: {node:?}");
    }
}

/// No markup but ours: no HTML, no link, no picture, no footnote; tables as wide as their heads.
pub(super) fn markdown(what: &str, text: &str) {
    self::text(what, text);
    let (mut head, mut cells) = (0, 0);
    for event in Parser::new_ext(text, Options::all()) {
        match event {
            Event::Html(own) | Event::InlineHtml(own) => note(format!("{what}: {own}")),
            Event::FootnoteReference(own) => note(format!("{what}: {own}")),
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                note(format!("{what}: {dest_url}"));
            }
            Event::Start(Tag::HtmlBlock | Tag::FootnoteDefinition(_)) => {
                note(format!("{what}: a block of HTML or a footnote"));
            }
            Event::Start(Tag::TableHead | Tag::TableRow) => cells = 0,
            Event::Start(Tag::TableCell) => cells += 1,
            Event::End(pulldown_cmark::TagEnd::TableHead) => head = cells,
            Event::End(pulldown_cmark::TagEnd::TableRow) => {
                must!(cells == head, "{what}: {cells} cells");
            }
            _ => {}
        }
    }
    // A row with more bars than its head would lose what is behind them.
    let bars = |line: &str| line.replace("\\|", "").matches('|').count();
    let mut above = None;
    for line in text.lines() {
        if !line.starts_with("| ") {
            above = None;
            continue;
        }
        must!(*above.get_or_insert(bars(line)) == bars(line), "{what}: {line}");
    }
}

/// The elements of a page.
const ELEMENTS: &str = "\
    \x20!doctype a abbr article b bdi body br button caption circle code dd defs desc details \
    dialog div dl dt figcaption figure footer g h1 h2 h3 h4 head header html i input label \
    legend li line main marker meta nav ol option p path pattern polygon polyline pre rect \
    script section select small span strong style summary svg table tbody td text th thead \
    time title tr tspan ul use ";

/// The attributes of them.
const ATTRIBUTES: &str = "\
    \x20autocomplete charset class content cx cy d dx dy fill for height href hidden html \
    http-equiv id lang marker-end name open patternunits placeholder points \
    preserveaspectratio r role rx ry scope spellcheck stroke style tabindex text-anchor \
    transform type value viewbox width x x1 x2 y y1 y2 ";

/// A page of our elements and attributes only, which no address leaves but to standards.
pub(super) fn html(what: &str, page: &str) {
    text(what, page);
    let policy = "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'";
    must!(page.contains(policy), "{what}: no policy");
    let mut foreign = BTreeSet::new();
    let mut scripts = 0;
    let mut rest = page;
    while let Some((_, tag)) = rest.split_once('<') {
        let (name, mut inside) = name_of(tag.trim_start_matches('/'));
        let is_known = ELEMENTS.contains(&format!(" {name} "));
        must!(is_known, "{what}: <{}", tag.chars().take(200).collect::<String>());
        loop {
            inside = inside.trim_start();
            if let Some(after) = inside.strip_prefix("/>").or_else(|| inside.strip_prefix('>')) {
                rest = after;
                break;
            }
            let (attribute, after) = name_of(inside);
            let is_known = attribute.starts_with("data-") || attribute.starts_with("aria-");
            let is_known = is_known || ATTRIBUTES.contains(&format!(" {attribute} "));
            must!(is_known, "{what}: {attribute} of <{}", tag.chars().take(99).collect::<String>());
            if attribute.is_empty() {
                return;
            }
            let Some(value) = after.strip_prefix("=\"") else {
                inside = after;
                continue;
            };
            let (value, after) = value.split_once('"').expect("a closed attribute");
            if attribute == "href" && !value.starts_with('#') {
                foreign.insert(value);
            }
            inside = after;
        }
        if (name == "script" || name == "style") && !tag.starts_with('/') {
            let (own, after) = rest.split_once(&format!("</{name}>")).expect("an end");
            if name == "script" && tag.contains("type=\"application/json\"") && own.starts_with('{')
            {
                texts(what, &serde_json::from_str(own).expect("JSON"));
            }
            scripts += usize::from(name == "script");
            rest = after;
        }
    }
    must!(foreign.is_empty(), "{what}: {foreign:?}");
    must!(scripts <= 2, "{what}: {scripts} scripts");
}

fn name_of(text: &str) -> (String, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"!-_:".contains(c));
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    (name.to_ascii_lowercase(), rest)
}
