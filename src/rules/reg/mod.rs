//! Authentication and keep-alive: what became of digest challenges, of the credentials that
//! answered them, of registrations, and of OPTIONS.

use crate::finding::{Report, Value};
use crate::signaling::{Call, Chain};
use crate::sip::Challenge;

pub(super) mod auth_challenge_unanswered;
pub(super) mod auth_credentials_rejected;
pub(super) mod auth_loop;
pub(super) mod auth_parameter_mismatch;
pub(super) mod auth_stale_nonce_loop;
pub(super) mod options_unanswered;
pub(super) mod register_rejected;
pub(super) mod registration_lapsed;

/// A report on the end of a chain of challenges: who asked whom for which password, and how often.
fn report_on(call: &Call<'_>, chain: &Chain<'_>) -> Option<Report> {
    let last = chain.last()?;
    let origin = chain.origin(call)?;
    let answer = origin.final_response()?;
    let sender = last.request.source;
    let realm = last.challenges().find_map(|challenge: Challenge<'_>| challenge.realm());
    let report = Report::on(origin)
        .status(answer.status()?)
        .with("method", Value::quoted(last.request.method().as_bytes()))
        .with("status", answer.status()?.code())
        .with_some("user", chain.user(call).map(|user| Value::quoted(&user)))
        .with_some("realm", realm.map(|realm| Value::quoted(&realm)))
        .with("rounds", chain.rounds.len())
        .with_some("from", (sender != origin.client).then_some(sender))
        .with_some("software", last.request.software().map(Value::quoted));
    Some(report)
}
