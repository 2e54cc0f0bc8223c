//! `siptrace.toml` as it is written, and what it means.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use serde::{Deserialize, Deserializer};
use toml::{Spanned, Value};

use super::{Choice, Config, Override};
use crate::analysis::{HostPattern, Ignore};
use crate::bytes::printable_str;
use crate::capture::Glob;
use crate::catalogue::Lang;
use crate::cli::hosts::{self, Hosts};
use crate::cli::run::FailOn;
use crate::cli::selection;
use crate::cli::toml_file::{self, Fault, position};
use crate::finding::{Rule, Severity};
use crate::rules;
use crate::signaling::{Amount, Settings, Stir};
use crate::time::Span;

/// The key of a rule that is no threshold.
const SEVERITY: &str = "severity";

/// The tables of `[rules.NAME]`.
type RuleTables = BTreeMap<Spanned<String>, BTreeMap<Spanned<String>, Spanned<Value>>>;

/// The table `[hosts]`: addresses with names.
type HostTable = BTreeMap<Spanned<String>, Spanned<String>>;

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Raw {
    #[serde(deserialize_with = "lang")]
    lang: Option<Lang>,
    local_nets: Vec<Spanned<String>>,
    trusted: Vec<Spanned<String>>,
    home_cc: Option<Spanned<String>>,
    emergency: Vec<Spanned<String>>,
    stir: Option<Spanned<String>>,
    stir_servers: Vec<Spanned<String>>,
    load_test: bool,
    select: Option<Vec<Spanned<String>>>,
    ignore: Vec<Spanned<String>>,
    min_severity: Option<Spanned<String>>,
    fail_on: Option<Spanned<String>>,
    baseline: Option<PathBuf>,
    expect: Vec<PathBuf>,
    hosts: HostTable,
    rules: RuleTables,
    ignore_finding: Vec<Spanned<RawIgnore>>,
    capture: Vec<RawCapture>,
}

/// What is not to be shown.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawIgnore {
    rule: Option<Spanned<String>>,
    call_id: Option<String>,
    from: Option<String>,
    to: Option<String>,
    client: Option<Spanned<String>>,
    server: Option<Spanned<String>>,
    peer: Option<Spanned<String>>,
    status: Option<Spanned<u16>>,
    capture: Option<String>,
    reason: Spanned<String>,
}

/// What holds for some captures.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawCapture {
    path: Spanned<String>,
    #[serde(default)]
    select: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    ignore: Vec<Spanned<String>>,
    #[serde(default)]
    min_severity: Option<Spanned<String>>,
    #[serde(default)]
    fail_on: Option<Spanned<String>>,
    #[serde(default)]
    expect: Vec<PathBuf>,
    #[serde(default)]
    rules: RuleTables,
}

/// What may be set for all captures and for some.
struct RawChoice<'r> {
    select: Option<&'r [Spanned<String>]>,
    ignore: &'r [Spanned<String>],
    min_severity: Option<&'r Spanned<String>>,
    fail_on: Option<&'r Spanned<String>>,
    expect: &'r [PathBuf],
    rules: &'r RuleTables,
}

/// Both tables have these fields; one that holds them for both would not know which others are
/// mistakes.
macro_rules! has_choice {
    ($table:ty) => {
        impl $table {
            fn choice(&self) -> RawChoice<'_> {
                RawChoice {
                    select: self.select.as_deref(),
                    ignore: &self.ignore,
                    min_severity: self.min_severity.as_ref(),
                    fail_on: self.fail_on.as_ref(),
                    expect: &self.expect,
                    rules: &self.rules,
                }
            }
        }
    };
}

has_choice!(Raw);
has_choice!(RawCapture);

fn choice(raw: &RawChoice<'_>) -> Result<Choice, Fault> {
    let mut choice = Choice {
        select: selectors(raw.select)?,
        ignore: selectors(Some(raw.ignore))?.unwrap_or_default(),
        min_severity: severity(raw.min_severity)?,
        fail_on: fail_on(raw.fail_on)?,
        expect: raw.expect.to_vec(),
        ..Choice::default()
    };
    set_rules(&mut choice, raw.rules)?;
    Ok(choice)
}

/// What the text sets.
pub(super) fn parse(text: &str) -> Result<Config, Fault> {
    let raw: Raw = toml_file::parse(text)?;
    let mut choice = choice(&raw.choice())?;
    let mut settings = settings(&raw)?;
    for (threshold, amount) in choice.thresholds.drain(..) {
        settings.set(threshold, amount);
    }
    let ignores = raw.ignore_finding.iter().map(|raw| ignore(raw, text));
    Ok(Config {
        lang: raw.lang,
        settings,
        choice,
        ignores: ignores.collect::<Result<_, _>>()?,
        baseline: raw.baseline,
        hosts: hosts(&raw.hosts)?,
        overrides: raw.capture.iter().map(capture).collect::<Result<_, _>>()?,
        path: None,
    })
}

