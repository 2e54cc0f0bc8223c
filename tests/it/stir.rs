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
