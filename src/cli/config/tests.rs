//! The files that users write, right and wrong.

use std::fs;

use proptest::prelude::*;

use super::file::span;
use super::*;
use crate::rules;
use crate::time::Span;

/// An empty folder of its own, with a folder inside.
fn scratch(name: &str) -> (PathBuf, PathBuf) {
    let folder =
        std::env::temp_dir().join(format!("siptrace-config-{}-{name}", std::process::id()));
    let inner = folder.join("a").join("b");
    fs::create_dir_all(&inner).expect("made");
    (folder, inner)
}

fn fault(text: &str) -> FileError {
    Config::parse(text, Path::new(FILE)).expect_err(text)
}

fn wrong(text: &str) -> String {
    let error = Config::parse(text, Path::new(FILE)).expect_err(text);
    error.to_string()
}

#[test]
fn the_nearest_file_counts() {
    let (folder, inner) = scratch("nearest");
    assert_eq!(Config::above(&inner).expect("no file").lang, None);
    fs::write(folder.join(FILE), "lang = \"fr\"\n").expect("written");
    assert_eq!(Config::above(&inner).expect("above").lang, Some(Lang::Fr));
    fs::write(inner.join(FILE), "# nothing set here\n").expect("written");
    assert_eq!(Config::above(&inner).expect("here").lang, None);
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let start = "could not use \"siptrace.toml\": ";
    let cases = [
        ("lnag = \"fr\"\n", "line 1, column 1: unknown field `lnag`"),
        ("# é\nlang = \"xx\"\n", "line 2, column 8: unknown language \"xx\"; known are en"),
        ("lang = 3\n", "line 1, column 8: invalid type: integer `3`, expected a string"),
        ("lang = \"fr\"\n[selects]\n", "line 2, column 2: unknown field `selects`"),
        (
            "local-nets = [\"10.0.0.0/8\", \"10.0.0.0/99\"]\n",
            "line 1, column 29: expected an address and the bits of its network",
        ),
        (
            "trusted = [\"trunk\"]\n",
            "line 1, column 12: expected an address and the bits of its network",
        ),
        ("home-cc = \"049\"\n", "line 1, column 11: expected a country code"),
        ("[rules.slow-pdd]\nlimit = 3\n", "line 1, column 8: there is no rule `slow-pdd`"),
        ("home-cc = \"0\"\n", "line 1, column 11: expected a country code such as 49"),
        ("emergency = [\"SOS\"]\n", "line 1, column 14: expected a number as it is dialled"),
        ("stir = \"yes\"\n", "line 1, column 8: expected \"required\" or \"optional\""),
        (
            "[rules.trying-then-server-failure]\nwait = \"3s\"\n",
            "line 2, column 1: trying-then-server-failure has no `wait`, but `long-wait`",
        ),
        (
            "[rules.TXN106]\nlong-wait = \"3 weeks\"\n",
            "line 2, column 13: expected a duration such as \"500ms\"",
        ),
        ("[rules.CAP108]\nx = 1\n", "line 2, column 1: encrypted-signalling has nothing to set"),
    ];
    for (text, expected) in cases {
        let error = wrong(text);
        assert!(error.starts_with(&format!("{start}{expected}")), "{error}");
    }
    let broken = wrong("lang = \"fr\n");
    assert!(broken.starts_with(&format!("{start}line 1, column ")), "{broken}");
    assert_eq!(broken.lines().count(), 1, "{broken}");
}

#[test]
fn what_holds_for_all_rules_is_set() {
    let text = "trusted = [\"192.0.2.0/24\"]\nhome-cc = \"49\"\nload-test = true\n";
    let settings = Config::parse(text, Path::new(FILE)).expect("right").settings;
    assert!(settings.is_trusted([192, 0, 2, 9].into()) && settings.is_load_test);
    assert_eq!(settings.home_cc, "49".parse().ok());
}