/// What is set for all rules.
fn settings(raw: &Raw) -> Result<Settings, Fault> {
    let mut settings = Settings::default();
    settings.local_nets = raw.local_nets.iter().map(parsed).collect::<Result<_, _>>()?;
    settings.home_cc = raw.home_cc.as_ref().map(parsed).transpose()?;
    settings.emergency = raw.emergency.iter().map(parsed).collect::<Result<_, _>>()?;
    settings.stir_servers = raw.stir_servers.iter().map(parsed).collect::<Result<_, _>>()?;
    if let Some(stir) = &raw.stir {
        let stirs = [("required", Stir::Required), ("optional", Stir::Optional)];
        settings.stir = one_of(stir, &stirs)?;
    }
    settings.trusted = raw.trusted.iter().map(parsed).collect::<Result<_, _>>()?;
    settings.is_load_test = raw.load_test;
    Ok(settings)
}

fn hosts(raw: &HostTable) -> Result<Hosts, Fault> {
    let mut hosts = Hosts::new();
    for (address, name) in raw {
        let at = |text: &Spanned<String>| text.span().start;
        hosts::add(&mut hosts, (at(address), address.get_ref()), (at(name), name.get_ref()))?;
    }
    Ok(hosts)
}

fn capture(raw: &RawCapture) -> Result<Override, Fault> {
    Ok(Override { path: glob(&raw.path)?, choice: choice(&raw.choice())? })
}

fn ignore(raw: &Spanned<RawIgnore>, text: &str) -> Result<Ignore, Fault> {
    let own = raw.get_ref();
    let reason = own.reason.get_ref().trim();
    if reason.is_empty() {
        let fault = Fault::new(own.reason.span().start, "expected a reason");
        return Err(fault.hint("say why, for whoever wonders later: `reason = \"ticket 4711\"`"));
    }
    let rule = own.rule.as_ref();
    let rules = rule.map(|rule| selector(rule).map(selection::rules_of)).transpose()?;
    let host = |text: &Option<Spanned<String>>| text.as_ref().map(host).transpose();
    let text_glob = |text: &Option<String>| text.as_deref().map(Glob::of);
    let status = own.status.as_ref().map(|status| match status.get_ref() {
        100..=699 => Ok(*status.get_ref()),
        _ => Err(Fault::new(status.span().start, "expected a status code from 100 to 699")),
    });
    let ignore = Ignore {
        rules: rules.unwrap_or_default(),
        call_id: text_glob(&own.call_id),
        from: text_glob(&own.from),
        to: text_glob(&own.to),
        client: host(&own.client)?,
        server: host(&own.server)?,
        peer: host(&own.peer)?,
        status: status.transpose()?,
        capture: text_glob(&own.capture),
        reason: printable_str(reason).into_owned(),
        line: position(text, raw.span().start).0,
    };
    match ignore.is_for_all() {
        true => {
            let fault = Fault::new(raw.span().start, "this ignores every finding");
            Err(fault.hint("name at least a rule, call, host, status or capture"))
        }
        false => Ok(ignore),
    }
}

/// Severities and thresholds of rules.
fn set_rules(choice: &mut Choice, tables: &RuleTables) -> Result<(), Fault> {
    for (rule, table) in tables {
        let name = rule.get_ref();
        let known = rules::find(name).ok_or_else(|| {
            let problem = format!("there is no rule `{name}`; see `siptrace rules`");
            let fault = Fault::new(rule.span().start, problem);
            fault.meant(name, rules::ALL.iter().flat_map(|rule| [rule.name, rule.code]))
        })?;
        for (name, value) in table {
            if name.get_ref() == SEVERITY {
                choice.severities.insert(known.code, severity_of(value)?);
                continue;
            }
            let threshold = known.thresholds.iter().find(|t| t.name == name.get_ref());
            let threshold = threshold.ok_or_else(|| unknown_threshold(known, name))?;
            let amount = amount(value.get_ref(), threshold.default).map_err(|expected| {
                Fault::new(value.span().start, format!("expected {expected}"))
            })?;
            choice.thresholds.push((threshold, amount));
        }
    }
    Ok(())
}

fn unknown_threshold(rule: &Rule, name: &Spanned<String>) -> Fault {
    let given = name.get_ref();
    let known: Vec<_> = rule.thresholds.iter().map(|t| format!("`{}`", t.name)).collect();
    let problem = match known.is_empty() {
        true => format!("{} has nothing to set but its severity, so no `{given}`", rule.name),
        false => format!("{} has no `{given}`, but {}", rule.name, known.join(", ")),
    };
    let names = rule.thresholds.iter().map(|threshold| threshold.name).chain([SEVERITY]);
    Fault::new(name.span().start, problem).meant(given, names)
}

/// `"error"`, `"warn"`, `"info"`; none for `"off"`.
fn severity_of(value: &Spanned<Value>) -> Result<Option<Severity>, Fault> {
    let at = value.span();
    let text = value
        .get_ref()
        .as_str()
        .ok_or_else(|| Fault::new(at.start, "expected \"error\", \"warn\", \"info\" or \"off\""))?;
    let names = [
        ("error", Some(Severity::Error)),
        ("warn", Some(Severity::Warn)),
        ("info", Some(Severity::Info)),
        ("off", None),
    ];
    one_of(&Spanned::new(at, text.to_owned()), &names)
}

