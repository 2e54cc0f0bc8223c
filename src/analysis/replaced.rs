//! What the capture tells of a call that another one was to replace (RFC 3891): it has a Call-ID of
//! its own, so it is known only when calls are put side by side.

use rustc_hash::FxHashMap;

use crate::analysis::leg::{Leg, digest, host, tag};
use crate::finding::{Confidence, Finding, Value};
use crate::sip::DialogId;

/// The rule whose findings name a dialog.
const RULE: &str = "replaces-failed";

/// The evidence that is completed, and its value while nothing is known.
const NAMED: &str = "named_dialog";
const UNKNOWN: Value = Value::Word("unknown-here");

/// Looks up the dialogs that refused INVITEs named, among the calls of the capture.
pub(super) fn complete(legs: &[Leg], findings: &mut [Finding]) {
    let is_open =
        |finding: &Finding| finding.rule.name == RULE && finding.value(NAMED) == Some(&UNKNOWN);
    if !findings.iter().any(is_open) {
        return;
    }
    let by_id: FxHashMap<u64, &Leg> = legs.iter().map(|leg| (leg.id, leg)).collect();
    for finding in findings.iter_mut().filter(|finding| is_open(finding)) {
        let Some(word) = state_of_named(finding, &by_id) else { continue };
        finding.confidence = Confidence::Likely;
        for (name, value) in &mut finding.evidence {
            if *name == NAMED {
                *value = Value::Word(word);
            }
        }
    }
}

fn state_of_named(finding: &Finding, legs: &FxHashMap<u64, &Leg>) -> Option<&'static str> {
    let Some(Value::Text(replaces)) = finding.value("replaces") else { return None };
    let named = DialogId::parse(replaces.as_bytes())?;
    let (to, from) = (tag(named.to_tag()?), tag(named.from_tag()?));
    let leg = legs.get(&digest(named.call_id.trim_ascii()))?;
    let (caller, callee) = leg.tags?;
    if (to, from) != (caller, callee) && (to, from) != (callee, caller) {
        return None;
    }
    // The recipient knows the dialog by a tag of its own, which `to-tag` has to be.
    let recipient = host(finding.server?.address);
    let own = match leg.client.host == recipient {
        true => Some(caller),
        false => leg.servers.iter().any(|server| server.host == recipient).then_some(callee),
    };
    let is_over = leg.ended.zip(finding.time).is_some_and(|(ended, time)| ended <= time);
    Some(if own == Some(from) && from != to {
        "tags-swapped"
    } else if is_over {
        "already-ended"
    } else if named.is_early_only() && leg.is_answered {
        "early-only"
    } else {
        "in-force"
    })
}
