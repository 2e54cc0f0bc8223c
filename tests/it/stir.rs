//! Signed caller identities and calls for help, with what the user sets for them.

use std::path::{Path, PathBuf};

use siptrace::analysis::Analysis;
use siptrace::signaling::{Settings, Stir};

use crate::run;

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rules").join(name)
}

/// The names of what is found with these settings.
fn found(case: &Path, set: impl FnOnce(&mut Settings)) -> Vec<&'static str> {
    let mut settings = Settings::default();
    set(&mut settings);
    names(&run::analyze_set(case, settings))
}

fn names(analysis: &Analysis) -> Vec<&'static str> {
    analysis.findings.iter().map(|finding| finding.rule.name).collect()
}

#[test]
fn a_signature_may_be_required_by_the_profile() {
    let unsigned = case("identity-required/silent-unsigned.sip");
    assert!(found(&unsigned, |_| {}).is_empty());
    assert_eq!(found(&unsigned, |own| own.stir = Stir::Required), ["identity-required"]);
    let only = |net: &str| {
        let net = net.parse().expect("a network");
        found(&unsigned, |own| {
            own.stir = Stir::Required;
            own.stir_servers.push(net);
        })
    };
    assert_eq!(only("203.0.113.0/24"), ["identity-required"]);
    assert!(only("198.51.100.0/24").is_empty());
}

#[test]
fn numbers_call_for_help_if_the_user_says_so() {
    let extension = case("emergency-call-failed/silent-extension.sip");
    let set = |own: &mut Settings| own.emergency.push("112".parse().expect("a number"));
    assert_eq!(found(&extension, |_| {}), ["final-response"]);
    assert_eq!(found(&extension, set), ["emergency-call-failed"]);
}

/// What is found with the certificate in this file, saved under this name.
#[cfg(feature = "stir")]
fn with_certificate(script: &str, file: &str, name: &str) -> Vec<siptrace::finding::Finding> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stir").join(file);
    let pem = std::fs::read(path).expect("a certificate");
    let mut settings = Settings::default();
    settings.certificates.add(name, &pem).expect("a key for ES256");
    run::analyze_set(&case(script), settings).findings
}

#[test]
#[cfg(feature = "stir")]
fn signatures_are_checked_with_the_certificate_of_the_signer() {
    let faults = |script: &str, file: &str, name: &str| {
        let findings = with_certificate(script, file, name);
        assert!(findings.iter().all(|found| found.rule.name == "identity-invalid"));
        let faults = findings.first().and_then(|found| found.value("faults")).map(run::shown);
        faults.unwrap_or_default()
    };
    let (named, other) = ("shaken.pem", "other.pem");
    for script in ["identity-invalid/silent-valid.sip", "identity-invalid/silent-compact.sip"] {
        assert_eq!(faults(script, "shaken.pem", named), "", "{script}");
        assert_eq!(faults(script, "shaken.pem", other), "", "{script}");
        assert_eq!(faults(script, "expired/shaken.pem", named), "certificate-out-of-date");
        assert_eq!(faults(script, "other/shaken.pem", named), "signature-wrong", "{script}");
        // Perhaps it is only another certificate of the same signer.
        assert_eq!(faults(script, "other/shaken.pem", other), "", "{script}");
    }
    let foreign = "identity-invalid/silent-signed-by-another.sip";
    assert_eq!(faults(foreign, "shaken.pem", named), "signature-wrong");
    assert_eq!(faults(foreign, "other/shaken.pem", other), "");
}

#[test]
#[cfg(feature = "stir")]
fn what_the_certificate_says_is_shown() {
    let script = "identity-content-mismatch/fires-caller-changed-answered.sip";
    let findings = with_certificate(script, "shaken.pem", "shaken.pem");
    let shown = |name: &str| findings.first().and_then(|found| found.value(name)).map(run::shown);
    assert_eq!(shown("signature").as_deref(), Some("signature-fits"));
    assert_eq!(shown("subject").as_deref(), Some("SHAKEN 709J"));
    assert_eq!(shown("valid_until").as_deref(), Some("2027-01-01T00:00:00Z"));
    let signs_for = "SPC 709J,12155550100 (100),12155550300";
    assert_eq!(shown("signs_for").as_deref(), Some(signs_for));
}

#[test]
fn numbers_without_a_country_code_are_compared_in_full_if_it_is_known() {
    let national = case("identity-content-mismatch/silent-separators.sip");
    let in_country = |code: &str| {
        found(&national, |own| own.home_cc = Some(code.parse().expect("a country code")))
    };
    assert!(in_country("1").is_empty());
    assert_eq!(in_country("49"), ["identity-content-mismatch"]);
}
