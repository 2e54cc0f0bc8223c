//! `siptrace explain TOPIC`: an entry of the catalogue.

use std::io::{self, Write};

use serde::Serialize;

use crate::catalogue::{
    self, ClassText, Labels, Lang, MethodTraits, RuleText, StatusText, TermKind, TermText, Topic,
    labels,
};
use crate::finding::{Family, Severity};
use crate::report::document::{self, Block, Cell, Page};
use crate::report::html;
use crate::report::rules::{head, row};
use crate::report::style::Role;
use crate::rules;

/// Writes the entry as text.
pub(crate) fn text(topic: &Topic, lang: Lang, page: Page, out: &mut dyn Write) -> io::Result<()> {
    document::text(&blocks(topic, lang), page, out)
}

/// Writes the entry as Markdown.
pub(crate) fn markdown(topic: &Topic, lang: Lang, out: &mut dyn Write) -> io::Result<()> {
    document::markdown(&blocks(topic, lang), out)
}

/// Writes the entry as HTML.
pub(crate) fn html(topic: &Topic, lang: Lang, out: &mut dyn Write) -> io::Result<()> {
    html::html(&blocks(topic, lang), lang, out)
}

/// Writes the entry as JSON.
pub(crate) fn json(topic: &Topic, lang: Lang, out: &mut dyn Write) -> io::Result<()> {
    match topic {
        Topic::Status(code) => write_json(&StatusJson::from(&catalogue::status(*code, lang)), out),
        Topic::Class(class) => write_json(&ClassJson::from(&catalogue::class(*class, lang)), out),
        Topic::Rule(rule) => write_json(&RuleJson::from(&catalogue::rule(rule, lang)), out),
        Topic::Family(family) => {
            let rules = of_family(*family, lang);
            let names = rules.iter().map(|rule| NameJson { code: rule.code, name: rule.name });
            let family = FamilyJson {
                kind: "family",
                code: family.prefix(),
                name: labels(lang).family(*family),
                rules: names.collect(),
                lang,
            };
            write_json(&family, out)
        }
        Topic::Term(kind, key) => match catalogue::term(*kind, key, lang) {
            Some(term) => write_json(&TermJson::from(&term), out),
            None => Ok(()),
        },
        Topic::Terms(kind) => {
            let terms: Vec<TermText> = all_terms(*kind, lang);
            write_json(&terms.iter().map(TermJson::from).collect::<Vec<_>>(), out)
        }
    }
}

