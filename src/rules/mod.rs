//! The rules, and how they are put to work on a call and on a capture.
//!
//! One file a rule, its English entry beside it. Rules are pure and do not look at each other;
//! which of two findings on one fault stands is decided in `precedence`. Knows no human language.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::finding::{Check, Finding, Findings, Rule};
use crate::media::Media;
use crate::signaling::{Call, Facts, Settings, Traits};

mod cal;
mod cap;
mod dlg;
mod med;
mod msg;
mod net;
#[cfg(feature = "parts")]
mod parts;
mod precedence;
mod reg;
mod sec;
mod sdp;
mod txn;
mod xfr;

/// Every rule, by code.
pub static ALL: &[&Rule] = &[
    &cal::failure_after_progress::RULE,
    &cal::progress_then_bad_gateway::RULE,
    &cal::early_media_announcement_then_failure::RULE,
    &cal::progress_without_early_media::RULE,
    &cal::failover_exhausted::RULE,
    &cal::forked_2xx_unhandled::RULE,
    &cal::final_response::RULE,
    &cal::status_q850_conflict::RULE,
    &cal::unregistered_status_code::RULE,
    &cal::redirect_not_followed::RULE,
    &cal::method_not_supported::RULE,
    &cap::capture_one_sided::RULE,
    &cap::capture_truncated_messages::RULE,
    &cap::capture_partial_dialogs::RULE,
    &cap::capture_duplicate_packets::RULE,
    &cap::capture_packet_loss::RULE,
    &cap::capture_time_disorder::RULE,
    &cap::call_id_reused::RULE,
    &cap::encrypted_signalling::RULE,
    &cap::unparsed_sip_like_payload::RULE,
    &dlg::missing_ack_2xx::RULE,
    &dlg::ack_2xx_late_recovered::RULE,
    &dlg::ack_non2xx_missing::RULE,
    &dlg::ack_mismatch::RULE,
    &dlg::ack_sent_to_wrong_place::RULE,
    &dlg::late_final_after_timeout::RULE,
    &dlg::cancel_without_487::RULE,
    &dlg::cancel_crosses_answer::RULE,
    &dlg::cancel_unmatched_481::RULE,
    &dlg::bye_no_response::RULE,
    &dlg::bye_rejected::RULE,
    &dlg::short_call::RULE,
    &dlg::fixed_interval_drop::RULE,
    &dlg::in_dialog_481::RULE,
    &dlg::reinvite_glare::RULE,
    &dlg::reinvite_rejected::RULE,
    &dlg::session_interval_too_small::RULE,
    &dlg::session_refresh_missing::RULE,
    &dlg::session_refresh_rejected::RULE,
    &dlg::cseq_out_of_order::RULE,
    &dlg::prack_failure::RULE,
    &dlg::extension_required_missing::RULE,
    &med::no_rtp::RULE,
    &med::one_way_rtp::RULE,
    &med::rtp_to_unexpected_port::RULE,
    &med::rtp_quality::RULE,
    &med::media_gap::RULE,
    &med::unexpected_payload_type::RULE,
    &med::dtmf_not_delivered::RULE,
    &med::icmp_unreachable::RULE,
    &msg::missing_mandatory_header::RULE,
    &msg::content_length_mismatch::RULE,
    &msg::cseq_invalid::RULE,
    &msg::via_branch_invalid::RULE,
    &msg::duplicate_singleton_header::RULE,
    &msg::message_sanity::RULE,
    &msg::bad_request_explained::RULE,
    &net::private_contact_from_public::RULE,
    &net::response_path_mismatch::RULE,
    &net::route_set_ignored::RULE,
    &net::record_route_unreachable::RULE,
    &net::loop_detected::RULE,
    &net::max_forwards_trouble::RULE,
    &net::sip_alg_rewrite::RULE,
    &net::message_too_large::RULE,
    &net::udp_fragment_lost::RULE,
    &net::stream_closed_mid_transaction::RULE,
    &net::tcp_connect_failed::RULE,
    &net::tls_handshake_failed::RULE,
    &reg::auth_challenge_unanswered::RULE,
    &reg::auth_credentials_rejected::RULE,
    &reg::auth_loop::RULE,
    &reg::auth_stale_nonce_loop::RULE,
    &reg::auth_parameter_mismatch::RULE,
    &reg::register_rejected::RULE,
    &reg::registration_lapsed::RULE,
    &reg::options_unanswered::RULE,
    &sdp::no_common_codec::RULE,
    &sdp::answer_mline_mismatch::RULE,
    &sdp::answer_codec_not_offered::RULE,
    &sdp::media_rejected::RULE,
    &sdp::direction_conflict::RULE,
    &sdp::srtp_profile_mismatch::RULE,
    &sdp::telephone_event_mismatch::RULE,
    &sdp::ptime_mismatch::RULE,
    &sdp::ice_or_rtcp_mux_mismatch::RULE,
    &sdp::private_sdp_from_public::RULE,
    &sdp::offer_unanswered::RULE,
    &sec::scanner::RULE,
    &sec::credential_brute_force::RULE,
    &sec::toll_fraud_suspect::RULE,
    &sec::overload_storm::RULE,
    &sec::identity_required::RULE,
    &sec::identity_content_mismatch::RULE,
    &sec::identity_invalid::RULE,
    &sec::call_blocked::RULE,
    &sec::emergency_call_failed::RULE,
    &txn::invite_no_response::RULE,
    &txn::request_retransmitted::RULE,
    &txn::request_no_response::RULE,
    &txn::no_100_trying::RULE,
    &txn::trying_then_silence::RULE,
    &txn::trying_then_server_failure::RULE,
    &txn::slow_post_dial_delay::RULE,
    &txn::long_ringing_no_answer::RULE,
    &txn::timer_c_expiry::RULE,
    &xfr::refer_accepted_no_notify::RULE,
    &xfr::refer_outcome_unknown::RULE,
    &xfr::transfer_failed::RULE,
    &xfr::refer_notify_rejected::RULE,
    &xfr::subscription_broken::RULE,
    &xfr::replaces_failed::RULE,
];