fn severity(text: Option<&Spanned<String>>) -> Result<Option<Severity>, Fault> {
    let all = [Severity::Error, Severity::Warn, Severity::Info];
    let names = all.map(|severity| (severity.name(), severity));
    text.map(|text| one_of(text, &names)).transpose()
}

fn fail_on(text: Option<&Spanned<String>>) -> Result<Option<FailOn>, Fault> {
    let all = [FailOn::Error, FailOn::Warn, FailOn::Info, FailOn::Never];
    let names: Vec<(String, FailOn)> = all
        .into_iter()
        .filter_map(|own| Some((own.to_possible_value()?.get_name().to_owned(), own)))
        .collect();
    let names: Vec<(&str, FailOn)> =
        names.iter().map(|(name, own)| (name.as_str(), *own)).collect();
    text.map(|text| one_of(text, &names)).transpose()
}

/// The value of one of these names.
fn one_of<T: Copy>(text: &Spanned<String>, names: &[(&str, T)]) -> Result<T, Fault> {
    let given = text.get_ref();
    if let Some((_, value)) = names.iter().find(|(name, _)| name == given) {
        return Ok(*value);
    }
    let quoted: Vec<String> = names.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let problem = match quoted.split_last() {
        Some((last, before)) => format!("expected {} or {last}", before.join(", ")),
        None => "expected nothing".to_owned(),
    };
    let fault = Fault::new(text.span().start, problem);
    Err(fault.meant(given, names.iter().map(|(name, _)| *name)))
}

/// Selectors that fit at least one rule.
fn selectors(given: Option<&[Spanned<String>]>) -> Result<Option<Vec<String>>, Fault> {
    let own = given.map(|all| all.iter().map(|one| selector(one).map(str::to_owned)).collect());
    own.transpose()
}

fn selector(given: &Spanned<String>) -> Result<&str, Fault> {
    let text = given.get_ref();
    if !selection::rules_of(text).is_empty() {
        return Ok(text);
    }
    let problem = format!("no rule has the code, prefix or name \"{text}\"");
    let fault = Fault::new(given.span().start, problem).hint("`siptrace rules` lists them all");
    Err(fault.meant(text, rules::ALL.iter().flat_map(|rule| [rule.name, rule.code])))
}

fn glob(text: &Spanned<String>) -> Result<Glob, Fault> {
    match text.get_ref().trim() {
        "" => Err(Fault::new(text.span().start, "expected a path or a pattern such as `*.pcap`")),
        pattern => Ok(Glob::of(pattern)),
    }
}

/// A network or a pattern. What looks like a network and is none would never fit.
fn host(text: &Spanned<String>) -> Result<HostPattern, Fault> {
    let pattern = HostPattern::parse(text.get_ref().trim());
    let has_mark = text.get_ref().contains(['*', '?', '[']);
    match pattern {
        HostPattern::Pattern(_) if !has_mark => Err(Fault::new(
            text.span().start,
            "expected an address, a network such as 10.1.0.0/16 or a pattern such as 10.1.*",
        )),
        pattern => Ok(pattern),
    }
}

/// The value of a text.
fn parsed<T: FromStr<Err: Display>>(text: &Spanned<String>) -> Result<T, Fault> {
    let wrong = |error: T::Err| Fault::new(text.span().start, error.to_string());
    text.get_ref().parse().map_err(wrong)
}

/// The value in the kind of `like`, or what was expected.
fn amount(value: &Value, like: Amount) -> Result<Amount, &'static str> {
    let whole = value.as_integer();
    let amount = match like {
        Amount::Span(_) => value.as_str().and_then(span).map(Amount::Span),
        Amount::Count(_) => whole.and_then(|n| u64::try_from(n).ok()).map(Amount::Count),
        Amount::Percent(_) => {
            whole.and_then(|n| u8::try_from(n).ok()).filter(|n| *n <= 100).map(Amount::Percent)
        }
    };
    amount.ok_or(match like {
        Amount::Span(_) => "a duration such as \"500ms\", \"4s\", \"3m\" or \"1h\"",
        Amount::Count(_) => "a whole number",
        Amount::Percent(_) => "a whole number from 0 to 100, in percent",
    })
}

/// `500ms`, `1.5s`, `3m`, `1h`.
pub(in crate::cli) fn span(text: &str) -> Option<Span> {
    let unit = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(unit);
    let millis = match unit.trim() {
        "ms" => 1.0,
        "s" => 1e3,
        "m" | "min" => 60e3,
        "h" => 3600e3,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    // A year is longer than any timer of SIP, and far from the end of the numbers.
    let millis = (number * millis).round();
    (millis <= 366.0 * 24.0 * 3600e3).then(|| Span::from_millis(millis as i64))
}

fn lang<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Lang>, D::Error> {
    let name = String::deserialize(deserializer)?;
    name.parse().map(Some).map_err(serde::de::Error::custom)
}