/// Writes a value as JSON that people can read, with a line end.
pub(super) fn write_json<T: Serialize>(value: &T, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

fn blocks(topic: &Topic, lang: Lang) -> Vec<Block> {
    let words = labels(lang);
    match topic {
        Topic::Status(code) => status_blocks(&catalogue::status(*code, lang), words),
        Topic::Class(class) => class_blocks(&catalogue::class(*class, lang), words),
        Topic::Rule(rule) => rule_blocks(&catalogue::rule(rule, lang), words),
        Topic::Family(family) => family_blocks(*family, words),
        Topic::Term(kind, key) => catalogue::term(*kind, key, lang)
            .map(|term| term_blocks(&term, words))
            .unwrap_or_default(),
        Topic::Terms(kind) => terms_blocks(*kind, words),
    }
}

fn status_blocks(status: &StatusText, words: Labels) -> Vec<Block> {
    let lang = words.lang();
    let mut byline: Vec<String> = status.class.map(|class| class.title(lang)).into_iter().collect();
    let defined_in = status.defined_in(lang);
    if status.registered {
        byline.push(defined_in);
    } else if status.class.is_some() {
        byline.push(words.get("unregistered").to_owned());
    }
    let mut blocks = vec![Block::Title(status.title())];
    if !byline.is_empty() {
        blocks.push(Block::Byline(byline));
    }
    let texts = [&status.description, &status.when, &status.fix];
    blocks.extend(three_parts("when-you-see-it", texts, words));
    let q850 = status.q850.iter().map(|cause| {
        catalogue::q850(*cause, lang).map_or_else(|| cause.to_string(), |term| term.title())
    });
    let facts = [
        ("related-codes", titles(&status.related, lang)),
        ("headers-to-look-at", status.headers.iter().map(|name| (*name).to_owned()).collect()),
        ("q850-causes", q850.collect()),
    ];
    blocks.extend(facts_block(&facts, words));
    blocks
}

fn class_blocks(class: &ClassText, words: Labels) -> Vec<Block> {
    let mut blocks = vec![Block::Title(class.class.title(words.lang()))];
    let texts = [&class.description, &class.when, &class.fix];
    blocks.extend(three_parts("when-it-is-used", texts, words));
    let codes: Vec<Vec<Cell>> = catalogue::registered()
        .filter(|code| catalogue::StatusClass::of(code.0) == Some(class.class))
        .map(|(code, phrase)| {
            vec![Cell::new(Role::Name, code.to_string()), Cell::new(Role::Plain, phrase)]
        })
        .collect();
    let heading = vec![
        Cell::new(Role::Heading, words.get("code")),
        Cell::new(Role::Heading, words.get("name")),
    ];
    blocks.push(Block::Heading(words.get("status-codes").to_owned()));
    blocks.push(Block::Table(std::iter::once(heading).chain(codes).collect()));
    blocks
}

fn rule_blocks(rule: &RuleText, words: Labels) -> Vec<Block> {
    let entry = &rule.entry;
    let heading = |key: &str| Block::Heading(words.get(key).to_owned());
    let mut blocks = vec![
        Block::Title(entry.title.clone()),
        Block::Byline(vec![
            format!("{} {}", rule.code, rule.name),
            words.severity(rule.severity).to_owned(),
            words.family(rule.family).to_owned(),
            words.pair(words.get("scope"), words.scope(rule.scope)),
        ]),
        heading("what-happened"),
        Block::Prose(entry.what.clone()),
        heading("why-it-matters"),
        Block::Prose(entry.why.clone()),
    ];
    let lists = [
        ("likely-causes", &entry.causes),
        ("what-to-do", &entry.actions),
        ("not-reported-when", &entry.silent_when),
        ("references", &entry.references),
    ];
    for (key, items) in lists {
        blocks.extend([heading(key), Block::Bullets(items.clone())]);
    }
    blocks
}

fn family_blocks(family: Family, words: Labels) -> Vec<Block> {
    let rules = of_family(family, words.lang());
    let rows = std::iter::once(head(words)).chain(rules.iter().map(|rule| row(rule, words)));
    vec![
        Block::Title(format!("{} {}", family.prefix(), words.family(family))),
        Block::Table(rows.collect()),
    ]
}

fn term_blocks(term: &TermText, words: Labels) -> Vec<Block> {
    let lang = words.lang();
    let mut byline = vec![words.get(term.kind.label()).to_owned()];
    if term.name != term.registered_name {
        byline.push(words.pair(words.get("registered-name"), term.registered_name));
    }
    byline.extend(Some(term.defined_in(lang)).filter(|text| !text.is_empty()));
    let mut blocks = vec![Block::Title(term.title()), Block::Byline(byline)];
    let texts = [&term.description, &term.when, &term.fix];
    blocks.extend(three_parts("when-it-is-used", texts, words));
    let mut facts = vec![("sip-responses", titles(&term.sip, lang))];
    if !term.values.is_empty() {
        facts.push(("cause-values", vec![term.values.to_owned()]));
    }
    if let Some(traits) = term.method {
        facts.extend([
            ("creates-dialog", vec![words.flag(traits.creates_dialog).to_owned()]),
            ("target-refresh", vec![words.flag(traits.target_refresh).to_owned()]),
            ("offer-answer", vec![words.flag(traits.offer_answer).to_owned()]),
        ]);
    }
    blocks.extend(facts_block(&facts, words));
    blocks
}

fn terms_blocks(kind: TermKind, words: Labels) -> Vec<Block> {
    let lang = words.lang();
    let named = matches!(kind, TermKind::Q850 | TermKind::Warning);
    let heading = [words.get("code"), words.get(if named { "name" } else { "defined-in" })];
    let heading = heading.into_iter().map(|text| Cell::new(Role::Heading, text)).collect();
    let rows = all_terms(kind, lang).into_iter().map(|term| {
        let text = match (named, term.name == term.registered_name) {
            (false, _) => term.defined_in(lang),
            (true, true) => term.name.to_owned(),
            (true, false) => format!("{} · {}", term.name, term.registered_name),
        };
        vec![Cell::new(Role::Name, term.key), Cell::new(Role::Plain, text)]
    });
    vec![
        Block::Title(words.get(kind.list_label()).to_owned()),
        Block::Table(std::iter::once(heading).chain(rows).collect()),
    ]
}

fn three_parts(when: &str, texts: [&String; 3], words: Labels) -> Vec<Block> {
    ["description", when, "how-to-fix"]
        .into_iter()
        .zip(texts)
        .flat_map(|(key, text)| {
            [Block::Heading(words.get(key).to_owned()), Block::Prose(text.clone())]
        })
        .collect()
}

fn facts_block(facts: &[(&str, Vec<String>)], words: Labels) -> Option<Block> {
    let facts: Vec<(String, String)> = facts
        .iter()
        .filter(|fact| !fact.1.is_empty())
        .map(|(key, values)| (words.get(key).to_owned(), words.list(values)))
        .collect();
    (!facts.is_empty()).then_some(Block::Facts(facts))
}

fn titles(codes: &[u16], lang: Lang) -> Vec<String> {
    codes.iter().map(|code| catalogue::status(*code, lang).title()).collect()
}

fn of_family(family: Family, lang: Lang) -> Vec<RuleText> {
    let rules = rules::ALL.iter().filter(|rule| rule.family() == family);
    rules.map(|rule| catalogue::rule(rule, lang)).collect()
}

fn all_terms(kind: TermKind, lang: Lang) -> Vec<TermText> {
    kind.keys().filter_map(|key| catalogue::term(kind, key, lang)).collect()
}

/// A status code in the JSON; the names of the fields are a contract.
#[derive(Debug, Serialize)]
pub(super) struct StatusJson<'a> {
    kind: &'static str,
    code: u16,
    phrase: &'a str,
    class: &'a str,
    rfc: &'a str,
    section: &'a str,
    registered: bool,
    description: &'a str,
    when: &'a str,
    fix: &'a str,
    related: &'a [u16],
    headers: &'a [&'static str],
    q850: &'a [u16],
    lang: Lang,
}