/// What calls and captures are judged by.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// The rules.
    pub rules: Vec<&'static Rule>,
    /// What the user has set for them.
    pub settings: Settings,
}

/// A rule that panicked; it gave nothing on that call, or on those that it compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The name of the rule.
    pub rule: &'static str,
}

/// What the rules find in each of the calls: one root finding for each fault, by precedence.
///
/// A rule is asked of all calls before the next one is, so that its code is at hand.
pub fn judge(
    rules: &[&'static Rule],
    calls: &[Call<'_>],
    media: Media<'_>,
    failures: &mut Vec<Failure>,
) -> Vec<Vec<Finding>> {
    let mut cases: Vec<Asked<'_, '_>> = calls.iter().map(|call| Asked::of(call, media)).collect();
    for rule in rules {
        rule_on(rule, &mut cases, media, failures);
    }
    let settled = cases.into_iter().map(|case| precedence::settle(case.call, case.found));
    settled.collect()
}

/// A call before the rules.
struct Asked<'m, 'c> {
    call: &'m Call<'c>,
    traits: Traits,
    found: Vec<Finding>,
    /// How much was found by the rules before the one at work.
    known: usize,
}

impl<'m, 'c> Asked<'m, 'c> {
    fn of(call: &'m Call<'c>, media: Media<'_>) -> Self {
        let mut traits = Traits::of(call);
        traits.set_if(!media.is_empty(), Traits::RTP);
        traits.set_if(media.has_contacts(), Traits::CONTACTS);
        Self { call, traits, found: Vec::new(), known: 0 }
    }
}

/// Asks one rule of every call whose traits open its gate.
fn rule_on(
    rule: &'static Rule,
    cases: &mut [Asked<'_, '_>],
    media: Media<'_>,
    failures: &mut Vec<Failure>,
) {
    if cfg!(debug_assertions) {
        let shut = cases.iter().filter(|case| !rule.gate.lets(case.traits));
        shut.for_each(|case| assert_silent(rule, case.call, media));
    }
    let mut open = cases.iter_mut().filter(|case| rule.gate.lets(case.traits));
    let mut at_work = None;
    loop {
        let run = || {
            for case in open.by_ref() {
                let case = at_work.insert(case);
                case.known = case.found.len();
                ask(rule, case.call, media, &mut case.found);
            }
        };
        // A panic is a bug of ours, and costs no more than this rule on this call.
        if catch_unwind(AssertUnwindSafe(run)).is_ok() {
            break;
        }
        if let Some(case) = &mut at_work {
            case.found.truncate(case.known);
        }
        failures.push(Failure { rule: rule.name });
    }
}

/// What one rule finds in the call.
fn ask(rule: &'static Rule, call: &Call<'_>, media: Media<'_>, found: &mut Vec<Finding>) {
    let mut findings = Findings::new(rule, call.settings(), found);
    match rule.check {
        Check::Call(check) | Check::Calls { each: check, .. } => check(call, &mut findings),
        Check::Media(check) => check(call, media, &mut findings),
        Check::Both { each, .. } | Check::MediaCalls { each, .. } => {
            each(call, media, &mut findings);
        }
        Check::Capture(_) => {}
    }
}

/// A gate that is shut follows from the conditions of its rule.
fn assert_silent(rule: &'static Rule, call: &Call<'_>, media: Media<'_>) {
    let mut found = Vec::new();
    let run = || ask(rule, call, media, &mut found);
    let is_silent = catch_unwind(AssertUnwindSafe(run)).is_err() || found.is_empty();
    assert!(is_silent, "{} finds something although its gate is shut: {found:?}", rule.name);
}

/// What the rules find in the capture as a whole.
pub fn judge_capture(
    profile: &Profile,
    facts: &Facts,
    failures: &mut Vec<Failure>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for rule in &profile.rules {
        let (Check::Capture(check) | Check::Both { capture: check, .. }) = rule.check else {
            continue;
        };
        let known = found.len();
        let run = || check(facts, &mut Findings::new(rule, &profile.settings, &mut found));
        if catch_unwind(AssertUnwindSafe(run)).is_err() {
            found.truncate(known);
            failures.push(Failure { rule: rule.name });
        }
    }
    found
}

/// Lets the rules that compare calls look at all their findings side by side. A finding that needs
/// company and has none gives way to what else was found.
pub fn judge_together(
    findings: &mut Vec<Finding>,
    settings: &Settings,
    failures: &mut Vec<Failure>,
) {
    let broken = compare(findings, settings);
    let found = std::mem::take(findings).into_iter();
    let whole = |mut finding: Finding| match broken.contains(&finding.rule.code) {
        true => {
            failures.push(Failure { rule: finding.rule.name });
            finding.fallback.take().map(|fallback| *fallback)
        }
        false => Some(finding),
    };
    // Collected in place.
    *findings = found.filter_map(whole).collect();
    precedence::settle_together(findings);
    let found = std::mem::take(findings).into_iter();
    let stands = |mut finding: Finding| match finding.needs_company {
        true => finding.fallback.take().map(|fallback| *fallback),
        false => Some(finding),
    };
    *findings = found.filter_map(stands).collect();
}

/// The same, and those that need company and have none stay. Gives the codes of the rules that
/// panicked: how far they came with their findings nobody knows, so these stand no more.
pub fn compare(findings: &mut [Finding], settings: &Settings) -> Vec<&'static str> {
    let mut broken = Vec::new();
    let mut rules: Vec<&'static Rule> = findings.iter().map(|finding| finding.rule).collect();
    rules.sort_unstable_by_key(|rule| rule.code);
    rules.dedup_by_key(|rule| rule.code);
    for rule in rules {
        let (Check::Calls { together, .. } | Check::MediaCalls { together, .. }) = rule.check
        else {
            continue;
        };
        let mut own: Vec<&mut Finding> =
            findings.iter_mut().filter(|finding| finding.rule.code == rule.code).collect();
        if catch_unwind(AssertUnwindSafe(|| together(&mut own, settings))).is_err() {
            broken.push(rule.code);
        }
    }
    broken
}

/// The rule of this name or code.
pub fn find(name: &str) -> Option<&'static Rule> {
    ALL.iter().copied().find(|rule| rule.name == name || rule.code.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;
    use crate::finding::{Gate, Report, Severity};
    use crate::signaling::CallLog;
    use crate::signaling::samples::{log, surrounded, with_call};

    const INVITE: &str = "INVITE sip:b@h SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\n\
        From: <sip:a@h>;tag=a\nTo: <sip:b@h>\nCall-ID: 1\nCSeq: 1 INVITE\n\n";

    const fn rule(name: &'static str, gate: Gate, check: Check) -> Rule {
        let severity = Severity::Info;
        let (code, since, entry) = ("INT999", "0.1.0", "");
        Rule { code, name, severity, since, entry, thresholds: &[], gate, check }
    }

    const LOUD: Check = Check::Call(|_, findings| findings.report(Report::on_capture()));

    fn judge_invite(rules: &[&'static Rule]) -> (usize, Vec<Failure>) {
        with_call(&[(0, 1, 2, INVITE)], |call| {
            let mut failures = Vec::new();
            let found = judge(rules, slice::from_ref(call), Media::new(&[]), &mut failures);
            (found.iter().map(Vec::len).sum(), failures)
        })
    }

    #[test]
    fn a_rule_that_panics_costs_no_more_than_itself() {
        static OPEN: Rule = rule("loud", Gate::OPEN, LOUD);
        static PANICKING: Rule = rule(
            "panicking",
            Gate::OPEN,
            Check::Call(|_, findings| {
                findings.report(Report::on_capture());
                panic!("this panic belongs to a test");
            }),
        );
        let (found, failures) = judge_invite(&[&OPEN, &PANICKING, &OPEN, &PANICKING]);
        assert_eq!(found, 2);
        assert_eq!(failures, [Failure { rule: "panicking" }, Failure { rule: "panicking" }]);
    }

    #[test]
    fn a_rule_that_panics_on_one_call_finds_what_it_finds_in_others() {
        static OPEN: Rule = rule("loud", Gate::OPEN, LOUD);
        static CHOOSY: Rule = rule(
            "choosy",
            Gate::OPEN,
            Check::Call(|call, findings| {
                findings.report(Report::on_capture());
                assert!(call.call_id != b"2", "this panic belongs to a test");
            }),
        );
        let logs = ["1", "2", "3"].map(|number| {
            log(&[(0, 1, 2, &INVITE.replace("Call-ID: 1", &format!("Call-ID: {number}")))])
        });
        let messages = logs.each_ref().map(CallLog::messages);
        surrounded(|surroundings| {
            let calls = Call::build(messages.iter().map(|own| (&**own, surroundings)));
            let mut failures = Vec::new();
            let found = judge(&[&OPEN, &CHOOSY, &OPEN], &calls, Media::new(&[]), &mut failures);
            assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [3, 2, 3]);
            assert_eq!(failures, [Failure { rule: "choosy" }]);
        });
    }

    #[test]
    fn a_rule_is_asked_only_where_its_gate_is_open() {
        static OPEN: Rule = rule("loud", Gate::all(&[Traits::ATTEMPT]), LOUD);
        static SHUT: Rule = rule("silent", Gate::all(&[Traits::BYE]), Check::Call(|_, _| {}));
        assert_eq!(judge_invite(&[&OPEN, &SHUT]).0, 1);
    }

    #[test]
    #[should_panic(expected = "loud finds something although its gate is shut")]
    #[cfg(debug_assertions)]
    fn a_gate_that_shuts_out_a_finding_is_a_bug() {
        static SHUT: Rule = rule("loud", Gate::all(&[Traits::BYE]), LOUD);
        judge_invite(&[&SHUT]);
    }

    #[test]
    fn codes_and_names_are_unique_and_sorted() {
        let mut codes: Vec<_> = ALL.iter().map(|rule| rule.code).collect();
        assert!(codes.is_sorted());
        codes.dedup();
        assert_eq!(codes.len(), ALL.len());
        for rule in ALL {
            assert_eq!(rule.code.len(), 6);
            assert!(rule.code.starts_with(rule.family().prefix()));
            assert_eq!(find(rule.name).map(|found| found.code), Some(rule.code));
        }
    }
}
