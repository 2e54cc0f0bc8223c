//! Tests of the catalogue as a whole: nothing missing, nothing left in English.

use std::path::Path;

use super::*;
use crate::rules;

/// Every language but English.
const TRANSLATIONS: [Lang; 3] = [Lang::Fr, Lang::Ja, Lang::Pt];

/// Code and phrase as registered with IANA.
const IANA: &[(u16, &str)] = &[
    (100, "Trying"),
    (180, "Ringing"),
    (181, "Call Is Being Forwarded"),
    (182, "Queued"),
    (183, "Session Progress"),
    (199, "Early Dialog Terminated"),
    (200, "OK"),
    (202, "Accepted (Deprecated)"),
    (204, "No Notification"),
    (300, "Multiple Choices"),
    (301, "Moved Permanently"),
    (302, "Moved Temporarily"),
    (305, "Use Proxy"),
    (380, "Alternative Service"),
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (402, "Payment Required"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (406, "Not Acceptable"),
    (407, "Proxy Authentication Required"),
    (408, "Request Timeout"),
    (410, "Gone"),
    (412, "Conditional Request Failed"),
    (413, "Request Entity Too Large"),
    (414, "Request-URI Too Long"),
    (415, "Unsupported Media Type"),
    (416, "Unsupported URI Scheme"),
    (417, "Unknown Resource-Priority"),
    (420, "Bad Extension"),
    (421, "Extension Required"),
    (422, "Session Interval Too Small"),
    (423, "Interval Too Brief"),
    (424, "Bad Location Information"),
    (425, "Bad Alert Message"),
    (428, "Use Identity Header"),
    (429, "Provide Referrer Identity"),
    (430, "Flow Failed"),
    (433, "Anonymity Disallowed"),
    (436, "Bad Identity Info"),
    (437, "Unsupported Credential"),
    (438, "Invalid Identity Header"),
    (439, "First Hop Lacks Outbound Support"),
    (440, "Max-Breadth Exceeded"),
    (469, "Bad Info Package"),
    (470, "Consent Needed"),
    (480, "Temporarily Unavailable"),
    (481, "Call/Transaction Does Not Exist"),
    (482, "Loop Detected"),
    (483, "Too Many Hops"),
    (484, "Address Incomplete"),
    (485, "Ambiguous"),
    (486, "Busy Here"),
    (487, "Request Terminated"),
    (488, "Not Acceptable Here"),
    (489, "Bad Event"),
    (491, "Request Pending"),
    (493, "Undecipherable"),
    (494, "Security Agreement Required"),
    (500, "Server Internal Error"),
    (501, "Not Implemented"),
    (502, "Bad Gateway"),
    (503, "Service Unavailable"),
    (504, "Server Time-out"),
    (505, "Version Not Supported"),
    (513, "Message Too Large"),
    (555, "Push Notification Service Not Supported"),
    (580, "Precondition Failure"),
    (600, "Busy Everywhere"),
    (603, "Decline"),
    (604, "Does Not Exist Anywhere"),
    (606, "Not Acceptable"),
    (607, "Unwanted"),
    (608, "Rejected"),
];

#[test]
fn codes_and_phrases_are_those_of_iana() {
    assert_eq!(IANA.len(), 75);
    assert_eq!(registered().collect::<Vec<_>>(), IANA);
    for code in 100..700 {
        let is_known = IANA.iter().any(|(known, _)| *known == code);
        let status = crate::sip::Status::new(code).expect("a status");
        assert_eq!(status.is_registered(), is_known, "{code}");
    }
    for (code, phrase) in IANA {
        let entry = status(*code, Lang::En);
        assert_eq!((entry.phrase, entry.registered), (*phrase, true));
        assert!(entry.rfc.starts_with("RFC "), "{code}: {}", entry.rfc);
    }
}

#[test]
fn every_code_has_its_texts_in_every_language() {
    for lang in Lang::ALL {
        for code in IANA.iter().map(|row| row.0).chain([409, 199, 299, 450, 699, 42, 700]) {
            let entry = status(code, lang);
            for text in [&entry.description, &entry.when, &entry.fix] {
                assert!(!text.is_empty(), "{lang}: {code}");
                assert!(!text.contains(['{', '}']), "{lang}: {code}");
            }
        }
    }
}

#[test]
fn entries_name_only_codes_that_exist() {
    for (code, _) in IANA {
        let entry = status(*code, Lang::En);
        for related in &entry.related {
            assert!(IANA.iter().any(|row| row.0 == *related), "{code}: {related}");
        }
        for cause in &entry.q850 {
            assert!(q850(*cause, Lang::En).is_some(), "{code}: cause {cause}");
        }
    }
}

#[test]
fn files_of_entries_hold_what_the_tables_list() {
    let known = |name: &str, key: &str| match name {
        "q850.md" => term(TermKind::Q850, key, Lang::En).is_some(),
        "warning.md" => term(TermKind::Warning, key, Lang::En).is_some(),
        "reason.md" => term(TermKind::Reason, key, Lang::En).is_some(),
        "methods.md" => term(TermKind::Method, key, Lang::En).is_some(),
        "status/class.md" => StatusClass::ALL.iter().any(|class| class.code() == key),
        _ => key.parse().is_ok_and(|code| {
            IANA.iter().any(|row| row.0 == code)
                && StatusClass::of(code).is_some_and(|class| name.contains(class.code()))
        }),
    };
    let mut lists = vec!["labels.md", "compare.md", "pairs.md"];
    lists.extend(["browse.md", "calls.md", "extract.md", "page.md", "redact.md", "show.md"]);
    for (lang, name, text) in files::all() {
        if lists.contains(name) || name.starts_with("rules/") {
            continue;
        }
        for (heading, body) in entries::sections(text) {
            let key = entries::first_word(heading);
            assert!(known(name, key), "{lang}/{name}: {heading}");
            for field in ["description", "when", "fix"] {
                assert!(entries::field(body, field).is_some(), "{lang}/{name}: {key}, {field}");
            }
        }
    }
}

#[test]
fn no_translation_repeats_the_english() {
    for (lang, name, text) in files::all().iter().filter(|file| file.0 != Lang::En) {
        let Some(english) = files::file(Lang::En, name) else { continue };
        for (heading, body) in entries::sections(text).filter(|section| section.1.len() > 80) {
            let key = entries::first_word(heading);
            let same = entries::section(english, key).is_some_and(|original| original.1 == body);
            assert!(!same, "{lang}/{name}: {heading} is still English");
        }
    }
}

#[test]
fn every_code_is_translated_in_every_part() {
    for (code, _) in IANA {
        let english = status(*code, Lang::En);
        let english = [english.description, english.when, english.fix];
        for lang in TRANSLATIONS {
            let entry = status(*code, lang);
            assert_eq!(entry.lang, lang, "{code} has no entry in {lang}");
            let own = [entry.description, entry.when, entry.fix];
            for (text, original) in own.iter().zip(&english) {
                assert!(!text.is_empty(), "{lang}: {code}");
                assert_ne!(text, original, "{lang}: {code} is still English");
            }
        }
    }
}

#[test]
fn every_rule_is_translated_in_every_part() {
    let parts = |entry: RuleEntry| {
        let lists = [entry.causes, entry.actions, entry.silent_when].map(|list| list.join("\n"));
        let [causes, actions, silent_when] = lists;
        [entry.title, entry.message, entry.what, entry.why, causes, actions, silent_when]
    };
    let mut missing = Vec::new();
    for rule in rules::ALL {
        let english = parts(super::rule(rule, Lang::En).entry);
        for lang in TRANSLATIONS {
            let own = super::rule(rule, lang);
            if own.lang != lang {
                missing.push(format!("src/catalogue/{lang}/rules/{}.md", rule.name));
                continue;
            }
            for (text, original) in parts(own.entry).iter().zip(&english) {
                assert!(!text.is_empty(), "{lang}: {}", rule.name);
                assert_ne!(text, original, "{lang}: {} is still English", rule.name);
            }
        }
    }
    assert!(missing.is_empty(), "not translated:\n{}", missing.join("\n"));
}

#[test]
fn every_term_is_translated_in_every_part() {
    for kind in TermKind::ALL {
        for key in kind.keys() {
            let english = term(kind, key, Lang::En).expect("in the table");
            for lang in TRANSLATIONS {
                let entry = term(kind, key, lang).expect("in the table");
                assert_eq!(entry.lang, lang, "{kind:?} {key} has no entry in {lang}");
                assert_ne!(entry.description, english.description, "{lang}: {kind:?} {key}");
                assert_ne!(entry.when, english.when, "{lang}: {kind:?} {key}");
                assert_ne!(entry.fix, english.fix, "{lang}: {kind:?} {key}");
            }
        }
    }
}

#[test]
fn a_code_without_entry_is_explained_by_its_class() {
    let unknown = status(499, Lang::En);
    assert!(!unknown.registered);
    assert_eq!((unknown.title().as_str(), unknown.class_code()), ("499", "4xx"));
    assert!(unknown.description.starts_with("499 is not registered"));
    let seen = status(409, Lang::En);
    assert_eq!((seen.title().as_str(), seen.registered), ("409 Conflict", false));
    assert!(seen.description.starts_with("Not registered: RFC 2543"));
    for (code, _) in unregistered() {
        let key = format!("unregistered-{code}");
        assert_ne!(labels(Lang::En).get(&key), key);
    }
    let none = status(27, Lang::En);
    assert_eq!((none.class, none.class_code()), (None, "none"));
    assert!(none.description.starts_with("27 is no SIP status code"));
}

#[test]
fn documents_are_named_as_people_write_them() {
    let entry = status(502, Lang::En);
    assert_eq!(entry.defined_in(Lang::En), "RFC 3261, section 21.5.3");
    assert_eq!(entry.defined_in(Lang::Ja), "RFC 3261、21.5.3 節");
    assert_eq!(spaced("RFC3326, ITU-T Q.850"), "RFC 3326, ITU-T Q.850");
}

#[test]
fn deprecated_is_no_part_of_the_phrase_on_the_wire() {
    let accepted = status(202, Lang::En);
    assert_eq!(accepted.name(), "202 (Accepted)");
    assert_eq!(accepted.title(), "202 Accepted");
}

#[test]
fn evidence_of_every_rule_has_its_name_and_words() {
    let mut sources = Vec::new();
    rust_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rules"), &mut sources);
    let words = labels(Lang::En);
    for source in sources {
        for (start, group) in
            [(".with(\"", "evidence"), (".with_some(\"", "evidence"), ("Word(\"", "word")]
        {
            for name in source.split(start).skip(1).filter_map(|rest| rest.split('"').next()) {
                let key = format!("{group}-{}", name.replace('_', "-").to_ascii_lowercase());
                assert_ne!(words.get(&key), key, "add it to labels.md of every language");
            }
        }
    }
}

fn rust_below(dir: &Path, sources: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_below(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.extend(std::fs::read_to_string(&path));
        }
    }
}