impl<'a> From<&'a StatusText> for StatusJson<'a> {
    fn from(status: &'a StatusText) -> Self {
        Self {
            kind: "status",
            code: status.code,
            phrase: status.phrase,
            class: status.class_code(),
            rfc: &status.rfc,
            section: status.section,
            registered: status.registered,
            description: &status.description,
            when: &status.when,
            fix: &status.fix,
            related: &status.related,
            headers: &status.headers,
            q850: &status.q850,
            lang: status.lang,
        }
    }
}

#[derive(Debug, Serialize)]
struct ClassJson<'a> {
    kind: &'static str,
    class: &'a str,
    name: &'a str,
    description: &'a str,
    when: &'a str,
    fix: &'a str,
    lang: Lang,
}

impl<'a> From<&'a ClassText> for ClassJson<'a> {
    fn from(class: &'a ClassText) -> Self {
        Self {
            kind: "class",
            class: class.class.code(),
            name: class.class.name(class.lang),
            description: &class.description,
            when: &class.when,
            fix: &class.fix,
            lang: class.lang,
        }
    }
}

/// A rule in the JSON; the names of the fields are a contract.
#[derive(Debug, Serialize)]
struct RuleJson<'a> {
    kind: &'static str,
    code: &'a str,
    name: &'a str,
    family: &'a str,
    severity: Severity,
    scope: &'a str,
    title: &'a str,
    message: &'a str,
    what: &'a str,
    why: &'a str,
    causes: &'a [String],
    actions: &'a [String],
    silent_when: &'a [String],
    references: &'a [String],
    lang: Lang,
}

impl<'a> From<&'a RuleText> for RuleJson<'a> {
    fn from(rule: &'a RuleText) -> Self {
        Self {
            kind: "rule",
            code: rule.code,
            name: rule.name,
            family: rule.family.prefix(),
            severity: rule.severity,
            scope: rule.scope,
            title: &rule.entry.title,
            message: &rule.entry.message,
            what: &rule.entry.what,
            why: &rule.entry.why,
            causes: &rule.entry.causes,
            actions: &rule.entry.actions,
            silent_when: &rule.entry.silent_when,
            references: &rule.entry.references,
            lang: rule.lang,
        }
    }
}

#[derive(Debug, Serialize)]
struct FamilyJson<'a> {
    kind: &'static str,
    code: &'a str,
    name: &'a str,
    rules: Vec<NameJson>,
    lang: Lang,
}

#[derive(Debug, Serialize)]
struct NameJson {
    code: &'static str,
    name: &'static str,
}

#[derive(Debug, Serialize)]
struct TermJson<'a> {
    kind: &'static str,
    code: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    registered_name: &'a str,
    rfc: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    section: &'a str,
    #[serde(skip_serializing_if = "<[u16]>::is_empty")]
    sip: &'a [u16],
    #[serde(skip_serializing_if = "str::is_empty")]
    values: &'a str,
    #[serde(flatten)]
    method: Option<MethodJson>,
    description: &'a str,
    when: &'a str,
    fix: &'a str,
    lang: Lang,
}