#[test]
fn thresholds_are_set() {
    let text = "[rules.trying-then-server-failure]\nlong-wait = \"1.5s\"\n";
    let config = Config::parse(text, Path::new(FILE)).expect("right");
    let rule = rules::find("TXN106").expect("known");
    let threshold = rule.thresholds.first().expect("has one");
    assert_eq!(config.settings.span(threshold), Span::from_millis(1500));
    let units = [("500ms", 500), ("4s", 4000), ("3m", 180_000), ("1h", 3_600_000)];
    for (text, millis) in units {
        assert_eq!(span(text), Some(Span::from_millis(millis)));
    }
    for text in ["", "4", "s", "-4s", "4d", "1.2.3s", "99999h"] {
        assert_eq!(span(text), None, "{text}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let (folder, inner) = scratch("unreadable");
    fs::write(inner.join(FILE), b"lang = \"\xff\"").expect("written");
    let error = Config::above(&inner).expect_err("not UTF-8");
    let path = inner.join(FILE);
    assert_eq!(error.to_string(), format!("could not read \"{}\"", path.display()));
    assert!(std::error::Error::source(&error).is_some());
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn what_was_meant_is_told() {
    let cases = [
        ("lnag = \"fr\"\n", "did you mean `lang`?"),
        ("select = [\"TXN999\"]\n", "did you mean `TXN"),
        ("ignore = [\"final-respons\"]\n", "did you mean `final-response`?"),
        ("fail-on = \"warning\"\n", ""),
        ("min-severity = \"warm\"\n", "did you mean `warn`?"),
        ("[rules.TXN106]\nseverity = \"of\"\n", "did you mean `off`?"),
        ("[rules.TXN106]\nlong-weight = \"3s\"\n", "did you mean `long-wait`?"),
        ("[rules.TXN106]\nseverty = \"off\"\n", "did you mean `severity`?"),
        ("[[ignore-finding]]\nreasn = \"x\"\n", "did you mean `reason`?"),
        ("[[ignore-finding]]\nrule = \"TXN106\"\nreason = \" \"\n", "say why"),
        ("[[capture]]\npaht = \"x\"\n", "did you mean `path`?"),
        ("threads = 3\n", "known here are `lang`, `local-nets`"),
    ];
    for (text, expected) in cases {
        let error = fault(text);
        let hint = error.hint().unwrap_or_default();
        assert!(hint.starts_with(expected) && hint.is_empty() == expected.is_empty(), "{hint}");
    }
}

#[test]
fn decisions_have_their_place_as_well() {
    let cases = [
        ("select = [\"TXN\", \"nothing\"]\n", "line 1, column 18: no rule has the code"),
        ("fail-on = \"warning\"\n", "line 1, column 11: expected \"error\", \"warn\", \"info\" or"),
        ("[rules.TXN106]\nseverity = 3\n", "line 2, column 12: expected \"error\", \"warn\""),
        ("[[ignore-finding]]\nrule = \"TXN106\"\n", "line 1, column 1: missing field `reason`"),
        ("[[ignore-finding]]\nreason = \"x\"\n", "line 1, column 1: this ignores every finding"),
        (
            "[[ignore-finding]]\nreason = \"x\"\nserver = \"trunk\"\n",
            "line 3, column 10: expected an address, a network",
        ),
        (
            "[[ignore-finding]]\nreason = \"x\"\nstatus = 99\n",
            "line 3, column 10: expected a status code from 100 to 699",
        ),
        ("[[capture]]\nfail-on = \"never\"\n", "line 1, column 1: missing field `path`"),
        ("[[capture]]\npath = \"\"\n", "line 2, column 8: expected a path or a pattern"),
        (
            "[[capture]]\npath = \"x\"\nrules.nothing.delay = 3\n",
            "line 3, column 7: there is no rule `nothing`",
        ),
    ];
    for (text, expected) in cases {
        let error = wrong(text);
        let start = "could not use \"siptrace.toml\": ";
        assert!(error.starts_with(&format!("{start}{expected}")), "{error}");
    }
}

#[test]
fn later_entries_for_a_capture_go_before_earlier_ones() {
    let text = "fail-on = \"warn\"\nselect = [\"TXN\"]\nbaseline = \"known.toml\"\n\
        [[capture]]\npath = \"*.pcap\"\nfail-on = \"info\"\nignore = [\"CAP\"]\n\
        [[capture]]\npath = \"lab/*\"\nfail-on = \"never\"\nignore = [\"NET\"]\n";
    let config = Config::parse(text, Path::new("ci/siptrace.toml")).expect("right");
    let own = |path: &str| config.for_captures(&[PathBuf::from(path)]).into_owned().choice;
    assert_eq!(own("x/lab/a.pcap").fail_on, Some(FailOn::Never));
    assert_eq!(own("x/lab/a.pcap").ignore, ["CAP", "NET"]);
    assert_eq!(own("a.pcap").fail_on, Some(FailOn::Info));
    assert_eq!(own("a.cap").fail_on, Some(FailOn::Warn));
    assert_eq!(own("a.pcap").select, Some(vec!["TXN".to_owned()]));
    assert_eq!(config.baseline, Some(PathBuf::from("ci/known.toml")));
    let both = config.for_captures(&["a.pcap".into(), "b.pcap".into()]).into_owned();
    assert_eq!(both.choice.fail_on, Some(FailOn::Warn));
}

#[test]
fn no_threshold_has_the_name_of_another_key() {
    let names = rules::ALL.iter().flat_map(|rule| rule.thresholds).map(|threshold| threshold.name);
    assert!(names.into_iter().all(|name| name != "severity"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_has_a_place(text in settings()) {
        match Config::parse(&text, Path::new(FILE)) {
            Ok(_) => {}
            Err(FileError::Wrong { line, column, problem, .. }) => {
                prop_assert!(line >= 1 && line <= text.matches('\n').count() + 1);
                prop_assert!(column >= 1 && !problem.is_empty());
                prop_assert!(!problem.chars().any(char::is_control), "{problem:?}");
            }
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
}

/// Lines that are nearly right.
fn settings() -> impl Strategy<Value = String> {
    const KEYS: &[&str] = &[
        "lang",
        "select",
        "ignore",
        "fail-on",
        "min-severity",
        "severity",
        "long-wait",
        "reason",
        "rule",
        "server",
        "status",
        "path",
        "capture",
        "baseline",
        "trusted",
        "home-cc",
        "\"a`b\"",
    ];
    const VALUES: &[&str] = &[
        "\"fr\"",
        "[\"TXN\"]",
        "\"off\"",
        "500",
        "\"10.0.0.0/8\"",
        "[",
        "true",
        "\"*\"",
        "-1",
        "\"warn\"",
        "\"\\u001b\"",
        "1979-05-27",
        "{ a = 1 }",
        "\"99999999999999999999s\"",
    ];
    const TABLES: &[&str] = &[
        "[rules.TXN106]",
        "[[ignore-finding]]",
        "[[capture]]",
        "[capture.rules.TXN106]",
        "[rules]",
        "[lang]",
        "[[",
    ];
    let pair = (proptest::sample::select(KEYS), proptest::sample::select(VALUES));
    let line = prop_oneof![
        4 => pair.prop_map(|(key, value)| format!("{key} = {value}")),
        2 => proptest::sample::select(TABLES).prop_map(str::to_owned),
        1 => ".{0,20}",
    ];
    proptest::collection::vec(line, 0..8).prop_map(|lines| lines.join("\n"))
}