#[derive(Debug, Serialize)]
struct MethodJson {
    creates_dialog: bool,
    target_refresh: bool,
    offer_answer: bool,
}

impl From<MethodTraits> for MethodJson {
    fn from(traits: MethodTraits) -> Self {
        Self {
            creates_dialog: traits.creates_dialog,
            target_refresh: traits.target_refresh,
            offer_answer: traits.offer_answer,
        }
    }
}

impl<'a> From<&'a TermText> for TermJson<'a> {
    fn from(term: &'a TermText) -> Self {
        Self {
            kind: term.kind.name(),
            code: term.key,
            name: if term.name.is_empty() { term.key } else { term.name },
            registered_name: term.registered_name,
            rfc: &term.rfc,
            section: term.section,
            sip: &term.sip,
            values: term.values,
            method: term.method.map(MethodJson::from),
            description: &term.description,
            when: &term.when,
            fix: &term.fix,
            lang: term.lang,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::style::Style;

    fn shown(query: &str, lang: Lang) -> String {
        let topic = catalogue::find(query).expect("there is such an entry");
        let page = Page { columns: 80, style: Style { color: false } };
        let mut out = Vec::new();
        text(&topic, lang, page, &mut out).expect("a vector takes all");
        String::from_utf8(out).expect("UTF-8")
    }

    fn as_json(query: &str, lang: Lang) -> serde_json::Value {
        let topic = catalogue::find(query).expect("there is such an entry");
        let mut out = Vec::new();
        json(&topic, lang, &mut out).expect("a vector takes all");
        serde_json::from_slice(&out).expect("JSON")
    }

    #[test]
    fn status_json_has_the_fields_of_the_contract() {
        let value = as_json("502", Lang::En);
        assert_eq!(value["kind"], "status");
        assert_eq!(value["code"], 502);
        assert_eq!(value["phrase"], "Bad Gateway");
        assert_eq!(value["class"], "5xx");
        assert_eq!(value["rfc"], "RFC 3261");
        assert_eq!(value["lang"], "en");
        for field in ["description", "when", "fix"] {
            assert!(value[field].as_str().is_some_and(|text| text.len() > 40), "{field}");
        }
    }

    #[test]
    fn rule_json_has_the_fields_of_the_contract() {
        let value = as_json(rules::ALL[0].name, Lang::En);
        assert_eq!(value["kind"], "rule");
        for field in ["code", "name", "title", "what", "why", "lang"] {
            assert!(value[field].as_str().is_some_and(|text| !text.is_empty()), "{field}");
        }
        for field in ["causes", "actions", "silent_when", "references"] {
            assert!(value[field].as_array().is_some_and(|list| !list.is_empty()), "{field}");
        }
    }

    #[test]
    fn the_text_has_every_part() {
        let text = shown("502", Lang::En);
        assert!(text.starts_with("502 Bad Gateway\n5xx (Server Failure) · RFC 3261, section 21"));
        for heading in ["\nDescription\n", "\nWhen you see it\n", "\nHow to fix it\n"] {
            assert!(text.contains(heading), "{heading}");
        }
        assert!(text.contains("Related codes"));
        let french = shown("502", Lang::Fr);
        assert!(french.contains("\nComment y remédier\n"), "{french}");
    }

    #[test]
    fn every_topic_is_shown_in_every_language() {
        let mut topics: Vec<String> = catalogue::registered().map(|c| c.0.to_string()).collect();
        topics.extend(rules::ALL.iter().map(|rule| rule.code.to_owned()));
        let queries = ["5xx", "499", "27", "q850:27", "warning:305", "reason:STIR", "REFER"];
        topics.extend(queries.map(str::to_owned));
        topics.extend(["q850", "warning", "reason", "method"].map(str::to_owned));
        topics.extend(rules::ALL.iter().map(|rule| rule.family().prefix().to_owned()));
        for lang in Lang::ALL {
            for topic in &topics {
                let text = shown(topic, lang);
                assert!(!text.contains("\n\n\n"), "{lang} {topic}: {text}");
                assert!(text.lines().all(|line| !line.ends_with(' ')), "{lang} {topic}: {text}");
                assert!(!as_json(topic, lang).is_null(), "{lang} {topic}");
            }
        }
    }
}
